//! Where the time of a text goes: the operators one by one, with a clock between them. The engine has no clock, so an
//! encoder's operators are called here in its order; the scores show that nothing was left out.

use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use typecase::Case;
use typecase::engine::{Buffers, Cpu, Payload};

use super::encoder::{self, Operator};
use super::floor::Held;
use super::machine::micros;
use super::record::median;
use super::texts::{Texts, step};
use crate::failure::Failure;
use crate::format::rounded;

/// The parts of a bag.
const BAG: [&str; 3] = ["tokenizer, look-up", "rows, head", "verdict"];

/// The parts of a text of one length.
#[derive(Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) case: String,
    /// The kernels of an encoder.
    pub(crate) kernels: String,
    pub(crate) length: u32,
    pub(crate) parts: Vec<Part>,
    /// Thousand million multiply-adds a second in the matrices.
    pub(crate) matrices_gmacs: Option<f64>,
}

/// A part of the work, all layers together.
#[derive(Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) operator: String,
    /// The median of all texts, milliseconds.
    pub(crate) ms: f64,
    pub(crate) share: f64,
    /// Thousand million multiply-adds a second, where they count.
    pub(crate) gmacs: Option<f64>,
}

impl Profile {
    /// Of a bag.
    pub(super) fn of_bag(case: &Case, texts: &Texts, rounds: u32) -> Self {
        let mut memory = Buffers::new(&case.cost());
        let mut series = BAG.map(|_| Vec::new());
        for _ in 0..rounds {
            for text in texts.texts.iter().step_by(step(texts.texts.len())) {
                let started = Instant::now();
                let encoded = case.encode_into(black_box(text.as_bytes()), &mut memory.memory());
                let encoded_us = micros(started);
                let ids = memory.ids.get(..encoded.len).unwrap_or_default();
                let place = case.scores_into(ids, &mut memory.numbers, &mut []);
                let scored_us = micros(started);
                black_box(case.verdict(encoded, memory.numbers.get(place).unwrap_or_default()));
                let done_us = micros(started);
                let times = [encoded_us, scored_us - encoded_us, done_us - scored_us];
                series.iter_mut().zip(times).for_each(|(series, time)| series.push(time));
            }
        }
        let parts = BAG.into_iter().zip(&series).map(|(name, series)| (name, median(series), None));
        Self::new(case, "", texts.length, &parts.collect::<Vec<_>>())
    }

    /// Of an encoder; with the matrices beside plain products, if this processor has such.
    pub(super) fn of_encoder(
        case: &Case,
        texts: &Texts,
        rounds: u32,
    ) -> Result<(Self, Option<Held>), Failure> {
        let Payload::Encoder(encoder) = case.payload() else {
            return Err(Failure::input("a bag found, an encoder is needed"));
        };
        let cpu: Cpu = case.cpu();
        let mut buffers = Buffers::new(&case.cost());
        let longest = texts.ids.iter().map(Vec::len).max().unwrap_or(0);
        let mut memory = encoder::Memory::new(&encoder.shape, longest);
        let broken = |error| Failure::input(format!("{}: {error}", case.name()));
        if let Some(ids) = texts.ids.first() {
            let place = case.scores_into(ids, &mut buffers.numbers, &mut buffers.arena);
            let found = encoder::run(&encoder, cpu, ids, &mut memory, |_, _| ()).map_err(broken)?;
            if Some(found) != buffers.numbers.get(place) {
                return Err(Failure::purpose("the operators give other scores than the engine"));
            }
        }
        let mut held = Held::new(&encoder.shape, longest);
        let mut series = Operator::ALL.map(|_| Vec::new());
        let step = step(texts.texts.len());
        for _ in 0..rounds {
            for (text, ids) in texts.texts.iter().zip(&texts.ids).step_by(step) {
                let mut times = [0.0; Operator::ALL.len()];
                let started = Instant::now();
                black_box(case.encode_into(black_box(text.as_bytes()), &mut buffers.memory()));
                times[Operator::Tokenizer as usize] = micros(started);
                let mut last = Instant::now();
                let after = |operator: Operator, layer: usize| {
                    let now = Instant::now();
                    let took = now.duration_since(last).as_secs_f64() * 1e6;
                    times[operator as usize] += took;
                    if let Some(held) = &mut held {
                        held.ours(operator, layer, ids.len(), took);
                    }
                    last = Instant::now();
                };
                black_box(encoder::run(&encoder, cpu, ids, &mut memory, after).map_err(broken)?);
                if let Some(held) = &mut held {
                    held.plain(&encoder, ids.len()).map_err(broken)?;
                }
                series.iter_mut().zip(times).for_each(|(series, time)| series.push(time));
            }
        }
        let lengths: Vec<_> = texts.ids.iter().step_by(step).map(Vec::len).collect();
        let tokens = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        let products = |operator: Operator| operator.products(&encoder.shape, tokens);
        let part =
            |(operator, series): (Operator, &Vec<f64>)| (operator.name(), median(series), products(operator));
        let parts: Vec<_> = Operator::ALL.into_iter().zip(&series).map(part).collect();
        let mut profile = Self::new(case, cpu.name(), texts.length, &parts);
        let matrices = Operator::MATRICES.map(|operator| parts[operator as usize]);
        let products: f64 = matrices.iter().filter_map(|(_, _, products)| *products).sum();
        let us: f64 = matrices.iter().map(|(_, us, _)| us).sum();
        profile.matrices_gmacs = Some(rounded(products / us * 1e-3, 1));
        Ok((profile, held.map(|held| held.finished(case.name(), cpu.name(), texts.length))))
    }

    /// From microseconds and multiply-adds.
    fn new(case: &Case, kernels: &str, length: u32, parts: &[(&str, f64, Option<f64>)]) -> Self {
        let total: f64 = parts.iter().map(|(_, us, _)| us).sum();
        let part = |(name, us, products): &(&str, f64, Option<f64>)| Part {
            operator: (*name).to_owned(),
            ms: rounded(us * 1e-3, 6),
            share: rounded(us / total, 4),
            gmacs: products.map(|products| rounded(products / us * 1e-3, 1)),
        };
        Self {
            case: case.name().to_owned(),
            kernels: kernels.to_owned(),
            length,
            parts: parts.iter().map(part).collect(),
            matrices_gmacs: None,
        }
    }

    pub(super) fn print(&self) {
        let Self { case, kernels, length, parts, matrices_gmacs } = self;
        let matrices =
            matrices_gmacs.map_or_else(String::new, |gmacs| format!(": matrices {gmacs:.1} GMAC/s"));
        let kernels = if kernels.is_empty() { String::new() } else { format!(", {kernels}") };
        outln!("\nprofile of {case}{kernels}, length {length}{matrices}");
        for Part { operator, ms, share, gmacs } in parts {
            let gmacs = gmacs.map_or_else(String::new, |gmacs| format!("{gmacs:>8.1} GMAC/s"));
            let line = format!("  {operator:<18} {ms:>10.4} ms {:>5.1} %{gmacs}", share * 100.0);
            outln!("{}", line.trim_end());
        }
    }
}
