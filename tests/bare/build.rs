//! Linked for the place where a boot loader puts it.

use std::env;
use std::fs;
use std::path::PathBuf;

/// Beside this file.
const LAYOUT: &str = "layout.ld";

fn main() {
    println!("cargo:rerun-if-changed={LAYOUT}");
    // A copy among what is built: two clones may share that folder, and what this prints is kept there.
    let copy = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(LAYOUT);
    fs::copy(LAYOUT, &copy).expect("the layout can be copied");
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", copy.display());
}
