//! One engine of somebody else in one process, told what to do by `typecase bench --vs`.
//!
//! ```text
//! typecase-peers ort-int8 --graphs FOLDER
//! ```
//! It speaks lines of JSON on standard output; standard input at its end ends it:
//!
//! ```text
//! at the start                          {"version": ..., "open_us": ...}, or {"error": ...} and exit code 2
//! {"texts": [["16", [[1, 2], ...]], ..]}  {"first_us": ..., "scores": [...]}: ids by length; scores of the first text
//! {"run": ["16", 8]}                    {"wall": seconds, "processor": seconds, "peak_rss_kib": ...} of so many texts
//! ```
//! A run begins with a text more, which brings the engine back into the caches and does not count.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use serde::{Deserialize, Serialize};
use typecase_benches::machine;
use typecase_benches::peers::{Engine, Name};

/// Run an engine of somebody else for `typecase bench --vs`.
#[derive(Debug, Parser)]
#[command(name = "typecase-peers", max_term_width = 100)]
struct Arguments {
    /// The engine and the form of the network: ort-int8, rten-f32, candle-f32
    #[arg(value_name = "ENGINE-FORM")]
    name: String,
    /// What benches/peers/bert_onnx.py wrote
    #[arg(long, value_name = "FOLDER")]
    graphs: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Texts(Vec<(String, Vec<Vec<u32>>)>),
    /// Which length, and how many texts.
    Run(String, usize),
}

#[derive(Serialize)]
struct About {
    version: String,
    open_us: f64,
}

#[derive(Serialize)]
struct First {
    first_us: f64,
    scores: Vec<f32>,
}

#[derive(Serialize)]
struct Took {
    wall: f64,
    processor: f64,
    peak_rss_kib: Option<u64>,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever has left does not hear it.
            let _ = say(&Refusal { error: format!("{error:#}") });
            ExitCode::from(2)
        }
    }
}

fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut engine = Name::parse(&arguments.name)?.open(&arguments.graphs)?;
    say(&About { version: engine.version(), open_us: started.elapsed().as_secs_f64() * 1e6 })?;
    let mut texts = Vec::new();
    for line in io::stdin().lock().lines() {
        match serde_json::from_str(&line?).context("not understood")? {
            Request::Texts(given) => {
                let first = given.iter().flat_map(|(_, texts)| texts).next().context("no texts")?;
                let started = Instant::now();
                let scores = engine.run(first)?;
                say(&First { first_us: started.elapsed().as_secs_f64() * 1e6, scores })?;
                texts = given;
            }
            Request::Run(length, count) => {
                let found = texts.iter().find(|(known, _)| *known == length);
                let (_, texts) = found.with_context(|| format!("no texts of length {length}"))?;
                say(&measure(engine.as_mut(), texts, count)?)?;
            }
        }
    }
    Ok(())
}

fn measure(engine: &mut dyn Engine, texts: &[Vec<u32>], count: usize) -> anyhow::Result<Took> {
    ensure!(!texts.is_empty(), "no texts");
    machine::let_go();
    black_box(engine.run(&texts[0])?);
    let (processor, wall) = (machine::process_seconds(), Instant::now());
    for ids in texts.iter().cycle().take(count) {
        black_box(engine.run(black_box(ids))?);
    }
    let wall = wall.elapsed().as_secs_f64();
    Ok(Took {
        wall,
        processor: machine::process_seconds() - processor,
        peak_rss_kib: machine::peak_rss_kib(),
    })
}

fn say(value: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
