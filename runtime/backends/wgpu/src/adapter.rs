//! Which GPU there is, what it must be able to do, and what it is called.

use typecase_engine::backend::Unavailable;
use wgpu::{Adapter, Backends, DownlevelFlags, Instance, InstanceDescriptor, InstanceFlags, Limits};

use crate::Api;
use crate::kernel::{INVOCATIONS, WORKGROUP_BYTES};

/// The interfaces that are tried when none is chosen.
const NATIVE: Backends = Backends::VULKAN.union(Backends::GL).union(Backends::METAL).union(Backends::DX12);

/// The best adapter of this interface, or of any.
pub(crate) fn find(api: Option<Api>) -> Result<Adapter, Unavailable> {
    let asked = api.map_or(NATIVE, Api::backends);
    let built = asked & Instance::enabled_backend_features();
    if built.is_empty() {
        let cause =
            format!("no GPU adapter: this platform has no {}", api.map_or("GPU interface", Api::title));
        return Err(Unavailable::new(cause, "choose another GPU interface, or none"));
    }
    let instance = Instance::new(InstanceDescriptor {
        backends: built,
        // No validation layers: they are not everywhere, and write to standard error.
        flags: InstanceFlags::empty(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    pollster::block_on(instance.request_adapter(&options)).map_err(|_| {
        let tried = Api::ALL.into_iter().filter(|api| built.contains(api.backends())).map(Api::title);
        let tried = tried.collect::<Vec<_>>().join(", ");
        let remedy = "install a driver for the GPU (on Linux for Vulkan, or for OpenGL ES with EGL)";
        Unavailable::new(format!("no GPU adapter: none found through {tried}"), remedy)
    })
}

/// What a device must offer: the little that the program needs, and buffers of these sizes.
pub(crate) fn limits_for(largest_binding: u64, groups: u32) -> Limits {
    Limits {
        max_bind_groups: 1,
        max_storage_buffers_per_shader_stage: 4,
        max_storage_buffer_binding_size: largest_binding,
        max_buffer_size: largest_binding,
        max_compute_workgroup_storage_size: WORKGROUP_BYTES,
        max_compute_invocations_per_workgroup: INVOCATIONS,
        max_compute_workgroup_size_x: INVOCATIONS,
        max_compute_workgroup_size_y: 1,
        max_compute_workgroup_size_z: 1,
        max_compute_workgroups_per_dimension: groups.max(1),
        ..Limits::downlevel_webgl2_defaults()
    }
}

/// Whether an adapter offers this.
pub(crate) fn check(adapter: &Adapter, wanted: &Limits) -> Result<(), Unavailable> {
    if !adapter.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS) {
        let cause = format!("no compute shaders on {}", describe(adapter));
        return Err(Unavailable::new(cause, "update the driver, or choose another GPU interface"));
    }
    refuse_beyond(wanted, &adapter.limits(), &describe(adapter))
}

/// Names the first limit that is too low.
fn refuse_beyond(wanted: &Limits, offered: &Limits, device: &str) -> Result<(), Unavailable> {
    let mut refused = None;
    wanted.check_limits_with_fail_fn(offered, true, |limit, wanted, offered| {
        let cause = format!("{limit} is {offered} on {device}, {wanted} is needed");
        refused = Some(Unavailable::new(cause, "update the driver, or choose another GPU interface"));
    });
    refused.map_or(Ok(()), Err)
}

/// The largest section that fits, in bytes.
pub(crate) fn largest_buffer(limits: &Limits) -> u64 {
    limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u32::MAX.into())
}

/// Whether a section of this many bytes fits into one buffer.
pub(crate) fn check_size(section_bytes: u64, offered: &Limits, device: &str) -> Result<(), Unavailable> {
    let largest = largest_buffer(offered);
    if section_bytes <= largest {
        return Ok(());
    }
    let cause = format!("the weights have {section_bytes} bytes, buffers on {device} at most {largest}");
    Err(Unavailable::new(cause, "use a smaller case, another GPU interface, or the native engine"))
}

/// Name, interface and driver; software adapters are called that.
pub(crate) fn describe(adapter: &Adapter) -> String {
    let info = adapter.get_info();
    let software = if info.device_type == wgpu::DeviceType::Cpu { ", a software adapter" } else { "" };
    let api = Api::ALL
        .into_iter()
        .find(|api| api.backends() == Backends::from(info.backend))
        .map_or("unknown interface", Api::title);
    let driver = [info.driver, info.driver_info].join(" ");
    let driver = if driver.trim().is_empty() { String::new() } else { format!(", {}", driver.trim()) };
    format!("{}{software}, {api}{driver}", info.name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_asked_and_the_portable_minimum_is_enough() {
        let wanted = limits_for(128 << 20, 16_384);
        assert!(wanted.check_limits(&Limits::downlevel_defaults()), "{wanted:?}");
        assert!(wanted.max_compute_workgroup_storage_size <= 16_352);
    }

    #[test]
    fn a_limit_that_is_too_low_is_named_with_both_numbers() {
        let offered = Limits { max_storage_buffers_per_shader_stage: 3, ..Limits::downlevel_defaults() };
        assert_eq!(refuse_beyond(&limits_for(1, 1), &Limits::downlevel_defaults(), "a GPU"), Ok(()));
        let found = refuse_beyond(&limits_for(1, 1), &offered, "a GPU").unwrap_err();
        assert_eq!(found.cause, "max_storage_buffers_per_shader_stage is 3 on a GPU, 4 is needed");
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_with_a_remedy() {
        let offered = Limits::downlevel_defaults();
        assert_eq!(check_size(128 << 20, &offered, "a GPU"), Ok(()));
        let found = check_size((128 << 20) + 4, &offered, "a GPU").unwrap_err();
        assert_eq!(found.cause, "the weights have 134217732 bytes, buffers on a GPU at most 134217728");
        assert!(found.remedy.contains("smaller case"));
        let most = Limits { max_storage_buffer_binding_size: u64::MAX, max_buffer_size: u64::MAX, ..offered };
        assert!(check_size(1 << 32, &most, "a GPU").is_err(), "places are of 32 bits");
    }
}
