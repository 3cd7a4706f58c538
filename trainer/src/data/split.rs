//! A validation set carved out of a training set.

use crate::random::Random;

/// Which items go where; both lists ascend, and together they hold every index once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Indices of the items to train on.
    pub train: Vec<u32>,
    /// Indices of the items to select by.
    pub validation: Vec<u32>,
}

/// Puts about `share` of each class aside for validation, chosen at random by `seed`; the same on every
/// platform.
///
/// Of a class of n items, `share * n` rounded half up goes to validation, but at least one and at most n - 1
/// where n is 2 or more, and none where n is 1. A `share` that is not above 0 (or not a number) puts nothing
/// aside, one from 1 on everything. Indices count up to the limit of `u32`.
#[must_use]
pub fn stratified_split(labels: &[u32], share: f64, seed: u64) -> Split {
    let mut classes: Vec<u32> = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); classes.len()];
    for (index, label) in (0u32..).zip(labels) {
        if let Ok(class) = classes.binary_search(label) {
            members[class].push(index);
        }
    }
    let mut random = Random::new(seed);
    let mut split = Split { train: Vec::new(), validation: Vec::new() };
    for mut class in members {
        random.shuffle(&mut class);
        let (validation, train) = class.split_at(held_out(class.len(), share));
        split.validation.extend_from_slice(validation);
        split.train.extend_from_slice(train);
    }
    split.validation.sort_unstable();
    split.train.sort_unstable();
    split
}

/// How many of `items` of one class go to validation.
fn held_out(items: usize, share: f64) -> usize {
    if share >= 1.0 {
        items
    } else if share > 0.0 && items >= 2 {
        // Exact on every platform: one product and a rounding.
        ((share * items as f64).round() as usize).clamp(1, items - 1)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_class_gives_its_rounded_share() {
        for (items, share, expected) in [
            (100, 0.1, 10),
            (15, 0.1, 2),
            (14, 0.1, 1),
            (2, 0.01, 1),
            (2, 0.99, 1),
            (1, 0.9, 0),
            (5, 0.0, 0),
            (5, -1.0, 0),
            (5, f64::NAN, 0),
            (5, 1.0, 5),
            (0, 0.5, 0),
        ] {
            assert_eq!(held_out(items, share), expected, "{items} items, share {share}");
        }
    }

    #[test]
    fn the_split_is_the_same_on_every_platform() {
        let labels: Vec<u32> = (0..20).map(|index| index % 2).collect();
        let split = stratified_split(&labels, 0.2, 42);
        assert_eq!(split.validation, GOLDEN);
        assert_ne!(split, stratified_split(&labels, 0.2, 43));
    }

    /// Two even (class 0) and two odd (class 1) indices.
    const GOLDEN: [u32; 4] = [3, 6, 7, 10];

    proptest! {
        #[test]
        fn every_item_goes_to_one_side(labels in prop::collection::vec(0u32..5, 0..200), share in 0.0..1.0f64, seed: u64) {
            let split = stratified_split(&labels, share, seed);
            prop_assert!(split.train.is_sorted() && split.validation.is_sorted());
            let mut all = [split.train.clone(), split.validation.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len() as u32).collect::<Vec<_>>());
            for class in 0..5 {
                let of = |side: &[u32]| side.iter().filter(|&&at| labels[at as usize] == class).count();
                let items = labels.iter().filter(|&&label| label == class).count();
                prop_assert_eq!(of(&split.validation), held_out(items, share));
            }
        }
    }
}
