//! `cargo xtask test`: every check of the project, and one count at the end.
//!
//! The steps run in a fixed order and a failed one stops nothing, so that one run shows everything. Each step that is
//! not the test suite counts as one test. Skips of every kind are listed at the end: a step that lacks its tool, a
//! test marked `#[ignore]`, and a test that reported itself through [`crate::skip`].

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::skip::{PREFIX, SKIP_LOG};
use crate::{cargo, full, metadata, setup, tidy};

mod libtest;

/// The environment variable that gives the tests the path of the built command.
pub const TYPECASE_BIN: &str = "TYPECASE_BIN";

/// Features that train encoders on a GPU.
const ON_GPU: [&str; 2] = ["cuda", "vulkan"];
/// The heading of the tests that need burn.
const ENCODERS: &str = "tests of the training of encoders";

/// Packages that must build alone, without a standard library.
const NO_STD_PACKAGES: &[&str] = &["typecase-text", "typecase-case", "typecase-kernels", "typecase-engine"];

/// What is checked on this machine of the targets that are workspaces of their own.
const OTHER_WORKSPACES: &[(&str, &[&str])] = &[
    ("targets/mcu", &["fmt", "--check"]),
    (
        "targets/mcu",
        &["clippy", "--locked", "--features", "tokens,encoder", "--all-targets", "--", "-D", "warnings"],
    ),
    (
        "targets/mcu",
        &["clippy", "--locked", "--features", "board,tokens,encoder", "--bins", "--", "-D", "warnings"],
    ),
    ("targets/mcu", &["test", "--locked", "--features", "tokens,encoder", "--lib"]),
    ("targets/wasm", &["fmt", "--check"]),
    ("targets/wasm", &["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]),
    ("targets/wasm", &["test", "--locked", "--lib"]),
    ("tests/bare", &["fmt", "--check"]),
    ("tests/bare", &["clippy", "--locked", "--", "-D", "warnings"]),
];

/// Runs every check, prints what happened, and ends with the line `N passed, N failed, N skipped`.
///
/// With a filter, arguments for libtest, only the command is built and the tests that match are run.
///
/// Returns whether nothing failed.
///
/// # Errors
///
/// When the run itself cannot go on; a check that fails is no error.
pub fn run(root: &Path, filter: &[&str]) -> Result<bool> {
    let mut run = Run { root, target: target_folder(root)?, full: full::named(), tally: Tally::default() };
    if filter.is_empty() {
        run.every_check()?;
    } else {
        run.step("build of the command", Run::command)?;
        // Minutes when it is built anew: only what was built before is kept up to date here.
        if run.full.is_none() && full::built_before(root)?.is_some() {
            run.full_command()?;
        }
        run.tests(filter)?;
    }
    run.tally.print();
    Ok(run.tally.failed == 0)
}

/// How a step ended.
enum Outcome {
    Passed,
    /// What went wrong, in one line.
    Failed(String),
    /// What it lacks, in one line.
    Skipped(String),
}

/// What is known of all steps so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Vec<String>,
    skips: Vec<String>,
}

impl Tally {
    fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(what) => {
                self.failed += 1;
                self.failures.push(format!("FAILED: {name}: {what}"));
            }
            Outcome::Skipped(why) => {
                self.skipped += 1;
                self.skips.push(format!("{PREFIX} {name}: {why}"));
            }
        }
    }

    /// Adds what libtest counted, and the skips that its tests reported: such a test has passed for libtest only.
    fn add_tests(&mut self, counts: libtest::Counts, ended_well: bool, reported: Vec<String>) {
        let broken = usize::from(!ended_well && counts.failed + counts.crashed == 0);
        let failed = counts.failed + counts.crashed + broken;
        self.passed += counts.passed.saturating_sub(reported.len());
        self.failed += failed;
        self.skipped += counts.ignored + reported.len();
        if failed > 0 {
            let libtest::Counts { failed, crashed, .. } = counts;
            let build = if broken > 0 { "; the tests could not be built or run" } else { "" };
            self.failures
                .push(format!("FAILED: tests: {failed} failed, {crashed} test programs crashed{build}"));
        }
        if counts.ignored > 0 {
            self.skips.push(format!(
                "{PREFIX} {} tests are marked #[ignore], see `... ignored` above",
                counts.ignored
            ));
        }
        self.skips.extend(reported);
    }

    fn print(&self) {
        println!("\n==> summary");
        for line in self.skips.iter().chain(&self.failures) {
            println!("{line}");
        }
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
    }
}

struct Run<'a> {
    root: &'a Path,
    /// Where cargo builds.
    target: PathBuf,
    /// The command with every engine.
    full: Option<PathBuf>,
    tally: Tally,
}

impl Run<'_> {
    fn every_check(&mut self) -> Result<()> {
        println!("==> setup");
        if let Err(error) = setup::run(self.root) {
            self.tally.add("setup", Outcome::Failed(format!("{error:#}")));
        }
        self.step("format", |run| run.cargo(&["fmt", "--all", "--check"]))?;
        self.step("clippy", Run::clippy)?;
        self.step("tidy", |run| run.tidy())?;
        self.step("build of the command", Run::command)?;
        if self.full.is_none() {
            self.full_command()?;
        }
        self.step("no_std, each crate alone", |run| run.no_std(&[]))?;
        self.step("no_std, bare metal", Run::bare_metal)?;
        self.step("targets that are workspaces of their own", Run::other_workspaces)?;
        self.tests(&[])?;
        self.encoders()?;
        self.step("documentation", Run::documentation)?;
        self.step("licences and sources", Run::deny)
    }

    /// Runs a check under a heading, and counts it as one test.
    fn step(&mut self, name: &str, check: impl FnOnce(&Self) -> Result<Outcome>) -> Result<()> {
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = check(self).with_context(|| name.to_owned())?;
        let word = match &outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(what) => format!("FAILED: {what}"),
            Outcome::Skipped(why) => format!("{PREFIX} {why}"),
        };
        println!("<== {name}: {word} ({:.1} s)", start.elapsed().as_secs_f64());
        self.tally.add(name, outcome);
        Ok(())
    }

    fn cargo(&self, args: &[&str]) -> Result<Outcome> {
        finish(cargo(self.root).args(args))
    }

    /// With every feature but those that train on a GPU: `vulkan` takes a quarter of an hour to compile, and what `cuda`
    /// stands on downloads a compiler.
    fn clippy(&self) -> Result<Outcome> {
        let metadata = metadata(self.root)?;
        let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
        let mut features = Vec::new();
        for package in packages {
            let name = package.get("name").and_then(Value::as_str).context("cargo metadata: no `name`")?;
            let own = package.get("features").and_then(Value::as_object).into_iter().flatten();
            let own = own.map(|(feature, _)| feature).filter(|feature| !ON_GPU.contains(&feature.as_str()));
            features.extend(own.map(|feature| format!("{name}/{feature}")));
        }
        let features = features.join(",");
        self.cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            &features,
            "--",
            "-D",
            "warnings",
        ])
    }

    fn tidy(&self) -> Result<Outcome> {
        let violations = match tidy::check(self.root) {
            Ok(violations) => violations,
            Err(error) => return Ok(Outcome::Failed(format!("{error:#}"))),
        };
        for violation in &violations {
            println!("{violation}");
        }
        Ok(match violations.len() {
            0 => Outcome::Passed,
            count => Outcome::Failed(format!("{count} violations, 0 allowed")),
        })
    }

    fn command(&self) -> Result<Outcome> {
        self.cargo(&["build", "--release", "--package", "typecase-cli"])
    }

    /// The command with every engine, which its tests name by a variable of their own.
    fn full_command(&mut self) -> Result<()> {
        let mut built = None;
        self.step("build of the command with every engine", |run| {
            match full::build(run.root) {
                Ok(Some(path)) => built = Some(path),
                Ok(None) => return Ok(Outcome::Skipped(full::ABSENT.to_owned())),
                Err(error) => return Ok(Outcome::Failed(format!("{error:#}"))),
            }
            Ok(Outcome::Passed)
        })?;
        self.full = built;
        Ok(())
    }

    /// Builds each crate by itself, so that no other package switches its features on.
    fn no_std(&self, options: &[&str]) -> Result<Outcome> {
        for package in NO_STD_PACKAGES {
            let build = ["build", "--no-default-features", "--package", package];
            if let Outcome::Failed(what) = self.cargo(&[&build, options].concat())? {
                return Ok(Outcome::Failed(format!("{package}: {what}")));
            }
        }
        Ok(Outcome::Passed)
    }

    /// The same for a target that has no standard library, where a dependency that needs one cannot hide.
    fn bare_metal(&self) -> Result<Outcome> {
        let target = setup::BARE_METAL_TARGET;
        if !setup::has_bare_metal_target() {
            return Ok(Outcome::Skipped(format!("no target; `rustup target add {target}` installs it")));
        }
        self.no_std(&["--target", target])
    }

    fn other_workspaces(&self) -> Result<Outcome> {
        let target = self.target.join("xtask/host");
        for (folder, args) in OTHER_WORKSPACES {
            let mut check = cargo(&self.root.join(folder));
            if let Outcome::Failed(what) = finish(check.args(*args).env("CARGO_TARGET_DIR", &target))? {
                return Ok(Outcome::Failed(format!("{folder}: cargo {}: {what}", args.join(" "))));
            }
        }
        Ok(Outcome::Passed)
    }

    fn documentation(&self) -> Result<Outcome> {
        let mut doc = cargo(self.root);
        finish(doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }

    /// Advisories are left out: they need the network, and change without any change of ours.
    fn deny(&self) -> Result<Outcome> {
        let version = cargo(self.root).args(["deny", "--version"]).output();
        if !version.is_ok_and(|output| output.status.success()) {
            let why = "no cargo-deny; `cargo install cargo-deny --locked` installs it";
            return Ok(Outcome::Skipped(why.to_owned()));
        }
        self.cargo(&["deny", "check", "bans", "licenses", "sources"])
    }

    /// The test suite, which counts each of its tests.
    fn tests(&mut self, filter: &[&str]) -> Result<()> {
        let mut suite = cargo(self.root);
        suite.args(["test", "--workspace", "--no-fail-fast"]);
        if !filter.is_empty() {
            suite.arg("--").args(filter);
        }
        self.suite("tests", suite)
    }

    /// Tests of the training of encoders: the library that they stand on takes minutes to build.
    fn encoders(&mut self) -> Result<()> {
        if env::var_os("CI").is_none() {
            let why =
                "minutes to build; `cargo test --release -p typecase-train --features encoders` runs them";
            return self.step(ENCODERS, |_| Ok(Outcome::Skipped(why.to_owned())));
        }
        let mut suite = cargo(self.root);
        suite.args(["test", "--package", "typecase-train", "--features", "encoders", "--no-fail-fast"]);
        suite.args(["--lib", "encoder::"]);
        self.suite(ENCODERS, suite)
    }

    /// Runs tests, and counts each of them.
    fn suite(&mut self, name: &str, mut suite: Command) -> Result<()> {
        println!("\n==> {name}");
        let start = Instant::now();
        let log = self.target.join("typecase-skips.log");
        fs::create_dir_all(&self.target)
            .with_context(|| format!("{}: cannot create", self.target.display()))?;
        fs::write(&log, "").with_context(|| format!("{}: cannot write", log.display()))?;
        suite.env(SKIP_LOG, &log).env(TYPECASE_BIN, self.binary());
        if let Some(full) = &self.full {
            suite.env(full::TYPECASE_FULL_BIN, full);
        }
        let (counts, ended_well) = libtest::run(&mut suite)?;
        let reported = fs::read_to_string(&log).with_context(|| format!("{}: cannot read", log.display()))?;
        self.tally.add_tests(counts, ended_well, reported.lines().map(str::to_owned).collect());
        println!("<== {name} ({:.1} s)", start.elapsed().as_secs_f64());
        Ok(())
    }

    /// The built command.
    fn binary(&self) -> PathBuf {
        self.target.join("release").join(format!("typecase{}", env::consts::EXE_SUFFIX))
    }
}

/// Lets a program run with our output, and says how it ended.
fn finish(command: &mut Command) -> Result<Outcome> {
    let status =
        command.status().with_context(|| format!("{}: cannot start", command.get_program().display()))?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) })
}

/// Where cargo builds, as the environment and its settings say; an absolute path.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root)?;
    let folder = metadata.get("target_directory").and_then(Value::as_str);
    Ok(PathBuf::from(folder.context("cargo metadata: no text `target_directory`")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtest::Counts;

    fn numbers(tally: &Tally) -> (usize, usize, usize) {
        (tally.passed, tally.failed, tally.skipped)
    }

    #[test]
    fn each_step_counts_as_one_test() {
        let mut tally = Tally::default();
        tally.add("a", Outcome::Passed);
        tally.add("b", Outcome::Failed("exit status: 1".to_owned()));
        tally.add("c", Outcome::Skipped("no tool".to_owned()));
        assert_eq!(numbers(&tally), (1, 1, 1));
        assert_eq!(tally.failures, ["FAILED: b: exit status: 1"]);
        assert_eq!(tally.skips, ["SKIPPED: c: no tool"]);
    }

    #[test]
    fn a_test_that_reports_a_skip_is_not_counted_as_passed() {
        let mut tally = Tally::default();
        let counts = Counts { passed: 5, failed: 0, ignored: 1, crashed: 0 };
        tally.add_tests(counts, true, vec!["SKIPPED: accuracy: no data".to_owned()]);
        assert_eq!(numbers(&tally), (4, 0, 2));
        assert_eq!(tally.skips.len(), 2);
        assert!(tally.failures.is_empty());
    }

    #[test]
    fn a_suite_that_does_not_build_or_crashes_fails_even_with_no_failed_test() {
        let mut unbuilt = Tally::default();
        unbuilt.add_tests(Counts::default(), false, Vec::new());
        assert_eq!(numbers(&unbuilt), (0, 1, 0));
        let mut crashed = Tally::default();
        crashed.add_tests(Counts { passed: 2, crashed: 1, ..Counts::default() }, false, Vec::new());
        assert_eq!(numbers(&crashed), (2, 1, 0));
        assert_eq!((unbuilt.failures.len(), crashed.failures.len()), (1, 1));
    }
}
