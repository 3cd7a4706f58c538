//! Which engine runs a case, and what the engines can be told.

use std::fmt;
use std::str::FromStr;

use crate::Error;
#[cfg(feature = "encoder")]
use crate::engine::Cpu;
use crate::engine::backend::{self, Found, Unavailable};

/// Which engine runs a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// The best that this machine and this build have.
    #[default]
    Auto,
    /// The integer engine of `typecase-engine`: always there.
    Native,
    /// tract: ONNX on the CPU (feature `tract`).
    Tract,
    /// ONNX Runtime: TensorRT, CUDA, CPU (feature `ort`).
    Ort,
    /// A GPU through wgpu: Vulkan, Metal, Direct3D 12, OpenGL (feature `wgpu`).
    Wgpu,
}

impl Backend {
    /// Every engine that there is.
    pub const ALL: &'static [Self] = &[Self::Native, Self::Tract, Self::Ort, Self::Wgpu];

    /// The engines that are part of this build.
    pub const IN_THIS_BUILD: &'static [Self] = &[
        Self::Native,
        #[cfg(feature = "tract")]
        Self::Tract,
        #[cfg(feature = "ort")]
        Self::Ort,
        #[cfg(feature = "wgpu")]
        Self::Wgpu,
    ];

    /// As users write it; also the name of its feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Tract => "tract",
            Self::Ort => "ort",
            Self::Wgpu => "wgpu",
        }
    }

    /// Can it be asked for?
    #[must_use]
    pub fn is_in_this_build(self) -> bool {
        self == Self::Auto || Self::IN_THIS_BUILD.contains(&self)
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known =
            [Self::Auto].into_iter().chain(Self::ALL.iter().copied()).find(|known| known.name() == name);
        known.ok_or_else(|| Error::unknown_backend(name))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a case is prepared. Features add fields: begin with [`Options::new`] or the default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which engine.
    pub backend: Backend,
    /// A fall-back is an error.
    pub strict: bool,
    /// The kernels with which the native engine runs an encoder; without a choice the fastest that the processor has.
    #[cfg(feature = "encoder")]
    pub cpu: Option<Cpu>,
    /// The native engine runs an encoder on two threads. Its threads sleep between texts.
    #[cfg(feature = "threads")]
    pub in_two: bool,
    /// What ONNX Runtime is told.
    #[cfg(feature = "ort")]
    pub ort: OrtOptions,
    /// What wgpu is told.
    #[cfg(feature = "wgpu")]
    pub wgpu: WgpuOptions,
}

/// Where ONNX Runtime is, and what it may run on.
#[cfg(feature = "ort")]
#[derive(Clone, Debug)]
pub struct OrtOptions {
    /// Its library; else what `ORT_DYLIB_PATH` names, else one beside the program.
    pub library: Option<std::path::PathBuf>,
    /// Providers, the first that can run the case does; a later one is a fall-back.
    pub providers: Vec<typecase_ort::Provider>,
}

#[cfg(feature = "ort")]
impl Default for OrtOptions {
    fn default() -> Self {
        Self { library: None, providers: typecase_ort::Provider::ALL.to_vec() }
    }
}

/// Which GPU.
#[cfg(feature = "wgpu")]
#[derive(Clone, Debug, Default)]
pub struct WgpuOptions {
    /// The interface; without it what wgpu finds best.
    pub api: Option<typecase_wgpu::Api>,
    /// A fault to be made, for tests.
    #[cfg(feature = "inject-faults")]
    pub fault: Option<typecase_wgpu::Fault>,
}

impl Options {
    /// For one engine, all else as by default.
    #[must_use]
    pub fn new(backend: Backend, strict: bool) -> Self {
        Self {
            backend,
            strict,
            #[cfg(feature = "encoder")]
            cpu: None,
            #[cfg(feature = "threads")]
            in_two: false,
            #[cfg(feature = "ort")]
            ort: OrtOptions::default(),
            #[cfg(feature = "wgpu")]
            wgpu: WgpuOptions::default(),
        }
    }

    /// Looks for what would be tried before the native engine, each provider or device by itself. The native engine is
    /// always there.
    #[must_use]
    pub fn probe(&self) -> Vec<Probed> {
        let probed = |(options, candidate): (Self, Box<dyn backend::Backend>)| Probed {
            label: candidate.label(),
            options,
            found: candidate.probe(),
        };
        self.each().into_iter().zip(self.candidates()).map(probed).collect()
    }

    /// These options for each candidate alone.
    fn each(&self) -> Vec<Self> {
        match self.backend {
            #[cfg(feature = "ort")]
            Backend::Ort => {
                let alone = |&provider: &typecase_ort::Provider| {
                    let mut options = self.clone();
                    options.ort.providers = vec![provider];
                    options
                };
                self.ort.providers.iter().map(alone).collect()
            }
            _ => vec![self.clone()],
        }
    }

    /// What is tried before the native engine, in turn.
    pub(crate) fn candidates(&self) -> Vec<Box<dyn backend::Backend>> {
        match self.backend {
            #[cfg(feature = "tract")]
            Backend::Tract => vec![Box::new(typecase_tract::Tract)],
            #[cfg(feature = "ort")]
            Backend::Ort => {
                let one = |&provider: &typecase_ort::Provider| -> Box<dyn backend::Backend> {
                    Box::new(typecase_ort::Ort::new(self.ort.library.clone(), provider))
                };
                self.ort.providers.iter().map(one).collect()
            }
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => {
                let wgpu = typecase_wgpu::Wgpu::new(self.wgpu.api);
                #[cfg(feature = "inject-faults")]
                let wgpu = match self.wgpu.fault {
                    Some(fault) => wgpu.with_fault(fault),
                    None => wgpu,
                };
                vec![Box::new(wgpu)]
            }
            _ => Vec::new(),
        }
    }
}

/// What there is of an engine.
#[derive(Clone, Debug)]
pub struct Probed {
    /// The engine: `ort (CUDA)`.
    pub label: String,
    /// Options that ask for this one alone.
    pub options: Options,
    /// What was found, or why it cannot be used.
    pub found: Result<Found, Unavailable>,
}
