//! The linear head: multinomial logistic regression on pooled rows of a frozen network.
//!
//! The rows are standardised, the loss is the mean cross-entropy plus `l2 / 2 * |weights|^2`, the method is Nesterov's
//! with the step that the curvature allows, from zero, a fixed number of steps: the same texts give the same head. The
//! standardisation is folded into the weights at the end.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Slice};

/// Steps of the method.
const STEPS: usize = 400;

/// Scores from a pooled row.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHead {
    /// Classes x width.
    pub weights: Array2<f32>,
    /// One a class.
    pub bias: Vec<f32>,
}

impl LinearHead {
    /// The logits of a pooled row.
    #[must_use]
    pub fn logits(&self, pooled: &[f32]) -> Vec<f32> {
        let product =
            |weights: ArrayView1<'_, f32>| -> f32 { weights.iter().zip(pooled).map(|(w, x)| w * x).sum() };
        self.weights
            .rows()
            .into_iter()
            .zip(&self.bias)
            .map(|(weights, bias)| product(weights) + bias)
            .collect()
    }

    /// The share of rows whose highest logit is that of their label.
    pub(super) fn accuracy(&self, rows: ArrayView2<'_, f32>, labels: &[u32]) -> f64 {
        let right = |(row, label): (ArrayView1<'_, f32>, &u32)| {
            highest(&self.logits(&row.to_vec())) == *label as usize
        };
        rows.rows().into_iter().zip(labels).filter(|(row, label)| right((*row, label))).count() as f64
            / labels.len().max(1) as f64
    }

    /// Fits a head.
    ///
    /// # Shapes
    /// `rows`: texts x width; `labels`: one a text, below `classes`.
    pub(super) fn fit(rows: ArrayView2<'_, f32>, labels: &[u32], classes: usize, l2: f32) -> Self {
        let standard = Standard::of(rows);
        let x = standard.apply(rows);
        let (texts, width) = x.dim();
        // The curvature of the cross-entropy is at most half that of the squares of the rows.
        let step = 1.0 / (0.5 * largest_eigenvalue(&x) + l2);
        let mut weights = Array2::<f32>::zeros((width + 1, classes));
        let mut ahead = weights.clone();
        let mut probabilities = Array2::<f32>::zeros((texts, classes));
        let mut gradient = weights.clone();
        let inputs = Slice::from(..width);
        let mut momentum = 1.0f32;
        for _ in 0..STEPS {
            general_mat_mul(1.0, &x, &ahead.slice_axis(Axis(0), inputs), 0.0, &mut probabilities);
            let bias = ahead.row(width).to_owned();
            for (mut row, label) in probabilities.rows_mut().into_iter().zip(labels) {
                row += &bias;
                softmax(&mut row);
                row[*label as usize] -= 1.0;
            }
            let share = 1.0 / texts as f32;
            let mut of_weights = gradient.slice_axis_mut(Axis(0), inputs);
            of_weights.assign(&ahead.slice_axis(Axis(0), inputs));
            general_mat_mul(share, &x.t(), &probabilities, l2, &mut of_weights);
            gradient.row_mut(width).assign(&(probabilities.sum_axis(Axis(0)) * share));
            let stepped = &ahead - &(&gradient * step);
            let grown = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            ahead = &stepped + &((&stepped - &weights) * ((momentum - 1.0) / grown));
            (weights, momentum) = (stepped, grown);
        }
        standard.fold(&weights)
    }
}

/// The first of the highest.
pub(super) fn highest<T: PartialOrd>(scores: &[T]) -> usize {
    let better = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
    (1..scores.len()).fold(0, better)
}

fn softmax(row: &mut ArrayViewMut1<'_, f32>) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.mapv_inplace(|x| (x - highest).exp());
    let total = row.sum();
    row.mapv_inplace(|x| x / total);
}

/// Of `x^T x / texts` with a column of ones: by powers, and a little more so that a step is never too long.
fn largest_eigenvalue(x: &Array2<f32>) -> f32 {
    let texts = x.nrows() as f32;
    let mut direction = Array1::<f32>::ones(x.ncols());
    let mut eigenvalue = 1.0f32;
    for _ in 0..50 {
        let length = direction.dot(&direction).sqrt().max(f32::MIN_POSITIVE);
        direction /= length;
        direction = x.t().dot(&x.dot(&direction)) / texts;
        eigenvalue = direction.dot(&direction).sqrt();
    }
    // The column of ones is at right angles to the others, which have mean 0: its eigenvalue is 1.
    1.1 * eigenvalue.max(1.0)
}

/// Mean and spread of each column.
struct Standard {
    mean: Array1<f32>,
    reciprocal: Array1<f32>,
}

impl Standard {
    fn of(rows: ArrayView2<'_, f32>) -> Self {
        let n = rows.nrows().max(1) as f32;
        let mean = rows.sum_axis(Axis(0)) / n;
        let mut squares = Array1::<f32>::zeros(rows.ncols());
        for row in rows.rows() {
            let centred = &row - &mean;
            squares += &(&centred * &centred);
        }
        let reciprocal = squares.mapv(|square| {
            let spread = (square / n).sqrt();
            if spread > 1e-6 { 1.0 / spread } else { 0.0 }
        });
        Self { mean, reciprocal }
    }

    fn apply(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        (&rows - &self.mean) * &self.reciprocal
    }

    /// `fitted`: (width + 1) x classes, the last row the bias.
    fn fold(&self, fitted: &Array2<f32>) -> LinearHead {
        let width = self.mean.len();
        let mut weights = Array2::zeros((fitted.ncols(), width));
        let mut bias = Vec::with_capacity(fitted.ncols());
        for (mut weights, column) in weights.rows_mut().into_iter().zip(fitted.columns()) {
            let mut constant = column[width];
            for j in 0..width {
                weights[j] = column[j] * self.reciprocal[j];
                constant -= weights[j] * self.mean[j];
            }
            bias.push(constant);
        }
        LinearHead { weights, bias }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three clouds in the plane, far from zero, one column without any spread.
    fn clouds() -> (Array2<f32>, Vec<u32>) {
        let centres = [[10.0, 0.0], [12.0, 0.0], [11.0, 3.0]];
        let mut state = 7u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let rows = labels.iter().flat_map(|label| {
            let [x, y] = centres[*label as usize];
            [x + noise(), y + noise(), 5.0]
        });
        (Array2::from_shape_vec((300, 3), rows.collect()).unwrap(), labels)
    }

    #[test]
    fn classes_that_can_be_told_apart_are_told_apart() {
        let (rows, labels) = clouds();
        let head = LinearHead::fit(rows.view(), &labels, 3, 1e-3);
        assert!(head.accuracy(rows.view(), &labels) > 0.99);
        assert_eq!(head, LinearHead::fit(rows.view(), &labels, 3, 1e-3), "same texts, same head");
        assert!(
            head.weights.iter().all(|w| w.is_finite()) && head.weights.column(2).iter().all(|w| *w == 0.0)
        );
    }

    #[test]
    fn at_the_end_the_gradient_is_all_but_gone() {
        let (rows, labels) = clouds();
        let l2 = 0.01;
        let head = LinearHead::fit(rows.view(), &labels, 3, l2);
        // In the standardised space: weight = folded weight / reciprocal spread.
        let standard = Standard::of(rows.view());
        let x = standard.apply(rows.view());
        for class in 0..3 {
            for j in 0..2 {
                let mut gradient = l2 * head.weights[[class, j]] / standard.reciprocal[j];
                for (i, label) in labels.iter().enumerate() {
                    let mut p = Array1::from(head.logits(&rows.row(i).to_vec()));
                    softmax(&mut p.view_mut());
                    let target = if *label as usize == class { 1.0 } else { 0.0 };
                    gradient += (p[class] - target) * x[[i, j]] / 300.0;
                }
                assert!(gradient.abs() < 1e-3, "class {class}, column {j}: {gradient}");
            }
        }
    }
}
