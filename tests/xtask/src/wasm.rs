//! `cargo xtask wasm`: the module of `targets/wasm`, built into `dist/wasm` and tested in Node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::cross::{self, WASM};
use crate::test_run::TYPECASE_BIN;

const TARGET: &str = "wasm32-unknown-unknown";
/// The environment variable that names a module.
const MODULE: &str = "TYPECASE_WASM";

/// What a module has.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The name of its file.
    pub name: &'static str,
    /// Cargo features.
    features: &'static str,
    /// With vectors of 128 bits.
    has_vectors: bool,
}

/// Bags alone; runs in every host.
pub const BAGS: Build = Build { name: "typecase.wasm", features: "", has_vectors: false };
/// Encoders and sub-word tokenizers too, with vectors: hosts since 2021 to 2023.
pub const ENCODERS: Build = Build { name: "typecase-encoder.wasm", features: "encoder", has_vectors: true };
/// The same for hosts without vectors: slower, for comparison.
pub const ENCODERS_SCALAR: Build =
    Build { name: "typecase-encoder-scalar.wasm", features: "encoder", has_vectors: false };
/// With the comparison of kernels, for tests.
pub const CHECKS: Build =
    Build { name: "typecase-checks.wasm", features: "encoder,checks", has_vectors: true };

/// Builds the modules, prints their sizes, and runs the Node tests against the native command.
///
/// # Errors
///
/// When the toolchain is absent, the build fails or a test does.
pub fn main(root: &Path) -> Result<()> {
    for module in [BAGS, ENCODERS] {
        let module = build(root, &module)?;
        let bytes = fs::metadata(&module).with_context(|| module.display().to_string())?.len();
        println!("{}: {bytes} bytes", module.display());
        test(root, &module)?;
    }
    Ok(())
}

/// Builds a module and puts it, with its wrapper, into `dist/wasm`.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build(root: &Path, module: &Build) -> Result<PathBuf> {
    // Builds with other features write to the same place: from the build to the copy there is but one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    WASM.require()?;
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // The standard library is built with the same flags: each set of them has a folder.
    let folder = if module.has_vectors { "wasm-simd128" } else { "wasm" };
    let target = cross::target_folder(root, folder)?;
    let mut flags = vec![format!("-Clinker={}", linker(root)?.display())];
    if module.has_vectors {
        flags.push("-Ctarget-feature=+simd128".to_owned());
    }
    let mut cargo = cross::cargo(&root.join("targets/wasm"));
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET, "-Zbuild-std=std,panic_abort"])
        .args(["--features", module.features, "--target-dir"])
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        // The separator allows for spaces in the path.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    cross::run(&mut cargo)?;
    let dist = root.join("dist/wasm");
    fs::create_dir_all(&dist).with_context(|| format!("{}: cannot create", dist.display()))?;
    let place = dist.join(module.name);
    let built = target.join(TARGET).join("release/typecase_wasm.wasm");
    for (from, to) in
        [(built, place.clone()), (root.join("targets/wasm/typecase.mjs"), dist.join("typecase.mjs"))]
    {
        fs::copy(&from, &to).with_context(|| format!("{}: cannot copy", from.display()))?;
    }
    Ok(place)
}

/// Runs the comparison of kernels in Node.
///
/// # Errors
///
/// When a kernel differs from the specification, or there is none.
pub fn check_kernels(root: &Path) -> Result<()> {
    let module = build(root, &CHECKS)?;
    cross::run(Command::new("node").current_dir(root).arg("targets/wasm/checks.mjs").arg(module))
}

/// The exact scores of lines, as `scores.mjs` prints them.
///
/// # Errors
///
/// When Node fails or the case is refused.
pub fn scores(root: &Path, module: &Path, case: &Path, texts: &Path) -> Result<String> {
    let texts = fs::File::open(texts).with_context(|| texts.display().to_string())?;
    let mut node = Command::new("node");
    node.current_dir(root).arg("targets/wasm/scores.mjs").arg(case).stdin(texts);
    cross::output(node.env(MODULE, module))
}

/// Runs the Node test on a module, compared with the native command.
///
/// # Errors
///
/// When a test fails.
pub fn test(root: &Path, module: &Path) -> Result<()> {
    let native = cross::native_command(root)?;
    let mut node = Command::new("node");
    node.current_dir(root).args(["--test", "targets/wasm/test.mjs"]);
    cross::run(node.env(MODULE, module).env(TYPECASE_BIN, native))
}

/// The linker that comes with rustup's compiler.
fn linker(root: &Path) -> Result<PathBuf> {
    let sysroot = cross::output(Command::new("rustc").current_dir(root).args(["--print", "sysroot"]))?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib");
    let hosts = fs::read_dir(&folder).with_context(|| format!("{}: cannot list", folder.display()))?;
    let mut linkers = hosts.filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld")));
    linkers.find(|path| path.is_file()).with_context(|| format!("no rust-lld below {}", folder.display()))
}
