//! Whole sub-word tokenizers against `tokenizers`: ids, places and words of every text at hand and of generated ones,
//! for tokenizers shaped like BERT's, RoBERTa's and XLNet's.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use typecase_text::subword::added::{self, AddedToken, Stage};
use typecase_text::subword::bpe;
use typecase_text::subword::normalize::{self, Bert, NormalizerSpec, PatternSpec};
use typecase_text::subword::split::{self, Prepend, Step};
use typecase_text::subword::template::{Draft, Span, Truncation};
use typecase_text::subword::unigram;
use typecase_text::subword::wordpiece;
use typecase_text::subword::{Cell, Encoded, ModelTable, Output, Scratch, Tokenizer, TokenizerParts};

/// The most ids of a text.
const MOST: usize = 128;
const SEED: u64 = 0x7E57_0B5E;

/// All of them take minutes: only where `TYPECASE_SUBWORD_FULL` is set.
fn count() -> usize {
    if std::env::var_os("TYPECASE_SUBWORD_FULL").is_some() { 1_000_000 } else { 8_000 }
}

/// A tokenizer as bytes, and the reference.
struct Pair {
    table: Vec<u8>,
    reference: tokenizers::Tokenizer,
}

enum Table {
    WordPiece(Vec<u8>),
    Bpe(Vec<u8>),
    Unigram(Vec<u8>),
}

impl Pair {
    fn new(
        normalizers: &[NormalizerSpec],
        splitters: &[Step],
        added: &[(&str, u32)],
        draft: Draft,
        model: &Table,
        reference: &Value,
    ) -> Self {
        let token = |(content, id): &(&str, u32)| AddedToken {
            content: (*content).to_owned(),
            id: *id,
            single_word: false,
            lstrip: false,
            rstrip: false,
        };
        let added: Vec<AddedToken> = added.iter().map(token).collect();
        let draft = Draft { truncation: Some(Truncation { most: MOST, left: false }), ..draft };
        let parts = TokenizerParts {
            added: &added::write(&added, Stage::Raw).unwrap(),
            normalizers: &normalize::write(normalizers),
            added_normalized: &[],
            splitters: &split::write(splitters).unwrap(),
            template: &draft.write().unwrap(),
            model: match model {
                Table::WordPiece(table) => ModelTable::WordPiece(table),
                Table::Bpe(table) => ModelTable::Bpe(table),
                Table::Unigram(table) => ModelTable::Unigram(table),
            },
            cells: 0,
            max_bytes: 0,
        };
        Self { table: parts.to_bytes().unwrap(), reference: reference.to_string().parse().unwrap() }
    }

    /// Compares text by text; names the first that differ.
    fn compare(&self, texts: impl IntoIterator<Item = String>) {
        let tokenizer = Tokenizer::parse(&self.table).unwrap();
        let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
        let mut scratch = Scratch::new(&mut cells);
        let (mut ids, mut spans) = ([0; MOST], [Span::default(); MOST]);
        let (mut compared, mut forced, mut wrong) = (0, 0, Vec::new());
        let mut chunks = Chunks { window: vec![0; tokenizer.window_bytes()], state: SEED };
        for text in texts {
            let output = Output { ids: &mut ids, spans: &mut spans, special: true };
            let encoded = tokenizer.encode(text.as_bytes(), output, &mut scratch).unwrap();
            let len = encoded.len;
            chunks.compare(&tokenizer, &text, &encoded, &ids[..len], &spans[..len], &mut scratch);
            compared += 1;
            if encoded.forced_cuts > 0 {
                forced += 1;
                continue;
            }
            let expected = self.reference.encode(text.as_str(), true).unwrap();
            let words: Vec<Option<u32>> =
                spans[..len].iter().map(|span| (span.word != Span::NO_WORD).then_some(span.word)).collect();
            let places: Vec<(usize, usize)> =
                spans[..len].iter().map(|span| (span.start as usize, span.end as usize)).collect();
            let same = &ids[..len] == expected.get_ids()
                && places == expected.get_offsets()
                && words == expected.get_word_ids()
                && encoded.truncated != expected.get_overflowing().is_empty();
            if !same {
                wrong.push(format!(
                    "{text:?}\nours      {:?} {places:?} {words:?}\nreference {:?} {:?} {:?}",
                    &ids[..len],
                    expected.get_ids(),
                    expected.get_offsets(),
                    expected.get_word_ids()
                ));
            }
        }
        let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
        assert!(wrong.is_empty(), "{} of {compared} texts differ\n{shown}", wrong.len());
        assert!(forced * 100 <= compared, "{forced} of {compared} texts were cut by force");
    }
}

/// A text once more, in pieces.
struct Chunks {
    window: Vec<u8>,
    state: u64,
}

impl Chunks {
    fn compare(
        &mut self,
        tokenizer: &Tokenizer<'_>,
        text: &str,
        whole: &Encoded,
        whole_ids: &[u32],
        whole_spans: &[Span],
        scratch: &mut Scratch<'_>,
    ) {
        let (mut ids, mut spans) = ([0; MOST], [Span::default(); MOST]);
        let output = Output { ids: &mut ids, spans: &mut spans, special: true };
        let mut stream = tokenizer.stream(output, scratch, &mut self.window).unwrap();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            self.state = self.state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let len = 1 + (self.state >> 60) as usize * usize::from(self.state >> 40 & 3 != 0);
            let (chunk, others) = rest.split_at(len.min(rest.len()));
            stream.push(chunk);
            rest = others;
        }
        let encoded = stream.finish().unwrap();
        assert_eq!(&encoded, whole, "{text:?}");
        assert_eq!((&ids[..encoded.len], &spans[..encoded.len]), (whole_ids, whole_spans), "{text:?}");
    }
}

fn root() -> PathBuf {
    xtask::workspace_root().unwrap()
}

fn sample() -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(root().join("models/sample").join(name)).unwrap();
    ["news.csv", "news-heldout.txt", "golden.txt"]
        .iter()
        .flat_map(|name| read(name).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The sample, the official test where it is at hand, and generated texts.
fn texts() -> impl Iterator<Item = String> {
    let news = xtask::setup::labelled_data(&root())
        .map(|data| std::fs::read_to_string(data.join("agnews/test.csv")).unwrap())
        .unwrap_or_default();
    let news: Vec<String> = news.lines().take(count()).map(str::to_owned).collect();
    let mut generator = Generator(SEED, sample());
    sample().into_iter().chain(news).chain((0..count()).map(move |_| generator.text()))
}

struct Generator(u64, Vec<String>);

impl Generator {
    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) % limit as u64) as usize
    }

    fn character(&mut self, first: usize, len: usize) -> char {
        let code = first + self.below(len);
        u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}')
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(14) {
            match self.below(12) {
                0..=3 => {
                    let line = self.below(self.1.len());
                    let words: Vec<String> = self.1[line].split_whitespace().map(str::to_owned).collect();
                    let word = self.below(words.len().max(1));
                    text.extend(words.get(word).cloned());
                    text.push(' ');
                }
                4 => {
                    text.push_str([" ", "  ", "\t", "\n ", " \u{a0}", "\u{3000}", "\u{200b}"][self.below(7)])
                }
                5 => text.push_str(
                    ["'s", "'LL", "n't", "...", "#39;", "\u{0301}\u{0323}", "İ", "ǅ"][self.below(8)],
                ),
                6 => text.push_str(["[CLS]", "[MASK]", "</s>", "<s>", "[SEP"][self.below(5)]),
                7 => text.push(self.character(0, 0x80)),
                8 => text.push(self.character(0x80, 0x800)),
                9 => text.push(self.character(0x2000, 0xB000)),
                10 => text.push(self.character(0x1_0000, 0x1_FFFF)),
                _ => text.push(self.character(0, 0x11_0000)),
            }
        }
        text
    }
}

/// Lower-case words of the sample and the characters of everything.
fn vocabulary(first: &[&str], word: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut pieces: Vec<String> = first.iter().map(|piece| (*piece).to_owned()).collect();
    let mut others = BTreeSet::new();
    for line in sample() {
        for found in line.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
        {
            others.extend(word(found));
        }
    }
    others.extend((0x21..0x180).filter_map(char::from_u32).flat_map(|c| word(&c.to_string())));
    pieces.extend(others.into_iter().filter(|piece| !first.contains(&piece.as_str())));
    pieces
}

fn added_json(tokens: &[(&str, u32)]) -> Value {
    let token = |(content, id): &(&str, u32)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    tokens.iter().map(token).collect()
}

fn truncation() -> Value {
    json!({"direction": "Right", "max_length": MOST, "strategy": "LongestFirst", "stride": 0})
}

#[test]
fn a_tokenizer_shaped_like_that_of_bert_equals_the_reference() {
    let pieces = vocabulary(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], |word| {
        let half = word.char_indices().nth(3).map_or(word.len(), |(at, _)| at);
        let tail = &word[half..];
        let mut pieces = vec![word[..half].to_owned()];
        pieces.extend((!tail.is_empty()).then(|| format!("##{tail}")));
        pieces.extend(tail.chars().map(|c| format!("##{c}")));
        pieces.extend(word.chars().map(|c| c.to_string()));
        pieces
    });
    let numbered: Vec<(&str, u32)> = pieces.iter().map(String::as_str).zip(0..).collect();
    bert(&numbered, 1, 2, 3, 4).compare(texts());
}

fn bert(numbered: &[(&str, u32)], unknown: u32, cls: u32, sep: u32, mask: u32) -> Pair {
    let vocabulary: Value = numbered.iter().map(|(piece, id)| ((*piece).to_owned(), json!(id))).collect();
    let added = [("[CLS]", cls), ("[MASK]", mask), ("[SEP]", sep), ("[UNK]", unknown)];
    let reference = json!({
        "version": "1.0", "truncation": truncation(), "padding": null, "added_tokens": added_json(&added),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", sep], "cls": ["[CLS]", cls]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    });
    let builder =
        wordpiece::Builder { vocabulary: numbered, unknown: "[UNK]", prefix: "##", max_characters: 100 };
    let normalizer =
        Bert { clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true };
    let table = Table::WordPiece(builder.to_bytes().unwrap());
    let steps = [NormalizerSpec::Bert(normalizer)];
    Pair::new(&steps, &[Step::Bert], &added, Draft::bert(cls, sep), &table, &reference)
}

/// With the vocabulary of all-MiniLM-L6-v2, where it is at hand.
#[test]
fn the_tokenizer_of_minilm_equals_the_reference() {
    let Some(folder) = std::env::var_os("TYPECASE_MINILM") else {
        let why = "set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2";
        return xtask::skip::skipped("the whole tokenizer of MiniLM", why);
    };
    let text = std::fs::read_to_string(Path::new(&folder).join("vocab.txt")).unwrap();
    let numbered: Vec<(&str, u32)> = text.lines().zip(0..).collect();
    bert(&numbered, 100, 101, 102, 103).compare(texts());
}

#[test]
fn a_tokenizer_shaped_like_that_of_roberta_equals_the_reference() {
    // Every byte, and merges that build common beginnings of words.
    let spelling: Vec<char> = spelling();
    let mut pieces: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(str::to_owned).into();
    pieces.extend(spelling.iter().map(char::to_string));
    let mut merges: Vec<(String, String)> = Vec::new();
    for line in sample() {
        for word in line.split_whitespace() {
            let letters: Vec<String> = format!("\u{120}{}", word.to_ascii_lowercase())
                .chars()
                .filter(|c| spelling.contains(c))
                .map(String::from)
                .collect();
            let mut left = letters[0].clone();
            for letter in letters.iter().skip(1).take(4) {
                let both = format!("{left}{letter}");
                if !pieces.contains(&both) {
                    merges.push((left, letter.clone()));
                    pieces.push(both.clone());
                }
                left = both;
            }
        }
    }
    let numbered: Vec<(&str, u32)> = pieces.iter().map(String::as_str).zip(0..).collect();
    let pairs: Vec<(&str, &str)> = merges.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let vocabulary: Value = numbered.iter().map(|(piece, id)| ((*piece).to_owned(), json!(id))).collect();
    let added = [("<s>", 0), ("</s>", 2)];
    for (add_prefix_space, trim_offsets) in [(false, true), (true, true), (true, false), (false, false)] {
        let reference = json!({
            "version": "1.0", "truncation": truncation(), "padding": null, "added_tokens": added_json(&added),
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true,
                              "use_regex": true},
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                               "trim_offsets": trim_offsets, "add_prefix_space": add_prefix_space},
            "decoder": null,
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                      "ignore_merges": false, "vocab": vocabulary, "merges": merges},
        });
        let builder = bpe::Builder {
            vocabulary: &numbered,
            merges: &pairs,
            unknown: None,
            fuse_unknown: false,
            ignore_merges: false,
        };
        let splitters = [Step::ByteLevel { add_prefix_space, use_regex: true }];
        let draft = Draft::roberta(0, 2, trim_offsets, add_prefix_space);
        let table = Table::Bpe(builder.to_bytes().unwrap());
        Pair::new(&[], &splitters, &added, draft, &table, &reference).compare(texts());
    }
}

/// GPT-2's characters for bytes.
fn spelling() -> Vec<char> {
    let shown = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 0x100;
    (0..0x100)
        .map(|byte| {
            let code = if shown(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).unwrap()
        })
        .collect()
}

#[test]
fn a_tokenizer_shaped_like_that_of_xlnet_equals_the_reference() {
    let pieces = vocabulary(&["<unk>", "<s>", "</s>", "\u{2581}"], |word| {
        let half = word.char_indices().nth(4).map_or(word.len(), |(at, _)| at);
        let mut pieces = vec![format!("\u{2581}{word}"), format!("\u{2581}{}", &word[..half])];
        pieces.extend((half < word.len()).then(|| word[half..].to_owned()));
        pieces.extend(word.chars().map(|c| c.to_string()));
        pieces
    });
    let scored: Vec<(&str, f64)> = pieces
        .iter()
        .enumerate()
        .map(|(id, piece)| (piece.as_str(), -12.0 + 0.7 * piece.chars().count() as f64 - id as f64 * 1e-4))
        .collect();
    let added = [("<s>", 1), ("</s>", 2)];
    let reference = json!({
        "version": "1.0", "truncation": truncation(), "padding": null, "added_tokens": added_json(&added),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"String": "``"}, "content": "\""},
            {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true},
        "post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]},
        "decoder": null,
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": scored},
    });
    let normalizers = [
        NormalizerSpec::Replace { pattern: PatternSpec::Text("``".to_owned()), content: "\"".to_owned() },
        NormalizerSpec::Nfkd,
        NormalizerSpec::StripAccents,
        NormalizerSpec::Lowercase,
        NormalizerSpec::Replace {
            pattern: PatternSpec::from_regex(" {2,}").unwrap(),
            content: " ".to_owned(),
        },
    ];
    let splitters = [Step::Metaspace { replacement: '\u{2581}', prepend: Prepend::Always, split: true }];
    let builder = unigram::Builder { vocabulary: &scored, unknown: 0, byte_fallback: false };
    let table = Table::Unigram(builder.to_bytes().unwrap());
    Pair::new(&normalizers, &splitters, &added, Draft::bert(1, 2), &table, &reference).compare(texts());
}
