//! The network in floating point: what the integers must come close to, and where they are calibrated.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::bert::{Bert, BertConfig, Layer, Linear, Norm};
use super::error::ImportError;

/// Numbers within a layer that become integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The stream before attention; of the layer after the last one: what the network gives.
    AttentionIn,
    /// Queries, all heads.
    Query,
    /// Keys, all heads.
    Key,
    /// Values, all heads.
    Value,
    /// Weighted values, all heads.
    Context,
    /// What attention adds to the stream.
    AttentionOut,
    /// The stream with it, before LayerNorm.
    AttentionSum,
    /// The stream before the feed-forward network.
    InnerIn,
    /// Before the activation.
    ActivationIn,
    /// After it.
    ActivationOut,
    /// What the feed-forward network adds to the stream.
    OuterOut,
    /// The stream with it, before LayerNorm.
    OuterSum,
}

impl Part {
    pub(super) const COUNT: usize = Self::OuterSum as usize + 1;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::AttentionIn,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Context,
        Self::AttentionOut,
        Self::AttentionSum,
        Self::InnerIn,
        Self::ActivationIn,
        Self::ActivationOut,
        Self::OuterOut,
        Self::OuterSum,
    ];

    /// Channels.
    pub(super) const fn width(self, config: &BertConfig) -> usize {
        match self {
            Self::ActivationIn | Self::ActivationOut => config.intermediate_size,
            _ => config.hidden_size,
        }
    }
}

/// Sees the numbers of a part, a row a token: layer, part, numbers.
pub type Watch<'w> = dyn FnMut(usize, Part, ArrayView2<'_, f32>) + 'w;

impl Bert {
    /// The state of every token of a text after the last layer. Token type 0.
    ///
    /// # Shapes
    /// `ids`: with special tokens; the answer: ids x width.
    ///
    /// # Errors
    /// [`ImportError::Texts`] if there are no ids or more than positions, or an id is not of the vocabulary.
    pub fn states(&self, ids: &[u32], watch: &mut Watch<'_>) -> Result<Array2<f32>, ImportError> {
        self.check_ids(ids)?;
        let mut stream = self.positions.slice_axis(Axis(0), (..ids.len()).into()).to_owned();
        for (mut row, id) in stream.rows_mut().into_iter().zip(ids) {
            row += &self.words.row(*id as usize);
        }
        let epsilon = self.config.layer_norm_eps;
        self.norm.apply(&mut stream, epsilon);
        for (number, layer) in self.layers.iter().enumerate() {
            let mut watch = |part, numbers: ArrayView2<'_, f32>| watch(number, part, numbers);
            layer.apply(&mut stream, self.config.channels(), epsilon, &mut watch);
        }
        watch(self.layers.len(), Part::AttentionIn, stream.view());
        Ok(stream)
    }

    /// Can [`Self::states`] be had of these?
    ///
    /// # Errors
    /// [`ImportError::Texts`] if not.
    pub fn check_ids(&self, ids: &[u32]) -> Result<(), ImportError> {
        let (most, rows) = (self.config.max_position_embeddings, self.config.vocab_size);
        if !(1..=most).contains(&ids.len()) {
            return Err(ImportError::Texts(format!(
                "{} ids of a text found, allowed are 1 to {most}",
                ids.len()
            )));
        }
        match ids.iter().find(|id| **id as usize >= rows) {
            Some(id) => Err(ImportError::Texts(format!("id {id} found, the vocabulary has {rows}"))),
            None => Ok(()),
        }
    }
}

impl Layer {
    /// Attention and feed-forward network, each with its residual and LayerNorm after it.
    fn apply(
        &self,
        stream: &mut Array2<f32>,
        channels: usize,
        epsilon: f32,
        watch: &mut dyn FnMut(Part, ArrayView2<'_, f32>),
    ) {
        watch(Part::AttentionIn, stream.view());
        let query = self.query.apply(stream.view());
        watch(Part::Query, query.view());
        let key = self.key.apply(stream.view());
        watch(Part::Key, key.view());
        let value = self.value.apply(stream.view());
        watch(Part::Value, value.view());
        let mut context = Array2::zeros(stream.raw_dim());
        for head in 0..stream.ncols() / channels {
            let part = Slice::from(head * channels..(head + 1) * channels);
            let [query, key, value] = [&query, &key, &value].map(|all| all.slice_axis(Axis(1), part));
            attend(query, key, value, context.slice_axis_mut(Axis(1), part));
        }
        watch(Part::Context, context.view());
        let out = self.output.apply(context.view());
        watch(Part::AttentionOut, out.view());
        *stream += &out;
        watch(Part::AttentionSum, stream.view());
        self.norm.apply(stream, epsilon);

        watch(Part::InnerIn, stream.view());
        let mut inner = self.inner.apply(stream.view());
        watch(Part::ActivationIn, inner.view());
        inner.mapv_inplace(gelu);
        watch(Part::ActivationOut, inner.view());
        let out = self.outer.apply(inner.view());
        watch(Part::OuterOut, out.view());
        *stream += &out;
        watch(Part::OuterSum, stream.view());
        self.norm_outer.apply(stream, epsilon);
    }
}

/// One head: softmax over the keys, then the weighted values.
fn attend(
    query: ArrayView2<'_, f32>,
    key: ArrayView2<'_, f32>,
    value: ArrayView2<'_, f32>,
    mut out: ArrayViewMut2<'_, f32>,
) {
    let tokens = query.nrows();
    let mut weights = Array2::zeros((tokens, tokens));
    general_mat_mul((query.ncols() as f32).sqrt().recip(), &query, &key.t(), 0.0, &mut weights);
    for mut row in weights.rows_mut() {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.mapv_inplace(|product| (product - highest).exp());
        let total = row.sum();
        row /= total;
    }
    general_mat_mul(1.0, &weights, &value, 0.0, &mut out);
}

impl Linear {
    /// # Shapes
    /// `input`: rows x inputs; the answer: rows x outputs.
    fn apply(&self, input: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut output = Array2::zeros((input.nrows(), self.bias.len()));
        for mut row in output.rows_mut() {
            row.iter_mut().zip(&self.bias).for_each(|(y, b)| *y = *b);
        }
        general_mat_mul(1.0, &input, &self.weight.t(), 1.0, &mut output);
        output
    }
}

impl Norm {
    fn apply(&self, rows: &mut Array2<f32>, epsilon: f32) {
        for mut row in rows.axis_iter_mut(Axis(0)) {
            let n = row.len() as f32;
            let mean = row.sum() / n;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
            let reciprocal = (variance + epsilon).sqrt().recip();
            for ((x, gain), offset) in row.iter_mut().zip(&self.gain).zip(&self.offset) {
                *x = (*x - mean) * reciprocal * gain + offset;
            }
        }
    }
}

/// `x * Phi(x)`, with the error function to 1.5e-7: as near as f32 tells numbers of this size apart.
///
/// # Source
/// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
pub(super) fn gelu(x: f32) -> f32 {
    let z = x.abs() * core::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series =
        t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    // What is beyond x in the tail of the normal distribution, twice.
    let tail = series * (-z * z).exp();
    let below = if x < 0.0 { 0.5 * tail } else { 1.0 - 0.5 * tail };
    x * below
}
