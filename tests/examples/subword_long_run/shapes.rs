//! The tokenizers that are compared: each has the parts of a known model and a vocabulary that is learnt here.
//!
//! # Source
//! The `tokenizer.json` of MiniLM is the real one. The others follow the published files of RoBERTa, GPT-2, XLNet, T5
//! and DeBERTa-v3, and what `convert_slow_tokenizer.py` of Hugging Face `transformers` writes.

use serde_json::{Map, Value, json};
use typecase_train::vocabulary::VocabularyModel;

use crate::sources;

/// A tokenizer.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) json: Value,
}

impl Shape {
    /// The texts of its added tokens.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let tokens = self.json["added_tokens"].as_array();
        tokens
            .into_iter()
            .flatten()
            .filter_map(|token| token["content"].as_str())
            .map(str::to_owned)
            .collect()
    }
}

/// All of them; what this machine lacks the parts for is skipped, which is said.
pub(crate) fn all() -> Vec<Shape> {
    let mut all = Vec::new();
    let mut add = |name, json| all.push(Shape { name, json });
    if let Some(json) = sources::minilm() {
        add("MiniLM", json);
    }
    let bpe = sources::learnt(VocabularyModel::Bpe, false);
    add("RoBERTa", roberta(&bpe));
    add("GPT-2", gpt2(&bpe));
    let pieces = sources::learnt(VocabularyModel::Unigram, false);
    if let Some(charsmap) = sources::charsmap() {
        let precompiled = json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
        add("XLNet", xlnet(&pieces, &precompiled));
        add("T5, old form", t5_old(&pieces, &precompiled));
        add("T5, new form", t5_new(&pieces, &precompiled));
        add("DeBERTa-v3", deberta_v3(&pieces, &precompiled));
    }
    add("learnt WordPiece", sources::learnt(VocabularyModel::WordPiece, true));
    add("learnt WordPiece, cased", sources::learnt(VocabularyModel::WordPiece, false));
    add("learnt BPE", sources::learnt(VocabularyModel::Bpe, true));
    add("learnt Unigram", sources::learnt(VocabularyModel::Unigram, true));
    all
}

/// The tokenizer of parts, with what all of them have.
fn whole(added: Value, parts: Value, model: Value) -> Value {
    let mut json = json!({"version": "1.0", "truncation": null, "padding": null, "decoder": null,
                          "added_tokens": added, "model": model});
    for (name, part) in parts.as_object().into_iter().flatten() {
        json[name] = part.clone();
    }
    json
}

/// An added token; `normalized` ones are looked for in the normalised text.
fn token(id: usize, content: &str, normalized: bool, lstrip: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": lstrip, "rstrip": false,
           "normalized": normalized, "special": true})
}

fn plain(tokens: &[(usize, &str)]) -> Value {
    tokens.iter().map(|(id, content)| token(*id, content, false, false)).collect()
}

// ---- BPE

fn roberta(learnt: &Value) -> Value {
    let tokens = [(0, "<s>"), (1, "<pad>"), (2, "</s>"), (3, "<unk>")];
    let mut added: Vec<Value> = tokens.iter().map(|(id, content)| token(*id, content, true, false)).collect();
    added.push(token(4, "<mask>", false, true));
    let parts = json!({
        "normalizer": null,
        "truncation": {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                           "trim_offsets": true, "add_prefix_space": false},
    });
    whole(added.into(), parts, learnt["model"].clone())
}

fn gpt2(learnt: &Value) -> Value {
    let mut model = learnt["model"].clone();
    let vocabulary = model["vocab"].as_object().expect("a map");
    // Its one special token is the last.
    let mut numbered: Map<String, Value> = vocabulary
        .iter()
        .filter_map(|(piece, id)| Some((piece.clone(), json!(id.as_u64()?.checked_sub(5)?))))
        .collect();
    let last = numbered.len();
    numbered.insert("<|endoftext|>".to_owned(), json!(last));
    model["vocab"] = numbered.into();
    let parts = json!({
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false},
    });
    whole(vec![token(last, "<|endoftext|>", true, false)].into(), parts, model)
}

// ---- Unigram

/// A model with other special pieces before those that were learnt, and others after them.
fn unigram(learnt: &Value, first: &[&str], unknown: &str, last: &[&str]) -> Value {
    let pieces = learnt["model"]["vocab"].as_array().expect("a list");
    let learnt = pieces.iter().skip(4).cloned();
    let special = |piece: &&str| json!([piece, 0.0]);
    let vocabulary: Vec<Value> =
        first.iter().map(special).chain(learnt).chain(last.iter().map(special)).collect();
    let unknown = first.iter().position(|piece| *piece == unknown);
    json!({"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": false})
}

fn metaspace() -> Value {
    json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true})
}

fn spaces(content: &str) -> Value {
    json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": content})
}

/// One text with special tokens around it; `parts` are names with their type, `$A` is the text.
fn template(parts: &[(&str, u32)], ids: &[(&str, usize)]) -> Value {
    let part = |(name, kind): &(&str, u32)| match *name {
        "$A" => json!({"Sequence": {"id": "A", "type_id": kind}}),
        name => json!({"SpecialToken": {"id": name, "type_id": kind}}),
    };
    let single: Vec<Value> = parts.iter().map(part).collect();
    let mut pair = single.clone();
    pair.insert(1, json!({"Sequence": {"id": "B", "type_id": 1}}));
    let special: Map<String, Value> = ids
        .iter()
        .map(|(name, id)| ((*name).to_owned(), json!({"id": name, "ids": [id], "tokens": [name]})))
        .collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special})
}

fn xlnet(learnt: &Value, precompiled: &Value) -> Value {
    let first = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"];
    let mut added: Vec<Value> =
        first.iter().enumerate().map(|(id, content)| token(id, content, false, false)).collect();
    added[6] = token(6, "<mask>", false, true);
    let parts = json!({
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"String": "``"}, "content": "\""},
            {"type": "Replace", "pattern": {"String": "''"}, "content": "\""},
            {"type": "NFKD"}, {"type": "StripAccents"}, precompiled, spaces(" ")]},
        "pre_tokenizer": metaspace(),
        "post_processor": template(&[("$A", 0), ("<sep>", 0), ("<cls>", 2)], &[("<sep>", 4), ("<cls>", 3)]),
    });
    whole(added.into(), parts, unigram(learnt, &first, "<unk>", &[]))
}

fn t5(learnt: &Value, mut parts: Value) -> Value {
    let first = ["<pad>", "</s>", "<unk>"];
    let last: Vec<String> = (0..100).rev().map(|number| format!("<extra_id_{number}>")).collect();
    let last: Vec<&str> = last.iter().map(String::as_str).collect();
    let model = unigram(learnt, &first, "<unk>", &last);
    let before = model["vocab"].as_array().expect("a list").len() - last.len();
    let numbered = first.iter().copied().enumerate().chain((before..).zip(last.iter().copied()));
    let added: Vec<(usize, &str)> = numbered.collect();
    parts["post_processor"] = template(&[("$A", 0), ("</s>", 0)], &[("</s>", 1)]);
    whole(plain(&added), parts, model)
}

fn t5_old(learnt: &Value, precompiled: &Value) -> Value {
    let metaspace = json!({"type": "Metaspace", "replacement": "\u{2581}", "add_prefix_space": true});
    let cut = json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]});
    t5(learnt, json!({"normalizer": precompiled, "pre_tokenizer": cut}))
}

fn t5_new(learnt: &Value, precompiled: &Value) -> Value {
    let strip = json!({"type": "Strip", "strip_left": false, "strip_right": true});
    let steps = json!([precompiled, strip, spaces("\u{2581}")]);
    let normalizer = json!({"type": "Sequence", "normalizers": steps});
    t5(learnt, json!({"normalizer": normalizer, "pre_tokenizer": metaspace()}))
}

fn deberta_v3(learnt: &Value, precompiled: &Value) -> Value {
    let first = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"];
    let model = unigram(learnt, &first, "[UNK]", &["[MASK]"]);
    let mask = model["vocab"].as_array().expect("a list").len() - 1;
    let added = [(0, "[PAD]"), (1, "[CLS]"), (2, "[SEP]"), (3, "[UNK]"), (mask, "[MASK]")];
    let strip = json!({"type": "Strip", "strip_left": true, "strip_right": true});
    let parts = json!({
        "normalizer": {"type": "Sequence", "normalizers": [strip, precompiled, spaces(" ")]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [metaspace()]},
        "post_processor": template(&[("[CLS]", 0), ("$A", 0), ("[SEP]", 0)], &[("[CLS]", 1), ("[SEP]", 2)]),
    });
    whole(plain(&added), parts, model)
}
