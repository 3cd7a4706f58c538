//! The pieces of a Unigram model, by the trainer of Hugging Face `tokenizers`, made repeatable.

use std::collections::{BTreeMap, BTreeSet};

use tokenizers::AddedToken;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};

use super::shape::{quoted, special};
use super::{VocabularyModel, VocabularySettings};
use crate::error::TrainError;

/// What the trainer puts between the scores of characters for which it has learnt none.
const PENALTY: f64 = 0.0001;

/// Learns the pieces and their scores; the JSON list of them. Every character of the alphabet is a piece.
pub(super) fn learn(
    words: &BTreeMap<String, u64>,
    alphabet: &BTreeSet<char>,
    settings: &VocabularySettings,
) -> Result<String, TrainError> {
    let failed = |error: &dyn core::fmt::Display| TrainError::Vocabulary(error.to_string());
    let tokens = special(VocabularyModel::Unigram).iter().map(|token| AddedToken::from(*token, true));
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(settings.size)
        .special_tokens(tokens.collect())
        .initial_alphabet(alphabet.iter().copied().collect())
        .unk_token(Some("<unk>".to_owned()))
        .build()
        .map_err(|error| failed(&error))?;
    let narrow = |count: &u64| u32::try_from(*count).unwrap_or(u32::MAX);
    let sentences = words.iter().map(|(word, count)| (word.clone(), narrow(count))).collect();
    // The sums of the trainer depend on how many threads share the work.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.map_err(|error| TrainError::Threads(error.to_string()))?;
    let model = one.install(|| {
        let mut model = Unigram::default();
        trainer.do_train(sentences, &mut model).map(|_| model)
    });
    let model = model.map_err(|error| failed(&error))?;
    let pieces = settled(model.iter().cloned().collect(), special(VocabularyModel::Unigram).len());
    let entries: Vec<String> = pieces
        .iter()
        .map(|(piece, score)| format!("[{},{}]", quoted(piece), serde_json::Value::from(*score)))
        .collect();
    Ok(format!("[{}]", entries.join(",")))
}

/// Puts pieces in an order of their own. The trainer walks a hash map of the characters that it must keep: the order of
/// equal scores, and which character without a score gets which of the lowest, are left to chance.
fn settled(mut pieces: Vec<(String, f64)>, special: usize) -> Vec<(String, f64)> {
    let learnt = pieces.get_mut(special..).unwrap_or_default();
    let lowest = learnt.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let is_character = |piece: &str| piece.chars().count() == 1;
    // Exactly the sums that the trainer makes.
    let mut penalty = 0.0;
    let mut by_chance: Vec<usize> = Vec::new();
    loop {
        let score = lowest + penalty;
        let holds = |(_, (piece, found)): &(usize, &(String, f64))| is_character(piece) && *found == score;
        let before = by_chance.len();
        by_chance.extend(learnt.iter().enumerate().filter(holds).map(|(at, _)| at));
        if by_chance.len() == before {
            break;
        }
        penalty += PENALTY;
    }
    let mut scores: Vec<f64> = by_chance.iter().filter_map(|at| Some(learnt.get(*at)?.1)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    by_chance
        .sort_by(|a, b| learnt.get(*a).map(|(piece, _)| piece).cmp(&learnt.get(*b).map(|(piece, _)| piece)));
    for (at, score) in by_chance.into_iter().zip(scores) {
        if let Some((_, place)) = learnt.get_mut(at) {
            *place = score;
        }
    }
    learnt.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pieces: &[(&str, f64)]) -> Vec<(String, f64)> {
        pieces.iter().map(|(piece, score)| ((*piece).to_owned(), *score)).collect()
    }

    #[test]
    fn what_the_trainer_leaves_to_chance_is_put_in_order() {
        let (first, second) = (-9.0 + 0.0, -9.0 + (0.0 + PENALTY));
        let one =
            with(&[("<unk>", 0.0), ("the", -2.0), ("b", -3.0), ("a", -3.0), ("y", second), ("x", first)]);
        let other =
            with(&[("<unk>", 0.0), ("the", -2.0), ("a", -3.0), ("b", -3.0), ("x", second), ("y", first)]);
        assert_eq!(settled(one.clone(), 1), settled(other, 1));
        let expected =
            with(&[("<unk>", 0.0), ("the", -2.0), ("a", -3.0), ("b", -3.0), ("x", second), ("y", first)]);
        assert_eq!(settled(one, 1), expected);
    }
}
