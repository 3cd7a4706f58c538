//! Typecase against fastText in one run: the same texts, the same core, one after the other.
//!
//! ```text
//! cargo run --release -p typecase-benches --bin peers
//! ```
//!
//! Exit codes: 0 done; 1 the peer failed on the way; 2 wrong usage, bad input, or no peer to be had.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{bail, ensure};
use clap::Parser;
use serde::{Deserialize, Serialize};
use typecase::{Options, Runnable, Session};
use typecase_benches::machine::{self, Took};
use typecase_benches::peer::Peer;
use typecase_benches::series::Summary;
use typecase_benches::texts::{self, Row};

/// Below this share of its core an engine was disturbed so often that the times on the wall are doubtful.
const QUIET_SHARE: f64 = 0.98;

/// Measure a case against fastText.
#[derive(Debug, Parser)]
#[command(name = "peers", max_term_width = 100)]
struct Arguments {
    /// The case [default: models/news-1m.case]
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// What fastText is trained on, in the form of AG News [default: agnews/train.csv in the data folder]
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// The texts that are classified, in the form of AG News [default: agnews/test.csv in the data folder]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Rounds that count; one more before them does not
    #[arg(long, default_value_t = 31, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut bench = match Bench::new(&arguments) {
        Ok(bench) => bench,
        Err(error) => return fail(&error, 2),
    };
    match bench.run(arguments.rounds) {
        Ok(report) => {
            let text = if arguments.json { report.to_json() } else { report.to_table() };
            // A reader that has left is no failure.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}

/// Both engines, ready.
struct Bench {
    core: Option<usize>,
    rows: Vec<Row>,
    runnable: Runnable,
    peer: Peer,
    about: About,
}

impl Bench {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        ensure!(!cfg!(debug_assertions), "this is a debug build, figures need one with --release");
        let repository = typecase_benches::repository();
        let data = std::env::var_os("TYPECASE_DATA")
            .map_or_else(|| repository.join("../shared/data"), PathBuf::from);
        let or = |given: &Option<PathBuf>, default: PathBuf| given.clone().unwrap_or(default);
        let train = or(&arguments.train, data.join("agnews/train.csv"));
        let test = or(&arguments.data, data.join("agnews/test.csv"));
        let path = or(&arguments.case, repository.join("models/news-1m.case"));

        let rows = texts::read(&test)?;
        let case = typecase::open(path)?;
        let classes = case.labels().len();
        if let Some(row) = rows.iter().find(|row| row.class >= classes) {
            bail!("{}: class {} found, the case has {classes}", test.display(), row.class + 1);
        }
        let runnable = typecase::prepare(&case, &Options::default())?;
        ensure!(train.is_file(), "{}: no such file", train.display());
        // From here on: the peer inherits the core.
        let core = machine::pin().inspect_err(|error| eprintln!("note: not pinned to a core: {error}")).ok();
        let (peer, about) = start_peer(&repository, &train, &test)?;
        let (theirs, ours) = (about.texts, rows.len());
        ensure!(theirs == ours, "the peer read {theirs} texts, Typecase {ours}");
        Ok(Self { core, rows, runnable, peer, about })
    }

    fn run(&mut self, rounds: u32) -> anyhow::Result<Report> {
        let mut session = self.runnable.session();
        let right = right_answers(&self.rows, &mut session)?;
        let mut took: [Vec<Took>; 2] = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            let ours = classify_all(&self.rows, &mut session)?;
            let theirs = self.peer.time("round")?;
            if round > 0 {
                took[0].push(ours);
                took[1].push(theirs);
            }
        }
        let texts = self.rows.len();
        let case = self.runnable.case();
        let about = &self.about;
        let typecase = Engine::new(
            &took[0],
            texts,
            EngineFacts {
                engine: "typecase",
                version: env!("CARGO_PKG_VERSION").to_owned(),
                route: format!("session.classify, {}", self.runnable.report().backend),
                model: case.name().to_owned(),
                model_bytes: case.bytes().len() as u64,
                accuracy: right as f64 / texts as f64,
            },
        );
        let fasttext = Engine::new(
            &took[1],
            texts,
            EngineFacts {
                engine: "fasttext",
                version: format!("{}, Python {}", about.version, about.python),
                route: about.route.clone(),
                model: "quantised".to_owned(),
                model_bytes: about.model_bytes,
                accuracy: about.accuracy,
            },
        );
        let per_round: Vec<f64> =
            took[0].iter().zip(&took[1]).map(|(ours, theirs)| theirs.wall / ours.wall).collect();
        Ok(Report {
            machine: machine::describe(),
            core: self.core,
            command: std::iter::once("peers".to_owned())
                .chain(std::env::args().skip(1))
                .collect::<Vec<_>>()
                .join(" "),
            commit: machine::commit(&typecase_benches::repository()),
            texts,
            rounds,
            ratio_of_medians: fasttext.us_per_text.median / typecase.us_per_text.median,
            ratio_per_round: Summary::of(&per_round),
            ratio_of_processor_time: fasttext.processor_us_per_text / typecase.processor_us_per_text,
            peer_routes_us: about.routes_us.clone(),
            engines: [typecase, fasttext],
        })
    }
}

/// Raw text to label for every text, everything counted.
fn classify_all(rows: &[Row], session: &mut Session) -> anyhow::Result<Took> {
    // The other engine still has to put its answer down and wait: not in our time.
    machine::let_go();
    let (outcome, took) = machine::time(|| {
        for row in rows {
            black_box(session.classify(black_box(&row.text))?.label);
        }
        Ok::<(), typecase::Error>(())
    });
    outcome?;
    Ok(took)
}

fn right_answers(rows: &[Row], session: &mut Session) -> anyhow::Result<usize> {
    let mut right = 0;
    for row in rows {
        right += usize::from(session.classify(&row.text)?.label_index == row.class);
    }
    Ok(right)
}

/// What the peer says of itself.
#[derive(Deserialize)]
struct About {
    version: String,
    python: String,
    accuracy: f64,
    model_bytes: u64,
    texts: usize,
    /// The way through the binding that is measured.
    route: String,
    /// Microseconds a text on each way, the best of five; none if it does not work.
    routes_us: BTreeMap<String, Option<f64>>,
}

/// fastText, trained if it is not yet.
fn start_peer(repository: &Path, train: &Path, test: &Path) -> anyhow::Result<(Peer, About)> {
    let mut command = Command::new("python3");
    command.arg(repository.join("benches/peers/fasttext_peer.py"));
    command.arg("--train").arg(train).arg("--test").arg(test);
    command.arg("--cache").arg(repository.join("out/peers"));
    Peer::start(&mut command)
}

#[derive(Serialize)]
struct Report {
    machine: String,
    core: Option<usize>,
    command: String,
    commit: String,
    texts: usize,
    rounds: u32,
    /// Typecase, then the peer.
    engines: [Engine; 2],
    /// The peer's median divided by Typecase's: above 1 Typecase is faster.
    ratio_of_medians: f64,
    /// The same for each pair of rounds.
    ratio_per_round: Summary,
    /// The same of processor time, which others on the core do not lengthen.
    ratio_of_processor_time: f64,
    peer_routes_us: BTreeMap<String, Option<f64>>,
}

#[derive(Serialize)]
struct EngineFacts {
    engine: &'static str,
    version: String,
    route: String,
    model: String,
    model_bytes: u64,
    accuracy: f64,
}

#[derive(Serialize)]
struct Engine {
    #[serde(flatten)]
    facts: EngineFacts,
    /// On the wall, over the rounds.
    us_per_text: Summary,
    /// On the processor, the median of the rounds.
    processor_us_per_text: f64,
    /// Processor time divided by time on the wall, all rounds: 1 if nobody else had the core.
    share_of_core: f64,
}

impl Engine {
    fn new(rounds: &[Took], texts: usize, facts: EngineFacts) -> Self {
        let micros = |seconds: fn(&Took) -> f64| -> Vec<f64> {
            rounds.iter().map(|took| seconds(took) / texts as f64 * 1e6).collect()
        };
        let (wall, processor) = (micros(|took| took.wall), micros(|took| took.processor));
        Self {
            facts,
            us_per_text: Summary::of(&wall),
            processor_us_per_text: Summary::of(&processor).median,
            share_of_core: processor.iter().sum::<f64>() / wall.iter().sum::<f64>(),
        }
    }
}

impl Report {
    fn to_json(&self) -> String {
        // Strings and finite numbers: nothing that JSON cannot hold.
        serde_json::to_string(self).map(|line| line + "\n").unwrap_or_default()
    }

    fn to_table(&self) -> String {
        let mut out = String::new();
        let core = self.core.map_or_else(|| "not pinned".to_owned(), |core| format!("on core {core}"));
        let _ = writeln!(out, "{}, {core}", self.machine);
        let _ = writeln!(out, "{} (commit {})", self.command, self.commit);
        let _ = writeln!(out, "{} texts, {} rounds; microseconds a text\n", self.texts, self.rounds);
        let _ = writeln!(
            out,
            "{:<10} {:>8} {:>8} {:>8} {:>8} {:>10} {:>6} {:>11} {:>9}",
            "engine", "median", "min", "25 %", "75 %", "processor", "core", "bytes", "accuracy"
        );
        for Engine { facts, us_per_text: us, processor_us_per_text, share_of_core } in &self.engines {
            let _ = writeln!(
                out,
                "{:<10} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {processor_us_per_text:>10.3} {:>4.0} % {:>11} {:>7.2} %",
                facts.engine,
                us.median,
                us.min,
                us.lower_quartile,
                us.upper_quartile,
                share_of_core * 100.0,
                facts.model_bytes,
                facts.accuracy * 100.0
            );
        }
        let rounds = self.ratio_per_round;
        let _ = writeln!(
            out,
            "\ntypecase is {:.2} times as fast (ratio of medians)\n  \
             per round: median {:.2}, quartiles {:.2} to {:.2}; in processor time {:.2}\n",
            self.ratio_of_medians,
            rounds.median,
            rounds.lower_quartile,
            rounds.upper_quartile,
            self.ratio_of_processor_time
        );
        for Engine { facts, .. } in &self.engines {
            let _ = writeln!(
                out,
                "{:<10} {}; model {}; route {}",
                facts.engine, facts.version, facts.model, facts.route
            );
        }
        let routes = self.peer_routes_us.iter().map(|(name, us)| match us {
            Some(us) => format!("{name} {us:.2}"),
            None => format!("{name} does not work"),
        });
        let _ =
            writeln!(out, "{:<10} its routes, best of five: {}", "", routes.collect::<Vec<_>>().join(", "));
        let _ = writeln!(out, "{:<10} lower case and spaced punctuation are prepared and not counted", "");
        if self.engines.iter().any(|engine| engine.share_of_core < QUIET_SHARE) {
            let _ = writeln!(
                out,
                "note: others had the core in between: rely on the processor time, or run it again on a quiet machine"
            );
        }
        out
    }
}
