//! What the tests need of a machine, and what they skip without it.
//!
//! Nothing beyond the Rust toolchain is required. Every optional tool or data set is one [`Requirement`]; one that
//! can be put in place without asking anybody has an `install`, and `cargo xtask setup` runs it. Debian packages are
//! installed by root on a build server (`CI`) or with `TYPECASE_SETUP_APT=1` alone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cross::{self, AARCH64, AVX512, MCU, MESA_GL, MESA_VULKAN, WASM};

/// The bare-metal target on which the `no_std` crates are built.
pub const BARE_METAL_TARGET: &str = "thumbv7em-none-eabihf";

/// The environment variable that names the folder with labelled data.
pub const DATA_DIR: &str = "TYPECASE_DATA";

/// The environment variable that lets the setup install Python packages, as it does where `CI` is set.
pub const SETUP_PIP: &str = "TYPECASE_SETUP_PIP";

/// The environment variable that names the shared library of ONNX Runtime.
pub const ORT_LIBRARY: &str = "TYPECASE_ORT";

/// Requirement: the shared library that the command loads.
pub const ONNX_RUNTIME: &str = "ONNX Runtime, shared library";
/// Requirement: a driver for Vulkan, which may run on the CPU.
pub const VULKAN: &str = "Vulkan driver";
/// Requirement: a driver for OpenGL without a screen.
pub const GL: &str = "OpenGL driver";

/// A tool or data set that some tests use.
pub struct Requirement {
    /// What it is called.
    pub name: &'static str,
    /// What is skipped without it.
    pub skipped_without: &'static str,
    /// How a person gets it.
    pub how: &'static str,
    /// Looks for it in the workspace at this path: a few words on what was found, or `None`.
    pub check: fn(&Path) -> Option<String>,
    /// Puts it in place, for those that need no decision and no password.
    pub install: Option<fn(&Path) -> Result<()>>,
}

/// Everything the tests can use, in the order in which it is reported.
pub const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        name: "labelled data",
        skipped_without: "the tests and benches that measure accuracy on real texts",
        how: "set TYPECASE_DATA to a folder that holds agnews/test.csv (`typecase data fetch ag-news`)",
        check: |root| labelled_data(root).map(|dir| dir.display().to_string()),
        install: None,
    },
    Requirement {
        name: "cargo-deny",
        skipped_without: "the check of licences, banned crates and sources",
        how: "cargo install cargo-deny --locked",
        check: |_| answer("cargo", &["deny", "--version"]),
        install: None,
    },
    Requirement {
        name: "bare-metal target",
        skipped_without: "the build of the no_std crates without a standard library",
        how: "rustup target add thumbv7em-none-eabihf",
        check: |_| has_bare_metal_target().then(|| BARE_METAL_TARGET.to_owned()),
        install: None,
    },
    Requirement {
        name: "gcc and g++",
        skipped_without: "the tests of the C interface",
        how: "a package manager has them (Debian: apt-get install gcc g++)",
        check: |_| answer("gcc", &["--version"]).filter(|_| answer("g++", &["--version"]).is_some()),
        install: None,
    },
    Requirement {
        name: "valgrind",
        skipped_without: "the C interface under valgrind",
        how: "a package manager has it (Debian: apt-get install valgrind)",
        check: |_| answer("valgrind", &["--version"]),
        install: None,
    },
    Requirement {
        name: "python3 with onnxruntime",
        skipped_without: "the comparison of emitted graphs with ONNX Runtime",
        how: "python3 -m pip install onnxruntime numpy (TYPECASE_SETUP_PIP=1 lets the setup do it)",
        check: |_| onnx_runtime(),
        install: Some(|_| install_onnx_runtime()),
    },
    Requirement {
        name: ONNX_RUNTIME,
        skipped_without: "the command with ONNX Runtime: its answers and its reports",
        how: "python3 -m pip install onnxruntime (TYPECASE_SETUP_PIP=1 lets the setup do it), or set TYPECASE_ORT to \
              libonnxruntime.so",
        check: |_| onnx_runtime_library().map(|path| path.display().to_string()),
        install: Some(|_| install_onnx_runtime()),
    },
    Requirement {
        name: VULKAN,
        skipped_without: "the command with wgpu on Vulkan: its answers and its reports",
        how: MESA_VULKAN.how,
        check: |_| vulkan_driver().map(|path| path.display().to_string()),
        install: Some(|_| MESA_VULKAN.install()),
    },
    Requirement {
        name: GL,
        skipped_without: "the command with wgpu on OpenGL: its answers",
        how: MESA_GL.how,
        check: |_| gl_driver().map(|path| path.display().to_string()),
        install: Some(|_| MESA_GL.install()),
    },
    Requirement {
        name: "microcontroller toolchain",
        skipped_without: "the firmware: its answers in QEMU, its flash and RAM",
        how: MCU.how,
        check: |_| MCU.missing().is_none().then(|| "Debian's compiler, arm-none-eabi-gcc, QEMU".to_owned()),
        install: Some(|_| MCU.install()),
    },
    Requirement {
        name: "emulated x86",
        skipped_without: "the kernels for AVX-512 VNNI, where the processor has none",
        how: AVX512.how,
        check: |_| AVX512.missing().is_none().then(|| "Bochs, GRUB".to_owned()),
        install: Some(|_| AVX512.install()),
    },
    Requirement {
        name: "WebAssembly toolchain",
        skipped_without: "the WebAssembly module: its answers in Node",
        how: WASM.how,
        check: |_| WASM.missing().is_none().then(|| "Debian's compiler, Node".to_owned()),
        install: Some(|_| WASM.install()),
    },
    Requirement {
        name: "64-bit Arm toolchain",
        skipped_without: "the command for Jetson: its answers in an emulator",
        how: AARCH64.how,
        check: |_| AARCH64.missing().is_none().then(|| "Debian's compiler, aarch64 gcc, QEMU".to_owned()),
        install: Some(|_| AARCH64.install()),
    },
    Requirement {
        name: "python3 with sentencepiece",
        skipped_without: "the real rules of SentencePiece in `cargo xtask tokenizers`; no test needs it",
        how: "python3 -m pip install sentencepiece",
        check: |_| answer("python3", &["-c", "import sentencepiece; print(sentencepiece.__version__)"]),
        install: None,
    },
    Requirement {
        name: "python3 with fasttext",
        skipped_without: "the peer benchmark against fastText; no test needs it",
        how: "python3 -m pip install fasttext",
        check: |_| answer("python3", &["-c", "import fasttext; print('importable')"]),
        install: None,
    },
];

/// Checks every requirement, installs what can be installed, and prints one line for each.
///
/// # Errors
///
/// When an installation was tried and failed; the other requirements are reported all the same.
pub fn run(root: &Path) -> Result<()> {
    let mut outcome = Ok(());
    for requirement in REQUIREMENTS {
        match satisfy(requirement, root) {
            Ok(line) => println!("{line}"),
            Err(error) => {
                println!("{}", absent(requirement));
                outcome = outcome.and(Err(error));
            }
        }
    }
    outcome
}

/// The folder with labelled data: `TYPECASE_DATA`, then `../shared/data`, the first that holds `agnews/test.csv`.
pub fn labelled_data(root: &Path) -> Option<PathBuf> {
    let candidates = [env::var_os(DATA_DIR).map(PathBuf::from), Some(root.join("../shared/data"))];
    candidates.into_iter().flatten().find(|dir| dir.join("agnews/test.csv").is_file())
}

/// The version of the ONNX Runtime that `python3` can import, if numpy is there too.
pub fn onnx_runtime() -> Option<String> {
    answer("python3", &["-c", "import numpy, onnxruntime; print(onnxruntime.__version__)"])
}

/// The shared library of ONNX Runtime: `TYPECASE_ORT`, `ORT_DYLIB_PATH`, then the one inside the Python package.
pub fn onnx_runtime_library() -> Option<PathBuf> {
    let named = [ORT_LIBRARY, "ORT_DYLIB_PATH"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    if let Some(library) = named.into_iter().find(|path| path.is_file()) {
        return Some(library);
    }
    // The package is looked up, not imported: importing takes a second.
    let script = "import importlib.util, pathlib\n\
                  spec = importlib.util.find_spec('onnxruntime')\n\
                  for folder in spec.submodule_search_locations if spec else []:\n    \
                  for path in pathlib.Path(folder, 'capi').glob('libonnxruntime.*'): print(path)";
    answer("python3", &["-c", script]).map(PathBuf::from).filter(|path| path.is_file())
}

/// The description of a Vulkan driver, the software one if there is a choice; `None` if the loader is not there.
pub fn vulkan_driver() -> Option<PathBuf> {
    cross::shared_library("libvulkan.so.1")?;
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find_map(env::var_os);
    let mut files: Vec<PathBuf> = match named {
        Some(list) => env::split_paths(&list).collect(),
        None => ["/etc", "/usr/local/share", "/usr/share"]
            .iter()
            .filter_map(|folder| std::fs::read_dir(Path::new(folder).join("vulkan/icd.d")).ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .collect(),
    };
    files.retain(|path| path.is_file() && path.extension().is_some_and(|end| end == "json"));
    let is_software =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp"));
    files.sort_by_key(|path| (!is_software(path), path.clone()));
    files.into_iter().next()
}

/// The library through which OpenGL is reached without a screen, if a driver is there too.
pub fn gl_driver() -> Option<PathBuf> {
    let library = cross::shared_library("libEGL.so.1")?;
    let drivers = ["libEGL_mesa.so.0", "libEGL_nvidia.so.0"];
    drivers.into_iter().any(|name| cross::shared_library(name).is_some()).then_some(library)
}

/// What a requirement of this name says where it is not met: what is absent, and how to get it.
#[must_use]
pub fn absence(name: &str) -> String {
    let requirement = REQUIREMENTS.iter().find(|requirement| requirement.name == name);
    format!(
        "no {name}; to get it: {}",
        requirement.map_or("cargo xtask setup", |requirement| requirement.how)
    )
}

/// Asks pip, on a machine that belongs to nobody (CI) or with leave: a person's Python is not ours to change.
fn install_onnx_runtime() -> Result<()> {
    let allowed = |name| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    if !allowed("CI") && !allowed(SETUP_PIP) {
        return Ok(());
    }
    let arguments = ["-m", "pip", "install", "--quiet", "onnxruntime", "numpy"];
    let status = Command::new("python3").args(arguments).stdin(Stdio::null()).status().context("python3")?;
    ensure!(status.success(), "pip: {status}");
    Ok(())
}

/// Whether the toolchain has the core library of [`BARE_METAL_TARGET`].
pub(crate) fn has_bare_metal_target() -> bool {
    answer("rustc", &["--print", "target-libdir", "--target", BARE_METAL_TARGET])
        .is_some_and(|dir| Path::new(&dir).is_dir())
}

/// One line on a requirement, after having tried to install it if that is possible.
fn satisfy(requirement: &Requirement, root: &Path) -> Result<String> {
    if let Some(found) = (requirement.check)(root) {
        return Ok(present(requirement, &found));
    }
    if let Some(install) = requirement.install {
        install(root).with_context(|| format!("{}: installation", requirement.name))?;
        if let Some(found) = (requirement.check)(root) {
            return Ok(present(requirement, &found));
        }
    }
    Ok(absent(requirement))
}

fn present(requirement: &Requirement, found: &str) -> String {
    format!("{}: present ({found})", requirement.name)
}

fn absent(requirement: &Requirement) -> String {
    let Requirement { name, skipped_without, how, .. } = requirement;
    format!("{name}: absent; skipped without it: {skipped_without}; to get it: {how}")
}

/// The first line that a program prints, if it can be started and succeeds.
pub(crate) fn answer(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    fn requirement(
        check: fn(&Path) -> Option<String>,
        install: Option<fn(&Path) -> Result<()>>,
    ) -> Requirement {
        Requirement { name: "tool", skipped_without: "a test", how: "get tool", check, install }
    }

    #[test]
    fn one_line_says_what_was_found_or_what_is_skipped_and_the_cure() {
        let here = Path::new(".");
        let found = requirement(|_| Some("1.0".to_owned()), None);
        assert_eq!(satisfy(&found, here).unwrap(), "tool: present (1.0)");
        let missing = requirement(|_| None, None);
        let line = satisfy(&missing, here).unwrap();
        assert_eq!(line, "tool: absent; skipped without it: a test; to get it: get tool");
    }

    #[test]
    fn a_failed_installation_is_an_error_and_an_idle_one_leaves_it_absent() {
        let here = Path::new(".");
        assert!(satisfy(&requirement(|_| None, Some(|_| bail!("no room"))), here).is_err());
        let line = satisfy(&requirement(|_| None, Some(|_| Ok(()))), here).unwrap();
        assert!(line.starts_with("tool: absent"), "{line}");
    }

    #[test]
    fn a_program_that_is_not_there_is_absent() {
        assert_eq!(answer("typecase-no-such-program", &[]), None);
    }
}
