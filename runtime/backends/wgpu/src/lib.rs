//! Runs cases on GPUs with wgpu: Vulkan, Metal, Direct3D 12, OpenGL (ES).
//!
//! ```no_run
//! use typecase_engine::Case;
//! use typecase_engine::backend::{Backend, check};
//! use typecase_wgpu::{Api, Wgpu};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::read("models/news-1m.case")?;
//! let case = Case::parse(file.as_slice())?;
//! let program = Wgpu::new(Some(Api::Vulkan)).prepare(&case)?; // shared between threads
//! let mut scorer = program.scorer()?; // one a thread
//! check(&case, scorer.as_mut())?; // before any answer counts
//! let mut scores = vec![0; case.labels().len() as usize];
//! scorer.scores_into(&[3, 14, 15], &mut scores)?;
//! # Ok(()) }
//! ```
//!
//! # Shapes
//! One text at a time: at most [`typecase_engine::Cost::ids`] ids, perhaps none; one score a class. Every bag that the
//! format allows: weights of 4 and 8 bits, every kind of row scale, pooling and head, all widths and classes.
//!
//! # Guarantees
//! The scores are those of the native engine, bit for bit: the program multiplies, adds, shifts and compares 32-bit
//! integers, and no sum depends on its order. The section of the case is uploaded as it stands in the file. A device
//! that is lost, does not answer in time, runs out of memory or refuses the program is an
//! [`Unavailable`]; panics of the library are turned into one too. What failed
//! once stays failed: every later call on that program, from any thread, returns the same cause at once. A device that
//! failed with work in flight is not freed, since drivers may wait for it without end.
//!
//! # Non-guarantees
//! wgpu allocates on every call. When a device is lost while a call waits, the library panics inside; the panic is
//! caught here, yet the program's panic hook has run, and has written to standard error unless it was replaced. Nothing
//! can bound the time that a driver takes inside one of its own functions: compiling, or submitting. With one text a
//! call a small model is faster on the CPU; see the time of a call before choosing this engine.
//!
//! # Limits
//! Asked of the adapter: compute shaders, four storage buffers in a stage (three without a head), 256 invocations and
//! 1,024 bytes of storage in a work group, at most 16,384 work groups, and storage buffers as large as the section of
//! the case. No textures, no features.
//!
//! **Feature** `inject-faults`, for tests only: devices that compute wrongly, are lost or do not answer in time.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use typecase_engine::Case;
use typecase_engine::backend::{Backend, Found, Program, Unavailable};

mod adapter;
#[cfg(feature = "inject-faults")]
mod fault;
mod gpu;
mod kernel;
mod program;

#[cfg(feature = "inject-faults")]
pub use fault::{Fault, UnknownFault};

/// Version of the library, as far as its interface goes.
const LIBRARY: &str = "wgpu 30";
/// How long a text may take.
const TIME_OUT: Duration = Duration::from_secs(2);

/// The GPU as an engine.
#[derive(Clone, Debug)]
pub struct Wgpu {
    api: Option<Api>,
    time_out: Duration,
    #[cfg(feature = "inject-faults")]
    fault: Option<Fault>,
}

/// The interface through which a GPU is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Vulkan: Linux, Android, Windows.
    Vulkan,
    /// OpenGL ES 3.1 or later, without a window: Linux, Android, Windows.
    Gl,
    /// Metal: macOS, iOS.
    Metal,
    /// Direct3D 12: Windows.
    Dx12,
}

impl Wgpu {
    /// Through this interface, or through the one that wgpu prefers: a real GPU before a software adapter.
    #[must_use]
    pub const fn new(api: Option<Api>) -> Self {
        Self {
            api,
            time_out: TIME_OUT,
            #[cfg(feature = "inject-faults")]
            fault: None,
        }
    }

    /// With another limit for the time of one text than 2 seconds. The first work on a device has at least 10 seconds.
    #[must_use]
    pub const fn with_time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// With a fault, for tests.
    #[cfg(feature = "inject-faults")]
    #[must_use]
    pub const fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }
}

impl Backend for Wgpu {
    fn name(&self) -> &'static str {
        "wgpu"
    }

    fn label(&self) -> String {
        self.api.map_or_else(|| self.name().to_owned(), |api| format!("{} ({})", self.name(), api.title()))
    }

    fn probe(&self) -> Result<Found, Unavailable> {
        gpu::guarded(|| {
            let adapter = adapter::find(self.api)?;
            adapter::check(&adapter, &adapter::limits_for(0, 0))?;
            Ok(Found {
                version: LIBRARY.to_owned(),
                device: format!(
                    "{}, buffers of at most {} bytes",
                    adapter::describe(&adapter),
                    adapter::largest_buffer(&adapter.limits())
                ),
            })
        })
    }

    fn prepare(&self, case: &Case<&[u8]>) -> Result<Box<dyn Program>, Unavailable> {
        gpu::guarded(|| Ok(Box::new(program::Prepared::new(self, case)?) as Box<dyn Program>))
    }
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Vulkan, Self::Gl, Self::Metal, Self::Dx12];

    /// What its makers call it.
    const fn title(self) -> &'static str {
        match self {
            Self::Vulkan => "Vulkan",
            Self::Gl => "OpenGL",
            Self::Metal => "Metal",
            Self::Dx12 => "Direct3D 12",
        }
    }

    const fn backends(self) -> wgpu::Backends {
        match self {
            Self::Vulkan => wgpu::Backends::VULKAN,
            Self::Gl => wgpu::Backends::GL,
            Self::Metal => wgpu::Backends::METAL,
            Self::Dx12 => wgpu::Backends::DX12,
        }
    }
}

/// The word by which users choose it: `vulkan`, `gl`, `metal`, `dx12`.
impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vulkan => "vulkan",
            Self::Gl => "gl",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
        })
    }
}

/// A word that names no interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GPU interface {0:?}, allowed are vulkan, gl, metal, dx12")]
pub struct UnknownApi(String);

impl FromStr for Api {
    type Err = UnknownApi;

    fn from_str(word: &str) -> Result<Self, UnknownApi> {
        Self::ALL.into_iter().find(|api| api.to_string() == word).ok_or_else(|| UnknownApi(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_read_as_it_is_written() {
        for api in Api::ALL {
            assert_eq!(api.to_string().parse(), Ok(api));
        }
        let error = "opengl".parse::<Api>().unwrap_err();
        assert_eq!(error.to_string(), "GPU interface \"opengl\", allowed are vulkan, gl, metal, dx12");
    }

    #[test]
    fn the_label_names_the_api_that_was_chosen() {
        assert_eq!(Wgpu::new(None).label(), "wgpu");
        assert_eq!(Wgpu::new(Some(Api::Vulkan)).label(), "wgpu (Vulkan)");
        assert_eq!(Wgpu::new(Some(Api::Dx12)).label(), "wgpu (Direct3D 12)");
    }

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        let major = LIBRARY.trim_start_matches("wgpu ");
        assert!(lock.contains(&format!("name = \"wgpu\"\nversion = \"{major}.")), "{LIBRARY}");
    }

    #[test]
    fn an_api_of_another_platform_is_refused_by_name() {
        let other = if cfg!(target_vendor = "apple") { Api::Dx12 } else { Api::Metal };
        let refused = Wgpu::new(Some(other)).probe().unwrap_err();
        assert!(refused.cause.contains(other.title()), "{refused:?}");
        assert!(!refused.remedy.is_empty());
    }
}
