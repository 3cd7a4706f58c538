//! Changed copies of texts.

use crate::random::Random;
use crate::recipe::AugmentationRecipe;

/// A changed copy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Copy {
    pub(crate) text: String,
    /// The part of its words that comes from the other text.
    pub(crate) other: f32,
}

/// A changed copy of `text`, which may end as `other` does. It has at least one word if `text` has.
pub(crate) fn changed(text: &str, other: &str, recipe: &AugmentationRecipe, random: &mut Random) -> Copy {
    let words: Vec<&str> = text.split_whitespace().collect();
    let chance = f64::from(random.unit_f32());
    let (words, own) = if chance < recipe.splice {
        spliced(&words, &other.split_whitespace().collect::<Vec<_>>(), random)
    } else if chance < recipe.splice + recipe.cut {
        let part = cut(&words, random);
        let own = part.len();
        (part, own)
    } else {
        let own = words.len();
        (words, own)
    };
    let share = 1.0 - own as f32 / words.len().max(1) as f32;
    Copy { text: of_words(&words, recipe, random), other: share }
}

/// The beginning of one and the end of the other, cut anywhere; and how many words are of the first.
fn spliced<'t>(words: &[&'t str], other: &[&'t str], random: &mut Random) -> (Vec<&'t str>, usize) {
    let own = 1 + random.below(words.len().max(1) as u64) as usize;
    let own = own.min(words.len());
    let skipped = random.below(other.len() as u64 + 1) as usize;
    ([&words[..own], &other[skipped..]].concat(), own)
}

/// Some consecutive sentences, not all of them; of one sentence, half of its words.
fn cut<'t>(words: &[&'t str], random: &mut Random) -> Vec<&'t str> {
    let ends: Vec<usize> =
        (1..=words.len()).filter(|&end| end == words.len() || ends_sentence(words[end - 1])).collect();
    if ends.len() < 2 {
        let kept = words.len().div_ceil(2);
        let start = random.below((words.len() - kept) as u64 + 1) as usize;
        return words[start..start + kept].to_vec();
    }
    let kept = 1 + random.below(ends.len() as u64 - 1) as usize;
    let first = random.below((ends.len() - kept) as u64 + 1) as usize;
    let start = if first == 0 { 0 } else { ends[first - 1] };
    words[start..ends[first + kept - 1]].to_vec()
}

/// A full stop after one letter is an initial's.
fn ends_sentence(word: &str) -> bool {
    word.ends_with(['.', '!', '?', ';', ':']) && word.chars().count() > 2
}

/// The words with what chance makes of each of them.
fn of_words(words: &[&str], recipe: &AugmentationRecipe, random: &mut Random) -> String {
    let mut chance = |share: f64| f64::from(random.unit_f32()) < share;
    let mut order: Vec<usize> = (0..words.len()).filter(|_| !chance(recipe.drop)).collect();
    for at in 1..order.len() {
        if chance(recipe.swap) {
            order.swap(at - 1, at);
        }
    }
    if order.is_empty() && !words.is_empty() {
        order.push(random.below(words.len() as u64) as usize);
    }
    let mut text = String::new();
    for at in order {
        if !text.is_empty() {
            text.push(' ');
        }
        let mut chance = |share: f64| f64::from(random.unit_f32()) < share;
        let (is_recased, is_mistyped) = (chance(recipe.case), chance(recipe.typo));
        let mut word = words[at].to_owned();
        if is_recased {
            word = recased(&word, random);
        }
        if is_mistyped {
            word = mistyped(&word, random);
        }
        text += &word;
    }
    text
}

fn recased(word: &str, random: &mut Random) -> String {
    match random.below(3) {
        0 => word.to_lowercase(),
        1 => word.to_uppercase(),
        _ => {
            let mut chars = word.chars();
            let first = chars.next().into_iter().flat_map(char::to_uppercase);
            first.chain(chars.flat_map(char::to_lowercase)).collect()
        }
    }
}

/// Two neighbours swapped, one left out, or one doubled; words of up to three characters stay.
fn mistyped(word: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = word.chars().collect();
    if chars.len() > 3 {
        let at = random.below(chars.len() as u64 - 1) as usize;
        match random.below(3) {
            0 => chars.swap(at, at + 1),
            1 => {
                chars.remove(at);
            }
            _ => chars.insert(at, chars[at]),
        }
    }
    chars.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Oil prices soar. Crude rose to a record on Friday! Traders, J. Smith said; were afraid.";

    fn none() -> AugmentationRecipe {
        AugmentationRecipe { copies: 1, splice: 0.0, cut: 0.0, drop: 0.0, swap: 0.0, case: 0.0, typo: 0.0 }
    }

    #[test]
    fn nothing_changes_where_nothing_is_asked_for() {
        let copy = changed(TEXT, "other", &none(), &mut Random::new(1));
        assert_eq!(copy, Copy { text: TEXT.to_owned(), other: 0.0 });
    }

    #[test]
    fn a_cut_leaves_consecutive_sentences_and_not_all_of_them() {
        let recipe = AugmentationRecipe { cut: 1.0, ..none() };
        let mut lens = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let copy = changed(TEXT, "", &recipe, &mut Random::new(seed));
            assert!(TEXT.contains(&copy.text) && copy.text.len() < TEXT.len(), "{copy:?}");
            assert!(copy.text.ends_with(['.', '!', ';']), "{copy:?}");
            lens.insert(copy.text.len());
        }
        assert!(lens.len() > 4, "{lens:?}");
        let one = changed("a b c d e", "", &recipe, &mut Random::new(1)).text;
        assert_eq!(one.split(' ').count(), 3);
    }

    #[test]
    fn a_splice_says_how_much_is_of_the_other_text() {
        let recipe = AugmentationRecipe { splice: 1.0, ..none() };
        for seed in 0..100 {
            let copy = changed("a a a a", "b b b b b b", &recipe, &mut Random::new(seed));
            let count = |of: &str| copy.text.split(' ').filter(|word| *word == of).count() as f32;
            assert!(count("a") >= 1.0);
            let share = count("b") / (count("a") + count("b"));
            assert!((copy.other - share).abs() < 1e-6, "{copy:?}");
        }
    }

    #[test]
    fn chances_are_kept_and_a_word_always_stays() {
        let recipe = AugmentationRecipe { drop: 0.25, ..none() };
        let text = "word ".repeat(1000);
        let left = changed(&text, "", &recipe, &mut Random::new(3)).text.split(' ').count();
        assert!((700..800).contains(&left), "{left}");
        let recipe = AugmentationRecipe { drop: 0.9, ..none() };
        assert!((0..100).all(|seed| changed("x", "", &recipe, &mut Random::new(seed)).text == "x"));
        let recipe = AugmentationRecipe { splice: 0.5, cut: 0.5, typo: 1.0, case: 1.0, ..none() };
        for seed in 0..200 {
            for text in ["", " ", "a", "ß ǆ", "ﬃ😀é fünf Wörter. İstanbul!", TEXT] {
                let copy = changed(text, "", &recipe, &mut Random::new(seed));
                assert_eq!(copy.text.is_empty(), text.trim().is_empty(), "{copy:?}");
            }
        }
    }
}
