//! `typecase inspect`: everything a case says of itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use typecase::Case;
use typecase::engine::{
    BagShape, EncoderPooling, EncoderShape, Head, Kind, Payload, Pooling, TokenizerModel,
};

use crate::failure::Failure;
use crate::format::{hex, thousands};

/// Show what a case holds.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The case
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    digest: String,
    bytes: u64,
    sections: Vec<SectionLine>,
    labels: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer: Option<TokenizerLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocabulary: Option<VocabularyLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bag: Option<BagLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoder: Option<EncoderLine>,
    calibration: CalibrationLine,
    golden_vectors: u32,
    provenance: BTreeMap<&'a str, &'a str>,
    scratch_bytes: usize,
    multiply_adds: u64,
}

#[derive(Serialize)]
struct SectionLine {
    kind: String,
    offset: u64,
    bytes: u64,
    crc32: String,
}

#[derive(Serialize)]
struct TextLine {
    tokenizer: &'static str,
    word_ngrams: u8,
    char_ngrams: [u8; 2],
    marks: bool,
    cased: bool,
    skips: bool,
    max_bytes: u32,
    max_ids: usize,
}

#[derive(Serialize)]
struct TokenizerLine {
    model: &'static str,
    ids: u32,
    bytes: u64,
    max_tokens: usize,
    segment_characters: usize,
}

#[derive(Serialize)]
struct VocabularyLine {
    features: u32,
    buckets: u32,
    fingerprint_bits: u8,
}

#[derive(Serialize)]
struct BagLine {
    rows: u32,
    width: u16,
    weight_bits: u8,
    scale_bits: u8,
    pooling: &'static str,
    hidden: bool,
}

#[derive(Serialize)]
struct EncoderLine {
    layers: u16,
    heads: u16,
    width: usize,
    inner: u16,
    rows: u32,
    positions: u16,
    pooling: &'static str,
}

#[derive(Serialize)]
struct CalibrationLine {
    score_scale: f32,
    temperature: f32,
    abstain_below: f32,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let case = typecase::open(&self.file)?;
        let description = describe(&case)?;
        if self.json {
            outln!("{}", serde_json::to_string(&description).unwrap_or_default());
        } else {
            print(&description);
        }
        Ok(())
    }
}

fn describe(case: &Case) -> Result<Description<'_>, Failure> {
    let (bag, encoder) = match case.payload() {
        Payload::Bag(bag) => (Some(bag_line(&bag.shape)), None),
        Payload::Encoder(encoder) => (None, Some(encoder_line(&encoder.shape))),
        _ => {
            let message = format!("{}: payload of a kind that this program cannot describe", case.name());
            return Err(Failure::input(message));
        }
    };
    let cost = case.cost();
    let calibration = case.calibration();
    let tokenizer = case.tokenizer().map(|tokenizer| TokenizerLine {
        model: match tokenizer.model() {
            TokenizerModel::WordPiece(_) => "WordPiece",
            TokenizerModel::Bpe(_) => "byte-level BPE",
            TokenizerModel::Unigram(_) => "Unigram",
        },
        ids: tokenizer.ids(),
        bytes: case
            .sections()
            .find(|section| section.record.kind == Kind::TOKENIZER)
            .map_or(0, |section| section.record.len),
        max_tokens: cost.tokens.max(if encoder.is_some() { cost.ids } else { 0 }),
        segment_characters: tokenizer.segment_cells(),
    });
    let sections = case.sections().map(|section| SectionLine {
        kind: section.record.kind.to_string(),
        offset: section.record.offset,
        bytes: section.record.len,
        crc32: format!("{:08x}", section.record.crc32),
    });
    Ok(Description {
        name: case.name(),
        digest: format!("sha256:{}", hex(&case.digest())),
        bytes: case.bytes().len() as u64,
        sections: sections.collect(),
        labels: case.labels().iter().collect(),
        text: case.ngrams().map(|ngrams| ngrams.spec()).map(|spec| TextLine {
            tokenizer: if tokenizer.is_some() {
                "hashed n-grams of sub-word tokens"
            } else {
                "hashed n-grams"
            },
            word_ngrams: spec.word_max,
            char_ngrams: [spec.char_min, spec.char_max],
            marks: spec.marks,
            cased: spec.cased,
            skips: spec.skips,
            max_bytes: spec.max_bytes,
            max_ids: cost.ids,
        }),
        tokenizer,
        vocabulary: case.vocabulary().map(|vocabulary| vocabulary.shape()).map(|shape| VocabularyLine {
            features: shape.count(),
            buckets: shape.buckets(),
            fingerprint_bits: shape.fingerprint_bits(),
        }),
        bag,
        encoder,
        calibration: CalibrationLine {
            score_scale: calibration.score_scale,
            temperature: calibration.temperature,
            abstain_below: calibration.abstain_below,
        },
        golden_vectors: case.golden().len(),
        provenance: case.provenance().iter().collect(),
        scratch_bytes: cost.scratch_bytes,
        multiply_adds: cost.multiply_adds,
    })
}

fn bag_line(shape: &BagShape) -> BagLine {
    BagLine {
        rows: shape.rows,
        width: shape.width,
        weight_bits: shape.weight_bits,
        scale_bits: shape.scale_bits,
        pooling: match shape.pooling {
            Pooling::Sum => "sum",
            Pooling::Mean => "mean",
            Pooling::SquareRoot => "square-root",
        },
        hidden: shape.head != Head::None,
    }
}

fn encoder_line(shape: &EncoderShape) -> EncoderLine {
    EncoderLine {
        layers: shape.layers,
        heads: shape.heads,
        width: shape.width(),
        inner: shape.inner,
        rows: shape.rows,
        positions: shape.positions,
        pooling: match shape.pooling {
            EncoderPooling::Mean => "mean",
            EncoderPooling::First => "first",
        },
    }
}

fn print(description: &Description<'_>) {
    let Description { text, tokenizer, vocabulary, bag, encoder, calibration, .. } = description;
    outln!("{}: {} bytes", description.name, thousands(description.bytes));
    outln!("{}", description.digest);
    outln!("\nsections");
    for section in &description.sections {
        outln!(
            "  {:<12} {:>10} bytes at {:>10}",
            section.kind,
            thousands(section.bytes),
            thousands(section.offset)
        );
    }
    outln!("\nlabels       {}", description.labels.join(", "));
    if let Some(text) = text {
        let limits = format!("at most {} bytes and {} ids", thousands(text.max_bytes.into()), text.max_ids);
        let [low, high] = text.char_ngrams;
        match tokenizer {
            None => outln!(
                "text         words 1 to {}, characters {low} to {high}, marks {}, cased {}, skips {}; {limits}",
                text.word_ngrams,
                text.marks,
                text.cased,
                text.skips
            ),
            Some(_) => {
                outln!("text         tokens 1 to {}, skips {}; {limits}", text.word_ngrams, text.skips)
            }
        }
    }
    if let Some(tokenizer) = tokenizer {
        outln!(
            "tokenizer    {}, {} ids, {} bytes; at most {} tokens, {} characters at a time",
            tokenizer.model,
            thousands(tokenizer.ids.into()),
            thousands(tokenizer.bytes),
            thousands(tokenizer.max_tokens as u64),
            thousands(tokenizer.segment_characters as u64)
        );
    }
    if let Some(vocabulary) = vocabulary {
        outln!(
            "vocabulary   {} features in {} buckets, {}-bit fingerprints",
            thousands(vocabulary.features.into()),
            thousands(vocabulary.buckets.into()),
            vocabulary.fingerprint_bits
        );
    }
    if let Some(bag) = bag {
        outln!(
            "bag          {} rows of {}, {}-bit weights, {}-bit row scales, pooling {}, hidden layer {}",
            thousands(bag.rows.into()),
            bag.width,
            bag.weight_bits,
            bag.scale_bits,
            bag.pooling,
            bag.hidden
        );
    }
    if let Some(encoder) = encoder {
        outln!(
            "encoder      {} layers of {} heads, width {}, inner width {}; {} rows, {} positions, pooling {}",
            encoder.layers,
            encoder.heads,
            encoder.width,
            thousands(encoder.inner.into()),
            thousands(encoder.rows.into()),
            encoder.positions,
            encoder.pooling
        );
    }
    outln!(
        "calibration  score scale {:e}, temperature {:.4}, abstains below {}",
        calibration.score_scale,
        calibration.temperature,
        calibration.abstain_below
    );
    outln!("golden       {} vectors", description.golden_vectors);
    outln!(
        "cost         {} bytes of scratch, at most {} multiply-adds a text",
        thousands(description.scratch_bytes as u64),
        thousands(description.multiply_adds)
    );
    outln!("\nprovenance");
    for (key, value) in &description.provenance {
        outln!("  {key:<18} {value}");
    }
}
