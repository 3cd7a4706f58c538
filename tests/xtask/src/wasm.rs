//! `cargo xtask wasm`: the module of `targets/wasm`, built into `dist/wasm` and tested in Node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cross::{self, WASM};
use crate::test_run::TYPECASE_BIN;

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the module, prints its size, and runs the Node test against the native command.
///
/// # Errors
///
/// When the toolchain is absent, the build fails or a test does.
pub fn main(root: &Path) -> Result<()> {
    let module = build(root)?;
    let bytes = fs::metadata(&module).with_context(|| module.display().to_string())?.len();
    println!("{}: {bytes} bytes", module.display());
    test(root, &module)
}

/// Builds the module and puts it, with its wrapper, into `dist/wasm`.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build(root: &Path) -> Result<PathBuf> {
    WASM.require()?;
    let target = cross::target_folder(root, "wasm")?;
    let linker = linker(root)?;
    let mut cargo = cross::cargo(&root.join("targets/wasm"));
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET, "-Zbuild-std=std,panic_abort"])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        // The separator allows for spaces in the path.
        .env("CARGO_ENCODED_RUSTFLAGS", format!("-Clinker={}", linker.display()));
    cross::run(&mut cargo)?;
    let dist = root.join("dist/wasm");
    fs::create_dir_all(&dist).with_context(|| format!("{}: cannot create", dist.display()))?;
    let module = dist.join("typecase.wasm");
    let built = target.join(TARGET).join("release/typecase_wasm.wasm");
    for (from, to) in
        [(built, module.clone()), (root.join("targets/wasm/typecase.mjs"), dist.join("typecase.mjs"))]
    {
        fs::copy(&from, &to).with_context(|| format!("{}: cannot copy", from.display()))?;
    }
    Ok(module)
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
    cross::run(node.env("TYPECASE_WASM", module).env(TYPECASE_BIN, native))
}

/// The linker that comes with rustup's compiler.
fn linker(root: &Path) -> Result<PathBuf> {
    let sysroot = cross::output(Command::new("rustc").current_dir(root).args(["--print", "sysroot"]))?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib");
    let hosts = fs::read_dir(&folder).with_context(|| format!("{}: cannot list", folder.display()))?;
    let mut linkers = hosts.filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld")));
    linkers.find(|path| path.is_file()).with_context(|| format!("no rust-lld below {}", folder.display()))
}
