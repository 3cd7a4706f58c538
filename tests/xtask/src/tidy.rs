//! The rules of the source tree that no compiler checks.
//!
//! Every rule looks at the same snapshot of the files and returns all its [`Violation`]s, so that one run shows
//! everything there is to repair.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{codegen, metadata};

mod arrows;
mod code;
mod files;
mod manifests;
mod packages;
mod shipped;

pub(crate) use packages::{Dependency, DependencyKind, Package};

/// One broken rule, shown as `path:line: what is wrong, what is allowed`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the top folder, with forward slashes.
    pub path: String,
    /// The line, from 1; 1 also where the whole file is meant.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl Violation {
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Every violation in the workspace, in the order of the files.
///
/// # Errors
///
/// When the tree cannot be read: `cargo metadata` fails, a file is unreadable, a generator does not run.
pub fn check(root: &Path) -> Result<Vec<Violation>> {
    let tree = Tree::read(root)?;
    let packages = packages::read(&metadata(root)?, root)?;
    let mut violations = arrows::check(&packages, &tree);
    violations.extend(code::check(&packages, &tree));
    violations.extend(files::check(&tree));
    violations.extend(manifests::check(&packages, &tree));
    violations.extend(shipped::check(&tree));
    violations.extend(codegen::differences(root)?);
    violations.sort();
    Ok(violations)
}

/// The files that belong to the project: tracked by git, or new and not ignored.
pub(crate) struct Tree {
    files: Vec<SourceFile>,
}

/// A file of the project.
pub(crate) struct SourceFile {
    /// Relative to the top folder, with forward slashes.
    pub(crate) path: String,
    /// Size of the whole file in bytes.
    pub(crate) bytes: u64,
    /// Its content; `None` when it is binary, or too large to be source.
    pub(crate) text: Option<String>,
}

impl Tree {
    /// Files above this size are not read.
    const MAX_TEXT_BYTES: u64 = 8 << 20;

    fn read(root: &Path) -> Result<Self> {
        let paths = match tracked(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let full = root.join(&path);
            // A link is not followed, and a file that git still lists may be gone.
            let Some(found) = fs::symlink_metadata(&full).ok().filter(fs::Metadata::is_file) else {
                continue;
            };
            let text = if found.len() > Self::MAX_TEXT_BYTES {
                None
            } else {
                let content = fs::read(&full).with_context(|| format!("{path}: cannot read"))?;
                String::from_utf8(content).ok().filter(|text| !text.contains('\0'))
            };
            files.push(SourceFile { path, bytes: found.len(), text });
        }
        Ok(Self { files })
    }

    /// A tree of texts, for tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            bytes: text.len() as u64,
            text: Some((*text).to_owned()),
        };
        Self { files: files.iter().map(file).collect() }
    }

    pub(crate) fn files(&self) -> &[SourceFile] {
        &self.files
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    /// The text at a path, if the tree has it.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).and_then(|file| file.text.as_deref())
    }

    /// The line, from 1, on which a manifest speaks of a key or dependency; 1 when it does not.
    pub(crate) fn manifest_line(&self, manifest: &str, key: &str) -> usize {
        let names_key = |line: &str| {
            let line = line.trim().trim_matches('"');
            line.strip_suffix(']').is_some_and(|header| header.ends_with(&format!(".{key}")))
                || line.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
        };
        let text = self.text(manifest).unwrap_or_default();
        text.lines().position(names_key).map_or(1, |index| index + 1)
    }
}

/// What git lists, sorted, or `None` when this is no git checkout of its own.
fn tracked(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-co", "--exclude-standard", "-z"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).ok()?;
    let mut paths: Vec<String> =
        list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Some(paths)
}

/// Every file below the top folder, sorted, except in folders of build products and of git.
fn walked(root: &Path) -> Result<Vec<String>> {
    const LEFT_OUT: [&str; 3] = [".git", "out", "target"];
    let mut paths = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).with_context(|| format!("{folder}: cannot list"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if !entry.file_type()?.is_dir() {
                paths.push(path);
            } else if !LEFT_OUT.contains(&name.as_str()) {
                folders.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace_root;

    #[test]
    fn a_violation_is_one_line_that_an_editor_can_follow() {
        assert_eq!(
            Violation::new("a/b.rs", 7, "tab, spaces allowed").to_string(),
            "a/b.rs:7: tab, spaces allowed"
        );
    }

    #[test]
    fn both_ways_of_listing_find_the_sources_and_no_build_products() {
        let root = workspace_root().unwrap();
        let walked = walked(&root).unwrap();
        for paths in [Some(walked), tracked(&root)].into_iter().flatten() {
            assert!(paths.iter().any(|path| path == "tests/xtask/src/tidy.rs"));
            assert!(!paths.iter().any(|path| path.starts_with("target/")));
        }
    }

    #[test]
    fn the_line_of_a_dependency_is_found_in_each_way_of_writing_it() {
        let text = "[dependencies]\nab.workspace = true\na = \"1\"\n\n[dependencies.b]\n\"c\" = \"1\"\n";
        let tree = Tree::of(&[("Cargo.toml", text)]);
        let lines: Vec<_> = ["a", "b", "c", "d"].map(|key| tree.manifest_line("Cargo.toml", key)).into();
        assert_eq!(lines, [3, 5, 6, 1]);
    }
}
