//! The normalisers of sub-word tokenizers against `tokenizers`: the same characters with the same places, for every code
//! point and for generated texts, whole and in segments.
//!
//! The rules of a real SentencePiece model are used where `TYPECASE_CHARSMAP` names a file with its
//! `precompiled_charsmap`. To make one: train any model with the Python package `sentencepiece`
//! (`SentencePieceTrainer.train(input=..., model_prefix="m", vocab_size=60, hard_vocab_limit=False)`; its rules are
//! `nmt_nfkc` unless told otherwise), read `m.model` as the protobuf `ModelProto`, and write the bytes of
//! `normalizer_spec.precompiled_charsmap` (field 3, and field 2 in it).
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use tokenizers::normalizer::Range;
use tokenizers::normalizers::Precompiled;
use tokenizers::{NormalizedString, Normalizer as _, NormalizerWrapper};
use typecase_tests::charsmaps::{charsmap, tame_charsmap};
use typecase_text::subword::normalize::{
    Bert, Carry, Charsmap, Held, NormalizerSpec as Spec, Normalizers, PatternSpec, Place, Solid, TableError,
    write, write_solid,
};
use typecase_text::subword::{Cell, Row};

/// Texts for each configuration: a tenth of what the full check takes.
const TEXTS: usize = 20_000;

/// The texts of a test come from this seed and the number of the configuration.
const SEED: u64 = 0x5EED_0001;

/// All code points and ten times the texts, which takes minutes: the full check, for a change of the normalisers.
fn is_full() -> bool {
    env::var_os("TYPECASE_SUBWORD_FULL").is_some()
}

fn text_count() -> usize {
    if is_full() { 10 * TEXTS } else { TEXTS }
}

/// Code points that are always checked: others are unassigned, private, or ideographs; of them every 31st is.
fn is_checked(c: char) -> bool {
    let usual = matches!(c, '\0'..='\u{33FF}' | '\u{A000}'..='\u{AC7F}' | '\u{F900}'..='\u{1FFFF}' | '\u{2F800}'..='\u{2FA1F}'
        | '\u{E0000}'..='\u{E01FF}');
    usual || u32::from(c).is_multiple_of(31) || is_full()
}

/// A configuration: the same normaliser for us and for the reference.
struct Config {
    name: String,
    /// Where its texts come from.
    seed: u64,
    program: Vec<u8>,
    reference: Vec<NormalizerWrapper>,
}

impl Config {
    fn new(name: &str, steps: &[(Spec, NormalizerWrapper)]) -> Self {
        let (specs, reference): (Vec<_>, Vec<_>) = steps.iter().cloned().unzip();
        let seed = SEED.wrapping_add(u64::from(crc32fast::hash(name.as_bytes())) << 32);
        Self { name: name.to_owned(), seed, program: write(&specs), reference }
    }
}

type Step = (Spec, NormalizerWrapper);

fn reference(json: &serde_json::Value) -> NormalizerWrapper {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn plain(spec: Spec, name: &str) -> Step {
    (spec, reference(&serde_json::json!({ "type": name })))
}

fn bert(bits: u8) -> Step {
    let [clean_text, handle_chinese_chars, strip_accents, lowercase] =
        [1, 2, 4, 8].map(|bit| bits & bit != 0);
    let json = serde_json::json!({
        "type": "BertNormalizer", "clean_text": clean_text, "handle_chinese_chars": handle_chinese_chars,
        "strip_accents": strip_accents, "lowercase": lowercase
    });
    (Spec::Bert(Bert { clean_text, handle_chinese_chars, strip_accents, lowercase }), reference(&json))
}

fn strip(left: bool, right: bool) -> Step {
    let json = serde_json::json!({ "type": "Strip", "strip_left": left, "strip_right": right });
    (Spec::Strip { left, right }, reference(&json))
}

fn replace(pattern: &str, content: &str) -> Step {
    let json = serde_json::json!({ "type": "Replace", "pattern": { "String": pattern }, "content": content });
    (
        Spec::Replace { pattern: PatternSpec::Text(pattern.to_owned()), content: content.to_owned() },
        reference(&json),
    )
}

fn replace_regex(pattern: &str, content: &str) -> Step {
    let json = serde_json::json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content });
    let pattern = PatternSpec::from_regex(pattern).unwrap();
    (Spec::Replace { pattern, content: content.to_owned() }, reference(&json))
}

fn prepend(text: &str) -> Step {
    let json = serde_json::json!({ "type": "Prepend", "prepend": text });
    (Spec::Prepend(text.to_owned()), reference(&json))
}

fn precompiled(charsmap: &[u8]) -> Step {
    let rules = Precompiled::from(charsmap).unwrap();
    (Spec::Precompiled(charsmap.to_vec()), NormalizerWrapper::Precompiled(rules))
}

/// The real rules, or nothing, which is said.
fn real_charsmap() -> Option<Vec<u8>> {
    let found = env::var_os("TYPECASE_CHARSMAP").and_then(|path| fs::read(path).ok());
    if found.is_none() {
        xtask::skip::skipped(
            "subword_normalize, the rules of a real SentencePiece model",
            "TYPECASE_CHARSMAP names no file; tests/tests/subword_normalize.rs says how to make one",
        );
    }
    found
}

/// Steps alone, then the sequences of known tokenizers.
fn configs() -> Vec<Config> {
    let nfc = || plain(Spec::Nfc, "NFC");
    let nfkd = || plain(Spec::Nfkd, "NFKD");
    let lower = || plain(Spec::Lowercase, "Lowercase");
    let accents = || plain(Spec::StripAccents, "StripAccents");
    let quotes = || [replace("``", "\""), replace("''", "\"")];
    let spaces = || replace_regex(" {2,}", " ");
    let mut all: Vec<Config> = [0, 1, 2, 4, 5, 7, 8, 9, 11, 12, 15]
        .into_iter()
        .map(|bits| Config::new(&format!("Bert {bits}"), &[bert(bits)]))
        .collect();
    all.extend([
        Config::new("NFC", &[nfc()]),
        Config::new("NFD", &[plain(Spec::Nfd, "NFD")]),
        Config::new("NFKC", &[plain(Spec::Nfkc, "NFKC")]),
        Config::new("NFKD", &[nfkd()]),
        Config::new("Lowercase", &[lower()]),
        Config::new("Strip", &[strip(true, true)]),
        Config::new("Strip left", &[strip(true, false)]),
        Config::new("Strip right", &[strip(false, true)]),
        Config::new("StripAccents", &[accents()]),
        Config::new("Nmt", &[plain(Spec::Nmt, "Nmt")]),
        Config::new("Prepend", &[prepend("\u{2581}x")]),
        Config::new("Replace a text", &[replace("ab", "xyz")]),
        Config::new("Replace overlapping", &[replace("aa", "b")]),
        Config::new("Replace by nothing", &[replace("a", "")]),
        Config::new("Replace spaces", &[replace(" ", "\u{2581}")]),
        Config::new("Replace runs", &[replace_regex(" {2,}", "\u{2581}")]),
        Config::new("Replace white space", &[replace_regex("\\s+", " ")]),
        Config::new("Llama", &[prepend("\u{2581}"), replace(" ", "\u{2581}")]),
        Config::new("CLIP", &[nfc(), replace_regex("\\s+", " "), lower()]),
        Config::new("NFD, StripAccents, NFC", &[plain(Spec::Nfd, "NFD"), accents(), nfc()]),
        Config::new("NFKD, Lowercase, NFKC", &[nfkd(), lower(), plain(Spec::Nfkc, "NFKC")]),
    ]);
    let maps = [("wild", Some(wild_charsmap())), ("tame", Some(tame_charsmap())), ("real", real_charsmap())];
    for (name, map) in maps.iter().filter_map(|(name, map)| Some((name, map.as_ref()?))) {
        let rules = || precompiled(map);
        let [one, other] = quotes();
        let (xlnet, albert) = (
            [one.clone(), other.clone(), nfkd(), accents(), rules(), spaces()],
            [one, other, nfkd(), accents(), lower(), rules(), spaces()],
        );
        all.extend([
            Config::new(&format!("Precompiled, {name}"), &[rules()]),
            Config::new(&format!("XLNet, {name}"), &xlnet),
            Config::new(&format!("ALBERT, {name}"), &albert),
            Config::new(
                &format!("T5, {name}"),
                &[rules(), strip(false, true), replace_regex(" {2,}", "\u{2581}")],
            ),
            Config::new(&format!("DeBERTa-v3, {name}"), &[strip(true, true), rules(), spaces()]),
        ]);
    }
    all
}

/// A character and the bytes that it comes from.
type Placed = (char, i64, i64);

fn expected(config: &Config, text: &str) -> Vec<Placed> {
    let mut whole = NormalizedString::from(text);
    for step in &config.reference {
        step.normalize(&mut whole).unwrap();
    }
    let place = |at: usize, c: char| {
        let place = whole.convert_offsets(Range::Normalized(at..at + c.len_utf8())).unwrap();
        (c, i64::try_from(place.start).unwrap(), i64::try_from(place.end).unwrap())
    };
    whole.get().char_indices().map(|(at, c)| place(at, c)).collect()
}

/// Rows of cells for one program.
struct Ours<'t> {
    program: Normalizers<'t>,
    cells: [Vec<Cell>; 2],
}

impl<'t> Ours<'t> {
    fn new(config: &'t Config) -> Self {
        let program = Normalizers::parse(&config.program).unwrap();
        Self { program, cells: [vec![Cell::default(); 8192], vec![Cell::default(); 8192]] }
    }

    fn run(&mut self, text: &str, base: usize, place: Place, carry: &mut Carry, out: &mut Vec<Placed>) {
        let [first, second] = &mut self.cells;
        let (mut first, mut second) = (Row::new(first), Row::new(second));
        for (start, c) in text.char_indices() {
            let end = u16::try_from(start + c.len_utf8()).unwrap();
            first.push(Cell::new(c, u16::try_from(start).unwrap(), end)).unwrap();
        }
        let held = self.program.run(&mut first, &mut second, place, carry).unwrap();
        let row = if held == Held::First { first } else { second };
        let base = i64::try_from(base).unwrap();
        out.extend(row.cells().iter().map(|cell| {
            let [start, end] = [cell.start(), cell.end()].map(|at| base + i64::from(at.cast_signed()));
            (cell.character(), start, end)
        }));
    }

    fn whole(&mut self, text: &str) -> Vec<Placed> {
        let mut out = Vec::new();
        self.run(text, 0, Place::WHOLE, &mut Carry::new(), &mut out);
        out
    }

    /// The same, cut before every space after a solid character; and how many cuts that makes.
    fn in_segments(&mut self, text: &str, solid: &Solid<'_>) -> (Vec<Placed>, usize) {
        let mut before = None;
        let mut cuts: Vec<usize> = Vec::from([0]);
        for (at, c) in text.char_indices() {
            if c == ' ' && before.is_some_and(|before| solid.holds(before)) {
                cuts.push(at);
            }
            before = Some(c);
        }
        cuts.push(text.len());
        let (mut out, mut carry) = (Vec::new(), Carry::new());
        for pair in cuts.windows(2) {
            let place = Place { first: pair[0] == 0, last: pair[1] == text.len() };
            self.run(&text[pair[0]..pair[1]], pair[0], place, &mut carry, &mut out);
            carry.advance(u16::try_from(pair[1] - pair[0]).unwrap());
        }
        (out, cuts.len() - 2)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    fn within(&mut self, first: u32, last: u32) -> char {
        let code = first + u32::try_from(self.next() % u64::from(last - first + 1)).unwrap();
        char::from_u32(code).unwrap_or('\u{FFFD}')
    }

    fn piece(&mut self, text: &mut String) {
        const WORDS: &[&str] =
            &["the", "ab", "aab", "Oil", "``", "''", "x'", "caf\u{E9}", "na\u{EF}ve", "e\u{301}"];
        const ODD: &[char] = &[
            '\u{0}',
            '\u{1}',
            '\u{1}',
            '\u{7F}',
            '\u{8F}',
            '\u{9F}',
            '\t',
            '\n',
            '\r',
            '\u{B}',
            '\u{85}',
            '\u{A0}',
            '\u{AD}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{2028}',
            '\u{3000}',
            '\u{FEFF}',
            '\u{FFFD}',
            '\u{E000}',
            '\u{600}',
            '\u{6DD}',
            '\u{110BD}',
            '\u{E0001}',
        ];
        const MARKS: &[char] = &[
            '\u{300}',
            '\u{301}',
            '\u{302}',
            '\u{308}',
            '\u{323}',
            '\u{327}',
            '\u{328}',
            '\u{31B}',
            '\u{344}',
            '\u{345}',
            '\u{F71}',
            '\u{F72}',
            '\u{F73}',
            '\u{F81}',
            '\u{5B0}',
            '\u{64B}',
            '\u{3099}',
            '\u{93C}',
            '\u{94D}',
            '\u{9BE}',
            '\u{1D165}',
            '\u{1D16D}',
            '\u{110BA}',
            '\u{E0100}',
            '\u{20DD}',
            '\u{903}',
        ];
        const WIDE: &[char] = &[
            '\u{FDFA}',
            '\u{FB01}',
            '\u{FB03}',
            '\u{BD}',
            '\u{2460}',
            '\u{33A5}',
            '\u{1E9B}',
            '\u{130}',
            '\u{3A3}',
            '\u{1D15F}',
            '\u{1F82}',
            '\u{212B}',
            '\u{958}',
            '\u{2F81A}',
            '\u{A8}',
            '\u{1C4}',
            '\u{149}',
            '\u{DF}',
        ];
        const EMOJI: &[char] = &[
            '\u{1F468}',
            '\u{200D}',
            '\u{1F469}',
            '\u{1F3FD}',
            '\u{2764}',
            '\u{FE0F}',
            '\u{1F1E6}',
            '\u{1F1FA}',
            '\u{A9}',
        ];
        let kind = self.below(20);
        let len = 1 + self.below(4);
        match kind {
            0..=3 => text.push_str(self.of(WORDS)),
            4 | 5 => (0..len).for_each(|_| text.push(self.within(0x21, 0x7E))),
            6..=8 => text.push(' '),
            9 => text.push_str("   "),
            10 => text.push(self.of(ODD)),
            11 | 12 => (0..len).for_each(|_| text.push(self.of(MARKS))),
            13 => text.push(self.of(WIDE)),
            14 => (0..len).for_each(|_| text.push(self.of(EMOJI))),
            15 => (0..len).for_each(|_| text.push(self.within(0x1100, 0x11FF))),
            16 => text.push(self.within(0xAC00, 0xD7A3)),
            17 => text.push(self.within(0x4E00, 0x9FFF)),
            18 => (0..len).for_each(|_| text.push(self.within(0x80, 0x1FFF))),
            _ => text.push(self.within(0x80, 0x2_FFFF)),
        }
    }

    fn text(&mut self, pieces: usize) -> String {
        let mut text = String::new();
        let pieces = 1 + self.below(pieces);
        (0..pieces).for_each(|_| self.piece(&mut text));
        text
    }
}

/// Runs a check for every configuration, on all processors; panics with the first differences of each.
fn check_all(configs: &[Config], check: impl Fn(&Config) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(config) = configs.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.extend(check(config));
        }
        found
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{} configurations differ:\n{}", found.len(), found.join("\n"));
}

/// Compares texts; one line with the number of differences and the first of them.
fn differences(
    config: &Config,
    texts: impl Iterator<Item = String>,
    mut ours: impl FnMut(&str) -> Vec<Placed>,
) -> Vec<String> {
    let (mut count, mut first) = (0usize, None);
    for text in texts {
        let (ours, theirs) = (ours(&text), expected(config, &text));
        if ours != theirs {
            count += 1;
            let shown =
                || format!("{text:?} ({}):\n  ours   {ours:?}\n  theirs {theirs:?}", text.escape_unicode());
            first.get_or_insert_with(shown);
        }
    }
    first.map(|first| format!("{}: {count} differ, the first {first}", config.name)).into_iter().collect()
}

#[test]
fn every_code_point_alone_becomes_what_the_reference_makes_of_it() {
    check_all(&configs(), |config| {
        let mut ours = Ours::new(config);
        differences(config, ('\0'..=char::MAX).filter(|c| is_checked(*c)).map(String::from), |text| {
            ours.whole(text)
        })
    });
}

#[test]
fn generated_texts_have_the_characters_and_places_of_the_reference() {
    check_all(&configs(), |config| {
        let (mut ours, mut random) = (Ours::new(config), Random(config.seed));
        differences(config, (0..text_count()).map(|_| random.text(12)), |text| ours.whole(text))
    });
}

#[test]
fn long_texts_and_runs_of_marks_are_as_in_the_reference() {
    check_all(&configs(), |config| {
        let (mut ours, mut random) = (Ours::new(config), Random(config.seed + 1));
        let long = (0..500).map(|_| random.text(200)).collect::<Vec<_>>();
        let marks = (0..200).map(|_| {
            let mut text = String::from("\u{1}a");
            (0..300).for_each(|_| text.push(random.within(0x300, 0x36F)));
            text + "\u{F73}b \u{301}"
        });
        let marks = marks.collect::<Vec<_>>();
        differences(config, long.into_iter().chain(marks), |text| ours.whole(text))
    });
}

#[test]
fn a_text_cut_after_solid_characters_is_the_same_as_a_whole_one() {
    let uncut = AtomicUsize::new(0);
    let configs = configs();
    check_all(&configs, |config| {
        let (mut ours, mut random) = (Ours::new(config), Random(config.seed + 2));
        let table = write_solid(&ours.program);
        let solid = Solid::parse(&table).unwrap();
        let mut cuts = 0;
        let texts = (0..text_count() / 4).map(|_| random.text(24));
        let found = differences(config, texts, |text| {
            let (found, made) = ours.in_segments(text, &solid);
            cuts += made;
            found
        });
        if cuts < text_count() / 8 {
            uncut.fetch_add(1, Ordering::Relaxed);
            assert!(config.name.ends_with("wild"), "{} is cut {cuts} times only", config.name);
        }
        found
    });
    assert!(uncut.into_inner() <= 5);
}

#[test]
fn solid_characters_are_those_that_nothing_sees_across() {
    let rows: &[(&str, char, bool)] = &[
        ("Bert 15", 'a', true),
        ("Bert 15", '.', true),
        ("Bert 15", ' ', false),
        ("Bert 15", '\u{1}', false),
        ("Bert 15", '\u{E9}', true),
        ("Bert 15", '\u{301}', false),
        ("Bert 15", '\u{4E2D}', false),
        ("NFKC", '\u{A8}', false),
        ("NFKC", '\u{4E2D}', true),
        ("NFC", '\u{1161}', false),
        ("ALBERT, tame", '`', false),
        ("ALBERT, tame", 'a', true),
        ("ALBERT, tame", '\u{600}', false),
        ("Replace runs", 'a', true),
        ("Replace by nothing", 'a', false),
        ("Precompiled, tame", '\u{AD}', false),
        ("Precompiled, wild", 'a', false),
    ];
    let configs = configs();
    for (name, c, solid) in rows {
        let config = configs.iter().find(|config| config.name == *name).unwrap();
        let program = Normalizers::parse(&config.program).unwrap();
        assert_eq!(program.solid(*c), *solid, "{name}: {c:?}");
        let table = write_solid(&program);
        assert!(!Solid::parse(&table).unwrap().holds(*c) || *solid, "{name}: {c:?}");
    }
}

#[test]
fn broken_programs_are_errors_and_broken_rules_are_harmless() {
    for config in configs() {
        for len in 0..config.program.len().min(300) {
            assert!(Normalizers::parse(&config.program[..len]).is_err(), "{} cut to {len}", config.name);
        }
    }
    let whole = tame_charsmap();
    let mut random = Random(SEED + 3);
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(8) {
            let at = random.below(bytes.len());
            bytes[at] = random.next().to_le_bytes()[0];
        }
        let program = write(&[Spec::Precompiled(bytes)]);
        let config = Config { name: String::new(), seed: 0, program, reference: Vec::new() };
        match Normalizers::parse(&config.program) {
            Ok(_) => {
                let text = random.text(12);
                Ours::new(&config).whole(&text);
            }
            Err(error) => assert_eq!(error, TableError::Charsmap),
        }
    }
    assert!(matches!(Charsmap::parse(&[]), Err(TableError::Charsmap)));
    assert!(matches!(Charsmap::parse(&[255, 255, 255, 255, 0]), Err(TableError::Charsmap)));
    for (steps, number) in [
        (vec![Spec::Nfc, Spec::Prepend(String::new())], 1),
        (vec![Spec::Replace { pattern: PatternSpec::Text(String::new()), content: "a".to_owned() }], 0),
        (vec![Spec::Replace { pattern: PatternSpec::Text("a".repeat(65)), content: String::new() }], 0),
        (vec![Spec::Replace { pattern: PatternSpec::White(0), content: String::new() }], 0),
    ] {
        assert_eq!(Normalizers::parse(&write(&steps)).unwrap_err(), TableError::Text { number });
    }
    assert_eq!(Normalizers::parse(&write(&vec![Spec::Nfc; 17])).unwrap_err(), TableError::Header);
    let twice = [Spec::Precompiled(whole.clone()), Spec::Precompiled(whole)];
    assert_eq!(Normalizers::parse(&write(&twice)).unwrap_err(), TableError::Charsmap);
    assert_eq!(
        Normalizers::parse(&[1, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]).unwrap_err(),
        TableError::Step { number: 0, kind: 99 }
    );
}

#[test]
fn regular_expressions_are_taken_only_where_they_are_trivial() {
    let rows = [
        (" {2,}", Some(PatternSpec::Run(' ', 2))),
        (" +", Some(PatternSpec::Run(' ', 1))),
        ("\\s+", Some(PatternSpec::White(1))),
        ("\\s{3,}", Some(PatternSpec::White(3))),
        ("ab", Some(PatternSpec::Text("ab".to_owned()))),
        ("", None),
        ("a|b", None),
        ("[ab]+", None),
        ("ab+", None),
        ("\\d+", None),
        (" {0,}", None),
        (" {+2,}", None),
        (" {,}", None),
    ];
    for (expression, expected) in rows {
        assert_eq!(PatternSpec::from_regex(expression), expected, "{expression:?}");
    }
}

/// Rules that no model has: letters and spaces are deleted, and prefixes of other rules.
fn wild_charsmap() -> Vec<u8> {
    charsmap(&[
        ("\u{1}", ""),
        ("a", ""),
        ("b", "xy"),
        ("b\u{301}", "never"),
        (" ", ""),
        ("\r\n", "rn"),
        ("\n", "  "),
        ("\u{301}", ""),
        ("\u{600}", "n"),
        ("\u{BD}", "1\u{2044}2"),
        ("\u{1F468}", "m"),
        ("\u{FB01}", "fi"),
        ("\u{E9}", "e"),
        ("t\u{302}", ""),
        ("t\u{308}", "tttt"),
        ("\u{AC00}", "\u{1100}\u{1161}"),
        ("~", "\u{F73}\u{301}"),
    ])
}
