//! The integer encoder against ONNX Runtime in one run: the same shape, the same lengths, the same core, one after the
//! other.
//!
//! ```text
//! cargo run --release -p typecase-benches --bin encoders
//! ```
//!
//! Exit codes: 0 done; 1 the peer failed on the way; 2 wrong usage, or no peer to be had.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use serde::{Deserialize, Serialize};
use typecase::Case;
use typecase_benches::machine::{self, Took};
use typecase_benches::peer::Peer;
use typecase_benches::series::Summary;
use typecase_benches::synthetic::{Encoder, Memory, Operator, Shape};
use typecase_kernels::encoder::Cpu;

/// Below this share of its core an engine was disturbed so often that the times on the wall are doubtful.
const QUIET_SHARE: f64 = 0.98;

/// Measure the integer encoder against ONNX Runtime.
#[derive(Debug, Parser)]
#[command(name = "encoders", max_term_width = 100)]
struct Arguments {
    /// A case with an encoder, to which the ratios are then; the encoder of random numbers runs beside it
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// Tokens of a text; may be given several times [default: 16, 48 and 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    tokens: Vec<u16>,
    /// Kernels of the encoder of random numbers, such as `scalar` or `avx2`; may be given several times, without a
    /// case the ratios are to the first [default: what TYPECASE_CPU names, or the fastest]
    #[arg(long, value_name = "NAME")]
    cpu: Vec<String>,
    /// A form of the peer's graph; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// No peer: only the profile of ours
    #[arg(long, conflicts_with_all = ["variant", "model"])]
    alone: bool,
    /// The folder of the model that the peer runs [default: $TYPECASE_MINILM, or ~/.cache/typecase/minilm]
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Rounds that count; one more before them does not
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Tokens that an engine works on in a turn, as texts of one length
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    turn: u32,
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
    match bench.run(&arguments) {
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

/// All engines, ready.
struct Bench {
    core: Option<usize>,
    lengths: Vec<usize>,
    cpus: Vec<Cpu>,
    loaded: Option<Loaded>,
    encoder: Encoder,
    memory: Memory,
    peer: Option<(Peer, About)>,
}

/// A case, and the memory that it asks for.
struct Loaded {
    case: Case,
    numbers: Vec<i32>,
    arena: Vec<u64>,
}

impl Loaded {
    fn open(path: &Path, longest: usize, cpu: Cpu) -> anyhow::Result<Self> {
        let case = typecase::open(path)?.on(cpu);
        let cost = case.cost();
        ensure!(cost.arena > 0, "{}: a case without an encoder", path.display());
        ensure!(cost.ids >= longest, "{}: {longest} tokens asked for, limit is {}", path.display(), cost.ids);
        Ok(Self { case, numbers: vec![0; cost.numbers], arena: vec![0; cost.arena] })
    }

    fn run(&mut self, ids: &[u32]) -> &[i32] {
        let place = self.case.scores_into(ids, &mut self.numbers, &mut self.arena);
        self.numbers.get(place).unwrap_or_default()
    }
}

/// What the peer says of itself.
#[derive(Deserialize)]
struct About {
    version: String,
    python: String,
    variants: BTreeMap<String, Variant>,
}

/// What the peer says of a form of the graph.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Variant {
    bytes: u64,
    load_ms: f64,
    /// Distance of its scores from those of f32, as a share of them.
    error: f64,
}

impl Bench {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        ensure!(!cfg!(debug_assertions), "this is a debug build, figures need one with --release");
        let mut lengths: Vec<usize> = arguments.tokens.iter().map(|tokens| usize::from(*tokens)).collect();
        if lengths.is_empty() {
            lengths = vec![16, 48, 128];
        }
        let chosen = machine::kernels(None)?;
        let cpus = arguments.cpu.iter().map(|name| machine::kernels(Some(name)));
        let mut cpus = cpus.collect::<anyhow::Result<Vec<Cpu>>>()?;
        if cpus.is_empty() {
            cpus.push(chosen);
        }
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let loaded = arguments.case.as_ref().map(|path| Loaded::open(path, longest, chosen)).transpose()?;
        // From here on: the peer inherits the core.
        let core = machine::pin().inspect_err(|error| eprintln!("note: not pinned to a core: {error}")).ok();
        let peer = if arguments.alone { None } else { Some(start_peer(arguments)?) };
        let encoder = Encoder::new(Shape::MINILM_L6);
        let memory = encoder.memory(longest);
        Ok(Self { core, lengths, cpus, loaded, encoder, memory, peer })
    }

    fn run(&mut self, arguments: &Arguments) -> anyhow::Result<Report> {
        let mut engines: Vec<Engine> = self.loaded.iter().map(|loaded| Engine::case(&loaded.case)).collect();
        engines.extend(self.cpus.iter().map(|cpu| Engine::synthetic(*cpu)));
        if let Some((_, about)) = &self.peer {
            engines.extend(about.variants.iter().map(|(name, variant)| Engine::peer(name, variant)));
        }
        let mut took = vec![vec![Vec::new(); self.lengths.len()]; engines.len()];
        for round in 0..=arguments.rounds {
            for (at, tokens) in self.lengths.clone().into_iter().enumerate() {
                let count = (arguments.turn as usize / tokens).max(1);
                for (engine, took) in engines.iter().zip(&mut took) {
                    let turn = self.turn(engine, tokens, count)?;
                    if round > 0 {
                        took[at].push(Took {
                            wall: turn.wall / count as f64 * 1e3,
                            processor: turn.processor / count as f64 * 1e3,
                        });
                    }
                }
            }
        }
        for (engine, took) in engines.iter_mut().zip(&took) {
            engine.lengths =
                self.lengths.iter().zip(took).map(|(tokens, took)| Length::new(*tokens, took)).collect();
        }
        let mut profiles = Vec::new();
        for cpu in self.cpus.clone() {
            for tokens in self.lengths.clone() {
                profiles.push(self.profile(cpu, tokens, arguments));
            }
        }
        Ok(Report {
            machine: machine::describe(),
            vector_features: machine::vector_features(),
            core: self.core,
            command: std::iter::once("encoders".to_owned())
                .chain(std::env::args().skip(1))
                .collect::<Vec<_>>()
                .join(" "),
            commit: machine::commit(&typecase_benches::repository()),
            peer: self
                .peer
                .as_ref()
                .map(|(_, about)| format!("ONNX Runtime {}, Python {}", about.version, about.python)),
            rounds: arguments.rounds,
            engines,
            profiles,
        })
    }

    /// Has an engine do `count` texts; one more before them, which brings it back into the caches, does not count.
    fn turn(&mut self, engine: &Engine, tokens: usize, count: usize) -> anyhow::Result<Took> {
        if let Runs::Peer = engine.runs {
            let (peer, _) = self.peer.as_mut().context("no peer was started")?;
            return peer.time(&format!("run {} {tokens} {count}", engine.name));
        }
        // The other engine still has to put its answer down and wait: not in our time.
        machine::let_go();
        let mut ids = ids(tokens);
        let Self { encoder, memory, loaded, .. } = self;
        if let (Runs::Case, Some(loaded)) = (&engine.runs, loaded) {
            let rows = loaded.case.rows();
            ids.iter_mut().for_each(|id| *id %= rows);
            return Ok(repeat(count, || {
                black_box(loaded.run(black_box(&ids)));
            }));
        }
        let Runs::Synthetic(cpu) = engine.runs else { bail!("no case was opened") };
        Ok(repeat(count, || {
            black_box(encoder.run(cpu, black_box(&ids), memory, |_| ()));
        }))
    }

    /// Where the processor time of ours goes, apart from the race: the clock is read after every operator.
    fn profile(&mut self, cpu: Cpu, tokens: usize, arguments: &Arguments) -> Profile {
        let ids = ids(tokens);
        let texts = (arguments.turn as usize / tokens).max(1) * arguments.rounds as usize;
        let mut series = vec![Vec::with_capacity(texts); Operator::ALL.len()];
        for _ in 0..texts {
            let mut seconds = [0.0; Operator::ALL.len()];
            let mut last = machine::processor_seconds();
            self.encoder.run(cpu, &ids, &mut self.memory, |operator| {
                let now = machine::processor_seconds();
                seconds[operator as usize] += now - last;
                last = now;
            });
            for (series, seconds) in series.iter_mut().zip(seconds) {
                series.push(seconds);
            }
        }
        let medians: Vec<f64> = series.iter().map(|series| Summary::of(series).median).collect();
        let total: f64 = medians.iter().sum();
        let shape = self.encoder.shape();
        let part = |(operator, seconds): (Operator, &f64)| {
            let products = shape.products(operator, tokens);
            Part {
                operator: operator.name(),
                ms: seconds * 1e3,
                share: seconds / total,
                gmacs: (products > 0).then(|| products as f64 / seconds * 1e-9),
            }
        };
        let parts = Operator::ALL.into_iter().zip(&medians).map(part).collect();
        let matrices = [Operator::Qkv, Operator::Output, Operator::Inner, Operator::Outer];
        let products: usize = matrices.iter().map(|operator| shape.products(*operator, tokens)).sum();
        let seconds: f64 = matrices.iter().filter_map(|operator| medians.get(*operator as usize)).sum();
        Profile { engine: cpu.name(), tokens, parts, matrices_gmacs: products as f64 / seconds * 1e-9 }
    }
}

/// The time of `count` calls of `work`, after one that does not count.
fn repeat(count: usize, mut work: impl FnMut()) -> Took {
    work();
    machine::time(|| (0..count).for_each(|_| work())).1
}

/// ONNX Runtime with its graphs, which are written if they are not there yet.
fn start_peer(arguments: &Arguments) -> anyhow::Result<(Peer, About)> {
    let repository = typecase_benches::repository();
    let mut command = Command::new("python3");
    command.arg(repository.join("benches/peers/ort_encoder.py"));
    command.arg("--out").arg(repository.join("out/encoder-peers"));
    if let Some(model) = &arguments.model {
        command.arg("--model").arg(model);
    }
    for variant in &arguments.variant {
        command.arg("--variant").arg(variant);
    }
    Peer::start(&mut command)
}

/// Spread over the vocabulary, the same at the peer.
fn ids(tokens: usize) -> Vec<u32> {
    (0..tokens as u32).map(|place| 1000 + place * 7919 % 28_000).collect()
}

#[derive(Serialize)]
struct Engine {
    name: String,
    #[serde(skip)]
    runs: Runs,
    #[serde(flatten)]
    variant: Option<Variant>,
    lengths: Vec<Length>,
}

/// What runs in an engine's turn.
enum Runs {
    Case,
    Synthetic(Cpu),
    Peer,
}

impl Engine {
    fn case(case: &Case) -> Self {
        Self { name: format!("case {}", case.name()), runs: Runs::Case, variant: None, lengths: Vec::new() }
    }

    fn synthetic(cpu: Cpu) -> Self {
        Self {
            name: format!("typecase {cpu}"),
            runs: Runs::Synthetic(cpu),
            variant: None,
            lengths: Vec::new(),
        }
    }

    fn peer(name: &str, variant: &Variant) -> Self {
        Self { name: name.to_owned(), runs: Runs::Peer, variant: Some(variant.clone()), lengths: Vec::new() }
    }

    fn is_disturbed(&self) -> bool {
        self.lengths.iter().any(|length| length.share_of_core < QUIET_SHARE)
    }
}

/// What an engine took for texts of one length.
#[derive(Serialize)]
struct Length {
    tokens: usize,
    /// On the wall, over the rounds.
    ms: Summary,
    /// On the processor, the median of the rounds.
    processor_ms: f64,
    /// Processor time divided by time on the wall, all rounds: 1 if nobody else had the core.
    share_of_core: f64,
}

impl Length {
    fn new(tokens: usize, rounds: &[Took]) -> Self {
        let wall: Vec<f64> = rounds.iter().map(|took| took.wall).collect();
        let processor: Vec<f64> = rounds.iter().map(|took| took.processor).collect();
        Self {
            tokens,
            ms: Summary::of(&wall),
            processor_ms: Summary::of(&processor).median,
            share_of_core: processor.iter().sum::<f64>() / wall.iter().sum::<f64>(),
        }
    }
}

/// Where the processor time of ours goes.
#[derive(Serialize)]
struct Profile {
    engine: &'static str,
    tokens: usize,
    parts: Vec<Part>,
    /// Thousand million multiplications a second in the matrices, attention left out.
    matrices_gmacs: f64,
}

#[derive(Serialize)]
struct Part {
    operator: &'static str,
    ms: f64,
    share: f64,
    gmacs: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    machine: String,
    vector_features: Vec<&'static str>,
    core: Option<usize>,
    command: String,
    commit: String,
    peer: Option<String>,
    rounds: u32,
    /// Ours, then the peer's forms.
    engines: Vec<Engine>,
    profiles: Vec<Profile>,
}

impl Report {
    fn to_json(&self) -> String {
        // Strings and finite numbers: nothing that JSON cannot hold.
        serde_json::to_string(self).map(|line| line + "\n").unwrap_or_default()
    }

    fn to_table(&self) -> String {
        let mut out = String::new();
        let core = self.core.map_or_else(|| "not pinned".to_owned(), |core| format!("on core {core}"));
        let _ = writeln!(out, "{} ({}), {core}", self.machine, self.vector_features.join(" "));
        let _ = writeln!(out, "{} (commit {})", self.command, self.commit);
        let peer = self.peer.as_deref().unwrap_or("no peer");
        let _ = writeln!(out, "{peer}; {} rounds; milliseconds a text\n", self.rounds);
        self.write_race(&mut out);
        for profile in &self.profiles {
            let Profile { engine, tokens, parts, matrices_gmacs } = profile;
            let _ = writeln!(out, "\n{engine}, {tokens} tokens: matrices {matrices_gmacs:.1} GMAC/s");
            for Part { operator, ms, share, gmacs } in parts {
                let gmacs = gmacs.map_or_else(String::new, |gmacs| format!("{gmacs:.1} GMAC/s"));
                let line = format!("  {operator:<10} {ms:>8.3} ms {:>5.1} %  {gmacs:>13}", share * 100.0);
                let _ = writeln!(out, "{}", line.trim_end());
            }
        }
        if self.engines.iter().any(Engine::is_disturbed) {
            let _ = writeln!(
                out,
                "\nnote: others had the core in between: rely on the processor time, or run it again on a quiet machine"
            );
        }
        out
    }

    /// A row for each engine and length; the ratios are to the first engine.
    fn write_race(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "{:<22} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>6} {:>6} {:>9} {:>8} {:>6}",
            "engine",
            "tokens",
            "median",
            "min",
            "25 %",
            "75 %",
            "processor",
            "core",
            "ratio",
            "ratio cpu",
            "load",
            "error"
        );
        for Engine { name, variant, lengths, .. } in &self.engines {
            let facts = variant.as_ref().map_or_else(String::new, |Variant { load_ms, error, .. }| {
                format!("{load_ms:>8.0} {:>4.0} %", error * 100.0)
            });
            for (at, Length { tokens, ms, processor_ms, share_of_core }) in lengths.iter().enumerate() {
                let first = self.engines.first().and_then(|engine| engine.lengths.get(at));
                let ratio = first.map_or(1.0, |first| ms.median / first.ms.median);
                let ratio_cpu = first.map_or(1.0, |first| processor_ms / first.processor_ms);
                let line = format!(
                    "{name:<22} {tokens:>6} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {processor_ms:>9.3} {:>4.0} % {ratio:>6.2} {ratio_cpu:>9.2} {}",
                    ms.median,
                    ms.min,
                    ms.lower_quartile,
                    ms.upper_quartile,
                    share_of_core * 100.0,
                    if at == 0 { facts.as_str() } else { "" }
                );
                let _ = writeln!(out, "{}", line.trim_end());
            }
        }
    }
}
