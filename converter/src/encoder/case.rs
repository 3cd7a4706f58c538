//! A case from a folder of Hugging Face: network, tokenizer and labels in one file, run before it is written.

use std::collections::BTreeMap;
use std::path::Path;

use typecase_case::sections::golden::{self, NewVector};
use typecase_case::sections::{labels, provenance};
use typecase_case::{Kind, Writer};
use typecase_engine::{Calibration, Case};

use super::{ImportOptions, Imported, Network, TextIds, TrainedEncoder, import, import_trained};
use crate::build::golden_texts;
use crate::error::ConvertError;
use crate::gate::{self, Report, Side};
use crate::paired::Paired;
use crate::runner::Runner;
use crate::{Converted, Options, calibrate};

/// What a case is made of, beside the folder.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// What people call the case.
    pub name: &'a str,
    /// Names of the classes.
    pub labels: &'a [String],
    /// Texts from which the head learns.
    pub train: &'a [(String, u32)],
    /// Texts that it does not see: they set the temperature and judge the loss.
    pub held_out: &'a [(String, u32)],
}

/// Makes a case of the network in `folder`, with a linear head on its pooled rows.
///
/// # Errors
/// [`ConvertError::Import`] if the folder or the texts make no sense, [`ConvertError::Gate`] if the case would be too
/// large or lose too much against the network in floating point.
pub fn convert(
    folder: &Path,
    labelled: &Labelled<'_>,
    import_options: &ImportOptions,
    options: &Options,
) -> Result<Converted, ConvertError> {
    options.check()?;
    gate::check_target(labelled.held_out.len(), options)?;
    let ids = TextIds::open(folder, import_options.max_tokens)?;
    let tokenize = |text: &str| ids.ids(text);
    let imported = import(folder, labelled.train, labelled.labels.len(), &tokenize, import_options)?;
    let entries = BTreeMap::from([
        ("name".to_owned(), labelled.name.to_owned()),
        ("head_texts".to_owned(), labelled.train.len().to_string()),
    ]);
    judged(&imported, &ids, labelled, entries, options)
}

/// Makes a case of an encoder that was trained with its head. `held_out` are texts that training did not see: they set
/// the temperature and judge the loss. They set the ranges of the integers too, but for an encoder that was trained for
/// its integers: that one brings its ranges, and its case has the scores that training saw.
///
/// # Errors
/// As [`convert`].
pub fn convert_trained(
    trained: &TrainedEncoder,
    folder: &Path,
    held_out: &[(String, u32)],
    import_options: &ImportOptions,
    options: &Options,
) -> Result<Converted, ConvertError> {
    options.check()?;
    gate::check_target(held_out.len(), options)?;
    let network = trained.network(folder)?;
    let ids = TextIds::open(folder, trained.max_tokens)?;
    let calibration = trained.calibration(folder, &network.bert.config)?;
    let (max_tokens, pooling) = (trained.max_tokens, network.pooling);
    let mut import_options = ImportOptions { max_tokens, pooling, ..import_options.clone() };
    if calibration.is_some() {
        // What training saw.
        import_options.alpha = ImportOptions::default().alpha;
    }
    let imported = import_trained(network, calibration, held_out, &|text| ids.ids(text), &import_options)?;
    let mut entries = trained.provenance.clone();
    entries.insert("name".to_owned(), trained.name.clone());
    let labelled = Labelled { name: &trained.name, labels: &trained.labels, train: &[], held_out };
    judged(&imported, &ids, &labelled, entries, options)
}

fn judged(
    imported: &Imported,
    ids: &TextIds,
    labelled: &Labelled<'_>,
    entries: BTreeMap<String, String>,
    options: &Options,
) -> Result<Converted, ConvertError> {
    let (bytes, report) = build(imported, ids, labelled, entries, options)?;
    gate::judge(&report, options)?;
    Ok(Converted { case: bytes, report })
}

fn build(
    imported: &Imported,
    ids: &TextIds,
    labelled: &Labelled<'_>,
    mut entries: BTreeMap<String, String>,
    options: &Options,
) -> Result<(Vec<u8>, Report), ConvertError> {
    let Imported { section, shape, score_scale, reference, .. } = imported;
    let classes = shape.classes.into();
    let mut calibration =
        Calibration { score_scale: *score_scale, temperature: 1.0, abstain_below: options.abstain_below };
    // Golden vectors of the right form and no content first, to learn their content from the engine.
    let blank = NewVector { text: Vec::new(), ids: Vec::new(), scores: vec![0; shape.classes.into()] };
    let blank = golden::encode(&vec![blank; golden::MIN_COUNT as usize], classes, shape.rows)?;
    let mut writer = Writer::new();
    writer
        .section(Kind::LABELS, labels::encode(labelled.labels)?)
        .section(Kind::CALIBRATION, calibration.encode())
        .section(Kind::GOLDEN, blank)
        .section(Kind::PROVENANCE, provenance::encode(&entries)?)
        .section(Kind::TOKENIZER, ids.table.clone())
        .section(Kind::ENCODER, section.clone());
    let draft = Case::parse(writer.finish()?)?;
    let mut runner = Runner::new(&draft);
    let vectors: Vec<NewVector> =
        golden_texts(options).iter().map(|text| runner.vector(text.as_bytes())).collect();
    writer.section(Kind::GOLDEN, golden::encode(&vectors, classes, shape.rows)?);

    let (logits, found): (Vec<_>, Vec<_>) =
        labelled.held_out.iter().map(|(text, _)| runner.logits(text)).unzip();
    let (parent, case, paired) = compare(reference, ids, labelled.held_out, &found)?;
    let wanted: Vec<u32> = labelled.held_out.iter().map(|(_, label)| *label).collect();
    if !labelled.held_out.is_empty() {
        calibration.temperature = calibrate::temperature(&logits, &wanted);
        entries.insert("held_out_items".to_owned(), labelled.held_out.len().to_string());
        entries.insert("held_out_accuracy".to_owned(), format!("{:.5}", case.accuracy));
        entries.insert("parent_accuracy".to_owned(), format!("{:.5}", parent.accuracy));
    }
    let answers: Vec<(f32, bool)> = logits
        .iter()
        .zip(&found)
        .zip(&wanted)
        .map(|((logits, &found), &label)| calibrate::answer(logits, calibration.temperature, found, label))
        .collect();
    let abstain = gate::threshold(&answers, options);
    calibration.abstain_below = abstain.below;
    writer
        .section(Kind::CALIBRATION, calibration.encode())
        .section(Kind::PROVENANCE, provenance::encode(&entries)?);
    let bytes = writer.finish()?;
    // The last word is the engine's: the bytes open, and every golden vector comes out exactly.
    let shipped = Case::parse(bytes)?;
    Runner::new(&shipped).verify()?;
    let bytes = shipped.bytes().to_vec();
    let report = Report {
        name: labelled.name.to_owned(),
        bytes: bytes.len() as u64,
        features_before: shape.rows.into(),
        features: shape.rows.into(),
        weight_bits: 8,
        items: labelled.held_out.len() as u64,
        parent,
        case,
        drop: (parent.accuracy - case.accuracy) * 100.0,
        paired,
        temperature: calibration.temperature,
        abstain,
        answered_accuracy: options.answered_accuracy,
    };
    Ok((bytes, report))
}

/// The network in floating point and the case on the held-out texts; `found` are the labels of the case.
fn compare(
    reference: &Network,
    ids: &TextIds,
    held_out: &[(String, u32)],
    found: &[u32],
) -> Result<(Side, Side, Paired), ConvertError> {
    let mut outcomes = Vec::with_capacity(held_out.len());
    for ((text, label), found) in held_out.iter().zip(found) {
        let logits = reference.logits(&ids.ids(text))?;
        outcomes.push((crate::build::best(&logits) == *label, found == label));
    }
    Ok(crate::build::sides(&outcomes))
}
