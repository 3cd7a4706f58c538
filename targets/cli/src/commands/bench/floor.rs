//! The matrices of an encoder beside plain products of the same matrices, measured in turn: what is left to gain.

use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use typecase::engine::{Encoder, EncoderShape, FormatError};
use typecase_kernels::floor::Floor;

use super::encoder::{Operator, matrix};
use super::machine::micros;
use super::record::median;
use crate::format::rounded;

/// About a hundred microseconds on registers.
const TURNS: u64 = 2000;

/// An encoder's matrices at one length.
#[derive(Serialize, Deserialize)]
pub(crate) struct Held {
    /// The fastest instruction that the processor has.
    pub(crate) instruction: String,
    /// Thousand million multiply-adds a second of this instruction on registers alone.
    pub(crate) registers_gmacs: f64,
    pub(crate) case: String,
    pub(crate) kernels: String,
    pub(crate) length: u32,
    pub(crate) matrices: Vec<HeldMatrix>,
    #[serde(skip)]
    bench: Option<Box<Bench>>,
}

/// A matrix, medians of all texts.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeldMatrix {
    pub(crate) matrix: String,
    pub(crate) layer: u32,
    /// Of the kernel, requantising and all.
    pub(crate) gmacs: f64,
    /// Of plain products of the same matrix with the fastest instruction, sums alone.
    pub(crate) plain_gmacs: f64,
    /// The former as a share of the latter.
    pub(crate) share: f64,
}

/// What is measured.
struct Bench {
    floor: Floor,
    shape: EncoderShape,
    words: Vec<u64>,
    sums: Vec<i32>,
    input: Vec<u8>,
    registers: Vec<f64>,
    /// Layer by layer, in a layer as [`Operator::MATRICES`]: multiply-adds a microsecond.
    ours: Vec<Vec<f64>>,
    plain: Vec<Vec<f64>>,
}

impl Held {
    /// For texts of up to so many tokens; `None` if this processor has no such loop, or the shape fills no blocks.
    pub(super) fn new(shape: &EncoderShape, tokens: usize) -> Option<Self> {
        let floor = Floor::detect()?;
        let matrices = Operator::MATRICES.iter().filter_map(|operator| operator.matrix(shape));
        let (inputs, outputs): (Vec<_>, Vec<_>) = matrices.unzip();
        let whole = inputs.iter().chain(&outputs).all(|number| number.is_multiple_of(16));
        let inputs = inputs.into_iter().max().filter(|_| whole)?;
        let outputs = outputs.into_iter().max()?;
        let count = usize::from(shape.layers) * Operator::MATRICES.len();
        let bench = Bench {
            floor,
            shape: *shape,
            words: vec![0; Floor::work_len(inputs, tokens)],
            sums: vec![0; tokens * outputs],
            input: (0..tokens * inputs).map(|at| (at * 73) as u8).collect(),
            registers: Vec::new(),
            ours: vec![Vec::new(); count],
            plain: vec![Vec::new(); count],
        };
        Some(Self {
            instruction: floor.name().to_owned(),
            registers_gmacs: 0.0,
            case: String::new(),
            kernels: String::new(),
            length: 0,
            matrices: Vec::new(),
            bench: Some(Box::new(bench)),
        })
    }

    /// What the kernel took for a matrix, in microseconds; other operators are of no interest.
    pub(super) fn ours(&mut self, operator: Operator, layer: usize, tokens: usize, us: f64) {
        let Some(bench) = &mut self.bench else { return };
        let Some(place) = Operator::MATRICES.iter().position(|known| *known == operator) else { return };
        let products = operator.matrix(&bench.shape).map_or(0, |(inputs, outputs)| inputs * outputs * tokens);
        if let Some(series) = bench.ours.get_mut(layer * Operator::MATRICES.len() + place) {
            series.push(products as f64 / us);
        }
    }

    /// Plain products of all matrices, and some on registers.
    pub(super) fn plain(&mut self, encoder: &Encoder<'_>, tokens: usize) -> Result<(), FormatError> {
        let Some(bench) = &mut self.bench else { return Ok(()) };
        let Bench { floor, words, sums, input, registers, plain, .. } = &mut **bench;
        let started = Instant::now();
        let products = floor.registers(black_box(TURNS));
        registers.push(products as f64 / micros(started));
        let mut series = plain.iter_mut();
        for number in 0..encoder.shape.layers {
            let layer = encoder.layer(number)?;
            for part in [&layer.qkv, &layer.output, &layer.inner, &layer.outer] {
                floor.prepare(input, tokens, part.inputs, words);
                let matrix = matrix(part);
                let started = Instant::now();
                floor.multiply(words, tokens, &matrix, sums);
                let us = micros(started);
                black_box(&*sums);
                let products = (part.inputs * part.outputs * tokens) as f64;
                series.by_ref().take(1).for_each(|series| series.push(products / us));
            }
        }
        Ok(())
    }

    /// The medians.
    pub(super) fn finished(mut self, case: &str, kernels: &str, length: u32) -> Self {
        (self.case, self.kernels, self.length) = (case.to_owned(), kernels.to_owned(), length);
        let Some(bench) = self.bench.take() else { return self };
        // A microsecond's products are a thousandth of a thousand million a second's.
        let gmacs = |series: &[f64]| median(series) * 1e-3;
        self.registers_gmacs = rounded(gmacs(&bench.registers), 1);
        let pairs = bench.ours.iter().zip(&bench.plain).enumerate();
        self.matrices = pairs
            .map(|(at, (ours, plain))| {
                let (ours, plain) = (gmacs(ours), gmacs(plain));
                let operator = Operator::MATRICES[at % Operator::MATRICES.len()];
                HeldMatrix {
                    matrix: operator.name().to_owned(),
                    layer: (at / Operator::MATRICES.len()) as u32,
                    gmacs: rounded(ours, 1),
                    plain_gmacs: rounded(plain, 1),
                    share: rounded(ours / plain, 3),
                }
            })
            .collect();
        self
    }

    /// A line for each kind of matrix: medians of the layers, and the lowest share of any layer.
    pub(crate) fn lines(&self) -> Vec<(&str, f64, f64, f64, f64)> {
        let line = |operator: Operator| {
            let of_kind: Vec<_> =
                self.matrices.iter().filter(|matrix| matrix.matrix == operator.name()).collect();
            let middle = |number: fn(&HeldMatrix) -> f64| {
                median(&of_kind.iter().map(|matrix| number(matrix)).collect::<Vec<_>>())
            };
            let least = of_kind.iter().map(|matrix| matrix.share).fold(f64::INFINITY, f64::min);
            (operator.name(), middle(|m| m.gmacs), middle(|m| m.plain_gmacs), middle(|m| m.share), least)
        };
        Operator::MATRICES.into_iter().map(line).collect()
    }

    pub(super) fn print(&self) {
        let Self { instruction, registers_gmacs, case, kernels, length, .. } = self;
        outln!(
            "\nmatrices of {case}, {kernels}, length {length}, beside plain products with {instruction}: \
             {registers_gmacs:.0} GMAC/s on registers alone"
        );
        outln!("  {:<14} {:>10} {:>10} {:>7} {:>7}", "matrix", "ours", "plain", "share", "lowest");
        for (name, ours, plain, share, least) in self.lines() {
            outln!(
                "  {name:<14} {ours:>10.1} {plain:>10.1} {:>5.0} % {:>5.0} %",
                share * 100.0,
                least * 100.0
            );
        }
    }
}
