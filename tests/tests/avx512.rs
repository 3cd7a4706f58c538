//! The encoder's kernels for AVX-512 VNNI equal the specification, on an emulated processor where this one has none.
//!
//! More inputs: `cargo xtask avx512 --inputs 100000`.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use xtask::cross::AVX512;
use xtask::{avx512, skip, workspace_root};

/// Inputs for each operator: half a minute.
const INPUTS: u32 = 300;

#[test]
fn kernels_equal_the_specification_on_an_emulated_processor() {
    if let Some(missing) = AVX512.missing() {
        return skip::skipped("kernels for AVX-512 VNNI on an emulated processor", &missing);
    }
    let found = avx512::run(&workspace_root().unwrap(), INPUTS).unwrap();
    assert!(found.iter().any(|line| line == "kernel x86_64-avx512vnni"), "{found:?}");
    assert_eq!(found.iter().filter(|line| line.ends_with(" equal")).count(), 3, "{found:?}");
}
