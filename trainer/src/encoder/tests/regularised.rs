//! What keeps a network from learning by heart: dropped numbers, agreement of passes, layers that wait, means of weights.

use super::*;
use crate::encoder::optimiser::{AdamW, Gradient};

fn batch() -> Batch {
    texts(20).batch(&[0, 1, 2, 3, 4, 5])
}

fn training() -> EncoderTraining {
    EncoderTraining { dropout: 0.0, label_smoothing: 0.0, ..EncoderTraining::default() }
}

fn loss(training: &EncoderTraining, seed: u64) -> (f64, Gradient) {
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let (mut random, mut times) = (Random::new(seed), Times::default());
    let (loss, gradient) = step::gradient(&parameters, &batch(), manner(training), &mut random, &mut times);
    (loss, gradient.unwrap())
}

#[test]
fn samples_of_the_head_have_the_mean_loss_of_as_many_passes() {
    let one = EncoderTraining { dropout: 0.5, ..training() };
    let many = EncoderTraining { dropout_samples: 4, ..one.clone() };
    let (found, gradient) = loss(&many, 3);
    // A generator that goes on gives the same masks, pass after pass.
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let (mut random, mut times) = (Random::new(3), Times::default());
    let mut sum = 0.0;
    let mut whole = Gradient::default();
    for _ in 0..4 {
        let (loss, gradient) = step::gradient(&parameters, &batch(), manner(&one), &mut random, &mut times);
        sum += loss / 4.0;
        whole.add(gradient.unwrap());
    }
    assert!((found - sum).abs() < 1e-6, "{found} {sum}");
    for (left, right) in gradient.list.iter().flatten().zip(whole.list.iter().flatten()) {
        assert!(left.iter().zip(right).all(|(l, r)| (l - r / 4.0).abs() < 1e-5));
    }
}

#[test]
fn passes_that_drop_nothing_agree_and_others_cost() {
    let plain = loss(&training(), 1);
    let agreeing = loss(&EncoderTraining { consistency: 5.0, ..training() }, 1);
    assert!((plain.0 - agreeing.0).abs() < 1e-6, "{} {}", plain.0, agreeing.0);
    for (left, right) in plain.1.list.iter().flatten().zip(agreeing.1.list.iter().flatten()) {
        assert!(left.iter().zip(right).all(|(l, r)| (l - r).abs() < 1e-5));
    }
    let dropping = EncoderTraining { dropout: 0.5, inner_dropout: 0.2, ..training() };
    let without = EncoderTraining { consistency: 1e-9, ..dropping.clone() };
    let with = EncoderTraining { consistency: 5.0, ..dropping };
    assert!(loss(&with, 1).0 > loss(&without, 1).0 + 1e-4);
}

#[test]
fn the_loss_falls_as_fast_as_the_gradient_says_with_all_of_it() {
    let training = EncoderTraining {
        dropout: 0.3,
        inner_dropout: 0.1,
        dropout_samples: 2,
        consistency: 2.0,
        ..training()
    };
    let mut parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let at = |parameters: &Parameters| {
        let (mut random, mut times) = (Random::new(8), Times::default());
        step::gradient(parameters, &batch(), manner(&training), &mut random, &mut times)
    };
    let (first, gradient) = at(&parameters);
    let step = 1e-3f32;
    let mut expected = 0.0f64;
    for (parameter, gradient) in parameters.list.iter_mut().zip(&gradient.unwrap().list) {
        for (x, g) in parameter.numbers.iter_mut().zip(gradient.as_ref().unwrap()) {
            *x -= step * g;
            expected += f64::from(step * g * g);
        }
    }
    let fallen = first - at(&parameters).0;
    assert!((fallen - expected).abs() < 0.1 * expected, "{fallen} {expected}");
}

#[test]
fn layers_that_wait_have_no_gradient() {
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let training = training();
    let (mut random, mut times) = (Random::new(1), Times::default());
    let waiting = Manner { frozen: 2, ..manner(&training) };
    let (_, gradient) = step::gradient(&parameters, &batch(), waiting, &mut random, &mut times);
    let gradient = gradient.unwrap();
    assert!(gradient.words.is_empty());
    for (parameter, gradient) in parameters.list.iter().zip(&gradient.list) {
        assert_eq!(gradient.is_some(), parameter.depth == 3, "{}", parameter.name);
    }
}

#[test]
fn the_plain_mean_is_that_of_the_weights_since_its_step() {
    let training = EncoderTraining { average_from: 0.5, weight_decay: 0.0, ..training() };
    let mut parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let mut optimiser = AdamW::new(&parameters, &training, 8);
    let (_, gradient) = loss(&training, 1);
    let mut seen = Vec::new();
    for step in 1..=8 {
        optimiser.step(&mut parameters, &gradient, 1.0, 1e-2, &training);
        if step >= 4 {
            seen.push(parameters.list[0].numbers[0]);
        }
    }
    let mean = seen.iter().sum::<f32>() / seen.len() as f32;
    let averaged = optimiser.averaged(&parameters).unwrap();
    assert!((averaged.list[0].numbers[0] - mean).abs() < 1e-6);
}
