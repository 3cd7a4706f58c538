//! AdamW with decoupled decay, on the host: the parameters are changed in place, and rows of the word embedding only
//! where a batch has their words.
//!
//! # Source
//! Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization"; 2017, "SGDR" (cyclic rates); Izmailov et al. 2018,
//! "Averaging Weights Leads to Wider Optima" (SWA). Rows of words that do not occur keep their
//! moments and weights, as in PyTorch's `SparseAdam`.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::parameters::{Parameters, Sizes};
use crate::recipe::{EncoderTraining, Schedule};

/// Numbers that one task works on; the length of a gradient is made of sums over these.
const CHUNK: usize = 1 << 14;

/// What a step changes the parameters by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gradient {
    /// In the order of [`Parameters::list`], none where a parameter does not learn.
    pub(super) list: Vec<Option<Vec<f32>>>,
    /// Rows of the word embedding.
    pub(super) words: BTreeMap<u32, Vec<f32>>,
}

impl Gradient {
    /// Adds that of another batch.
    pub(super) fn add(&mut self, other: Self) {
        if self.list.is_empty() {
            *self = other;
            return;
        }
        for (to, from) in self.list.iter_mut().zip(&other.list) {
            if let (Some(to), Some(from)) = (to, from) {
                super::kernels::add(to, from);
            }
        }
        for (id, from) in other.words {
            match self.words.get_mut(&id) {
                Some(to) => super::kernels::add(to, &from),
                None => drop(self.words.insert(id, from)),
            }
        }
    }

    /// Its length.
    pub(super) fn norm(&self) -> f64 {
        let of = |numbers: &[f32]| -> f64 { numbers.iter().map(|g| f64::from(*g) * f64::from(*g)).sum() };
        let list: f64 = self
            .list
            .iter()
            .flatten()
            .map(|numbers| numbers.par_chunks(CHUNK).map(of).collect::<Vec<f64>>().iter().sum::<f64>())
            .sum();
        let words: f64 = self.words.values().map(|row| of(row)).sum();
        (list + words).sqrt()
    }
}

/// Means of the gradients and of their squares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: Vec<f32>,
    pub(super) square: Vec<f32>,
}

impl Moments {
    fn zeros(count: usize) -> Self {
        Self { mean: vec![0.0; count], square: vec![0.0; count] }
    }
}

/// The state of the method.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AdamW {
    /// Steps done.
    pub(super) steps: u64,
    /// In the order of [`Parameters::list`].
    pub(super) list: Vec<Moments>,
    /// Of the word embedding; empty if it does not learn.
    pub(super) words: Moments,
    /// Mean of the weights over the steps, where it is asked for.
    pub(super) average: Option<Average>,
    /// Steps after which the plain mean begins, where that is asked for.
    plain_from: Option<u64>,
}

/// Parameters without their names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Average {
    pub(super) words: Vec<f32>,
    pub(super) list: Vec<Vec<f32>>,
}

impl Average {
    fn new(parameters: &Parameters) -> Self {
        let list = parameters.list.iter().map(|parameter| parameter.numbers.clone()).collect();
        Self { words: parameters.words.clone(), list }
    }

    /// Goes a share of the way to the parameters.
    fn approach(&mut self, parameters: &Parameters, share: f32) {
        let go = |mean: &mut [f32], to: &[f32]| {
            mean.par_chunks_mut(CHUNK).zip(to.par_chunks(CHUNK)).for_each(|(mean, to)| {
                mean.iter_mut().zip(to).for_each(|(mean, to)| *mean += share * (to - *mean));
            });
        };
        go(&mut self.words, &parameters.words);
        for (mean, parameter) in self.list.iter_mut().zip(&parameters.list) {
            go(mean, &parameter.numbers);
        }
    }
}

/// What one step does to a number.
#[derive(Clone, Copy)]
struct Change {
    /// Gradients are multiplied by it.
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// The learning rate, with the correction of the mean's start from 0.
    rate: f32,
    /// The correction of the square's.
    square: f32,
    epsilon: f32,
    /// What is left of a weight.
    keep: f32,
}

impl AdamW {
    /// `steps`: of the whole run.
    pub(super) fn new(parameters: &Parameters, training: &EncoderTraining, steps: u64) -> Self {
        let frozen_words = training.frozen_words || training.frozen_layers > 0;
        Self {
            average: (training.average > 0.0 || training.average_from > 0.0)
                .then(|| Average::new(parameters)),
            plain_from: (training.average_from > 0.0)
                .then(|| (training.average_from * steps as f64).round() as u64),
            steps: 0,
            list: parameters.list.iter().map(|parameter| Moments::zeros(parameter.numbers.len())).collect(),
            words: Moments::zeros(if frozen_words { 0 } else { parameters.words.len() }),
        }
    }

    /// One step. `scale`: what gradients are multiplied by; `rate`: of the network's last layer.
    pub(super) fn step(
        &mut self,
        parameters: &mut Parameters,
        gradient: &Gradient,
        scale: f64,
        rate: f64,
        training: &EncoderTraining,
    ) {
        self.steps += 1;
        let sizes = parameters.sizes;
        let age = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let change = |depth: usize, decays: bool| {
            let rate = rate * rate_of(depth, &sizes, training);
            let decay = if decays { training.weight_decay } else { 0.0 };
            Change {
                scale: scale as f32,
                beta1: training.beta1 as f32,
                beta2: training.beta2 as f32,
                rate: (rate / (1.0 - training.beta1.powi(age))) as f32,
                square: (1.0 / (1.0 - training.beta2.powi(age))) as f32,
                epsilon: training.epsilon as f32,
                keep: (1.0 - rate * decay) as f32,
            }
        };
        for ((parameter, moments), gradient) in
            parameters.list.iter_mut().zip(&mut self.list).zip(&gradient.list)
        {
            let Some(gradient) = gradient else { continue };
            let change = change(parameter.depth, parameter.decays);
            parameter
                .numbers
                .par_chunks_mut(CHUNK)
                .zip((moments.mean.par_chunks_mut(CHUNK), moments.square.par_chunks_mut(CHUNK)))
                .zip(gradient.par_chunks(CHUNK))
                .for_each(|((numbers, (mean, square)), gradient)| {
                    change.apply(numbers, mean, square, gradient);
                });
        }
        let change = change(0, true);
        for (id, gradient) in &gradient.words {
            let row = *id as usize * sizes.width..(*id as usize + 1) * sizes.width;
            let (mean, square) = (&mut self.words.mean[row.clone()], &mut self.words.square[row.clone()]);
            change.apply(&mut parameters.words[row], mean, square, gradient);
        }
        if let Some(average) = &mut self.average {
            let share = match self.plain_from {
                // The mean of the weights after each step since then, and those of the last step before.
                Some(from) => 1.0 / (self.steps.saturating_sub(from) + 1) as f64,
                None => {
                    // A short memory at first, so that the start is forgotten.
                    let steps = self.steps as f64;
                    1.0 - training.average.min((1.0 + steps) / (10.0 + steps))
                }
            };
            average.approach(parameters, share as f32);
        }
    }

    /// What is evaluated and kept, if it is not the parameters themselves.
    pub(super) fn averaged(&self, parameters: &Parameters) -> Option<Parameters> {
        self.average.as_ref().map(|average| {
            let mut averaged = parameters.clone();
            averaged.words.copy_from_slice(&average.words);
            for (parameter, mean) in averaged.list.iter_mut().zip(&average.list) {
                parameter.numbers.copy_from_slice(mean);
            }
            averaged
        })
    }
}

impl Change {
    fn apply(&self, numbers: &mut [f32], mean: &mut [f32], square: &mut [f32], gradient: &[f32]) {
        let Self { scale, beta1, beta2, rate, square: correction, epsilon, keep } = *self;
        for (((x, mean), square), g) in numbers.iter_mut().zip(mean).zip(square).zip(gradient) {
            let g = g * scale;
            *mean = beta1 * *mean + (1.0 - beta1) * g;
            *square = beta2 * *square + (1.0 - beta2) * g * g;
            *x = *x * keep - rate * *mean / ((*square * correction).sqrt() + epsilon);
        }
    }
}

/// The learning rate at a depth, as a share of that of the network's last layer.
fn rate_of(depth: usize, sizes: &Sizes, training: &EncoderTraining) -> f64 {
    if depth > sizes.layers {
        return training.head_rate;
    }
    training.layer_decay.powi((sizes.layers - depth) as i32)
}

/// The learning rate of a step, from 0, as a share of the highest.
pub(super) fn factor(step: u64, steps: u64, training: &EncoderTraining) -> f64 {
    let warm_up = (training.warm_up * steps as f64).round();
    let step = step as f64;
    if step < warm_up {
        return (step + 1.0) / warm_up;
    }
    let left = ((steps as f64 - step) / (steps as f64 - warm_up).max(1.0)).clamp(0.0, 1.0);
    match training.schedule {
        Schedule::Linear => left,
        Schedule::Cosine => 0.5 - 0.5 * (left * core::f64::consts::PI).cos(),
        Schedule::Polynomial => left.powf(training.power),
        Schedule::Cyclic => {
            let done = (1.0 - left) * f64::from(training.cycles);
            0.5 + 0.5 * (done.fract() * core::f64::consts::PI).cos()
        }
        Schedule::Constant => 1.0,
    }
}

/// So many layers, from the first, do not learn in a step; if there are any, the embeddings do not either.
///
/// # Source
/// Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification" (gradual unfreezing).
pub(super) fn frozen(step: u64, steps: u64, layers: usize, training: &EncoderTraining) -> usize {
    let whole = training.unfreeze * steps as f64;
    let learning =
        if step as f64 >= whole { layers } else { (step as f64 / whole * (layers + 1) as f64) as usize };
    training.frozen_layers.max(layers.saturating_sub(learning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall() {
        let with = |schedule, power| EncoderTraining { warm_up: 0.2, schedule, power, ..Default::default() };
        let table = [
            (Schedule::Linear, 2.0, 0.5),
            (Schedule::Cosine, 2.0, 0.5),
            (Schedule::Polynomial, 2.0, 0.25),
            (Schedule::Polynomial, 1.0, 0.5),
            (Schedule::Constant, 2.0, 1.0),
        ];
        for (schedule, power, half) in table {
            let training = with(schedule, power);
            let at = |step| factor(step, 100, &training);
            assert_eq!((at(0), at(9), at(19), at(20)), (0.05, 0.5, 1.0, 1.0), "{schedule:?}");
            assert!((at(60) - half).abs() < 1e-12, "{schedule:?}: {}", at(60));
            let end = if schedule == Schedule::Constant { 1.0 } else { 0.0 };
            assert!((at(100) - end).abs() < 1e-12, "{schedule:?}: {}", at(100));
        }
    }

    #[test]
    fn a_cyclic_rate_begins_again() {
        let training =
            EncoderTraining { warm_up: 0.2, schedule: Schedule::Cyclic, cycles: 2, ..Default::default() };
        let at = |step| factor(step, 100, &training);
        assert_eq!((at(20), at(60)), (1.0, 1.0));
        assert!((at(40) - 0.5).abs() < 1e-12 && (at(80) - 0.5).abs() < 1e-12);
        assert!(at(59) < 0.01 && at(99) < 0.01);
    }

    #[test]
    fn layers_thaw_from_the_last_to_the_first() {
        let training = EncoderTraining { unfreeze: 0.5, ..Default::default() };
        let at = |step| frozen(step, 100, 4, &training);
        assert_eq!([0, 9, 10, 20, 30, 39, 40, 50, 99].map(at), [4, 4, 3, 2, 1, 1, 0, 0, 0]);
        let training = EncoderTraining { frozen_layers: 2, ..training };
        assert_eq!([0, 10, 20, 30, 99].map(|step| frozen(step, 100, 4, &training)), [4, 3, 2, 2, 2]);
        assert_eq!(frozen(0, 100, 4, &EncoderTraining::default()), 0);
    }

    #[test]
    fn one_step_is_that_of_the_paper() {
        let change = Change {
            scale: 0.5,
            beta1: 0.9,
            beta2: 0.99,
            rate: 0.1 / 0.1,
            square: 1.0 / 0.01,
            epsilon: 1e-8,
            keep: 0.9,
        };
        let (mut x, mut mean, mut square) = ([2.0f32], [0.0f32], [0.0f32]);
        change.apply(&mut x, &mut mean, &mut square, &[4.0]);
        // The first step goes the learning rate far, whatever the gradient: 2 * 0.9 - 0.1.
        assert!((x[0] - 1.7).abs() < 1e-5 && (mean[0] - 0.2).abs() < 1e-6 && (square[0] - 0.04).abs() < 1e-6);
    }
}
