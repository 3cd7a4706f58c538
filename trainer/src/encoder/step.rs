//! One batch forward and backward, and the logits of texts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::batches::{Batch, Texts};
use super::network::{Leaves, into_numbers, words_of};
use super::optimiser::Gradient;
use super::parameters::Parameters;
use crate::random::Random;
use crate::recipe::EncoderTraining;

/// Texts of a batch whose logits are asked for: without gradients there is room for more.
const EVALUATED: usize = 32;

/// Where the time goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) input: Duration,
    pub(super) forward: Duration,
    pub(super) backward: Duration,
    pub(super) optimiser: Duration,
}

/// The loss of a batch and its gradient; none if the loss is not finite. `random` decides what is dropped.
pub(super) fn gradient(
    parameters: &Parameters,
    batch: &Batch,
    training: &EncoderTraining,
    random: &mut Random,
    times: &mut Times,
) -> (f64, Option<Gradient>) {
    let started = Instant::now();
    let device = Device::flex().autodiff();
    let frozen = training.frozen_layers;
    let leaves = Leaves::new(parameters, &device, &|depth| frozen == 0 || depth > frozen);
    let words: Tensor<2> = Tensor::from_data(words_of(parameters, batch), &device);
    let learns_words = frozen == 0 && !training.frozen_words;
    let words = if learns_words { words.require_grad() } else { words };
    let keep = dropped(batch.lengths.len(), parameters.sizes.width, training.dropout, random)
        .map(|keep| Tensor::from_data(keep, &device));
    let targets = targets(batch, parameters.sizes.classes, training.label_smoothing);
    let targets: Tensor<2> = Tensor::from_data(targets, &device);
    times.input += started.elapsed();

    let started = Instant::now();
    let logits = leaves.logits(batch, words.clone(), keep);
    let loss = (log_softmax(logits, 1) * targets).sum().neg().div_scalar(batch.lengths.len() as f32);
    let value = f64::from(into_numbers(loss.clone())[0]);
    times.forward += started.elapsed();
    if !value.is_finite() {
        return (value, None);
    }

    let started = Instant::now();
    let mut gradients = loss.backward();
    let list = leaves.gradients(&mut gradients);
    let words = words.grad_remove(&mut gradients).map(into_numbers);
    let words = words.map(|rows| by_word(batch, &rows, parameters.sizes.width)).unwrap_or_default();
    times.backward += started.elapsed();
    (value, Some(Gradient { list, words }))
}

/// What is left of each number of the pooled rows: nothing, or so much more that the mean stays.
fn dropped(texts: usize, width: usize, share: f64, random: &mut Random) -> Option<TensorData> {
    let share = share as f32;
    (share > 0.0).then(|| {
        let kept = (1.0 - share).recip();
        let keep = (0..texts * width).map(|_| if random.unit_f32() < share { 0.0 } else { kept });
        TensorData::new(keep.collect::<Vec<f32>>(), [texts, width])
    })
}

/// The wanted probabilities.
fn targets(batch: &Batch, classes: usize, smoothing: f64) -> TensorData {
    let each = (smoothing / classes as f64) as f32;
    let mut targets = vec![each; batch.labels.len() * classes];
    for (text, label) in batch.labels.iter().enumerate() {
        targets[text * classes + *label as usize] += (1.0 - smoothing) as f32;
    }
    TensorData::new(targets, [batch.labels.len(), classes])
}

/// The gradients of the rows of a batch, summed by word in the order of the batch.
fn by_word(batch: &Batch, rows: &[f32], width: usize) -> BTreeMap<u32, Vec<f32>> {
    let mut sums: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
    for place in batch.places() {
        let row = &rows[place * width..(place + 1) * width];
        let sum = sums.entry(batch.ids[place]).or_insert_with(|| vec![0.0; width]);
        super::kernels::add(sum, row);
    }
    sums
}

/// The logits of every text, in their order. None if `stop` says so after a batch.
pub(super) fn logits(
    parameters: &Parameters,
    texts: &Texts,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<Vec<f32>>> {
    let device = Device::flex();
    let leaves = Leaves::new(parameters, &device, &|_| false);
    let mut all = vec![Vec::new(); texts.len()];
    for numbers in texts.batches(EVALUATED, usize::MAX, None) {
        let batch = texts.batch(&numbers);
        let words = Tensor::from_data(words_of(parameters, &batch), &device);
        let rows = into_numbers(leaves.logits(&batch, words, None));
        for (number, row) in numbers.iter().zip(rows.chunks_exact(parameters.sizes.classes)) {
            all[*number as usize] = row.to_vec();
        }
        if stop() {
            return None;
        }
    }
    Some(all)
}
