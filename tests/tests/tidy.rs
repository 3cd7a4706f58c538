//! The source tree keeps its rules: the same checks as `cargo xtask tidy`.

#[test]
fn the_source_tree_breaks_none_of_its_rules() {
    let root = xtask::workspace_root().unwrap();
    let violations = xtask::tidy::check(&root).unwrap();
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}
