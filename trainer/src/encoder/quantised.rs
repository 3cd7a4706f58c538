//! Training for integers: the forward pass is that of the case, to the bit; the backward pass is the one in floating
//! point at the numbers that the forward pass saw.
//!
//! ```text
//! weights, ranges -> section         the converter's own code
//! section, texts  -> every integer   the kernels of the engine
//! every integer   -> what it stands for, in the place of the tensor there      tape of values; straight.rs
//! weights         -> what the integers stand for                               so gradients flow through them
//! ```
//! What a case has no integer for stays in floating point: biases, gains and offsets in the backward pass, and the head
//! where a part of the pooled row is dropped.

use burn::tensor::{Device, TensorData};
use rayon::prelude::*;
use typecase_convert::encoder::{
    Bert, Calibration, Choices, EncoderPooling, ImportError, ImportOptions, LinearHead, PoolingKind,
    Quantised, Seen, quantise,
};

use super::batches::{Batch, Texts};
use super::parameters::{Parameter, Parameters};
use super::straight::Values;

mod record;

/// The network of a case as training sees it.
pub(super) struct QuantisedNetwork {
    quantised: Quantised,
    /// The parameters as the integers have them; of the words see [`Self::words`].
    pub(super) parameters: Parameters,
}

impl QuantisedNetwork {
    /// Quantises the parameters as the converter will. `bert`: a network of the same sizes, which is written over.
    pub(super) fn new(
        parameters: &Parameters,
        bert: &mut Bert,
        calibration: &Calibration,
        max_tokens: usize,
    ) -> Result<Self, ImportError> {
        parameters.write_to(bert);
        let sizes = parameters.sizes;
        let choices = Choices {
            positions: sizes.positions.min(max_tokens),
            pooling: if sizes.pooling == PoolingKind::Cls {
                EncoderPooling::First
            } else {
                EncoderPooling::Mean
            },
            alpha: ImportOptions::default().alpha,
        };
        let quantised = quantise(bert, &head(parameters), calibration, choices)?;
        let integers = quantised.integers();
        let layers: Vec<[Vec<f32>; 4]> =
            (0..sizes.layers).into_par_iter().map(|layer| integers.weights(layer)).collect();
        let mut layers = layers.into_iter().flatten();
        let list = parameters.list.iter().map(|parameter| {
            let Parameter { name, shape, numbers, decays, depth } = parameter;
            let is_matrix = shape.len() == 2;
            let numbers = match *depth {
                depth if is_matrix && depth > sizes.layers => integers.head(),
                depth if is_matrix && depth > 0 => layers.next().expect("four matrices a layer"),
                _ => numbers.clone(),
            };
            Parameter { name: name.clone(), shape: shape.clone(), numbers, decays: *decays, depth: *depth }
        });
        let parameters = Parameters { sizes, words: Vec::new(), list: list.collect() };
        Ok(Self { parameters, quantised })
    }

    /// The embeddings of the ids of a batch, row after row.
    pub(super) fn words(&self, batch: &Batch) -> TensorData {
        let integers = self.quantised.integers();
        let rows: Vec<f32> = batch.ids.iter().flat_map(|id| integers.word(*id)).collect();
        TensorData::new(rows, [batch.ids.len(), self.parameters.sizes.width])
    }

    /// What the case computes of a batch.
    pub(super) fn tape(&self, batch: &Batch, device: &Device) -> Tape {
        let integers = self.quantised.integers();
        let ids: Vec<&[u32]> = batch
            .lengths
            .iter()
            .enumerate()
            .map(|(text, length)| &batch.ids[text * batch.tokens..][..*length])
            .collect();
        let seen: Vec<Seen> = ids.par_iter().map(|ids| integers.run(ids)).collect();
        record::tape(&self.quantised, &seen, batch.tokens, device)
    }

    /// The logits of a text, as the case has them.
    pub(super) fn logits_of(&self, ids: &[u32]) -> Vec<f32> {
        let seen = self.quantised.integers().run(ids);
        seen.scores.iter().map(|score| *score as f32 * self.quantised.score_scale).collect()
    }

    /// The logits of every text, in their order. None if `stop` says so after some of them.
    pub(super) fn logits(&self, texts: &Texts, stop: &dyn Fn() -> bool) -> Option<Vec<Vec<f32>>> {
        /// Texts between two looks at `stop`.
        const TEXTS: usize = 256;
        let ids: Vec<&[u32]> = (0..texts.len()).map(|number| texts.text(number)).collect();
        let mut all = Vec::with_capacity(ids.len());
        for ids in ids.chunks(TEXTS) {
            all.par_extend(ids.par_iter().map(|ids| self.logits_of(ids)));
            if stop() {
                return None;
            }
        }
        Some(all)
    }
}

/// The head of the parameters in the form of the converter.
fn head(parameters: &Parameters) -> LinearHead {
    let mut parts = parameters.head().into_iter();
    let mut next = || parts.next().expect("a head is a matrix and a bias");
    let (_, shape, weights) = next();
    let (_, _, bias) = next();
    let weights = ndarray::Array2::from_shape_vec((shape[0], shape[1]), weights);
    LinearHead { weights: weights.expect("classes x width"), bias }
}

/// The ranges over some texts, evenly spread over all.
pub(super) fn calibrate(
    parameters: &Parameters,
    bert: &mut Bert,
    texts: &Texts,
    most: usize,
) -> Result<Calibration, ImportError> {
    parameters.write_to(bert);
    let count = most.min(texts.len());
    let sample: Vec<&[u32]> = (0..count).map(|at| texts.text(at * texts.len() / count)).collect();
    Calibration::of(bert, &sample)
}

/// What becomes of the tensors of a forward pass, in its order.
#[derive(Clone, Debug)]
pub(super) struct Tape(pub(super) Vec<Record>);

/// The values of one operation.
#[derive(Clone, Debug)]
pub(super) enum Record {
    /// A layer: its input, if that is not the tensor itself, and its output.
    Linear {
        /// The narrow form of the stream.
        input: Option<Box<Values>>,
        /// What the layer gives.
        output: Values,
    },
    /// Anything else.
    Other(Values),
}
