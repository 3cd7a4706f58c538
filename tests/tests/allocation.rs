//! Nothing allocates once a session exists, whatever the text; checking a case over a slice allocates nothing at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "common/checkpoints.rs"]
mod checkpoints;

use std::hint::black_box;

use allocation_counter::measure;
use checkpoints::Numbers;
use typecase::Options;
use typecase_engine::{Case, Cell, Integrity, Memory, Session};
use typecase_tests::{CaseParts, encoder, minimal_case, subword};

/// The case that is built into the command.
const SHIPPED: &[u8] = include_bytes!("../../models/news-64k.case");
const SAMPLE_CSV: &str = include_str!("../../models/sample/news.csv");

/// Makes texts one after the other: empty, of news, long, of all of Unicode, of bytes that are no text.
fn texts(count: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers::new(1);
    let rows: Vec<&str> = SAMPLE_CSV.lines().collect();
    let one = |index: usize| -> Vec<u8> {
        let len = numbers.next() as usize;
        match index % 8 {
            0 => Vec::new(),
            1 | 2 => rows[len % rows.len()].into(),
            3 => rows.iter().skip(len % 200).take(len % 150).flat_map(|row| row.bytes()).collect(),
            4 => (0..len % 300)
                .filter_map(|_| char::from_u32(numbers.next() * 17 % 0x11_0000))
                .collect::<String>()
                .into(),
            5 => (0..len % 500).map(|_| numbers.next() as u8).collect(),
            6 => "w1 &amp; W2 &#39;s #36;9 \u{130}\u{301} ".repeat(len % 40).into(),
            _ => vec![b'a' + (len % 26) as u8; len],
        }
    };
    (0..count).map(one).collect()
}

#[track_caller]
fn allocates_nothing(what: &str, work: impl FnOnce()) {
    let found = measure(work);
    assert_eq!((found.count_total, found.bytes_total), (0, 0), "{what} allocated: {found:?}");
}

#[test]
fn a_session_of_the_face_allocates_nothing() {
    let texts = texts(1000);
    let subwords = subword::MODELS.map(|model| CaseParts::subword(model).build());
    let encoder = encoder::device_case(&texts);
    for bytes in [SHIPPED.to_vec(), minimal_case(), encoder].into_iter().chain(subwords) {
        let case = typecase::Case::from_bytes(bytes).unwrap();
        let runnable = typecase::prepare(&case, &Options::default()).unwrap();
        let mut session = runnable.session();
        let mut seen = vec![0u32; case.labels().len() as usize];
        // The first answers too, golden vectors too, and everything that a verdict can be asked.
        allocates_nothing("a session", || {
            for text in &texts {
                let verdict = session.classify(black_box(text)).unwrap();
                let mut best = [0; 3];
                assert_eq!(verdict.top_into(&mut best), 3);
                assert_eq!(best[0], verdict.label_index);
                black_box((verdict.unknown_share(), verdict.probability_of(1), verdict.label));
                seen[verdict.label_index as usize] += 1;
            }
            assert!(session.verify().unwrap() >= 16);
        });
        assert!(seen.iter().filter(|&&n| n > 0).count() > 1, "all texts are alike to it: {seen:?}");
    }
}

#[test]
fn a_session_takes_its_memory_once() {
    let case = typecase::Case::from_bytes(SHIPPED).unwrap();
    let runnable = typecase::prepare(&case, &Options::default()).unwrap();
    let mut session = None;
    let found = measure(|| session = Some(runnable.session()));
    assert_eq!(found.count_total, 2, "ids and numbers");
    assert_eq!(found.bytes_total, case.cost().scratch_bytes as u64, "as the case says before it runs");
    let case = typecase::Case::from_bytes(subword::minimal_case()).unwrap();
    let with_tokenizer = typecase::prepare(&case, &Options::default()).unwrap();
    let found = measure(|| drop(black_box(with_tokenizer.session())));
    assert_eq!(found.count_total, 4, "ids, numbers, tokens and cells");
    assert_eq!(found.bytes_total, case.cost().scratch_bytes as u64);
    let case = runnable.case().clone();
    let found = measure(|| drop(session));
    assert_eq!((found.count_total, found.count_current), (0, -2));
    let found = measure(|| drop(black_box(case.clone())));
    assert_eq!(found.count_total, 0, "a clone of a case shares its bytes");
}

#[test]
fn checking_a_case_over_a_slice_allocates_nothing() {
    let (minimal, with_tokenizer) = (minimal_case(), subword::minimal_case());
    let encoder = encoder::minimal_case();
    for (bytes, sections) in [(SHIPPED, 7), (&minimal, 7), (&with_tokenizer, 8), (&encoder, 6)] {
        for integrity in [Integrity::Digest, Integrity::Structure] {
            allocates_nothing("parsing", || {
                let case = black_box(Case::parse_with(black_box(bytes), integrity));
                assert!(case.is_ok());
            });
        }
        let case = Case::parse(bytes).unwrap();
        allocates_nothing("the views", || {
            black_box((case.cost(), case.name(), case.digest(), case.payload(), case.calibration()));
            assert!(case.labels().iter().all(|label| !label.is_empty()));
            assert!(case.golden().iter().count() >= 16);
            assert_eq!(case.sections().count(), sections);
            assert_eq!(case.tokenizer().is_some(), sections != 7);
            black_box(case.provenance().iter().count());
        });
    }
}

#[test]
fn refusing_a_broken_case_allocates_nothing() {
    let good = minimal_case();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        allocates_nothing("a refusal", || assert!(black_box(Case::parse(bytes.as_slice())).is_err()));
        allocates_nothing("a refusal", || assert!(black_box(Case::parse(&good[..at])).is_err()));
    }
}

#[test]
fn the_engine_with_the_callers_memory_allocates_nothing() {
    let texts = texts(1000);
    let hidden = CaseParts::minimal().build();
    let with_tokenizer = subword::minimal_case();
    for bytes in [SHIPPED, &hidden, &with_tokenizer] {
        let case = Case::parse(bytes).unwrap();
        let cost = case.cost();
        let (mut ids, mut numbers) = (vec![0; cost.ids], vec![0; cost.numbers]);
        let (mut tokens, mut cells) = (vec![0; cost.tokens], vec![Cell::default(); cost.cells]);
        allocates_nothing("the engine", || {
            let (tokens, cells) = (&mut tokens, &mut cells);
            let mut memory = Memory { ids: &mut ids, numbers: &mut numbers, tokens, cells, arena: &mut [] };
            assert!(case.verify(&mut memory).unwrap() >= 16);
            let mut session = Session::new(&case, memory).unwrap();
            for text in &texts {
                let verdict = session.classify(black_box(text));
                assert_eq!(verdict.scores.len(), case.labels().len() as usize);
            }
        });
        allocates_nothing("too little memory", || {
            let memory = Memory { ids: &mut ids[1..], numbers: &mut numbers, ..Memory::default() };
            assert!(Session::new(&case, memory).is_err());
        });
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(Vec::<u8>::with_capacity(100)))).bytes_total, 100);
}
