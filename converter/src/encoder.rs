//! From a BERT of Hugging Face and labelled texts to an encoder of integers.
//!
//! ```text
//! config.json, model.safetensors -> network in f32                                             bert.rs, forward.rs
//! texts -> ids -> pooled rows -> linear head, how strongly it is held by texts it did not see  head.rs
//! a few hundred texts -> range of every channel                                                calibrate.rs
//! network, head, ranges -> section                                                             quantise.rs
//! section, text -> everything that a device computes                                           integers.rs
//! ```
//! The network is not trained further: the head alone learns from the texts.
//!
//! ```no_run
//! use typecase_convert::encoder::{ImportOptions, TextIds, import};
//!
//! let (folder, options) = ("minilm".as_ref(), ImportOptions::default());
//! let ids = TextIds::open(folder, options.max_tokens)?;
//! let texts: Vec<(String, u32)> = vec![("Oil prices soar".to_owned(), 1)]; // and thousands more
//! let imported = import(folder, &texts, 2, &|text| ids.ids(text), &options)?;
//! println!("{} bytes, a score is {} of a logit", imported.section.len(), imported.score_scale);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! The integers are the same on every run of a machine. Products in f32 are summed in another order by other
//! processors, so the last place of a weight may differ between two of them; what a section gives on a device never
//! does.

use std::path::Path;

use ndarray::{Array2, Axis};
pub use typecase_case::sections::encoder::{EncoderPooling, EncoderShape};

mod bert;
mod calibrate;
mod case;
mod error;
mod family;
mod forward;
mod head;
mod ids;
mod integers;
mod parallel;
mod quantise;
mod save;
mod tensors;
#[cfg(test)]
mod tests;
mod trained;

pub use bert::{Bert, BertConfig, BertSizes, Layer, Linear, Norm};
pub use calibrate::Calibration;
pub use case::{Labelled, convert, convert_trained};
pub use error::ImportError;
pub use forward::{Part, Watch};
pub use head::LinearHead;
pub use ids::TextIds;
pub use integers::{Integers, LayerSeen, Seen, Stream};
pub use quantise::{Choices, LayerScales, MatrixScales, Narrow, Quantised, Scales, Target, quantise};
pub use trained::{HeadKind, PoolingKind, TrainedEncoder};

/// How a network is imported.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// Tokens of a text that are looked at, special ones included: the positions of the section.
    pub max_tokens: u32,
    /// How the tokens become one row.
    pub pooling: EncoderPooling,
    /// Texts of the calibration, evenly spread over those given.
    pub calibration_texts: usize,
    /// Who bears the loss of a channel: the numbers (0) or the weights (1) of a matrix.
    pub alpha: f64,
    /// Strengths of regularisation that are tried.
    pub l2: Vec<f32>,
    /// One text in this many is held out to choose among them.
    pub held_out_every: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            max_tokens: 128,
            pooling: EncoderPooling::Mean,
            calibration_texts: 256,
            alpha: 0.5,
            l2: vec![1e-3, 1e-2, 1e-1, 3e-1, 1.0],
            held_out_every: 10,
        }
    }
}

/// A network as a section.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The section of a case.
    pub section: Vec<u8>,
    /// Its numbers.
    pub shape: EncoderShape,
    /// A score times this is a logit.
    pub score_scale: f32,
    /// A pooled number times this is one of the network's.
    pub pooled_scale: f32,
    /// What was chosen.
    pub report: ImportReport,
    /// The network in floating point, to compare with.
    pub reference: Network,
}

/// What was found on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportReport {
    /// Texts that the head learnt from in the end.
    pub texts: usize,
    /// Texts that the ranges come from.
    pub calibration_texts: usize,
    /// The strength of regularisation that was chosen.
    pub l2: f32,
    /// Accuracy on the held-out texts, of a head that did not see them, with each strength.
    pub held_out: Vec<(f32, f64)>,
}

/// A network with its head, in floating point.
#[derive(Clone, Debug)]
pub struct Network {
    /// Token states.
    pub bert: Bert,
    /// How they become one row.
    pub pooling: EncoderPooling,
    /// Scores of a row.
    pub head: LinearHead,
}

impl Network {
    /// The pooled row of a text.
    ///
    /// # Errors
    /// As [`Bert::states`].
    pub fn pooled(&self, ids: &[u32]) -> Result<Vec<f32>, ImportError> {
        pooled(&self.bert, self.pooling, ids)
    }

    /// The logits of a text.
    ///
    /// # Errors
    /// As [`Bert::states`].
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, ImportError> {
        Ok(self.head.logits(&self.pooled(ids)?))
    }
}

fn pooled(bert: &Bert, pooling: EncoderPooling, ids: &[u32]) -> Result<Vec<f32>, ImportError> {
    let states = bert.states(ids, &mut |_, _, _| {})?;
    let row = match pooling {
        EncoderPooling::Mean => states.sum_axis(Axis(0)) / states.nrows() as f32,
        EncoderPooling::First => states.row(0).to_owned(),
    };
    Ok(row.to_vec())
}

/// Imports the model of a folder with a head for labelled texts.
///
/// # Shapes
/// `texts`: text and class, below `classes`; `tokenize`: ids with special tokens, not more than
/// [`ImportOptions::max_tokens`].
///
/// # Errors
/// [`ImportError`] names the first thing that makes no sense: a file, a text, an option, or numbers that no section
/// holds.
pub fn import(
    folder: &Path,
    texts: &[(String, u32)],
    classes: usize,
    tokenize: &dyn Fn(&str) -> Vec<u32>,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    options.check()?;
    check_texts(texts, classes, options)?;
    let bert = Bert::load(folder)?;
    let ids = checked_ids(&bert, texts, tokenize, options)?;
    let rows = parallel::map(&ids, |ids| pooled(&bert, options.pooling, ids))?;
    let rows = Array2::from_shape_vec((ids.len(), bert.config.hidden_size), rows.concat())
        .map_err(|error| ImportError::Texts(error.to_string()))?;
    let labels: Vec<u32> = texts.iter().map(|(_, label)| *label).collect();
    let (head, l2, held_out) = fit(&rows, &labels, classes, options);
    let report = ImportReport { texts: ids.len(), calibration_texts: 0, l2, held_out };
    in_integers(Network { bert, pooling: options.pooling, head }, &ids, options, report)
}

/// Imports a network whose head was trained with it. The ranges are those of `calibration`, or of the texts if there is
/// none.
///
/// # Errors
/// As [`import`].
pub fn import_trained(
    network: Network,
    calibration: Option<Calibration>,
    texts: &[(String, u32)],
    tokenize: &dyn Fn(&str) -> Vec<u32>,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    options.check()?;
    check_texts(texts, network.head.bias.len(), options)?;
    let ids = checked_ids(&network.bert, texts, tokenize, options)?;
    let report = ImportReport { texts: 0, calibration_texts: 0, l2: 0.0, held_out: Vec::new() };
    match calibration {
        Some(calibration) => in_these_ranges(network, &calibration, options, report),
        None => in_integers(network, &ids, options, report),
    }
}

/// The ids of the texts, all of which the network takes.
fn checked_ids(
    bert: &Bert,
    texts: &[(String, u32)],
    tokenize: &dyn Fn(&str) -> Vec<u32>,
    options: &ImportOptions,
) -> Result<Vec<Vec<u32>>, ImportError> {
    let positions = positions(bert, options);
    let ids: Vec<Vec<u32>> = texts.iter().map(|(text, _)| tokenize(text)).collect();
    for ids in &ids {
        bert.check_ids(ids)?;
        if ids.len() > positions {
            let found = ids.len();
            return Err(ImportError::Texts(format!(
                "{found} ids of a text found, allowed are 1 to {positions}"
            )));
        }
    }
    Ok(ids)
}

fn positions(bert: &Bert, options: &ImportOptions) -> usize {
    bert.config.max_position_embeddings.min(options.max_tokens as usize)
}

/// Ranges from some of the texts, then the section.
fn in_integers(
    network: Network,
    ids: &[Vec<u32>],
    options: &ImportOptions,
    report: ImportReport,
) -> Result<Imported, ImportError> {
    let count = options.calibration_texts.min(ids.len());
    let sample: Vec<&[u32]> = (0..count).map(|at| ids[at * ids.len() / count].as_slice()).collect();
    let calibration = Calibration::of(&network.bert, &sample)?;
    in_these_ranges(network, &calibration, options, ImportReport { calibration_texts: count, ..report })
}

fn in_these_ranges(
    network: Network,
    calibration: &Calibration,
    options: &ImportOptions,
    report: ImportReport,
) -> Result<Imported, ImportError> {
    let Network { bert, head, pooling } = &network;
    let choices = Choices { positions: positions(bert, options), pooling: *pooling, alpha: options.alpha };
    let Quantised { section, shape, score_scale, pooled_scale, .. } =
        quantise(bert, head, calibration, choices)?;
    Ok(Imported { section, shape, score_scale, pooled_scale, report, reference: network })
}

/// The head of all texts, with the strength that was best for the held-out ones; of equal ones the stronger.
fn fit(
    rows: &Array2<f32>,
    labels: &[u32],
    classes: usize,
    options: &ImportOptions,
) -> (LinearHead, f32, Vec<(f32, f64)>) {
    let is_held_out = |at: &usize| at % options.held_out_every == options.held_out_every - 1;
    let (held, kept): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(is_held_out);
    let of = |places: &[usize]| {
        let labels: Vec<u32> = places.iter().map(|at| labels[*at]).collect();
        (rows.select(Axis(0), places), labels)
    };
    let ((held_rows, held_labels), (kept_rows, kept_labels)) = (of(&held), of(&kept));
    let accuracy = |l2: f32| {
        let head = LinearHead::fit(kept_rows.view(), &kept_labels, classes, l2);
        head.accuracy(held_rows.view(), &held_labels)
    };
    let tried: Vec<(f32, f64)> = options.l2.iter().map(|l2| (*l2, accuracy(*l2))).collect();
    let better = |best: (f32, f64), next: &(f32, f64)| {
        if next.1 > best.1 || (next.1 == best.1 && next.0 > best.0) { *next } else { best }
    };
    let (l2, _) = tried.iter().fold((tried[0].0, -1.0), better);
    (LinearHead::fit(rows.view(), labels, classes, l2), l2, tried)
}

impl ImportOptions {
    fn check(&self) -> Result<(), ImportError> {
        let bad = |message: String| Err(ImportError::Options(message));
        if !(1..=4096).contains(&self.max_tokens) {
            return bad(format!("max_tokens {} found, allowed are 1 to 4096", self.max_tokens));
        }
        if self.calibration_texts == 0 {
            return bad("calibration_texts 0 found, at least 1 is needed".to_owned());
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return bad(format!("alpha {} found, allowed are 0 to 1", self.alpha));
        }
        if self.held_out_every < 2 {
            return bad(format!("held_out_every {} found, at least 2 is needed", self.held_out_every));
        }
        if self.l2.is_empty() {
            return bad("no strength of l2 found, at least one is needed".to_owned());
        }
        match self.l2.iter().find(|l2| !(l2.is_finite() && **l2 >= 0.0)) {
            Some(l2) => bad(format!("l2 {l2} found, it must be finite and at least 0")),
            None => Ok(()),
        }
    }
}

fn check_texts(texts: &[(String, u32)], classes: usize, options: &ImportOptions) -> Result<(), ImportError> {
    let bad = |message: String| Err(ImportError::Texts(message));
    if !(2..=65_535).contains(&classes) {
        return bad(format!("{classes} classes found, allowed are 2 to 65535"));
    }
    if texts.len() < options.held_out_every {
        return bad(format!("{} texts found, at least {} are needed", texts.len(), options.held_out_every));
    }
    match texts.iter().find(|(_, label)| *label as usize >= classes) {
        Some((_, label)) => bad(format!("label {label} found, classes are 0 to {}", classes - 1)),
        None => Ok(()),
    }
}
