//! What the teachers of an encoder want: their probabilities, and that layers work as those of the network that it was
//! cut from.
//!
//! # Source
//! Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Jiao et al. 2020, "TinyBERT" (states); Wang et al.
//! 2020, "MiniLM" (attention and relations of values in the last layer).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::batches::Batch;
use super::network::{Dropped, Layer, Leaves, part, words_of};
use super::parameters::Parameters;
use crate::recipe::DistillationRecipe;

/// How a student is guided.
pub(super) struct Guide {
    share: f32,
    temperature: f32,
    states: f32,
    attention: f32,
    /// Share of the steps after which the origin is followed no longer.
    follow_until: f64,
    origin: Option<Origin>,
}

/// The network that the student was cut from.
pub(super) struct Origin {
    pub(super) parameters: Parameters,
    /// Its id of each of the student's.
    pub(super) words: Vec<u32>,
    /// Its layer, from 1, that each of the student's follows.
    pub(super) layers: Vec<usize>,
}

impl Guide {
    pub(super) fn new(recipe: &DistillationRecipe, origin: Option<Origin>) -> Self {
        let DistillationRecipe { share, temperature, states, attention, follow_until, .. } = *recipe;
        let [share, temperature, states, attention] =
            [share, temperature, states, attention].map(|number| number as f32);
        let origin = origin.filter(|_| states > 0.0 || attention > 0.0);
        Self { share, temperature, states, attention, follow_until, origin }
    }

    /// Forgets the larger network once it is followed no longer.
    pub(super) fn at(&mut self, step: u64, steps: u64) {
        if step as f64 >= self.follow_until * steps as f64 {
            self.origin = None;
        }
    }

    /// What is wanted of a batch. A batch with padding has no example of layers: what stands there means nothing.
    pub(super) fn example(&self, batch: &Batch, device: &Device) -> Example {
        let soft = batch.targets.as_ref().map_or(&[][..], |targets| targets.soft.as_slice());
        let texts = batch.lengths.len();
        let soft = (!soft.is_empty())
            .then(|| Tensor::from_data(TensorData::new(soft.to_vec(), [texts, soft.len() / texts]), device));
        let mut example = Example {
            soft,
            share: self.share,
            temperature: self.temperature,
            states: (self.states, Vec::new()),
            attention: (self.attention, Vec::new()),
            heads: 1,
            depth: 0,
        };
        if let Some(origin) = self.origin.as_ref().filter(|_| batch.is_even()) {
            origin.show(batch, device, &mut example);
        }
        example
    }
}

impl Origin {
    /// Runs the larger network, and keeps what the student is to follow.
    fn show(&self, batch: &Batch, device: &Device, example: &mut Example) {
        let ids = batch.ids.iter().map(|id| self.words[*id as usize]).collect();
        let batch = Batch { ids, targets: None, ..batch.clone() };
        let leaves = Leaves::new(&self.parameters, device, &|_| false);
        let words = Tensor::from_data(words_of(&self.parameters, &batch), device);
        let (mut states, mut last) = (Vec::new(), None);
        leaves.run(&batch, words, &Dropped::default(), &mut |layer| {
            states.push(layer.states.clone());
            if self.layers.last() == Some(&states.len()) {
                last = Some(layer.qkv.clone());
            }
        });
        if example.states.0 > 0.0 {
            example.states.1 = self.layers.iter().map(|layer| states[layer - 1].clone()).collect();
        }
        example.heads = self.parameters.sizes.heads;
        example.depth = self.layers.len();
        if example.attention.0 > 0.0
            && let Some(qkv) = last
        {
            example.attention.1 = relations(&qkv, &batch, example.heads).into();
        }
    }
}

/// What is wanted of a batch.
pub(super) struct Example {
    /// Probabilities of the teachers, texts x classes.
    soft: Option<Tensor<2>>,
    share: f32,
    temperature: f32,
    /// Weight, and the states after each layer; none to follow.
    states: (f32, Vec<Tensor<2>>),
    /// Weight, and the logarithms of attention and of the relations of values in the last layer; none to follow.
    attention: (f32, Vec<Tensor<4>>),
    heads: usize,
    /// Layers of the student.
    depth: usize,
}

impl Example {
    /// The loss of labels and teachers, given that of the labels alone.
    ///
    /// # Units
    /// Nats a text.
    pub(super) fn loss(&self, labelled: Tensor<1>, logits: Tensor<2>) -> Tensor<1> {
        let mut loss = labelled;
        if let Some(soft) = &self.soft {
            let [texts, _] = logits.dims();
            let squared = self.temperature * self.temperature / texts as f32;
            let taught = log_softmax(logits.div_scalar(self.temperature), 1).neg() * soft.clone();
            loss = loss.mul_scalar(1.0 - self.share) + taught.sum().mul_scalar(self.share * squared);
        }
        loss
    }
}

/// Follows the layers of a student.
pub(super) struct Layers<'a> {
    example: Option<&'a Example>,
    batch: &'a Batch,
    seen: usize,
    /// Of the states after each layer: the mean square, over the layers; of attention: nats a head and query.
    pub(super) losses: Vec<Tensor<1>>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(example: Option<&'a Example>, batch: &'a Batch) -> Self {
        Self { example, batch, seen: 0, losses: Vec::new() }
    }

    /// Compares a layer with the one that it follows.
    pub(super) fn see(&mut self, layer: Layer<'_>) {
        self.seen += 1;
        let Some(Example { states: (weight, states), attention, heads, depth, .. }) = self.example else {
            return;
        };
        if let Some(wanted) = states.get(self.seen - 1) {
            let distance = (layer.states.clone() - wanted.clone()).powf_scalar(2.0).mean();
            self.losses.push(distance.mul_scalar(weight / states.len() as f32));
        }
        let (weight, wanted) = attention;
        if wanted.is_empty() || self.seen != *depth {
            return;
        }
        for (own, wanted) in relations(layer.qkv, self.batch, *heads).into_iter().zip(wanted) {
            let [texts, heads, tokens, _] = own.dims();
            let divergence = (wanted.clone().exp() * (wanted.clone() - own)).sum();
            self.losses.push(divergence.mul_scalar(weight / (texts * heads * tokens) as f32));
        }
    }
}

/// The logarithms of attention and of the relations of values, each as shares of a row.
///
/// # Shapes
/// `qkv`: (texts x tokens) x three times the width, no padding; the answers: texts x heads x tokens x tokens.
fn relations(qkv: &Tensor<2>, batch: &Batch, heads: usize) -> [Tensor<4>; 2] {
    let (texts, tokens) = (batch.lengths.len(), batch.tokens);
    let part = |number: usize| part(qkv, number, [texts, tokens, heads]);
    let [_, three] = qkv.dims();
    let scale = ((three / 3 / heads) as f32).sqrt().recip();
    let of = |left: Tensor<4>, right: Tensor<4>| {
        log_softmax(left.matmul(right.swap_dims(2, 3)).mul_scalar(scale), 3)
    };
    [of(part(0), part(1)), of(part(2), part(2))]
}
