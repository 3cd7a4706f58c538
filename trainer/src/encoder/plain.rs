//! The operations of `fused.rs` and `straight.rs` in burn's own, for devices that those were not written for. Slower and
//! larger, with the same values and gradients but for rounding.

use burn::tensor::activation::{self, softmax};
use burn::tensor::module;
use burn::tensor::{Tensor, TensorData};

use super::kernels::AttentionShape;
use super::network::{NEVER, part};
use super::straight::Values;

pub(super) fn gelu(x: Tensor<2>) -> Tensor<2> {
    activation::gelu(x)
}

pub(super) fn norm(sum: Tensor<2>, gain: Tensor<1>, offset: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let centred = sum.clone() - sum.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    let standard = centred / variance.add_scalar(epsilon).sqrt();
    standard * gain.unsqueeze() + offset.unsqueeze()
}

pub(super) fn attention(qkv: Tensor<2>, shape: &AttentionShape) -> Tensor<2> {
    let AttentionShape { heads, channels, tokens, ref lengths } = *shape;
    let texts = lengths.len();
    let part = |number: usize| part(&qkv, number, [texts, tokens, heads]);
    let scale = (channels as f32).sqrt().recip();
    let mut products = part(0).matmul(part(1).swap_dims(2, 3)).mul_scalar(scale);
    if lengths.iter().any(|length| *length < tokens) {
        let of_text = |length: &usize| {
            let length = *length;
            (0..tokens).map(move |at| if at < length { 0.0 } else { NEVER })
        };
        let never: Vec<f32> = lengths.iter().flat_map(of_text).collect();
        let never: Tensor<4> =
            Tensor::from_data(TensorData::new(never, [texts, 1, 1, tokens]), &products.device());
        products = products + never;
    }
    softmax(products, 3).matmul(part(2)).swap_dims(1, 2).reshape([texts * tokens, heads * channels])
}

/// `values` for `x`. The difference that carries the gradient is exactly 0.
pub(super) fn straight(x: Tensor<2>, values: &Values) -> Tensor<2> {
    let mut way = x.clone() - x.detach();
    if !values.cut.is_empty() {
        let [rows, columns] = way.dims();
        let mut passes = vec![1f32; rows * columns];
        values.cut.iter().for_each(|place| passes[*place as usize] = 0.0);
        way = way.clone() * Tensor::from_data(TensorData::new(passes, [rows, columns]), &way.device());
    }
    values.numbers.clone() + way
}

/// The same of a layer, whose input is straight already.
pub(super) fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, output: &Values) -> Tensor<2> {
    straight(module::linear(input, weight, Some(bias)), output)
}
