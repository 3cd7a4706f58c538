//! What the manifest of every member takes from the workspace.

use toml::{Table, Value};

use super::{Package, Tree, Violation};

pub(super) fn check(packages: &[Package], tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in packages {
        let path = &package.manifest;
        let Some(text) = tree.text(path) else { continue };
        match text.parse::<Table>() {
            Ok(manifest) => manifest_rules(path, &manifest, tree, &mut violations),
            Err(error) => violations.push(Violation::new(path, 1, format!("not TOML: {}", error.message()))),
        }
    }
    violations
}

fn manifest_rules(path: &str, manifest: &Table, tree: &Tree, violations: &mut Vec<Violation>) {
    if !is_inherited(manifest.get("lints")) {
        let message = "lints of its own, `[lints] workspace = true` needed";
        violations.push(Violation::new(path, 1, message));
    }
    let edition = manifest.get("package").and_then(|package| package.get("edition"));
    if !is_inherited(edition) {
        let message = "edition of its own, `edition.workspace = true` needed";
        violations.push(Violation::new(path, tree.manifest_line(path, "edition"), message));
    }
    for table in dependency_tables(manifest) {
        for (name, value) in table {
            if !is_inherited(Some(value)) && value.get("path").is_none() {
                let message = format!(
                    "dependency {name} has a version of its own, `{name}.workspace = true` needed (versions stand \
                     in [workspace.dependencies])"
                );
                violations.push(Violation::new(path, tree.manifest_line(path, name), message));
            }
        }
    }
}

/// The tables of dependencies of every kind, those for single targets included.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table);
    let holders = targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table));
    let holders = std::iter::once(manifest).chain(holders);
    holders.flat_map(|holder| KINDS.iter().filter_map(|kind| holder.get(*kind)?.as_table())).collect()
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"p\"\nedition.workspace = true\n[lints]\nworkspace = true\n";

    fn found(text: &str) -> Vec<(usize, String)> {
        let package = Package {
            name: "p".to_owned(),
            manifest: "p/Cargo.toml".to_owned(),
            crate_roots: Vec::new(),
            dependencies: Vec::new(),
        };
        let violations = check(&[package], &Tree::of(&[("p/Cargo.toml", text)]));
        violations.into_iter().map(|violation| (violation.line, violation.message)).collect()
    }

    #[test]
    fn a_member_that_inherits_everything_passes() {
        let text = format!(
            "{GOOD}[dependencies]\na.workspace = true\nb = {{ workspace = true, features = [\"x\"] }}\n\
             ours = {{ path = \"../ours\" }}\n"
        );
        assert_eq!(found(&text), []);
    }

    #[test]
    fn every_value_of_its_own_is_reported_with_its_line() {
        let text = format!(
            "{GOOD}[dependencies]\na = \"1\"\n[dev-dependencies.b]\nversion = \"1\"\n\
             [target.'cfg(unix)'.build-dependencies]\nc = {{ git = \"g\" }}\n"
        );
        let lines: Vec<_> = found(&text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [7, 8, 11]);
        let bare = found("[package]\nname = \"p\"\nedition = \"2021\"\n");
        assert_eq!(bare.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_broken_manifest_is_a_violation_of_its_own() {
        assert!(found("[package").iter().any(|(_, message)| message.starts_with("not TOML")));
    }
}
