//! Pieces by merging: the pair of neighbours that is met most often becomes one piece, until there are enough.
//!
//! # Source
//! Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016, algorithm 1; the
//! queue of pairs whose counts are looked up when they come to its front is that of Hugging Face `tokenizers`. Ties
//! go to the pair whose pieces were made first.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

/// Two pieces, by their numbers.
type Pair = (u32, u32);

/// Pieces in the order in which they were made, and the merges that made them.
#[derive(Debug)]
pub(super) struct Learnt {
    /// The pieces that were there at first, then those that were made.
    pub(super) pieces: Vec<String>,
    /// The pieces of each merge, by their numbers.
    pub(super) merges: Vec<Pair>,
}

/// A word as pieces, and how often it was met.
struct Word {
    pieces: Vec<u32>,
    count: u64,
}

/// The words and what is known of their pairs.
struct Merging {
    words: Vec<Word>,
    counts: HashMap<Pair, u64>,
    /// Words that a pair was met in; it may be gone from some.
    places: HashMap<Pair, BTreeSet<usize>>,
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

/// Learns at most `size` pieces in all. `words` are rows of numbers of `pieces`, each with its count; what is behind
/// `prefix` is what a piece adds to the one before it.
pub(super) fn learn(
    words: Vec<(Vec<u32>, u64)>,
    pieces: Vec<String>,
    prefix: &str,
    size: usize,
    min_count: u64,
) -> Learnt {
    let mut numbers: HashMap<String, u32> = pieces.iter().cloned().zip(0..).collect();
    let mut learnt = Learnt { pieces, merges: Vec::new() };
    let mut merging = Merging::new(words);
    let mut known = HashSet::new();
    while learnt.pieces.len() < size {
        let Some(pair) = merging.most_frequent(min_count.max(1)) else { break };
        let text = |number: u32| learnt.pieces.get(number as usize).map(String::as_str).unwrap_or_default();
        let second = text(pair.1);
        let made = format!("{}{}", text(pair.0), second.strip_prefix(prefix).unwrap_or(second));
        // Another pair may have made the same piece before.
        let number = *numbers.entry(made).or_insert_with_key(|made| {
            learnt.pieces.push(made.clone());
            u32::try_from(learnt.pieces.len() - 1).unwrap_or(u32::MAX)
        });
        // A pair comes back where one of its pieces is made of others too: it is one merge all the same.
        if known.insert(pair) {
            learnt.merges.push(pair);
        }
        merging.merge(pair, number);
    }
    learnt
}

impl Merging {
    fn new(words: Vec<(Vec<u32>, u64)>) -> Self {
        let words = words.into_iter().map(|(pieces, count)| Word { pieces, count }).collect();
        let mut made =
            Self { words, counts: HashMap::new(), places: HashMap::new(), queue: BinaryHeap::new() };
        for at in 0..made.words.len() {
            made.count(at, true);
        }
        // Their order in the map is forgotten by the queue, which orders them all.
        made.queue = made.counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();
        made
    }

    /// Adds the pairs of a word to the counts, or takes them away.
    fn count(&mut self, at: usize, is_added: bool) {
        let Some(word) = self.words.get(at) else { return };
        for pair in pairs(&word.pieces) {
            let count = self.counts.entry(pair).or_default();
            if is_added {
                *count += word.count;
                self.places.entry(pair).or_default().insert(at);
            } else {
                *count = count.saturating_sub(word.count);
            }
        }
    }

    /// The pair that is met most often, if it is met often enough.
    fn most_frequent(&mut self, min_count: u64) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let now = self.counts.get(&pair).copied().unwrap_or_default();
            if now < min_count {
                continue;
            }
            if now == count {
                return Some(pair);
            }
            // It was put there before some of its neighbours were merged.
            if now < count {
                self.queue.push((now, Reverse(pair)));
            }
        }
        None
    }

    /// Makes one piece of each such pair.
    fn merge(&mut self, pair: Pair, made: u32) {
        let places = self.places.remove(&pair).unwrap_or_default();
        let mut touched = BTreeSet::new();
        for at in places {
            self.count(at, false);
            if let Some(word) = self.words.get_mut(at) {
                word.pieces = merged(&word.pieces, pair, made);
                let news = pairs(&word.pieces).filter(|(left, right)| *left == made || *right == made);
                touched.extend(news);
            }
            self.count(at, true);
        }
        self.counts.remove(&pair);
        for pair in touched {
            let count = self.counts.get(&pair).copied().unwrap_or_default();
            self.queue.push((count, Reverse(pair)));
        }
    }
}

fn pairs(pieces: &[u32]) -> impl Iterator<Item = Pair> {
    pieces.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
}

/// A row of pieces with each such pair replaced, from the left.
fn merged(pieces: &[u32], pair: Pair, made: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(pieces.len());
    let mut rest = pieces;
    while let Some((first, after)) = rest.split_first() {
        match after.split_first() {
            Some((second, after)) if (*first, *second) == pair => {
                out.push(made);
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn_from(words: &[(&str, u64)], size: usize, min_count: u64) -> Learnt {
        let alphabet: BTreeSet<char> = words.iter().flat_map(|(word, _)| word.chars()).collect();
        let pieces: Vec<String> = alphabet.iter().map(char::to_string).collect();
        let number = |c: char| alphabet.iter().position(|other| *other == c).unwrap() as u32;
        let words = words.iter().map(|(word, count)| (word.chars().map(number).collect(), *count)).collect();
        learn(words, pieces, "##", size, min_count)
    }

    #[test]
    fn the_most_frequent_pair_is_merged_first_and_ties_go_to_the_older_pieces() {
        let learnt = learn_from(&[("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)], 17, 1);
        // The example of the paper; there ties are left open.
        let letters = 10;
        assert_eq!(learnt.pieces[letters..], ["es", "est", "lo", "low", "ew", "new", "newest"]);
        assert_eq!(learnt.merges.len(), 7);
    }

    #[test]
    fn rare_pairs_are_left_and_few_texts_give_few_pieces() {
        assert_eq!(learn_from(&[("ab", 1)], 99, 2).pieces, ["a", "b"]);
        assert_eq!(learn_from(&[("aaaa", 2)], 99, 2).pieces, ["a", "aa", "aaaa"]);
        assert_eq!(learn_from(&[], 99, 1).pieces, [""; 0]);
    }

    #[test]
    fn a_prefix_is_no_part_of_what_a_piece_adds() {
        let pieces = ["a", "##b", "##c"].map(String::from).to_vec();
        let learnt = learn(vec![(vec![0, 1, 2], 3)], pieces, "##", 9, 1);
        assert_eq!(learnt.pieces[3..], ["ab", "abc"]);
    }
}
