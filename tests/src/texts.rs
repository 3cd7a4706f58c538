//! Texts to compare tokenizers on: the bundled sample, and endless generated ones with whatever hurts.

use std::fs;
use std::path::Path;

/// Every line of the bundled sample.
#[must_use]
pub fn sample() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sample");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    ["news.csv", "news-heldout.txt", "golden.txt"]
        .iter()
        .flat_map(|name| read(name).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Words of the sample, white space of all kinds, quotes and marks, special tokens and any characters at all.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
    words: Vec<String>,
    special: Vec<String>,
}

impl Generator {
    /// Starts anew: the same seed gives the same texts. `special` are strings to mix in.
    #[must_use]
    pub fn new(seed: u64, special: &[&str]) -> Self {
        let words = sample().iter().flat_map(|line| line.split_whitespace().map(str::to_owned)).collect();
        let mut special: Vec<String> = special.iter().map(|token| (*token).to_owned()).collect();
        special.push("[SEP".to_owned());
        Self { state: seed, words, special }
    }

    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.state;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) % limit as u64) as usize
    }

    fn character(&mut self, first: usize, len: usize) -> char {
        let code = first + self.below(len);
        u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}')
    }
}

impl Iterator for Generator {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        const SPACES: [&str; 7] = [" ", "  ", "\t", "\n ", " \u{a0}", "\u{3000}", "\u{200b}"];
        const MARKS: [&str; 9] =
            ["'s", "'LL", "n't", "...", "#39;", "\u{0301}\u{0323}", "\u{130}", "\u{1C5}", "``"];
        let mut text = String::new();
        for _ in 0..self.below(14) {
            match self.below(12) {
                0..=3 => {
                    let word = self.below(self.words.len());
                    text.push_str(&self.words[word]);
                    text.push(' ');
                }
                4 => text.push_str(SPACES[self.below(SPACES.len())]),
                5 => text.push_str(MARKS[self.below(MARKS.len())]),
                6 => {
                    let token = self.below(self.special.len());
                    text.push_str(&self.special[token]);
                }
                7 => text.push(self.character(0, 0x80)),
                8 => text.push(self.character(0x80, 0x800)),
                9 => text.push(self.character(0x2000, 0xB000)),
                10 => text.push(self.character(0x1_0000, 0x1_FFFF)),
                _ => text.push(self.character(0, 0x11_0000)),
            }
        }
        Some(text)
    }
}
