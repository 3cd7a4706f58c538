//! The forward pass in burn: from ids to logits.

use burn::tensor::activation::softmax;
use burn::tensor::module::linear;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use typecase_convert::encoder::{HeadKind, PoolingKind};

use super::batches::Batch;
use super::fused;
use super::kernels::AttentionShape;
use super::parameters::{Parameters, Sizes};
use super::quantised::{Record, Tape};
use super::straight;

/// What is added to the product of tokens that are not looked at.
pub(super) const NEVER: f32 = -1e30;

/// The parameters on a device, for one forward pass and its gradients.
pub(super) struct Leaves {
    sizes: Sizes,
    /// In the order of [`Parameters::list`].
    list: Vec<Leaf>,
    /// What the operations give, where it comes from the integers of a case.
    tape: Option<Tape>,
}

enum Leaf {
    Matrix(Tensor<2>),
    Vector(Tensor<1>),
}

impl Leaves {
    /// Copies the parameters. Those for which `learns` is true get gradients, on a device that has any.
    pub(super) fn new(parameters: &Parameters, device: &Device, learns: &dyn Fn(usize) -> bool) -> Self {
        let leaf = |parameter: &super::parameters::Parameter| {
            let data = TensorData::new(parameter.numbers.clone(), parameter.shape.clone());
            match (parameter.shape.len(), learns(parameter.depth)) {
                (1, false) => Leaf::Vector(Tensor::from_data(data, device)),
                (1, true) => Leaf::Vector(Tensor::from_data(data, device).require_grad()),
                (_, false) => Leaf::Matrix(Tensor::from_data(data, device)),
                (_, true) => Leaf::Matrix(Tensor::from_data(data, device).require_grad()),
            }
        };
        Self { sizes: parameters.sizes, list: parameters.list.iter().map(leaf).collect(), tape: None }
    }

    /// The same with what a case computes of a batch: of that batch alone logits can be asked for then.
    pub(super) fn with_tape(self, tape: Option<Tape>) -> Self {
        Self { tape, ..self }
    }

    /// The gradient of each parameter, none where it does not learn.
    pub(super) fn gradients(&self, all: &mut Gradients) -> Vec<Option<Vec<f32>>> {
        let of = |leaf: &Leaf| match leaf {
            Leaf::Matrix(tensor) => tensor.grad_remove(all).map(into_numbers),
            Leaf::Vector(tensor) => tensor.grad_remove(all).map(into_numbers),
        };
        self.list.iter().map(of).collect()
    }

    /// The logits of a batch, with nothing left out. `words`: the embedding of each of its ids.
    ///
    /// # Shapes
    /// `words`: (texts x tokens) x width; the answer: texts x classes.
    pub(super) fn logits(&self, batch: &Batch, words: Tensor<2>) -> Tensor<2> {
        let mut all = self.run(batch, words, &Dropped::default(), &mut |_| {});
        all.remove(0)
    }

    /// As [`Self::logits`]: one answer for each sample of the head, at least one. `see` is shown every layer on the way.
    pub(super) fn run(
        &self,
        batch: &Batch,
        words: Tensor<2>,
        dropped: &Dropped,
        see: &mut dyn FnMut(Layer<'_>),
    ) -> Vec<Tensor<2>> {
        let tape = self.tape.as_ref().map(|tape| tape.0.iter());
        let mut rest = Rest { leaves: self.list.iter(), tape };
        let states = self.states(batch, words, &mut rest, &dropped.inner, see);
        let row = self.pooled(batch, states, &mut rest);
        let row = rest.seen(row);
        if dropped.pooled.is_empty() {
            return vec![self.head(row, rest)];
        }
        // A case drops nothing: its scores are others.
        let rest = Rest { tape: None, ..rest };
        dropped.pooled.iter().map(|keep| self.head(row.clone() * keep.clone(), rest.clone())).collect()
    }

    /// What stands for pieces of words at some places, of parameters for words.
    ///
    /// # Shapes
    /// `words`: (texts x tokens) x width; the answer: places x width.
    pub(super) fn said(&self, batch: &Batch, words: Tensor<2>, places: &[usize]) -> Tensor<2> {
        let mut rest = Rest { leaves: self.list.iter(), tape: None };
        let states = self.states(batch, words, &mut rest, &[], &mut |_| {});
        let places: Vec<i32> = places.iter().map(|place| *place as i32).collect();
        let count = places.len();
        let places = Tensor::from_data(TensorData::new(places, [count]), &states.device());
        let row = fused::gelu(rest.linear(states.select(0, places)));
        let nothing = row.zeros_like();
        fused::norm(row, nothing, rest.vector(), rest.vector(), self.sizes.epsilon)
    }

    fn head(&self, mut row: Tensor<2>, mut rest: Rest<'_>) -> Tensor<2> {
        if self.sizes.head == HeadKind::Mlp {
            row = fused::gelu(rest.linear(row));
        }
        rest.linear(row)
    }

    /// The state of every token after the last layer.
    fn states(
        &self,
        batch: &Batch,
        words: Tensor<2>,
        rest: &mut Rest<'_>,
        dropped: &[Tensor<2>],
        see: &mut dyn FnMut(Layer<'_>),
    ) -> Tensor<2> {
        let Sizes { width, heads, layers, epsilon, .. } = self.sizes;
        let (texts, tokens) = (batch.lengths.len(), batch.tokens);
        let mut dropped = dropped.iter();
        let mut drop_some = |x: Tensor<2>| match dropped.next() {
            Some(keep) => x * keep.clone(),
            None => x,
        };
        let positions: Tensor<3> = rest.matrix().narrow(0, 0, tokens).reshape([1, tokens, width]);
        let positions = positions.expand([texts, tokens, width]).reshape([texts * tokens, width]);
        let stream = fused::norm(words, positions, rest.vector(), rest.vector(), epsilon);
        let mut stream = drop_some(rest.seen(stream));
        let shape = AttentionShape { heads, channels: width / heads, tokens, lengths: batch.lengths.clone() };
        for _ in 0..layers {
            let qkv = rest.linear(stream.clone());
            let context = fused::attention(qkv.clone(), shape.clone());
            let context = rest.seen(context);
            let added = drop_some(rest.linear(context));
            stream = fused::norm(added, stream, rest.vector(), rest.vector(), epsilon);
            stream = rest.seen(stream);
            let inner = fused::gelu(rest.linear(stream.clone()));
            let inner = rest.seen(inner);
            let added = drop_some(rest.linear(inner));
            stream = fused::norm(added, stream, rest.vector(), rest.vector(), epsilon);
            stream = rest.seen(stream);
            see(Layer { qkv: &qkv, states: &stream });
        }
        stream
    }

    /// One row a text.
    fn pooled(&self, batch: &Batch, states: Tensor<2>, rest: &mut Rest<'_>) -> Tensor<2> {
        let (texts, tokens, width) = (batch.lengths.len(), batch.tokens, self.sizes.width);
        let device = states.device();
        // A number for every token: one where it counts, another where it is padding.
        let of_tokens = |of: &dyn Fn(usize) -> f32, padding: f32| -> Tensor<3> {
            let of_text = |length: &usize| {
                let length = *length;
                (0..tokens).map(move |at| (at, length))
            };
            let numbers: Vec<f32> = batch
                .lengths
                .iter()
                .flat_map(of_text)
                .map(|(at, length)| if at < length { of(length) } else { padding })
                .collect();
            Tensor::from_data(TensorData::new(numbers, [texts, tokens, 1]), &device)
        };
        let row: Tensor<3> = match self.sizes.pooling {
            PoolingKind::Cls => states.reshape([texts, tokens, width]).slice([0..texts, 0..1]),
            PoolingKind::Mean => {
                let states: Tensor<3> = states.reshape([texts, tokens, width]);
                if batch.is_even() {
                    states.mean_dim(1)
                } else {
                    (states * of_tokens(&|length| 1.0 / length as f32, 0.0)).sum_dim(1)
                }
            }
            PoolingKind::Max => {
                let states: Tensor<3> = states.reshape([texts, tokens, width]);
                (states + of_tokens(&|_| 0.0, NEVER)).max_dim(1)
            }
            PoolingKind::Attention => {
                let products: Tensor<3> = states.clone().matmul(rest.matrix()).reshape([texts, tokens, 1]);
                let weights = softmax(products + of_tokens(&|_| 0.0, NEVER), 1);
                let states: Tensor<3> = states.reshape([texts, tokens, width]);
                (states * weights).sum_dim(1)
            }
        };
        row.reshape([texts, width])
    }
}

/// What a layer computes of a batch.
pub(super) struct Layer<'t> {
    /// Queries, keys and values of all heads, (texts x tokens) x three times the width.
    pub(super) qkv: &'t Tensor<2>,
    /// The states after it, (texts x tokens) x width.
    pub(super) states: &'t Tensor<2>,
}

/// What chance leaves out: what each number is multiplied by.
#[derive(Default)]
pub(super) struct Dropped {
    /// Of the embedding, and of what attention and feed-forward network of each layer add; empty for nothing.
    pub(super) inner: Vec<Tensor<2>>,
    /// Of the pooled row, for each sample of the head; empty for one of which nothing is left out.
    pub(super) pooled: Vec<Tensor<2>>,
}

/// Parameters that the forward pass has not come to.
#[derive(Clone)]
struct Rest<'a> {
    leaves: core::slice::Iter<'a, Leaf>,
    /// What the operations give that it has not come to.
    tape: Option<core::slice::Iter<'a, Record>>,
}

impl Rest<'_> {
    fn matrix(&mut self) -> Tensor<2> {
        match self.leaves.next() {
            Some(Leaf::Matrix(tensor)) => tensor.clone(),
            _ => unreachable!("the parameters stand in the order of the forward pass"),
        }
    }

    fn vector(&mut self) -> Tensor<1> {
        match self.leaves.next() {
            Some(Leaf::Vector(tensor)) => tensor.clone(),
            _ => unreachable!("the parameters stand in the order of the forward pass"),
        }
    }

    fn linear(&mut self, x: Tensor<2>) -> Tensor<2> {
        let (weight, bias) = (self.matrix(), self.vector());
        match &mut self.tape {
            None => linear(x, weight, Some(bias)),
            Some(tape) => match tape.next() {
                Some(Record::Linear { input, output }) => {
                    straight::linear(x, input.as_deref(), weight, bias, output)
                }
                _ => unreachable!("the tape is in the order of the forward pass"),
            },
        }
    }

    /// What another operation gives: the tensor itself, or what the case has in its place.
    fn seen(&mut self, x: Tensor<2>) -> Tensor<2> {
        match &mut self.tape {
            None => x,
            Some(tape) => match tape.next() {
                Some(Record::Other(values)) => straight::straight(x, values),
                _ => unreachable!("the tape is in the order of the forward pass"),
            },
        }
    }
}

/// Queries, keys or values (0, 1, 2) of all heads.
///
/// # Shapes
/// `qkv`: (texts x tokens) x three times the width; the answer: texts x heads x tokens x channels.
pub(super) fn part(qkv: &Tensor<2>, number: usize, [texts, tokens, heads]: [usize; 3]) -> Tensor<4> {
    let [_, three] = qkv.dims();
    let width = three / 3;
    let part = qkv.clone().narrow(1, number * width, width);
    part.reshape([texts, tokens, heads, width / heads]).swap_dims(1, 2)
}

/// The numbers of a tensor, row after row.
pub(super) fn into_numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("the tensors of this crate are in f32")
}

/// The embeddings of the ids of a batch, row after row.
pub(super) fn words_of(parameters: &Parameters, batch: &Batch) -> TensorData {
    rows_of(parameters, &batch.ids)
}

/// The embeddings of ids, row after row.
pub(super) fn rows_of(parameters: &Parameters, ids: &[u32]) -> TensorData {
    let width = parameters.sizes.width;
    let mut rows = Vec::with_capacity(ids.len() * width);
    for id in ids {
        let start = *id as usize * width;
        rows.extend_from_slice(&parameters.words[start..start + width]);
    }
    TensorData::new(rows, [ids.len(), width])
}
