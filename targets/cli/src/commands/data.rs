//! `typecase data`: fetch, check, describe.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand};
use md5::{Digest, Md5};
use typecase_train::data::{self, RowReader, Statistics};

use crate::failure::Failure;
use crate::format::{hex, thousands};
use crate::input::{self, DataArguments};

/// Where the official files of AG News are kept, and their MD5 sums as torchtext lists them.
const AG_NEWS: &str = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv";
const AG_NEWS_FILES: [(&str, Option<&str>); 3] = [
    ("train.csv", Some("b1a00f826fdfbd249f79597b59e1dc12")),
    ("test.csv", Some("d52ea96a97a2d943681189a97654912d")),
    ("classes.txt", None),
];

/// Fetch, check and describe data.
#[derive(Debug, Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download a data set with curl and check it
    Fetch {
        /// ag-news
        #[arg(value_parser = ["ag-news"])]
        name: String,
        /// Folder to put it in
        #[arg(long, default_value = "data/agnews", value_name = "DIR")]
        out: PathBuf,
        /// Another place with the same files; file:// works
        #[arg(long, default_value = AG_NEWS, value_name = "URL")]
        mirror: String,
    },
    /// Read every row and name the bad ones
    Check {
        /// Labelled text; - for standard input
        file: PathBuf,
        #[command(flatten)]
        reading: DataArguments,
    },
    /// Count rows, classes, lengths and duplicates
    Stats {
        /// Labelled text; - for standard input
        file: PathBuf,
        #[command(flatten)]
        reading: DataArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Data {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Fetch { out, mirror, .. } => fetch(&out, &mirror),
            Action::Check { file, reading } => check(&file, &reading),
            Action::Stats { file, reading, json } => stats(&file, &reading, json),
        }
    }
}

fn fetch(out: &Path, mirror: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|e| Failure::file(out.display(), &e))?;
    eprintln!("note: AG's corpus of news is for research and other non-commercial use (A. Gulli)");
    for (name, sum) in AG_NEWS_FILES {
        let path = out.join(name);
        if let (Some(sum), Ok(bytes)) = (sum, std::fs::read(&path))
            && hex(&Md5::digest(&bytes)) == sum
        {
            outln!("{}: already there", path.display());
            continue;
        }
        let url = format!("{}/{name}", mirror.trim_end_matches('/'));
        let bytes = download(&url)?;
        let found = hex(&Md5::digest(&bytes));
        if let Some(sum) = sum.filter(|sum| *sum != found) {
            let message = format!("{url}: MD5 {found} found, {sum} expected; nothing was kept");
            return Err(
                Failure::purpose(message).help("the place may have changed its file; try --mirror URL")
            );
        }
        input::write_whole(&path, &bytes)?;
        outln!("{}: {} bytes", path.display(), thousands(bytes.len() as u64));
    }
    eprintln!("next: TYPECASE_DATA={} lets training find it", out.parent().unwrap_or(out).display());
    Ok(())
}

fn download(url: &str) -> Result<Vec<u8>, Failure> {
    let arguments = ["--fail", "--silent", "--show-error", "--location", "--max-time", "600", "--", url];
    let output = Command::new("curl").args(arguments).output().map_err(|e| {
        Failure::input(format!("curl: {e}")).help("install curl, or put the files in place by hand")
    })?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::purpose(format!("{url}: {}", reason.trim()))
            .help("is the network there? --mirror URL names another place with the same files"));
    }
    Ok(output.stdout)
}

fn check(path: &Path, reading: &DataArguments) -> Result<(), Failure> {
    const SHOWN: usize = 20;
    let check = data::check(path, &reading.options(None), SHOWN)?;
    outln!(
        "{}: {}, {} good rows, {} bad",
        path.display(),
        check.format,
        thousands(check.rows),
        thousands(check.bad_rows)
    );
    for error in &check.errors {
        outln!("  {error}");
    }
    // Beyond the bad rows that are listed there is at most what ended the reading.
    let listed = check.bad_rows.min(SHOWN as u64);
    if check.bad_rows > listed {
        outln!("  and {} more", thousands(check.bad_rows - listed));
    }
    if check.bad_rows > 0 {
        let message =
            format!("{}: {} bad rows found, none are allowed", path.display(), thousands(check.bad_rows));
        return Err(Failure::purpose(message));
    }
    if check.errors.len() as u64 > listed {
        return Err(Failure::purpose(format!("{}: cannot be read to its end", path.display())));
    }
    Ok(())
}

fn stats(path: &Path, reading: &DataArguments, json: bool) -> Result<(), Failure> {
    let rows: RowReader = data::open(path, &reading.options(None))?;
    let found: Statistics = data::statistics(rows)?;
    if json {
        outln!("{}", serde_json::to_string(&found).unwrap_or_default());
        return Ok(());
    }
    outln!(
        "{}: {} rows, {} bad rows left out",
        path.display(),
        thousands(found.rows),
        thousands(found.skipped)
    );
    for class in &found.classes {
        outln!("  {:<12} {:>9} ({:.1} %)", class.label, thousands(class.items), class.share * 100.0);
    }
    let bytes = &found.bytes;
    outln!(
        "  bytes a text: least {}, median {}, nine in ten within {}, most {}, mean {:.1}",
        bytes.min,
        bytes.median,
        bytes.p90,
        bytes.max,
        bytes.mean
    );
    outln!(
        "  {} duplicates ({} with another label); {:.1} % without a title; {:.1} % with characters beyond ASCII",
        thousands(found.duplicates),
        thousands(found.conflicts),
        found.empty_title_share * 100.0,
        found.non_ascii_share * 100.0
    );
    Ok(())
}
