//! Cases with a sub-word tokenizer: what they answer, what their section may hold, and that nothing damaged gets past.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use typecase_engine::{
    Case, Cell, Error, FormatError, Integrity, Kind, Memory, Session, Tokenizer, TokenizerError,
};
use typecase_tests::subword::{MAX_TOKENS, MODELS, minimal_case, table};
use typecase_tests::{CaseParts, GOLDEN_TEXTS, Scratch, number, record};
use typecase_text::hash;
use typecase_text::ngrams::token_hash;
use typecase_text::subword::{Output, Scratch as Cells};

#[test]
fn every_kind_of_model_gives_its_golden_vectors_and_says_what_it_is() {
    for model in MODELS {
        let file = CaseParts::subword(model).build();
        let case = Case::parse(file.as_slice()).unwrap();
        assert_eq!(case.verify(&mut Scratch::new().memory()), Ok(16), "{model}");
        let tokenizer = case.tokenizer().unwrap();
        let cost = case.cost();
        assert_eq!((cost.tokens, cost.cells), (MAX_TOKENS as usize, tokenizer.scratch_cells()));
        assert_eq!(cost.scratch_bytes, 4 * (cost.ids + cost.numbers + cost.tokens) + 8 * cost.cells);
        let distinct: BTreeSet<Vec<u32>> = case.golden().iter().map(|v| v.ids().collect()).collect();
        assert!(distinct.len() > 8, "{model} makes the same of all texts: {distinct:?}");
        assert!(distinct.iter().any(|ids| ids.len() == cost.ids), "{model} cuts no text");
    }
    assert!(minimal_case().len() <= 4096, "{} bytes", minimal_case().len());
    let words = typecase_tests::minimal_case();
    let case = Case::parse(words.as_slice()).unwrap();
    assert!(case.tokenizer().is_none());
    assert_eq!((case.cost().tokens, case.cost().cells), (0, 0));
}

/// The features of a text, written a second time: tokens, pairs of neighbours, pairs with one between.
fn specified(tokens: &[u32]) -> Vec<u32> {
    let hashed: Vec<u32> = tokens.iter().map(|&id| token_hash(id)).collect();
    let mut features = Vec::new();
    for (at, &token) in hashed.iter().enumerate() {
        features.push(hash::finish(token));
        if at >= 1 {
            features.push(hash::finish(hash::join(hashed[at - 1], token)));
        }
        if at >= 2 {
            features.push(hash::finish(hash::join(hash::join(hashed[at - 2], 0x5EED_5C1B), token)));
        }
    }
    features
}

#[test]
fn ids_are_those_of_the_ngrams_of_the_tokens_without_special_ones() {
    let mut scratch = Scratch::new();
    let texts = GOLDEN_TEXTS.map(<[u8]>::to_vec).into_iter().chain([b"w1 zebra [SEP] w2 w2 w11".to_vec()]);
    for (model, text) in MODELS.iter().flat_map(|model| texts.clone().map(move |text| (model, text))) {
        let file = CaseParts::subword(model).build();
        let case = Case::parse(file.as_slice()).unwrap();
        let tokenizer = case.tokenizer().unwrap();
        let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
        let mut tokens = [0; 64];
        let limit = text.len().min(typecase_tests::subword::MAX_BYTES as usize);
        let output = Output { ids: &mut tokens, spans: &mut [], special: false };
        let found = tokenizer.encode(&text[..limit], output, &mut Cells::new(&mut cells)).unwrap();
        let tokens = &tokens[..found.len];
        let vocabulary = case.vocabulary().unwrap();
        let all = specified(tokens);
        let held: Vec<u32> = all.iter().filter_map(|&feature| vocabulary.id(feature)).collect();
        let ids = &held[..held.len().min(case.cost().ids)];

        assert_eq!(scratch.vector(&case, &text).ids, ids, "{model}: {text:?}");
        let truncated = limit < text.len() || found.truncated || held.len() > ids.len();
        let verdict = typecase_engine::classify(&case, &text, scratch.memory());
        assert_eq!(verdict.truncated, truncated, "{model}: {text:?}");
        if !truncated {
            let unknown = tokens
                .iter()
                .filter(|&&id| {
                    Some(id) == tokenizer.unknown_id()
                        || vocabulary.id(hash::finish(token_hash(id))).is_none()
                })
                .count();
            assert_eq!((verdict.words as usize, verdict.unknown_words as usize), (tokens.len(), unknown));
        }
    }
}

#[test]
fn a_session_needs_all_its_memory() {
    let file = minimal_case();
    let case = Case::parse(file.as_slice()).unwrap();
    let cost = case.cost();
    let (mut ids, mut numbers) = (vec![0; cost.ids], vec![0; cost.numbers]);
    let (mut tokens, mut cells) = (vec![0; cost.tokens], vec![Cell::default(); cost.cells]);
    for (what, less) in [("tokens", (1, 0)), ("cells", (0, 1)), ("", (0, 0))] {
        let memory = Memory {
            ids: &mut ids,
            numbers: &mut numbers,
            tokens: &mut tokens[less.0..],
            cells: &mut cells[less.1..],
            arena: &mut [],
        };
        match Session::new(&case, memory) {
            Err(error) => assert!(matches!(error, Error::Memory { what: w, .. } if w == what), "{error}"),
            Ok(mut session) => {
                assert_eq!(what, "");
                assert!(session.classify(b"w1 w2").words > 2);
            }
        }
    }
}

/// Runs `work` for every byte of the tokenizer section of the minimal case, on every core.
fn for_every_byte_of_the_section(work: impl Fn(&mut Vec<u8>, usize, &mut Scratch) + Sync) {
    let good = minimal_case();
    let start = number(&good, record::of(7, record::OFFSET)) as usize;
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let (good, work) = (&good, &work);
    thread::scope(|scope| {
        for core in 0..cores {
            scope.spawn(move || {
                let (mut file, mut scratch) = (good.clone(), Scratch::new());
                for at in (start..good.len()).skip(core).step_by(cores) {
                    work(&mut file, at, &mut scratch);
                    file[at] = good[at];
                }
            });
        }
    });
}

#[test]
fn with_digests_every_changed_byte_of_the_section_is_refused() {
    for_every_byte_of_the_section(|file, at, _| {
        let good = file[at];
        for change in 1..=u8::MAX {
            file[at] = good ^ change;
            for integrity in [Integrity::Digest, Integrity::Crc32] {
                assert!(Case::parse_with(file.as_slice(), integrity).is_err(), "byte {at} changed");
            }
        }
    });
}

#[test]
fn without_digests_a_changed_byte_of_the_section_is_refused_or_harmless() {
    let (parses, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    for_every_byte_of_the_section(|file, at, scratch| {
        let good = file[at];
        for change in 1..=u8::MAX {
            file[at] = good ^ change;
            // `check` panics if an accepted case does not make sense.
            let harmless = scratch.check(file, Integrity::Structure).is_ok();
            accepted.fetch_add(harmless.into(), Relaxed);
            parses.fetch_add(1, Relaxed);
        }
    });
    let (parses, accepted) = (parses.into_inner(), accepted.into_inner());
    assert!(parses > 100_000 && accepted > 0 && accepted < parses / 2, "{accepted} of {parses} are accepted");
}

#[test]
fn every_table_that_is_cut_or_too_long_is_refused() {
    for model in MODELS {
        let (whole, mut parts) = (table(model), CaseParts::subword(model));
        for len in 1..whole.len() {
            parts.section(Kind::TOKENIZER).truncate(0);
            parts.section(Kind::TOKENIZER).extend(&whole[..len]);
            let error = Case::parse(parts.build()).unwrap_err();
            assert!(matches!(error, Error::Tokenizer(_)), "{model}, {len} bytes: {error}");
        }
        *parts.section(Kind::TOKENIZER) = [whole.as_slice(), &[0; 4]].concat();
        let error = Case::parse(parts.build()).unwrap_err();
        assert!(matches!(error, Error::Tokenizer(TokenizerError::Length { .. })), "{model}: {error}");
        assert_eq!(error.code(), 201);
    }
}

#[test]
fn a_reader_that_knows_no_tokenizer_refuses_the_case() {
    // To such a reader the kind is as unknown as the next one is to this.
    let mut parts = CaseParts::subword("bpe");
    parts.sections.iter_mut().find(|section| section.0 == Kind::TOKENIZER).unwrap().0 = Kind(10);
    let error = Case::parse(parts.build()).unwrap_err();
    assert_eq!(error, FormatError::UnknownSection { section: 10 }.into());
}

#[test]
fn any_bytes_have_a_verdict() {
    let mut scratch = Scratch::new();
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    for model in MODELS {
        let file = CaseParts::subword(model).build();
        let case = Case::parse(file.as_slice()).unwrap();
        for len in (0..200).chain([5000]) {
            let text: Vec<u8> =
                (0..len).map(|_| if next() < 128 { b"w123 .x"[len % 7] } else { next() }).collect();
            let verdict = typecase_engine::classify(&case, &text, scratch.memory());
            assert!(verdict.unknown_words <= verdict.words && verdict.words <= MAX_TOKENS);
        }
    }
}

#[test]
fn the_view_of_each_text_equals_the_checked_table() {
    for model in MODELS {
        let table = table(model);
        let [parsed, viewed] = [Tokenizer::parse(&table).unwrap(), Tokenizer::view(&table).unwrap()];
        assert_eq!(format!("{parsed:?}"), format!("{viewed:?}"));
    }
}
