//! The engine of this very build, as a program: `scores scalar|native CASE < TEXTS`, one text a line.
//!
//! The first line says what answers; then a line for each text: label, scores, flags, parted by tabs. `scalar` takes the
//! functions of the specification alone, one after the other; `native` is the engine as everybody calls it.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program: its results go to standard output")]

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufWriter, Write};
use std::process::ExitCode;

use typecase_engine::{Bag, Case, Cell, Cpu, Head, Memory, Payload, Verdict, classify};
use typecase_kernels::{RowScales, scalar};

/// The exit code for wrong usage and for input that is refused.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["scalar", path] => run(path, "scalar kernels", by_specification),
        ["native", path] => run(path, "narrow kernels", by_engine),
        _ => Err("usage: scores scalar|native CASE < TEXTS".to_owned()),
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
type Way = for<'s> fn(&'s Case<Vec<u8>>, &[u8], Memory<'s>) -> Verdict<'s>;

fn run(path: &str, kernels: &str, way: Way) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let case = Case::parse(bytes).map_err(|error| format!("{path}: {error} (code {})", error.code()))?;
    let cost = case.cost();
    let (mut ids, mut numbers) = (vec![0; cost.ids], vec![0; cost.numbers]);
    let (mut tokens, mut cells) = (vec![0; cost.tokens], vec![Cell::default(); cost.cells]);
    let mut arena = vec![0; cost.arena];
    let mut memory = Memory {
        ids: &mut ids,
        numbers: &mut numbers,
        tokens: &mut tokens,
        cells: &mut cells,
        arena: &mut arena,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let vectors = case.verify(&mut memory);
    let vectors = vectors.map_err(|error| format!("{path}: {error} (code {})", error.code()))?;
    let mut done = writeln!(out, "native engine, {kernels}; {vectors} golden vectors exact");
    for text in io::stdin().lock().split(b'\n') {
        let text = text.map_err(|error| format!("standard input: {error}"))?;
        let text = text.strip_suffix(b"\r").unwrap_or(&text);
        let verdict = way(&case, text, memory.reborrow());
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

fn by_engine<'s>(case: &'s Case<Vec<u8>>, text: &[u8], memory: Memory<'s>) -> Verdict<'s> {
    classify(case, text, memory)
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
