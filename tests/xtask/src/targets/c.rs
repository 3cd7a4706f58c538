//! libtypecase as it is shipped, and a C program that asks it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::rows::scratch;
use crate::{cargo, cross};

/// What the static library needs of the system, as `rustc --print native-static-libs` says.
pub const SYSTEM_LIBRARIES: [&str; 3] = ["-lpthread", "-ldl", "-lm"];

/// The shipped files of the library.
#[derive(Clone, Debug)]
pub struct Library {
    /// `libtypecase.so`.
    pub shared: PathBuf,
    /// `libtypecase.a`.
    pub archive: PathBuf,
}

/// Builds the library as it is shipped.
///
/// # Errors
///
/// When the build fails.
pub fn library(root: &Path) -> Result<Library> {
    let mut build = cargo(root);
    build.args(["build", "--profile", "dist", "--package", "typecase-ffi", "--message-format", "json"]);
    let output = build.stderr(std::process::Stdio::inherit()).output().context("cargo: cannot start")?;
    ensure!(output.status.success(), "the library does not build");
    let messages = String::from_utf8(output.stdout).context("cargo: not UTF-8")?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let files: Vec<PathBuf> = messages
        .filter(|message: &Value| {
            let manifest = message.get("manifest_path").and_then(Value::as_str);
            manifest.is_some_and(|path| path.ends_with("targets/ffi/Cargo.toml"))
        })
        .flat_map(|message| message.get("filenames").and_then(Value::as_array).cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .collect();
    let file = |name: &str| {
        files.iter().find(|path| path.ends_with(name)).cloned().with_context(|| format!("cargo: no {name}"))
    };
    Ok(Library { shared: file("libtypecase.so")?, archive: file("libtypecase.a")? })
}

/// Builds the example `scores.c` with the static library.
pub(super) fn scores(root: &Path) -> Result<PathBuf> {
    let library = library(root)?;
    let program = scratch(root, "c")?.join("scores");
    let ffi = root.join("targets/ffi");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]).arg(ffi.join("include"));
    gcc.arg(ffi.join("examples/scores.c")).arg(&library.archive).args(SYSTEM_LIBRARIES);
    cross::run(gcc.arg("-o").arg(&program))?;
    Ok(program)
}
