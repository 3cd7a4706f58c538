//! Every number of a minimal case set to the values that parsers trip over, alone and two at a time: a file is refused
//! or means something, and nothing panics.

use std::collections::BTreeSet;

use typecase_engine::{Integrity, Kind};
use typecase_tests::{LINE_BYTES, Place, Scratch, header, minimal_case, number, put, record, seal};

/// A number of the file, and the length that it could be mistaken for.
#[derive(Clone, Debug)]
struct Field {
    name: String,
    place: Place,
    len: u64,
}

/// Every field of header, records and sections; of tables the first, second and last entries.
fn fields(file: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let file_len = file.len() as u64;
    let header = [
        ("major", header::MAJOR),
        ("minor", header::MINOR),
        ("flags", header::FLAGS),
        ("len", header::LEN),
        ("count", header::COUNT),
        ("reserved", header::RESERVED),
    ];
    fields.extend(header.map(|(name, place)| Field { name: format!("header {name}"), place, len: file_len }));
    for index in 0..number(file, header::COUNT) as usize {
        let place_of = |field| record::of(index, field);
        let kind = Kind(number(file, place_of(record::KIND)) as u32);
        let (offset, len) = (number(file, place_of(record::OFFSET)), number(file, place_of(record::LEN)));
        let record = [
            ("kind", record::KIND),
            ("flags", record::FLAGS),
            ("offset", record::OFFSET),
            ("len", record::LEN),
            ("crc", record::CRC),
            ("reserved", record::RESERVED),
        ];
        fields.extend(record.map(|(name, place)| {
            let len = if name == "offset" { file_len } else { len };
            Field { name: format!("{kind} record {name}"), place: place_of(place), len }
        }));
        for (at, width) in section_fields(kind, &file[offset as usize..(offset + len) as usize]) {
            fields.push(Field {
                name: format!("{kind} byte {at}"),
                place: (offset as usize + at, width),
                len,
            });
        }
    }
    fields
}

/// The fields of a section, relative to it.
fn section_fields(kind: Kind, bytes: &[u8]) -> Vec<Place> {
    let two_bytes = |at: usize| number(bytes, (at, 2)) as usize;
    match kind {
        Kind::LABELS => vec![(0, 4), (4, 4), (8, 4), (12, 4), (16, 4)],
        Kind::TEXT => (0..8).map(|at| (at, 1)).chain([(8, 4), (12, 4), (16, 8), (24, 8)]).collect(),
        Kind::VOCABULARY => {
            let starts = number(bytes, (4, 4)) as usize;
            let start_of = |index: usize| (16 + 2 * index, 2);
            let prints = 16 + 2 * (starts + 1);
            let last = bytes.len() - 1;
            let header = [(0, 4), (4, 4), (8, 1), (9, 1), (10, 4), (14, 2)];
            let starts = [start_of(0), start_of(1), start_of(starts - 1), start_of(starts)];
            header.into_iter().chain(starts).chain([(prints, 1), (prints + 1, 1), (last, 1)]).collect()
        }
        Kind::BAG => {
            let width = two_bytes(4);
            let (bias, head_bias) = (32, 32 + 4 * width);
            let scales = head_bias + 3 * 4 + 3 * width;
            let header =
                [(0, 4), (4, 2), (6, 2), (8, 1), (9, 1), (10, 1), (11, 1), (12, 1), (13, 8), (24, 8)];
            let numbers = [(bias, 4), (bias + 4, 4), (head_bias, 4), (scales, 1), (bytes.len() - 1, 1)];
            header.into_iter().chain(numbers).collect()
        }
        Kind::CALIBRATION => vec![(0, 4), (4, 4), (8, 4), (12, 4)],
        Kind::GOLDEN => {
            let mut fields = vec![(0, 4), (4, 4), (8, 1), (9, 4), (13, 2)];
            let mut at = 16;
            for _ in 0..3 {
                let (text, ids) = (two_bytes(at), two_bytes(at + 2));
                fields.extend([(at, 2), (at + 2, 2), (at + 4 + text, 2)]);
                at += 4 + text + 2 * ids + 3 * 4;
            }
            fields
        }
        Kind::PROVENANCE => vec![(0, 4), (4, 1), (5, 1), (6, 2), (8, 1)],
        Kind::TOKENIZER => {
            let header = (0..6).map(|at| (at, 1)).chain([(6, 2), (8, 4), (12, 4), (44, 4)]);
            let lens = (0..7).map(|part| (16 + 4 * part, 4));
            // And the first numbers of each part.
            let padded = |part: usize| (number(bytes, (16 + 4 * part, 4)) as usize).next_multiple_of(4);
            let starts = (0..7).scan(48, |at, part| {
                let start = *at;
                *at += padded(part);
                Some((start, padded(part)))
            });
            let heads = starts.filter(|(_, len)| *len >= 8).flat_map(|(at, _)| [(at, 4), (at + 4, 4)]);
            header.chain(lens).chain(heads).collect()
        }
        other => panic!("{other} in a minimal case"),
    }
}

/// The values for a field, as far as its width tells them apart.
fn values(file: &[u8], field: &Field) -> Vec<u64> {
    let max = u64::MAX >> (64 - 8 * field.place.1);
    let own = number(file, field.place);
    let asked = [0, 1, u64::MAX, field.len, field.len + 1, field.len - 1, 1 << 31, 1 << 32, 1 << 63];
    let near =
        [2, own + 1, own.wrapping_sub(1), max - 1, max / 2, max / 2 + 1, i32::MAX as u64, u32::MAX.into()];
    let values: BTreeSet<_> = asked.into_iter().chain(near).map(|value| value & max).collect();
    values.into_iter().filter(|&value| value != own).collect()
}

/// Checks a file with and without digests, which are made right for it.
fn check_sealed(mut file: Vec<u8>, scratch: &mut Scratch) {
    let bare = scratch.check(&file, Integrity::Structure).is_ok();
    seal(&mut file);
    for integrity in [Integrity::Crc32, Integrity::Digest] {
        let sealed = scratch.check(&file, integrity).is_ok();
        assert!(!sealed || bare, "digests make a file acceptable");
    }
}

#[test]
fn every_field_with_every_dangerous_value_is_refused_or_harmless() {
    let mut scratch = Scratch::new();
    let mut files = 0;
    for good in [minimal_case(), typecase_tests::subword::minimal_case()] {
        for field in fields(&good) {
            for value in values(&good, &field) {
                let mut file = good.clone();
                put(&mut file, field.place, value);
                let damaged = Integrity::Digest;
                assert!(scratch.check(&file, damaged).is_err(), "{} as {value:#x} is not seen", field.name);
                check_sealed(file, &mut scratch);
                files += 1;
            }
        }
    }
    assert!(files > 2000, "{files}");
}

#[test]
fn every_pair_of_fields_with_dangerous_values_is_refused_or_harmless() {
    let good = minimal_case();
    let fields: Vec<_> = fields(&good).into_iter().map(|f| (f.place, values(&good, &f))).collect();
    let mut scratch = Scratch::new();
    let (mut file, mut files, mut accepted) = (good.clone(), 0, 0);
    for (index, (first, first_values)) in fields.iter().enumerate() {
        for &value in first_values {
            put(&mut file, *first, value);
            for (second, second_values) in fields.iter().skip(index + 1) {
                for &value in second_values {
                    put(&mut file, *second, value);
                    files += 1;
                    accepted += u32::from(scratch.check(&file, Integrity::Structure).is_ok());
                }
                put(&mut file, *second, number(&good, *second));
            }
        }
        put(&mut file, *first, number(&good, *first));
    }
    assert_eq!(file, good);
    assert!(files >= 500_000 && accepted > 0, "{files} files, {accepted} accepted");
}

#[test]
fn every_number_of_records_is_refused_or_harmless() {
    let good = minimal_case();
    let mut scratch = Scratch::new();
    for count in 0..=70 {
        for lines in 0..=70 {
            let mut file = good[..LINE_BYTES].to_vec();
            file.resize(LINE_BYTES * (lines + 1), 0);
            put(&mut file, header::COUNT, count);
            put(&mut file, header::LEN, LINE_BYTES as u64 * (lines as u64 + 1));
            assert!(scratch.check(&file, Integrity::Structure).is_err(), "{count} records in {lines} lines");
        }
    }
}
