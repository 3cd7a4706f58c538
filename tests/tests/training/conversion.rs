//! From checkpoint to case: every setting, sizes, and agreement with the floating-point parent.

use std::sync::OnceLock;

use typecase_convert::{Checkpoint, ConvertError, Options, Parent, RowScales, Weights, convert};
use typecase_engine::{Case, Memory, Pooling, Session};
use typecase_tests::Scratch;

use crate::{SAMPLE_CSV, Workshop, checkpoints, recipe};

/// The checkpoint of the sample data, and the held-out texts.
fn sample() -> &'static (Checkpoint, Vec<(String, u32)>) {
    static SAMPLE: OnceLock<(Checkpoint, Vec<(String, u32)>)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let trained = Workshop::sample().train(&recipe("min_count = 1\nkeep = [6000]\n"), "run");
        (trained.checkpoint, trained.validation)
    })
}

fn every_setting() -> Vec<Options> {
    let mut all = Vec::new();
    for weights in [Weights::Int4, Weights::Int8] {
        for row_scales in [RowScales::None, RowScales::Shift, RowScales::Multiple] {
            for fingerprint_bits in [8, 16] {
                let max_drop = 100.0;
                all.push(Options { weights, row_scales, fingerprint_bits, max_drop, ..Options::default() });
            }
        }
    }
    all
}

#[test]
fn every_setting_converts_verifies_and_keeps_the_accuracy() {
    let (checkpoint, held_out) = sample();
    let mut scratch = Scratch::new();
    for options in every_setting() {
        let converted = convert(checkpoint, held_out, &options).unwrap();
        let report = &converted.report;
        // Of features that look alike within a bucket one is left out: seldom with 16 bits, some with 8.
        let least = if options.fingerprint_bits == 16 { 5995 } else { 5800 };
        assert!((least..=6000).contains(&report.features), "{} features with {options:?}", report.features);
        assert_eq!(report.features_before, 6000);
        assert!(report.drop <= 3.0, "{:.2} points lost with {options:?}", report.drop);
        let case = Case::parse(converted.case.as_slice()).unwrap();
        let vectors = case.verify(&mut scratch.memory()).unwrap();
        assert!(vectors >= 16);

        // The report tells what the engine does.
        let right = held_out.iter().filter(|(text, label)| {
            typecase_engine::classify(&case, text.as_bytes(), scratch.memory()).label_index == *label
        });
        assert_eq!(right.count() as u64, report.case.correct);
    }
}

#[test]
fn sizes_are_respected_with_every_setting() {
    let (checkpoint, held_out) = sample();
    for options in every_setting() {
        let mut before = 0;
        for max_size in [4000, 8000, 16_384, 30_001] {
            let options = Options { max_size: Some(max_size), ..options.clone() };
            let converted = convert(checkpoint, held_out, &options).unwrap();
            let len = converted.case.len() as u64;
            assert!(len <= max_size, "{len} bytes with {options:?}");
            assert_eq!(len, converted.report.bytes);
            assert!(converted.report.features > before || before == 6000, "more room, more features");
            before = converted.report.features;
        }
        assert!(matches!(
            convert(checkpoint, held_out, &Options { max_size: Some(500), ..options }),
            Err(ConvertError::Gate { .. })
        ));
    }
}

#[test]
fn what_fits_as_it_is_loses_nothing_to_a_limit() {
    let (checkpoint, held_out) = sample();
    let free = convert(checkpoint, held_out, &Options { max_drop: 100.0, ..Options::default() }).unwrap();
    let limit = Some(free.case.len() as u64);
    let bound = Options { max_drop: 100.0, max_size: limit, ..Options::default() };
    assert!(convert(checkpoint, held_out, &bound).unwrap().case == free.case);
}

#[test]
fn the_same_checkpoint_gives_the_same_case() {
    let (checkpoint, held_out) = sample();
    let options = Options { max_size: Some(9000), max_drop: 100.0, ..Options::default() };
    let one = convert(checkpoint, held_out, &options).unwrap();
    let other = convert(checkpoint, held_out, &options).unwrap();
    assert!(one.case == other.case && one.report == other.report);
}

/// Labels of the sample texts by the parent and by the case of a checkpoint.
fn agreement(checkpoint: &Checkpoint, texts: &[String], options: &Options) -> f64 {
    let converted = convert(checkpoint, &[], options).unwrap();
    let case = Case::parse(converted.case.as_slice()).unwrap();
    let cost = case.cost();
    let (mut ids, mut numbers) = (vec![0; cost.ids], vec![0; cost.numbers]);
    let memory = Memory { ids: &mut ids, numbers: &mut numbers, ..Memory::default() };
    let mut session = Session::new(&case, memory).unwrap();
    let parent = Parent::new(checkpoint).unwrap();
    let mut labels = [0; 5];
    let alike = texts.iter().filter(|text| {
        let logits = parent.logits(text.as_bytes());
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        labels[best] += 1;
        session.classify(text.as_bytes()).label_index as usize == best
    });
    let share = alike.count() as f64 / texts.len() as f64;
    assert!(labels.iter().filter(|&&n| n > 0).count() >= 2, "the parent always says the same: {labels:?}");
    assert!(case.verify(&mut Scratch::new().memory()).unwrap() >= 16);
    share
}

#[test]
fn a_hidden_layer_agrees_with_its_parent() {
    let texts: Vec<String> = SAMPLE_CSV.lines().take(300).map(str::to_owned).collect();
    let mut seed = 0;
    for pooling in [Pooling::Sum, Pooling::Mean, Pooling::SquareRoot] {
        for width in [5, 8, 33] {
            seed += 1;
            let checkpoint = checkpoints::with_hidden_layer(&texts, width, pooling, seed);
            for row_scales in [RowScales::None, RowScales::Shift, RowScales::Multiple] {
                let options = Options { row_scales, ..Options::default() };
                let share = agreement(&checkpoint, &texts, &options);
                assert!(share >= 0.95, "{share:.3} alike: {pooling:?}, width {width}, {row_scales:?}");
            }
        }
    }
}

#[test]
fn held_out_labels_beyond_the_classes_are_refused() {
    let (checkpoint, _) = sample();
    let answer = convert(checkpoint, &[("text".to_owned(), 4)], &Options::default());
    assert_eq!(answer.unwrap_err().to_string(), "held-out label 4 found, classes are 0 to 3");
}
