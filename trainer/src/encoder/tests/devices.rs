//! The operations for devices that have none of ours, and devices that are not there.

use burn::tensor::TensorData;

use super::*;
use crate::encoder::device;
use crate::encoder::kernels::AttentionShape;
use crate::encoder::straight::{self, Values};
use crate::encoder::{fused, plain};
use crate::train::Compute;

/// The values of an operation of some leaves, and their gradients under a fixed loss.
fn outcome(leaves: &[([usize; 2], u64)], of: &dyn Fn(&[Tensor<2>]) -> Tensor<2>) -> Vec<Vec<f32>> {
    let device = CPU.clone().autodiff();
    let random = |shape: [usize; 2], seed: u64| -> Tensor<2> {
        let mut random = Random::new(seed);
        let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(|_| 3.0 * (random.unit_f32() - 0.5)).collect();
        Tensor::from_data(TensorData::new(numbers, shape), &device)
    };
    let leaves: Vec<Tensor<2>> =
        leaves.iter().map(|(shape, seed)| random(*shape, *seed).require_grad()).collect();
    let out = of(&leaves);
    let mut gradients = (out.clone() * random(out.dims(), 77)).sum().backward();
    let of_leaves = leaves.iter().map(|leaf| into_numbers(leaf.grad_remove(&mut gradients).unwrap()));
    core::iter::once(into_numbers(out)).chain(of_leaves).collect()
}

fn assert_near(left: &[Vec<f32>], right: &[Vec<f32>]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left.len(), right.len());
        for (l, r) in left.iter().zip(right) {
            assert!((l - r).abs() < 1e-5 * (1.0 + l.abs()), "{l} {r}");
        }
    }
}

fn vector(row: &Tensor<2>) -> Tensor<1> {
    row.clone().reshape([row.dims()[1] as i32])
}

#[test]
fn plain_operations_are_the_fused_ones() {
    let same = |leaves: &[([usize; 2], u64)],
                fused: &dyn Fn(&[Tensor<2>]) -> Tensor<2>,
                plain: &dyn Fn(&[Tensor<2>]) -> Tensor<2>| {
        assert_near(&outcome(leaves, fused), &outcome(leaves, plain));
    };
    same(&[([5, 8], 1)], &|x| fused::gelu(x[0].clone()), &|x| plain::gelu(x[0].clone()));
    same(
        &[([5, 8], 1), ([5, 8], 2), ([1, 8], 3), ([1, 8], 4)],
        &|x| fused::norm(x[0].clone(), x[1].clone(), vector(&x[2]), vector(&x[3]), 1e-6),
        &|x| plain::norm(x[0].clone() + x[1].clone(), vector(&x[2]), vector(&x[3]), 1e-6),
    );
    for lengths in [vec![4, 4, 4], vec![4, 1, 3]] {
        let shape = AttentionShape { heads: 2, channels: 3, tokens: 4, lengths };
        same(&[([12, 18], 5)], &|x| fused::attention(x[0].clone(), shape.clone()), &|x| {
            plain::attention(x[0].clone(), &shape)
        });
    }
    let values = |shape: [usize; 2], seed: usize, cut: &[u32]| {
        let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(|at| ((at * seed) % 13) as f32 / 7.0).collect();
        let numbers = Tensor::from_data(TensorData::new(numbers, shape), &CPU.clone().autodiff());
        Values { numbers, cut: cut.to_vec().into() }
    };
    let other = values([5, 8], 3, &[0, 11]);
    same(&[([5, 8], 1)], &|x| straight::straight(x[0].clone(), &other), &|x| {
        plain::straight(x[0].clone(), &other)
    });
    let (input, output) = (values([5, 8], 5, &[3]), values([5, 6], 7, &[1, 29]));
    for input in [None, Some(&input)] {
        same(
            &[([5, 8], 1), ([8, 6], 2), ([1, 6], 3)],
            &|x| straight::linear(x[0].clone(), input, x[1].clone(), vector(&x[2]), &output),
            &|x| {
                let input = input.map_or_else(|| x[0].clone(), |input| plain::straight(x[0].clone(), input));
                plain::linear(input, x[1].clone(), vector(&x[2]), &output)
            },
        );
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_the_build_has_not_got_is_named() {
    let message = device::open(Compute::Cuda).unwrap_err().to_string();
    assert_eq!(message, "device cuda: not in this build, it needs the feature of that name");
}

/// On the machine's GPU, or the software that stands for one.
#[cfg(feature = "vulkan")]
#[test]
fn a_network_on_vulkan_is_that_of_the_cpu() {
    use super::parity::skipped;

    let vulkan = match device::open(Compute::Vulkan) {
        Ok(device) => device,
        Err(error) => return skipped("training on Vulkan", &error.to_string()),
    };
    let training = EncoderTraining { dropout: 0.0, ..EncoderTraining::default() };
    let texts = texts(40);
    for numbers in [(0..6).collect::<Vec<u32>>(), (0..40).collect()] {
        for pooling in [PoolingKind::Mean, PoolingKind::Cls, PoolingKind::Max, PoolingKind::Attention] {
            let parameters = parameters(pooling, HeadKind::Linear);
            let batch = texts.batch(&numbers);
            let of = |device: &Device| {
                let manner = Manner { device, ..manner(&training) };
                step::gradient(&parameters, &batch, manner, &mut Random::new(1), &mut Times::default())
            };
            let ((loss, gradient), (expected, on_cpu)) = (of(&vulkan), of(&CPU));
            assert!((loss - expected).abs() < 1e-4, "{loss} {expected}");
            let (gradient, on_cpu) = (gradient.unwrap(), on_cpu.unwrap());
            for (got, expected) in gradient.list.iter().flatten().zip(on_cpu.list.iter().flatten()) {
                assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-3));
            }
            for (got, expected) in gradient.words.values().zip(on_cpu.words.values()) {
                assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-3));
            }
        }
    }
}

/// Fine-tuned, then on for its integers.
#[cfg(feature = "vulkan")]
#[test]
fn a_run_on_vulkan_learns() {
    use super::{parity::skipped, runs};

    if let Err(error) = device::open(Compute::Vulkan) {
        return skipped("a run on Vulkan", &error.to_string());
    }
    let (network, data) = (folder(), runs::data());
    for more in ["", "[encoder.training.quantised]\ncalibration_texts = 64"] {
        let out = tempfile::tempdir().unwrap();
        let recipe = runs::recipe(network.path(), &format!("epochs = 6\ndropout = 0.0\n{more}"));
        let done = runs::run_on(Compute::Vulkan, &recipe, data.path(), out.path(), false, &mut |_, _| {});
        let done = done.unwrap();
        assert!(done.evaluation.accuracy > 0.9, "{more}: {:?}", done.evaluation);
    }
}
