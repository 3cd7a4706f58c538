//! Texts as ids, and batches of texts of about the same length.

use rayon::prelude::*;
use typecase_convert::encoder::TextIds;

use crate::random::Random;

/// The ids of many texts, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts {
    ids: Vec<u32>,
    /// Where each text ends.
    ends: Vec<usize>,
    pub(super) labels: Vec<u32>,
    /// What each text should be, where that is not what its label says.
    pub(super) targets: Option<Targets>,
}

/// What texts should be.
///
/// # Shapes
/// Texts x classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Targets {
    /// By their labels.
    pub(super) hard: Vec<f32>,
    /// By their teachers; empty without any.
    pub(super) soft: Vec<f32>,
}

impl Targets {
    fn of(&self, numbers: &[u32], texts: usize) -> Self {
        let rows = |all: &[f32]| {
            let classes = all.len() / texts.max(1);
            numbers.iter().flat_map(|number| all[*number as usize * classes..][..classes].to_vec()).collect()
        };
        Self { hard: rows(&self.hard), soft: rows(&self.soft) }
    }
}

impl Texts {
    /// Cuts the texts, all cores at once.
    pub(super) fn new(tokenizer: &TextIds, texts: &[(&str, u32)]) -> Self {
        let cut: Vec<Vec<u32>> = texts.par_iter().map(|(text, _)| tokenizer.ids(text)).collect();
        Self::of(cut.into_iter().zip(texts).map(|(ids, (_, label))| (ids, *label)))
    }

    pub(super) fn of(texts: impl Iterator<Item = (Vec<u32>, u32)>) -> Self {
        let mut all = Self::default();
        for (ids, label) in texts {
            all.ids.extend(ids);
            all.ends.push(all.ids.len());
            all.labels.push(label);
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Shows the ids of every text, until one is refused.
    pub(super) fn each<E>(&self, mut check: impl FnMut(&[u32]) -> Result<(), E>) -> Result<(), E> {
        (0..self.len()).try_for_each(|number| check(self.text(number)))
    }

    pub(super) fn text(&self, number: usize) -> &[u32] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.ids[start..self.ends[number]]
    }

    /// A batch of these texts.
    pub(super) fn batch(&self, numbers: &[u32]) -> Batch {
        let of = |number: &u32| self.text(*number as usize);
        let tokens = numbers.iter().map(|number| of(number).len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(numbers.len() * tokens);
        for number in numbers {
            ids.extend_from_slice(of(number));
            // Any id does: what stands beyond a text is looked at by nothing.
            ids.resize(ids.len().div_ceil(tokens) * tokens, 0);
        }
        Batch {
            tokens,
            lengths: numbers.iter().map(|number| of(number).len()).collect(),
            ids,
            labels: numbers.iter().map(|number| self.labels[*number as usize]).collect(),
            targets: self.targets.as_ref().map(|targets| targets.of(numbers, self.len())),
        }
    }

    /// All texts in batches of about the same length: of texts of one length chance decides which of them are
    /// together, and then the order of the batches. Without `random` in the order of lengths.
    pub(super) fn batches(
        &self,
        most: usize,
        most_tokens: usize,
        random: Option<&mut Random>,
    ) -> Vec<Vec<u32>> {
        let mut order: Vec<u32> = (0u32..).take(self.len()).collect();
        let mut random = random;
        if let Some(random) = random.as_deref_mut() {
            random.shuffle(&mut order);
        }
        order.sort_by_key(|number| self.text(*number as usize).len());
        let mut batches: Vec<Vec<u32>> = Vec::new();
        for number in order {
            let length = self.text(number as usize).len();
            match batches.last_mut() {
                Some(batch) if batch.len() < most && (batch.len() + 1) * length <= most_tokens => {
                    batch.push(number);
                }
                _ => batches.push(vec![number]),
            }
        }
        if let Some(random) = random {
            random.shuffle(&mut batches);
        }
        batches
    }
}

/// Texts of about the same length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Batch {
    /// Of every text, padding included.
    pub(super) tokens: usize,
    /// Of each text, without padding.
    pub(super) lengths: Vec<usize>,
    /// Text after text, each with its padding.
    pub(super) ids: Vec<u32>,
    pub(super) labels: Vec<u32>,
    /// As those of [`Texts`].
    pub(super) targets: Option<Targets>,
}

impl Batch {
    /// Every text twice, all of them and then all of them again.
    pub(super) fn twice(&self) -> Self {
        let Self { tokens, lengths, ids, labels, targets } = self;
        let targets = targets.as_ref().map(|Targets { hard, soft }| Targets {
            hard: [hard.as_slice(), hard].concat(),
            soft: [soft.as_slice(), soft].concat(),
        });
        Self {
            tokens: *tokens,
            lengths: [lengths.as_slice(), lengths].concat(),
            ids: [ids.as_slice(), ids].concat(),
            labels: [labels.as_slice(), labels].concat(),
            targets,
        }
    }

    /// Is there no padding?
    pub(super) fn is_even(&self) -> bool {
        self.lengths.iter().all(|length| *length == self.tokens)
    }

    /// Places of the ids that are no padding.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let start = |text: usize| text * self.tokens;
        self.lengths.iter().enumerate().flat_map(move |(text, length)| start(text)..start(text) + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        Texts::of((0..50u32).map(|text| ((0..1 + text % 7).map(|at| 100 * text + at).collect(), text % 3)))
    }

    #[test]
    fn every_text_is_in_one_batch_of_its_length() {
        let texts = texts();
        let batches = texts.batches(8, 30, Some(&mut Random::new(1)));
        let mut all = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<u32>>());
        for numbers in &batches {
            let batch = texts.batch(numbers);
            assert!(batch.lengths.len() <= 8 && batch.ids.len() <= 30, "{batch:?}");
            let shortest = batch.lengths.iter().min().unwrap();
            assert!(batch.tokens - shortest <= 2, "{batch:?}");
            let ids: Vec<u32> = batch.places().map(|place| batch.ids[place]).collect();
            let expected: Vec<u32> =
                numbers.iter().flat_map(|number| texts.text(*number as usize).to_vec()).collect();
            assert_eq!(ids, expected);
        }
        assert_eq!(batches, texts.batches(8, 30, Some(&mut Random::new(1))));
        assert_ne!(batches, texts.batches(8, 30, Some(&mut Random::new(2))));
    }
}
