//! `typecase bench`: latency on this machine, one core pinned; and comparing two runs.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use typecase::{Backend, Runnable};
use typecase_train::data::{Format, ReadOptions, RowReader};

use crate::failure::Failure;
use crate::format::rounded;
use crate::input::{self, DataArguments, EngineArguments};
use crate::shipped;

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
    /// Lengths in words, of texts made from the sample text or the data
    #[arg(long, value_delimiter = ',', default_value = "16,48,128", value_name = "N,...")]
    lengths: Vec<u32>,
    /// Labelled text: its texts as they are, besides those of the given lengths
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: DataArguments,
    /// Measured classifications of each length
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    runs: u32,
    /// Threads of one classification; a bag runs on one
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1))]
    threads: u32,
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

/// A whole run.
#[derive(Serialize, Deserialize)]
struct Run {
    machine: String,
    command: String,
    commit: String,
    rows: Vec<Row>,
}

/// One engine at one length.
#[derive(Serialize, Deserialize)]
struct Row {
    engine: String,
    version: String,
    case: String,
    /// Words; 0 for the texts of the data as they are.
    length: u32,
    threads: u32,
    runs: u32,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    min_us: f64,
    ratio_vs: std::collections::BTreeMap<String, f64>,
    open_us: f64,
    first_answer_us: f64,
    peak_rss_kib: Option<u64>,
    energy_uj: Option<f64>,
    /// The last tenth of the runs was a sixth slower than the first: the machine changed under the measurement.
    throttled: bool,
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(Action::Compare { old, new }) = &self.action {
            return compare(&load(old)?, &load(new)?);
        }
        if let Some(length) = self.lengths.iter().find(|&&n| !(1..=100_000).contains(&n)) {
            return Err(Failure::input(format!("length {length} found, allowed are 1 to 100000 words")));
        }
        pin();
        let texts = self.texts()?;
        let engines = self.backend.iter().map(|&backend| self.start(backend, &texts[0]));
        let engines = engines.collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::new();
        for &length in &self.lengths {
            let made = of_length(&texts, length as usize);
            rows.extend(self.measure(&engines, &made, length)?);
        }
        if self.data.is_some() {
            rows.extend(self.measure(&engines, &texts, 0)?);
        }
        let command: Vec<String> = std::env::args().skip(1).collect();
        let run = Run {
            machine: machine(),
            command: format!("typecase {}", command.join(" ")),
            commit: commit(),
            rows,
        };
        if self.json {
            outln!("{}", serde_json::to_string(&run).unwrap_or_default());
        } else {
            print(&run);
        }
        Ok(())
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

    /// Opens the case anew and answers once: what counts from the file on.
    fn start(&self, backend: Backend, text: &str) -> Result<Engine, Failure> {
        let started = Instant::now();
        let case = input::open(self.case.as_deref())?;
        let open_us = micros(started);
        let runnable = self.engines.prepare(&case, backend, false)?;
        runnable.session().classify(text)?;
        self.is_asked_for(&runnable, backend)?;
        Ok(Engine { runnable, open_us, first_answer_us: micros(started) })
    }

    /// Another engine under this name would be a lie. Another provider of the same engine is named in the row.
    fn is_asked_for(&self, runnable: &Runnable, backend: Backend) -> Result<(), Failure> {
        let report = runnable.report();
        match report.passed_over.last() {
            Some(passed) if backend != Backend::Auto && report.backend != backend.name() => {
                Err(Failure::purpose(format!("backend {passed}")).help(&passed.remedy))
            }
            _ => Ok(()),
        }
    }

    /// Times all engines in turn, text by text, so that their ratios survive a drifting machine.
    fn measure(&self, engines: &[Engine], texts: &[String], length: u32) -> Result<Vec<Row>, Failure> {
        let runs = self.runs as usize;
        let warm_up = runs / 10;
        let mut sessions: Vec<_> =
            engines.iter().map(|engine| (engine.runnable.session(), Vec::with_capacity(runs))).collect();
        for (run, text) in texts.iter().cycle().take(warm_up + runs).enumerate() {
            for (session, times) in &mut sessions {
                let started = Instant::now();
                black_box(session.classify(black_box(text))?);
                let elapsed = micros(started);
                if run >= warm_up {
                    times.push(elapsed);
                }
            }
        }
        let mut rows = Vec::new();
        for ((engine, (_, times)), &backend) in engines.iter().zip(&mut sessions).zip(&self.backend) {
            self.is_asked_for(&engine.runnable, backend)?;
            rows.push(self.row(engine, times, length));
        }
        let medians: Vec<_> = rows.iter().map(|row| (row.engine.clone(), row.p50_us)).collect();
        for (index, row) in rows.iter_mut().enumerate() {
            let others = medians.iter().enumerate().filter(|(other, _)| *other != index);
            // How many times as fast as the other.
            row.ratio_vs =
                others.map(|(_, (name, p50))| (name.clone(), rounded(p50 / row.p50_us, 2))).collect();
        }
        Ok(rows)
    }

    fn row(&self, engine: &Engine, times: &mut [f64], length: u32) -> Row {
        let runs = times.len();
        let tenth = runs / 10;
        let (first, last) = (median(&times[..tenth]), median(&times[runs - tenth..]));
        times.sort_by(f64::total_cmp);
        let quantile = |q: f64| rounded(times[((runs - 1) as f64 * q).round() as usize], 3);
        let report = engine.runnable.report();
        Row {
            engine: report.backend.to_owned(),
            version: report.device,
            case: engine.runnable.case().name().to_owned(),
            length,
            threads: self.threads,
            runs: self.runs,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            min_us: rounded(times[0], 3),
            ratio_vs: std::collections::BTreeMap::new(),
            open_us: rounded(engine.open_us, 1),
            first_answer_us: rounded(engine.first_answer_us, 1),
            peak_rss_kib: peak_rss_kib(),
            energy_uj: None,
            throttled: last > first * 7.0 / 6.0,
        }
    }
}

/// A prepared case, and how long it took.
struct Engine {
    runnable: Runnable,
    open_us: f64,
    first_answer_us: f64,
}

/// Texts of exactly `words` words: the given ones strung together and cut.
fn of_length(texts: &[String], words: usize) -> Vec<String> {
    let mut all = texts.iter().flat_map(|text| text.split_whitespace()).cycle();
    (0..texts.len().min(500)).map(|_| all.by_ref().take(words).collect::<Vec<_>>().join(" ")).collect()
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

/// Keeps the measurement on the core it is on.
fn pin() {
    #[cfg(target_os = "linux")]
    {
        let mut set = rustix::thread::CpuSet::new();
        set.set(rustix::thread::sched_getcpu());
        if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
            eprintln!("note: not pinned to a core: {error}");
        }
    }
}

fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, {}", std::env::consts::OS)
}

/// The commit that the program was built from, if it was told.
fn commit() -> String {
    option_env!("TYPECASE_COMMIT").unwrap_or("unknown").to_owned()
}

fn peak_rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn print(run: &Run) {
    outln!("{}", run.machine);
    outln!(
        "{:<8} {:<12} {:>6} {:>9} {:>9} {:>9} {:>9}",
        "engine",
        "case",
        "words",
        "p50 us",
        "p90 us",
        "p99 us",
        "min us"
    );
    for row in &run.rows {
        let length = if row.length == 0 { "data".to_owned() } else { row.length.to_string() };
        outln!(
            "{:<8} {:<12} {length:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2}{}",
            row.engine,
            row.case,
            row.p50_us,
            row.p90_us,
            row.p99_us,
            row.min_us,
            if row.throttled { "  throttled" } else { "" }
        );
    }
    let mut told: Vec<&str> = Vec::new();
    for row in run.rows.iter().filter(|row| {
        let new = !told.contains(&row.engine.as_str());
        told.push(&row.engine);
        new
    }) {
        outln!(
            "{:<8} {}: open {:.0} us, first answer {:.0} us after the start",
            row.engine,
            row.version,
            row.open_us,
            row.first_answer_us
        );
    }
}

fn load(path: &Path) -> Result<Run, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path.display(), &e))?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::input(format!("{}: no run of typecase bench: {e}", path.display())))
}

/// A row is slower if its median rose by more than the noise: the larger distance from median to p90 of the two runs,
/// and at least 3 %.
fn compare(old: &Run, new: &Run) -> Result<(), Failure> {
    let mut regressions = 0;
    let mut compared = 0;
    for row in &new.rows {
        let same =
            |other: &&Row| (&other.engine, &other.case, other.length) == (&row.engine, &row.case, row.length);
        let Some(before) = old.rows.iter().find(same) else { continue };
        compared += 1;
        let noise = (before.p90_us - before.p50_us).max(row.p90_us - row.p50_us).max(before.p50_us * 0.03);
        let change = row.p50_us - before.p50_us;
        let verdict = if change > noise {
            regressions += 1;
            "slower"
        } else if -change > noise {
            "faster"
        } else {
            "same"
        };
        outln!(
            "{:<8} {:<12} {:>6}  {:.2} -> {:.2} us ({:+.1} %, noise {:.2} us)  {verdict}",
            row.engine,
            row.case,
            row.length,
            before.p50_us,
            row.p50_us,
            change / before.p50_us * 100.0,
            noise
        );
    }
    if compared == 0 {
        return Err(Failure::input("the two runs have no row in common, at least 1 is needed"));
    }
    if regressions > 0 {
        return Err(Failure::purpose(format!(
            "{regressions} of {compared} rows are slower beyond the noise, 0 are allowed"
        )));
    }
    Ok(())
}
