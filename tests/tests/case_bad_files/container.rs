//! Bad headers, records, gaps and lengths.

use typecase_engine::FormatError as E;
use typecase_engine::{Error, Kind};
use typecase_tests::{LINE_BYTES, header, put, record};

use super::BadFiles;

pub(super) fn add(files: &mut BadFiles) {
    add_cut(files);
    add_headers(files);
    add_records(files);
    add_damage(files);
}

/// The length of the minimal case; the places of its sections are multiples of 64 from 512 on.
const LEN: u64 = 1747;

fn add_cut(files: &mut BadFiles) {
    let cut = |len: usize| move |file: &mut Vec<u8>| file.truncate(len);
    let needs = |len, needed| E::Truncated { len, needed };
    files.raw("empty", cut(0), needs(0, 64));
    files.raw("cut_in_magic", cut(7), needs(7, 64));
    files.raw("cut_after_magic", cut(8), needs(8, 64));
    files.raw("cut_in_header", cut(63), needs(63, 64));
    files.raw("cut_after_header", cut(64), needs(64, LEN));
    files.raw("cut_in_records", cut(300), needs(300, LEN));
    files.raw("cut_after_records", cut(512), needs(512, LEN));
    files.raw("cut_in_labels", cut(520), needs(520, LEN));
    files.raw("cut_in_gap", cut(560), needs(560, LEN));
    files.raw("cut_before_last_byte", cut(LEN as usize - 1), needs(LEN - 1, LEN));
    let cut_and_declared = |len: usize| {
        move |file: &mut Vec<u8>| {
            file.truncate(len);
            put(file, header::LEN, len as u64);
        }
    };
    files.sealed("only_a_header", cut_and_declared(64), needs(64, 512));
    files.sealed("cut_in_records_and_declared", cut_and_declared(511), needs(511, 512));
    let bounds = |section, offset, len, file_len| E::SectionOutOfBounds { section, offset, len, file_len };
    files.sealed("only_header_and_records", cut_and_declared(512), bounds(1, 512, 34, 512));
    files.sealed("cut_in_labels_and_declared", cut_and_declared(545), bounds(1, 512, 34, 545));
    files.sealed("cut_in_gap_and_declared", cut_and_declared(560), bounds(2, 576, 32, 560));
    let last = bounds(7, 1728, 19, LEN - 1);
    files.sealed("cut_before_last_byte_and_declared", cut_and_declared(LEN as usize - 1), last);
    let too_long = |declared| E::TrailingBytes { len: LEN + 1, declared };
    files.raw("one_byte_too_many", |file| file.push(0), too_long(LEN));
    let grow = |file: &mut Vec<u8>| {
        file.push(0);
        put(file, header::LEN, LEN + 1);
    };
    files.sealed("one_byte_too_many_and_declared", grow, too_long(LEN));
    let double = |file: &mut Vec<u8>| file.extend_from_within(..);
    files.raw("two_files_in_one", double, E::TrailingBytes { len: 2 * LEN, declared: LEN });
}

fn add_headers(files: &mut BadFiles) {
    let with = |place, value| move |file: &mut Vec<u8>| put(file, place, value);
    files.sealed("magic_without_its_first_bit", |file| file[0] = 0x09, E::Magic);
    files.sealed("magic_after_text_transfer", |file| file[4] = b'\n', E::Magic);
    files.sealed("magic_of_a_png", |file| file[1..4].copy_from_slice(b"PNG"), E::Magic);
    files.sealed("magic_in_lower_case", |file| file[1..4].make_ascii_lowercase(), E::Magic);
    files.raw("all_zero", |file| file.fill(0), E::Magic);
    files.raw("all_ones", |file| file.fill(0xFF), E::Magic);
    let version = |major, minor| E::Version { major, minor };
    files.sealed("major_version_0", with(header::MAJOR, 0), version(0, 0));
    files.sealed("major_version_2", with(header::MAJOR, 2), version(2, 0));
    files.sealed("major_version_65535", with(header::MAJOR, 65_535), version(65_535, 0));
    files.sealed("big_endian_version", with(header::MAJOR, 0x100), version(256, 0));
    let flags = |section, flags| E::UnknownFlags { section, flags };
    files.sealed("header_flag_0", with(header::FLAGS, 1), flags(0, 1));
    files.sealed("header_flag_31", with(header::FLAGS, 1 << 31), flags(0, 1 << 31));
    let length = |needed| E::Truncated { len: LEN, needed };
    files.sealed("length_one_too_high", with(header::LEN, LEN + 1), length(LEN + 1));
    files.sealed("length_beyond_signed", with(header::LEN, 1 << 63), length(1 << 63));
    files.sealed("length_of_all_bits", with(header::LEN, u64::MAX), length(u64::MAX));
    let shorter = |declared| E::TrailingBytes { len: LEN, declared };
    files.sealed("length_one_too_low", with(header::LEN, LEN - 1), shorter(LEN - 1));
    files.sealed("length_0", with(header::LEN, 0), shorter(0));
    files.sealed("no_sections", with(header::COUNT, 0), E::SectionCount { count: 0 });
    files.sealed("65_sections", with(header::COUNT, 65), E::SectionCount { count: 65 });
    let count = u32::MAX;
    files.sealed("sections_of_all_bits", with(header::COUNT, count.into()), E::SectionCount { count });
    files.sealed("64_sections_in_a_short_file", with(header::COUNT, 64), length(65 * 64));
    files.sealed("header_reserved", with(header::RESERVED, 1), E::Reserved { section: 0, offset: 28 });
}

fn add_records(files: &mut BadFiles) {
    let with = |index, field, value| move |file: &mut Vec<u8>| put(file, record::of(index, field), value);
    let order = |section| E::SectionOrder { section };
    files.sealed("kind_0", with(0, record::KIND, 0), order(0));
    files.sealed("kind_doubled", with(2, record::KIND, 2), order(2));
    files.sealed("kinds_fall", with(2, record::KIND, 1), order(1));
    files.parts("sections_swapped", |parts| parts.sections.swap(3, 4), order(4));
    let doubled = |parts: &mut typecase_tests::CaseParts| parts.sections.push(parts.sections[6].clone());
    files.parts("section_doubled", doubled, order(7));
    let offset = |section, offset, expected| E::SectionOffset { section, offset, expected };
    files.sealed("first_section_over_records", with(0, record::OFFSET, 448), offset(1, 448, 512));
    files.sealed("section_over_header", with(0, record::OFFSET, 0), offset(1, 0, 512));
    files.sealed("sections_overlap", with(1, record::OFFSET, 512), offset(2, 512, 576));
    files.sealed("section_misaligned", with(1, record::OFFSET, 577), offset(2, 577, 576));
    files.sealed("section_directly_after", with(1, record::OFFSET, 546), offset(2, 546, 576));
    files.sealed("gap_of_a_whole_line", with(1, record::OFFSET, 640), offset(2, 640, 576));
    files.sealed("offset_of_all_bits", with(1, record::OFFSET, u64::MAX), offset(2, u64::MAX, 576));
    files.sealed("offset_beyond_32_bits", with(1, record::OFFSET, (1 << 32) + 576), {
        offset(2, (1 << 32) + 576, 576)
    });
    files.sealed("section_over_the_next", with(0, record::LEN, 65), offset(2, 576, 640));
    let bounds = |section, offset, len| E::SectionOutOfBounds { section, offset, len, file_len: LEN };
    files.sealed("empty_section", with(1, record::LEN, 0), bounds(2, 576, 0));
    files.sealed("section_beyond_the_end", with(6, record::LEN, 20), bounds(7, 1728, 20));
    files.sealed("length_that_wraps", with(6, record::LEN, u64::MAX), bounds(7, 1728, u64::MAX));
    let wraps = u64::MAX - 1728 + 1;
    files.sealed("length_that_wraps_to_0", with(6, record::LEN, wraps), bounds(7, 1728, wraps));
    let trailing = E::TrailingBytes { len: LEN, declared: LEN - 1 };
    files.sealed("last_section_too_short_for_the_file", with(6, record::LEN, 18), trailing);
    let reserved = |offset| E::Reserved { section: 0, offset };
    files.sealed("first_record_reserved", with(0, record::RESERVED, 1), reserved(64 + 28));
    files.sealed("last_record_reserved", with(6, record::RESERVED, 1 << 31), reserved(7 * 64 + 28));
    files.sealed("gap_not_zero", |file| file[546] = 1, reserved(546));
    files.sealed("end_of_gap_not_zero", |file| file[575] = 0xFF, reserved(575));
    let flags = |section, flags| E::UnknownFlags { section, flags };
    files.sealed("known_section_ignorable", with(3, record::FLAGS, 1), flags(4, 1));
    files.sealed("section_flag_1", with(3, record::FLAGS, 2), flags(4, 2));
    files.sealed("section_flag_31", with(3, record::FLAGS, 1 << 31), flags(4, 1 << 31));
    let added = |kind, flags| {
        move |parts: &mut typecase_tests::CaseParts| parts.sections.push((Kind(kind), flags, vec![1, 2, 3]))
    };
    files.parts("unknown_section", added(10, 0), E::UnknownSection { section: 10 });
    files.parts("unknown_signature", added(64, 0), E::UnknownSection { section: 64 });
    files.parts("unknown_kind_of_all_bits", added(u32::MAX, 0), E::UnknownSection { section: u32::MAX });
    files.parts("unknown_section_with_unknown_flag", added(10, 3), flags(10, 3));
    for (name, section) in [
        ("no_labels", Kind::LABELS),
        ("no_text", Kind::TEXT),
        ("no_vocabulary", Kind::VOCABULARY),
        ("no_bag", Kind::BAG),
        ("no_calibration", Kind::CALIBRATION),
        ("no_golden", Kind::GOLDEN),
        ("no_provenance", Kind::PROVENANCE),
    ] {
        let error = E::MissingSection { section: section.0 };
        files.parts(name, |parts| parts.remove(section), error);
    }
}

fn add_damage(files: &mut BadFiles) {
    let flip = |at: usize| move |file: &mut Vec<u8>| file[at] ^= 1;
    files.raw("minor_version_changed", flip(10), E::HeaderDigest);
    files.raw("header_digest_changed", flip(63), E::HeaderDigest);
    files.raw("record_digest_changed", flip(LINE_BYTES + 32), E::HeaderDigest);
    files.raw("record_crc_changed", flip(LINE_BYTES + 24), E::HeaderDigest);
    files.raw("first_byte_of_labels_changed", flip(512), E::SectionCrc { section: 1 });
    files.raw("byte_of_the_bag_changed", flip(1000), E::SectionCrc { section: 4 });
    files.raw("last_byte_changed", flip(LEN as usize - 1), E::SectionCrc { section: 7 });
    // What a forger of checksums leaves behind: only the digest of the section tells.
    let forged = |file: &mut Vec<u8>| {
        let place = record::of(3, record::DIGEST);
        let digest = file[place.0..place.0 + place.1].to_vec();
        file[1000] ^= 1;
        typecase_tests::seal(file);
        file[place.0..place.0 + place.1].copy_from_slice(&digest);
        reseal_header(file);
    };
    files.raw("crc_forged", forged, E::SectionDigest { section: 4 });
    let wrong = |section| move |file: &mut Vec<u8>| file[LINE_BYTES * section + 24] ^= 1;
    let crc_wrong = |file: &mut Vec<u8>| {
        wrong(7)(file);
        reseal_header(file);
    };
    files.raw("crc_wrong_in_a_sealed_header", crc_wrong, Error::Format(E::SectionCrc { section: 7 }));
}

/// Makes the digest of the header right for records that are wrong.
fn reseal_header(file: &mut [u8]) {
    let mut records = file.to_vec();
    // Without sections to look at, sealing leaves the records alone.
    records.truncate(512);
    typecase_tests::seal(&mut records);
    file[32..64].copy_from_slice(&records[32..64]);
}
