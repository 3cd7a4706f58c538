//! A small encoder of numbers that look random, and a case with one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use typecase_case::sections::encoder::{EncoderPooling, EncoderShape, EncoderWriter};
use typecase_case::sections::golden::{self, NewVector};
use typecase_engine::{Kind, Tokenizer};
use typecase_kernels::encoder::Matrix;

use crate::subword::word_pieces;
use crate::{CaseParts, GOLDEN_TEXTS};

/// Positions of the encoder: more than the tokenizer leaves.
const POSITIONS: u16 = 16;

/// Numbers that look random: SplitMix64.
struct Random(u64);

impl Random {
    /// From a range, both ends included.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + ((x ^ x >> 31) % u64::from((high - low).unsigned_abs() + 1)) as i32
    }

    fn bytes(&mut self, len: usize, low: i32, high: i32) -> Vec<u8> {
        (0..len).map(|_| self.between(low, high) as u8).collect()
    }

    fn words(&mut self, len: usize, low: i32, high: i32) -> Vec<u8> {
        (0..len).flat_map(|_| (self.between(low, high) as i16).to_le_bytes()).collect()
    }
}

/// The numbers of the encoder of [`minimal_case`], for a tokenizer of so many ids.
#[must_use]
pub const fn shape(rows: u32, pooling: EncoderPooling) -> EncoderShape {
    EncoderShape {
        layers: 2,
        heads: 2,
        channels: 32,
        inner: 80,
        positions: POSITIONS,
        classes: 3,
        rows,
        pooling,
        head_shift: 3,
    }
}

/// The numbers of an encoder for a microcontroller: 2 layers, 64 wide, 64 tokens.
#[must_use]
pub const fn device_shape(rows: u32) -> EncoderShape {
    let small = shape(rows, EncoderPooling::Mean);
    EncoderShape { heads: 4, channels: 16, inner: 256, positions: DEVICE_TOKENS, ..small }
}

/// Tokens of the longest text of [`device_shape`].
pub const DEVICE_TOKENS: u16 = 64;
/// Whole words that the tokenizer of [`device_case`] knows.
const DEVICE_WORDS: usize = 1800;

/// A case of [`device_shape`], whose tokenizer knows the frequent words of some texts.
///
/// # Panics
/// If the texts have too many different characters.
#[must_use]
pub fn device_case(texts: &[Vec<u8>]) -> Vec<u8> {
    let texts: Vec<String> = texts.iter().map(|text| String::from_utf8_lossy(text).to_lowercase()).collect();
    let mut counts = BTreeMap::new();
    for word in texts.iter().flat_map(|text| text.split_whitespace()) {
        *counts.entry(word).or_insert(0u32) += 1;
    }
    let mut words: Vec<(&str, u32)> = counts.into_iter().filter(|(word, _)| word.len() > 1).collect();
    words.sort_by_key(|(_, count)| Reverse(*count));
    let words = words.into_iter().take(DEVICE_WORDS).map(|(word, _)| word.to_owned());
    let characters: BTreeSet<char> = ('!'..='~').collect();
    let single = characters.iter().flat_map(|character| [character.to_string(), format!("##{character}")]);
    let pieces: Vec<String> = single.chain(words).collect();
    let table = word_pieces(pieces.iter().map(String::as_str), usize::from(DEVICE_TOKENS));
    CaseParts::encoder_of(Some(table), device_shape).build()
}

/// The section of an encoder.
///
/// # Panics
/// If the shape is none.
#[must_use]
pub fn section(shape: &EncoderShape, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut writer = EncoderWriter::new(shape);
    let (width, inner, rows) = (shape.width(), usize::from(shape.inner), shape.rows as usize);
    writer.part(&random.bytes(rows * width, -127, 127));
    writer.part(&random.bytes(rows, 1, 40));
    writer.part(&random.words(usize::from(shape.positions) * width, -900, 900));
    norm(&mut writer, &mut random, width);
    for _ in 0..shape.layers {
        writer.part(&[400u32.to_le_bytes(), 18u32.to_le_bytes()].concat());
        matrix(&mut writer, &mut random, 3 * width, width, 11);
        matrix(&mut writer, &mut random, width, width, 5);
        norm(&mut writer, &mut random, width);
        matrix(&mut writer, &mut random, inner, width, 11);
        // What only rises is no worse than another activation.
        let mut table = random.bytes(256, 0, 255);
        table.sort_unstable();
        writer.part(&table);
        matrix(&mut writer, &mut random, width, inner, 5);
        norm(&mut writer, &mut random, width);
    }
    writer.part(&random.bytes(usize::from(shape.classes) * width, -127, 127));
    let bias: Vec<u8> =
        (0..shape.classes).flat_map(|_| random.between(-90_000, 90_000).to_le_bytes()).collect();
    writer.part(&bias);
    writer.finish().expect("numbers within their bounds")
}

fn norm(writer: &mut EncoderWriter, random: &mut Random, width: usize) {
    writer.part(&3u32.to_le_bytes());
    writer.part(&random.words(width, 9000, 24_000)).part(&random.words(width, -300, 300));
    writer.part(&random.words(width, 9000, 24_000)).part(&random.words(width, 900, 1150));
}

fn matrix(writer: &mut EncoderWriter, random: &mut Random, outputs: usize, inputs: usize, shift: u8) {
    let mut weights = vec![0; Matrix::packed_len(inputs, outputs)];
    let mut sums = vec![0i32; outputs];
    for (output, sum) in sums.iter_mut().enumerate() {
        for input in 0..inputs {
            let weight = random.between(-127, 127);
            weights[Matrix::packed_at(inputs, output, input)] = weight as u8;
            *sum += weight;
        }
    }
    // The inputs' zero is 128.
    let bias = sums.iter().flat_map(|sum| (random.between(-4000, 4000) - 128 * sum).to_le_bytes());
    writer.part(&weights).part(&bias.collect::<Vec<u8>>());
    writer.part(&sums.iter().flat_map(|sum| sum.to_le_bytes()).collect::<Vec<u8>>());
    let shifts = random.bytes(outputs, i32::from(shift) - 1, i32::from(shift) + 1);
    writer.part(&shifts).part(&random.words(outputs, 9000, 32_767));
}

impl CaseParts {
    /// The parts of a case with a WordPiece tokenizer and an encoder.
    #[must_use]
    pub fn encoder(pooling: EncoderPooling) -> Self {
        Self::encoder_of(None, |rows| shape(rows, pooling))
    }

    /// The parts of a case with an encoder of a shape that has three classes, and with the table of a tokenizer if that is
    /// not to be the small one. The shape is asked for with the number of ids.
    #[must_use]
    pub fn encoder_of(table: Option<Vec<u8>>, shape: impl Fn(u32) -> EncoderShape) -> Self {
        let mut parts = Self::subword("wordpiece");
        parts.sections.retain(|(kind, ..)| ![Kind::TEXT, Kind::VOCABULARY, Kind::BAG].contains(kind));
        if let Some(table) = table {
            *parts.section(Kind::TOKENIZER) = table;
        }
        let rows = Tokenizer::parse(parts.section(Kind::TOKENIZER)).unwrap().ids();
        parts.sections.push((Kind::ENCODER, 0, section(&shape(rows), 1)));
        // Those of the bag name its rows.
        let blank = NewVector { text: Vec::new(), ids: Vec::new(), scores: vec![0; 3] };
        *parts.section(Kind::GOLDEN) = golden::encode(&vec![blank; 16], 3, rows).unwrap();
        parts.set_golden(&GOLDEN_TEXTS);
        parts
    }
}

/// A case with a small encoder.
#[must_use]
pub fn minimal_case() -> Vec<u8> {
    CaseParts::encoder(EncoderPooling::Mean).build()
}
