//! The engine against a naive second implementation in 64 bits, written from the words of the format: a map for the
//! vocabulary, numbers unpacked one by one, every step in its own loop.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use typecase_case::sections::bag::NewBag;
use typecase_engine::{BagShape, Case, FormatError, Head, NgramSpec, Ngrams, Pooling, classify};
use typecase_tests::{CaseParts, Scratch};
use typecase_text::vocabulary::Builder;

/// A bag that is evaluated slowly.
#[derive(Clone, Debug)]
struct Reference {
    ngrams: Ngrams,
    max_ids: usize,
    buckets: u64,
    fingerprint_bits: u32,
    rows: HashMap<(u64, u32), usize>,
    bag: NewBag,
}

/// What the reference says of a text.
#[derive(Debug, PartialEq)]
struct Answer {
    ids: Vec<u32>,
    scores: Vec<i64>,
    label: usize,
    truncated: bool,
}

impl Reference {
    fn new(spec: NgramSpec, max_ids: u32, vocabulary: &Builder, bag: &NewBag) -> Self {
        let shape = vocabulary.shape();
        let mut reference = Self {
            ngrams: Ngrams::new(spec).unwrap(),
            max_ids: max_ids as usize,
            buckets: shape.buckets().into(),
            fingerprint_bits: shape.fingerprint_bits().into(),
            rows: HashMap::new(),
            bag: bag.clone(),
        };
        reference.rows = vocabulary.features().map(|f| reference.key(f)).zip(0..).collect();
        assert_eq!(reference.rows.len(), bag.shape.rows as usize);
        reference
    }

    /// What the vocabulary can tell features apart by.
    fn key(&self, feature: u32) -> (u64, u32) {
        (u64::from(feature) * self.buckets / (1 << 32), feature % (1 << self.fingerprint_bits))
    }

    fn answer(&self, text: &[u8]) -> Answer {
        let mut features = vec![0; 16 * text.len() + 64];
        let report = self.ngrams.features_into(text, &mut features);
        let held = features[..report.len].iter().filter_map(|&f| self.rows.get(&self.key(f)).copied());
        let all: Vec<usize> = held.collect();
        let ids = &all[..all.len().min(self.max_ids)];
        let truncated = report.truncated || all.len() > ids.len();

        let (width, classes) = (usize::from(self.bag.shape.width), usize::from(self.bag.shape.classes));
        let n = ids.len().max(1) as i64;
        let normed = |bias: i32| match self.bag.shape.pooling {
            Pooling::Sum => i64::from(bias),
            Pooling::Mean => i64::from(bias) * n,
            Pooling::SquareRoot => {
                // The largest k with k^2 at most n * 2^16, looked for; then rounded down, also below 0.
                let factor = (0..=65_536i64).take_while(|k| k * k <= n << 16).last().unwrap();
                (i64::from(bias) * factor).div_euclid(256)
            }
        };
        let sum_of = |column: usize| {
            let row_of = |&id: &usize| {
                let scale = match (self.bag.shape.scale_bits, self.bag.scales.get(id)) {
                    (2, Some(&code)) => 2i64.pow(code.into()),
                    (8, Some(&scale)) => scale.into(),
                    _ => 1,
                };
                scale * i64::from(self.bag.weights[id * width + column])
            };
            ids.iter().map(row_of).sum::<i64>() + normed(self.bag.bias[column])
        };
        let hidden: Vec<i64> = (0..width).map(sum_of).collect();
        let scores = match self.bag.shape.head {
            Head::None => hidden,
            Head::Relu { shift } => {
                let rectified: Vec<i64> =
                    hidden.iter().map(|h| if *h > 0 { h / (1 << shift) } else { 0 }).collect();
                let score_of = |class: usize| {
                    let weights = &self.bag.head_weights[class * width..(class + 1) * width];
                    let products = rectified.iter().zip(weights).map(|(h, w)| h * i64::from(*w));
                    products.sum::<i64>() + normed(self.bag.head_bias[class])
                };
                (0..classes).map(score_of).collect()
            }
        };
        let highest = scores.iter().max().unwrap();
        let label = scores.iter().position(|score| score == highest).unwrap();
        Answer { ids: ids.iter().map(|&id| id as u32).collect(), scores, label, truncated }
    }
}

/// Numbers of any length, made from a seed; their last values are the extremes.
fn numbers(seed: u32, len: usize, low: i64, high: i64) -> Vec<i64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
        i64::from(state >> 4)
    };
    (0..len)
        .map(|_| match next() % 11 {
            0 => low,
            1 => high,
            _ => low + next() % (high - low + 1),
        })
        .collect()
}

fn a_bag(shape: BagShape, seed: u32, largest_bias: i64) -> NewBag {
    let (rows, width, classes) = (shape.rows as usize, usize::from(shape.width), usize::from(shape.classes));
    let classes = if shape.head == Head::None { 0 } else { classes };
    let limit = if shape.weight_bits == 4 { 8 } else { 128 };
    let (scales, lowest, highest) = match shape.scale_bits {
        0 => (0, 0, 0),
        2 => (rows, 0, 3),
        _ => (rows, 1, 255),
    };
    NewBag {
        shape,
        bias: numbers(seed, width, -largest_bias, largest_bias).into_iter().map(|n| n as i32).collect(),
        head_bias: numbers(!seed, classes, -largest_bias, largest_bias)
            .into_iter()
            .map(|n| n as i32)
            .collect(),
        head_weights: numbers(seed ^ 1, classes * width, -128, 127).into_iter().map(|n| n as i8).collect(),
        scales: numbers(seed ^ 2, scales, lowest, highest).into_iter().map(|n| n as u8).collect(),
        weights: numbers(seed ^ 3, rows * width, -limit, limit - 1).into_iter().map(|n| n as i8).collect(),
    }
}

fn a_pooling() -> impl Strategy<Value = Pooling> {
    prop_oneof![Just(Pooling::Sum), Just(Pooling::Mean), Just(Pooling::SquareRoot)]
}

/// Texts of words that a case may know, of any Unicode, and of any bytes.
fn a_text() -> impl Strategy<Value = Vec<u8>> {
    let words = vec(0u32..60, 0..60).prop_map(|words| {
        words
            .iter()
            .flat_map(|w| format!("W{w}{}", if w % 7 == 0 { "&amp;" } else { " " }).into_bytes())
            .collect()
    });
    let unicode = vec(any::<char>(), 0..60).prop_map(|chars| String::from_iter(chars).into_bytes());
    prop_oneof![4 => words, 1 => unicode, 1 => vec(any::<u8>(), 0..120)]
}

fn a_spec() -> impl Strategy<Value = NgramSpec> {
    let characters =
        prop_oneof![3 => Just((0u8, 0u8)), 1 => (1u8..=6).prop_flat_map(|min| (Just(min), min..=6))];
    let bytes = prop_oneof![Just(65_536u32), 1u32..200];
    (1u8..=6, characters, any::<[bool; 3]>(), bytes).prop_map(|(word_max, characters, flags, max_bytes)| {
        let ((char_min, char_max), [marks, cased, skips]) = (characters, flags);
        NgramSpec { word_max, char_min, char_max, marks, cased, skips, max_bytes }
    })
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// Every `step`-th feature of the words `w0` to `w59`.
fn a_vocabulary(spec: NgramSpec, step: usize, fingerprint_bits: u8) -> Builder {
    let words: String = (0..60).map(|i| format!("w{i} ")).collect();
    let mut features = vec![0; 16 * words.len()];
    let wide = Ngrams::new(NgramSpec { max_bytes: 65_536, ..spec }).unwrap();
    let found = wide.features_into(words.as_bytes(), &mut features).len;
    let mut chosen: Vec<u32> = features[..found].iter().copied().step_by(step).collect();
    chosen.sort_unstable();
    chosen.dedup();
    Builder::new(&chosen, fingerprint_bits).unwrap()
}

fn check(case: &Case<&[u8]>, reference: &Reference, text: &[u8], scratch: &mut Scratch) {
    let expected = reference.answer(text);
    let vector = scratch.vector(case, text);
    assert_eq!(vector.ids, expected.ids);
    let verdict = classify(case, text, scratch.memory());
    let scores: Vec<i64> = verdict.scores.iter().map(|&score| score.into()).collect();
    assert_eq!(scores, expected.scores);
    assert_eq!((verdict.label_index as usize, verdict.truncated), (expected.label, expected.truncated));
    assert_eq!(verdict.label, NAMES[expected.label]);
    assert_eq!(verdict.tokens as usize, expected.ids.len());

    let classes = scores.len() as u32;
    let total: f32 = (0..classes).map(|class| verdict.probability_of(class)).sum();
    assert!((total - 1.0).abs() < 1e-5, "probabilities sum to {total}");
    assert_eq!(verdict.probability, verdict.probability_of(verdict.label_index));
    let mut order: Vec<u32> = (0..classes).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(scores[class as usize]));
    for len in 0..=scores.len() + 1 {
        let mut top = vec![u32::MAX; len];
        let count = verdict.top_into(&mut top);
        assert_eq!(top[..count], order[..len.min(scores.len())]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_engine_equals_the_reference(
        spec in a_spec(), step in 1usize..9, wide_prints: bool, max_ids in 1u32..80,
        classes in 2u16..=8, width in 1u16..=17, narrow: bool, scale_bits in prop_oneof![Just(0u8), Just(2), Just(8)], pooling in a_pooling(),
        head in prop::option::of(0u8..=12), seed: u32, bias in 0i64..2000, texts in vec(a_text(), 1..6),
    ) {
        let vocabulary = a_vocabulary(spec, step, if wide_prints { 16 } else { 8 });
        let shape = BagShape {
            rows: vocabulary.shape().count(),
            width: if head.is_some() { width } else { classes },
            classes,
            weight_bits: if narrow { 4 } else { 8 },
            scale_bits,
            pooling,
            head: head.map_or(Head::None, |shift| Head::Relu { shift }),
        };
        let bag = a_bag(shape, seed, bias);
        let file = CaseParts::of(&NAMES[..classes.into()], spec, max_ids, &vocabulary, &bag).build();
        match Case::parse(file.as_slice()) {
            Ok(case) => {
                let reference = Reference::new(spec, max_ids, &vocabulary, &bag);
                let mut scratch = Scratch::new();
                for text in &texts {
                    check(&case, &reference, text, &mut scratch);
                }
            }
            Err(error) => {
                let overflow = matches!(error, typecase_engine::Error::Format(FormatError::Overflow { .. }));
                prop_assert!(overflow && head.is_some(), "{error}");
            }
        }
    }
}

/// Words of texts that are not cut by bytes before they are cut by ids.
const LONG: NgramSpec = NgramSpec { max_bytes: 1 << 24, ..NgramSpec::words(1) };

/// The largest bias of sums and scores that a case with otherwise extreme numbers may have, and the case.
fn at_the_limit(shape: BagShape, max_ids: u32, sign: i64, vocabulary: &Builder) -> Option<(Vec<u8>, NewBag)> {
    let weight: i64 = if shape.weight_bits == 4 { 8 } else { 128 };
    let extreme = if sign < 0 { -weight } else { weight - 1 };
    let (width, classes) = (usize::from(shape.width), usize::from(shape.classes));
    let classes = if shape.head == Head::None { 0 } else { classes };
    let rows = shape.rows as usize;
    let build = |bias: i64, head_bias: i64| {
        let bag = NewBag {
            shape,
            bias: vec![(sign * bias) as i32; width],
            head_bias: vec![(-head_bias) as i32; classes],
            head_weights: vec![-128; classes * width],
            scales: vec![
                if shape.scale_bits == 2 { 3 } else { 255 };
                if shape.scale_bits == 0 { 0 } else { rows }
            ],
            weights: vec![extreme as i8; rows * width],
        };
        let names = &NAMES[..shape.classes.into()];
        let parts = CaseParts::of(names, LONG, max_ids, vocabulary, &bag);
        (parts.build(), bag)
    };
    let accepted = |bias, head_bias| Case::parse(build(bias, head_bias).0).is_ok();
    let largest = |accepted: &dyn Fn(i64) -> bool| {
        let (mut low, mut high) = (0i64, 1 << 31);
        if !accepted(low) {
            return None;
        }
        while high - low > 1 {
            let middle = (low + high) / 2;
            *(if accepted(middle) { &mut low } else { &mut high }) = middle;
        }
        Some(low)
    };
    let bias = largest(&|bias| accepted(bias, 0))?;
    let head_bias = largest(&|head_bias| accepted(bias, head_bias))?;
    Some(build(bias, if classes == 0 { 0 } else { head_bias }))
}

#[test]
fn sums_and_scores_at_the_limit_of_32_bits_are_exact() {
    let vocabulary = a_vocabulary(LONG, 1, 16);
    let rows = vocabulary.shape().count();
    let mut scratch = Scratch::new();
    let mut cases = 0;
    let mut closest = 0;
    for max_ids in [1u32, 2, 3, 40, 1000, 65_535] {
        for (weight_bits, scale_bits, pooling, shift, sign) in shapes() {
            let head = shift.map_or(Head::None, |shift| Head::Relu { shift });
            let shape = BagShape { rows, width: 2, classes: 2, weight_bits, scale_bits, pooling, head };
            let Some((file, bag)) = at_the_limit(shape, max_ids, sign, &vocabulary) else { continue };
            let case = Case::parse(file.as_slice()).unwrap();
            let reference = Reference::new(LONG, max_ids, &vocabulary, &bag);
            let counts = [0, 1, max_ids / 2, max_ids - 1, max_ids, max_ids + 1];
            for count in counts {
                let text = "w1 ".repeat(count as usize);
                check(&case, &reference, text.as_bytes(), &mut scratch);
                let scores = reference.answer(text.as_bytes()).scores;
                closest = scores.iter().fold(closest, |closest, score| closest.max(score.abs()));
            }
            cases += 1;
        }
    }
    assert!(cases > 200, "{cases} cases");
    assert!(closest > i64::from(i32::MAX) - 2048, "the bound is not tight: {closest}");
}

/// Every kind of bag: weight bits, row scales, pooling, shift of a head, sign of the numbers.
fn shapes() -> impl Iterator<Item = (u8, u8, Pooling, Option<u8>, i64)> {
    let poolings = [Pooling::Sum, Pooling::Mean, Pooling::SquareRoot];
    let shifts = [None, Some(0), Some(8), Some(31)];
    [4, 8].into_iter().flat_map(move |bits| {
        [0, 2, 8].into_iter().flat_map(move |scale_bits| {
            poolings.into_iter().flat_map(move |pooling| {
                shifts
                    .into_iter()
                    .flat_map(move |shift| [-1, 1].map(|sign| (bits, scale_bits, pooling, shift, sign)))
            })
        })
    })
}
