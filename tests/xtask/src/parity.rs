//! `cargo xtask parity`: the exact scores of every engine, interface and CPU on the same texts, one checksum each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::targets::{Answer, Programs, Ran, Ready, Target};
use crate::{cargo, cross, full, test_run, texts};

mod encoders;

const CASES: [&str; 4] = ["news-16k", "news-64k", "news-256k", "news-1m"];
/// Texts that the firmware is given: its emulator counts instructions and takes its time.
const FIRMWARE_ITEMS: usize = 256;
const HEADINGS: [&str; 7] = ["target", "what ran", "case", "items", "checksum", "equal", "seconds"];

/// What was found so far.
struct Run<'a> {
    root: &'a Path,
    texts: &'a [Vec<u8>],
    /// The answers of the first target, by case.
    first: Vec<(String, Vec<Answer>)>,
    rows: Vec<[String; HEADINGS.len()]>,
    skipped: Vec<String>,
    wrong: Vec<String>,
}

/// What the words behind `parity` ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments<'a> {
    /// Texts for each target; all, if there is no number.
    items: Option<usize>,
    /// A case with an encoder, beside the one of random numbers.
    encoder: Option<&'a Path>,
}

/// The words, taken apart; `None` if they make no sense.
#[must_use]
pub fn arguments<'a>(words: &[&'a str]) -> Option<Arguments<'a>> {
    let mut found = Arguments::default();
    for pair in words.chunks(2) {
        match *pair {
            ["--items", count] => found.items = Some(count.parse().ok().filter(|count| *count > 0)?),
            ["--encoder", path] => found.encoder = Some(Path::new(path)),
            _ => return None,
        }
    }
    Some(found)
}

/// Asks every target about the texts and prints the table: cases with a bag, then those with an encoder. Returns whether
/// all that ran gave equal scores.
///
/// # Errors
///
/// When the texts cannot be read, or the program of the first rows does not build.
pub fn main(root: &Path, words: &[&str]) -> Result<bool> {
    let Arguments { items, encoder } = arguments(words).unwrap_or_default();
    let read = texts::read(root)?;
    let count = items.unwrap_or(read.lines.len()).min(read.lines.len());
    let mut run = Run {
        root,
        texts: &read.lines[..count],
        first: Vec::new(),
        rows: Vec::new(),
        skipped: Vec::new(),
        wrong: Vec::new(),
    };
    let full = match full_command(root) {
        Ok(found) => found.ok_or_else(|| full::ABSENT.to_owned()),
        Err(error) => {
            run.wrong.push(format!("FAILED: command with every engine: {error:#}"));
            Err("its command does not build".to_owned())
        }
    };
    let programs = Programs { scores: scores_program(root)?, full };
    for target in Target::ALL {
        eprintln!("==> {}", target.title());
        run.target(target, &programs);
    }
    encoders::rows(&mut run, &programs, encoder)?;
    println!("{count} {}, scores as 32-bit little-endian integers in their order, SHA-256\n", read.source);
    print!("{}", table(&run.rows));
    run.skipped.iter().for_each(|line| println!("{line}"));
    run.wrong.iter().for_each(|line| println!("{line}"));
    let (rows, skipped, wrong) = (run.rows.len(), run.skipped.len(), run.wrong.len());
    println!("\n{rows} rows, {} equal, {skipped} targets skipped, {wrong} wrong", rows - run.unequal());
    Ok(run.wrong.is_empty())
}

impl Run<'_> {
    fn target(&mut self, target: Target, programs: &Programs) {
        let name = target.title();
        match target.open(self.root, programs) {
            Ok(Ok(ready)) => {
                let held = |case: &&str| target.only_case().is_none_or(|only| only == *case);
                for case in CASES.into_iter().filter(held) {
                    if let Err(error) = self.row(&ready, case) {
                        self.wrong.push(format!("FAILED: {name}, {case}: {error:#}"));
                    }
                }
            }
            Ok(Err(absent)) => self.skipped.push(format!("SKIPPED: {name}: {absent}")),
            Err(error) => self.wrong.push(format!("FAILED: {name}: {error:#}")),
        }
    }

    fn row(&mut self, ready: &Ready, case: &'static str) -> Result<()> {
        let target = ready.target();
        let limit = if target == Target::Firmware { FIRMWARE_ITEMS } else { self.texts.len() };
        let fits = |text: &[u8]| target.line_bytes().is_none_or(|bytes| text.len() <= bytes);
        let path = path(self.root, case);
        self.compared(target.title(), case, limit, fits, |texts| ready.classify(&path, texts))
    }

    /// Asks for the first texts that fit, and adds a row. The first that is asked about a case is what the others are
    /// compared with.
    fn compared(
        &mut self,
        title: &str,
        case: &str,
        limit: usize,
        fits: impl Fn(&[u8]) -> bool,
        ask: impl FnOnce(&[Vec<u8>]) -> Result<Ran>,
    ) -> Result<()> {
        let chosen: Vec<usize> =
            (0..self.texts.len()).filter(|&at| fits(&self.texts[at])).take(limit).collect();
        let texts: Vec<Vec<u8>> = chosen.iter().map(|&at| self.texts[at].clone()).collect();
        let start = Instant::now();
        let Ran { report, answers } = ask(&texts)?;
        let seconds = start.elapsed().as_secs_f64();
        if !self.first.iter().any(|(other, _)| other == case) {
            self.first.push((case.to_owned(), answers.clone()));
        }
        let first = self.first.iter().find(|(other, _)| other == case).map(|(_, answers)| answers);
        let differs = match first {
            Some(first) => chosen
                .iter()
                .zip(&answers)
                .find(|(at, answer)| first.get(**at) != Some(*answer))
                .map(|(at, _)| *at),
            None => Some(0),
        };
        let equal = if differs.is_none() { "yes" } else { "no" };
        self.rows.push([
            title.to_owned(),
            report,
            case.to_owned(),
            texts.len().to_string(),
            checksum(&answers),
            equal.to_owned(),
            format!("{seconds:.1}"),
        ]);
        if let Some(at) = differs {
            let expected = first.and_then(|first| first.get(at).cloned());
            let found = chosen.iter().position(|other| *other == at).and_then(|index| answers.get(index));
            self.wrong.push(format!(
                "FAILED: {title}, {case}: item {at} is the first that differs: {found:?}, needed {expected:?}"
            ));
        }
        Ok(())
    }

    fn unequal(&self) -> usize {
        self.rows.iter().filter(|row| row[5] != "yes").count()
    }
}

/// The first half of SHA-256 over the scores, in hexadecimal digits.
fn checksum(answers: &[Answer]) -> String {
    let mut hash = Sha256::new();
    for score in answers.iter().flat_map(|answer| &answer.scores) {
        hash.update(score.to_le_bytes());
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Columns as wide as what is in them.
fn table(rows: &[[String; HEADINGS.len()]]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            rows.iter().chain([&headings]).map(|row| row[column].chars().count()).max().unwrap_or(0)
        })
        .collect();
    let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>();
    let mut text = String::new();
    for row in [headings.as_slice(), rule.as_slice()].into_iter().chain(rows.iter().map(<[_; 7]>::as_slice)) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    text
}

fn path(root: &Path, case: &str) -> PathBuf {
    root.join(format!("models/{case}.case"))
}

/// The program of `typecase-tests` that asks the engine of this build.
fn scores_program(root: &Path) -> Result<PathBuf> {
    cross::run(cargo(root).args(["build", "--release", "--package", "typecase-tests", "--bin", "scores"]))?;
    Ok(test_run::target_folder(root)?.join(format!("release/scores{}", std::env::consts::EXE_SUFFIX)))
}

fn full_command(root: &Path) -> Result<Option<PathBuf>> {
    full::named().map_or_else(|| full::build(root), |named| Ok(Some(named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_over_the_scores_in_their_order() {
        let answer = |scores: &[i32]| Answer {
            label: String::new(),
            scores: scores.to_vec(),
            truncated: false,
            abstain: false,
            invalid: false,
        };
        let found = checksum(&[answer(&[1]), answer(&[-2])]);
        assert_eq!(found, checksum(&[answer(&[1, -2])]));
        assert_ne!(found, checksum(&[answer(&[-2, 1])]));
        assert_eq!(found.len(), 16);
        assert_eq!(checksum(&[]), "e3b0c44298fc1c14");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = ["a", "a long report", "c", "1", "0", "yes", "0.1"].map(str::to_owned);
        let text = table(&[row]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
    }
}
