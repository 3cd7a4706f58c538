//! The `typecase` command: train, convert, classify, evaluate, inspect, verify, measure.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 the work was done and failed
//! its purpose; 2 wrong usage, unreadable or invalid input.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is what a command does")]

/// Prints a line of a result: as `println!`, but a reader who has seen enough is no panic.
macro_rules! outln {
    ($($argument:tt)*) => { crate::print_line(format_args!($($argument)*)) };
}

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
    /// Show the ids that texts become, and the bytes that each comes from
    Tokenize(commands::tokenize::Tokenize),
    /// Measure accuracy, calibration and speed on labelled text
    Eval(commands::eval::Eval),
    /// Train a checkpoint from a recipe
    Train(commands::train::Train),
    /// Turn a checkpoint into a case: prune, quantise, prove, gate
    Convert(commands::convert::Convert),
    /// Write a case as ONNX
    Export(commands::export::Export),
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
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
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
        Command::Tokenize(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Convert(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Doctor(command) => command.run(),
    })
}

/// Prints a line; where nobody reads it any more the program is done.
fn print_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        let code = match error.kind() {
            std::io::ErrorKind::BrokenPipe => 0,
            _ => {
                eprintln!("error: standard output: {error}");
                2
            }
        };
        std::process::exit(code);
    }
}

/// Help is an answer; wrong usage ends as every other error does, in one line and one line of help.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // The reader of a pipe may have seen enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let mut parts = text.split("\n\n");
    let message: Vec<&str> = parts.next().unwrap_or_default().lines().map(str::trim).collect();
    let message = match error.kind() {
        // Its text is the whole help.
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a subcommand is missing".to_owned()
        }
        _ => message.join(" "),
    };
    let usage = parts.find_map(|part| part.trim().strip_prefix("Usage: "));
    let help = match usage {
        Some(usage) => format!("usage: {}", usage.lines().map(str::trim).collect::<Vec<_>>().join(" ")),
        None => "typecase --help, or --help after a command, shows what is allowed".to_owned(),
    };
    report(Err(Failure::input(message.strip_prefix("error: ").unwrap_or(&message)).help(help)))
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
