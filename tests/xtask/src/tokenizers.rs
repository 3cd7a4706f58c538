//! `cargo xtask tokenizers`: sub-word tokenizers against the reference over very many texts, then the same ids on every
//! CPU that this machine has or emulates.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cargo, cross, skip, test_run, texts};

pub mod ids;

use ids::{Sum, Target};

/// The environment variable that names the folder of all-MiniLM-L6-v2.
pub const MINILM_DIR: &str = "TYPECASE_MINILM";
/// How a person gets that folder.
pub const NO_MINILM: &str = "no all-MiniLM-L6-v2; set TYPECASE_MINILM to its folder";

const PACKAGE: &str = "typecase-tests";
const LONG_RUN: &str = "subword_long_run";
/// The tokenizers that other CPUs are asked: one for each kind of model.
const TABLES: [&str; 3] = ["MiniLM", "RoBERTa", "DeBERTa-v3"];

/// The folder of all-MiniLM-L6-v2, where it is: `TYPECASE_MINILM`, then the user's cache.
#[must_use]
pub fn minilm() -> Option<PathBuf> {
    let named = env::var_os(MINILM_DIR).map(PathBuf::from);
    let cached = cache_home().map(|home| home.join("typecase/minilm"));
    [named, cached].into_iter().flatten().find(|folder| folder.join("tokenizer.json").is_file())
}

/// Where vocabularies and tables that were made once are kept.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    Some(cache_home()?.join("typecase/tokenizers"))
}

fn cache_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache"));
    env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)
}

/// Runs the comparison with its arguments (`--strings N`, `--rows N`, `--seed S`), then asks every CPU. Returns whether everything
/// was equal.
///
/// # Errors
///
/// When a program does not build, or what was asked cannot be read.
pub fn main(root: &Path, arguments: &[&str]) -> Result<bool> {
    let folder = cache().context("no HOME, where what was learnt could be kept")?;
    fs::create_dir_all(&folder).with_context(|| format!("{}: cannot create", folder.display()))?;
    // What an earlier run left is not what this one compares.
    let tables: Vec<PathBuf> = TABLES.iter().map(|name| folder.join(format!("{name}.table"))).collect();
    for table in tables.iter().filter(|table| table.exists()) {
        fs::remove_file(table).with_context(|| format!("{}: cannot remove", table.display()))?;
    }
    let mut build = cargo(root);
    build.args(["build", "--release", "--package", PACKAGE, "--example", LONG_RUN]);
    cross::run(&mut build)?;
    let program = test_run::target_folder(root)?.join("release/examples").join(LONG_RUN);
    let mut run = Command::new(program);
    run.current_dir(root).args(arguments).arg("--tables").arg(&folder);
    let is_equal = run.status().context(LONG_RUN)?.success();
    println!();
    Ok(targets(root, &tables)? && is_equal)
}

/// Asks every CPU for the ids of the same texts with each table; prints what came and returns whether all was equal.
///
/// # Errors
///
/// When a program does not build or run.
fn targets(root: &Path, tables: &[PathBuf]) -> Result<bool> {
    let read = texts::read(root)?;
    let (mut rows, mut is_equal) = (Vec::new(), true);
    for (table, name) in tables.iter().zip(TABLES) {
        if !table.is_file() {
            skip::skipped(&format!("ids on other CPUs, {name}"), "its parts are not at hand, see above");
            continue;
        }
        for target in Target::ALL {
            eprintln!("==> {name}, {}", target.title());
            let program = match target.prepare(root, table)? {
                Ok(program) => program,
                Err(absent) => {
                    skip::skipped(&format!("ids of {name}, {}", target.title()), &absent);
                    continue;
                }
            };
            let lines = target.take(&read.lines);
            let (expected, ran) = (ids::here(root, table, &lines)?, program.run(&lines)?);
            let equal = if ran.sum == expected { "yes" } else { "NO" };
            is_equal &= ran.sum == expected;
            let Sum { items, ids, checksum } = ran.sum;
            let checksum = format!("{checksum:016x}");
            let figures = ran.figures.unwrap_or_default();
            let target = target.title();
            rows.push(format!("{name:<10} {target:<21} {items:>5} {ids:>7} {checksum} {equal:<5} {figures}"));
        }
    }
    println!("tokenizer  target                items     ids checksum         equal");
    rows.iter().for_each(|row| println!("{row}"));
    println!("\n{}; FNV-1a of 64 bits over the count of each text's ids and the ids", read.source);
    Ok(is_equal)
}

/// Arguments of the long run, as far as this task knows them; nothing if one is unknown.
#[must_use]
pub fn arguments<'a>(words: &[&'a str]) -> Option<Vec<&'a str>> {
    let pairs = words.chunks(2).map(|pair| match pair {
        [name @ ("--strings" | "--rows"), count] => count.parse::<usize>().is_ok().then_some([*name, *count]),
        [name @ "--seed", seed] => is_number(seed).then_some([*name, *seed]),
        _ => None,
    });
    pairs.collect::<Option<Vec<_>>>().map(|pairs| pairs.concat())
}

fn is_number(text: &str) -> bool {
    match text.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).is_ok(),
        None => text.parse::<u64>().is_ok(),
    }
}

/// A path as the environment of a build takes it.
pub(crate) fn absolute(path: &Path) -> Result<OsString> {
    let path = fs::canonicalize(path).with_context(|| format!("{}: cannot be found", path.display()))?;
    Ok(path.into_os_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_arguments_are_passed_on() {
        assert_eq!(arguments(&[]), Some(vec![]));
        let words = ["--seed", "0x7E57", "--strings", "9"];
        assert_eq!(arguments(&words), Some(words.to_vec()));
        for wrong in [&["--strings"][..], &["--strings", "x"], &["--seed", "-1"], &["--tables", "t"]] {
            assert_eq!(arguments(wrong), None, "{wrong:?}");
        }
    }
}
