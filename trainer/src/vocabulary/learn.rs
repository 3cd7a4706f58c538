//! From texts to a `tokenizer.json`.

use std::collections::{BTreeMap, BTreeSet};

use tokenizers::{
    NormalizedString, Normalizer as _, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _,
    Tokenizer,
};

use super::merges::{self, Learnt};
use super::shape::{numbered, prefix, quoted, special, tokenizer};
use super::{VocabularyModel, VocabularySettings, unigram};
use crate::error::TrainError;

/// Characters of the longest word that is learnt from; BERT cuts no longer one either.
const MAX_WORD: usize = 100;

/// Learns a vocabulary: the text of a whole `tokenizer.json`.
///
/// The words are those that the tokenizer will find, by its own normaliser and pre-tokenizer. Characters beyond the
/// most frequent ones, which take a quarter of the pieces at most, are left unknown. Texts that are too few for
/// the size give a smaller vocabulary.
///
/// # Errors
/// [`TrainError::Vocabulary`] if a setting is out of range, no text holds a word, or nothing can be learnt from them.
pub fn learn<'t>(
    texts: impl Iterator<Item = &'t str>,
    settings: &VocabularySettings,
) -> Result<String, TrainError> {
    settings.check().map_err(TrainError::Vocabulary)?;
    let mut words = words(texts, settings)?;
    let alphabet = match settings.model {
        VocabularyModel::Bpe => byte_alphabet(),
        _ => most_frequent(&words, settings.size as usize / 4),
    };
    words.retain(|word, _| word.chars().all(|c| alphabet.contains(&c)));
    if settings.model == VocabularyModel::Unigram {
        let min_count = u64::from(settings.min_count);
        // Where every word is rare, rare ones are all there is.
        if words.values().any(|count| *count >= min_count) {
            words.retain(|_, count| *count >= min_count);
        }
    }
    if words.is_empty() {
        return Err(TrainError::Vocabulary("no word in the texts, 1 is needed at least".to_owned()));
    }
    let json = match settings.model {
        VocabularyModel::Unigram => tokenizer(settings, &unigram::learn(&words, &alphabet, settings)?, ""),
        _ => merged(words, &alphabet, settings),
    };
    // What is handed on can be read.
    json.parse::<Tokenizer>().map_err(|error| TrainError::Vocabulary(error.to_string()))?;
    Ok(json)
}

/// Every word of the texts, and how often it is there.
fn words<'t>(
    texts: impl Iterator<Item = &'t str>,
    settings: &VocabularySettings,
) -> Result<BTreeMap<String, u64>, TrainError> {
    let failed = |error: tokenizers::Error| TrainError::Vocabulary(error.to_string());
    let pieces: Vec<String> = special(settings.model).iter().map(|token| (*token).to_owned()).collect();
    let vocabulary = match settings.model {
        VocabularyModel::Unigram => {
            let entries: Vec<String> =
                pieces.iter().map(|piece| format!("[{},0.0]", quoted(piece))).collect();
            format!("[{}]", entries.join(","))
        }
        _ => numbered(&pieces),
    };
    let empty: Tokenizer = tokenizer(settings, &vocabulary, "[]").parse().map_err(failed)?;
    let mut words = BTreeMap::new();
    for text in texts {
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = empty.get_normalizer() {
            normalizer.normalize(&mut normalized).map_err(failed)?;
        }
        let mut cut = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = empty.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut cut).map_err(failed)?;
        }
        for (word, _, _) in cut.get_splits(OffsetReferential::Original, OffsetType::None) {
            if word.is_empty() || word.chars().nth(MAX_WORD).is_some() {
                continue;
            }
            match words.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(words.insert(word.to_owned(), 1)),
            }
        }
    }
    Ok(words)
}

/// The characters that are met most often; of equal ones the lower.
fn most_frequent(words: &BTreeMap<String, u64>, limit: usize) -> BTreeSet<char> {
    let mut counts = BTreeMap::<char, u64>::new();
    for (word, count) in words {
        // The trainer of Unigram parts words by NUL.
        for character in word.chars().filter(|c| *c != '\0') {
            *counts.entry(character).or_default() += count;
        }
    }
    let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
    characters.sort_by_key(|(character, count)| (core::cmp::Reverse(*count), *character));
    characters.into_iter().take(limit).map(|(character, _)| character).collect()
}

/// How the 256 bytes are spelled.
fn byte_alphabet() -> BTreeSet<char> {
    tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect()
}

fn merged(words: BTreeMap<String, u64>, alphabet: &BTreeSet<char>, settings: &VocabularySettings) -> String {
    let prefix = prefix(settings.model);
    let mut pieces: Vec<String> = special(settings.model).iter().map(|token| (*token).to_owned()).collect();
    let first = number(pieces.len());
    pieces.extend(alphabet.iter().map(char::to_string));
    let firsts: BTreeMap<char, u32> = alphabet.iter().copied().zip(first..).collect();
    // Characters that go on a word, where they are other pieces than those that begin one.
    let mut others = firsts.clone();
    if !prefix.is_empty() {
        let inner: BTreeSet<char> = words.keys().flat_map(|word| word.chars().skip(1)).collect();
        others = inner.iter().copied().zip(number(pieces.len())..).collect();
        pieces.extend(inner.iter().map(|character| format!("{prefix}{character}")));
    }
    let spelled = |word: &str| {
        let place = |(at, c)| if at == 0 { firsts.get(&c) } else { others.get(&c) };
        word.chars().enumerate().filter_map(place).copied().collect()
    };
    let words = words.iter().map(|(word, count)| (spelled(word), *count)).collect();
    let Learnt { pieces, merges } =
        merges::learn(words, pieces, prefix, settings.size as usize, settings.min_count.into());
    let text = |number: u32| quoted(pieces.get(number as usize).map(String::as_str).unwrap_or_default());
    let merges: Vec<String> =
        merges.iter().map(|(left, right)| format!("[{},{}]", text(*left), text(*right))).collect();
    tokenizer(settings, &numbered(&pieces), &format!("[{}]", merges.join(",")))
}

fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
