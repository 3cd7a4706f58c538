//! Loss and gradients against differences of a forward pass in f64 that shares nothing with the one in burn.

use super::*;
use crate::encoder::parameters::Sizes;

/// A network in f64: the numbers of [`Parameters`], in plain loops.
#[derive(Clone)]
pub(super) struct Reference {
    sizes: Sizes,
    pub(super) words: Vec<f64>,
    pub(super) list: Vec<Vec<f64>>,
}

/// A row a token.
pub(super) type Rows = Vec<Vec<f64>>;

/// What is done to the numbers of a text on the way: see `Reference::logits`.
pub(super) type See<'s> = dyn FnMut(usize, Rows) -> Rows + 's;

/// A number of a network that goes a step.
pub(super) type Change<'c> = dyn Fn(&mut Reference, f64) + 'c;

impl Reference {
    /// How fast a loss grows with a number, from a step to both sides.
    pub(super) fn slope(&self, change: &Change<'_>, loss: &dyn Fn(&Self) -> f64) -> f64 {
        const STEP: f64 = 1e-5;
        let at = |step: f64| {
            let mut moved = self.clone();
            change(&mut moved, step);
            loss(&moved)
        };
        (at(STEP) - at(-STEP)) / (2.0 * STEP)
    }

    pub(super) fn new(parameters: &Parameters) -> Self {
        let wide = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).collect();
        Self {
            sizes: parameters.sizes,
            words: wide(&parameters.words),
            list: parameters.list.iter().map(|parameter| wide(&parameter.numbers)).collect(),
        }
    }

    /// The mean loss of the texts, one after the other: no batch, no padding.
    fn loss(&self, batch: &Batch, smoothing: f64, focal: f64) -> f64 {
        self.loss_seen(batch, smoothing, focal, &mut |_, rows| rows)
    }

    pub(super) fn loss_seen(&self, batch: &Batch, smoothing: f64, focal: f64, see: &mut See<'_>) -> f64 {
        let of = |(text, length): (usize, &usize)| {
            let ids = &batch.ids[text * batch.tokens..text * batch.tokens + length];
            let logits = self.logits(ids, &mut |rows| see(text, rows));
            let all: f64 = logits.iter().map(|z| z.exp()).sum();
            let share = smoothing / logits.len() as f64;
            logits
                .iter()
                .enumerate()
                .map(|(class, z)| {
                    let hit = if class == batch.labels[text] as usize { 1.0 - smoothing } else { 0.0 };
                    (hit + share) * (all.ln() - z) * (1.0 - z.exp() / all).powf(focal)
                })
                .sum::<f64>()
        };
        batch.lengths.iter().enumerate().map(of).sum::<f64>() / batch.lengths.len() as f64
    }

    /// `see` is shown what each operation gives, and what each layer reads, in the order of the forward pass, and says
    /// what goes on.
    fn logits(&self, ids: &[u32], see: &mut dyn FnMut(Rows) -> Rows) -> Vec<f64> {
        let Sizes { width, layers, heads, .. } = self.sizes;
        let mut list = self.list.iter();
        let mut next = || list.next().unwrap().as_slice();
        let positions = next();
        let mut stream: Rows = (0..ids.len())
            .map(|at| {
                (0..width)
                    .map(|j| self.words[ids[at] as usize * width + j] + positions[at * width + j])
                    .collect()
            })
            .collect();
        let linear_seen = |rows: &Rows, weight: &[f64], bias: &[f64], see: &mut dyn FnMut(Rows) -> Rows| {
            let input = see(rows.clone());
            see(linear(&input, weight, bias))
        };
        self.norm(&mut stream, next(), next());
        stream = see(stream);
        for _ in 0..layers {
            let qkv = linear_seen(&stream, next(), next(), see);
            let context = see(attend(&qkv, width, heads));
            add(&mut stream, &linear_seen(&context, next(), next(), see));
            self.norm(&mut stream, next(), next());
            stream = see(stream);
            let mut inner = linear_seen(&stream, next(), next(), see);
            inner.iter_mut().flatten().for_each(|x| *x *= below(*x));
            let inner = see(inner);
            add(&mut stream, &linear_seen(&inner, next(), next(), see));
            self.norm(&mut stream, next(), next());
            stream = see(stream);
        }
        let column = |j: usize| stream.iter().map(move |row| row[j]);
        let mut row: Vec<f64> = match self.sizes.pooling {
            PoolingKind::Mean => (0..width).map(|j| column(j).sum::<f64>() / ids.len() as f64).collect(),
            PoolingKind::Cls => stream[0].clone(),
            PoolingKind::Max => (0..width).map(|j| column(j).fold(f64::MIN, f64::max)).collect(),
            PoolingKind::Attention => {
                let query = next();
                let products = stream.iter().map(|row| row.iter().zip(query).map(|(x, q)| x * q).sum());
                let weights = softmax(products.collect());
                (0..width).map(|j| column(j).zip(&weights).map(|(x, w)| x * w).sum()).collect()
            }
        };
        row = see(vec![row]).remove(0);
        if self.sizes.head == HeadKind::Mlp {
            row = linear(&vec![row], next(), next()).remove(0);
            row.iter_mut().for_each(|x| *x *= below(*x));
        }
        linear_seen(&vec![row], next(), next(), see).remove(0)
    }

    fn norm(&self, rows: &mut Rows, gain: &[f64], offset: &[f64]) {
        for row in rows {
            let n = row.len() as f64;
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let reciprocal = 1.0 / (variance + f64::from(self.sizes.epsilon)).sqrt();
            for (j, x) in row.iter_mut().enumerate() {
                *x = (*x - mean) * reciprocal * gain[j] + offset[j];
            }
        }
    }
}

fn linear(rows: &Rows, weight: &[f64], bias: &[f64]) -> Rows {
    let n = bias.len();
    let of = |row: &Vec<f64>| {
        (0..n)
            .map(|j| bias[j] + row.iter().enumerate().map(|(i, x)| x * weight[i * n + j]).sum::<f64>())
            .collect()
    };
    rows.iter().map(of).collect()
}

fn attend(qkv: &Rows, width: usize, heads: usize) -> Rows {
    let channels = width / heads;
    let mut out = vec![vec![0.0; width]; qkv.len()];
    for head in 0..heads {
        let at = |row: &[f64], part: usize, j: usize| row[part * width + head * channels + j];
        for (query, out) in qkv.iter().zip(&mut out) {
            let product =
                |key: &Vec<f64>| (0..channels).map(|j| at(query, 0, j) * at(key, 1, j)).sum::<f64>();
            let weights = softmax(qkv.iter().map(|key| product(key) / (channels as f64).sqrt()).collect());
            for j in 0..channels {
                out[head * channels + j] =
                    qkv.iter().zip(&weights).map(|(value, w)| at(value, 2, j) * w).sum();
            }
        }
    }
    out
}

fn softmax(mut row: Vec<f64>) -> Vec<f64> {
    let highest = row.iter().copied().fold(f64::MIN, f64::max);
    row.iter_mut().for_each(|x| *x = (*x - highest).exp());
    let sum: f64 = row.iter().sum();
    row.iter().map(|x| x / sum).collect()
}

fn add(rows: &mut Rows, others: &Rows) {
    rows.iter_mut().flatten().zip(others.iter().flatten()).for_each(|(x, y)| *x += y);
}

/// The normal distribution's share below `x`: the power series of the error function.
fn below(x: f64) -> f64 {
    let z = x / core::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    0.5 + sum / core::f64::consts::PI.sqrt()
}

/// Texts of different lengths, so that there is padding.
fn batch() -> Batch {
    texts(20).batch(&[0, 1, 2, 3, 4, 5])
}

fn training() -> EncoderTraining {
    EncoderTraining { dropout: 0.0, label_smoothing: 0.1, ..EncoderTraining::default() }
}

#[test]
fn loss_and_gradients_are_those_of_a_network_in_f64() {
    let batch = batch();
    assert!(!batch.is_even());
    let mut random = Random::new(9);
    for (pooling, head, focal) in [
        (PoolingKind::Mean, HeadKind::Linear, 0.0),
        (PoolingKind::Cls, HeadKind::Mlp, 0.0),
        (PoolingKind::Max, HeadKind::Linear, 2.0),
        (PoolingKind::Attention, HeadKind::Linear, 0.5),
    ] {
        let training = EncoderTraining { focal, ..training() };
        let mut parameters = parameters(pooling, head);
        // A head of small numbers would hide what is wrong behind it.
        let depth = parameters.sizes.layers + 1;
        for parameter in parameters.list.iter_mut().filter(|parameter| parameter.depth == depth) {
            parameter.numbers.iter_mut().for_each(|x| *x = random.unit_f32() - 0.5);
        }
        let (loss, gradient) = step::gradient(
            &parameters,
            &batch,
            manner(&training),
            &mut Random::new(1),
            &mut Times::default(),
        );
        let gradient = gradient.unwrap();
        let reference = Reference::new(&parameters);
        let expected = reference.loss(&batch, 0.1, focal);
        assert!((loss - expected).abs() < 1e-5, "{pooling:?}: loss {loss}, expected {expected}");

        let difference =
            |change: &Change<'_>| reference.slope(change, &|moved| moved.loss(&batch, 0.1, focal));
        for (number, (parameter, got)) in parameters.list.iter().zip(&gradient.list).enumerate() {
            let got = got.as_ref().unwrap();
            assert_eq!(got.len(), parameter.numbers.len(), "{}", parameter.name);
            for _ in 0..8 {
                let at = random.below(got.len() as u64) as usize;
                let expected = difference(&|reference, step| reference.list[number][at] += step);
                let name = &parameter.name;
                let error = (f64::from(got[at]) - expected).abs();
                assert!(
                    error < 2e-5 + 1e-4 * expected.abs(),
                    "{pooling:?} {name}[{at}]: {}, expected {expected}",
                    got[at]
                );
            }
        }
        for (id, row) in &gradient.words {
            let at = random.below(WIDTH as u64) as usize;
            let place = *id as usize * WIDTH + at;
            let expected = difference(&|reference, step| reference.words[place] += step);
            let error = (f64::from(row[at]) - expected).abs();
            assert!(
                error < 2e-5 + 1e-4 * expected.abs(),
                "{pooling:?} word {id}: {}, expected {expected}",
                row[at]
            );
        }
        let mut ids: Vec<u32> = batch.places().map(|place| batch.ids[place]).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(gradient.words.keys().copied().collect::<Vec<_>>(), ids);
    }
}

/// Words moved along their gradient have a higher loss; moved by next to nothing they have the same gradient again.
#[test]
fn adversarial_words_are_those_of_a_higher_loss() {
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let of = |adversarial: f64| {
        let training = EncoderTraining { adversarial, ..training() };
        step::gradient(&parameters, &batch(), manner(&training), &mut Random::new(1), &mut Times::default())
            .1
            .unwrap()
    };
    let (plain, twice, far) = (of(0.0), of(1e-6), of(1.0));
    for (plain, twice) in plain.list.iter().flatten().zip(twice.list.iter().flatten()) {
        for (plain, twice) in plain.iter().zip(twice) {
            assert!((2.0 * plain - twice).abs() < 1e-4 * plain.abs() + 1e-5, "{plain}, twice {twice}");
        }
    }
    assert!(far.norm() > twice.norm(), "{} and {}", far.norm(), twice.norm());
}

#[test]
fn what_is_frozen_has_no_gradient() {
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let training = EncoderTraining { frozen_layers: 1, ..training() };
    let (_, gradient) =
        step::gradient(&parameters, &batch(), manner(&training), &mut Random::new(1), &mut Times::default());
    let gradient = gradient.unwrap();
    assert!(gradient.words.is_empty());
    for (parameter, gradient) in parameters.list.iter().zip(&gradient.list) {
        assert_eq!(gradient.is_some(), parameter.depth > 1, "{}", parameter.name);
    }
}
