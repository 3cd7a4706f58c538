//! One batch forward and backward, and the logits of texts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::batches::{Batch, Texts};
use super::guide::{Example, Guide, Layers};
use super::network::{Dropped, Leaves, into_numbers, words_of};
use super::optimiser::Gradient;
use super::parameters::Parameters;
use super::quantised::QuantisedNetwork;
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

/// How a batch is learnt from.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) training: &'a EncoderTraining,
    /// The network of the parameters in integers, if that is what learns.
    pub(super) quantised: Option<&'a QuantisedNetwork>,
    /// What the teachers want.
    pub(super) guide: Option<&'a Guide>,
    /// So many layers, from the first, do not learn; if there are any, the embeddings do not either.
    pub(super) frozen: usize,
    /// Where the network runs.
    pub(super) device: &'a Device,
}

/// The loss of a batch and its gradient; none if the loss is not finite. `random` decides what is dropped.
pub(super) fn gradient(
    parameters: &Parameters,
    batch: &Batch,
    manner: Manner<'_>,
    random: &mut Random,
    times: &mut Times,
) -> (f64, Option<Gradient>) {
    let mut started = Instant::now();
    let Manner { training, quantised, guide, frozen, device } = manner;
    let twice = (training.consistency > 0.0).then(|| batch.twice());
    let batch = twice.as_ref().unwrap_or(batch);
    let device = device.clone().autodiff();
    let leaves = |of: &Parameters| Leaves::new(of, &device, &|depth| frozen == 0 || depth > frozen);
    let (leaves, words) = match quantised {
        None => (leaves(parameters), words_of(parameters, batch)),
        Some(network) => {
            let seeing = Instant::now();
            let tape = network.tape(batch, &device);
            times.forward += seeing.elapsed();
            started += seeing.elapsed();
            (leaves(&network.parameters).with_tape(Some(tape)), network.words(batch))
        }
    };
    let showing = Instant::now();
    let example = guide.map(|guide| guide.example(batch, &device));
    times.forward += showing.elapsed();
    started += showing.elapsed();
    let pass = Pass {
        batch,
        leaves,
        dropped: dropped(batch, parameters, training, random, &device),
        targets: Tensor::from_data(
            targets(batch, parameters.sizes.classes, training.label_smoothing),
            &device,
        ),
        focal: training.focal as f32,
        consistency: training.consistency as f32,
        example,
    };
    let learns_words = frozen == 0 && !training.frozen_words;
    let watches_words = learns_words || training.adversarial > 0.0;
    times.input += started.elapsed();

    let (loss, found) = pass.gradient(&words, watches_words, times);
    let Some((mut list, mut rows)) = found else { return (loss, None) };
    if training.adversarial > 0.0 {
        let moved = moved(&words, &rows, training.adversarial);
        let (loss, found) = pass.gradient(&TensorData::new(moved, words.shape().clone()), true, times);
        let Some((more, more_rows)) = found else { return (loss, None) };
        for (to, from) in list.iter_mut().zip(&more) {
            if let (Some(to), Some(from)) = (to, from) {
                super::kernels::add(to, from);
            }
        }
        super::kernels::add(&mut rows, &more_rows);
    }
    let words = if learns_words { by_word(batch, &rows, parameters.sizes.width) } else { BTreeMap::new() };
    (loss, Some(Gradient { list, words }))
}

/// What the passes over a batch have in common.
struct Pass<'a> {
    batch: &'a Batch,
    leaves: Leaves,
    dropped: Dropped,
    targets: Tensor<2>,
    focal: f32,
    consistency: f32,
    example: Option<Example>,
}

/// Of each parameter, and of each row of the words.
type Gradients = (Vec<Option<Vec<f32>>>, Vec<f32>);

impl Pass<'_> {
    /// The loss and its gradients; none if the loss is not finite.
    fn gradient(
        &self,
        words: &TensorData,
        watches_words: bool,
        times: &mut Times,
    ) -> (f64, Option<Gradients>) {
        let started = Instant::now();
        let words: Tensor<2> = Tensor::from_data(words.clone(), &self.targets.device());
        let words = if watches_words { words.require_grad() } else { words };
        let mut layers = Layers::new(self.example.as_ref(), self.batch);
        let samples =
            self.leaves.run(self.batch, words.clone(), &self.dropped, &mut |layer| layers.see(layer));
        let count = samples.len() as f32;
        let of_samples = samples.into_iter().map(|logits| self.loss(logits)).reduce(|sum, loss| sum + loss);
        let mut loss = of_samples.expect("there is a sample at least").div_scalar(count);
        for part in layers.losses {
            loss = loss + part;
        }
        times.forward += started.elapsed();
        let (value, found) = backward(loss, &self.leaves, [words], times);
        (value, found.map(|(list, [rows])| (list, rows)))
    }
}

/// Of each parameter, and of some rows of the words.
pub(super) type Slopes<const N: usize> = (Vec<Option<Vec<f32>>>, [Vec<f32>; N]);

/// The value of a loss and its gradients: of the parameters, and of rows of the words, empty where they do not learn.
/// None if the loss is not finite.
pub(super) fn backward<const N: usize>(
    loss: Tensor<1>,
    leaves: &Leaves,
    words: [Tensor<2>; N],
    times: &mut Times,
) -> (f64, Option<Slopes<N>>) {
    let started = Instant::now();
    let value = f64::from(into_numbers(loss.clone())[0]);
    times.forward += started.elapsed();
    if !value.is_finite() {
        return (value, None);
    }
    let started = Instant::now();
    let mut gradients = loss.backward();
    let list = leaves.gradients(&mut gradients);
    let rows = words.map(|words| words.grad_remove(&mut gradients).map(into_numbers).unwrap_or_default());
    times.backward += started.elapsed();
    (value, Some((list, rows)))
}

impl Pass<'_> {
    /// The loss of the logits of a sample.
    fn loss(&self, logits: Tensor<2>) -> Tensor<1> {
        let texts = self.batch.lengths.len() as f32;
        let labelled = losses(logits.clone(), self.targets.clone(), self.focal).sum().div_scalar(texts);
        let loss = match &self.example {
            None => labelled,
            Some(example) => example.loss(labelled, logits.clone()),
        };
        if self.consistency == 0.0 { loss } else { loss + divergence(logits).mul_scalar(self.consistency) }
    }
}

/// How far the logits of the first half of the texts are from those of the second, which are the same texts: the mean of
/// the two divergences, a text.
///
/// # Source
/// Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks".
fn divergence(logits: Tensor<2>) -> Tensor<1> {
    let texts = logits.dims()[0] / 2;
    let logarithms = log_softmax(logits, 1);
    let (first, second) = (logarithms.clone().narrow(0, 0, texts), logarithms.narrow(0, texts, texts));
    let apart = (first.clone().exp() - second.clone().exp()) * (first - second);
    apart.sum().div_scalar(2.0 * texts as f32)
}

/// The parts of the loss, of each text and class.
///
/// # Source
/// Lin et al. 2017, "Focal Loss for Dense Object Detection".
fn losses(logits: Tensor<2>, targets: Tensor<2>, focal: f32) -> Tensor<2> {
    let logarithms = log_softmax(logits, 1);
    let losses = logarithms.clone().neg() * targets;
    if focal == 0.0 {
        return losses;
    }
    // Not quite 0, where a power below 1 has no slope.
    let missing = logarithms.exp().neg().add_scalar(1.0).clamp_min(1e-6);
    losses * missing.powf_scalar(focal)
}

/// The words of a batch, moved so far along their gradient.
///
/// # Source
/// Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification".
fn moved(words: &TensorData, gradient: &[f32], distance: f64) -> Vec<f32> {
    let length = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
    let share = if length > 0.0 { (distance / length) as f32 } else { 0.0 };
    let words = words.as_slice::<f32>().expect("the words are in f32");
    words.iter().zip(gradient).map(|(x, g)| x + share * g).collect()
}

/// What chance leaves out of a batch.
fn dropped(
    batch: &Batch,
    parameters: &Parameters,
    training: &EncoderTraining,
    random: &mut Random,
    device: &Device,
) -> Dropped {
    let (texts, width) = (batch.lengths.len(), parameters.sizes.width);
    let mut masks = |count: usize, rows: usize, share: f64| -> Vec<Tensor<2>> {
        let count = if share > 0.0 { count } else { 0 };
        (0..count).map(|_| Tensor::from_data(mask(rows, width, share as f32, random), device)).collect()
    };
    let pooled = masks(training.dropout_samples as usize, texts, training.dropout);
    let inner = masks(1 + 2 * parameters.sizes.layers, batch.ids.len(), training.inner_dropout);
    Dropped { inner, pooled }
}

/// What is left of each number: nothing, or so much more that the mean stays.
fn mask(rows: usize, width: usize, share: f32, random: &mut Random) -> TensorData {
    let kept = (1.0 - share).recip();
    let keep = (0..rows * width).map(|_| if random.unit_f32() < share { 0.0 } else { kept });
    TensorData::new(keep.collect::<Vec<f32>>(), [rows, width])
}

/// The probabilities that the labels want.
fn targets(batch: &Batch, classes: usize, smoothing: f64) -> TensorData {
    let each = (smoothing / classes as f64) as f32;
    let mut targets = vec![each; batch.labels.len() * classes];
    match &batch.targets {
        Some(wanted) => {
            targets
                .iter_mut()
                .zip(&wanted.hard)
                .for_each(|(to, share)| *to += (1.0 - smoothing) as f32 * share);
        }
        None => {
            for (text, label) in batch.labels.iter().enumerate() {
                targets[text * classes + *label as usize] += (1.0 - smoothing) as f32;
            }
        }
    }
    TensorData::new(targets, [batch.labels.len(), classes])
}

/// The gradients of the rows of a batch, summed by word in the order of the batch.
pub(super) fn by_word(batch: &Batch, rows: &[f32], width: usize) -> BTreeMap<u32, Vec<f32>> {
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
    device: &Device,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<Vec<f32>>> {
    let leaves = Leaves::new(parameters, device, &|_| false);
    let mut all = vec![Vec::new(); texts.len()];
    for numbers in texts.batches(EVALUATED, usize::MAX, None) {
        let batch = texts.batch(&numbers);
        let words = Tensor::from_data(words_of(parameters, &batch), device);
        let rows = into_numbers(leaves.logits(&batch, words));
        for (number, row) in numbers.iter().zip(rows.chunks_exact(parameters.sizes.classes)) {
            all[*number as usize] = row.to_vec();
        }
        if stop() {
            return None;
        }
    }
    Some(all)
}
