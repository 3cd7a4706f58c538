//! Development tasks of the workspace, run as `cargo xtask <task>`.
//!
//! The binary only reads the command line; the tasks live here, so that the tests can call them too:
//! `tests/tests/tidy.rs` fails on exactly what `cargo xtask tidy` reports.
//!
//! | task | module |
//! | --- | --- |
//! | `setup` | [`setup`]: what a machine has, and what is skipped without it |
//! | `test` | [`test_run`]: every check of the project, one count at the end |
//! | `tidy` | [`tidy`]: layering, unsafe code, manifests, files |
//! | `codegen` | [`codegen`]: sources that a program writes |
//! | `parity` | [`parity`]: the scores of every engine, interface and CPU, one checksum each |
//! | `tokenizers` | [`tokenizers`]: sub-word tokenizers against the reference, and their ids on every CPU |
//! | `mcu` | [`mcu`]: the firmware, in QEMU, with its figures |
//! | `wasm` | [`wasm`]: the WebAssembly module, in Node |
//! | `dist jetson` | [`jetson`]: the command for 64-bit Arm Linux |
//!
//! A test that cannot run says so through [`skip::skipped`]; `cargo xtask test` lists these at its end.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command for people: its results go to standard output")]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub mod avx512;
pub mod codegen;
pub mod cross;
pub mod full;
pub mod jetson;
pub mod mcu;
pub mod parity;
pub mod rust_source;
pub mod setup;
pub mod skip;
pub mod targets;
pub mod test_run;
pub mod texts;
pub mod tidy;
pub mod tokenizers;
pub mod wasm;

/// The top folder of the workspace, found at run time: the nearest folder at or above the calling package (or the
/// current folder) whose manifest has a `[workspace]` table.
///
/// # Errors
///
/// When no such folder is found.
pub fn workspace_root() -> Result<PathBuf> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => env::current_dir().context("current folder")?,
    };
    for dir in start.ancestors() {
        if let Ok(manifest) = std::fs::read_to_string(dir.join("Cargo.toml"))
            && manifest.lines().any(|line| line.trim() == "[workspace]")
        {
            return Ok(dir.to_owned());
        }
    }
    bail!("workspace: no Cargo.toml with a [workspace] table at or above {}", start.display())
}

/// The cargo that runs this task, ready to take arguments, in the top folder.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root);
    command
}

/// What `cargo metadata` says about the members of the workspace (not about their dependencies).
pub(crate) fn metadata(root: &Path) -> Result<Value> {
    let output = cargo(root)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("cargo metadata: cannot start")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata: unreadable answer")
}
