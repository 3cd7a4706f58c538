//! Small bags of every shape, with random numbers that are often the extreme ones: for the tests that compare engines.

use typecase_case::sections::bag::NewBag;
use typecase_engine::{BagShape, Case, Head, NgramSpec, Ngrams, Pooling};
use typecase_text::vocabulary::Builder;

use crate::CaseParts;

/// Numbers from a seed.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// Below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A number of a range, often one of its ends.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        match self.below(11) {
            0 => low,
            1 => high,
            _ => low + self.below((high - low + 1) as u64) as i64,
        }
    }

    /// Ids of rows.
    pub fn ids(&mut self, len: usize, rows: u32) -> Vec<u32> {
        (0..len).map(|_| self.below(rows.into()) as u32).collect()
    }
}

/// Some sixty words.
#[must_use]
pub fn a_vocabulary() -> Builder {
    let words: String = (0..60).map(|i| format!("w{i} ")).collect();
    let mut features = [0; 60];
    let found = Ngrams::new(NgramSpec::words(1)).unwrap().features_into(words.as_bytes(), &mut features).len;
    features.sort_unstable();
    Builder::new(&features[..found], 16).unwrap()
}

/// Every kind of bag, some of each width, with its limit of ids.
#[must_use]
pub fn shapes(rows: u32) -> Vec<(BagShape, u32)> {
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
pub fn a_case(shape: BagShape, max_ids: u32, random: &mut Random, vocabulary: &Builder) -> Option<Vec<u8>> {
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
