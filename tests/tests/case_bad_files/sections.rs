//! Bad sections, in a container that is right.

use typecase_engine::{Error, FormatError as E, Kind};
use typecase_tests::put;
use typecase_text::{SpecError, VocabularyError as V};

use super::BadFiles;

pub(super) fn add(files: &mut BadFiles) {
    add_labels(files);
    add_texts(files);
    add_vocabularies(files);
    add_calibrations(files);
    add_golden(files);
    add_provenance(files);
}

/// Sets a number of `width` bytes.
fn set(at: usize, width: usize, value: u64) -> impl FnOnce(&mut Vec<u8>) {
    move |section| put(section, (at, width), value)
}

const fn range(kind: Kind, what: &'static str, found: u64) -> E {
    E::OutOfRange { section: kind.0, what, found }
}

const fn short(kind: Kind) -> E {
    E::SectionTooShort { section: kind.0 }
}

const fn long(kind: Kind, left: u64) -> E {
    E::SectionTooLong { section: kind.0, left }
}

const fn reserved(kind: Kind, offset: u64) -> E {
    E::Reserved { section: kind.0, offset }
}

fn add_labels(files: &mut BadFiles) {
    // count, 0, 5, 10, 14, "world" at 20, "sport" at 25, "tech" at 30.
    const KIND: Kind = Kind::LABELS;
    let text = |index| E::Text { section: 1, index };
    let order = |index| E::Order { section: 1, index };
    files.section("labels_of_3_bytes", KIND, |s| s.truncate(3), short(KIND));
    files.section("labels_end_in_their_table", KIND, |s| s.truncate(19), short(KIND));
    files.section("label_cut", KIND, |s| s.truncate(33), text(2));
    files.section("labels_too_long", KIND, |s| s.push(b'x'), long(KIND, 1));
    files.section("no_classes", KIND, set(0, 4, 0), range(KIND, "number of classes", 0));
    files.section("one_class", KIND, set(0, 4, 1), range(KIND, "number of classes", 1));
    let many = |s: &mut Vec<u8>| {
        s.resize(400_000, 0);
        put(s, (0, 4), 65_536);
    };
    files.section("65536_classes", KIND, many, range(KIND, "number of classes", 65_536));
    files.section("classes_of_all_bits", KIND, set(0, 4, u32::MAX.into()), short(KIND));
    files.section("labels_start_late", KIND, set(4, 4, 1), order(0));
    files.section("label_ends_fall", KIND, set(12, 4, 4), order(1));
    files.section("label_ends_beyond_names", KIND, set(8, 4, 15), text(0));
    files.section("label_ends_at_all_bits", KIND, set(16, 4, u32::MAX.into()), text(2));
    files.section("last_label_ends_early", KIND, set(16, 4, 13), long(KIND, 1));
    files.section("empty_label", KIND, set(8, 4, 0), text(0));
    files.section("label_not_utf8", KIND, |s| s[21] = 0xFF, text(0));
    let surrogate = |s: &mut Vec<u8>| s[25..28].copy_from_slice(b"\xED\xA0\x80");
    files.section("label_with_a_surrogate", KIND, surrogate, text(1));
    let split = |s: &mut Vec<u8>| s[24..26].copy_from_slice("é".as_bytes());
    files.section("character_over_two_labels", KIND, split, text(0));
    files.section("label_with_line_feed", KIND, |s| s[30] = b'\n', text(2));
    files.section("label_with_nul", KIND, |s| s[30] = 0, text(2));
    files.section("label_with_escape", KIND, |s| s[30] = 0x1B, text(2));
    let c1 = |s: &mut Vec<u8>| s[30..32].copy_from_slice("\u{85}".as_bytes());
    files.section("label_with_c1_control", KIND, c1, text(2));
    let long_name = |s: &mut Vec<u8>| {
        s.extend([b'x'; 252]);
        put(s, (16, 4), 14 + 252);
    };
    files.section("label_of_256_bytes", KIND, long_name, text(2));
}

fn add_texts(files: &mut BadFiles) {
    const KIND: Kind = Kind::TEXT;
    files.section("text_too_short", KIND, |s| s.truncate(31), short(KIND));
    files.section("text_too_long", KIND, |s| s.push(0), long(KIND, 1));
    files.section("tokenizer_0", KIND, set(0, 1, 0), range(KIND, "tokenizer", 0));
    files.section("tokenizer_3", KIND, set(0, 1, 3), range(KIND, "tokenizer", 3));
    files.section("normaliser_2", KIND, set(1, 1, 2), range(KIND, "normaliser", 2));
    files.section("word_order_0", KIND, set(2, 1, 0), SpecError::WordOrder(0));
    files.section("word_order_7", KIND, set(2, 1, 7), SpecError::WordOrder(7));
    files.section("character_order_without_least", KIND, set(4, 1, 3), SpecError::CharacterOrders(0, 3));
    files.section("character_order_without_most", KIND, set(3, 1, 3), SpecError::CharacterOrders(3, 0));
    files.section("character_orders_fall", KIND, set(3, 2, 0x02_03), SpecError::CharacterOrders(3, 2));
    files.section("character_order_7", KIND, set(3, 2, 0x07_03), SpecError::CharacterOrders(3, 7));
    files.section("unknown_text_flag", KIND, set(5, 1, 8), range(KIND, "flags", 8));
    files.section("text_reserved", KIND, set(16, 1, 1), reserved(KIND, 16));
    files.section("text_reserved_at_the_end", KIND, set(31, 1, 0x80), reserved(KIND, 31));
    let (major, minor, _) = typecase_engine::UNICODE_VERSION;
    let unicode = |case| Error::Unicode { case, program: (major, minor) };
    files.section("older_unicode", KIND, set(6, 1, (major - 1).into()), unicode((major - 1, minor)));
    files.section("newer_unicode", KIND, set(7, 1, (minor + 1).into()), unicode((major, minor + 1)));
    files.section("texts_of_0_bytes", KIND, set(8, 4, 0), range(KIND, "text limit in bytes", 0));
    let limit = (1 << 24) + 1;
    files.section("texts_over_16_mib", KIND, set(8, 4, limit), range(KIND, "text limit in bytes", limit));
    files.section("texts_of_0_ids", KIND, set(12, 4, 0), range(KIND, "text limit in ids", 0));
    files.section("texts_of_65536_ids", KIND, set(12, 4, 65_536), range(KIND, "text limit in ids", 65_536));
}

fn add_vocabularies(files: &mut BadFiles) {
    // 58 features, 6 buckets, 8 bits, 2 bytes; starts at 16 (0, 13, 18, 27, 37, 46, 58), fingerprints from 30.
    const KIND: Kind = Kind::VOCABULARY;
    let count = |count, buckets| V::Count { count, buckets };
    files.section("vocabulary_of_15_bytes", KIND, |s| s.truncate(15), V::TooShort { len: 15 });
    files.section("no_features", KIND, set(0, 4, 0), count(0, 6));
    files.section("features_over_the_limit", KIND, set(0, 4, (1 << 24) + 1), count((1 << 24) + 1, 6));
    files.section("no_buckets", KIND, set(4, 4, 0), count(58, 0));
    files.section("more_buckets_than_features", KIND, set(4, 4, 59), count(58, 59));
    files.section("fingerprints_of_0_bits", KIND, set(8, 1, 0), V::FingerprintBits(0));
    files.section("fingerprints_of_12_bits", KIND, set(8, 1, 12), V::FingerprintBits(12));
    files.section("wide_starts_for_few_features", KIND, set(9, 1, 4), V::StartWidth(4));
    files.section("narrow_starts_for_many_features", KIND, set(0, 4, 65_536), V::StartWidth(2));
    files.section("vocabulary_reserved", KIND, set(15, 1, 1), V::Reserved);
    let length = |needed, len| V::Length { needed, len };
    files.section("vocabulary_cut", KIND, |s| s.truncate(87), length(88, 87));
    files.section("vocabulary_too_long", KIND, |s| s.push(0xFF), length(88, 89));
    files.section("one_feature_more", KIND, set(0, 4, 59), length(89, 88));
    files.section("wider_fingerprints", KIND, set(8, 1, 16), length(88 + 58, 88));
    files.section("first_start_not_0", KIND, set(16, 2, 1), V::Starts { bucket: 0 });
    files.section("starts_fall", KIND, set(20, 2, 12), V::Starts { bucket: 1 });
    files.section("start_beyond_features", KIND, set(22, 2, 59), V::Starts { bucket: 2 });
    files.section("last_start_too_low", KIND, set(28, 2, 57), V::Starts { bucket: 6 });
    files.section("last_start_too_high", KIND, set(28, 2, 59), V::Starts { bucket: 5 });
    files.section("fingerprints_swapped", KIND, |s| s.swap(30, 31), V::Fingerprints { bucket: 0 });
    files.section("fingerprint_doubled", KIND, |s| s[87] = s[86], V::Fingerprints { bucket: 5 });
}

fn add_calibrations(files: &mut BadFiles) {
    const KIND: Kind = Kind::CALIBRATION;
    files.section("calibration_too_short", KIND, |s| s.truncate(15), short(KIND));
    files.section("calibration_too_long", KIND, |s| s.push(0), long(KIND, 1));
    files.section("calibration_reserved", KIND, set(14, 1, 1), reserved(KIND, 14));
    let mut bad = |name, at, value: f32| {
        let what =
            ["score scale (IEEE bits)", "temperature (IEEE bits)", "abstain threshold (IEEE bits)"][at / 4];
        let bits = value.to_bits().into();
        files.section(name, KIND, set(at, 4, bits), range(KIND, what, bits));
    };
    bad("scale_0", 0, 0.0);
    bad("scale_negative", 0, -0.001);
    bad("scale_nan", 0, f32::NAN);
    bad("scale_infinite", 0, f32::INFINITY);
    bad("scale_denormal", 0, f32::MIN_POSITIVE / 2.0);
    bad("temperature_0", 4, 0.0);
    bad("temperature_negative_0", 4, -0.0);
    bad("temperature_negative", 4, -1.0);
    bad("temperature_nan", 4, -f32::NAN);
    bad("temperature_infinite", 4, f32::INFINITY);
    bad("temperature_denormal", 4, f32::from_bits(1));
    bad("threshold_nan", 8, f32::NAN);
    bad("threshold_negative", 8, -0.5);
    bad("threshold_negative_0", 8, -0.0);
    bad("threshold_over_1", 8, 1.0 + f32::EPSILON);
    bad("threshold_infinite", 8, f32::INFINITY);
    let mut bad_quotient = |name, scale: f32, temperature: f32| {
        let numbers = u64::from(scale.to_bits()) | u64::from(temperature.to_bits()) << 32;
        let what = "temperature (IEEE bits)";
        files.section(name, KIND, set(0, 8, numbers), range(KIND, what, temperature.to_bits().into()));
    };
    bad_quotient("temperature_that_makes_the_scale_infinite", f32::MAX, 0.5);
    bad_quotient("temperature_that_makes_the_scale_denormal", f32::MIN_POSITIVE, 2.0);
    bad_quotient("temperature_that_makes_the_scale_0", f32::MIN_POSITIVE, f32::MAX);
}

fn add_golden(files: &mut BadFiles) {
    // Vector 0 at 16: no text, no ids, scores at 20; vector 1 at 32: "W1", one id at 38, scores at 40.
    const KIND: Kind = Kind::GOLDEN;
    files.section("golden_header_cut", KIND, |s| s.truncate(15), short(KIND));
    files.section("golden_cut", KIND, |s| s.truncate(s.len() - 1), short(KIND));
    files.section("golden_too_long", KIND, |s| s.push(0), long(KIND, 1));
    files.section("15_golden_vectors", KIND, set(0, 4, 15), range(KIND, "number of vectors", 15));
    files.section("1025_golden_vectors", KIND, set(0, 4, 1025), range(KIND, "number of vectors", 1025));
    files.section("one_golden_vector_more", KIND, set(0, 4, 17), short(KIND));
    files.section("golden_ids_of_3_bytes", KIND, set(8, 1, 3), range(KIND, "bytes of an id", 3));
    files.section("golden_reserved", KIND, set(9, 1, 1), reserved(KIND, 9));
    files.section("golden_of_one_class", KIND, set(4, 4, 1), range(KIND, "number of classes", 1));
    files.section("golden_of_all_classes", KIND, set(4, 4, 65_536), range(KIND, "number of classes", 65_536));
    let enlarged = |text: u64, ids: u64| {
        move |s: &mut Vec<u8>| {
            s.splice(20..20, vec![0; text as usize + 2 * ids as usize]);
            put(s, (16, 2), text);
            put(s, (18, 2), ids);
        }
    };
    files.section(
        "golden_text_of_4097_bytes",
        KIND,
        enlarged(4097, 0),
        range(KIND, "length of a vector", 4097),
    );
    files.section("golden_of_4097_ids", KIND, enlarged(0, 4097), range(KIND, "length of a vector", 4097));
    files.section("golden_text_beyond_section", KIND, set(16, 2, 65_535), short(KIND));
    let mismatch = |what, left, right| E::Mismatch { what, left, right };
    let id = "id of a golden vector and rows";
    files.section("golden_id_of_no_row", KIND, set(38, 2, 58), mismatch(id, 58, 58));
    files.section("golden_id_of_all_bits", KIND, set(38, 2, 65_535), mismatch(id, 65_535, 58));
    // Sixteen vectors without text and ids: 4 + 3 * 4 bytes each are 16 of four classes with 12 bytes less.
    let blank = |classes: u64, id_bytes: u64| {
        move |s: &mut Vec<u8>| {
            s.clear();
            s.resize(16 + 16 * (4 + 4 * classes as usize), 0);
            put(s, (0, 4), 16);
            put(s, (4, 4), classes);
            put(s, (8, 1), id_bytes);
        }
    };
    let what = "labels and golden classes";
    files.section("golden_of_four_classes", KIND, blank(4, 2), mismatch(what, 3, 4));
    let what = "bytes of a golden id and of the rows";
    files.section("golden_ids_too_wide", KIND, blank(3, 4), mismatch(what, 4, 2));
    let golden = |index, what| Error::Golden { index, what };
    files.section("golden_score_off_by_one", KIND, |s| s[20] ^= 1, golden(0, "scores"));
    files.section("golden_id_of_another_row", KIND, |s| s[38] ^= 1, golden(1, "ids"));
    files.section("golden_text_of_another_word", KIND, |s| s[37] = b'2', golden(1, "ids"));
    files.section("golden_of_unknown_words", KIND, |s| s[36] = b'?', golden(1, "ids"));
    files.section("weights_of_another_model", Kind::BAG, |s| s[52] ^= 1, golden(0, "scores"));
    files.section("limits_of_another_model", Kind::TEXT, set(12, 4, 7), golden(5, "ids"));
}

fn add_provenance(files: &mut BadFiles) {
    // count, then 4, 0, 7 (two bytes), "name" at 8, "minimal" at 12.
    const KIND: Kind = Kind::PROVENANCE;
    let text = |index| E::Text { section: 7, index };
    let order = |index| E::Order { section: 7, index };
    let entries = "number of entries";
    files.section("provenance_of_3_bytes", KIND, |s| s.truncate(3), short(KIND));
    files.section("provenance_cut", KIND, |s| s.truncate(18), short(KIND));
    files.section("provenance_too_long", KIND, |s| s.push(0), long(KIND, 1));
    files.section("no_entries", KIND, set(0, 4, 0), range(KIND, entries, 0));
    files.section("65_entries", KIND, set(0, 4, 65), range(KIND, entries, 65));
    files.section("one_entry_more", KIND, set(0, 4, 2), short(KIND));
    files.section("entry_reserved", KIND, set(5, 1, 1), reserved(KIND, 5));
    let listed = |entries: &'static [(&'static str, &'static str)]| {
        move |s: &mut Vec<u8>| {
            s.truncate(4);
            put(s, (0, 4), entries.len() as u64);
            for (key, value) in entries {
                s.extend([key.len() as u8, 0]);
                s.extend((value.len() as u16).to_le_bytes());
                s.extend(key.bytes().chain(value.bytes()));
            }
        }
    };
    files.section("no_name", KIND, listed(&[("data", "x")]), range(KIND, "number of names", 0));
    files.section("keys_doubled", KIND, listed(&[("name", "x"), ("name", "y")]), order(1));
    files.section("keys_fall", KIND, listed(&[("name", "x"), ("data", "y")]), order(1));
    files.section("empty_key", KIND, listed(&[("", "y"), ("name", "x")]), text(0));
    files.section("empty_name", KIND, listed(&[("name", "")]), text(0));
    files.section("key_with_tab", KIND, listed(&[("name", "x"), ("o\tther", "y")]), text(1));
    files.section("name_with_line_feed", KIND, listed(&[("name", "a\nb")]), text(0));
    files.section("name_not_utf8", KIND, |s| s[12] = 0xC0, text(0));
    files.section("key_not_utf8", KIND, |s| s[8] = 0x80, text(0));
    let enlarged = |values: usize| {
        move |s: &mut Vec<u8>| {
            s.clear();
            s.extend((values as u32).to_le_bytes());
            for key in 0..values {
                s.extend([4, 0, 0, 16]);
                s.extend(format!("k{key:03}").bytes().chain([b'x'; 4096]));
            }
        }
    };
    files.section(
        "provenance_over_64_kib",
        KIND,
        enlarged(16),
        range(KIND, "number of bytes", 4 + 16 * 4104),
    );
}

pub(super) fn add_bags(files: &mut BadFiles) {
    // 58 rows of width 5, 3 classes; bias at 32, head bias at 52, head weights at 64, scales at 79, rows at 137.
    const KIND: Kind = Kind::BAG;
    assert!(typecase_tests::CaseParts::minimal().section(KIND).len() == 311);
    files.section("bag_header_cut", KIND, |s| s.truncate(31), short(KIND));
    files.section("bag_cut_in_bias", KIND, |s| s.truncate(51), short(KIND));
    files.section("bag_cut_in_head", KIND, |s| s.truncate(78), short(KIND));
    files.section("bag_cut_in_scales", KIND, |s| s.truncate(136), short(KIND));
    files.section("bag_cut_in_rows", KIND, |s| s.truncate(310), short(KIND));
    files.section("bag_too_long", KIND, |s| s.push(0), long(KIND, 1));
    files.section("no_rows", KIND, set(0, 4, 0), range(KIND, "number of rows", 0));
    let rows = (1 << 24) + 1;
    files.section("rows_over_the_limit", KIND, set(0, 4, rows), range(KIND, "number of rows", rows));
    files.section("rows_at_the_limit", KIND, set(0, 4, 1 << 24), short(KIND));
    files.section("width_0", KIND, set(4, 2, 0), range(KIND, "width", 0));
    files.section("width_4097", KIND, set(4, 2, 4097), range(KIND, "width", 4097));
    files.section("bag_of_one_class", KIND, set(6, 2, 1), range(KIND, "number of classes", 1));
    files.section("weights_of_2_bits", KIND, set(8, 1, 2), range(KIND, "bits of a weight", 2));
    files.section("scales_of_16_bits", KIND, set(9, 1, 16), range(KIND, "bits of a row's scale", 16));
    files.section("pooling_3", KIND, set(10, 1, 3), range(KIND, "pooling", 3));
    files.section("head_2", KIND, set(11, 1, 2), range(KIND, "head", 2));
    files.section("shift_32", KIND, set(12, 1, 32), range(KIND, "shift of the hidden layer", 32));
    files.section("shift_without_head", KIND, set(11, 1, 0), range(KIND, "shift of the hidden layer", 2));
    files.section("bag_reserved", KIND, set(13, 1, 1), reserved(KIND, 13));
    files.section("bag_reserved_at_the_end", KIND, set(31, 1, 1), reserved(KIND, 31));
    let mismatch = |what, left, right| E::Mismatch { what, left, right };
    let width = mismatch("width and classes", 5, 3);
    files.section("no_head_but_another_width", KIND, set(11, 2, 0), width);
    files.section("scale_of_a_row_0", KIND, set(81, 1, 0), range(KIND, "scale of 0 for row", 2));
    files.section("padding_not_zero", KIND, |s| s[310] |= 0x10, range(KIND, "padding of a row", 1));
    let row_less = |s: &mut Vec<u8>| {
        s.truncate(308);
        s.remove(79);
        put(s, (0, 4), 57);
    };
    files.section("one_row_less_than_features", KIND, row_less, mismatch("features and rows", 58, 57));
    let class_more = |s: &mut Vec<u8>| {
        s.splice(64..64, [0; 9]);
        put(s, (6, 2), 4);
    };
    let what = "labels and classes";
    files.section("one_class_more_than_labels", KIND, class_more, mismatch(what, 3, 4));

    let overflow = |what, bound| E::Overflow { what, bound };
    let min = u64::from(i32::MIN.cast_unsigned());
    // The square root of 8, in steps of 1/256, is 724.
    files.section("lowest_bias", KIND, set(32, 4, min), overflow("bias of the sums", 724 << 31));
    files.section("lowest_bias_of_scores", KIND, set(52, 4, min), overflow("bias of the scores", 724 << 31));
    let summed = |bias: u64| {
        move |s: &mut Vec<u8>| {
            put(s, (10, 1), 0);
            put(s, (32, 4), bias);
            s[79] = 255;
        }
    };
    // Eight ids of a row of -8, counted 255 times; then a shift of 2, and five weights of -128 and the largest bias.
    let (highest, sum) = (i32::MAX as u64, 8 * 8 * 255);
    files.section(
        "sum_one_too_high",
        KIND,
        summed(highest - sum + 1),
        overflow("sum of a text", highest + 1),
    );
    let score = (highest >> 2) * 128 * 5 + 610;
    files.section("score_too_high", KIND, summed(highest - sum), overflow("score of a text", score));
}
