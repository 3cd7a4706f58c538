//! The command with every engine, built apart: `target/release/typecase` stays the command as it is by default.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{cargo, cross, metadata, test_run};

/// The environment variable that gives the tests the path of the command with every engine.
pub const TYPECASE_FULL_BIN: &str = "TYPECASE_FULL_BIN";

/// Why there is no such command, where there is none.
pub const ABSENT: &str = "not part of this build: typecase-cli has no feature `full`";

/// What tests say where [`TYPECASE_FULL_BIN`] is not set.
pub const UNNAMED: &str =
    "TYPECASE_FULL_BIN names no command with every engine; `cargo xtask test` builds and names it";

const PACKAGE: &str = "typecase-cli";
/// Every engine; and what lets tests see how the command takes an engine that goes wrong.
const FEATURES: [&str; 2] = ["full", "inject-faults"];

/// The command that the environment names.
#[must_use]
pub fn named() -> Option<PathBuf> {
    env::var_os(TYPECASE_FULL_BIN).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Builds the command, with the profile of the tests: they need the engines too, and these take minutes to build.
/// `None` if the package has no such feature.
///
/// # Errors
///
/// When the build fails.
pub fn build(root: &Path) -> Result<Option<PathBuf>> {
    let features = features(&metadata(root)?);
    if !features.contains(&FEATURES[0]) {
        return Ok(None);
    }
    cross::run(cargo(root).args(["build", "--package", PACKAGE, "--features", &features.join(",")]))?;
    let (built, kept) = (test_run::target_folder(root)?.join("debug").join(program()), kept(root)?);
    let folder = kept.parent().context("the command has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{}: cannot create", folder.display()))?;
    // The test build writes to the same place, with other features.
    fs::copy(&built, &kept).with_context(|| format!("{}: cannot copy", built.display()))?;
    Ok(Some(kept))
}

/// The command of an earlier build.
///
/// # Errors
///
/// When `cargo metadata` fails.
pub fn built_before(root: &Path) -> Result<Option<PathBuf>> {
    Ok(Some(kept(root)?).filter(|program| program.is_file()))
}

fn kept(root: &Path) -> Result<PathBuf> {
    Ok(test_run::target_folder(root)?.join("xtask/full").join(program()))
}

fn program() -> String {
    format!("typecase{}", env::consts::EXE_SUFFIX)
}

/// Those of [`FEATURES`] that the package has.
fn features(metadata: &Value) -> Vec<&'static str> {
    let packages = metadata.get("packages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let package =
        packages.iter().find(|package| package.get("name").and_then(Value::as_str) == Some(PACKAGE));
    let features = package.and_then(|package| package.get("features")).and_then(Value::as_object);
    FEATURES
        .into_iter()
        .filter(|name| features.is_some_and(|features| features.contains_key(*name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_of_the_command_alone() {
        let metadata = |name: &str| {
            serde_json::json!({"packages": [
                {"name": "other", "features": {"inject-faults": []}},
                {"name": name, "features": {"default": [], "full": ["tract"]}},
            ]})
        };
        assert_eq!(features(&metadata(PACKAGE)), ["full"]);
        assert!(features(&metadata("another")).is_empty());
        assert!(features(&serde_json::json!({})).is_empty());
    }
}
