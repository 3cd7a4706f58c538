//! The list of what targets cannot do.

use std::path::Path;

use xtask::targets::Target;

/// Entries of the list. Lower it with the list; it is never raised.
const CEILING: usize = 8;

/// `conformance/skips.txt`.
pub(crate) struct Skips(Vec<Entry>);

struct Entry {
    target: String,
    check: String,
    reason: String,
}

impl Skips {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/skips.txt");
        Self::parse(&std::fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let entry = |line: &str| {
            let (target, rest) = line.split_once(' ')?;
            let (check, reason) = rest.split_once(": ")?;
            Some(Entry { target: target.to_owned(), check: check.to_owned(), reason: reason.to_owned() })
        };
        Self(
            lines
                .map(|line| entry(line).unwrap_or_else(|| panic!("no `target check: reason`: {line}")))
                .collect(),
        )
    }

    /// Why a target need not pass a check; `None` if it must.
    pub(crate) fn reason(&self, target: Target, check: &str) -> Option<&str> {
        let entry = self.0.iter().find(|entry| entry.target == target.name() && entry.check == check);
        entry.map(|entry| entry.reason.as_str())
    }

    /// Fails for an entry that stands for nothing, and for a list that is not of the length that it may have.
    pub(crate) fn check(&self, checks: &[String]) {
        let targets = Target::ALL.map(Target::name);
        for (index, Entry { target, check, reason }) in self.0.iter().enumerate() {
            assert!(targets.contains(&target.as_str()), "{target} is no target, allowed are {targets:?}");
            assert!(checks.contains(check), "{check} is no check, allowed are {checks:?}");
            assert!(reason.trim().len() > 10, "{target} {check}: no reason");
            let before = &self.0[..index];
            let twice = before.iter().any(|other| other.target == *target && other.check == *check);
            assert!(!twice, "{target} {check} stands there twice");
        }
        let found = self.0.len();
        assert!(found <= CEILING, "{found} skips, {CEILING} allowed: the list may only shrink");
        assert!(
            found == CEILING,
            "{found} skips: lower CEILING from {CEILING}, so that the list stays short"
        );
    }
}
