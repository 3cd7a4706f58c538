//! Texts as hashed features, and the sparse matrix that training works on.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;
use typecase_convert::Cutter;

/// Texts handled by one task: fixed, so that nothing depends on the number of threads.
const CHUNK: usize = 1024;

/// Every text's features, sorted, repeats kept.
#[derive(Debug)]
pub(crate) struct Corpus {
    starts: Vec<usize>,
    features: Vec<u32>,
    pub(crate) labels: Vec<u32>,
}

impl Corpus {
    /// Cuts all texts.
    pub(crate) fn new(cutter: &Cutter<'_>, texts: &[&str], labels: Vec<u32>) -> Self {
        let cut = |texts: &[&str]| {
            let mut memory = cutter.memory();
            let (mut features, mut lens) = (Vec::new(), Vec::with_capacity(texts.len()));
            for text in texts {
                let start = features.len();
                cutter.scan(text.as_bytes(), &mut memory, |feature| {
                    features.push(feature);
                    ControlFlow::Continue(())
                });
                features[start..].sort_unstable();
                lens.push(features.len() - start);
            }
            (features, lens)
        };
        let chunks: Vec<_> = texts.par_chunks(CHUNK).map(cut).collect();
        let mut starts = vec![0];
        let mut features = Vec::with_capacity(chunks.iter().map(|(features, _)| features.len()).sum());
        for (part, lens) in chunks {
            for len in lens {
                starts.push(starts[starts.len() - 1] + len);
            }
            features.extend(part);
        }
        Self { starts, features, labels }
    }

    fn text(&self, item: u32) -> &[u32] {
        &self.features[self.starts[item as usize]..self.starts[item as usize + 1]]
    }

    /// Features that stand in at least `min_count` of the texts `items`, rising.
    pub(crate) fn frequent(&self, items: &[u32], min_count: u32) -> Vec<u32> {
        let distinct = |items: &[u32]| {
            items
                .iter()
                .flat_map(|&item| self.text(item).chunk_by(|a, b| a == b).map(|run| run[0]))
                .collect::<Vec<_>>()
        };
        let mut all: Vec<u32> = items.par_chunks(CHUNK).flat_map_iter(distinct).collect();
        all.par_sort_unstable();
        all.chunk_by(|a, b| a == b).filter(|run| run.len() >= min_count as usize).map(|run| run[0]).collect()
    }

    /// In how many texts of each class each feature stands.
    ///
    /// # Shapes
    /// Features x classes.
    pub(crate) fn class_counts(&self, items: &[u32], index: &FeatureIndex, classes: usize) -> Vec<u32> {
        let mut counts = vec![0u32; index.len() * classes];
        for &item in items {
            let label = self.labels[item as usize] as usize;
            for run in self.text(item).chunk_by(|a, b| a == b) {
                if let Some(id) = index.id(run[0]) {
                    counts[id as usize * classes + label] += 1;
                }
            }
        }
        counts
    }

    /// The rows of `items`: term frequency times gain, each row of length 1 (or empty).
    pub(crate) fn matrix(&self, items: &[u32], index: &FeatureIndex, gains: &[f32]) -> Matrix {
        let rows = |items: &[u32]| {
            let (mut ids, mut values, mut lens) = (Vec::new(), Vec::new(), Vec::with_capacity(items.len()));
            for &item in items {
                let start = ids.len();
                let mut squares = 0f32;
                for run in self.text(item).chunk_by(|a, b| a == b) {
                    if let Some(id) = index.id(run[0]) {
                        let value = run.len() as f32 * gains[id as usize];
                        squares += value * value;
                        ids.push(id);
                        values.push(value);
                    }
                }
                let norm = squares.sqrt().max(1e-6);
                values[start..].iter_mut().for_each(|value| *value /= norm);
                lens.push(ids.len() - start);
            }
            (ids, values, lens)
        };
        let chunks: Vec<_> = items.par_chunks(CHUNK).map(rows).collect();
        let mut matrix = Matrix { starts: vec![0], ids: Vec::new(), values: Vec::new() };
        for (ids, values, lens) in chunks {
            for len in lens {
                matrix.starts.push(matrix.starts[matrix.starts.len() - 1] + len);
            }
            matrix.ids.extend(ids);
            matrix.values.extend(values);
        }
        matrix
    }
}

/// Sparse rows: ids of features with values.
#[derive(Debug)]
pub(crate) struct Matrix {
    starts: Vec<usize>,
    ids: Vec<u32>,
    values: Vec<f32>,
}

impl Matrix {
    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    #[inline]
    pub(crate) fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let span: Range<usize> = self.starts[row]..self.starts[row + 1];
        (&self.ids[span.clone()], &self.values[span])
    }
}

/// From features to their place in a list: open addressing, half full at most.
#[derive(Debug)]
pub(crate) struct FeatureIndex {
    /// Feature and place + 1; 0 for an empty slot.
    slots: Vec<(u32, u32)>,
    shift: u32,
    len: usize,
}

impl FeatureIndex {
    /// Indexes distinct features.
    pub(crate) fn new(features: &[u32]) -> Self {
        let bits = (features.len().max(1) * 2).next_power_of_two().trailing_zeros().max(1);
        let mut index = Self { slots: vec![(0, 0); 1 << bits], shift: 32 - bits, len: features.len() };
        for (place, &feature) in (1u32..).zip(features) {
            let mut slot = index.first_slot(feature);
            while index.slots[slot].1 != 0 {
                slot = (slot + 1) & (index.slots.len() - 1);
            }
            index.slots[slot] = (feature, place);
        }
        index
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn id(&self, feature: u32) -> Option<u32> {
        let mut slot = self.first_slot(feature);
        loop {
            match self.slots[slot] {
                (_, 0) => return None,
                (held, place) if held == feature => return Some(place - 1),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    /// Features are spread over 32 bits already; the high ones choose the slot.
    #[inline]
    fn first_slot(&self, feature: u32) -> usize {
        (feature >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use typecase_convert::TextSettings;

    fn corpus(texts: &[&str]) -> Corpus {
        let labels = (0..).take(texts.len()).map(|i| i % 2).collect();
        let settings = TextSettings { word_ngrams: 1, ..TextSettings::default() };
        Corpus::new(&Cutter::new(&settings, None).unwrap(), texts, labels)
    }

    #[test]
    fn features_are_counted_by_texts_and_not_by_occurrences() {
        let corpus = corpus(&["oil oil oil", "oil gas", "gas"]);
        let all = corpus.frequent(&[0, 1, 2], 1);
        assert_eq!(all.len(), 2);
        assert!(corpus.frequent(&[0, 2], 2).is_empty());
        let index = FeatureIndex::new(&all);
        let mut counts: Vec<_> =
            corpus.class_counts(&[0, 1, 2], &index, 2).chunks(2).map(<[u32]>::to_vec).collect();
        counts.sort();
        assert_eq!(counts, [[1, 1], [1, 1]]);
    }

    #[test]
    fn rows_have_length_one_or_are_empty() {
        let corpus = corpus(&["oil oil gas", "unseen"]);
        let features = corpus.frequent(&[0], 1);
        let index = FeatureIndex::new(&features);
        let matrix = corpus.matrix(&[0, 1], &index, &[1.0, 1.0]);
        let mut values = matrix.row(0).1.to_vec();
        values.sort_by(f32::total_cmp);
        assert_eq!(values, [1.0 / 5f32.sqrt(), 2.0 / 5f32.sqrt()]);
        assert!(matrix.row(1).0.is_empty());
    }

    #[test]
    fn an_index_finds_what_it_holds_and_nothing_else() {
        let features: Vec<u32> = (0..1000u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
        let index = FeatureIndex::new(&features);
        for (place, &feature) in (0u32..).zip(&features) {
            assert_eq!(index.id(feature), Some(place));
            assert_eq!(index.id(feature ^ 1), None);
        }
        assert_eq!(FeatureIndex::new(&[]).id(7), None);
        // All in the last slot: the search wraps around.
        let crowded: Vec<u32> = (0..50).map(|i| u32::MAX - i).collect();
        let index = FeatureIndex::new(&crowded);
        assert!(crowded.iter().all(|&f| index.id(f).is_some()));
    }
}
