//! Gives the shared library its name. Without one, a program that was linked by path looks for the library at that
//! very path when it starts, and Android refuses to load it.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(system.as_str(), "linux" | "android") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtypecase.so");
    }
}
