//! Small cases of every shape, with random numbers, often the extreme ones.

use typecase_case::sections::bag::NewBag;
use typecase_engine::{BagShape, Case, Head, NgramSpec, Pooling};
use typecase_tests::CaseParts;
pub(crate) use typecase_tests::bags::{Random, a_vocabulary};
use typecase_text::vocabulary::Builder;

/// A case of this shape, whose biases are as large as the format lets them be; none if no bias is small enough.
pub(crate) fn a_case(
    shape: BagShape,
    max_ids: u32,
    random: &mut Random,
    vocabulary: &Builder,
) -> Option<Vec<u8>> {
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
    let wide = |numbers: Vec<i64>| -> Vec<i32> { numbers.into_iter().map(|n| n as i32).collect() };
    let narrow = |numbers: Vec<i64>| -> Vec<i8> { numbers.into_iter().map(|n| n as i8).collect() };
    let mut bag = NewBag {
        shape,
        bias: Vec::new(),
        head_bias: Vec::new(),
        head_weights: narrow(numbers(classes * width, -128, 127)),
        scales: numbers(scales, lowest, highest).into_iter().map(|n| n as u8).collect(),
        weights: narrow(numbers(rows * width, -weight, weight - 1)),
    };
    let names: Vec<String> = (0..shape.classes).map(|label| format!("class {label}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spec = NgramSpec { max_bytes: 1 << 24, ..NgramSpec::words(1) };
    // Halved until nothing can pass 32 bits; the head's bias has room of its own.
    (0..32).flat_map(|less| [(less, 0), (less, less)]).find_map(|(less, head_less)| {
        let largest = |bits: u32| i64::from(i32::MAX >> bits);
        bag.bias = wide(numbers(width, -largest(less), largest(less)));
        bag.head_bias = wide(numbers(classes, -largest(head_less), largest(head_less)));
        let file = CaseParts::of(&names, spec, max_ids, vocabulary, &bag).build();
        Case::parse(file.as_slice()).is_ok().then_some(file)
    })
}

/// Bags of every kind, with their limits of ids.
pub(crate) fn shapes(rows: u32) -> Vec<(BagShape, u32)> {
    let mut shapes = Vec::new();
    let widths = [1, 2, 3, 4, 5, 64, 65, 300, 4096];
    let classes = [2, 3, 5, 4, 64, 65, 7, 300, 9];
    let limits = [1, 2, 3, 300, 40, 65, 4, 7, 500];
    let mut count = 0;
    for weight_bits in [4, 8] {
        for scale_bits in [0, 2, 8] {
            for pooling in [Pooling::Sum, Pooling::Mean, Pooling::SquareRoot] {
                for width in widths {
                    // Every shift, class count and limit meets every other thing in the end: 9 and 7 and 5 do not divide.
                    count += 1;
                    let shift = [0, 1, 8, 16, 24, 30, 31][count % 7];
                    let heads =
                        [(Head::None, width.max(2)), (Head::Relu { shift }, classes[count * 5 / 3 % 9])];
                    for (head, classes) in heads {
                        let width = if head == Head::None { classes } else { width };
                        let shape = BagShape { rows, width, classes, weight_bits, scale_bits, pooling, head };
                        shapes.push((shape, limits[count * 7 / 2 % 9]));
                    }
                }
            }
        }
    }
    let most = BagShape {
        rows,
        width: 3,
        classes: u16::MAX,
        weight_bits: 8,
        scale_bits: 8,
        pooling: Pooling::SquareRoot,
        head: Head::Relu { shift: 9 },
    };
    shapes.push((most, 100));
    shapes.push((BagShape { width: 4, classes: 4, head: Head::None, ..most }, 65_535));
    shapes.push((BagShape { width: 4, classes: 4, weight_bits: 4, scale_bits: 0, ..most }, 65_535));
    shapes
}
