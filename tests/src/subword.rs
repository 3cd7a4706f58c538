//! Small sub-word tokenizers of every kind, and a case with one: less than 4 KiB, so that it can be damaged everywhere.

use typecase_engine::{Kind, NgramSpec, TextSpec, Tokenizer, Units};
use typecase_text::subword::added::{self, AddedToken, Stage};
use typecase_text::subword::normalize::{self, NormalizerSpec};
use typecase_text::subword::split::{self, Prepend, Step};
use typecase_text::subword::template::{Draft, Truncation};
use typecase_text::subword::{Cell, ModelTable, TokenizerParts, bpe, unigram, wordpiece};
use typecase_text::vocabulary::Builder;
use typecase_text::{TokenMemory, TokenNgrams, TokenSpec};

use crate::{CaseParts, GOLDEN_TEXTS};

/// Bytes of a text that the cases here look at.
pub const MAX_BYTES: u32 = 113;
/// Tokens of a text that they look at.
pub const MAX_TOKENS: u32 = 12;

/// The names of [`table`].
pub const MODELS: [&str; 3] = ["wordpiece", "bpe", "unigram"];

/// The table of a tokenizer that knows `w`, digits and a little more.
#[must_use]
pub fn table(model: &str) -> Vec<u8> {
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let letters = digits.iter().map(String::as_str).chain(["w", "x", "."]);
    let (normalizer, splitter, model) = match model {
        "wordpiece" => {
            let inner: Vec<String> = digits.iter().map(|digit| format!("##{digit}")).collect();
            return word_pieces(letters.chain(inner.iter().map(String::as_str)), MAX_TOKENS as usize);
        }
        "bpe" => {
            let pieces = ["<unk>", "<s>", "</s>"].into_iter().chain(letters);
            let pieces: Vec<(&str, u32)> = pieces.chain(["\u{120}", "\u{120}w", "w1"]).zip(0..).collect();
            let made = bpe::Builder {
                vocabulary: &pieces,
                merges: &[("\u{120}", "w"), ("w", "1")],
                unknown: Some("<unk>"),
                fuse_unknown: false,
                ignore_merges: false,
            };
            let splitter = Step::ByteLevel { add_prefix_space: true, use_regex: true };
            (NormalizerSpec::Lowercase, splitter, made.to_bytes().unwrap())
        }
        "unigram" => {
            let pieces = ["<unk>", "<s>", "</s>", "\u{2581}w", "\u{2581}"].into_iter().chain(letters);
            let pieces: Vec<(&str, f64)> = pieces.zip((0..).map(|id| -2.0 - f64::from(id) / 8.0)).collect();
            let made = unigram::Builder { vocabulary: &pieces, unknown: 0, byte_fallback: false };
            let prepend = Prepend::Always;
            let splitter = Step::Metaspace { replacement: '\u{2581}', prepend, split: true };
            (NormalizerSpec::Lowercase, splitter, made.to_bytes().unwrap())
        }
        other => panic!("{other} is no model"),
    };
    let model = match splitter {
        Step::ByteLevel { .. } => ModelTable::Bpe(&model),
        _ => ModelTable::Unigram(&model),
    };
    assembled(normalizer, splitter, model, MAX_TOKENS as usize, 32)
}

/// A tokenizer of words in small letters, parted by white space, that knows these pieces; special tokens come first.
///
/// # Panics
/// If a piece comes twice.
#[must_use]
pub fn word_pieces<'p>(pieces: impl Iterator<Item = &'p str>, max_tokens: usize) -> Vec<u8> {
    let pieces: Vec<(&str, u32)> = ["[UNK]", "[CLS]", "[SEP]"].into_iter().chain(pieces).zip(0..).collect();
    let made =
        wordpiece::Builder { vocabulary: &pieces, unknown: "[UNK]", prefix: "##", max_characters: 100 };
    let model = made.to_bytes().unwrap();
    let cells = if pieces.len() < 100 { 32 } else { 256 };
    let model = ModelTable::WordPiece(&model);
    assembled(NormalizerSpec::Lowercase, Step::WhitespaceSplit, model, max_tokens, cells)
}

fn assembled(
    normalizer: NormalizerSpec,
    splitter: Step,
    model: ModelTable<'_>,
    max_tokens: usize,
    cells: u16,
) -> Vec<u8> {
    let token = |content: &str, id| AddedToken {
        content: content.to_owned(),
        id,
        single_word: false,
        lstrip: false,
        rstrip: false,
    };
    let added = [token("[CLS]", 1), token("[SEP]", 2)];
    let truncation = Some(Truncation { most: max_tokens, left: false });
    let parts = TokenizerParts {
        added: &added::write(&added, Stage::Raw).unwrap(),
        normalizers: &normalize::write(&[normalizer]),
        added_normalized: &[],
        splitters: &split::write(&[splitter]).unwrap(),
        template: &Draft { truncation, ..Draft::bert(1, 2) }.write().unwrap(),
        model,
        cells,
        max_bytes: 1 << 16,
    };
    parts.to_bytes().unwrap()
}

/// Which n-grams the cases here are made of.
#[must_use]
pub const fn spec() -> TokenSpec {
    TokenSpec { ngram_max: 2, skips: true, max_bytes: MAX_BYTES, max_tokens: MAX_TOKENS }
}

/// Every feature of these texts, rising.
#[must_use]
pub fn features(table: &[u8], texts: &[String]) -> Vec<u32> {
    let ngrams = TokenNgrams::new(Tokenizer::parse(table).unwrap(), spec()).unwrap();
    let mut cells = vec![Cell::default(); ngrams.tokenizer().scratch_cells()];
    let mut tokens = [0; MAX_TOKENS as usize];
    let mut features = std::collections::BTreeSet::new();
    for text in texts {
        let memory = TokenMemory { tokens: &mut tokens, cells: &mut cells };
        ngrams.scan(text.as_bytes(), memory, |feature, _| {
            features.insert(feature);
            std::ops::ControlFlow::Continue(())
        });
    }
    features.into_iter().collect()
}

impl CaseParts {
    /// The parts of a small case with the sub-word tokenizer [`table`]: as [`Self::minimal`], but for the tokenizer.
    #[must_use]
    pub fn subword(model: &str) -> Self {
        let table = table(model);
        let texts: Vec<String> = (0..12).map(|i| format!("w{i} w{} .", i + 11)).collect();
        let vocabulary = Builder::new(&features(&table, &texts), 8).unwrap();
        let names = ["world", "sport", "tech"];
        let words = NgramSpec { skips: true, max_bytes: MAX_BYTES, ..NgramSpec::words(2) };
        let mut parts = Self::of(&names, words, 8, &vocabulary, &Self::small_bag(&vocabulary));
        let text = TextSpec::parse(parts.section(Kind::TEXT)).unwrap();
        *parts.section(Kind::TEXT) = TextSpec { units: Units::Tokens { max: MAX_TOKENS }, ..text }.encode();
        parts.sections.push((Kind::TOKENIZER, 0, table));
        parts.set_golden(&GOLDEN_TEXTS);
        parts
    }
}

/// A case of less than 4 KiB with a WordPiece tokenizer.
#[must_use]
pub fn minimal_case() -> Vec<u8> {
    CaseParts::subword("wordpiece").build()
}
