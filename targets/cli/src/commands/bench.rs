//! `typecase bench`: latency on this machine, one core pinned, also beside engines of others; where it goes; and
//! comparing two runs.

mod encoder;
mod floor;
mod machine;
mod peer;
mod profile;
mod race;
mod record;
mod texts;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use typecase::{Backend, Case};
use typecase_train::data::{Format, ReadOptions, RowReader};

pub(crate) use self::record::Run;

use self::machine::micros;
use self::peer::{Peer, Places};
use self::profile::Profile;
use self::race::Engine;
use self::texts::{Texts, is_encoder};
use crate::commands::report;
use crate::failure::Failure;
use crate::input::{self, DataArguments, EngineArguments};
use crate::shipped;

/// Lengths where none are given.
const LENGTHS: [u32; 3] = [16, 48, 128];
/// Measured classifications where no number is given: of a bag, of an encoder.
const RUNS: [u32; 2] = [20_000, 300];

/// Measure latency.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    action: Option<Action>,
    /// The case; without it the one that is built in
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// The engines, timed in turn: auto, native, tract, ort, wgpu
    #[arg(long, value_delimiter = ',', default_value = "native", value_name = "NAME,...", value_parser = input::backend)]
    backend: Vec<Backend>,
    #[command(flatten)]
    engines: EngineArguments,
    /// Lengths of texts made from the sample text or the data: words, for an encoder tokens [default: 16,48,128]
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    lengths: Vec<u32>,
    /// Labelled text: its texts as they are, besides those of the given lengths
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: DataArguments,
    /// Measured classifications of each length [default: 20000, of an encoder 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    runs: Option<u32>,
    /// Engines of others, timed in turn with ours: ort, rten, tract, candle, or with a form of the network (ort-int8);
    /// for a bag fasttext
    #[arg(long, value_delimiter = ',', value_name = "NAME,...", value_parser = peer::name, conflicts_with = "runs")]
    vs: Vec<String>,
    /// What they run: graphs of the same network, or fastText's model
    #[arg(long, value_name = "FOLDER", requires = "vs")]
    peers: Option<PathBuf>,
    /// The program that they are in [default: typecase-peers beside this one]
    #[arg(long, value_name = "FILE", requires = "vs")]
    peer_program: Option<PathBuf>,
    /// Rounds beside engines of others, and of the profile; one more before them does not count
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=10_000))]
    rounds: u32,
    /// Also show where the time goes, and an encoder's matrices beside plain products
    #[arg(long)]
    profile: bool,
    /// Threads of one classification by the native engine: 1 or, for an encoder, 2
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2))]
    threads: u32,
    /// Write a report (HTML, one file)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compare two runs; exit 1 on a regression beyond the noise that both recorded
    Compare {
        /// What `bench --json` printed before
        old: PathBuf,
        /// What it prints now
        new: PathBuf,
    },
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(Action::Compare { old, new }) = &self.action {
            return Run::compare(&Run::load(old)?, &Run::load(new)?);
        }
        if let Some(length) = self.lengths.iter().find(|&&n| !(1..=100_000).contains(&n)) {
            return Err(Failure::input(format!("length {length} found, allowed are 1 to 100000")));
        }
        let case = input::open(self.case.as_deref())?;
        let peers = peer::expanded(&self.vs, is_encoder(&case))?;
        let in_two = self.threads > 1;
        if in_two && !is_encoder(&case) {
            return Err(Failure::input(format!("--threads {}: a bag runs on 1 thread", self.threads)));
        }
        if in_two && !self.vs.is_empty() {
            return Err(Failure::input(
                "--threads 2 with --vs: engines are compared on one thread".to_owned(),
            ));
        }
        if !in_two {
            machine::pin();
        }
        let given = self.texts()?;
        let texts = self.of_each_length(&case, &given)?;
        let first = texts.first().and_then(|texts| texts.texts.first()).cloned().unwrap_or_default();
        let engines = self.backend.iter().map(|&backend| self.start(backend, &first));
        let engines = engines.collect::<Result<Vec<_>, _>>()?;
        let places = Places { program: self.peer_program.as_deref(), folder: self.peers.as_deref() };
        let peers =
            peers.iter().map(|name| Peer::start(name, &places, &texts)).collect::<Result<Vec<_>, _>>()?;
        let run = self.measure(&engines, peers, &texts)?;
        if let Some(path) = &self.report {
            input::write_whole(path, report::bench(&run).as_bytes())?;
        }
        if self.json {
            outln!("{}", serde_json::to_string(&run).unwrap_or_default());
        } else {
            run.print();
        }
        Ok(())
    }

    fn measure(&self, engines: &[Engine], mut peers: Vec<Peer>, texts: &[Texts]) -> Result<Run, Failure> {
        let case = engines.first().map(|engine| engine.runnable.case());
        let is_encoder = case.is_some_and(is_encoder);
        let rows = if peers.is_empty() {
            let runs = self.runs.unwrap_or(RUNS[usize::from(is_encoder)]);
            let rows = texts.iter().map(|texts| race::text_by_text(engines, texts, runs));
            rows.collect::<Result<Vec<_>, _>>()?.concat()
        } else {
            race::in_rounds(engines, &mut peers, texts, self.rounds)?
        };
        // They end before the profile begins.
        drop(peers);
        let (mut profile, mut floor) = (Vec::new(), Vec::new());
        for texts in texts.iter().filter(|_| self.profile) {
            match case {
                Some(case) if is_encoder => {
                    let (of_length, held) = Profile::of_encoder(case, texts, self.rounds)?;
                    profile.push(of_length);
                    floor.extend(held);
                }
                Some(case) => profile.push(Profile::of_bag(case, texts, self.rounds)),
                None => {}
            }
        }
        let command: Vec<String> = std::env::args().skip(1).collect();
        Ok(Run {
            machine: machine::describe(),
            command: format!("typecase {}", command.join(" ")),
            commit: machine::commit(),
            rows,
            profile,
            floor,
        })
    }

    /// The texts of the data, or those of the sample.
    fn texts(&self) -> Result<Vec<String>, Failure> {
        if let Some(path) = &self.data {
            let loaded = self.reading.load(path, None)?;
            return Ok(loaded.dataset.items.into_iter().map(|item| item.text).collect());
        }
        let options = ReadOptions { format: Some(Format::AgNews), ..ReadOptions::default() };
        let rows = RowReader::from_reader(shipped::SAMPLE_CSV.as_bytes(), "sample", &options)?;
        Ok(rows.map(|row| row.map(|row| row.text)).collect::<Result<_, _>>()?)
    }

    /// Those of each length, and those of the data as they are.
    fn of_each_length(&self, case: &Case, given: &[String]) -> Result<Vec<Texts>, Failure> {
        let mut lengths = self.lengths.clone();
        if lengths.is_empty() {
            let fits = |length: &u32| !is_encoder(case) || *length as usize <= case.cost().ids;
            lengths = LENGTHS.into_iter().filter(fits).collect();
            if lengths.is_empty() {
                lengths.push(case.cost().ids as u32);
            }
        }
        let made = lengths.iter().map(|&length| Texts::of_length(case, given, length));
        let mut all = made.collect::<Result<Vec<_>, _>>()?;
        if self.data.is_some() {
            all.push(Texts::of_data(case, given, !self.vs.is_empty()));
        }
        Ok(all)
    }

    /// Opens the case anew and answers once: what counts from the file on.
    fn start(&self, backend: Backend, text: &str) -> Result<Engine, Failure> {
        let started = Instant::now();
        let case = input::open(self.case.as_deref())?;
        let open_us = micros(started);
        let mut options = self.engines.options(backend, false)?;
        options.in_two = self.threads > 1;
        let runnable = input::prepare(&case, &options)?;
        runnable.session().classify(text)?;
        let (threads, first_answer_us) = (self.threads, micros(started));
        let engine = Engine { backend, runnable, open_us, first_answer_us, threads };
        engine.is_asked_for()?;
        Ok(engine)
    }
}
