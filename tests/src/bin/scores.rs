//! The engine of this very build, as a program: `scores KERNELS CASE < TEXTS`, one text a line.
//!
//! The first line says what answers; then a line for each text: label, scores, flags, parted by tabs. `native` is the engine
//! as everybody calls it, `scalar` takes the functions of the specification alone, one after the other; any other name is
//! that of an encoder's kernels, such as `avx2`. `scores kernels` lists them, `scores encoder FILE < TEXTS` writes a small
//! case with an encoder of random numbers, whose tokenizer is learnt from texts.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program: its results go to standard output")]

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufWriter, Write};
use std::process::ExitCode;

use typecase_engine::{Bag, Buffers, Case, Cpu, Head, Memory, Payload, Verdict, classify};
use typecase_kernels::{RowScales, scalar};
use typecase_tests::encoder;

/// The exit code for wrong usage and for input that is refused.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["kernels"] => {
            Cpu::all().for_each(|cpu| println!("{cpu}"));
            Ok(())
        }
        ["encoder", path] => write_encoder(path),
        ["scalar", path] => run(path, Kernels::Specification),
        ["native", path] => run(path, Kernels::Named(Cpu::detect())),
        [name, path] => match Cpu::named(name) {
            Some(cpu) => run(path, Kernels::Named(cpu)),
            None => Err(format!("{name}: no such kernels here; `scores kernels` lists them")),
        },
        _ => Err("usage: scores KERNELS CASE < TEXTS, or kernels, or encoder FILE < TEXTS".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(REFUSED)
        }
    }
}

/// How a text comes to its verdict.
#[derive(Clone, Copy)]
enum Kernels {
    /// The functions of the specification.
    Specification,
    /// The engine, on these for an encoder.
    Named(Cpu),
}

/// Writes a case whose tokenizer is learnt from the texts of standard input.
fn write_encoder(path: &str) -> Result<(), String> {
    let texts: Result<Vec<_>, _> = io::stdin().lock().split(b'\n').collect();
    let texts = texts.map_err(|error| format!("standard input: {error}"))?;
    fs::write(path, encoder::device_case(&texts)).map_err(|error| format!("{path}: {error}"))
}

fn run(path: &str, kernels: Kernels) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let case = Case::parse(bytes).map_err(|error| format!("{path}: {error} (code {})", error.code()))?;
    let case = if let Kernels::Named(cpu) = kernels { case.on(cpu) } else { case };
    let mut buffers = Buffers::new(&case.cost());
    let mut memory = buffers.memory();
    let mut out = BufWriter::new(io::stdout().lock());
    let vectors = case.verify(&mut memory);
    let vectors = vectors.map_err(|error| format!("{path}: {error} (code {})", error.code()))?;
    let name = match (kernels, case.payload()) {
        (Kernels::Specification, _) => "scalar".to_owned(),
        (Kernels::Named(_), Payload::Bag(_)) => "narrow".to_owned(),
        (Kernels::Named(cpu), _) => cpu.to_string(),
    };
    let mut done = writeln!(out, "native engine, {name} kernels; {vectors} golden vectors exact");
    for text in io::stdin().lock().split(b'\n') {
        let text = text.map_err(|error| format!("standard input: {error}"))?;
        let text = text.strip_suffix(b"\r").unwrap_or(&text);
        let verdict = match kernels {
            Kernels::Specification => by_specification(&case, text, memory.reborrow()),
            Kernels::Named(_) => classify(&case, text, memory.reborrow()),
        };
        done = done.and_then(|()| answer(&mut out, &verdict));
    }
    done.and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}

fn answer(out: &mut impl Write, verdict: &Verdict<'_>) -> io::Result<()> {
    let scores: Vec<String> = verdict.scores.iter().map(ToString::to_string).collect();
    let named = [
        (verdict.truncated, "truncated"),
        (verdict.abstain, "abstain"),
        (verdict.invalid_utf8 != 0, "invalid"),
    ];
    let flags: Vec<&str> = named.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
    let flags = if flags.is_empty() { "-".to_owned() } else { flags.join(",") };
    writeln!(out, "{}\t{}\t{flags}", verdict.label, scores.join(","))
}

/// Ids from the tokenizer, the rest from `typecase_kernels::scalar`, without the engine's own order of calls.
fn by_specification<'s>(case: &'s Case<Vec<u8>>, text: &[u8], mut memory: Memory<'s>) -> Verdict<'s> {
    let encoded = case.encode_into(text, &mut memory);
    let Memory { ids, numbers, arena, .. } = memory;
    let ids = &ids[..encoded.len];
    let scores = match case.payload() {
        Payload::Bag(bag) => specified(case, &bag, ids),
        // The order of calls is the engine's own; the operators are those of the specification.
        _ => {
            let mut scores = vec![0; numbers.len()];
            let place = case.view().on(Cpu::Scalar).scores_into(ids, &mut scores, arena);
            scores[place].to_vec()
        }
    };
    let place = &mut numbers[..scores.len()];
    place.copy_from_slice(&scores);
    case.verdict(encoded, place)
}

fn specified(case: &Case<Vec<u8>>, bag: &Bag<'_>, ids: &[u32]) -> Vec<i32> {
    let width = usize::from(bag.shape.width);
    let mut hidden = vec![0; width];
    let scales = RowScales::new(bag.shape.scale_bits, bag.scales);
    match bag.shape.weight_bits {
        4 => scalar::sum_rows_i4(bag.weights, width, scales, ids, &mut hidden),
        _ => scalar::sum_rows_i8(bag.weights, width, scales, ids, &mut hidden),
    }
    let norm = case.norm(ids.len());
    scalar::add_bias(bag.bias, norm, &mut hidden);
    let Head::Relu { shift } = bag.shape.head else { return hidden };
    let mut scores = vec![0; bag.shape.classes.into()];
    scalar::dense_relu_i8(&hidden, shift, bag.head_weights, bag.head_bias, norm, &mut scores);
    scores
}
