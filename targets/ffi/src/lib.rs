//! `libtypecase`: the C interface. Its documentation is `include/typecase.h`, which `cargo xtask codegen` writes from
//! what stands here; `examples/` shows how to build and link.
//!
//! Every function that can fail returns a [`types::tc_status`] and runs behind one guard: a panic becomes `TC_PANIC`
//! and never crosses into C. Every pointer is checked for null and alignment, every length against what can exist.
//! What cannot be checked (that a pointer points to what it should) is the `# Safety` of each function.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![allow(non_camel_case_types, reason = "types have the names that C sees")]

#[cfg(panic = "abort")]
compile_error!("a panic must unwind to become TC_PANIC: build this library with panic = \"unwind\"");

mod guard;
mod pointer;

pub mod case;
pub mod session;
pub mod types;
pub mod version;
