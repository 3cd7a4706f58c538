//! Runs cases with ONNX Runtime, through TensorRT, CUDA or on the CPU.
//!
//! The library is the user's own: it is looked for when it is needed, never downloaded and never linked. One [`Ort`] is
//! one provider; whoever wants the best one tries [`Provider::ALL`] in turn.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use typecase_engine::{Case, backend::{self, Backend}};
//! use typecase_ort::{Ort, Provider};
//!
//! let file = std::fs::read("models/news-64k.case")?;
//! let case = Case::parse(file.as_slice())?;
//! let engine = Ort::new(None, Provider::Cpu);
//! let program = engine.prepare(&case)?; // shared between threads
//! let mut scorer = program.scorer()?; // one a thread
//! backend::check(&case, scorer.as_mut())?; // before any answer counts
//! println!("{}", program.device()); // ONNX Runtime 1.31.1, CPU
//! # Ok(()) }
//! ```
//!
//! # Which library
//! 1. The file that [`Ort::new`] was given.
//! 2. The file that the environment variable `ORT_DYLIB_PATH` names.
//! 3. `libonnxruntime.so`, or the latest `libonnxruntime.so.*`, in the folder of the program (`libonnxruntime.dylib`,
//!    `onnxruntime.dll`).
//!
//! The first of these that is named or there is taken: a wrong one is an error, the next is not tried. It must be ONNX
//! Runtime 1.17 or later (1.17 to 1.32 were tried, on the CPU), and every file is checked before anything runs that
//! could panic or stop the process. Everything that goes wrong is an `Unavailable` with its cause and remedy.
//!
//! # Guarantees
//! Scores are the exact integers of the native engine. A program of TensorRT or CUDA runs *there*: a session in which
//! as much as one operator was left to the CPU is refused (`session.disable_cpu_ep_fallback`; the node assignments that
//! ONNX Runtime 1.24 can list would say nothing more). ONNX Runtime runs on the caller's thread, sends no telemetry and
//! writes to standard error only if the environment variable `ORT_LOG` is set.
//!
//! # Non-guarantees
//! - ONNX Runtime allocates inside a call; the native engine does not. Every scorer is a session with all the rows as
//!   32-bit integers, four to eight times the bytes of the case: `ort` holds that sessions are not safe to share. With
//!   TensorRT every scorer builds an engine, which takes its time.
//! - A process has one ONNX Runtime, loaded at the first need and never unloaded. A second, different file is refused;
//!   so is everything if other code of the process has set up `ort` by itself.
//! - A library that is no ONNX Runtime but says that it is can do anything.
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "it looks into a file before `ort` does")]
mod library;
mod program;
mod runtime;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;
use typecase_engine::Case;
use typecase_engine::backend::{Backend, Found, Program, Unavailable};

use crate::program::OrtProgram;
use crate::runtime::Runtime;

/// What computes inside ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// NVIDIA's compiler for its GPUs.
    TensorRt,
    /// NVIDIA's GPUs.
    Cuda,
    /// The CPU.
    Cpu,
}

impl Provider {
    /// Every provider, the one to try first first.
    pub const ALL: [Self; 3] = [Self::TensorRt, Self::Cuda, Self::Cpu];

    /// As its maker writes it.
    const fn title(self) -> &'static str {
        match self {
            Self::TensorRt => "TensorRT",
            Self::Cuda => "CUDA",
            Self::Cpu => "CPU",
        }
    }

    /// Whether the library was built with it.
    fn is_built_in(self) -> ort::Result<bool> {
        match self {
            Self::TensorRt => ep::TensorRT::is_available(),
            Self::Cuda => ep::CUDA::is_available(),
            Self::Cpu => ep::CPU::is_available(),
        }
    }

    /// For texts of at most `ids` ids.
    fn dispatch(self, ids: usize) -> ExecutionProviderDispatch {
        let provider = match self {
            // One engine for all lengths, or it is built anew for each.
            Self::TensorRt => ep::TensorRT::default()
                .with_profile_min_shapes("ids:1")
                .with_profile_opt_shapes(format!("ids:{}", ids.clamp(1, 64)))
                .with_profile_max_shapes(format!("ids:{}", ids.max(1)))
                .build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
        };
        provider.error_on_failure()
    }

    /// What to do if the library does not have it, or it does not start.
    const fn remedy(self) -> &'static str {
        match self {
            Self::TensorRt => {
                "install an ONNX Runtime built with TensorRT (pip install onnxruntime-gpu; on a Jetson the one for \
                 its JetPack) and the CUDA, cuDNN and TensorRT for it, where the system finds libraries \
                 (LD_LIBRARY_PATH), or use another provider"
            }
            Self::Cuda => {
                "install an ONNX Runtime built with CUDA (pip install onnxruntime-gpu; on a Jetson the one for its \
                 JetPack) and the CUDA and cuDNN for it, where the system finds libraries (LD_LIBRARY_PATH), or \
                 use another provider"
            }
            Self::Cpu => "use the native engine, and please report the version of ONNX Runtime",
        }
    }
}

/// One lower-case word, which [`FromStr`] reads.
impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::Cpu => "cpu",
        })
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownProvider(name.to_owned());
        Self::ALL.into_iter().find(|provider| provider.to_string() == name).ok_or_else(unknown)
    }
}

/// A word that names no [`Provider`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProvider(pub String);

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, last] = Provider::ALL;
        write!(f, "unknown provider {}, there are {first}, {second} and {last}", self.0)
    }
}

impl std::error::Error for UnknownProvider {}

/// ONNX Runtime with one provider. Making one touches nothing: the library is looked for when it is asked something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ort {
    library: Option<PathBuf>,
    provider: Provider,
}

impl Ort {
    /// With the library of this file, a relative one seen from the working directory, or with the one that is found.
    #[must_use]
    pub const fn new(library: Option<PathBuf>, provider: Provider) -> Self {
        Self { library, provider }
    }

    /// What computes.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// The library, loaded, with this provider built in.
    fn runtime(&self) -> Result<Runtime, Unavailable> {
        let runtime = runtime::load(self.library.as_deref())?;
        match self.provider.is_built_in() {
            Ok(true) => Ok(runtime),
            Ok(false) => {
                let (version, file) = (&runtime.version, runtime.file.display());
                let title = self.provider.title();
                let cause = format!("ONNX Runtime {version} in {file} is built without {title}");
                Err(Unavailable::new(cause, self.provider.remedy()))
            }
            Err(error) => Err(self.failed("list its providers", &error)),
        }
    }

    /// How sessions for texts of at most `longest` ids are made.
    fn options(&self, runtime: &Runtime, longest: usize) -> Result<SessionBuilder, Unavailable> {
        program::options(runtime, self.provider, longest).map_err(|error| self.failed("start", &error))
    }

    /// What ONNX Runtime says, in the form for people.
    fn failed(&self, what: &str, error: &ort::Error) -> Unavailable {
        let cause = format!("{} cannot {what}: {}", self.label(), without_place(error.message()));
        Unavailable::new(cause, self.provider.remedy())
    }
}

/// A message without the line of ONNX Runtime's source, which may stand in front of it:
/// `FILE:LINE FUNCTION [ONNXRuntimeError] : 1 : FAIL : message`.
fn without_place(message: &str) -> &str {
    let coded = message.rsplit_once("[ONNXRuntimeError] : ").map(|(_, coded)| coded);
    coded.and_then(|coded| coded.splitn(3, " : ").nth(2)).unwrap_or(message)
}

impl Backend for Ort {
    fn name(&self) -> &'static str {
        "ort"
    }

    fn probe(&self) -> Result<Found, Unavailable> {
        let runtime = self.runtime()?;
        // The provider's own libraries are looked for here.
        self.options(&runtime, 1)?;
        let version = format!("ONNX Runtime {}", runtime.version);
        Ok(Found { version, device: self.provider.title().to_owned() })
    }

    fn prepare(&self, case: &Case<&[u8]>) -> Result<Box<dyn Program>, Unavailable> {
        Ok(Box::new(OrtProgram::new(self.clone(), self.runtime()?, case)?))
    }

    fn label(&self) -> String {
        format!("{} ({})", self.name(), self.provider.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_read_as_they_are_written() {
        let names = Provider::ALL.map(|provider| provider.to_string());
        assert_eq!(names, ["tensorrt", "cuda", "cpu"]);
        let read = names.map(|name| name.parse());
        assert_eq!(read, Provider::ALL.map(Ok));
        let error = "CPU".parse::<Provider>().unwrap_err();
        assert_eq!(error.to_string(), "unknown provider CPU, there are tensorrt, cuda and cpu");
    }

    #[test]
    fn a_message_is_shown_without_the_line_of_the_source() {
        let rows = [
            ("/src/a.cc:1 f() [ONNXRuntimeError] : 1 : FAIL : cannot load : libx", "cannot load : libx"),
            ("[ONNXRuntimeError] : 1", "[ONNXRuntimeError] : 1"),
            ("plain: text", "plain: text"),
        ];
        for (message, expected) in rows {
            assert_eq!(without_place(message), expected);
        }
    }

    #[test]
    fn a_label_names_the_provider() {
        let labels = Provider::ALL.map(|provider| Ort::new(None, provider).label());
        assert_eq!(labels, ["ort (TensorRT)", "ort (CUDA)", "ort (CPU)"]);
    }
}
