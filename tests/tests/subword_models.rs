//! The models of sub-words against `tokenizers`: the same ids over the same characters, for every distinct word of the
//! texts at hand, for generated words of all planes, and for small random models full of ties.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot do its work has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram as ReferenceUnigram, UnigramTrainer};
use tokenizers::models::wordpiece::WordPiece as ReferenceWordPiece;
use tokenizers::tokenizer::Trainer;
use typecase_text::subword::bpe::{self, Bpe};
use typecase_text::subword::unigram::{self, Unigram};
use typecase_text::subword::wordpiece::{self, WordPiece};
use typecase_text::subword::{Cell, Full, Token};

/// Whether all is compared that there is, which takes minutes in release: where `TYPECASE_SUBWORD_FULL` is set.
fn is_full() -> bool {
    std::env::var_os("TYPECASE_SUBWORD_FULL").is_some()
}

/// Words that are generated for a model.
fn generated() -> usize {
    if is_full() { 200_000 } else { 10_000 }
}

/// Rows of labelled data whose words are compared.
fn rows() -> usize {
    if is_full() { usize::MAX } else { 4000 }
}

/// Rows from which models learn.
fn learnt_rows() -> usize {
    if is_full() { 5000 } else { 1000 }
}

// ---- texts

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).lines().map(String::from).collect()
}

/// The bundled texts and, where there is any, the labelled data: training rows or test rows.
fn texts(labelled: &str) -> Vec<String> {
    let sample = root().join("models/sample");
    let mut texts: Vec<_> = ["news.csv", "news-heldout.txt", "golden.txt"]
        .iter()
        .flat_map(|file| lines(&sample.join(file)))
        .collect();
    if let Some(data) = xtask::setup::labelled_data(&root()) {
        texts.extend(lines(&data.join("agnews").join(labelled)).into_iter().take(rows()));
    }
    texts
}

/// Cuts a text at white space and around everything that is neither letter nor digit; with the space before a word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for chunk in text.split_whitespace() {
        let (mut word, mut open) = (String::from(" "), false);
        for c in chunk.chars() {
            if !(open && c.is_alphanumeric()) && word.trim_start() != "" {
                words.push(std::mem::take(&mut word));
            }
            open = c.is_alphanumeric();
            word.push(c);
        }
        words.push(word);
    }
    words
}

fn bare_words(text: &str) -> Vec<String> {
    words(&text.to_lowercase()).iter().map(|word| word.trim_start().to_owned()).collect()
}

fn metaspace_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|chunk| format!("▁{chunk}")).collect()
}

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 11).unwrap() % limit
    }

    /// Any character, every plane alike often; and often an ASCII one.
    fn character(&mut self) -> char {
        loop {
            let code = match self.below(4) {
                0 => self.below(0x80),
                1 => self.below(0x800),
                2 => self.below(0x1_0000),
                _ => self.below(0x11_0000),
            };
            if let Some(c) = char::from_u32(u32::try_from(code).unwrap()) {
                return c;
            }
        }
    }

    /// Pieces in a row, with strangers between them; now and then up to 320 characters.
    fn word(&mut self, pieces: &[String]) -> String {
        let parts = if self.below(50) == 0 { self.below(320) } else { 1 + self.below(6) };
        let strangers = [2, 10, 1000][self.below(3)];
        let mut word = String::new();
        for _ in 0..parts {
            if pieces.is_empty() || self.below(strangers) == 0 {
                word.push(self.character());
            } else {
                word.push_str(&pieces[self.below(pieces.len())]);
            }
        }
        word.chars().take(320).collect()
    }
}

// ---- the comparison

/// Id, first cell, end cell.
type Tokens = Vec<(u32, usize, usize)>;

fn cells(word: &str) -> Vec<Cell> {
    word.chars().map(|c| Cell::new(c, 0, 0)).collect()
}

fn ours(word: &str, tokenize: impl FnOnce(&[Cell], &mut dyn FnMut(Token)) -> Result<(), Full>) -> Tokens {
    let mut tokens = Tokens::new();
    tokenize(&cells(word), &mut |t| tokens.push((t.id, t.start.into(), t.end.into()))).unwrap();
    tokens
}

/// The cell of every byte of a word; with `spelled`, of every byte of its spelling.
fn cell_of_byte(word: &str, spelled: bool) -> Vec<usize> {
    let len = |c: char| if !spelled || c.is_ascii_graphic() { c.len_utf8() } else { 2 * c.len_utf8() };
    word.chars().enumerate().flat_map(|(cell, c)| vec![cell; len(c)]).collect()
}

fn reference(model: &impl Model, text: &str, cell_of: &[usize]) -> Tokens {
    let tokens = model.tokenize(text).unwrap();
    tokens.iter().map(|t| (t.id, cell_of[t.offsets.0], cell_of[t.offsets.1 - 1] + 1)).collect()
}

fn spelling() -> [char; 256] {
    let mut next = 256u32;
    std::array::from_fn(|byte| {
        let byte = u8::try_from(byte).unwrap();
        if matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).unwrap()
    })
}

fn spell(word: &str) -> String {
    let spelling = spelling();
    word.bytes().map(|byte| spelling[usize::from(byte)]).collect()
}

/// The bytes of spelled pieces, where they are text.
fn unspell<'p>(pieces: impl IntoIterator<Item = &'p str>) -> Vec<String> {
    let spelling = spelling();
    let byte = |c: char| spelling.iter().position(|s| *s == c).map(|byte| u8::try_from(byte).unwrap());
    let bytes = pieces.into_iter().filter_map(|piece| piece.chars().map(byte).collect::<Option<Vec<u8>>>());
    bytes.filter_map(|bytes| String::from_utf8(bytes).ok()).collect()
}

/// Compares word by word; how many words there were.
fn compare(
    name: &str,
    words: impl IntoIterator<Item = String>,
    pair: impl Fn(&str) -> (Tokens, Tokens),
) -> usize {
    let (mut count, mut wrong) = (0, Vec::new());
    for word in words {
        let (ours, reference) = pair(&word);
        count += 1;
        if ours != reference {
            wrong.push(format!("{word:?}: {ours:?}, reference {reference:?}"));
        }
    }
    let shown = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{name}: {} of {count} words differ\n{shown}", wrong.len());
    count
}

// ---- WordPiece

struct WordPiecePair {
    table: Vec<u8>,
    reference: ReferenceWordPiece,
}

impl WordPiecePair {
    fn new(pieces: &[(String, u32)], unknown: &str, prefix: &str, max_characters: u32) -> Self {
        let vocabulary: Vec<_> = pieces.iter().map(|(piece, id)| (piece.as_str(), *id)).collect();
        let builder = wordpiece::Builder { vocabulary: &vocabulary, unknown, prefix, max_characters };
        let json = json!({
            "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": prefix,
            "max_input_chars_per_word": max_characters,
            "vocab": pieces.iter().cloned().collect::<BTreeMap<_, _>>(),
        });
        Self {
            table: builder.to_bytes().unwrap(),
            reference: serde_json::from_str(&json.to_string()).unwrap(),
        }
    }

    fn tokens(&self, model: &WordPiece<'_>, word: &str) -> (Tokens, Tokens) {
        let mut scratch = vec![Cell::default(); model.scratch_cells(word.chars().count())];
        let found = ours(word, |cells, mut emit| model.tokenize(cells, &mut scratch, &mut emit));
        if word.is_ascii() {
            let ascii = ours(word, |_, mut emit| {
                model.tokenize_ascii(word.as_bytes(), |byte| byte, &mut scratch, &mut emit)
            });
            assert_eq!(found, ascii, "{word:?}");
        }
        (found, reference(&self.reference, word, &cell_of_byte(word, false)))
    }

    fn compare(&self, name: &str, words: impl IntoIterator<Item = String>) -> usize {
        let model = WordPiece::parse(&self.table).unwrap();
        compare(name, words, |word| self.tokens(&model, word))
    }
}

/// What a trainer would leave: characters, frequent words, and ends of words behind the prefix; and oddities.
fn wordpiece_vocabulary(texts: &[String], prefix: &str) -> Vec<(String, u32)> {
    let mut counts = BTreeMap::<String, u32>::new();
    let mut characters = BTreeSet::new();
    for word in texts.iter().flat_map(|text| bare_words(text)) {
        characters.extend(word.chars());
        let places: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        for &at in &places[1..] {
            *counts.entry(word[..at].to_owned()).or_default() += 1;
        }
        for &at in &places[1..places.len() - 1] {
            *counts.entry(format!("{prefix}{}", &word[at..])).or_default() += 1;
        }
    }
    counts.retain(|_, count| *count > 3);
    let odd = ["[UNK]", "#", "##", "###", "####", "##[UNK]", "", "\0", "##\0\0", "a\0"].map(String::from);
    let characters = characters.into_iter().flat_map(|c| [c.to_string(), format!("{prefix}{c}")]);
    let pieces: BTreeSet<String> = odd.into_iter().chain(characters).chain(counts.into_keys()).collect();
    pieces.into_iter().zip(0..).collect()
}

/// The vocabulary of all-MiniLM-L6-v2, where the machine has it.
fn minilm() -> Option<Vec<(String, u32)>> {
    let folder = std::env::var_os("TYPECASE_MINILM")?;
    Some(lines(&Path::new(&folder).join("vocab.txt")).into_iter().zip(0..).collect())
}

#[test]
fn wordpiece_equals_the_reference() {
    let texts = texts("train.csv");
    let learnt = &texts[..texts.len().min(learnt_rows())];
    let distinct: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| bare_words(text).into_iter().chain(words(text)).chain(metaspace_words(text)))
        .collect();
    // The usual case in full, the others in part.
    for (prefix, max_characters, part) in [("##", 100, 1), ("", 20, 20), ("▁", 320, 20)] {
        let pieces = wordpiece_vocabulary(learnt, prefix);
        let pair = WordPiecePair::new(&pieces, "[UNK]", prefix, max_characters);
        let count = pair.compare("words of texts", distinct.iter().step_by(part).cloned());
        let parts: Vec<String> = pieces.into_iter().map(|(piece, _)| piece.replacen("##", "", 1)).collect();
        let (mut chance, generated) = (Chance(0x5EED), generated() / part);
        pair.compare("generated words", (0..generated).map(|_| chance.word(&parts)));
        println!("WordPiece, prefix {prefix:?}: {count} words of texts, {generated} generated, 0 differ");
    }
}

#[test]
fn wordpiece_of_minilm_equals_the_reference() {
    let Some(pieces) = minilm() else {
        return xtask::skip::skipped(
            "WordPiece with the vocabulary of MiniLM",
            "set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2",
        );
    };
    let pair = WordPiecePair::new(&pieces, "[UNK]", "##", 100);
    assert!(pair.table.len() <= 350 << 10, "{} bytes", pair.table.len());
    let distinct: BTreeSet<String> = texts("train.csv").iter().flat_map(|text| bare_words(text)).collect();
    let count = pair.compare("words of texts", distinct);
    pair.compare("the vocabulary", pieces.iter().map(|(piece, _)| piece.clone()));
    let parts: Vec<String> = pieces.into_iter().map(|(piece, _)| piece.replacen("##", "", 1)).collect();
    let mut chance = Chance(0x5EED);
    pair.compare("generated words", (0..generated()).map(|_| chance.word(&parts)));
    println!(
        "MiniLM: {} bytes, {count} words of texts, {} generated, 0 differ",
        pair.table.len(),
        generated()
    );

    let good = pair.table.clone();
    let ids = u32::try_from(parts.len()).unwrap();
    let mut scratch = vec![Cell::default(); 32];
    for at in (0..good.len()).step_by(997) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        let Ok(model) = WordPiece::parse(&bytes) else { continue };
        for word in parts.iter().step_by(499).filter(|word| word.len() <= 32) {
            model.tokenize(&cells(word), &mut scratch, &mut |t| assert!(t.id < ids || at < 4)).unwrap();
        }
    }
}

// ---- BPE

struct BpePair {
    table: Vec<u8>,
    reference: BPE,
    pieces: Vec<String>,
}

impl BpePair {
    /// From the reference's JSON.
    fn new(json: Value) -> Self {
        let reference = serde_json::from_str(&json.to_string()).unwrap();
        let vocabulary: Vec<_> = json["vocab"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(piece, id)| (piece.as_str(), u32::try_from(id.as_u64().unwrap()).unwrap()))
            .collect();
        let merges: Vec<_> = json["merges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let builder = bpe::Builder {
            vocabulary: &vocabulary,
            merges: &merges,
            unknown: json["unk_token"].as_str(),
            fuse_unknown: json["fuse_unk"] == true,
            ignore_merges: json["ignore_merges"] == true,
        };
        let pieces = unspell(vocabulary.iter().map(|(piece, _)| *piece));
        Self { table: builder.to_bytes().unwrap(), reference, pieces }
    }

    fn compare(&self, name: &str, words: impl IntoIterator<Item = String>) -> usize {
        let model = Bpe::parse(&self.table).unwrap();
        compare(name, words, |word| {
            let mut scratch = vec![Cell::default(); model.scratch_cells(word.chars().count())];
            let found = ours(word, |cells, mut emit| model.tokenize(cells, &mut scratch, &mut emit));
            (found, reference(&self.reference, &spell(word), &cell_of_byte(word, true)))
        })
    }
}

/// Learns merges from the spelled words of texts; with `all_bytes` every byte is a piece.
fn learnt_bpe(texts: &[String], pieces: usize, all_bytes: bool) -> Value {
    let alphabet = if all_bytes { spelling().into_iter().collect() } else { Default::default() };
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(pieces)
        .min_frequency(2)
        .initial_alphabet(alphabet)
        .build();
    trainer.feed(texts.iter(), |text| Ok(words(text).iter().map(|word| spell(word)).collect())).unwrap();
    let mut model = BPE::default();
    trainer.train(&mut model).unwrap();
    serde_json::to_value(&model).unwrap()
}

#[test]
fn bpe_equals_the_reference() {
    let texts = texts("train.csv");
    let learnt = &texts[..texts.len().min(learnt_rows())];
    let distinct: BTreeSet<String> =
        texts.iter().flat_map(|text| words(text).into_iter().chain(metaspace_words(text))).collect();
    let all_bytes = learnt_bpe(learnt, 8000, true);
    let mut few_bytes = learnt_bpe(&learnt[..learnt.len().min(300)], 1500, false);
    let strange = few_bytes["vocab"].as_object().unwrap().len();
    few_bytes["vocab"]["<unk>"] = json!(strange);
    let with = |json: &Value, name: &str, value: Value| {
        let mut json = json.clone();
        json[name] = value;
        json
    };
    let unknown = with(&few_bytes, "unk_token", json!("<unk>"));
    // The usual case in full, the others in part.
    let models = [
        ("all bytes", all_bytes.clone()),
        ("merges ignored", with(&all_bytes, "ignore_merges", json!(true))),
        ("unknown bytes dropped", few_bytes),
        ("unknown bytes fused", with(&unknown, "fuse_unk", json!(true))),
        ("unknown bytes", unknown),
    ];
    for ((name, json), part) in models.into_iter().zip([1, 20, 20, 20, 20]) {
        let pair = BpePair::new(json);
        let count = pair.compare(name, distinct.iter().step_by(part).cloned());
        let (mut chance, generated) = (Chance(0x5EED), generated() / part);
        pair.compare(name, (0..generated).map(|_| chance.word(&pair.pieces)));
        let bytes = pair.table.len();
        println!("BPE, {name}: {bytes} bytes, {count} words of texts, {generated} generated, 0 differ");
    }
}

/// Merges in any order, several for one piece, pieces that cannot be reached: what no trainer leaves.
#[test]
fn random_bpe_equals_the_reference() {
    let mut chance = Chance(0xB9E);
    for model in 0..400 {
        let mut pieces: Vec<String> = ["a", "b", "c", "Ġ", "Ã", "¼"].map(String::from).to_vec();
        let mut merges = Vec::new();
        for _ in 0..chance.below(40) {
            let (left, right) = (&pieces[chance.below(pieces.len())], &pieces[chance.below(pieces.len())]);
            let (merge, made) = ((left.clone(), right.clone()), format!("{left}{right}"));
            if made.len() < 12 {
                merges.insert(chance.below(merges.len() + 1), merge);
                if !pieces.contains(&made) {
                    pieces.push(made);
                }
            }
        }
        pieces.push("<unk>".into());
        let json = json!({
            "type": "BPE", "vocab": pieces.iter().zip(0..).collect::<BTreeMap<_, u32>>(), "merges": merges,
            "unk_token": if chance.below(2) == 0 { json!("<unk>") } else { Value::Null },
            "fuse_unk": chance.below(2) == 0, "ignore_merges": chance.below(4) == 0,
        });
        let pair = BpePair::new(json);
        let letters = ["a", "b", "c", " ", "ü", "ab", "aa", "d"].map(String::from);
        pair.compare(&format!("random model {model}"), (0..250).map(|_| chance.word(&letters)));
    }
}

// ---- Unigram

struct UnigramPair {
    table: Vec<u8>,
    reference: ReferenceUnigram,
    pieces: Vec<String>,
}

impl UnigramPair {
    fn new(vocabulary: &[(String, f64)], unknown: u32, byte_fallback: bool) -> Self {
        let pieces: Vec<_> = vocabulary.iter().map(|(piece, score)| (piece.as_str(), *score)).collect();
        let table = unigram::Builder { vocabulary: &pieces, unknown, byte_fallback }.to_bytes().unwrap();
        let id = usize::try_from(unknown).unwrap();
        let reference = ReferenceUnigram::from(vocabulary.to_vec(), Some(id), byte_fallback).unwrap();
        Self { table, reference, pieces: vocabulary.iter().map(|(piece, _)| piece.clone()).collect() }
    }

    fn compare(&self, name: &str, words: impl IntoIterator<Item = String>) -> usize {
        let model = Unigram::parse(&self.table).unwrap();
        compare(name, words, |word| {
            let mut scratch = vec![Cell(u64::MAX); model.scratch_cells(word.chars().count())];
            let found = ours(word, |cells, mut emit| model.tokenize(cells, &mut scratch, &mut emit));
            (found, reference(&self.reference, word, &cell_of_byte(word, false)))
        })
    }
}

fn learnt_unigram(texts: &[String], pieces: u32) -> Vec<(String, f64)> {
    let mut trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(pieces)
        .unk_token(Some("<unk>".into()))
        .special_tokens(vec![tokenizers::AddedToken::from("<unk>", true)])
        .build()
        .unwrap();
    trainer.feed(texts.iter(), |text| Ok(metaspace_words(text))).unwrap();
    let mut model = ReferenceUnigram::default();
    trainer.train(&mut model).unwrap();
    model.iter().cloned().collect()
}

#[test]
#[allow(clippy::cast_possible_truncation, reason = "scores as SentencePiece has them")]
fn unigram_equals_the_reference() {
    let texts = texts("train.csv");
    let learnt = learnt_unigram(&texts[..texts.len().min(learnt_rows())], 4000);
    assert_eq!(learnt[0].0, "<unk>");
    let distinct: BTreeSet<String> =
        texts.iter().flat_map(|text| words(text).into_iter().chain(metaspace_words(text))).collect();
    let narrow: Vec<_> =
        learnt.iter().map(|(piece, score)| (piece.clone(), f64::from(*score as f32))).collect();
    let lowest = narrow.iter().map(|(_, score)| *score).fold(0.0, f64::min);
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), lowest));
    let all_bytes: Vec<_> = narrow.iter().cloned().chain(bytes.clone()).collect();
    let some_bytes: Vec<_> = narrow.iter().cloned().chain(bytes.take(0xE0)).collect();
    let models = [
        ("64 bits", UnigramPair::new(&learnt, 0, false)),
        ("32 bits", UnigramPair::new(&narrow, 0, false)),
        ("bytes", UnigramPair::new(&all_bytes, 0, true)),
        ("some bytes", UnigramPair::new(&some_bytes, 0, true)),
    ];
    for ((name, pair), part) in models.into_iter().zip([1, 20, 20, 20]) {
        let count = pair.compare(name, distinct.iter().step_by(part).cloned());
        let (mut chance, generated) = (Chance(0x5EED), generated() / part);
        pair.compare(name, (0..generated).map(|_| chance.word(&pair.pieces)));
        let bytes = pair.table.len();
        println!("Unigram, {name}: {bytes} bytes, {count} words of texts, {generated} generated, 0 differ");
    }
}

/// Scores of few values, so that ways tie; of either sign, so that unknown characters may win; pieces twice.
#[test]
fn random_unigram_equals_the_reference() {
    let mut chance = Chance(0x0171);
    let letters = ["a", "b", "ü", "\u{1F600}", "x", "<unk>", "\0"].map(String::from);
    for model in 0..400 {
        let steps = [1.0, 0.1, 7.3][chance.below(3)];
        let offset = [-50.0, 0.0, 100.0][chance.below(3)];
        let mut vocabulary: Vec<(String, f64)> = Vec::new();
        for _ in 0..1 + chance.below(40) {
            let piece: String = (0..1 + chance.below(4)).map(|_| letters[chance.below(7)].as_str()).collect();
            vocabulary.push((piece, offset + steps * f64::from(u32::try_from(chance.below(5)).unwrap())));
        }
        let unknown = chance.below(vocabulary.len());
        if chance.below(2) == 0 {
            vocabulary[unknown].0 = "<unk>".into();
        }
        for byte in "aüx\0".bytes() {
            vocabulary.push((format!("<0x{byte:02X}>"), offset));
        }
        let pair = UnigramPair::new(&vocabulary, u32::try_from(unknown).unwrap(), chance.below(2) == 0);
        pair.compare(&format!("random model {model}"), (0..250).map(|_| chance.word(&letters)));
    }
}
