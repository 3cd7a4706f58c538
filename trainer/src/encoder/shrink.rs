//! A smaller network cut from a larger one: some of its layers, the neurons that matter most, the pieces of words that
//! the texts need. What is left keeps its numbers.
//!
//! # Source
//! Sanh et al. 2019, "DistilBERT" (a student starts from layers of its teacher); Li et al. 2017, "Pruning Filters for
//! Efficient ConvNets" (neurons by the size of their weights).

use ndarray::{ArrayView1, Axis};
use typecase_convert::encoder::{Bert, Layer, Linear};
use typecase_convert::tokenizer::{PruneOptions, prune};

use super::guide::Origin;
use super::parameters::Parameters;
use crate::random::Random;
use crate::recipe::{EncoderRecipe, ShrinkRecipe};

/// The network that learns.
pub(super) struct Student {
    pub(super) bert: Bert,
    /// Its `tokenizer.json`.
    pub(super) tokenizer: String,
    /// What it was cut from, if it was.
    pub(super) origin: Option<Whole>,
}

/// What a student was cut from.
pub(super) struct Whole {
    bert: Bert,
    /// The layer, from 1, that each layer of the student was.
    layers: Vec<usize>,
    /// The id of each id of the student.
    words: Vec<u32>,
}

impl Student {
    /// The network itself, or what the recipe leaves of it for these texts. The reason, if that cannot be.
    pub(super) fn new(
        recipe: &EncoderRecipe,
        bert: Bert,
        tokenizer: String,
        texts: &[(&str, u32)],
    ) -> Result<Self, String> {
        let Some(shrink) = &recipe.shrink else { return Ok(Self { bert, tokenizer, origin: None }) };
        let texts: Vec<&str> = texts.iter().map(|(text, _)| *text).collect();
        cut(bert, &tokenizer, shrink, &texts)
    }
}

impl Whole {
    /// As a network to follow, by the layers of `followed`, or by those that the student's layers were.
    pub(super) fn origin(
        self,
        recipe: &EncoderRecipe,
        classes: usize,
        followed: &[usize],
    ) -> Result<Origin, String> {
        let (depth, students) = (self.bert.layers.len(), self.layers.len());
        let layers = if followed.is_empty() { self.layers } else { followed.to_vec() };
        if layers.len() != students || layers.iter().any(|layer| *layer > depth) {
            return Err(format!(
                "distillation.layers {layers:?} found, {students} are needed, each of 1 to {depth}"
            ));
        }
        let random = &mut Random::new(0);
        let parameters = Parameters::new(&self.bert, recipe.pooling, recipe.head, classes, random);
        Ok(Origin { parameters, words: self.words, layers })
    }
}

fn cut(bert: Bert, tokenizer: &str, recipe: &ShrinkRecipe, texts: &[&str]) -> Result<Student, String> {
    let mut small = bert.clone();
    let depth = bert.layers.len();
    let layers = if recipe.layers.is_empty() { (1..=depth).collect() } else { recipe.layers.clone() };
    if let Some(layer) = layers.iter().find(|layer| **layer > depth) {
        return Err(format!("encoder.shrink.layers: {layer} found, the network has {depth}"));
    }
    small.layers = layers.iter().map(|layer| bert.layers[layer - 1].clone()).collect();
    small.config.num_hidden_layers = layers.len();

    let inner = bert.config.intermediate_size;
    if let Some(kept) = recipe.inner {
        if kept > inner {
            return Err(format!("encoder.shrink.inner {kept} found, the network has {inner}"));
        }
        small.layers.iter_mut().for_each(|layer| keep_neurons(layer, kept));
        small.config.intermediate_size = kept;
    }

    let mut words: Vec<u32> = (0u32..).take(bert.words.nrows()).collect();
    let mut tokenizer = tokenizer.to_owned();
    if let Some(pieces) = recipe.vocabulary {
        let options = PruneOptions { max_pieces: Some(pieces), ..PruneOptions::default() };
        let pruned =
            prune(&tokenizer, texts, &options).map_err(|e| format!("encoder.shrink.vocabulary: {e}"))?;
        words = pruned.kept;
        if let Some(id) = words.iter().find(|id| **id as usize >= bert.words.nrows()) {
            return Err(format!(
                "id {id} found in the tokenizer, the network has {} rows",
                bert.words.nrows()
            ));
        }
        let rows: Vec<usize> = words.iter().map(|id| *id as usize).collect();
        small.words = bert.words.select(Axis(0), &rows);
        small.config.vocab_size = rows.len();
        tokenizer = pruned.json.to_string();
    }
    Ok(Student { bert: small, tokenizer, origin: Some(Whole { bert, layers, words }) })
}

/// Leaves the neurons of a feed-forward network with the largest weights in and out, in their order.
fn keep_neurons(layer: &mut Layer, kept: usize) {
    let Layer { inner, outer, .. } = layer;
    let square = |numbers: ArrayView1<'_, f32>| numbers.iter().map(|x| x * x).sum::<f32>();
    let size = |neuron: usize| square(inner.weight.row(neuron)) * square(outer.weight.column(neuron));
    let mut order: Vec<(f32, usize)> = (0..inner.bias.len()).map(|neuron| (size(neuron), neuron)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut neurons: Vec<usize> = order.into_iter().take(kept).map(|(_, neuron)| neuron).collect();
    neurons.sort_unstable();
    *inner = Linear {
        weight: inner.weight.select(Axis(0), &neurons),
        bias: neurons.iter().map(|neuron| inner.bias[*neuron]).collect(),
    };
    outer.weight = outer.weight.select(Axis(1), &neurons);
}
