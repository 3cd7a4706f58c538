//! Damage as texts meet it on their way: typing errors, lost case, cuts, the debris of feeds.

use serde::Serialize;

use super::{Prediction, ratio, wilson};
use crate::random::Random;

/// What is done to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Corruption {
    /// A letter becomes a neighbour of it on a QWERTY keyboard; letters that it has not stay.
    Neighbour,
    /// A letter changes places with the next one.
    Swap,
    /// A letter is left out.
    Drop,
    /// A letter stands twice.
    Repeat,
    /// One of the four, each as likely.
    Typos,
    /// All letters are capitals.
    UpperCase,
    /// None is.
    LowerCase,
    /// The first half of the words alone, rounded up.
    Half,
    /// Between two words stands what feeds leave behind: `#39;`, `&lt;b&gt;`, `\\`.
    Debris,
}

/// A corruption and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dose {
    /// What is done.
    pub corruption: Corruption,
    /// The share of the letters that it is done to, for [`Corruption::Debris`] of the gaps between words; 1 for what
    /// is done to the whole text.
    pub rate: f32,
}

/// What a dose did to the answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Robustness {
    /// What was done.
    #[serde(flatten)]
    pub dose: Dose,
    /// The share of right answers.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub ci95: [f64; 2],
    /// The share of answers that are those to the sound texts, right or wrong.
    pub unchanged: f64,
}

/// Keys beside each letter, `a` to `z`.
const NEIGHBOURS: [&str; 26] = [
    "qwsz", "ghvn", "dfxv", "ersfxc", "wrsd", "rtdgcv", "tyfhvb", "yugjbn", "uojk", "uihknm", "iojlm", "opk",
    "jkn", "hjbm", "ipkl", "ol", "wa", "etdf", "weadzx", "ryfg", "yihj", "fgcb", "qeas", "sdzc", "tugh",
    "asx",
];

/// What stands in a gap with debris.
const DEBRIS: [&str; 3] = [" #39; ", " &lt;b&gt; ", "\\\\"];

const fn dose(corruption: Corruption, rate: f32) -> Dose {
    Dose { corruption, rate }
}

/// What `typecase eval --robust` measures.
pub const SUITE: [Dose; 12] = [
    dose(Corruption::Neighbour, 0.05),
    dose(Corruption::Swap, 0.05),
    dose(Corruption::Drop, 0.05),
    dose(Corruption::Repeat, 0.05),
    dose(Corruption::Typos, 0.02),
    dose(Corruption::Typos, 0.05),
    dose(Corruption::Typos, 0.1),
    dose(Corruption::UpperCase, 1.0),
    dose(Corruption::LowerCase, 1.0),
    dose(Corruption::Half, 1.0),
    dose(Corruption::Debris, 0.1),
    dose(Corruption::Debris, 0.3),
];

impl Corruption {
    /// Its name in JSON and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neighbour => "neighbour",
            Self::Swap => "swap",
            Self::Drop => "drop",
            Self::Repeat => "repeat",
            Self::Typos => "typos",
            Self::UpperCase => "upper-case",
            Self::LowerCase => "lower-case",
            Self::Half => "half",
            Self::Debris => "debris",
        }
    }
}

impl Dose {
    /// The text of item `number` as this dose leaves it. Chance follows from the seed, the corruption, its rate and
    /// the number alone.
    #[must_use]
    pub fn apply(self, text: &str, seed: u64, number: usize) -> String {
        let kind = u64::from(self.rate.to_bits()) << 8 | self.corruption as u64;
        let base = Random::new(seed ^ Random::new(kind).next_u64()).next_u64();
        let mut random = Random::new(base.wrapping_add(number as u64));
        match self.corruption {
            Corruption::UpperCase => text.to_uppercase(),
            Corruption::LowerCase => text.to_lowercase(),
            Corruption::Half => first_half(text),
            Corruption::Debris => with_debris(text, self.rate, &mut random),
            _ => mistyped(text, self.corruption, self.rate, &mut random),
        }
    }
}

impl Robustness {
    /// Compares the answers to damaged texts with those to the sound ones, item by item.
    #[must_use]
    pub fn new(dose: Dose, sound: &[Prediction], damaged: &[Prediction]) -> Self {
        let items = damaged.len() as u64;
        let right = damaged.iter().filter(|prediction| prediction.is_right()).count() as u64;
        let same = sound.iter().zip(damaged).filter(|(a, b)| a.predicted == b.predicted).count() as u64;
        Self {
            dose,
            accuracy: ratio(right, items),
            ci95: wilson(right, items),
            unchanged: ratio(same, items),
        }
    }
}

fn mistyped(text: &str, corruption: Corruption, rate: f32, random: &mut Random) -> String {
    const KINDS: [Corruption; 4] =
        [Corruption::Neighbour, Corruption::Swap, Corruption::Drop, Corruption::Repeat];
    let mut out = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_alphabetic() || random.unit_f32() >= rate {
            out.push(letter);
            continue;
        }
        let kind = match corruption {
            Corruption::Typos => KINDS[random.below(4) as usize],
            one => one,
        };
        match kind {
            Corruption::Neighbour => out.push(neighbour(letter, random)),
            Corruption::Swap => {
                out.extend(letters.next_if(|next| next.is_alphabetic()));
                out.push(letter);
            }
            Corruption::Repeat => out.extend([letter; 2]),
            // A letter that is dropped.
            _ => {}
        }
    }
    out
}

/// A key beside that of the letter, in its case.
fn neighbour(letter: char, random: &mut Random) -> char {
    if !letter.is_ascii_alphabetic() {
        return letter;
    }
    let keys = NEIGHBOURS[usize::from(letter.to_ascii_lowercase() as u8 - b'a')].as_bytes();
    let key = char::from(keys[random.below(keys.len() as u64) as usize]);
    if letter.is_ascii_uppercase() { key.to_ascii_uppercase() } else { key }
}

fn first_half(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words[..words.len().div_ceil(2)].join(" ")
}

fn with_debris(text: &str, rate: f32, random: &mut Random) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (nth, word) in text.split_whitespace().enumerate() {
        if nth > 0 && random.unit_f32() < rate {
            out += DEBRIS[random.below(DEBRIS.len() as u64) as usize];
        } else if nth > 0 {
            out.push(' ');
        }
        out += word;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(corruption: Corruption, text: &str) -> String {
        dose(corruption, 1.0).apply(text, 1, 0)
    }

    #[test]
    fn whole_texts_come_out_as_by_hand() {
        let table = [
            (Corruption::Swap, "abc de f, \u{e9}t\u{e9}", "bac ed f, t\u{e9}\u{e9}"),
            (Corruption::Drop, "abc 12!", " 12!"),
            (Corruption::Repeat, "ab 1", "aabb 1"),
            (Corruption::UpperCase, "Oil \u{e9}", "OIL \u{c9}"),
            (Corruption::LowerCase, "Oil \u{c9}", "oil \u{e9}"),
            (Corruption::Half, "one two  three", "one two"),
            (Corruption::Half, "", ""),
        ];
        for (corruption, text, expected) in table {
            assert_eq!(all(corruption, text), expected, "{corruption:?}");
        }
    }

    #[test]
    fn neighbours_are_beside_each_other_both_ways() {
        for (letter, keys) in ('a'..='z').zip(NEIGHBOURS) {
            for key in keys.bytes() {
                assert!(NEIGHBOURS[usize::from(key - b'a')].contains(letter), "{letter} and {}", key as char);
            }
        }
        let typed = all(Corruption::Neighbour, "Ab\u{e9}");
        let letters: Vec<char> = typed.chars().collect();
        assert!(
            "QWSZ".contains(letters[0]) && "ghvn".contains(letters[1]) && letters[2] == '\u{e9}',
            "{typed}"
        );
    }

    #[test]
    fn debris_stands_between_words_alone() {
        let found = all(Corruption::Debris, "w1 w2 w3 w4");
        let mut rest = found.as_str();
        for word in ["w1", "w2", "w3", "w4"] {
            rest = rest.strip_prefix(word).unwrap();
            rest = DEBRIS.iter().find_map(|piece| rest.strip_prefix(piece)).unwrap_or(rest);
        }
        assert_eq!(rest, "", "{found}");
        assert_eq!(dose(Corruption::Debris, 0.0).apply("a  b", 1, 0), "a b");
    }

    #[test]
    fn rates_are_met_and_chance_follows_from_seed_and_item() {
        let text = "x".repeat(20_000);
        for rate in [0.02, 0.05, 0.1] {
            let left = dose(Corruption::Drop, rate).apply(&text, 3, 0).len() as f32;
            assert!((1.0 - left / 20_000.0 - rate).abs() < 0.01, "{rate}: {left}");
        }
        let typos = dose(Corruption::Typos, 0.5);
        let (text, other) = ("some words of a text", 4);
        assert_eq!(typos.apply(text, 1, 0), typos.apply(text, 1, 0));
        assert_ne!(typos.apply(text, 1, 0), typos.apply(text, 2, 0));
        assert_ne!(typos.apply(text, 1, 0), typos.apply(text, 1, other));
    }

    #[test]
    fn unchanged_answers_are_counted_right_or_wrong() {
        let one = |truth, predicted| Prediction { truth, predicted, probability: 1.0, abstained: false };
        let sound = [one(0, 0), one(0, 1), one(1, 1), one(1, 1)];
        let damaged = [one(0, 0), one(0, 1), one(1, 0), one(1, 1)];
        let found = Robustness::new(SUITE[0], &sound, &damaged);
        assert_eq!((found.accuracy, found.unchanged), (0.5, 0.75));
        let json = serde_json::to_value(found).unwrap();
        assert_eq!(json["corruption"], "neighbour");
        for dose in SUITE {
            assert_eq!(serde_json::to_value(dose.corruption).unwrap(), dose.corruption.name());
        }
    }
}
