//! The members of the workspace, as `cargo metadata` describes them.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its manifest, relative to the top folder: `runtime/text/Cargo.toml`.
    pub(crate) manifest: String,
    /// The root files of its library and programs, relative to the top folder.
    pub(crate) crate_roots: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One arrow out of a package.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
    /// Whether it is a package of ours: it has a path.
    pub(crate) ours: bool,
}

/// When a dependency is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    Normal,
    Build,
    Dev,
}

/// Reads the members out of the answer of `cargo metadata --no-deps`.
pub(super) fn read(metadata: &Value, root: &Path) -> Result<Vec<Package>> {
    let list = metadata.get("packages").and_then(Value::as_array).context("cargo metadata: no `packages`")?;
    // `cargo metadata` resolves links; so must we, to take the top folder off its paths.
    let root = root.canonicalize().context("top folder")?;
    list.iter().map(|value| package(value, &root)).collect()
}

fn package(value: &Value, root: &Path) -> Result<Package> {
    let name = text(value, "name")?.to_owned();
    let manifest = relative(text(value, "manifest_path")?, root)?;
    let mut crate_roots = Vec::new();
    for target in array(value, "targets")? {
        let kinds = array(target, "kind")?;
        let is_test =
            |kind: &Value| matches!(kind.as_str(), Some("test" | "bench" | "example" | "custom-build"));
        if !kinds.iter().any(is_test) {
            crate_roots.push(relative(text(target, "src_path")?, root)?);
        }
    }
    let dependencies = array(value, "dependencies")?.iter().map(dependency).collect::<Result<_>>()?;
    Ok(Package { name, manifest, crate_roots, dependencies })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let kind = match value.get("kind").and_then(Value::as_str) {
        Some("dev") => DependencyKind::Dev,
        Some("build") => DependencyKind::Build,
        _ => DependencyKind::Normal,
    };
    Ok(Dependency { name: text(value, "name")?.to_owned(), kind, ours: value.get("path").is_some() })
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("cargo metadata: no text `{key}`"))
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a [Value]> {
    let list = value.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).with_context(|| format!("cargo metadata: no list `{key}`"))
}

fn relative(path: &str, root: &Path) -> Result<String> {
    let path = Path::new(path);
    let below =
        path.strip_prefix(root).with_context(|| format!("{}: outside the workspace", path.display()))?;
    Ok(below.to_string_lossy().replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metadata, workspace_root};

    #[test]
    fn the_members_are_read_with_their_roots_and_arrows() {
        let root = workspace_root().unwrap();
        let packages = read(&metadata(&root).unwrap(), &root).unwrap();
        let engine = packages.iter().find(|package| package.name == "typecase-engine").unwrap();
        assert_eq!(engine.manifest, "runtime/engine/Cargo.toml");
        assert_eq!(engine.crate_roots, ["runtime/engine/src/lib.rs"]);
        let text = engine.dependencies.iter().find(|dependency| dependency.name == "typecase-text").unwrap();
        assert!(text.ours && text.kind == DependencyKind::Normal);
    }
}
