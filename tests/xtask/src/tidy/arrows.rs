//! Which of our packages may depend on which.

use super::{Dependency, DependencyKind, Package, Tree, Violation};

/// Where [`ARROWS`] stands, for messages.
const HERE: &str = "tests/xtask/src/tidy/arrows.rs";

/// Every package that others may depend on, with the packages of ours that it may depend on itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("typecase-text", &[]),
    ("typecase-case", &[]),
    ("typecase-kernels", &[]),
    ("typecase-engine", &["typecase-text", "typecase-case", "typecase-kernels"]),
    ("typecase-onnx", &["typecase-case", "typecase-kernels", "typecase-engine"]),
    ("typecase-tract", &["typecase-case", "typecase-engine", "typecase-onnx"]),
    ("typecase-ort", &["typecase-case", "typecase-engine", "typecase-onnx"]),
    ("typecase-wgpu", &["typecase-case", "typecase-engine"]),
    ("typecase-store", &["typecase-case", "typecase-engine"]),
    ("typecase", &["typecase-engine", "typecase-tract", "typecase-ort", "typecase-wgpu", "typecase-store"]),
    (
        "typecase-convert",
        &["typecase-case", "typecase-text", "typecase-kernels", "typecase-engine", "typecase-onnx"],
    ),
    ("typecase-train", &["typecase-text", "typecase-case", "typecase-convert"]),
];

/// Folders of leaves: their packages may depend on anything of ours, and nothing on them.
const LEAVES: &[&str] = &["targets/", "tests/", "benches/"];

/// Packages that run on the host only: nothing under `runtime/` uses them, not even in its tests.
const HOST_ONLY: &[&str] = &["typecase-convert", "typecase-train"];

pub(super) fn check(packages: &[Package], tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in packages {
        if !is_leaf(package) && arrows_of(&package.name).is_none() {
            let message = format!(
                "package {} is not in the table of dependencies, add it to ARROWS in {HERE}",
                package.name
            );
            violations.push(Violation::new(&package.manifest, 1, message));
            continue;
        }
        for dependency in package.dependencies.iter().filter(|dependency| dependency.ours) {
            if let Some(message) = wrong(package, dependency, packages) {
                let line = tree.manifest_line(&package.manifest, &dependency.name);
                violations.push(Violation::new(&package.manifest, line, message));
            }
        }
    }
    violations
}

/// What is wrong with an arrow between two packages of ours, and what is allowed.
fn wrong(package: &Package, dependency: &Dependency, packages: &[Package]) -> Option<String> {
    let (from, to) = (&package.name, &dependency.name);
    if dependency.kind == DependencyKind::Dev {
        let forbidden = package.manifest.starts_with("runtime/") && HOST_ONLY.contains(&to.as_str());
        return forbidden.then(|| {
            format!(
                "{from} uses {to} in its tests, a package under runtime/ may not; such tests go to tests/"
            )
        });
    }
    if packages.iter().any(|other| other.name == *to && is_leaf(other)) {
        return Some(format!("{from} depends on {to}, which is a leaf: no package may"));
    }
    if is_leaf(package) {
        return None;
    }
    let allowed = arrows_of(from)?;
    if allowed.contains(&to.as_str()) {
        return None;
    }
    let allowed = if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
    Some(format!("{from} depends on {to}, allowed: {allowed} (the table is in {HERE})"))
}

fn is_leaf(package: &Package) -> bool {
    LEAVES.iter().any(|folder| package.manifest.starts_with(folder))
}

fn arrows_of(name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(package, _)| *package == name).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, arrows: &[(&str, DependencyKind)]) -> Package {
        let dependency = |(name, kind): &(&str, DependencyKind)| Dependency {
            name: (*name).to_owned(),
            kind: *kind,
            ours: true,
        };
        Package {
            name: name.to_owned(),
            manifest: format!("{folder}/Cargo.toml"),
            crate_roots: Vec::new(),
            dependencies: arrows.iter().map(dependency).collect(),
        }
    }

    fn messages(packages: &[Package]) -> Vec<String> {
        check(packages, &Tree::of(&[])).into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn the_table_points_only_downwards() {
        for (index, (name, allowed)) in ARROWS.iter().enumerate() {
            for other in *allowed {
                let below = ARROWS.iter().position(|(package, _)| package == other);
                assert!(below.is_some_and(|below| below < index), "{name} -> {other}");
            }
        }
    }

    #[test]
    fn each_forbidden_arrow_is_named_and_each_allowed_one_passes() {
        use DependencyKind::{Build, Dev, Normal};
        let rows: &[(&str, &str, &str, DependencyKind, bool)] = &[
            ("typecase-engine", "runtime/engine", "typecase-text", Normal, true),
            ("typecase-engine", "runtime/engine", "typecase-convert", Normal, false),
            ("typecase-text", "runtime/text", "typecase-case", Normal, false),
            ("typecase-text", "runtime/text", "typecase-case", Build, false),
            ("typecase-text", "runtime/text", "typecase-case", Dev, true),
            ("typecase-text", "runtime/text", "typecase-train", Dev, false),
            ("typecase-train", "trainer", "typecase", Normal, false),
            ("typecase-train", "trainer", "typecase-convert", Normal, true),
            ("typecase-convert", "converter", "typecase-train", Normal, false),
            ("typecase-convert", "converter", "typecase-train", Dev, true),
            ("typecase-cli", "targets/cli", "typecase-train", Normal, true),
            ("typecase-train", "trainer", "xtask", Normal, false),
            ("typecase-tests", "tests", "xtask", Dev, true),
            ("typecase-benches", "benches", "xtask", Normal, false),
        ];
        let mut wrong = Vec::new();
        for (from, folder, to, kind, allowed) in rows {
            let packages = [package(from, folder, &[(to, *kind)]), package("xtask", "tests/xtask", &[])];
            let found = messages(&packages);
            if found.is_empty() != *allowed {
                wrong.push((from, to, kind, found));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_new_package_is_told_where_to_be_added() {
        let found = messages(&[package("typecase-new", "runtime/new", &[])]);
        assert!(found.len() == 1 && found[0].contains("ARROWS") && found[0].contains(HERE), "{found:?}");
        assert!(messages(&[package("typecase-new", "targets/new", &[])]).is_empty());
    }
}
