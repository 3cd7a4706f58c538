//! Lays out a case and runs it: golden vectors, temperature and accuracy come from the engine itself.

use typecase_case::sections::golden::{self, NewVector};
use typecase_case::sections::text::{TextSpec, Units};
use typecase_case::sections::{labels, provenance};
use typecase_case::{Kind, Writer};
use typecase_engine::{Buffers, Calibration, Case, UNICODE_VERSION};
use typecase_text::vocabulary::Builder;

use crate::checkpoint::Checkpoint;
use crate::error::ConvertError;
use crate::gate::{self, Report, Side};
use crate::paired::Paired;
use crate::parent::Parent;
use crate::quantise::{self, Quantised};
use crate::runner::Runner;
use crate::{Options, calibrate};

/// Texts of the golden vectors if the options name none.
const GOLDEN_TEXTS: &str = include_str!("golden.txt");

/// A case and its figures.
pub(crate) struct Built {
    pub(crate) bytes: Vec<u8>,
    pub(crate) report: Report,
}

/// Builds a case from the rows named by `rows`, the more important first.
pub(crate) fn case(
    checkpoint: &Checkpoint,
    rows: &[u32],
    held_out: &[(String, u32)],
    options: &Options,
) -> Result<Built, ConvertError> {
    let features: Vec<u32> = rows.iter().map(|&row| checkpoint.features[row as usize]).collect();
    let table = Builder::new(&features, options.fingerprint_bits)
        .map_err(|e| ConvertError::checkpoint(&checkpoint.name, e.to_string()))?;
    let row_of: std::collections::HashMap<u32, u32> =
        features.into_iter().zip(rows.iter().copied()).collect();
    let rows: Vec<u32> = table.features().map(|feature| row_of[&feature]).collect();
    let Quantised { bag, score_scale } = quantise::bag(checkpoint, &rows, options)?;

    let count = table.shape().count();
    let classes = u32::try_from(checkpoint.labels.len()).unwrap_or(u32::MAX);
    let (major, minor, _) = UNICODE_VERSION;
    let text = TextSpec {
        units: checkpoint.max_tokens().map_or(Units::Words, |max| Units::Tokens { max }),
        word_max: checkpoint.text.word_ngrams,
        char_min: checkpoint.text.char_ngrams_min,
        char_max: checkpoint.text.char_ngrams_max,
        marks: checkpoint.text.marks,
        cased: checkpoint.text.cased,
        skips: checkpoint.text.skips,
        unicode: (major, minor),
        max_bytes: checkpoint.text.max_bytes,
        max_ids: options.max_ids,
    };
    let mut calibration = Calibration {
        score_scale,
        temperature: checkpoint.temperature,
        abstain_below: options.abstain_below,
    };
    let mut writer = Writer::new();
    writer
        .section(Kind::LABELS, labels::encode(&checkpoint.labels)?)
        .section(Kind::TEXT, text.encode())
        .section(Kind::VOCABULARY, table.to_bytes())
        .section(Kind::BAG, bag.encode()?)
        .section(Kind::CALIBRATION, calibration.encode());
    if let Some(tokenizer) = &checkpoint.tokenizer {
        writer.section(Kind::TOKENIZER, tokenizer.table.clone());
    }

    // Run the bag once with golden vectors of the right form and no content, to learn their content.
    let texts = golden_texts(options);
    let blank = NewVector { text: Vec::new(), ids: Vec::new(), scores: vec![0; classes as usize] };
    let mut entries = checkpoint.provenance.clone();
    entries.insert("name".to_owned(), checkpoint.name.clone());
    writer
        .section(Kind::GOLDEN, golden::encode(&vec![blank; golden::MIN_COUNT as usize], classes, count)?)
        .section(Kind::PROVENANCE, provenance::encode(&entries)?);
    let draft = Case::parse(writer.finish()?)?;
    let mut runner = Runner::new(&draft);
    let vectors: Vec<NewVector> = texts.iter().map(|text| runner.vector(text.as_bytes())).collect();
    writer.section(Kind::GOLDEN, golden::encode(&vectors, classes, count)?);

    let labels: Vec<u32> = held_out.iter().map(|(_, label)| *label).collect();
    let (case_logits, found): (Vec<_>, Vec<_>) = held_out.iter().map(|(text, _)| runner.logits(text)).unzip();
    if !held_out.is_empty() {
        calibration.temperature = calibrate::temperature(&case_logits, &labels);
    }
    let answers: Vec<(f32, bool)> = case_logits
        .iter()
        .zip(&found)
        .zip(&labels)
        .map(|((logits, &found), &label)| calibrate::answer(logits, calibration.temperature, found, label))
        .collect();
    let abstain = gate::threshold(&answers, options);
    calibration.abstain_below = abstain.below;
    let (parent, case, paired) = compare(checkpoint, held_out, &found)?;
    if !held_out.is_empty() {
        entries.insert("held_out_items".to_owned(), held_out.len().to_string());
        entries.insert("held_out_accuracy".to_owned(), format!("{:.5}", case.accuracy));
        entries.insert("parent_accuracy".to_owned(), format!("{:.5}", parent.accuracy));
    }
    writer
        .section(Kind::CALIBRATION, calibration.encode())
        .section(Kind::PROVENANCE, provenance::encode(&entries)?);
    let bytes = writer.finish()?;

    // The last word is the engine's: the bytes open, and every golden vector comes out exactly.
    let shipped = Case::parse(bytes.as_slice())?;
    shipped.verify(&mut Buffers::new(&shipped.cost()).memory())?;

    let report = Report {
        name: checkpoint.name.clone(),
        bytes: bytes.len() as u64,
        features_before: checkpoint.features.len() as u64,
        features: count.into(),
        weight_bits: options.weights.bits(),
        items: held_out.len() as u64,
        parent,
        case,
        drop: (parent.accuracy - case.accuracy) * 100.0,
        paired,
        temperature: calibration.temperature,
        abstain,
        answered_accuracy: options.answered_accuracy,
    };
    Ok(Built { bytes, report })
}

/// The texts of the golden vectors.
pub(crate) fn golden_texts(options: &Options) -> Vec<&str> {
    match options.golden_texts.as_slice() {
        [] => GOLDEN_TEXTS.lines().collect(),
        texts => texts.iter().map(String::as_str).collect(),
    }
}

/// Both classifiers on the held-out items; `found` are the labels of the case.
fn compare(
    checkpoint: &Checkpoint,
    held_out: &[(String, u32)],
    found: &[u32],
) -> Result<(Side, Side, Paired), ConvertError> {
    let parent = Parent::new(checkpoint)?;
    let outcomes: Vec<(bool, bool)> = held_out
        .iter()
        .zip(found)
        .map(|((text, label), found)| {
            let logits = parent.logits(text.as_bytes());
            (best(&logits) == *label, found == label)
        })
        .collect();
    Ok(sides(&outcomes))
}

/// Whether the parent and the case were right, item by item.
pub(crate) fn sides(outcomes: &[(bool, bool)]) -> (Side, Side, Paired) {
    let side = |right: fn(&(bool, bool)) -> bool| {
        let correct = outcomes.iter().filter(|outcome| right(outcome)).count() as u64;
        Side { correct, accuracy: correct as f64 / outcomes.len().max(1) as f64 }
    };
    (side(|outcome| outcome.0), side(|outcome| outcome.1), Paired::new(outcomes.iter().copied()))
}

/// The first index of the highest logit.
pub(crate) fn best(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(index, _)| u32::try_from(index).unwrap_or(u32::MAX))
}
