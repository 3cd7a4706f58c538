//! `cargo xtask`: the development tasks of the workspace. `cargo xtask help` lists them.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command for people: its results go to standard output")]

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use xtask::{avx512, codegen, jetson, mcu, parity, setup, test_run, tidy, tokenizers, wasm, workspace_root};

const USAGE: &str = "\
usage: cargo xtask <task>

  setup              make this machine ready for the tests; one line for each optional tool or data set
  test [-- FILTER]   every check and every test; the last line is `N passed, N failed, N skipped`.
                     With a filter (any libtest arguments): only the command is built and those tests are run
  tidy               layering, unsafe code, manifests, files: one line for each violation
  codegen [--check]  write the generated sources; --check only compares
  parity [--items N] [--encoder CASE]
                     the scores of every engine, interface and CPU on the official test items (without them on the
                     sample texts), for the shipped cases, an encoder of random numbers and another one: a table of
                     checksums, and what could not run
  tokenizers [--strings N] [--rows N] [--seed S]
                     sub-word tokenizers against the reference crate, N generated texts for each (1,000,000) and
                     every row of AG News (or N); then the same ids on every CPU: two tables, and what could not run
  mcu                build the firmware, run it in QEMU on the lines of standard input, and print its figures
  wasm               build the WebAssembly module into dist/wasm and test it in Node
  avx512 [--inputs N]
                     the encoder's kernels for AVX-512 VNNI on an emulated machine, N inputs an operator (1,000)
  dist jetson        build the command for 64-bit Arm Linux into dist/jetson and try it in an emulator
  help               this text

exit codes: 0 done, 1 a check failed, 2 wrong usage";

/// The exit code for wrong usage.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["setup"] => run_setup(),
        ["test"] => run_tests(&[]),
        ["test", "--", filter @ ..] => run_tests(filter),
        ["tidy"] => run_tidy(),
        ["codegen"] => run_codegen(false),
        ["codegen", "--check"] => run_codegen(true),
        ["parity", words @ ..] if parity::arguments(words).is_some() => {
            workspace_root().and_then(|root| parity::main(&root, words))
        }
        ["tokenizers", words @ ..] if tokenizers::arguments(words).is_some() => {
            workspace_root().and_then(|root| tokenizers::main(&root, words))
        }
        ["mcu"] => workspace_root().and_then(|root| mcu::main(&root)).map(|()| true),
        ["wasm"] => workspace_root().and_then(|root| wasm::main(&root)).map(|()| true),
        ["avx512"] => run_avx512(1000),
        ["avx512", "--inputs", count] if count.parse::<u32>().is_ok() => {
            run_avx512(count.parse().unwrap_or(0))
        }
        ["dist", "jetson"] => workspace_root().and_then(|root| jetson::main(&root)).map(|()| true),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => {
            eprintln!("error: arguments: found `{}`\n\n{USAGE}", words.join(" "));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_setup() -> Result<bool> {
    setup::run(&workspace_root()?)?;
    Ok(true)
}

fn run_tests(filter: &[&str]) -> Result<bool> {
    test_run::run(&workspace_root()?, filter)
}

fn run_avx512(inputs: u32) -> Result<bool> {
    avx512::main(&workspace_root()?, inputs).map(|()| true)
}

fn run_tidy() -> Result<bool> {
    let violations = tidy::check(&workspace_root()?)?;
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        eprintln!("tidy: {} violations, 0 allowed", violations.len());
    }
    Ok(violations.is_empty())
}

fn run_codegen(check: bool) -> Result<bool> {
    let root = workspace_root()?;
    if !check {
        for path in codegen::write(&root)? {
            println!("{path}: written");
        }
        return Ok(true);
    }
    let differences = codegen::differences(&root)?;
    for difference in &differences {
        println!("{difference}");
    }
    Ok(differences.is_empty())
}
