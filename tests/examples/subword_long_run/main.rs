//! The long run: ids, byte offsets and word ids of our sub-word tokenizers against `tokenizers`, for tokenizers shaped
//! like those of known models, over every row of AG News and a million generated texts each.
//!
//! `cargo xtask tokenizers [--strings N] [--rows N] [--seed S]` builds and runs it. It ends with 1 if a text differs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a check that cannot do its work has failed, and its results go to standard output"
)]

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

mod compare;
mod generate;
mod shapes;
mod sources;

use compare::{Pair, Tally};

/// Generated texts for each tokenizer, unless told otherwise.
const STRINGS: usize = 1_000_000;
const SEED: u64 = 0x7E57_CA5E;
/// The exit code for wrong usage.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let Some(wanted) = Wanted::read(&words) else {
        eprintln!(
            "usage: subword_long_run [--strings N] [--rows N] [--seed S] [--only NAME] [--tables FOLDER]"
        );
        return ExitCode::from(WRONG_USAGE);
    };
    let rows = sources::rows();
    let shapes = shapes::all();
    let mut wrong = 0;
    println!(
        "{:<22} {:>7} {:>9} {:>10} {:>11} {:>8}  seed",
        "tokenizer", "rows", "generated", "mismatches", "forced cuts", "seconds"
    );
    for (index, shape) in shapes.iter().enumerate() {
        if wanted.only.as_ref().is_some_and(|name| !shape.name.contains(name.as_str())) {
            continue;
        }
        let pair = match Pair::new(&shape.json) {
            Ok(pair) => pair,
            Err(why) => {
                println!("{:<22} REFUSED: {why}", shape.name);
                wrong += 1;
                continue;
            }
        };
        if let Some(folder) = &wanted.tables {
            fs::write(folder.join(format!("{}.table", shape.name)), pair.table()).unwrap();
        }
        let started = Instant::now();
        let seed = wanted.seed.wrapping_add(index as u64);
        let texts = generate::Recipe::new(seed, &rows, &shape.tokens());
        let Tally { rows, generated, mismatches, forced, shown } =
            compare::run(&pair, &rows[..wanted.rows.min(rows.len())], &texts, wanted.strings);
        println!(
            "{:<22} {rows:>7} {generated:>9} {mismatches:>10} {forced:>11} {:>8.1}  {seed:#x}",
            shape.name,
            started.elapsed().as_secs_f32()
        );
        shown.iter().for_each(|text| println!("  {text}"));
        wrong += mismatches;
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the command line asks for.
struct Wanted {
    strings: usize,
    /// At most so many.
    rows: usize,
    seed: u64,
    /// Tokenizers whose name contains it.
    only: Option<String>,
    /// Where the tables go, for the runs on other CPUs.
    tables: Option<PathBuf>,
}

impl Wanted {
    fn read(words: &[String]) -> Option<Self> {
        let mut wanted = Self { strings: STRINGS, rows: usize::MAX, seed: SEED, only: None, tables: None };
        let mut words = words.iter();
        while let Some(name) = words.next() {
            let value = words.next()?;
            match name.as_str() {
                "--strings" => wanted.strings = value.parse().ok()?,
                "--rows" => wanted.rows = value.parse().ok()?,
                "--seed" => {
                    wanted.seed = match value.strip_prefix("0x") {
                        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok()?,
                        None => value.parse().ok()?,
                    };
                }
                "--only" => wanted.only = Some(value.clone()),
                "--tables" => wanted.tables = Some(value.into()),
                _ => return None,
            }
        }
        Some(wanted)
    }
}
