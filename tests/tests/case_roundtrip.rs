//! What is written is read back, what is read is written back, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use typecase_case::sections::bag::{Bag, BagShape, Head, NewBag, Pooling};
use typecase_case::sections::calibration::Calibration;
use typecase_case::sections::golden::{self, GoldenVectors, NewVector};
use typecase_case::sections::labels::{self, Labels};
use typecase_case::sections::provenance::{self, Provenance};
use typecase_case::sections::text::{TextSpec, Units};
use typecase_case::{Container, Integrity, Kind, Writer};
use typecase_engine::Case;
use typecase_tests::{header, minimal_case, put, seal};

/// A text that may stand in a case, of at most `max` characters (of up to four bytes).
fn plain(max: usize) -> impl Strategy<Value = String> {
    let char = any::<char>().prop_map(|c| if c.is_control() { '\u{FFFD}' } else { c });
    vec(prop_oneof![prop::char::range('a', 'z'), char], 1..=max).prop_map(String::from_iter)
}

fn a_head() -> impl Strategy<Value = Head> {
    prop_oneof![Just(Head::None), (0u8..=31).prop_map(|shift| Head::Relu { shift })]
}

fn a_pooling() -> impl Strategy<Value = Pooling> {
    prop_oneof![Just(Pooling::Sum), Just(Pooling::Mean), Just(Pooling::SquareRoot)]
}

fn a_bag() -> impl Strategy<Value = NewBag> {
    let shape = (
        1u32..40,
        2u16..12,
        2u16..8,
        any::<bool>(),
        prop_oneof![Just(0u8), Just(2), Just(8)],
        a_pooling(),
        a_head(),
    );
    let shape = shape.prop_map(|(rows, width, classes, narrow, scale_bits, pooling, head)| {
        let width = if head == Head::None { classes } else { width };
        BagShape { rows, width, classes, weight_bits: if narrow { 4 } else { 8 }, scale_bits, pooling, head }
    });
    shape.prop_flat_map(|shape| {
        let (rows, width, classes) =
            (shape.rows as usize, usize::from(shape.width), usize::from(shape.classes));
        let classes = if shape.head == Head::None { 0 } else { classes };
        let limit = if shape.weight_bits == 4 { -8..=7i8 } else { -128..=127 };
        (
            vec(-9999i32..9999, width),
            vec(-9999i32..9999, classes),
            vec(any::<i8>(), classes * width),
            vec(
                if shape.scale_bits == 2 { 0u8..=3 } else { 1..=255 },
                if shape.scale_bits == 0 { 0 } else { rows },
            ),
            vec(limit, rows * width),
        )
            .prop_map(move |(bias, head_bias, head_weights, scales, weights)| NewBag {
                shape,
                bias,
                head_bias,
                head_weights,
                scales,
                weights,
            })
    })
}

/// The bag that a section holds.
fn read_bag(bag: &Bag<'_>) -> NewBag {
    let numbers = |numbers: &[[u8; 4]]| numbers.iter().map(|n| i32::from_le_bytes(*n)).collect();
    let width = usize::from(bag.shape.width);
    let rows = bag.weights.chunks(bag.shape.row_bytes());
    let weights = rows.flat_map(|row| {
        (0..width).map(|at| match bag.shape.weight_bits {
            4 => (row[at / 2] << (4 - at % 2 * 4)).cast_signed() >> 4,
            _ => row[at].cast_signed(),
        })
    });
    NewBag {
        shape: bag.shape,
        bias: numbers(bag.bias),
        head_bias: numbers(bag.head_bias),
        head_weights: bag.head_weights.iter().map(|w| w.cast_signed()).collect(),
        scales: match bag.shape.scale_bits {
            2 => (0..bag.shape.rows as usize).map(|row| bag.scales[row / 4] >> (row % 4 * 2) & 3).collect(),
            _ => bag.scales.to_vec(),
        },
        weights: weights.collect(),
    }
}

fn read_golden(vectors: &GoldenVectors<'_>) -> Vec<NewVector> {
    let read = |v: golden::GoldenVector<'_>| NewVector {
        text: v.text.to_vec(),
        ids: v.ids().collect(),
        scores: v.scores().collect(),
    };
    vectors.iter().map(read).collect()
}

fn read_provenance(provenance: &Provenance<'_>) -> BTreeMap<String, String> {
    provenance.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Reads every section of a case, encodes what was read, and writes the case again.
fn rewritten(file: &[u8]) -> Vec<u8> {
    let container = Container::parse(file, Integrity::Digest).unwrap();
    let max_ids = TextSpec::parse(container.section(Kind::TEXT).unwrap()).unwrap().max_ids;
    let mut rows = 0;
    let mut writer = Writer::new();
    for section in container.sections() {
        let bytes = section.bytes;
        let encoded = match section.record.kind {
            Kind::LABELS => {
                labels::encode(&Labels::parse(bytes).unwrap().iter().collect::<Vec<_>>()).unwrap()
            }
            Kind::TEXT => TextSpec::parse(bytes).unwrap().encode(),
            Kind::BAG => {
                let bag = Bag::parse(bytes, max_ids).unwrap();
                rows = bag.shape.rows;
                read_bag(&bag).encode().unwrap()
            }
            Kind::CALIBRATION => Calibration::parse(bytes).unwrap().encode(),
            Kind::GOLDEN => {
                let vectors = GoldenVectors::parse(bytes).unwrap();
                golden::encode(&read_golden(&vectors), vectors.classes(), rows).unwrap()
            }
            Kind::PROVENANCE => {
                provenance::encode(&read_provenance(&Provenance::parse(bytes).unwrap())).unwrap()
            }
            _ => bytes.to_vec(),
        };
        writer.section(section.record.kind, encoded);
    }
    writer.finish().unwrap()
}

#[test]
fn a_case_that_is_read_and_written_has_the_same_bytes() {
    for file in [minimal_case(), typecase_tests::subword::minimal_case()] {
        assert_eq!(rewritten(&file), file);
    }
}

/// The page with every line of a hex dump made right for the file.
fn with_dump(page: &str, file: &[u8]) -> String {
    let line_of = |line: &str| {
        let start =
            usize::from_str_radix(line.get(..8)?, 16).ok().filter(|_| line.get(8..10) == Some("  "))?;
        let bytes: Vec<_> = file.get(start..)?.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let (left, right) = bytes.split_at(bytes.len().min(8));
        Some(format!("{start:08x}  {}  {}", left.join(" "), right.join(" ")).trim_end().to_owned())
    };
    page.lines().map(|line| line_of(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_dump_in_the_format_page_is_the_minimal_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/case/FORMAT.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let expected = with_dump(&page, &minimal_case());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert_eq!(
            page, expected,
            "read the words beside the dump too: UPDATE_GOLDEN=1 writes only the bytes"
        );
    }
}

#[test]
fn the_same_sections_in_any_order_give_the_same_bytes() {
    let file = minimal_case();
    let container = Container::parse(&file, Integrity::Digest).unwrap();
    let mut sections: Vec<_> = container.sections().collect();
    for _ in 0..sections.len() {
        sections.rotate_left(1);
        let mut writer = Writer::new();
        for section in &sections {
            writer.section(section.record.kind, section.bytes.to_vec());
        }
        assert_eq!(writer.finish().unwrap(), file);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn labels_come_back(names in vec(plain(63), 2..30)) {
        let bytes = labels::encode(&names).unwrap();
        let labels = Labels::parse(&bytes).unwrap();
        prop_assert_eq!(labels.iter().collect::<Vec<_>>(), names.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(labels.name(names.len() as u32), None);
    }

    #[test]
    fn text_specifications_come_back(
        orders: (u8, u8, u8), flags: (bool, bool, bool), max_tokens in 0u32..=65_535, unicode: (u8, u8), max_bytes in 1u32..=1 << 24, max_ids in 1u32..=65_535,
    ) {
        let (word_max, char_min, char_max) = orders;
        let (marks, cased, skips) = flags;
        let units = Units::Words;
        let spec = TextSpec { units, word_max, char_min, char_max, marks, cased, skips, unicode, max_bytes, max_ids };
        prop_assert_eq!(TextSpec::parse(&spec.encode()), Ok(spec));
        // Of tokens there are neither characters nor marks nor case.
        let units = Units::Tokens { max: max_tokens.max(1) };
        let spec = TextSpec { units, char_min: 0, char_max: 0, marks: false, cased: false, ..spec };
        prop_assert_eq!(TextSpec::parse(&spec.encode()), Ok(spec));
    }

    #[test]
    fn calibrations_come_back_or_are_refused(bits: [u32; 3]) {
        let [score_scale, temperature, abstain_below] = bits.map(f32::from_bits);
        let calibration = Calibration { score_scale, temperature, abstain_below };
        if let Ok(read) = Calibration::parse(&calibration.encode()) {
            prop_assert_eq!(read, calibration);
            prop_assert_eq!(read.encode(), calibration.encode());
            prop_assert!(score_scale > 0.0 && temperature > 0.0 && (0.0..=1.0).contains(&abstain_below));
        }
    }

    #[test]
    fn usual_calibrations_are_accepted(
        score_scale in 1e-9f32..1e3, temperature in 0.01f32..100.0, abstain_below in 0.0f32..=1.0,
    ) {
        let calibration = Calibration { score_scale, temperature, abstain_below };
        prop_assert_eq!(Calibration::parse(&calibration.encode()), Ok(calibration));
    }

    #[test]
    fn golden_vectors_come_back(
        rows in prop_oneof![1u32..=65_536, 65_537u32..1 << 24], classes in 2u32..6,
        seeds in vec((vec(any::<u8>(), 0..30), vec(any::<u32>(), 0..9), any::<i32>()), 16..40),
    ) {
        let vectors: Vec<_> = seeds.into_iter().map(|(text, ids, score)| NewVector {
            text,
            ids: ids.into_iter().map(|id| id % rows).collect(),
            scores: (0..classes as i32).map(|class| score.wrapping_mul(2 * class + 1)).collect(),
        }).collect();
        let bytes = golden::encode(&vectors, classes, rows).unwrap();
        let read = GoldenVectors::parse(&bytes).unwrap();
        prop_assert_eq!((read.len() as usize, read.classes()), (vectors.len(), classes));
        prop_assert!(read.iter().zip(&vectors).all(|(r, v)| r.ids_len() == v.ids.len()));
        prop_assert_eq!(read_golden(&read), vectors);
    }

    #[test]
    fn provenance_comes_back(mut entries in btree_map(plain(16), plain(200), 0..20), name in plain(40)) {
        entries.insert("name".to_owned(), name.clone());
        let bytes = provenance::encode(&entries).unwrap();
        let read = Provenance::parse(&bytes).unwrap();
        prop_assert_eq!(read.value("name"), Some(name.as_str()));
        prop_assert_eq!(read_provenance(&read), entries);
    }

    #[test]
    fn bags_come_back(bag in a_bag(), max_ids in 1u32..100) {
        let bytes = bag.encode().unwrap();
        prop_assert_eq!(bytes.len() as u64, bag.shape.section_bytes());
        // A shift that is too small for the head is refused, and told from every other fault.
        match Bag::parse(&bytes, max_ids) {
            Ok(read) => {
                prop_assert_eq!(read_bag(&read), bag.clone());
                prop_assert_eq!(read_bag(&read).encode().unwrap(), bytes.clone());
            }
            Err(error) => prop_assert!(matches!(error, typecase_case::Error::Overflow { .. }), "{error}"),
        }
    }

    #[test]
    fn any_sections_come_back_in_order(kinds in btree_set(8u32.., 1..=64), lens in vec(1usize..300, 64)) {
        let mut writer = Writer::new();
        for (kind, &len) in kinds.iter().zip(&lens) {
            writer.section(Kind(*kind), vec![len as u8; len]);
        }
        let file = writer.finish().unwrap();
        prop_assert_eq!(writer.clone().finish().unwrap(), file.clone());
        let container = Container::parse(&file, Integrity::Digest).unwrap();
        let expected: Vec<_> = kinds.iter().zip(&lens).map(|(&kind, &len)| (Kind(kind), vec![len as u8; len])).collect();
        let found: Vec<_> = container.sections().map(|s| (s.record.kind, s.bytes.to_vec())).collect();
        prop_assert_eq!(found, expected);
        prop_assert!(container.sections().all(|s| s.bytes.as_ptr() as usize - file.as_ptr() as usize == s.record.offset as usize));
    }

    #[test]
    fn what_later_versions_add_changes_no_answer(minor: u16, added in btree_map(8u32.., vec(any::<u8>(), 1..99), 0..9)) {
        let good = minimal_case();
        let container = Container::parse(&good, Integrity::Digest).unwrap();
        let mut writer = Writer::new();
        for section in container.sections() {
            writer.section(section.record.kind, section.bytes.to_vec());
        }
        for (kind, bytes) in &added {
            writer.section(Kind(*kind), bytes.clone());
        }
        let mut file = writer.finish().unwrap();
        prop_assert_eq!(rewritten(&file), file.clone());
        put(&mut file, header::MINOR, minor.into());
        seal(&mut file);
        let case = Case::parse(file.as_slice()).unwrap();
        prop_assert_eq!(case.sections().count(), 7 + added.len());
        let mut scratch = typecase_tests::Scratch::new();
        prop_assert_eq!(case.verify(&mut scratch.memory()), Ok(16));
        prop_assert_eq!(case.digest() == container.digest(), added.is_empty() && minor == 0);
    }
}
