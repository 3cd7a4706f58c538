//! Hostile texts: the tokenizer makes steps in proportion to the text, remembers nothing that grows, and cuts a text
//! that stands twice into twice the features.
//!
//! No clock: what is counted is features handed out, of which there is a most for each byte; steps without one are a
//! single pass over the text by construction.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use allocation_counter::measure;
use typecase_text::{Encoded, NgramSpec, Ngrams, Normalizer, Symbol};

/// All that there is.
const ALL: NgramSpec = NgramSpec {
    word_max: 6,
    char_min: 1,
    char_max: 6,
    marks: true,
    cased: true,
    skips: true,
    max_bytes: u32::MAX,
};

/// Words and pairs alone, the way through the fast path.
const WORDS: NgramSpec = NgramSpec { max_bytes: u32::MAX, ..NgramSpec::words(2) };

/// The most features of one token: its n-grams of words, a skip pair, its case; and for each character and the two
/// boundaries its n-grams.
const fn most(spec: NgramSpec, steps: u64) -> u64 {
    let token = spec.word_max as u64 + spec.skips as u64 + spec.cased as u64;
    let character = if spec.char_max == 0 { 0 } else { (spec.char_max - spec.char_min + 1) as u64 };
    // A token has at least one step of the normaliser, and with characters one boundary more.
    steps * (token + 2 * character)
}

/// What a scan gave: how many features, their sum in which order does not matter, and the report.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scan {
    count: u64,
    sum: u64,
    report: Encoded,
}

/// Scans a text, which must not allocate.
fn scan(spec: NgramSpec, text: &[u8]) -> Scan {
    let ngrams = Ngrams::new(spec).unwrap();
    let (mut count, mut sum, mut report) = (0, 0u64, Encoded::default());
    let allocated = measure(|| {
        report = ngrams.scan(text, |feature, _| {
            count += 1;
            sum = sum.wrapping_add(u64::from(feature));
            ControlFlow::Continue(())
        });
    });
    assert_eq!(allocated.count_total, 0, "memory that grows with the text");
    Scan { count, sum, report }
}

/// Texts that broke others, each made so long by the number of its parts.
fn hostile(parts: usize) -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |part: &str| part.repeat(parts).into_bytes();
    vec![
        ("one character", repeat("^")),
        ("one letter", repeat("a")),
        ("one digit", repeat("7")),
        ("spaces", repeat(" ")),
        ("zeros", vec![0; parts]),
        ("combining marks", repeat("\u{301}")),
        ("a letter with combining marks", format!("e{}", "\u{301}\u{327}".repeat(parts)).into_bytes()),
        ("capitals that grow", repeat("\u{130}")),
        ("ligatures", repeat("\u{fdfa}")),
        ("ampersands", repeat("&")),
        ("open numeric references", repeat("&#")),
        ("open hexadecimal references", repeat("&#x")),
        ("references that never end", repeat("&#12345678")),
        ("references to references", repeat("&amp;amp;amp;")),
        ("debris", repeat("#39;quot;lt;amp;")),
        ("tags that never open", repeat("<")),
        ("tags that never close", repeat("<a href=\"")),
        ("boundary marks", repeat("<>")),
        ("Han", repeat("\u{4e00}")),
        ("zero-width joiners", repeat("\u{200d}")),
        ("flags", repeat("\u{1f1e6}\u{1f1e7}")),
        ("invalid bytes", vec![0xFF; parts]),
        ("first bytes alone", vec![0xF0; parts]),
        ("last bytes alone", vec![0x80; parts]),
        ("surrogates", b"\xED\xA0\x80".repeat(parts)),
        ("overlong forms", b"\xC0\xAF\xE0\x80\x80".repeat(parts)),
        ("short words", repeat("a b ")),
        ("marks and words", repeat("a.b,c! ")),
    ]
}

#[test]
fn features_grow_in_proportion_to_a_hostile_text() {
    for spec in [ALL, WORDS] {
        let texts = hostile(20_000).into_iter().zip(hostile(40_000)).zip(hostile(60_000));
        for (((name, one), (_, two)), (_, three)) in texts {
            let [a, b, c] = [&one, &two, &three].map(|text| scan(spec, text).count);
            // The same number more for the same length more: nothing but a line through them.
            assert_eq!(b - a, c - b, "{name}: {a}, {b}, {c} features");
            let steps = Normalizer::new(&one).count() as u64;
            assert!(steps <= one.len() as u64, "{name}: {steps} steps for {} bytes", one.len());
            assert!(a <= most(spec, steps), "{name}: {a} features of {steps} steps");
        }
    }
}

#[test]
fn a_line_of_megabytes_is_read_to_its_end() {
    let mut line = Vec::new();
    for (_, text) in hostile(20_000) {
        line.extend_from_slice(&text);
        line.push(b' ');
    }
    let line = line.repeat(8_000_000 / line.len() + 1);
    assert!(line.len() >= 8_000_000);
    for spec in [ALL, WORDS] {
        let found = scan(spec, &line);
        assert!(!found.report.truncated && found.report.words > 500_000, "{:?}", found.report);
        // Cut at a million bytes, it is the same as the text of a million bytes, and says so.
        let cut = scan(NgramSpec { max_bytes: 1_000_000, ..spec }, &line);
        let whole = scan(spec, &line[..1_000_000]);
        assert!(cut.report.truncated);
        assert!(cut.count <= whole.count && cut.count + 100 > whole.count);
    }
}

#[test]
fn a_million_of_the_same_are_a_text_like_any_other() {
    for (name, text) in hostile(1_000_000) {
        let found = scan(WORDS, &text);
        assert!(found.count <= most(WORDS, text.len() as u64), "{name}");
        assert!(!found.report.truncated, "{name}");
    }
    let [letters, marks, invalid] =
        ["a".repeat(1_000_000).into_bytes(), "\u{301}".repeat(1_000_000).into_bytes(), vec![0xFF; 1_000_000]];
    let report = |text: &[u8]| scan(WORDS, text).report;
    assert_eq!(report(&letters).words, 1);
    assert!(report(&marks).words <= 1);
    assert_eq!((report(&invalid).words, report(&invalid).invalid_utf8), (0, 1_000_000));
}

/// Features of words and characters, without those that join tokens.
const ALONE: NgramSpec = NgramSpec { word_max: 1, skips: false, ..ALL };

#[test]
fn a_text_that_stands_twice_has_its_features_twice() {
    for (name, text) in hostile(3000) {
        // A break, and no mark that could go on after it.
        let twice = [text.as_slice(), b" \n ", text.as_slice()].concat();
        let (one, two) = (scan(ALONE, &text), scan(ALONE, &twice));
        let expected = (one.count * 2, one.sum.wrapping_mul(2), one.report.words * 2);
        assert_eq!((two.count, two.sum, two.report.words), expected, "{name}");
        assert_eq!(two.report.invalid_utf8, one.report.invalid_utf8 * 2, "{name}");

        // With n-grams that join tokens: twice, and at most those that reach over the joint.
        let (one, two) = (scan(ALL, &text), scan(ALL, &twice));
        let joint = u64::from(ALL.word_max) * u64::from(ALL.word_max - 1) / 2 + 2;
        assert!((one.count * 2..=one.count * 2 + joint).contains(&two.count), "{name}: {one:?}, {two:?}");
    }
}

#[test]
fn every_code_point_is_a_text() {
    let ngrams = Ngrams::new(ALL).unwrap();
    let mut features = [0; 64];
    let (mut text, mut all) = ([0; 4], Vec::new());
    for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
        let bytes = c.encode_utf8(&mut text).as_bytes();
        let found = ngrams.features_into(bytes, &mut features);
        assert!(!found.truncated && found.invalid_utf8 == 0 && found.words <= 1, "{c:?}: {found:?}");
        assert!(found.len as u64 <= most(ALL, 1), "{c:?}: {found:?}");
        all.extend_from_slice(bytes);
    }
    let found = scan(ALL, &all);
    assert!(!found.report.truncated && found.report.invalid_utf8 == 0);
    assert!(found.count <= most(ALL, 0x11_0000));
    // Lossy reading changes nothing where nothing is lost.
    assert_eq!(scan(ALL, String::from_utf8_lossy(&all).as_bytes()), found);
}

#[test]
fn three_bytes_are_read_as_lossy_utf8_reads_them() {
    // Every first and second byte; third bytes at the edges of what UTF-8 tells apart, and a letter.
    let thirds = [
        0x00, 0x20, b'a', b';', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xE0, 0xED, 0xF0, 0xF4, 0xFF,
    ];
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            for third in thirds {
                let bytes = [first, second, third];
                let (mut ours, mut invalid) = (Normalizer::new(&bytes), 0);
                let mut steps = 0;
                while ours.next().is_some() {
                    steps += 1;
                }
                for chunk in bytes.utf8_chunks() {
                    invalid += u32::from(!chunk.invalid().is_empty());
                }
                assert!(steps <= 3, "{bytes:02x?}");
                assert_eq!(ours.invalid(), invalid, "{bytes:02x?}");
            }
        }
    }
}

#[test]
fn invalid_bytes_part_words_and_nothing_more() {
    let letters = |text: &[u8]| -> Vec<Symbol> {
        Normalizer::new(text).filter(|symbol| matches!(symbol, Symbol::Letter { .. })).collect()
    };
    let breaking: BTreeSet<usize> =
        (0..=u8::MAX).filter(|byte| *byte >= 0x80).map(|byte| letters(&[b'a', byte, b'b']).len()).collect();
    assert_eq!(breaking, BTreeSet::from([2]), "a byte that is no UTF-8 adds no letter and takes none");
}
