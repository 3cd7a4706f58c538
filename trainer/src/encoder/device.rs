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

/// Burn's own variable: the adapter to take, such as `IntegratedGpu(1)`, or `Cpu` for software.
#[cfg(feature = "vulkan")]
const NAMED: &str = "CUBECL_WGPU_DEFAULT_DEVICE";

/// The first GPU that there is. Software that stands for one is slower than the CPU: it is taken only when it is named.
///
/// Shaders go through WGSL: the SPIR-V that burn makes itself crashes Mesa's software adapter, 22.3 and 25.0.
#[cfg(feature = "vulkan")]
fn gpu(compute: Compute) -> Result<Device, TrainError> {
    use burn::tensor::DeviceKind;

    if std::env::var_os(NAMED).is_some() {
        return answered(compute, || Device::wgpu(DeviceKind::DefaultDevice));
    }
    let others = [DeviceKind::IntegratedGpu(0), DeviceKind::VirtualGpu(0)];
    let first = answered(compute, || Device::wgpu(DeviceKind::DiscreteGpu(0)));
    first.or_else(|error| {
        others.into_iter().find_map(|kind| answered(compute, || Device::wgpu(kind)).ok()).ok_or(error)
    })
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
