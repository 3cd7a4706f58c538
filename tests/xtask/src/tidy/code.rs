//! Where unsafe code may stand, and what each crate must promise at its root.

use crate::rust_source::{code_only, has_attribute, lines_with_word};

use super::{Package, Tree, Violation};

/// The keyword, taken apart from its lint.
const UNSAFE: &str = "unsafe";

/// Folders and files in which unsafe code may stand.
const UNSAFE_ALLOWED: &[&str] = &[
    "runtime/kernels/",
    "runtime/src/mmap.rs",
    "runtime/backends/ort/",
    "runtime/backends/wgpu/",
    // Device registers of a board, and the paint below its stack.
    "targets/mcu/src/board/memory.rs",
    // Exported names alone: `#[unsafe(no_mangle)]`.
    "targets/wasm/src/exports.rs",
    // No operating system: ports, the heap.
    "tests/bare/src/",
    "targets/ffi/",
];

/// The one crate root that may `deny` instead of `forbid`: a module below it is in [`UNSAFE_ALLOWED`].
const FACE: &str = "runtime/src/lib.rs";

/// Crates that must build without a standard library.
const NO_STD: &[&str] = &[
    "runtime/case/src/lib.rs",
    "runtime/engine/src/lib.rs",
    "runtime/kernels/src/lib.rs",
    "runtime/text/src/lib.rs",
];

pub(super) fn check(packages: &[Package], tree: &Tree) -> Vec<Violation> {
    let mut violations = unsafe_words(tree);
    for root in packages.iter().flat_map(|package| &package.crate_roots) {
        let Some(text) = tree.text(root) else { continue };
        let code = code_only(text);
        if !promises_safety(root, &code) {
            let allowed = if root == FACE { "forbid or deny" } else { "forbid" };
            let message = format!("crate root without #![forbid(unsafe_code)], {allowed} is needed here");
            violations.push(Violation::new(root, 1, message));
        }
        if NO_STD.contains(&root.as_str()) && !is_no_std(&code) {
            let message = "crate root without #![no_std], needed here (or #![cfg_attr(not(test), no_std)])";
            violations.push(Violation::new(root, 1, message));
        }
    }
    violations
}

fn unsafe_words(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files().iter().filter(|file| file.path.ends_with(".rs") && !may_be_unsafe(&file.path)) {
        let code = code_only(file.text.as_deref().unwrap_or_default());
        for line in lines_with_word(&code, UNSAFE) {
            let message = format!("unsafe code, allowed only under {}", UNSAFE_ALLOWED.join(", "));
            violations.push(Violation::new(&file.path, line, message));
        }
    }
    violations
}

fn may_be_unsafe(path: &str) -> bool {
    UNSAFE_ALLOWED.iter().any(|allowed| path.starts_with(allowed))
}

fn promises_safety(root: &str, code: &str) -> bool {
    may_be_unsafe(root)
        || has_attribute(code, "#![forbid(unsafe_code)]")
        || (root == FACE && has_attribute(code, "#![deny(unsafe_code)]"))
}

fn is_no_std(code: &str) -> bool {
    has_attribute(code, "#![no_std]") || has_attribute(code, "#![cfg_attr(not(test),no_std)]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let package = Package {
            name: "p".to_owned(),
            manifest: "Cargo.toml".to_owned(),
            crate_roots: vec![path.to_owned()],
            dependencies: Vec::new(),
        };
        let violations = check(&[package], &Tree::of(&[(path, text)]));
        violations.into_iter().map(|violation| (violation.line, violation.message)).collect()
    }

    #[test]
    fn each_rule_on_crate_roots_holds_where_it_should() {
        let rows: &[(&str, &str, usize)] = &[
            ("trainer/src/lib.rs", "#![forbid(unsafe_code)]", 0),
            ("trainer/src/lib.rs", "#![deny(unsafe_code)]", 1),
            ("trainer/src/lib.rs", "// #![forbid(unsafe_code)]", 1),
            ("trainer/src/lib.rs", "#![forbid(unsafe_code)]\nfn f() { unsafe { g() } }", 1),
            ("runtime/src/lib.rs", "#![deny(unsafe_code)]", 0),
            ("runtime/src/lib.rs", "", 1),
            ("runtime/kernels/src/lib.rs", "#![no_std]\nunsafe fn f() {}", 0),
            ("runtime/kernels/src/lib.rs", "", 1),
            ("runtime/text/src/lib.rs", "#![cfg_attr(not(test), no_std)]\n#![forbid(unsafe_code)]", 0),
            ("runtime/text/src/lib.rs", "#![cfg_attr(test, no_std)]", 2),
            ("targets/ffi/src/lib.rs", "unsafe extern \"C\" {}", 0),
        ];
        let wrong: Vec<_> = rows
            .iter()
            .map(|(path, text, count)| (path, text, found(path, text), count))
            .filter(|(.., found, count)| found.len() != **count)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn unsafe_code_is_reported_with_its_line() {
        let lines = found("trainer/src/lib.rs", "#![forbid(unsafe_code)]\n// unsafe\nunsafe {}");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].0, 3);
    }
}
