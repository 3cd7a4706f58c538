//! The program of a bag as WGSL: constants of the shape, then `kernel.wgsl`, then `head.wgsl` if there is a head.

use std::fmt::Write as _;

use typecase_engine::{BagShape, Head, Norm, Pooling};

/// Invocations of a work group: what every GPU allows.
pub(crate) const INVOCATIONS: u32 = 256;
/// Bytes that a work group keeps for itself.
pub(crate) const WORKGROUP_BYTES: u32 = 4 * INVOCATIONS;
/// Columns, or lanes of the head, at most side by side in a work group.
const LARGEST_BLOCK: u32 = 64;
/// Words of the text's buffer before the ids: their number, and the factor of the norm.
pub(crate) const WORDS_BEFORE_IDS: u64 = 2;

/// What runs for one text, and over how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) source: String,
    /// Work groups of `sum_rows`.
    pub(crate) sum_groups: u32,
    /// Work groups of `dense`, if there is a head.
    pub(crate) head_groups: Option<u32>,
}

impl Kernel {
    /// For a bag whose section has less than 4 GiB.
    pub(crate) fn new(shape: &BagShape) -> Self {
        let (rows, width, classes) = (shape.rows, u32::from(shape.width), u32::from(shape.classes));
        let columns = width.next_power_of_two().min(LARGEST_BLOCK);
        let places = Places::of(shape);
        let norm = match shape.pooling {
            Pooling::Sum => Norm::SUM,
            Pooling::Mean => Norm::mean(1),
            Pooling::SquareRoot => Norm::square_root(1),
        };
        let constants = [
            ("INVOCATIONS", INVOCATIONS),
            ("COLUMNS", columns),
            ("SUM_LANES", INVOCATIONS / columns),
            ("ROWS", rows),
            ("WIDTH", width),
            ("ROW_BYTES", shape.row_bytes() as u32),
            ("WEIGHT_BITS", shape.weight_bits.into()),
            ("SCALE_BITS", shape.scale_bits.into()),
            ("NORM_SHIFT", norm.shift()),
            ("BIAS_AT", places.bias),
            ("SCALES_AT", places.scales),
            ("WEIGHTS_AT", places.weights),
        ];
        let mut source = String::new();
        define(&mut source, &constants);
        source.push_str(include_str!("kernel.wgsl"));
        let head_groups = match shape.head {
            Head::None => None,
            Head::Relu { shift } => {
                let constants = [
                    ("CLASSES", classes),
                    ("HEAD_LANES", columns),
                    ("HEAD_SHIFT", shift.into()),
                    ("HEAD_BIAS_AT", places.head_bias),
                    ("HEAD_WEIGHTS_AT", places.head_weights),
                ];
                define(&mut source, &constants);
                source.push_str(include_str!("head.wgsl"));
                Some(classes.div_ceil(INVOCATIONS / columns))
            }
        };
        Self { source, sum_groups: width.div_ceil(columns), head_groups }
    }
}

/// Where the parts of a section begin, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    bias: u32,
    head_bias: u32,
    head_weights: u32,
    scales: u32,
    pub(crate) weights: u32,
}

impl Places {
    /// The layout that the format defines. The section has less than 4 GiB.
    pub(crate) fn of(shape: &BagShape) -> Self {
        let (width, classes) = (u32::from(shape.width), u32::from(shape.classes));
        let bias = 32;
        let head_bias = bias + 4 * width;
        let (head_weights, scales) = match shape.head {
            Head::None => (head_bias, head_bias),
            Head::Relu { .. } => {
                let head_weights = head_bias + 4 * classes;
                (head_weights, head_weights + classes * width)
            }
        };
        let weights = scales + (shape.rows * u32::from(shape.scale_bits)).div_ceil(8);
        Self { bias, head_bias, head_weights, scales, weights }
    }
}

fn define(source: &mut String, constants: &[(&str, u32)]) {
    for (name, value) in constants {
        // A string takes everything.
        let _ = writeln!(source, "const {name} = {value}u;");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: u16, classes: u16, head: Head) -> BagShape {
        let pooling = Pooling::SquareRoot;
        BagShape { rows: 9, width, classes, weight_bits: 4, scale_bits: 2, pooling, head }
    }

    #[test]
    fn the_weights_end_where_the_section_ends() {
        for head in [Head::None, Head::Relu { shift: 3 }] {
            for scale_bits in [0, 2, 8] {
                let shape = BagShape { scale_bits, ..shape(5, 5, head) };
                let end = u64::from(Places::of(&shape).weights) + 9 * shape.row_bytes() as u64;
                assert_eq!(end, shape.section_bytes(), "{shape:?}");
            }
        }
    }

    #[test]
    fn groups_cover_every_column_and_every_class() {
        let groups = |width, classes| {
            let kernel = Kernel::new(&shape(width, classes, Head::Relu { shift: 0 }));
            (kernel.sum_groups, kernel.head_groups)
        };
        assert_eq!(groups(1, 2), (1, Some(1)));
        assert_eq!(groups(64, 65_535), (1, Some(16_384)));
        assert_eq!(groups(65, 4), (2, Some(1)));
        assert_eq!(groups(4096, 5), (64, Some(2)));
        assert_eq!(Kernel::new(&shape(300, 300, Head::None)).head_groups, None);
    }

    #[test]
    fn the_source_holds_the_numbers_of_the_shape() {
        let source = Kernel::new(&shape(5, 3, Head::Relu { shift: 31 })).source;
        for line in ["const WIDTH = 5u;", "const HEAD_SHIFT = 31u;", "const NORM_SHIFT = 8u;", "fn dense("] {
            assert!(source.contains(line), "{line}");
        }
        assert!(!Kernel::new(&shape(5, 5, Head::None)).source.contains("dense"));
    }
}
