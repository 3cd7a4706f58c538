//! Where the network runs: the CPU, or a GPU where the build and the machine have one.

use burn::tensor::Device;

use crate::error::TrainError;
use crate::train::Compute;

/// The device of a run, which has answered.
///
/// # Errors
/// [`TrainError::Device`] if the build has not got it, or the machine.
pub(super) fn open(compute: Compute) -> Result<Device, TrainError> {
    match compute {
        Compute::Cpu => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        Compute::Cuda => answered(compute, || Device::cuda(0)),
        #[cfg(feature = "vulkan")]
        Compute::Vulkan => gpu(compute),
        #[cfg(not(all(feature = "cuda", feature = "vulkan")))]
        compute => Err(TrainError::Device {
            name: compute.name(),
            reason: "not in this build, it needs the feature of that name".to_owned(),
        }),
    }
}

/// Whether a device has the operations of `fused.rs` and `straight.rs`.
pub(super) fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

/// The first GPU that Vulkan knows. Software that stands for one is not taken: it is slower than the CPU, and Mesa 22.3's dies
/// of what burn gives it to compile.
#[cfg(feature = "vulkan")]
fn gpu(compute: Compute) -> Result<Device, TrainError> {
    use burn::tensor::DeviceKind;

    let kinds = [DeviceKind::DiscreteGpu(0), DeviceKind::IntegratedGpu(0), DeviceKind::VirtualGpu(0)];
    let mut first = None;
    for kind in kinds {
        match answered(compute, || Device::vulkan(kind.clone())) {
            Ok(device) => return Ok(device),
            Err(error) => _ = first.get_or_insert(error),
        }
    }
    Err(first.unwrap_or_else(|| TrainError::Device { name: compute.name(), reason: "no GPU".to_owned() }))
}

/// A device that can add: burn makes it when it is first asked, and panics where there is none, in a thread of its own.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn answered(
    compute: Compute,
    open: impl FnOnce() -> Device + std::panic::UnwindSafe,
) -> Result<Device, TrainError> {
    use std::panic;
    use std::sync::{Arc, Mutex, PoisonError};

    use burn::tensor::Tensor;

    /// There is one hook for all panics: one device at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let said = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&said);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("unknown reason").to_owned();
        heard.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }));
    let answer = panic::catch_unwind(|| {
        let device = open();
        let one: Tensor<1> = Tensor::from_data([1.0f32], &device);
        (one.clone() + one).try_into_data().map(|_| device).map_err(|error| format!("{error:?}"))
    });
    panic::set_hook(hook);
    answer
        .unwrap_or_else(|_| {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(said.unwrap_or_else(|| "unknown reason".to_owned()))
        })
        .map_err(|reason| {
            let reason = reason.lines().next().unwrap_or_default();
            TrainError::Device { name: compute.name(), reason: format!("no such device answers: {reason}") }
        })
}
