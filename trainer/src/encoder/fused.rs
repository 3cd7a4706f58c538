//! The functions of `kernels.rs` as operations of burn, with their gradients. On the CPU backend alone; other devices take
//! those of `plain.rs`.

use std::borrow::Cow;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};

use super::device::is_cpu;
use super::kernels::{self, AttentionShape};
use super::plain;

/// Operations that are one pass over memory.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Fused: Backend {
    /// [`kernels::gelu`].
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// [`kernels::norm`].
    fn fused_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    /// [`kernels::attention`].
    fn fused_attention(qkv: FloatTensor<Self>, shape: AttentionShape) -> FloatTensor<Self>;
}

/// Of every number.
pub(super) fn gelu(x: Tensor<2>) -> Tensor<2> {
    if !is_cpu(&x.device()) {
        return plain::gelu(x);
    }
    Tensor::from_dispatch(Dispatch::fused_gelu(x.into_dispatch()))
}

/// LayerNorm of the sum of two streams.
pub(super) fn norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    gain: Tensor<1>,
    offset: Tensor<1>,
    epsilon: f32,
) -> Tensor<2> {
    if !is_cpu(&x.device()) {
        return plain::norm(x + residual, gain, offset, epsilon);
    }
    let [x, residual] = [x, residual].map(Tensor::into_dispatch);
    let [gain, offset] = [gain, offset].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_norm(x, residual, gain, offset, epsilon))
}

/// From queries, keys and values of all heads to the weighted values.
pub(super) fn attention(qkv: Tensor<2>, shape: AttentionShape) -> Tensor<2> {
    if !is_cpu(&qkv.device()) {
        return plain::attention(qkv, &shape);
    }
    Tensor::from_dispatch(Dispatch::fused_attention(qkv.into_dispatch(), shape))
}

impl Fused for Flex {
    fn fused_gelu(x: FlexTensor) -> FlexTensor {
        let shape = x.shape();
        tensor(kernels::gelu(&numbers(&x)), shape)
    }

    fn fused_norm(
        x: FlexTensor,
        residual: FlexTensor,
        gain: FlexTensor,
        offset: FlexTensor,
        epsilon: f32,
    ) -> FlexTensor {
        let out =
            kernels::norm(&numbers(&x), &numbers(&residual), &numbers(&gain), &numbers(&offset), epsilon).out;
        tensor(out, x.shape())
    }

    fn fused_attention(qkv: FlexTensor, shape: AttentionShape) -> FlexTensor {
        let (context, _) = kernels::attention(&numbers(&qkv), &shape);
        tensor(context, context_shape(&qkv))
    }
}

impl<C: CheckpointStrategy> Fused for Autodiff<Flex, C> {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, guard) = x.into_parts();
        let out = Flex::fused_gelu(x.clone());
        match GeluStep.prepare::<C>([guard]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(x, out),
            OpsKind::UnTracked(step) => step.finish(out),
        }
    }

    fn fused_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let [(x, x_guard), (residual, residual_guard), (gain, gain_guard), (offset, offset_guard)] =
            [x, residual, gain, offset].map(|tensor| tensor.into_parts());
        let shape = x.shape();
        let normed =
            kernels::norm(&numbers(&x), &numbers(&residual), &numbers(&gain), &numbers(&offset), epsilon);
        let out = tensor(normed.out, shape.clone());
        let guards = [x_guard, residual_guard, gain_guard, offset_guard];
        match NormStep.prepare::<C>(guards).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let reciprocals = Shape::new([normed.reciprocals.len()]);
                let saved = [tensor(normed.standard, shape), tensor(normed.reciprocals, reciprocals), gain];
                step.finish(saved, out)
            }
            OpsKind::UnTracked(step) => step.finish(out),
        }
    }

    fn fused_attention(qkv: FloatTensor<Self>, shape: AttentionShape) -> FloatTensor<Self> {
        let (qkv, guard) = qkv.into_parts();
        let (context, weights) = kernels::attention(&numbers(&qkv), &shape);
        let out = tensor(context, context_shape(&qkv));
        match AttentionStep.prepare::<C>([guard]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let length = Shape::new([weights.len()]);
                step.finish((qkv, tensor(weights, length), shape), out)
            }
            OpsKind::UnTracked(step) => step.finish(out),
        }
    }
}

#[derive(Debug)]
struct GeluStep;

impl Backward<Flex, 1> for GeluStep {
    /// The input.
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            let shape = gradient.shape();
            let mut gradient = numbers(&gradient).into_owned();
            kernels::gelu_backward(&numbers(&ops.state), &mut gradient);
            grads.register::<Flex>(parent.id, tensor(gradient, shape));
        }
    }
}

#[derive(Debug)]
struct NormStep;

impl Backward<Flex, 4> for NormStep {
    /// Standardised rows, reciprocals, gain.
    type State = [FlexTensor; 3];

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [standard, reciprocals, gain] = &ops.state;
        let of = kernels::norm_backward(
            &numbers(standard),
            &numbers(reciprocals),
            &numbers(gain),
            &numbers(&gradient),
        );
        let (sum, of_gain, of_offset) = (
            tensor(of.sum, gradient.shape()),
            tensor(of.gain, gain.shape()),
            tensor(of.offset, gain.shape()),
        );
        let all = [sum.clone(), sum, of_gain, of_offset];
        for (parent, gradient) in ops.parents.into_iter().zip(all) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct AttentionStep;

impl Backward<Flex, 1> for AttentionStep {
    /// Queries, keys and values; weights; sizes.
    type State = (FlexTensor, FlexTensor, AttentionShape);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let (qkv, weights, shape) = &ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            let of =
                kernels::attention_backward(&numbers(qkv), &numbers(weights), &numbers(&gradient), shape);
            grads.register::<Flex>(parent.id, tensor(of, qkv.shape()));
        }
    }
}

/// Rows x a third of the columns.
fn context_shape(qkv: &FlexTensor) -> Shape {
    let [rows, columns] = qkv.shape().dims::<2>();
    Shape::new([rows, columns / 3])
}

pub(super) fn tensor(numbers: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, shape))
}

/// Row after row; copied only if they do not lie so already.
pub(super) fn numbers(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    match tensor.as_slice::<f32>() {
        Some(numbers) => Cow::Borrowed(numbers),
        None => Cow::Owned(tensor.to_contiguous().storage::<f32>().to_vec()),
    }
}
