//! What every engine that runs ONNX must show; the tests of tract and of ONNX Runtime share it.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::thread;

use typecase_case::sections::bag::NewBag;
use typecase_engine::backend::{self, Backend, Program, Scorer};
use typecase_engine::{BagShape, Case, Head, NgramSpec, Ngrams, Pooling};
use typecase_tests::{CaseParts, minimal_case};
use typecase_text::vocabulary::Builder;

const NEWS_64K: &[u8] = include_bytes!("../../../../../models/news-64k.case");
const NEWS_1M: &[u8] = include_bytes!("../../../../../models/news-1m.case");

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A number of a range, often one of its ends.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        match self.below(11) {
            0 => low,
            1 => high,
            _ => low + self.below((high - low + 1) as u64) as i64,
        }
    }

    fn ids(&mut self, len: usize, rows: u32) -> Vec<u32> {
        (0..len).map(|_| self.below(rows.into()) as u32).collect()
    }
}

/// Compares with the native engine: ids of every kind of length, random, repeated, at both ends.
fn compare(case: &Case<&[u8]>, scorer: &mut dyn Scorer, random: &mut Random) {
    let (max_ids, rows) = (case.cost().ids, case.vocabulary().shape().count());
    let mut lists: Vec<Vec<u32>> = [0, 1, 1, 2, 3, max_ids / 3, max_ids / 2, max_ids - 1, max_ids, max_ids]
        .into_iter()
        .filter(|len| *len <= max_ids)
        .map(|len| random.ids(len, rows))
        .collect();
    lists.extend([vec![0; max_ids], vec![rows - 1; max_ids], vec![rows - 1], vec![0], Vec::new()]);
    let mut numbers = vec![0; case.cost().numbers];
    let mut scores = vec![0; case.labels().len() as usize];
    for ids in lists {
        let place = case.scores_into(&ids, &mut numbers);
        scores.fill(i32::MIN);
        scorer.scores_into(&ids, &mut scores).unwrap();
        assert_eq!(scores, numbers[place], "{} ids: {ids:?}", ids.len());
    }
}

/// The golden vectors and random ids of the shipped cases, in one thread.
pub(crate) fn shipped_cases_have_the_exact_scores(engine: &dyn Backend) {
    let minimal = minimal_case();
    for file in [NEWS_64K, NEWS_1M, minimal.as_slice()] {
        let case = Case::parse(file).unwrap();
        let program = engine.prepare(&case).unwrap();
        let mut scorer = program.scorer().unwrap();
        assert_eq!(backend::check(&case, scorer.as_mut()), Ok(case.golden().len()), "{}", case.name());
        for seed in 0..20 {
            compare(&case, scorer.as_mut(), &mut Random(seed));
        }
    }
}

/// Small cases of every kind, with numbers as large as the format lets them be.
pub(crate) fn bags_of_every_kind_have_the_exact_scores(engine: &dyn Backend) {
    let (mut random, mut count) = (Random(1), 0);
    let vocabulary = a_vocabulary();
    for (shape, max_ids) in shapes(vocabulary.shape().count()) {
        // Some kinds can overflow without any bias.
        let Some(file) = a_case(shape, max_ids, &mut random, &vocabulary) else { continue };
        let case = Case::parse(file.as_slice()).unwrap();
        let program = engine.prepare(&case).unwrap_or_else(|error| panic!("{shape:?}: {error}"));
        compare(&case, program.scorer().unwrap().as_mut(), &mut random);
        count += 1;
    }
    assert!(count > 280, "{count} cases");
}

/// Eight threads, each with a scorer of its own for one program.
pub(crate) fn threads_share_a_program(engine: &dyn Backend) {
    let case = Case::parse(NEWS_64K).unwrap();
    let program: Box<dyn Program> = engine.prepare(&case).unwrap();
    thread::scope(|scope| {
        for seed in 0..8 {
            let (program, case) = (program.as_ref(), &case);
            scope.spawn(move || {
                let mut scorer = program.scorer().unwrap();
                backend::check(case, scorer.as_mut()).unwrap();
                for round in 0..20 {
                    compare(case, scorer.as_mut(), &mut Random(100 * seed + round));
                }
            });
        }
    });
}

/// What no tokenizer gives is refused, and the scorer works on.
pub(crate) fn what_the_case_does_not_allow_is_refused(engine: &dyn Backend) {
    let case = Case::parse(NEWS_64K).unwrap();
    let mut scorer = engine.prepare(&case).unwrap().scorer().unwrap();
    let (max_ids, rows) = (case.cost().ids, case.vocabulary().shape().count());
    let classes = case.labels().len() as usize;
    let rows_of_the_table: [(Vec<u32>, usize, String); 4] = [
        (vec![0; max_ids + 1], classes, format!("text of {} ids, limit is {max_ids}", max_ids + 1)),
        (vec![rows], classes, format!("id {rows}, the case has {rows} rows")),
        (vec![u32::MAX], classes, format!("id {}, the case has {rows} rows", u32::MAX)),
        (vec![0], classes + 1, format!("{classes} scores, place for {}", classes + 1)),
    ];
    for (ids, place, cause) in rows_of_the_table {
        let error = scorer.scores_into(&ids, &mut vec![0; place]).unwrap_err();
        assert!(error.cause.ends_with(&cause), "{error}, not {cause}");
        assert!(!error.remedy.is_empty(), "{error}");
        compare(&case, scorer.as_mut(), &mut Random(7));
    }
}

fn a_vocabulary() -> Builder {
    let words: String = (0..60).map(|i| format!("w{i} ")).collect();
    let mut features = [0; 60];
    let found = Ngrams::new(NgramSpec::words(1)).unwrap().features_into(words.as_bytes(), &mut features).len;
    features.sort_unstable();
    Builder::new(&features[..found], 16).unwrap()
}

/// Every kind of bag, some of each width, with its limit of ids.
fn shapes(rows: u32) -> Vec<(BagShape, u32)> {
    let mut shapes = Vec::new();
    for (weight_bits, scale_bits) in [4, 8].into_iter().flat_map(|bits| [0, 2, 8].map(|scale| (bits, scale)))
    {
        for pooling in [Pooling::Sum, Pooling::Mean, Pooling::SquareRoot] {
            for shift in [None, Some(0), Some(1), Some(8), Some(30), Some(31)] {
                let head = shift.map_or(Head::None, |shift| Head::Relu { shift });
                for (width, classes, max_ids) in [(1, 2, 1), (2, 2, 300), (17, 5, 40)] {
                    let width = if head == Head::None { classes } else { width };
                    let shape = BagShape { rows, width, classes, weight_bits, scale_bits, pooling, head };
                    shapes.push((shape, max_ids));
                }
            }
        }
    }
    shapes
}

/// A case of this shape with random numbers, if there is one whose scores stay within 32 bits.
fn a_case(shape: BagShape, max_ids: u32, random: &mut Random, vocabulary: &Builder) -> Option<Vec<u8>> {
    let (width, rows) = (usize::from(shape.width), shape.rows as usize);
    let classes = if shape.head == Head::None { 0 } else { usize::from(shape.classes) };
    let weight = if shape.weight_bits == 4 { 8 } else { 128 };
    let (scales, lowest, highest) = match shape.scale_bits {
        0 => (0, 0, 0),
        2 => (rows, 0, 3),
        _ => (rows, 1, 255),
    };
    let mut numbers = |len: usize, low: i64, high: i64| -> Vec<i64> {
        (0..len).map(|_| random.within(low, high)).collect()
    };
    let (weights, scales) = (numbers(rows * width, -weight, weight - 1), numbers(scales, lowest, highest));
    let head_weights = numbers(classes * width, -128, 127);
    let names: Vec<String> = (0..shape.classes).map(|class| format!("class {class}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spec = NgramSpec { max_bytes: 1 << 24, ..NgramSpec::words(1) };
    // The head's bias has room of its own: the first attempts give it more.
    let attempts = (0..32).flat_map(|halvings| [0, 4, 8, 12].map(|less| (halvings, halvings.max(less))));
    attempts.into_iter().find_map(|(bits, head_bits)| {
        let mut biases = |len: usize, bits: u32| -> Vec<i32> {
            let largest = i64::from(i32::MAX >> bits.min(31));
            numbers(len, -largest, largest).into_iter().map(|n| n as i32).collect()
        };
        let bag = NewBag {
            shape,
            bias: biases(width, head_bits),
            head_bias: biases(classes, bits),
            head_weights: head_weights.iter().map(|&n| n as i8).collect(),
            scales: scales.iter().map(|&n| n as u8).collect(),
            weights: weights.iter().map(|&n| n as i8).collect(),
        };
        let file = CaseParts::of(&names, spec, max_ids, vocabulary, &bag).build();
        Case::parse(file.as_slice()).is_ok().then_some(file)
    })
}
