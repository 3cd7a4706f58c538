//! What must stand beside each shipped model, and in the change log.

use super::{Tree, Violation};

const CHANGELOG: &str = "CHANGELOG.md";

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = models(tree);
    violations.extend(changelog(tree));
    violations
}

/// Every case has a recipe and a card of the same name.
fn models(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files() {
        let Some(stem) = file.path.strip_suffix(".case").filter(|path| path.starts_with("models/")) else {
            continue;
        };
        for (ending, what) in [("toml", "recipe"), ("md", "card")] {
            let wanted = format!("{stem}.{ending}");
            if !tree.has(&wanted) {
                violations.push(Violation::new(
                    &file.path,
                    1,
                    format!("case without a {what}, {wanted} needed"),
                ));
            }
        }
    }
    violations
}

fn changelog(tree: &Tree) -> Option<Violation> {
    let Some(text) = tree.text(CHANGELOG) else {
        return Some(Violation::new(
            CHANGELOG,
            1,
            "no change log, one with an `## Unreleased` section needed",
        ));
    };
    let is_unreleased = |line: &str| line.starts_with("## ") && line.contains("Unreleased");
    let message = "no `## Unreleased` section, one needed on top";
    (!text.lines().any(is_unreleased)).then(|| Violation::new(CHANGELOG, 1, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn a_case_needs_its_recipe_and_its_card() {
        let log = (CHANGELOG, "# Changes\n\n## Unreleased\n");
        let (case, recipe, card) = (("models/a.case", ""), ("models/a.toml", ""), ("models/a.md", ""));
        assert!(messages(&[log, case, recipe, card]).is_empty());
        assert_eq!(
            messages(&[log, case, recipe]),
            ["models/a.case:1: case without a card, models/a.md needed"]
        );
        assert_eq!(messages(&[log, case]).len(), 2);
        assert!(messages(&[log, ("tests/golden/bad/a.case", "")]).is_empty());
    }

    #[test]
    fn the_change_log_has_an_unreleased_section() {
        assert!(messages(&[(CHANGELOG, "## [Unreleased]\n")]).is_empty());
        assert_eq!(messages(&[(CHANGELOG, "Unreleased\n")]).len(), 1);
        assert_eq!(messages(&[]).len(), 1);
    }
}
