//! Accuracy by the length of the text.

use serde::Serialize;

use super::{Prediction, ratio, wilson};

/// Groups of about equal size that items are parted into.
const GROUPS: usize = 5;

/// Items of similar length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LengthGroup {
    /// The least and the most words of a text in it.
    pub words: [u64; 2],
    /// How many items are in it.
    pub items: u64,
    /// The share of them that is right.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub ci95: [f64; 2],
}

/// Words of a text, parted by white space.
#[must_use]
pub fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Parts the items by the quintiles of their length, the shortest first; texts of one length are in one group, so
/// there may be fewer than five.
///
/// # Shapes
/// `lengths`: words, one an item.
#[must_use]
pub fn by_length(predictions: &[Prediction], lengths: &[u64]) -> Vec<LengthGroup> {
    let mut order: Vec<(u64, bool)> =
        lengths.iter().zip(predictions).map(|(&words, prediction)| (words, prediction.is_right())).collect();
    order.sort_unstable();
    let mut groups = Vec::new();
    let mut start = 0;
    for group in 1..=GROUPS {
        let mut end = group * order.len() / GROUPS;
        // The group goes on to the end of the length that it cuts.
        while end > 0 && end < order.len() && order[end].0 == order[end - 1].0 {
            end += 1;
        }
        if end > start {
            groups.push(grouped(&order[start..end]));
            start = end;
        }
    }
    groups
}

fn grouped(items: &[(u64, bool)]) -> LengthGroup {
    let (count, right) = (items.len() as u64, items.iter().filter(|item| item.1).count() as u64);
    LengthGroup {
        words: [items[0].0, items[items.len() - 1].0],
        items: count,
        accuracy: ratio(right, count),
        ci95: wilson(right, count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(lengths: &[u64], right: impl Fn(u64) -> bool) -> Vec<([u64; 2], u64, f64)> {
        let one = |&words: &u64| Prediction {
            truth: 0,
            predicted: u32::from(!right(words)),
            probability: 1.0,
            abstained: false,
        };
        let predictions: Vec<_> = lengths.iter().map(one).collect();
        by_length(&predictions, lengths).iter().map(|g| (g.words, g.items, g.accuracy)).collect()
    }

    #[test]
    fn quintiles_hold_as_many_items_each() {
        let lengths: Vec<u64> = (1..=10).rev().collect();
        let found = groups(&lengths, |words| words > 3);
        let expected =
            [([1, 2], 2, 0.0), ([3, 4], 2, 0.5), ([5, 6], 2, 1.0), ([7, 8], 2, 1.0), ([9, 10], 2, 1.0)];
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_of_one_length_stay_together() {
        assert_eq!(groups(&[7; 6], |_| true), [([7, 7], 6, 1.0)]);
        assert_eq!(
            groups(&[1, 5, 5, 5, 9], |_| true),
            [([1, 1], 1, 1.0), ([5, 5], 3, 1.0), ([9, 9], 1, 1.0)]
        );
        assert_eq!(groups(&[3], |_| false), [([3, 3], 1, 0.0)]);
        assert_eq!(groups(&[], |_| false), []);
    }

    #[test]
    fn words_are_parted_by_white_space() {
        assert_eq!([words(""), words(" a  b\tc\n"), words("don't #39;")], [0, 3, 2]);
    }
}
