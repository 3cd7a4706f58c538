//! The kinds of networks that compute as BERT does, and differ in names alone.
//!
//! # Source
//! `transformers`: `modeling_bert.py`, `modeling_electra.py`, `modeling_roberta.py`, `modeling_distilbert.py`.

/// A kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Bert,
    /// As BERT, without token types, with names of its own in the layers.
    DistilBert,
    /// As BERT, where its embedding is as wide as its layers.
    Electra,
    /// As BERT; positions are counted from behind the padding's id.
    Roberta,
}

/// Names of the tensors of a layer, behind its prefix.
pub(super) struct Names {
    /// What a layer's number follows.
    pub(super) layer: &'static str,
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    pub(super) norm: &'static str,
    pub(super) inner: &'static str,
    pub(super) outer: &'static str,
    pub(super) norm_outer: &'static str,
}

const BERT: Names = Names {
    layer: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    norm_outer: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    layer: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    norm: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    norm_outer: "output_layer_norm",
};

impl Family {
    /// By `model_type`.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "bert" => Ok(Self::Bert),
            "distilbert" => Ok(Self::DistilBert),
            "electra" => Ok(Self::Electra),
            "roberta" | "xlm-roberta" => Ok(Self::Roberta),
            _ => Err(format!(
                "model_type {name:?} found, allowed are \"bert\", \"distilbert\", \"electra\", \"roberta\" and \
                 \"xlm-roberta\""
            )),
        }
    }

    /// What the names of a whole model's file begin with.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::DistilBert => "distilbert.",
            Self::Electra => "electra.",
            Self::Roberta => "roberta.",
        }
    }

    pub(super) const fn names(self) -> &'static Names {
        match self {
            Self::DistilBert => &DISTILBERT,
            Self::Bert | Self::Electra | Self::Roberta => &BERT,
        }
    }

    pub(super) fn has_token_types(self) -> bool {
        self != Self::DistilBert
    }
}
