//! The numbers that training changes, in the layout that it computes with: matrices inputs x outputs, queries, keys and
//! values in one matrix. They come from a network as the importer reads it, and go back into one.

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use safetensors::tensor::SafeTensors;
use typecase_convert::encoder::{Bert, HeadKind, ImportError, Layer, Linear, Norm, PoolingKind};

use crate::error::TrainError;
use crate::random::Random;

/// Parameters before those of the first layer: positions, gain, offset.
const EMBEDDING: usize = 3;
/// Parameters of a layer: four matrices with their biases, two LayerNorms.
const LAYER: usize = 12;

/// A tensor that learns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// Rows and columns of a matrix, or the length of a vector.
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Vec<f32>,
    /// Its weights shrink: a matrix, no bias, no LayerNorm.
    pub(super) decays: bool,
    /// 0 for the embeddings, then the layer from 1, then the head.
    pub(super) depth: usize,
}

/// Every tensor of a network and its head, in the order in which the forward pass asks for them.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    /// Sizes of the network.
    pub(super) sizes: Sizes,
    /// The embedding of words, a row an id: most rows do not occur in a batch, so they are treated apart.
    pub(super) words: Vec<f32>,
    pub(super) list: Vec<Parameter>,
}

/// Sizes of a network, and what follows its last layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    pub(super) inner: usize,
    pub(super) positions: usize,
    pub(super) rows: usize,
    pub(super) epsilon: f32,
    pub(super) pooling: PoolingKind,
    pub(super) head: HeadKind,
    pub(super) classes: usize,
}

impl Parameters {
    /// The network as it was pre-trained, with a head of random numbers.
    pub(super) fn new(
        bert: &Bert,
        pooling: PoolingKind,
        head: HeadKind,
        classes: usize,
        random: &mut Random,
    ) -> Self {
        let config = &bert.config;
        let sizes = Sizes {
            width: config.hidden_size,
            heads: config.num_attention_heads,
            layers: config.num_hidden_layers,
            inner: config.intermediate_size,
            positions: config.max_position_embeddings,
            rows: config.vocab_size,
            epsilon: config.layer_norm_eps,
            pooling,
            head,
            classes,
        };
        let mut list = List(Vec::new());
        list.matrix(
            "positions".to_owned(),
            [sizes.positions, sizes.width],
            bert.positions.iter().copied(),
            0,
        );
        list.norm("norm", &bert.norm, 0);
        for (number, layer) in bert.layers.iter().enumerate() {
            list.layer(&format!("layer.{number}"), layer, number + 1);
        }
        let depth = sizes.layers + 1;
        let mut normal = |count: usize| -> Vec<f32> { (0..count).map(|_| 0.02 * normal(random)).collect() };
        if pooling == PoolingKind::Attention {
            list.matrix("pooling.weight".to_owned(), [sizes.width, 1], normal(sizes.width), depth);
        }
        if head == HeadKind::Mlp {
            list.matrix(
                "head.dense.weight".to_owned(),
                [sizes.width; 2],
                normal(sizes.width * sizes.width),
                depth,
            );
            list.vector("head.dense.bias".to_owned(), vec![0.0; sizes.width], depth);
        }
        list.matrix("head.weight".to_owned(), [sizes.width, classes], normal(sizes.width * classes), depth);
        list.vector("head.bias".to_owned(), vec![0.0; classes], depth);
        Self { sizes, words: bert.words.iter().copied().collect(), list: list.0 }
    }

    /// The network as it was pre-trained, with a layer of random numbers that says words: dense, GELU, LayerNorm.
    pub(super) fn for_words(bert: &Bert, random: &mut Random) -> Self {
        let mut parameters = Self::new(bert, PoolingKind::Mean, HeadKind::Linear, 1, random);
        let Sizes { width, layers, .. } = parameters.sizes;
        parameters.list.retain(|parameter| parameter.depth <= layers);
        let mut list = List(parameters.list);
        let dense: Vec<f32> = (0..width * width).map(|_| 0.02 * normal(random)).collect();
        list.matrix("head.dense.weight".to_owned(), [width; 2], dense, layers + 1);
        list.vector("head.dense.bias".to_owned(), vec![0.0; width], layers + 1);
        list.vector("head.norm.gain".to_owned(), vec![1.0; width], layers + 1);
        list.vector("head.norm.offset".to_owned(), vec![0.0; width], layers + 1);
        Self { list: list.0, ..parameters }
    }

    /// Reads the numbers of a checkpoint of the same sizes.
    pub(super) fn read_back(&mut self, folder: &Path) -> Result<(), TrainError> {
        let bert = Bert::load(folder)?;
        let Sizes { pooling, head, classes, .. } = self.sizes;
        let mut read = Self::new(&bert, pooling, head, classes, &mut Random::new(0));
        read.read_head(folder)?;
        *self = read;
        Ok(())
    }

    /// Reads what follows the network of a checkpoint of the same width, pooling, head and classes.
    pub(super) fn read_head(&mut self, folder: &Path) -> Result<(), TrainError> {
        let path = folder.join("head.safetensors");
        let head = fs::read(&path).map_err(|e| TrainError::io(&path, e))?;
        let bad = || {
            TrainError::Encoder(ImportError::File {
                path: path.clone(),
                reason: "the head is damaged, or of other sizes".to_owned(),
            })
        };
        let head = SafeTensors::deserialize(&head).map_err(|_| bad())?;
        let depth = self.sizes.layers + 1;
        for parameter in self.list.iter_mut().filter(|parameter| parameter.depth == depth) {
            let tensor = head.tensor(parameter.name.trim_start_matches("head.")).map_err(|_| bad())?;
            let numbers = tensor.data().as_chunks::<4>().0;
            if numbers.len() != parameter.numbers.len() {
                return Err(bad());
            }
            // Outputs x inputs in the file.
            let (rows, columns) = match parameter.shape[..] {
                [rows, columns] => (rows, columns),
                _ => (1, numbers.len()),
            };
            for (at, bytes) in numbers.iter().enumerate() {
                let (column, row) = (at / rows % columns, at % rows);
                parameter.numbers[row * columns + column] = f32::from_le_bytes(*bytes);
            }
        }
        Ok(())
    }

    /// Puts the numbers of the network back into one of the same sizes.
    pub(super) fn write_to(&self, bert: &mut Bert) {
        let (embedding, list) = self.list.split_at(EMBEDDING);
        let mut embedding = embedding.iter();
        let mut next = || embedding.next().map_or(&[][..], |parameter| parameter.numbers.as_slice());
        copy(bert.words.iter_mut(), &self.words);
        copy(bert.positions.iter_mut(), next());
        copy(bert.norm.gain.iter_mut(), next());
        copy(bert.norm.offset.iter_mut(), next());
        let layers = list.par_chunks(LAYER);
        bert.layers.par_iter_mut().zip(layers).for_each(|(layer, list)| {
            let Layer { query, key, value, output, norm, inner, outer, norm_outer } = layer;
            let mut list = list.iter();
            let mut next = || list.next().map_or(&[][..], |parameter| parameter.numbers.as_slice());
            let width = query.bias.len();
            let (weights, biases) = (next(), next());
            for (part, linear) in [query, key, value].into_iter().enumerate() {
                for ((row, column), x) in linear.weight.indexed_iter_mut() {
                    *x = weights[column * 3 * width + part * width + row];
                }
                copy(linear.bias.iter_mut(), &biases[part * width..]);
            }
            put(output, next(), next());
            copy(norm.gain.iter_mut(), next());
            copy(norm.offset.iter_mut(), next());
            put(inner, next(), next());
            put(outer, next(), next());
            copy(norm_outer.gain.iter_mut(), next());
            copy(norm_outer.offset.iter_mut(), next());
        });
    }

    /// What follows the network, as it is written: outputs x inputs.
    pub(super) fn head(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let parts = self.list.iter().filter(|parameter| parameter.depth == self.sizes.layers + 1);
        let part = |parameter: &Parameter| {
            let name = parameter.name.trim_start_matches("head.").to_owned();
            match parameter.shape[..] {
                [rows, columns] => {
                    let transposed = (0..rows * columns)
                        .map(|at| parameter.numbers[at % rows * columns + at / rows])
                        .collect();
                    (name, vec![columns, rows], transposed)
                }
                _ => (name, parameter.shape.clone(), parameter.numbers.clone()),
            }
        };
        parts.map(part).collect()
    }

    /// All numbers.
    pub(super) fn count(&self) -> usize {
        self.words.len() + self.list.iter().map(|parameter| parameter.numbers.len()).sum::<usize>()
    }
}

fn copy<'a>(to: impl Iterator<Item = &'a mut f32>, from: &[f32]) {
    to.zip(from).for_each(|(to, from)| *to = *from);
}

fn put(linear: &mut Linear, weights: &[f32], biases: &[f32]) {
    let outputs = linear.bias.len();
    for ((row, column), x) in linear.weight.indexed_iter_mut() {
        *x = weights[column * outputs + row];
    }
    copy(linear.bias.iter_mut(), biases);
}

/// Mean 0 and variance 1: the sum of four even numbers is near enough.
pub(super) fn normal(random: &mut Random) -> f32 {
    let sum: f32 = (0..4).map(|_| random.unit_f32() - 0.5).sum();
    sum * 3.0f32.sqrt()
}

/// Parameters in the order in which they are added.
struct List(Vec<Parameter>);

impl List {
    fn matrix(
        &mut self,
        name: String,
        shape: [usize; 2],
        numbers: impl IntoIterator<Item = f32>,
        depth: usize,
    ) {
        let numbers = numbers.into_iter().collect();
        self.0.push(Parameter { name, shape: shape.to_vec(), numbers, decays: true, depth });
    }

    fn vector(&mut self, name: String, numbers: Vec<f32>, depth: usize) {
        self.0.push(Parameter { name, shape: vec![numbers.len()], numbers, decays: false, depth });
    }

    fn norm(&mut self, name: &str, norm: &Norm, depth: usize) {
        self.vector(format!("{name}.gain"), norm.gain.clone(), depth);
        self.vector(format!("{name}.offset"), norm.offset.clone(), depth);
    }

    /// Matrices with the same inputs, side by side.
    fn linear(&mut self, name: &str, parts: &[&Linear], depth: usize) {
        let inputs = parts[0].weight.ncols();
        let outputs = parts.iter().map(|part| part.bias.len()).sum();
        let numbers = (0..inputs).flat_map(|input| {
            parts.iter().flat_map(move |part| part.weight.column(input).into_iter().copied())
        });
        self.matrix(format!("{name}.weight"), [inputs, outputs], numbers, depth);
        let biases = parts.iter().flat_map(|part| part.bias.iter().copied()).collect();
        self.vector(format!("{name}.bias"), biases, depth);
    }

    fn layer(&mut self, name: &str, layer: &Layer, depth: usize) {
        self.linear(&format!("{name}.qkv"), &[&layer.query, &layer.key, &layer.value], depth);
        self.linear(&format!("{name}.output"), &[&layer.output], depth);
        self.norm(&format!("{name}.norm"), &layer.norm, depth);
        self.linear(&format!("{name}.inner"), &[&layer.inner], depth);
        self.linear(&format!("{name}.outer"), &[&layer.outer], depth);
        self.norm(&format!("{name}.norm_outer"), &layer.norm_outer, depth);
    }
}
