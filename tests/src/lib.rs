//! Suites that cross crates: conformance, mutation, command line, determinism, allocation. The suites stand in
//! `tests/`; here is what they share: small cases, whole ([`minimal_case`]) and broken ([`CaseParts`], [`put`],
//! [`seal`]), bags of every shape ([`bags`]), tokenizers of every shape and texts for them ([`shapes`], [`charsmaps`],
//! [`texts`]), and a check of what a program sees of an accepted case ([`Scratch::check`]).
//!
//! The layout and the digests are written here a second time, from `runtime/case/FORMAT.md`, so that the suites do not
//! ask the code under test what is right.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a suite that cannot build its case has failed"
)]

pub mod bags;
pub mod charsmaps;
pub mod encoder;
pub mod shapes;
pub mod subword;
pub mod texts;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use typecase_case::sections::bag::NewBag;
use typecase_case::sections::golden::NewVector;
use typecase_case::sections::{golden, labels, provenance};
use typecase_engine::{
    BagShape, Buffers, Calibration, Case, Cell, Cost, Error, Head, Integrity, Kind, Memory, NgramSpec,
    Ngrams, Pooling, TextSpec, UNICODE_VERSION, Units, classify,
};
use typecase_text::vocabulary::Builder;

/// Bytes of the header, and of each record.
pub const LINE_BYTES: usize = 64;

/// Where a field of the header or of a record stands in it, and how many bytes it has.
pub type Place = (usize, usize);

/// The fields of the header.
pub mod header {
    use super::Place;
    /// Major version.
    pub const MAJOR: Place = (8, 2);
    /// Minor version.
    pub const MINOR: Place = (10, 2);
    /// Flags.
    pub const FLAGS: Place = (12, 4);
    /// Length of the file.
    pub const LEN: Place = (16, 8);
    /// Number of sections.
    pub const COUNT: Place = (24, 4);
    /// Zero.
    pub const RESERVED: Place = (28, 4);
    /// SHA-256 of header and records.
    pub const DIGEST: Place = (32, 32);
}

/// The fields of a record.
pub mod record {
    use super::Place;
    /// Kind of the section.
    pub const KIND: Place = (0, 4);
    /// Flags.
    pub const FLAGS: Place = (4, 4);
    /// First byte.
    pub const OFFSET: Place = (8, 8);
    /// Bytes.
    pub const LEN: Place = (16, 8);
    /// CRC-32 of the bytes.
    pub const CRC: Place = (24, 4);
    /// Zero.
    pub const RESERVED: Place = (28, 4);
    /// SHA-256 of the bytes.
    pub const DIGEST: Place = (32, 32);

    /// The place of a field of record `index` in the file.
    #[must_use]
    pub const fn of(index: usize, field: Place) -> Place {
        (super::LINE_BYTES * (index + 1) + field.0, field.1)
    }
}

/// Overwrites a little-endian number of at most eight bytes; what does not fit its width is cut off.
pub fn put(bytes: &mut [u8], (at, width): Place, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Reads a little-endian number of at most eight bytes.
#[must_use]
pub fn number(bytes: &[u8], (at, width): Place) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Computes every CRC-32 and digest anew, as far as the records point into the file.
pub fn seal(file: &mut [u8]) {
    let records = (number(file, header::COUNT) as usize).min(file.len() / LINE_BYTES - 1);
    for index in 0..records {
        let start = number(file, record::of(index, record::OFFSET));
        let end = start.checked_add(number(file, record::of(index, record::LEN)));
        let range = usize::try_from(start).unwrap()..usize::try_from(end.unwrap_or(0)).unwrap();
        let Some(section) = file.get(range) else { continue };
        let (crc, digest) = (crc32fast::hash(section), Sha256::digest(section));
        put(file, record::of(index, record::CRC), crc.into());
        let (at, len) = record::of(index, record::DIGEST);
        file[at..at + len].copy_from_slice(&digest);
    }
    let (at, len) = header::DIGEST;
    file[at..at + len].fill(0);
    let digest = Sha256::digest(&file[..LINE_BYTES * (records + 1)]);
    file[at..at + len].copy_from_slice(&digest);
}

/// The sections of a case, each of which can be replaced, doubled, left out or put in the wrong place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseParts {
    /// Kind, flags, bytes; laid out in this order.
    pub sections: Vec<(Kind, u32, Vec<u8>)>,
}

impl CaseParts {
    /// The parts of [`minimal_case`].
    #[must_use]
    pub fn minimal() -> Self {
        let spec = NgramSpec { max_bytes: 113, ..NgramSpec::words(2) };
        let words: String = (0..30).map(|i| format!("w{i} ")).collect();
        let mut features = [0; 59];
        let ngrams = Ngrams::new(spec).unwrap();
        assert_eq!(ngrams.features_into(words.as_bytes(), &mut features).len, features.len());
        let vocabulary = Builder::new(&features, 8).unwrap();
        let mut parts =
            Self::of(&["world", "sport", "tech"], spec, 8, &vocabulary, &Self::small_bag(&vocabulary));
        parts.set_golden(&GOLDEN_TEXTS);
        parts
    }

    /// A bag of three classes with a head, with numbers that look random.
    pub(crate) fn small_bag(vocabulary: &Builder) -> NewBag {
        let rows = vocabulary.shape().count();
        let shape = BagShape {
            rows,
            width: 5,
            classes: 3,
            weight_bits: 4,
            scale_bits: 8,
            pooling: Pooling::SquareRoot,
            head: Head::Relu { shift: 2 },
        };
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
            (state >> 24) as i32 - 128
        };
        let weights = (0..rows * 5).map(|_| (next() >> 4) as i8).collect();
        NewBag {
            shape,
            bias: (0..5).map(|_| next()).collect(),
            head_bias: (0..3).map(|_| 10 * next()).collect(),
            head_weights: (0..15).map(|_| next() as i8).collect(),
            scales: (0..rows).map(|_| next().unsigned_abs().max(1) as u8).collect(),
            weights,
        }
    }

    /// A whole case, with golden vectors of sixteen empty texts that need not be right.
    #[must_use]
    pub fn of(names: &[&str], spec: NgramSpec, max_ids: u32, vocabulary: &Builder, bag: &NewBag) -> Self {
        let (major, minor, _) = UNICODE_VERSION;
        let NgramSpec { word_max, char_min, char_max, marks, cased, skips, max_bytes } = spec;
        let unicode = (major, minor);
        let units = Units::Words;
        let text = TextSpec {
            units,
            word_max,
            char_min,
            char_max,
            marks,
            cased,
            skips,
            unicode,
            max_bytes,
            max_ids,
        };
        let calibration = Calibration { score_scale: 0.001, temperature: 1.5, abstain_below: 0.4 };
        let blank = NewVector { text: Vec::new(), ids: Vec::new(), scores: vec![0; names.len()] };
        let classes = names.len() as u32;
        let provenance = BTreeMap::from([("name", "minimal")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let sections = [
            (Kind::LABELS, labels::encode(names).unwrap()),
            (Kind::TEXT, text.encode()),
            (Kind::VOCABULARY, vocabulary.to_bytes()),
            (Kind::BAG, bag.encode().unwrap()),
            (Kind::CALIBRATION, calibration.encode()),
            (Kind::GOLDEN, golden::encode(&vec![blank; 16], classes, bag.shape.rows).unwrap()),
            (Kind::PROVENANCE, provenance::encode(&provenance).unwrap()),
        ];
        Self { sections: sections.into_iter().map(|(kind, bytes)| (kind, 0, bytes)).collect() }
    }

    /// Replaces the golden vectors by these texts, with the ids and scores that the engine gives.
    pub fn set_golden(&mut self, texts: &[&[u8]]) {
        let file = self.build();
        let case = Case::parse(file.as_slice()).unwrap();
        let mut scratch = Scratch::new();
        let vectors: Vec<_> = texts.iter().map(|text| scratch.vector(&case, text)).collect();
        let (classes, rows) = (case.labels().len(), case.rows());
        *self.section(Kind::GOLDEN) = golden::encode(&vectors, classes, rows).unwrap();
    }

    /// The bytes of a section, to be changed.
    pub fn section(&mut self, kind: Kind) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|section| section.0 == kind).unwrap().2
    }

    /// Leaves a section out.
    pub fn remove(&mut self, kind: Kind) {
        self.sections.retain(|section| section.0 != kind);
    }

    /// The file: sections as they stand, each after the one before, aligned; CRC-32 and digests right.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut file = vec![0; LINE_BYTES * (self.sections.len() + 1)];
        for (index, (kind, flags, bytes)) in self.sections.iter().enumerate() {
            file.resize(file.len().next_multiple_of(64), 0);
            put(&mut file, record::of(index, record::KIND), kind.0.into());
            put(&mut file, record::of(index, record::FLAGS), (*flags).into());
            let start = file.len() as u64;
            put(&mut file, record::of(index, record::OFFSET), start);
            put(&mut file, record::of(index, record::LEN), bytes.len() as u64);
            file.extend(bytes);
        }
        file[..8].copy_from_slice(b"\x89TCS\r\n\x1a\n");
        put(&mut file, header::MAJOR, 1);
        let len = file.len() as u64;
        put(&mut file, header::LEN, len);
        put(&mut file, header::COUNT, self.sections.len() as u64);
        seal(&mut file);
        file
    }
}

/// The texts of the golden vectors of [`minimal_case`]: empty, unknown, repeated, cut by ids, cut by bytes, no UTF-8.
pub const GOLDEN_TEXTS: [&[u8]; 16] = [
    b"",
    b"W1",
    b"w2 w3",
    b"zebra",
    b"w4, W4!",
    b"w5 w6 w7 w8 w9",
    b"w29 w28",
    b"\xFFw9",
    b"w1&amp;w2",
    b"w10\xC2\xAD",
    b"w11 x w12",
    b"w13 w14 w15",
    b"w0",
    b"w20 w21",
    b"w27",
    b" . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . w26",
];

/// A case of less than 2 KiB in which every part of the format is used: 4-bit rows of odd width with scales, a head,
/// the square root, a vocabulary of some 60 words and pairs, 16 golden vectors of the real engine.
#[must_use]
pub fn minimal_case() -> Vec<u8> {
    CaseParts::minimal().build()
}

/// Memory for a session.
#[derive(Clone, Debug)]
pub struct Scratch(Buffers);

impl Scratch {
    /// Memory for the largest case that there can be.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "half a megabyte is no default")]
    pub fn new() -> Self {
        Self(Buffers {
            ids: vec![0; 65_535].into(),
            numbers: vec![0; 4096 + 65_535].into(),
            tokens: vec![0; 65_535].into(),
            cells: vec![Cell::default(); 1 << 15].into(),
            arena: vec![0; 1 << 16].into(),
        })
    }

    /// Memory for one case.
    #[must_use]
    pub fn of<B: AsRef<[u8]>>(case: &Case<B>) -> Self {
        Self::of_cost(&case.cost())
    }

    /// So much memory.
    #[must_use]
    pub fn of_cost(cost: &Cost) -> Self {
        Self(Buffers::new(cost))
    }

    /// The memory.
    pub fn memory(&mut self) -> Memory<'_> {
        self.0.memory()
    }

    /// Text, ids and scores, as the engine gives them.
    pub fn vector(&mut self, case: &Case<&[u8]>, text: &[u8]) -> NewVector {
        let verdict = classify(case, text, self.memory());
        let (tokens, scores) = (verdict.tokens as usize, verdict.scores.to_vec());
        NewVector { text: text.to_vec(), ids: self.0.ids[..tokens].to_vec(), scores }
    }

    /// Opens a file and, if it is accepted, uses all of it: nothing may panic, and every answer must make sense.
    ///
    /// # Errors
    /// Why the file was refused.
    pub fn check(&mut self, file: &[u8], integrity: Integrity) -> Result<(), Error> {
        let case = Case::parse_with(file, integrity)?;
        match case.verify(&mut self.memory()) {
            Ok(_) | Err(Error::Golden { .. }) => {}
            Err(error) => panic!("an accepted case cannot be verified: {error}"),
        }
        let classes = case.labels().len();
        assert_eq!(case.labels().iter().count(), classes as usize);
        assert_eq!(case.golden().iter().count(), case.golden().len() as usize);
        assert!(!case.name().is_empty());
        for text in [b"w1 W2 w3 w4 w5 w6 w29 \xFF".as_slice(), b"", b"unknown"] {
            let verdict = classify(&case, text, self.memory());
            assert!(verdict.label_index < classes && !verdict.label.is_empty());
            assert_eq!(verdict.scores.len(), classes as usize);
            let best = verdict.scores[verdict.label_index as usize];
            assert!(verdict.scores.iter().all(|&score| score <= best));
            assert!(verdict.probability > 0.0 && verdict.probability <= 1.0, "{}", verdict.probability);
            assert!(verdict.score_scale >= 0.0 && verdict.score_scale.is_finite());
            assert!(verdict.tokens as usize <= case.cost().ids && verdict.unknown_words <= verdict.words);
        }
        Ok(())
    }
}
