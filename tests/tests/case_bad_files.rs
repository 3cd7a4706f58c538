//! Named bad files: each breaks one rule, and must be refused with the error that names it.
//!
//! The files are recipes, so that one can read what is wrong with each; the messages stand in
//! `golden/bad_cases.txt`, which `UPDATE_GOLDEN=1` writes anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use typecase_engine::{Case, Error, Integrity, Kind};
use typecase_tests::{CaseParts, Scratch, minimal_case, seal};

#[path = "case_bad_files/container.rs"]
mod container;
#[path = "case_bad_files/sections.rs"]
mod sections;
#[path = "case_bad_files/subword.rs"]
mod subword;

/// A file and why it must be refused.
struct BadFile {
    name: &'static str,
    file: Vec<u8>,
    error: Error,
}

/// All bad files, added one by one.
#[derive(Default)]
struct BadFiles(Vec<BadFile>);

impl BadFiles {
    fn all() -> Self {
        let mut files = Self::default();
        container::add(&mut files);
        sections::add(&mut files);
        sections::add_bags(&mut files);
        subword::add(&mut files);
        files
    }

    /// The minimal case with changed bytes and digests that no longer match.
    fn raw(&mut self, name: &'static str, change: impl FnOnce(&mut Vec<u8>), error: impl Into<Error>) {
        let mut file = minimal_case();
        change(&mut file);
        self.0.push(BadFile { name, file, error: error.into() });
    }

    /// The minimal case with changed bytes and digests made right for them.
    fn sealed(&mut self, name: &'static str, change: impl FnOnce(&mut Vec<u8>), error: impl Into<Error>) {
        let change = |file: &mut Vec<u8>| {
            change(file);
            seal(file);
        };
        self.raw(name, change, error);
    }

    /// The minimal case laid out from changed parts.
    fn parts(&mut self, name: &'static str, change: impl FnOnce(&mut CaseParts), error: impl Into<Error>) {
        let mut parts = CaseParts::minimal();
        change(&mut parts);
        self.0.push(BadFile { name, file: parts.build(), error: error.into() });
    }

    /// The minimal case with a sub-word tokenizer, laid out from changed parts.
    fn subword(&mut self, name: &'static str, change: impl FnOnce(&mut CaseParts), error: impl Into<Error>) {
        let mut parts = CaseParts::subword("wordpiece");
        change(&mut parts);
        self.0.push(BadFile { name, file: parts.build(), error: error.into() });
    }

    /// The minimal case with one changed section.
    fn section(
        &mut self,
        name: &'static str,
        kind: Kind,
        change: impl FnOnce(&mut Vec<u8>),
        error: impl Into<Error>,
    ) {
        self.parts(name, |parts| change(parts.section(kind)), error);
    }
}

/// The answer of a program that opens the file and runs its golden vectors.
fn answer(file: &[u8]) -> Result<(), Error> {
    let case = Case::parse_with(file, Integrity::Digest)?;
    case.verify(&mut Scratch::new().memory()).map(drop)
}

#[test]
fn every_bad_file_is_refused_with_its_error_and_message() {
    let files = BadFiles::all().0;
    assert!(files.len() >= 100, "{} bad files", files.len());
    let names: BTreeSet<_> = files.iter().map(|bad| bad.name).collect();
    assert_eq!(names.len(), files.len(), "two bad files have the same name");

    let mut wrong = String::new();
    let mut messages = String::new();
    for BadFile { name, file, error } in &files {
        let found = answer(file);
        if found != Err(*error) {
            writeln!(wrong, "{name}: expected {error:?}, found {found:?}").unwrap();
        }
        writeln!(messages, "{name}: {error}").unwrap();
    }
    assert!(wrong.is_empty(), "\n{wrong}");

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/bad_cases.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &messages).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    assert_eq!(messages, expected, "messages differ from {}, see the README beside it", golden.display());
}

#[test]
fn every_error_that_a_file_can_cause_has_a_bad_file() {
    let files = BadFiles::all().0;
    let codes: BTreeSet<_> = files.iter().map(|bad| bad.error.code()).collect();
    // 103 is too little memory, which no file causes, and 105 a build without the sub-word tokenizer.
    let expected: BTreeSet<_> = (1..=22).chain([100, 101, 102, 104]).chain(201..=210).collect();
    assert_eq!(codes, expected);

    // The errors inside an error, by their names; `SpecError::NoBytes` is seen before, as a text limit of 0.
    let shown: String = files.iter().map(|bad| format!("{:?}\n", bad.error)).collect();
    let vocabulary = [
        "TooShort",
        "Count",
        "FingerprintBits",
        "StartWidth",
        "Reserved",
        "Length",
        "Starts",
        "Fingerprints",
    ];
    let missing: Vec<_> = vocabulary.iter().filter(|v| !shown.contains(&format!("Vocabulary({v}"))).collect();
    assert!(missing.is_empty(), "no bad vocabulary for {missing:?}");
    assert!(shown.contains("Text(WordOrder") && shown.contains("Text(CharacterOrders"));
}

#[test]
fn what_a_later_version_may_add_is_accepted() {
    let mut parts = CaseParts::minimal();
    for kind in [10, 63, 64, 1000, u32::MAX] {
        parts.sections.push((Kind(kind), 1, b"for later readers".to_vec()));
    }
    let mut file = parts.build();
    assert_eq!(answer(&file), Ok(()));
    assert_eq!(Case::parse(file.as_slice()).unwrap().sections().count(), 12);
    for minor in [1, u64::from(u16::MAX)] {
        typecase_tests::put(&mut file, typecase_tests::header::MINOR, minor);
        seal(&mut file);
        assert_eq!(answer(&file), Ok(()), "minor version {minor}");
    }
}
