//! Lays the case and the memory map where the compiler and the linker find them.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The environment variable that names another case than the shipped one.
const CASE: &str = "TYPECASE_MCU_CASE";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let case = env::var_os(CASE).map_or_else(|| manifest.join("../../models/news-64k.case"), PathBuf::from);
    println!("cargo:rerun-if-env-changed={CASE}");
    copy(&case, &out.join("firmware.case"));
    copy(&manifest.join("memory.x"), &out.join("memory.x"));
    // Names of interrupts: none is used.
    fs::write(out.join("device.x"), "").expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
}

fn copy(from: &Path, to: &Path) {
    println!("cargo:rerun-if-changed={}", from.display());
    if let Err(error) = fs::copy(from, to) {
        panic!("{}: {error}", from.display());
    }
}
