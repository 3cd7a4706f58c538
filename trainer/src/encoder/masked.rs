//! Masked language modelling: which pieces of words are hidden, the loss of saying them, and how often that comes right.
//!
//! A piece is said by the product of its token's state, after a dense layer, GELU and LayerNorm, with the embedding of
//! every piece. A step takes some pieces alone: those of the batch, and others by chance, each of which stands for as many
//! as were not taken.
//!
//! # Source
//! Devlin et al. 2019, "BERT" (masking and the layer); Jean et al. 2015, "On Using Very Large Target Vocabulary for Neural
//! Machine Translation" (some pieces for all).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::batches::{Batch, Texts};
use super::network::{Leaves, into_numbers, rows_of, words_of};
use super::optimiser::Gradient;
use super::parameters::Parameters;
use super::step::{Manner, Times, backward, by_word};
use crate::random::Random;
use crate::recipe::PretrainingRecipe;

/// Texts that are evaluated at once: every hidden piece has a number for each of the vocabulary.
const EVALUATED: usize = 16;

/// How pieces are hidden.
pub(super) struct Masking {
    /// What stands in the place of a hidden piece.
    mask: u32,
    /// Pieces that are never hidden.
    special: BTreeSet<u32>,
    share: f64,
    candidates: usize,
}

/// A batch with hidden pieces.
struct Hidden {
    batch: Batch,
    /// Places of the pieces that are to be said, and what they were.
    places: Vec<usize>,
    wanted: Vec<u32>,
}

impl Masking {
    /// For a `tokenizer.json`. The reason, if it has no piece for what is hidden.
    pub(super) fn new(recipe: &PretrainingRecipe, tokenizer: &str) -> Result<Self, String> {
        let json: serde_json::Value = serde_json::from_str(tokenizer).map_err(|e| e.to_string())?;
        let added = json["added_tokens"].as_array().into_iter().flatten();
        let added = added.filter_map(|token| Some((token["content"].as_str()?, token["id"].as_u64()?)));
        let known = json["model"]["vocab"].as_object().into_iter().flatten();
        let known = known.filter_map(|(piece, id)| Some((piece.as_str(), id.as_u64()?)));
        let pieces: BTreeMap<&str, u32> = known.chain(added).map(|(piece, id)| (piece, id as u32)).collect();
        let mask = ["[MASK]", "<mask>"].into_iter().find_map(|name| pieces.get(name).copied());
        let Some(mask) = mask else {
            return Err("no piece [MASK] or <mask> found in the tokenizer, pretraining needs one".to_owned());
        };
        let special =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "<s>", "</s>", "<mask>"];
        let special = special.into_iter().filter_map(|name| pieces.get(name).copied()).collect();
        Ok(Self { mask, special, share: recipe.masked, candidates: recipe.candidates })
    }

    /// Hides pieces of a batch; at least one if it has any that may be hidden.
    fn hide(&self, batch: &Batch, rows: u32, random: &mut Random) -> Hidden {
        let mut hidden = Hidden { batch: batch.clone(), places: Vec::new(), wanted: Vec::new() };
        let places: Vec<usize> =
            batch.places().filter(|place| !self.special.contains(&batch.ids[*place])).collect();
        for place in &places {
            if f64::from(random.unit_f32()) < self.share {
                hidden.places.push(*place);
            }
        }
        if hidden.places.is_empty() && !places.is_empty() {
            hidden.places.push(places[random.below(places.len() as u64) as usize]);
        }
        for place in &hidden.places {
            let id = &mut hidden.batch.ids[*place];
            hidden.wanted.push(*id);
            match random.below(10) {
                0 => {}
                1 => *id = random.below(rows.into()) as u32,
                _ => *id = self.mask,
            }
        }
        hidden
    }

    /// The pieces that are told apart: those that are wanted, then others by chance, and how many each of these stands for.
    fn candidates(&self, wanted: &[u32], rows: u32, random: &mut Random) -> (Vec<u32>, usize, f64) {
        let all: BTreeSet<u32> = wanted.iter().copied().collect();
        let own = all.len();
        let mut others: BTreeSet<u32> = BTreeSet::new();
        let most = self.candidates.min(rows as usize).saturating_sub(own);
        while others.len() < most {
            let id = random.below(rows.into()) as u32;
            if !all.contains(&id) {
                others.insert(id);
            }
        }
        let stands_for = (rows as usize - own) as f64 / others.len().max(1) as f64;
        (all.into_iter().chain(others).collect(), own, stands_for)
    }
}

/// The loss of a batch, in nats a hidden piece, and its gradient; none if the loss is not finite.
pub(super) fn gradient(
    parameters: &Parameters,
    batch: &Batch,
    masking: &Masking,
    manner: Manner<'_>,
    random: &mut Random,
    times: &mut Times,
) -> (f64, Option<Gradient>) {
    let started = Instant::now();
    let Manner { training, frozen, device, .. } = manner;
    let device = device.clone().autodiff();
    let (rows, width) = (parameters.sizes.rows as u32, parameters.sizes.width);
    let hidden = masking.hide(batch, rows, random);
    let (candidates, own, stands_for) = masking.candidates(&hidden.wanted, rows, random);
    let leaves = Leaves::new(parameters, &device, &|depth| frozen == 0 || depth > frozen);
    let learns_words = frozen == 0 && !training.frozen_words;
    let tensor = |data: TensorData| -> Tensor<2> {
        let tensor = Tensor::from_data(data, &device);
        if learns_words { tensor.require_grad() } else { tensor }
    };
    let words = tensor(words_of(parameters, &hidden.batch));
    let pieces = tensor(rows_of(parameters, &candidates));
    let extra: Vec<f32> =
        (0..candidates.len()).map(|at| if at < own { 0.0 } else { stands_for.ln() as f32 }).collect();
    let extra: Tensor<2> = Tensor::from_data(TensorData::new(extra, [1, candidates.len()]), &device);
    let mut targets = vec![0f32; hidden.wanted.len() * candidates.len()];
    for (row, id) in targets.chunks_exact_mut(candidates.len()).zip(&hidden.wanted) {
        let at = candidates[..own].binary_search(id).expect("what is wanted is a candidate");
        row[at] = 1.0;
    }
    let shape = [hidden.wanted.len(), candidates.len()];
    let targets: Tensor<2> = Tensor::from_data(TensorData::new(targets, shape), &device);
    times.input += started.elapsed();

    let started = Instant::now();
    let states = leaves.said(&hidden.batch, words.clone(), &hidden.places);
    let scores = states.matmul(pieces.clone().transpose()) + extra;
    let count = hidden.wanted.len().max(1) as f32;
    let loss = (log_softmax(scores, 1).neg() * targets).sum().div_scalar(count);
    times.forward += started.elapsed();
    let (value, found) = backward(loss, &leaves, [words, pieces], times);
    let Some((list, [of_words, of_pieces])) = found else { return (value, None) };
    let mut words = BTreeMap::new();
    if learns_words {
        words = by_word(&hidden.batch, &of_words, width);
        for (id, row) in candidates.iter().zip(of_pieces.chunks_exact(width)) {
            let sum = words.entry(*id).or_insert_with(|| vec![0.0; width]);
            super::kernels::add(sum, row);
        }
    }
    (value, Some(Gradient { list, words }))
}

/// How well hidden pieces are said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// Nats a piece, told from all of the vocabulary.
    pub(super) loss: f64,
    /// Share that comes out right.
    pub(super) accuracy: f64,
}

/// Measures a network on texts, of which always the same pieces are hidden. None if `stop` says so after a batch.
pub(super) fn evaluate(
    parameters: &Parameters,
    texts: &Texts,
    masking: &Masking,
    device: &Device,
    stop: &dyn Fn() -> bool,
) -> Option<Said> {
    let leaves = Leaves::new(parameters, device, &|_| false);
    let (rows, width) = (parameters.sizes.rows, parameters.sizes.width);
    let all: Tensor<2> = Tensor::from_data(TensorData::new(parameters.words.clone(), [rows, width]), device);
    let all = all.transpose();
    let mut random = Random::new(0);
    let (mut loss, mut right, mut count) = (0.0, 0u64, 0u64);
    for numbers in texts.batches(EVALUATED, usize::MAX, None) {
        let hidden = masking.hide(&texts.batch(&numbers), rows as u32, &mut random);
        if hidden.wanted.is_empty() {
            continue;
        }
        let words = Tensor::from_data(words_of(parameters, &hidden.batch), device);
        let states = leaves.said(&hidden.batch, words, &hidden.places);
        let logarithms = into_numbers(log_softmax(states.matmul(all.clone()), 1));
        for (row, wanted) in logarithms.chunks_exact(rows).zip(&hidden.wanted) {
            let own = row[*wanted as usize];
            loss -= f64::from(own);
            right += u64::from(row.iter().all(|other| *other <= own));
            count += 1;
        }
        if stop() {
            return None;
        }
    }
    let count = count.max(1) as f64;
    Some(Said { loss: loss / count, accuracy: right as f64 / count })
}
