//! Texts of a given length, made of those that are there.

use typecase::Case;
use typecase::engine::{Cell, Memory, Payload};

use crate::failure::Failure;

/// Tokens or words that an engine works on in a turn, as texts of one length.
const TURN: u32 = 1024;
/// Texts of one length at most.
const TEXTS: u32 = 64;
/// Words that are tried for the end of a text.
const TRIES: usize = 10_000;

/// Texts of one length.
pub(super) struct Texts {
    /// Words, or tokens of an encoder; 0 for texts as they are.
    pub(super) length: u32,
    pub(super) texts: Vec<String>,
    /// Of an encoder.
    pub(super) ids: Vec<Vec<u32>>,
}

/// Does the case have an encoder? Then lengths are tokens.
pub(super) fn is_encoder(case: &Case) -> bool {
    matches!(case.payload(), Payload::Encoder(_))
}

impl Texts {
    /// As they are; all, or for rounds a number of them that is the same for all engines.
    pub(super) fn of_data(case: &Case, texts: &[String], is_in_rounds: bool) -> Self {
        let step = if is_in_rounds { step(texts.len()) } else { 1 };
        let texts: Vec<_> = texts.iter().step_by(step).cloned().collect();
        let ids = if is_encoder(case) { ids(case, &texts) } else { Vec::new() };
        Self { length: 0, texts, ids }
    }

    /// Of exactly so many words or tokens: the given ones strung together and cut.
    pub(super) fn of_length(case: &Case, texts: &[String], length: u32) -> Result<Self, Failure> {
        let mut words = texts.iter().flat_map(|text| text.split_whitespace()).cycle();
        if !is_encoder(case) {
            let count = texts.len().min(500);
            let texts = (0..count).map(|_| {
                let words: Vec<_> = words.by_ref().take(length as usize).collect();
                words.join(" ")
            });
            return Ok(Self { length, texts: texts.collect(), ids: Vec::new() });
        }
        let most = case.cost().ids;
        if length as usize > most {
            return Err(Failure::input(format!(
                "length {length} found, the case takes at most {most} tokens"
            )));
        }
        let mut tokens = Tokens::new(case);
        let count = (TURN / length.max(1)).clamp(1, TEXTS);
        let texts = (0..count).map(|_| tokens.text(&mut words, length as usize)).collect::<Option<Vec<_>>>();
        let least = tokens.ids("a").len();
        let texts = texts.ok_or_else(|| {
            Failure::input(format!(
                "length {length} found, the case makes no text of so many tokens (a word: {least})"
            ))
        })?;
        let ids = ids(case, &texts);
        Ok(Self { length, texts, ids })
    }
}

/// The distance of texts that are spread over so many, a turn's worth of them.
pub(super) fn step(texts: usize) -> usize {
    texts.div_ceil(TEXTS as usize).max(1)
}

fn ids(case: &Case, texts: &[String]) -> Vec<Vec<u32>> {
    let mut tokens = Tokens::new(case);
    texts.iter().map(|text| tokens.ids(text).to_vec()).collect()
}

/// A case's tokenizer with its memory.
struct Tokens<'c> {
    case: &'c Case,
    ids: Vec<u32>,
    tokens: Vec<u32>,
    cells: Vec<Cell>,
}

impl<'c> Tokens<'c> {
    fn new(case: &'c Case) -> Self {
        let cost = case.cost();
        Self {
            case,
            ids: vec![0; cost.ids],
            tokens: vec![0; cost.tokens],
            cells: vec![Cell::default(); cost.cells],
        }
    }

    fn ids(&mut self, text: &str) -> &[u32] {
        let Self { case, ids, tokens, cells } = self;
        let mut memory = Memory { ids, tokens, cells, ..Memory::default() };
        let encoded = case.encode_into(text.as_bytes(), &mut memory);
        self.ids.get(..encoded.len).unwrap_or_default()
    }

    /// Word by word; one that is too long for the end is left out. `None` if no word fits.
    fn text<'w>(&mut self, words: &mut impl Iterator<Item = &'w str>, length: usize) -> Option<String> {
        let mut text = String::new();
        for word in words.take(TRIES) {
            let before = text.len();
            if before > 0 {
                text.push(' ');
            }
            text.push_str(word);
            match self.ids(&text).len() {
                found if found == length => return Some(text),
                found if found > length => text.truncate(before),
                _ => {}
            }
        }
        None
    }
}
