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
        Compute::Vulkan => answered(compute, || Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
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

/// A device that can add: burn makes it when it is first asked, and panics where there is none.
#[cfg(any(feature = "cuda", feature = "vulkan"))]
fn answered(
    compute: Compute,
    open: impl FnOnce() -> Device + std::panic::UnwindSafe,
) -> Result<Device, TrainError> {
    use burn::tensor::Tensor;

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let asked = std::panic::catch_unwind(|| {
        let device = open();
        let one: Tensor<1> = Tensor::from_data([1.0f32], &device);
        (one.clone() + one).try_into_data().map(|_| device).map_err(|error| format!("{error:?}"))
    });
    std::panic::set_hook(hook);
    let answer = asked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
    });
    answer.map_err(|reason| {
        let reason = format!("no such device answers: {}", reason.lines().next().unwrap_or("unknown reason"));
        TrainError::Device { name: compute.name(), reason }
    })
}
