//! The `typecase` command: train, convert, classify, evaluate, inspect, verify, measure.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 the work was done and failed
//! its purpose; 2 wrong usage, unreadable or invalid input.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is what a command does")]

mod commands;
mod failure;
mod format;
mod input;
mod shipped;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::Failure;

/// Sorts text into its case, on any device.
#[derive(Debug, Parser)]
#[command(name = "typecase", disable_version_flag = true, max_term_width = 100)]
struct Arguments {
    /// Print the version; with --verbose also the case that is built in
    #[arg(short = 'V', long)]
    version: bool,
    /// With --version: more of it
    #[arg(long, requires = "version")]
    verbose: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole chain on bundled sample text: train, convert, evaluate, classify; then the shipped cases
    Demo(commands::demo::Demo),
    /// Classify texts
    Classify(commands::classify::Classify),
    /// Measure accuracy, calibration and speed on labelled text
    Eval(commands::eval::Eval),
    /// Train a checkpoint from a recipe
    Train(commands::train::Train),
    /// Turn a checkpoint into a case: prune, quantise, prove, gate
    Convert(commands::convert::Convert),
    /// Measure latency
    Bench(commands::bench::Bench),
    /// Show what a case holds
    Inspect(commands::inspect::Inspect),
    /// Check a case: digest, and golden vectors on every backend present
    Verify(commands::verify::Verify),
    /// Fetch, check and describe data
    Data(commands::data::Data),
    /// Show what this machine and this build can do
    Doctor(commands::doctor::Doctor),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.version {
        return report(commands::version(arguments.verbose));
    }
    let Some(command) = arguments.command else {
        // Usage is an answer only to a question.
        eprint!("{}", Arguments::command().render_help());
        return ExitCode::from(2);
    };
    report(match command {
        Command::Demo(command) => command.run(),
        Command::Classify(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Convert(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Doctor(command) => command.run(),
    })
}

fn report(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe may have seen enough.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            if let Some(help) = &failure.help {
                eprintln!("help: {help}");
            }
            ExitCode::from(failure.code)
        }
    }
}
