//! Whole tokenizers over small vocabularies: texts in pieces, texts of bytes, damaged tables.

use std::string::{String, ToString as _};
use std::vec::Vec;

use super::*;
use crate::hash;
use crate::subword::added::{self, AddedToken, Stage};
use crate::subword::normalize::{Bert, NormalizerSpec, PatternSpec};
use crate::subword::split::{Behavior, Prepend, Step};
use crate::subword::template::{Draft, Truncation};
use crate::subword::{ModelTable, Span, TokenizerError, TokenizerParts, bpe, normalize, unigram, wordpiece};

const SEED: u32 = 0x5EED;

/// Numbers that look random.
struct Chance(u32);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        hash::finish(self.0) as usize % limit
    }
}

fn token(content: &str, id: u32) -> AddedToken {
    AddedToken { content: content.to_string(), id, ..AddedToken::default() }
}

fn table(normalizers: &[NormalizerSpec], splitters: &[Step], model: ModelTable<'_>, cells: u16) -> Vec<u8> {
    let tokens = [
        token("<s>", 0),
        token("</s>", 1),
        AddedToken { lstrip: true, ..token("<mask>", 2) },
        AddedToken { rstrip: true, ..token("<end>", 3) },
        AddedToken { single_word: true, ..token("lone", 4) },
        token("né", 5),
    ];
    let draft = Draft { truncation: Some(Truncation { most: 400, left: false }), ..Draft::bert(0, 1) };
    let parts = TokenizerParts {
        added: &added::write(&tokens, Stage::Raw).unwrap(),
        normalizers: &normalize::write(normalizers),
        added_normalized: &added::write(&[token("up", 6)], Stage::Normalised { space: ' ' }).unwrap(),
        splitters: &split::write(splitters).unwrap(),
        template: &draft.write().unwrap(),
        model,
        cells,
        max_bytes: 5000,
    };
    parts.to_bytes().unwrap()
}

/// Pieces of the letters that the texts have.
fn pieces(prefix: &str) -> Vec<(String, u32)> {
    let words =
        ["oil", "prices", "soar", "new", "record", "the", "s", "a", "e", "p", "r", "i", "c", "o", "l", "n"];
    let first = words.iter().map(|word| (*word).to_string());
    let rest = words.iter().map(|word| std::format!("{prefix}{word}"));
    let special = ["[UNK]", ".", "'", "\u{2581}", "\u{2581}the", "é", "中"].map(|piece| piece.to_string());
    special.into_iter().chain(first).chain(rest).zip(0u32..).collect()
}

/// One tokenizer for each model: the way of ASCII words and without it, bytes, most probable pieces.
fn tables(cells: u16) -> Vec<Vec<u8>> {
    let owned = pieces("##");
    let numbered: Vec<(&str, u32)> = owned.iter().map(|(piece, id)| (piece.as_str(), *id)).collect();
    let builder =
        wordpiece::Builder { vocabulary: &numbered, unknown: "[UNK]", prefix: "##", max_characters: 20 };
    let words = builder.to_bytes().unwrap();
    let bert = |strip_accents| {
        NormalizerSpec::Bert(Bert {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents,
            lowercase: true,
        })
    };

    let letters: Vec<String> = (0x21..0x7Fu8).map(|byte| char::from(byte).to_string()).collect();
    let merged = ["\u{120}", "oi", "oil", "\u{120}p", "pr", "th", "the", "\u{120}the"];
    let spelled: Vec<(&str, u32)> =
        letters.iter().map(String::as_str).chain(merged.iter().copied()).zip(7..).collect();
    let merges =
        [("o", "i"), ("oi", "l"), ("\u{120}", "p"), ("p", "r"), ("t", "h"), ("th", "e"), ("\u{120}", "the")];
    let builder = bpe::Builder {
        vocabulary: &spelled,
        merges: &merges,
        unknown: None,
        fuse_unknown: false,
        ignore_merges: false,
    };
    let bytes = builder.to_bytes().unwrap();

    let scored: Vec<(&str, f64)> = numbered
        .iter()
        .map(|(piece, id)| (*piece, -10.0 + piece.len() as f64 - f64::from(*id) / 100.0))
        .collect();
    let probable =
        unigram::Builder { vocabulary: &scored, unknown: 0, byte_fallback: false }.to_bytes().unwrap();
    let runs = NormalizerSpec::Replace {
        pattern: PatternSpec::from_regex(" {2,}").unwrap(),
        content: " ".to_string(),
    };
    let metaspace = Step::Metaspace { replacement: '\u{2581}', prepend: Prepend::First, split: true };
    std::vec![
        table(&[bert(true)], &[Step::Bert], ModelTable::WordPiece(&words), cells),
        table(
            &[NormalizerSpec::Nfc, NormalizerSpec::Lowercase],
            &[Step::WhitespaceSplit, Step::Punctuation(Behavior::Isolated)],
            ModelTable::WordPiece(&words),
            cells
        ),
        table(
            &[],
            &[Step::ByteLevel { add_prefix_space: true, use_regex: true }],
            ModelTable::Bpe(&bytes),
            cells
        ),
        table(
            &[NormalizerSpec::Strip { left: true, right: true }, NormalizerSpec::Nfkd, runs],
            &[metaspace],
            ModelTable::Unigram(&probable),
            cells
        ),
    ]
}

/// Words, added tokens, white space, and what breaks a text.
fn text(chance: &mut Chance) -> Vec<u8> {
    const PARTS: [&[u8]; 26] = [
        b"Oil",
        b"prices",
        b" soar ",
        b"the ",
        b" ",
        b"  ",
        b"\n",
        b".",
        b"'s",
        b"<mask>",
        b"<end>",
        b" <s>",
        b"lone",
        b" lone ",
        b"<mas",
        "né".as_bytes(),
        "e\u{301}\u{323}".as_bytes(),
        "中文".as_bytes(),
        "\u{3000}".as_bytes(),
        b"\xE3\x80",
        b"\xF0\x9F\x98",
        b"\x80",
        b"up",
        b"\0",
        "ﬁ İ".as_bytes(),
        "\u{1F468}\u{200D}".as_bytes(),
    ];
    let mut text = Vec::new();
    for _ in 0..chance.below(60) {
        let part = PARTS[chance.below(PARTS.len())];
        let times = if chance.below(40) == 0 { chance.below(300) } else { 1 };
        text.extend(part.repeat(times));
    }
    text
}

struct Memory {
    cells: Vec<Cell>,
    window: Vec<u8>,
}

impl Memory {
    fn new(tokenizer: &Tokenizer<'_>) -> Self {
        Self {
            cells: std::vec![Cell::default(); tokenizer.scratch_cells()],
            window: std::vec![0; tokenizer.window_bytes()],
        }
    }
}

type Written = (Encoded, Vec<u32>, Vec<Span>);

fn whole(tokenizer: &Tokenizer<'_>, text: &[u8], memory: &mut Memory) -> Written {
    let (mut ids, mut spans) = (std::vec![0; 400], std::vec![Span::default(); 400]);
    let output = Output { ids: &mut ids, spans: &mut spans, special: true };
    let encoded = tokenizer.encode(text, output, &mut Scratch::new(&mut memory.cells)).unwrap();
    ids.truncate(encoded.len);
    spans.truncate(encoded.len);
    (encoded, ids, spans)
}

fn in_pieces(tokenizer: &Tokenizer<'_>, text: &[u8], memory: &mut Memory, chance: &mut Chance) -> Written {
    let (mut ids, mut spans) = (std::vec![0; 400], std::vec![Span::default(); 400]);
    let output = Output { ids: &mut ids, spans: &mut spans, special: true };
    let mut scratch = Scratch::new(&mut memory.cells);
    let mut stream = tokenizer.stream(output, &mut scratch, &mut memory.window).unwrap();
    let mut rest = text;
    let most = [1, 3, 50, 2000][chance.below(4)];
    while !rest.is_empty() {
        let (now, later) = rest.split_at((chance.below(most) + 1).min(rest.len()));
        stream.push(now);
        rest = later;
    }
    let encoded = stream.finish().unwrap();
    ids.truncate(encoded.len);
    spans.truncate(encoded.len);
    (encoded, ids, spans)
}

#[test]
fn a_text_in_pieces_gives_the_ids_of_the_whole() {
    let mut chance = Chance(SEED);
    // Short segments, so that the window is full again and again.
    for cells in [32, 48, 240] {
        for bytes in tables(cells) {
            let tokenizer = Tokenizer::parse(&bytes).unwrap();
            let mut memory = Memory::new(&tokenizer);
            for _ in 0..1500 {
                let text = text(&mut chance);
                let expected = whole(&tokenizer, &text, &mut memory);
                let found = in_pieces(&tokenizer, &text, &mut memory, &mut chance);
                assert_eq!(found, expected, "{}", text.escape_ascii());
            }
        }
    }
}

#[test]
fn invalid_bytes_are_read_as_the_replacement_character() {
    let mut chance = Chance(SEED);
    for bytes in tables(240) {
        let tokenizer = Tokenizer::parse(&bytes).unwrap();
        let mut memory = Memory::new(&tokenizer);
        for _ in 0..1000 {
            let text = text(&mut chance);
            let lossy = String::from_utf8_lossy(&text);
            let (found, ids, _) = whole(&tokenizer, &text, &mut memory);
            let (expected, expected_ids, _) = whole(&tokenizer, lossy.as_bytes(), &mut memory);
            if text.len().max(lossy.len()) <= tokenizer.max_bytes() {
                assert_eq!((ids, found.unknown), (expected_ids, expected.unknown), "{}", text.escape_ascii());
                let invalid = text.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
                assert!(found.truncated || found.invalid_utf8 as usize == invalid);
            }
        }
    }
}

#[test]
fn a_view_of_checked_bytes_is_the_same_tokenizer() {
    let mut chance = Chance(SEED);
    for bytes in tables(64) {
        let (parsed, viewed) = (Tokenizer::parse(&bytes).unwrap(), Tokenizer::view(&bytes).unwrap());
        let mut memory = Memory::new(&parsed);
        for _ in 0..200 {
            let text = text(&mut chance);
            assert_eq!(whole(&parsed, &text, &mut memory), whole(&viewed, &text, &mut memory));
        }
    }
}

#[test]
fn bytes_beyond_the_limit_are_left_out_and_no_character_is_torn() {
    let bytes = &tables(64)[3];
    let tokenizer = Tokenizer::parse(bytes).unwrap();
    let mut memory = Memory::new(&tokenizer);
    let text = "é".repeat(2501) + "!";
    let (encoded, ..) = whole(&tokenizer, text.as_bytes(), &mut memory);
    assert!(encoded.truncated);
    // The limit of 5000 bytes is at the end of a character; one byte before, a character goes.
    let (encoded, ids, _) = whole(&tokenizer, &[b"x", text.as_bytes()].concat(), &mut memory);
    assert_eq!((encoded.invalid_utf8, encoded.truncated), (0, true));
    assert!(!ids.is_empty());
}

#[test]
fn memory_that_is_too_short_is_refused() {
    let bytes = &tables(64)[0];
    let tokenizer = Tokenizer::parse(bytes).unwrap();
    let mut memory = Memory::new(&tokenizer);
    let needed = tokenizer.scratch_cells();
    let error =
        tokenizer.encode_into(b"oil", &mut [0; 400], &mut Scratch::new(&mut memory.cells[1..])).unwrap_err();
    assert_eq!(error, MemoryError { what: "cells of scratch", found: needed - 1, needed });
    let error =
        tokenizer.encode_into(b"oil", &mut [0; 399], &mut Scratch::new(&mut memory.cells)).unwrap_err();
    assert_eq!(error.to_string(), "memory for 399 ids, 400 are needed");
    let output = Output { ids: &mut [0; 400], spans: &mut [], special: true };
    let mut scratch = Scratch::new(&mut memory.cells);
    let error = tokenizer.stream(output, &mut scratch, &mut memory.window[1..]).unwrap_err();
    assert_eq!(error.what, "bytes of the window");
}

/// Whatever is done to a table: an error, or ids that the table allows.
#[test]
fn damaged_tables_are_refused_or_give_ids_that_they_allow() {
    let texts: [&[u8]; 4] = [
        b"The oil <mask> prices soar. lone",
        "né中 e\u{301}\u{323} <end>  up".as_bytes(),
        b"\xFF\xE3\x80 ",
        b"a.'s",
    ];
    for good in tables(32) {
        let mut accepted = 0;
        for at in 0..good.len() {
            for flip in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xFF] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                let Ok(tokenizer) = Tokenizer::parse(&bytes) else { continue };
                accepted += 1;
                let mut memory = Memory::new(&tokenizer);
                let mut ids = [0; 400];
                for text in texts {
                    let mut scratch = Scratch::new(&mut memory.cells);
                    let Ok(encoded) = tokenizer.encode_into(text, &mut ids, &mut scratch) else { continue };
                    assert!(ids[..encoded.len].iter().all(|id| *id < tokenizer.ids()), "byte {at} ^ {flip}");
                }
            }
        }
        assert!(accepted > good.len(), "{accepted}");
        for len in 0..good.len() {
            assert!(Tokenizer::parse(&good[..len]).is_err(), "{len} bytes");
        }
        let longer = [good.as_slice(), &[0; 4]].concat();
        let needed = good.len() as u64;
        assert_eq!(
            Tokenizer::parse(&longer).unwrap_err(),
            TokenizerError::Length { needed, found: longer.len() }
        );
    }
}

#[test]
fn tables_of_another_version_say_so() {
    let good = &tables(32)[0];
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Tokenizer::parse(&bytes).unwrap_err().to_string()
    };
    assert_eq!(with(0, 2), "tokenizer has layout 2, which is out of range");
    assert_eq!(with(1, 9), "tokenizer has model 9, which is out of range");
    assert_eq!(with(2, 15), "tokenizer was compiled for Unicode 15.0, this program has 17.0");
    assert_eq!(
        with(5, 22),
        "tokenizer was compiled for the ids of tokenizers 0.22, this program gives those of 0.23"
    );
    assert_eq!(with(6, 8), "tokenizer has characters of a segment 8, which is out of range");
}
