//! Everything that answers a text: engines, interfaces, CPUs. Each is a program that reads lines, so that all are asked
//! the same bytes and compared score by score: by `cargo xtask parity` and by the suite `conformance`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cross::{self, AARCH64, MCU, WASM};
use crate::{full, jetson, mcu, setup, wasm};

mod c;
mod command;
mod firmware;
mod rows;

pub use c::{Library, SYSTEM_LIBRARIES, library};
pub(crate) use firmware::{LINE_BYTES as FIRMWARE_LINE_BYTES, classify_in_steps as firmware_steps};
pub(crate) use rows::Program as Lines;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The functions of the specification, in a program of the suites.
    Scalar,
    /// The native engine, in a program of the suites.
    Native,
    /// The command, native engine.
    Command,
    /// The command, tract.
    Tract,
    /// The command, ONNX Runtime on the CPU.
    Ort,
    /// The command, wgpu through Vulkan.
    WgpuVulkan,
    /// The command, wgpu through OpenGL.
    WgpuGl,
    /// A C program linked with libtypecase.
    C,
    /// The command for 64-bit Arm, in an emulator.
    Aarch64,
    /// The WebAssembly module in Node.
    Wasm,
    /// The firmware for a Cortex-M4F, in an emulator.
    Firmware,
}

/// What a target says of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Name of the class.
    pub label: String,
    /// Exact scores, one a class.
    pub scores: Vec<i32>,
    /// The text is over a limit of the case.
    pub truncated: bool,
    /// The probability is below the case's threshold.
    pub abstain: bool,
    /// The text is not UTF-8 throughout.
    pub invalid: bool,
}

/// What a target did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What answered, as it says itself: engine, version, device.
    pub report: String,
    /// One for each text.
    pub answers: Vec<Answer>,
}

/// How a target refuses a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code.
    pub code: Option<i32>,
    /// What it says: the last line of standard error; for firmware, of its port.
    pub message: String,
}

/// Programs that stand before any target is opened.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `scores` of `typecase-tests`.
    pub scores: PathBuf,
    /// The command with every engine, or why it is not there.
    pub full: Result<PathBuf, String>,
}

/// A target that can be asked.
pub struct Ready {
    target: Target,
    program: Program,
}

enum Program {
    Rows(rows::Program),
    Command(command::Program),
    Firmware(mcu::Firmware),
}

impl Target {
    /// All of them; every one is compared with the first.
    pub const ALL: [Self; 11] = [
        Self::Scalar,
        Self::Native,
        Self::Command,
        Self::Tract,
        Self::Ort,
        Self::WgpuVulkan,
        Self::WgpuGl,
        Self::C,
        Self::Aarch64,
        Self::Wasm,
        Self::Firmware,
    ];

    /// One word, for lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Native => "native",
            Self::Command => "command",
            Self::Tract => "tract",
            Self::Ort => "ort",
            Self::WgpuVulkan => "wgpu-vulkan",
            Self::WgpuGl => "wgpu-gl",
            Self::C => "c",
            Self::Aarch64 => "aarch64",
            Self::Wasm => "wasm",
            Self::Firmware => "firmware",
        }
    }

    /// A few words, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Scalar => "native scalar",
            Self::Native => "native SIMD (words)",
            Self::Command => "command, native",
            Self::Tract => "command, tract",
            Self::Ort => "command, ort (CPU)",
            Self::WgpuVulkan => "command, wgpu (Vulkan)",
            Self::WgpuGl => "command, wgpu (GL)",
            Self::C => "C, libtypecase",
            Self::Aarch64 => "command, aarch64",
            Self::Wasm => "wasm",
            Self::Firmware => "Cortex-M4F firmware",
        }
    }

    /// What the report must name: the engine that answers.
    #[must_use]
    pub const fn engine(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::Ort => "ort",
            Self::WgpuVulkan | Self::WgpuGl => "wgpu",
            Self::Wasm => "WebAssembly",
            Self::Firmware => "firmware",
            Self::Scalar | Self::Native | Self::Command | Self::C | Self::Aarch64 => "native",
        }
    }

    /// Whether it is built with the sub-word tokenizer, which small targets leave out.
    #[must_use]
    pub const fn has_subword(self) -> bool {
        !matches!(self, Self::C | Self::Wasm | Self::Firmware)
    }

    /// Bytes of a line beyond which the target cuts it.
    #[must_use]
    pub const fn line_bytes(self) -> Option<usize> {
        match self {
            Self::Firmware => Some(firmware::LINE_BYTES),
            _ => None,
        }
    }

    /// The only case that the target holds, by its name; `None` if it opens any.
    #[must_use]
    pub const fn only_case(self) -> Option<&'static str> {
        match self {
            Self::Firmware => Some(firmware::CASE_NAME),
            _ => None,
        }
    }

    /// Builds what there is to build. Where the machine lacks something: what, and how to get it.
    ///
    /// # Errors
    ///
    /// When a build fails.
    pub fn open(self, root: &Path, programs: &Programs) -> Result<Result<Ready, String>> {
        let absent = match self {
            Self::Aarch64 => AARCH64.missing(),
            Self::Wasm => WASM.missing(),
            Self::Firmware => MCU.missing(),
            Self::C => setup::answer("gcc", &["--version"])
                .is_none()
                .then(|| "no gcc; a package manager has it (Debian: apt-get install gcc)".to_owned()),
            _ => None,
        };
        if let Some(absent) = absent {
            return Ok(Err(absent));
        }
        let program = match self {
            Self::Scalar => Program::Rows(rows::Program::new(&programs.scores, ["scalar"])),
            Self::Native => Program::Rows(rows::Program::new(&programs.scores, ["native"])),
            Self::C => Program::Rows(rows::Program::new(&c::scores(root)?, [""; 0])),
            Self::Wasm => {
                let module = wasm::build(root, &wasm::BAGS)?;
                let script = root.join("targets/wasm/scores.mjs");
                let node = rows::Program::new(Path::new("node"), [script]);
                Program::Rows(node.with("TYPECASE_WASM", module))
            }
            Self::Firmware => Program::Firmware(mcu::build(root, &[])?),
            Self::Command => Program::Command(command::Program::native(cross::native_command(root)?)),
            Self::Aarch64 => Program::Command(command::Program::emulated(&jetson::build(root)?)),
            Self::Tract | Self::Ort | Self::WgpuVulkan | Self::WgpuGl => {
                match command::Program::engine(self, programs.full.as_deref()) {
                    Ok(program) => Program::Command(program),
                    Err(absent) => return Ok(Err(absent)),
                }
            }
        };
        Ok(Ok(Ready { target: self, program }))
    }
}

impl Programs {
    /// With the command that the environment names.
    #[must_use]
    pub fn of(scores: PathBuf) -> Self {
        let why = || format!("not part of this build: {}", full::UNNAMED);
        Self { scores, full: full::named().ok_or_else(why) }
    }
}

impl Ready {
    /// Which it is.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// Classifies texts, of one line each. A line over [`Target::line_bytes`] is cut.
    ///
    /// # Errors
    ///
    /// When the program fails, another engine answers, or there is not one answer for each text.
    pub fn classify(&self, case: &Path, texts: &[Vec<u8>]) -> Result<Ran> {
        let ran = match &self.program {
            Program::Rows(program) => program.classify(case, texts)?,
            Program::Command(program) => program.classify(case, texts)?,
            Program::Firmware(firmware) => firmware::classify(firmware, case, texts)?,
        };
        let (found, needed) = (ran.answers.len(), texts.len());
        anyhow::ensure!(found == needed, "{found} answers to {needed} texts");
        Ok(ran)
    }

    /// Opens a case that must be refused.
    ///
    /// # Errors
    ///
    /// When it is accepted, or the program cannot be run.
    pub fn refuse(&self, case: &Path) -> Result<Refusal> {
        match &self.program {
            Program::Rows(program) => program.refuse(case),
            Program::Command(program) => program.refuse(case),
            Program::Firmware(firmware) => firmware::refuse(firmware, case),
        }
    }
}
