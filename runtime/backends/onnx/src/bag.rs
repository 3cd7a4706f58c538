//! The program of a bag (`typecase-kernels`) in ONNX operators:
//!
//! ```text
//! sums    = ReduceSum(Gather(rows, ids), axis 0)          rows: each times its scale, then one row of zeros
//! hidden  = sums + floor(bias * factor / 2^shift)
//! without a head:  scores = hidden
//! with a head:     scores = ReduceSum(head_weights * (Max(hidden, 0) / 2^s), axis 1)
//!                           + floor(head_bias * factor / 2^shift)
//! ```
//!
//! **Shift.** ONNX shifts unsigned numbers only, and `Div` of integers rounds towards zero in most engines, which is
//! not how the kernels round negative numbers. So no negative number is ever divided. A bias is split where it is
//! written: `bias = 2^shift * high + low` with `high = floor(bias / 2^shift)` and `0 <= low < 2^shift`. Then
//! `bias * factor / 2^shift = high * factor + low * factor / 2^shift`, whose first part is whole; rounding down concerns
//! the second alone, which is not negative. The head divides what `Max` has made non-negative.
//!
//! **32 bits.** With shift 0 the one product is the one that `Bag::parse` has bounded: `|bias| * factor < 2^31`. With
//! shift 8 the factor is at most 65,535 (the root of 65,535 * 2^16, rounded down), so `low * factor <= 255 * 65,535 <
//! 2^24`; and `|high| <= (|bias| + 255) / 256`, so `|high| * factor < 2^31 / 256 + 65,535 < 2^24` by the same bound.
//! `Bag::parse` also bounds the sum of the magnitudes of all the terms of every sum, so partial sums fit in whatever
//! order an engine takes them. `Mul` and `ReduceSum` stand for the matrix product, which several engines have for
//! floating point only.

use typecase_engine::{Bag, Head};
use typecase_kernels::{RowScales, scalar};

use crate::graph::{Graph, Length};
use crate::proto::GraphProto;
use crate::proto::tensor_proto::DataType;
use crate::{Error, MAX_BYTES};

/// The graph of a bag whose norms have this shift.
pub(crate) fn graph(bag: &Bag<'_>, shift: u32, name: &str) -> Result<GraphProto, Error> {
    let (rows, width, classes) =
        (bag.shape.rows, usize::from(bag.shape.width), usize::from(bag.shape.classes));
    // Before anything of that size is built.
    let numbers = (u64::from(rows) + 1) * width as u64 + bag.head_weights.len() as u64;
    let bytes = numbers.saturating_mul(4);
    if bytes > MAX_BYTES {
        return Err(Error::TooLarge { bytes });
    }

    let mut graph = Graph::new(name);
    let ids = graph.input("ids", DataType::Int64, Length::Named("n"));
    let factor = graph.input("factor", DataType::Int32, Length::Known(1));
    let divisor = (shift > 0).then(|| graph.numbers("norm_divisor", &[1], [1 << shift].into_iter()));
    let norm = Norm { factor, divisor, shift };

    let table = graph.numbers("rows", &[rows as usize + 1, width], scaled_rows(bag).into_iter());
    let gathered = graph.op("Gather", "gathered", &[table, ids]);
    let sums = graph.sum("sums", gathered, ("axis_of_ids", 0));
    let names =
        ["bias", "bias_low", "bias_times_factor", "bias_low_times_factor", "bias_low_normed", "bias_normed"];
    let bias = norm.of_bias(&mut graph, bag.bias, names);
    match bag.shape.head {
        Head::None => graph.op("Add", "scores", &[sums, bias]),
        Head::Relu { shift } => {
            let hidden = graph.op("Add", "hidden", &[sums, bias]);
            let zero = graph.numbers("zero", &[1], [0].into_iter());
            let positive = graph.op("Max", "positive", &[hidden, zero]);
            let shifted = shift_right(&mut graph, positive, shift);
            let weights = bag.head_weights.iter().map(|w| i32::from(w.cast_signed()));
            let weights = graph.numbers("head_weights", &[classes, width], weights);
            let products = graph.op("Mul", "products", &[weights, shifted]);
            let dense = graph.sum("dense", products, ("axis_of_hidden", 1));
            let names = [
                "head_bias",
                "head_bias_low",
                "head_bias_times_factor",
                "head_bias_low_times_factor",
                "head_bias_low_normed",
                "head_bias_normed",
            ];
            let bias = norm.of_bias(&mut graph, bag.head_bias, names);
            graph.op("Add", "scores", &[dense, bias])
        }
    };
    graph.output("scores", DataType::Int32, Length::Known(classes));
    Ok(graph.finish())
}

/// Every row times its scale, by the specification itself: the sum over one id. Then the row of zeros.
fn scaled_rows(bag: &Bag<'_>) -> Vec<i32> {
    let width = usize::from(bag.shape.width);
    let scales = RowScales::new(bag.shape.scale_bits, bag.scales);
    let mut table = vec![0; (bag.shape.rows as usize + 1) * width];
    for (id, row) in (0..bag.shape.rows).zip(table.chunks_exact_mut(width)) {
        if bag.shape.weight_bits == 4 {
            scalar::sum_rows_i4(bag.weights, width, scales, &[id], row);
        } else {
            scalar::sum_rows_i8(bag.weights, width, scales, &[id], row);
        }
    }
    table
}

/// The norm in the graph.
struct Norm {
    factor: &'static str,
    /// 2^shift; none for a shift of 0.
    divisor: Option<&'static str>,
    shift: u32,
}

impl Norm {
    /// `floor(bias * factor / 2^shift)`, see above.
    fn of_bias(
        &self,
        graph: &mut Graph,
        bias: &[[u8; 4]],
        [high, low, high_times, low_times, low_normed, normed]: [&'static str; 6],
    ) -> &'static str {
        let dims = [bias.len()];
        let bias = || bias.iter().map(|bias| i32::from_le_bytes(*bias));
        // An arithmetic shift rounds down; the remainder is in the bits that it drops.
        let high = graph.numbers(high, &dims, bias().map(|bias| bias >> self.shift));
        let high = graph.op("Mul", high_times, &[high, self.factor]);
        let Some(divisor) = self.divisor else { return high };
        let low = graph.numbers(low, &dims, bias().map(|bias| bias & ((1 << self.shift) - 1)));
        let low = graph.op("Mul", low_times, &[low, self.factor]);
        let low = graph.op("Div", low_normed, &[low, divisor]);
        graph.op("Add", normed, &[high, low])
    }
}

/// Divides non-negative numbers by `2^shift`, shift 0 to 31. `2^31` is no number of 32 bits: the last bit goes alone.
fn shift_right(graph: &mut Graph, mut value: &'static str, shift: u8) -> &'static str {
    let steps =
        [("shift", "shifted", shift.min(30)), ("last_shift", "shifted_last", shift.saturating_sub(30))];
    for (divisor, name, shift) in steps {
        if shift > 0 {
            let divisor = graph.numbers(divisor, &[1], [1 << shift].into_iter());
            value = graph.op("Div", name, &[value, divisor]);
        }
    }
    value
}
