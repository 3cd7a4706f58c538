//! Texts that run together get the verdicts that each gets alone, whatever room there is for them.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use typecase::Options;
use typecase_case::sections::encoder::EncoderPooling;
use typecase_engine::{Case, Cpu, MOST_TEXTS, Session};
use typecase_tests::{CaseParts, Scratch, encoder, minimal_case, subword};

/// Texts of no, one and many tokens, in no order; more than are run at once.
fn texts() -> Vec<String> {
    let words = ["w1", "w2 w3", "x", ".", "", "w10 w11 w12 w13 w14 w15 w16 w17", "qq"];
    (0..3 * MOST_TEXTS + 5).map(|nth| words[nth * 5 % 7].repeat(1 + nth % 3)).collect()
}

/// Label, scores, truncated: one for each text, in their order.
type Found = Vec<(u32, Vec<i32>, bool)>;

fn one_by_one(case: &Case<&[u8]>, texts: &[String]) -> Found {
    let mut scratch = Scratch::of(case);
    let mut session = Session::new(case, scratch.memory()).unwrap();
    let verdicts = texts.iter().map(|text| {
        let verdict = session.classify(text.as_bytes());
        (verdict.label_index, verdict.scores.to_vec(), verdict.truncated)
    });
    verdicts.collect()
}

fn together(case: &Case<&[u8]>, texts: &[String], tokens: usize) -> Found {
    let mut scratch = Scratch::of_cost(&case.batch_cost(tokens));
    let mut session = Session::new(case, scratch.memory()).unwrap();
    let mut found = Vec::new();
    session.classify_batch(texts, |nth, verdict| {
        assert_eq!(nth, found.len(), "texts come in their order");
        found.push((verdict.label_index, verdict.scores.to_vec(), verdict.truncated));
    });
    found
}

#[test]
fn texts_of_unequal_lengths_get_the_verdicts_that_each_gets_alone() {
    let texts = texts();
    let device =
        encoder::device_case(&texts.iter().map(|text| text.clone().into_bytes()).collect::<Vec<_>>());
    let cases = [
        CaseParts::encoder(EncoderPooling::Mean).build(),
        CaseParts::encoder(EncoderPooling::First).build(),
        device,
        minimal_case(),
        subword::minimal_case(),
    ];
    for bytes in &cases {
        for cpu in Cpu::all() {
            let case = Case::parse(bytes.as_slice()).unwrap().on(cpu);
            let expected = one_by_one(&case, &texts);
            for tokens in [0, 1, 20, 64, 200, 5000] {
                assert_eq!(together(&case, &texts, tokens), expected, "{cpu}, room for {tokens} tokens");
            }
            assert!(together(&case, &[], 100).is_empty());
        }
    }
}

#[test]
fn a_session_of_the_face_allocates_nothing_for_a_batch() {
    let texts = texts();
    for bytes in [CaseParts::encoder(EncoderPooling::Mean).build(), minimal_case()] {
        let case = typecase::Case::from_bytes(bytes).unwrap();
        let runnable = typecase::prepare(&case, &Options::default()).unwrap();
        let mut session = runnable.batch_session(300);
        let mut count = 0;
        let found = allocation_counter::measure(|| {
            session
                .classify_batch(&texts, |_, verdict| count += usize::from(!verdict.label.is_empty()))
                .unwrap();
        });
        assert_eq!((found.count_total, count), (0, texts.len()), "{found:?}");
    }
}
