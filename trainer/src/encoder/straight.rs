//! Operations of burn whose values come from elsewhere, and whose gradients are those of the operation in floating point
//! at these values: straight through what was rounded, and nothing where a number was cut.
//!
//! # Source
//! Bengio et al. 2013, "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation".

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use super::device::is_cpu;
use super::fused::{numbers, tensor};
use super::plain;

/// Places of numbers that were cut, row after row: no gradient passes there.
pub(super) type Cut = Arc<Vec<u32>>;

/// Numbers, and which of them were cut.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub(super) numbers: Tensor<2>,
    pub(super) cut: Cut,
}

/// Operations with given values.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Straight: Backend {
    /// `values` for `x`.
    fn straight(x: FloatTensor<Self>, values: FloatTensor<Self>, cut: Cut) -> FloatTensor<Self>;

    /// `values` for `input * weight + bias`; the gradient of `input` is that of `x`, of which it is the narrow form.
    fn straight_linear(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        values: FloatTensor<Self>,
        cut: [Cut; 2],
    ) -> FloatTensor<Self>;
}

/// Other numbers in the place of those of `x`.
pub(super) fn straight(x: Tensor<2>, values: &Values) -> Tensor<2> {
    if !is_cpu(&x.device()) {
        return plain::straight(x, values);
    }
    let [x, numbers] = [x, values.numbers.clone()].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::straight(x, numbers, values.cut.clone()))
}

/// A layer whose output is known. `input`: the narrow form of `x`, if the layer does not read `x` itself.
pub(super) fn linear(
    x: Tensor<2>,
    input: Option<&Values>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    output: &Values,
) -> Tensor<2> {
    if !is_cpu(&x.device()) {
        let input = input.map_or_else(|| x.clone(), |input| plain::straight(x.clone(), input));
        return plain::linear(input, weight, bias, output);
    }
    let (input, cut_input) = match input {
        Some(input) => (input.numbers.clone(), input.cut.clone()),
        None => (x.clone().detach(), Cut::default()),
    };
    let cut = [cut_input, output.cut.clone()];
    let [x, input, weight, numbers] = [x, input, weight, output.numbers.clone()].map(Tensor::into_dispatch);
    let bias = bias.into_dispatch();
    Tensor::from_dispatch(Dispatch::straight_linear(x, input, weight, bias, numbers, cut))
}

impl Straight for Flex {
    fn straight(_: FlexTensor, values: FlexTensor, _: Cut) -> FlexTensor {
        values
    }

    fn straight_linear(
        _: FlexTensor,
        _: FlexTensor,
        _: FlexTensor,
        _: FlexTensor,
        values: FlexTensor,
        _: [Cut; 2],
    ) -> FlexTensor {
        values
    }
}

impl<C: CheckpointStrategy> Straight for Autodiff<Flex, C> {
    fn straight(x: FloatTensor<Self>, values: FloatTensor<Self>, cut: Cut) -> FloatTensor<Self> {
        let ((_, guard), (values, _)) = (x.into_parts(), values.into_parts());
        match StraightStep.prepare::<C>([guard]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(cut, values),
            OpsKind::UnTracked(step) => step.finish(values),
        }
    }

    fn straight_linear(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        values: FloatTensor<Self>,
        cut: [Cut; 2],
    ) -> FloatTensor<Self> {
        let [(_, x), (input, _), (weight, weight_guard), (bias, bias_guard), (values, _)] =
            [x, input, weight, bias, values].map(|tensor| tensor.into_parts());
        match LinearStep.prepare::<C>([x, weight_guard, bias_guard]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish((input, weight, bias, cut), values),
            OpsKind::UnTracked(step) => step.finish(values),
        }
    }
}

#[derive(Debug)]
struct StraightStep;

impl Backward<Flex, 1> for StraightStep {
    type State = Cut;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            grads.register::<Flex>(parent.id, without(gradient, &ops.state));
        }
    }
}

#[derive(Debug)]
struct LinearStep;

impl Backward<Flex, 3> for LinearStep {
    /// Input, weight, bias; what was cut of input and output.
    type State = (FlexTensor, FlexTensor, FlexTensor, [Cut; 2]);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (input, weight, bias, [cut_input, cut_output]) = ops.state;
        let gradient = without(grads.consume::<Flex>(&ops.node), &cut_output);
        let [of_input, of_weight, of_bias] = ops.parents;
        if let Some(parent) = of_input {
            let transposed = Flex::float_swap_dims(weight, 0, 1);
            let of = Flex::float_matmul(gradient.clone(), transposed);
            grads.register::<Flex>(parent.id, without(of, &cut_input));
        }
        if let Some(parent) = of_weight {
            let transposed = Flex::float_swap_dims(input, 0, 1);
            grads.register::<Flex>(parent.id, Flex::float_matmul(transposed, gradient.clone()));
        }
        if let Some(parent) = of_bias {
            let sum = Flex::float_sum_dim(gradient, 0);
            grads.register::<Flex>(parent.id, Flex::float_reshape(sum, bias.shape()));
        }
    }
}

/// A gradient with nothing where a number was cut.
fn without(gradient: FlexTensor, cut: &[u32]) -> FlexTensor {
    if cut.is_empty() {
        return gradient;
    }
    let shape = gradient.shape();
    let mut gradient = numbers(&gradient).into_owned();
    for place in cut {
        gradient[*place as usize] = 0.0;
    }
    tensor(gradient, shape)
}
