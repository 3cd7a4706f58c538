//! Linear classifiers with squared hinge loss, one class against the rest, by dual coordinate descent.
//!
//! For each class, with `t_i` the share to which text `i` should be of it (1 or 0 for a label, between for what a teacher
//! says), the least `|w|^2 / 2 + sum of cost_i (t_i max(0, 1 - s_i)^2 + (1 - t_i) max(0, 1 + s_i)^2)` with
//! `s_i = w x_i + offset`. One sweep takes the texts in a random order and
//! solves for one dual variable at a time, in time proportional to the text. Classes do not touch each other, so they
//! are spread over threads in pairs, and the numbers come out the same on any number of threads.
//!
//! # Source
//! Hsieh et al. 2008, "A Dual Coordinate Descent Method for Large-scale Linear SVM" (L2-loss; no shrinking).

use rayon::prelude::*;

use crate::corpus::Matrix;

/// Classes that share a sweep.
pub(crate) const PAIR: usize = 2;

/// Dual variables of a row: for each class of a pair one as a member, one as another's.
pub(crate) const SIDES: usize = 2 * PAIR;

/// Validation rows handled by one task.
const CHUNK: usize = 512;

/// What is to be learnt.
pub(crate) struct Problem<'a> {
    pub(crate) rows: &'a Matrix,
    /// Class of each row.
    pub(crate) labels: &'a [u32],
    /// To which share each row should be of each class; none if that is what the labels say.
    ///
    /// # Shapes
    /// Rows x classes.
    pub(crate) targets: Option<&'a [f32]>,
    /// Classes.
    pub(crate) classes: usize,
    /// Cost of an error on each row.
    pub(crate) costs: &'a [f32],
    /// Every score starts from this.
    pub(crate) offset: f32,
}

impl Problem<'_> {
    /// To which share a row should be of a class.
    #[inline]
    fn target(&self, row: usize, class: usize) -> f32 {
        match self.targets {
            Some(targets) if class < self.classes => targets[row * self.classes + class],
            Some(_) => 0.0,
            None if self.labels[row] as usize == class => 1.0,
            None => 0.0,
        }
    }
}

/// The classifiers of all classes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) pairs: Vec<Pair>,
}

/// Two classes: `2 p` and `2 p + 1` of pair `p`; the second of the last pair may not exist, then it means nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    /// One a feature.
    pub(crate) weights: Vec<[f32; PAIR]>,
    /// Dual variables of each row: of the texts as members of the classes, then as others.
    pub(crate) duals: Vec<[f32; SIDES]>,
}

/// How a model does on rows that it did not learn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    /// Mean over the rows of the squared hinge, summed over the classes.
    pub(crate) loss: f64,
    /// Share of rows whose class has the highest score.
    pub(crate) accuracy: f64,
}

impl Model {
    /// All zero.
    pub(crate) fn new(classes: usize, features: usize, rows: usize) -> Self {
        let pair = Pair { weights: vec![[0.0; PAIR]; features], duals: vec![[0.0; SIDES]; rows] };
        Self { pairs: vec![pair; classes.div_ceil(PAIR)] }
    }

    /// One sweep in the given order; the largest step in a dual variable.
    pub(crate) fn sweep(&mut self, problem: &Problem<'_>, squares: &[f32], order: &[u32]) -> f32 {
        let pairs = self.pairs.par_iter_mut().enumerate();
        let steps = pairs.map(|(index, pair)| pair.sweep(problem, squares, order, index * PAIR));
        steps.reduce(|| 0.0, f32::max)
    }

    /// The weight of a feature for a class.
    pub(crate) fn weight(&self, feature: usize, class: usize) -> f32 {
        self.pairs[class / PAIR].weights[feature][class % PAIR]
    }

    /// Loss and accuracy on other rows.
    pub(crate) fn score(&self, problem: &Problem<'_>, classes: usize) -> Score {
        let rows: Vec<usize> = (0..problem.rows.rows()).collect();
        let chunks: Vec<(f64, u64)> = rows
            .par_chunks(CHUNK)
            .map(|rows| {
                let (mut loss, mut right) = (0f64, 0u64);
                let mut scores = vec![0f32; classes];
                for &row in rows {
                    self.scores(problem, row, &mut scores);
                    let label = problem.labels[row] as usize;
                    for (class, score) in scores.iter().enumerate() {
                        let margin = if class == label { 1.0 - score } else { 1.0 + score };
                        loss += f64::from(margin.max(0.0)).powi(2);
                    }
                    // The first of the highest, as the engine does.
                    let best = scores.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
                    right += u64::from(best.is_some_and(|(class, _)| class == label));
                }
                (loss, right)
            })
            .collect();
        // Summed in order, so that rounding does not depend on the threads.
        let (loss, right) = chunks.iter().fold((0.0, 0), |sum, chunk| (sum.0 + chunk.0, sum.1 + chunk.1));
        let count = rows.len().max(1) as f64;
        Score { loss: loss / count, accuracy: right as f64 / count }
    }

    fn scores(&self, problem: &Problem<'_>, row: usize, scores: &mut [f32]) {
        let (ids, values) = problem.rows.row(row);
        for (pair, scores) in self.pairs.iter().zip(scores.chunks_mut(PAIR)) {
            let mut sums = [problem.offset; PAIR];
            for (&id, &value) in ids.iter().zip(values) {
                let weights = pair.weights[id as usize];
                (0..PAIR).for_each(|k| sums[k] += value * weights[k]);
            }
            scores.copy_from_slice(&sums[..scores.len()]);
        }
    }
}

/// The squared length of each row.
pub(crate) fn squares(rows: &Matrix) -> Vec<f32> {
    (0..rows.rows()).map(|row| rows.row(row).1.iter().map(|v| v * v).sum()).collect()
}

impl Pair {
    fn sweep(&mut self, problem: &Problem<'_>, squares: &[f32], order: &[u32], first_class: usize) -> f32 {
        let mut largest = 0f32;
        for &row in order {
            let row = row as usize;
            let (ids, values) = problem.rows.row(row);
            if ids.is_empty() {
                continue;
            }
            let mut sums = [problem.offset; PAIR];
            for (&id, &value) in ids.iter().zip(values) {
                let weights = self.weights[id as usize];
                (0..PAIR).for_each(|k| sums[k] += value * weights[k]);
            }
            let (cost, square, duals) = (problem.costs[row], squares[row], &mut self.duals[row]);
            let mut moves = [0f32; PAIR];
            for k in 0..PAIR {
                let target = problem.target(row, first_class + k);
                for (side, sign, share) in [(k, 1.0, target), (PAIR + k, -1.0, 1.0 - target)] {
                    if share <= 0.0 {
                        continue;
                    }
                    let diagonal = 0.5 / (cost * share);
                    // The score after what the other side has just moved.
                    let score = sums[k] + moves[k] * square;
                    let gradient = sign * score - 1.0 + diagonal * duals[side];
                    let new = (duals[side] - gradient / (square + diagonal)).max(0.0);
                    let step = new - duals[side];
                    duals[side] = new;
                    largest = largest.max(step.abs());
                    moves[k] += step * sign;
                }
            }
            if moves != [0.0; PAIR] {
                for (&id, &value) in ids.iter().zip(values) {
                    let weights = &mut self.weights[id as usize];
                    (0..PAIR).for_each(|k| weights[k] += value * moves[k]);
                }
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Corpus, FeatureIndex};

    #[test]
    fn a_text_that_is_a_member_by_a_share_has_the_score_that_costs_least() {
        let cutter = typecase_convert::Cutter::new(&typecase_convert::TextSettings::default(), None).unwrap();
        let corpus = Corpus::new(&cutter, &["word"], vec![0]);
        let feature = corpus.frequent(&[0], 1)[0];
        let index = FeatureIndex::new(&[feature]);
        let rows = corpus.matrix(&[0], &index, &[1.0]);
        let squares = squares(&rows);
        for (cost, target) in [(0.5f32, 0.7f32), (2.0, 0.5), (2.0, 0.0), (8.0, 1.0)] {
            let targets = [target, 1.0 - target];
            let problem = Problem {
                rows: &rows,
                labels: &[0],
                targets: Some(&targets),
                classes: 2,
                costs: &[cost],
                offset: 0.0,
            };
            let mut model = Model::new(2, 1, 1);
            for _ in 0..200 {
                model.sweep(&problem, &squares, &[0]);
            }
            // Where the slope of w^2 / 2 + c (t (1 - w)^2 + (1 - t) (1 + w)^2) is 0.
            let expected = 2.0 * cost * (2.0 * target - 1.0) / (1.0 + 2.0 * cost);
            assert!((model.weight(0, 0) - expected).abs() < 1e-5, "{} {expected}", model.weight(0, 0));
            assert!((model.weight(0, 1) + expected).abs() < 1e-5);
            // A label is a share of 1.
            if target == 1.0 {
                let mut by_label = Model::new(2, 1, 1);
                let labelled = Problem { targets: None, ..problem };
                for _ in 0..200 {
                    by_label.sweep(&labelled, &squares, &[0]);
                }
                assert_eq!(by_label, model);
            }
        }
    }
}
