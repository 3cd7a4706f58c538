//! A classification in steps: the verdict of the whole run for every budget, and no step beyond its bound.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use allocation_counter::measure;
use typecase_case::sections::encoder::EncoderPooling;
use typecase_engine::{Case, Cpu, Session, Verdict};
use typecase_tests::{CaseParts, GOLDEN_TEXTS, Scratch, subword};

/// Cases of every kind of model.
fn cases() -> Vec<Vec<u8>> {
    let mut cases: Vec<Vec<u8>> = [EncoderPooling::Mean, EncoderPooling::First]
        .into_iter()
        .map(|pooling| CaseParts::encoder(pooling).build())
        .collect();
    cases.push(CaseParts::minimal().build());
    cases.push(subword::minimal_case());
    cases.push(std::fs::read(xtask::workspace_root().unwrap().join("models/news-64k.case")).unwrap());
    cases
}

fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = GOLDEN_TEXTS.iter().map(|text| text.to_vec()).collect();
    texts.push(b"Oil prices soar to all-time record".to_vec());
    texts.extend((0..6).map(|n| format!("w{} x. w{} {}", n * 7 % 31, n, "w3 ".repeat(n)).into_bytes()));
    texts
}

/// What must be equal, to the bit.
fn parts(verdict: &Verdict<'_>) -> (Vec<i32>, u32, u32, u32, [bool; 2], [u32; 4]) {
    let Verdict { label_index, probability, score_scale, truncated, abstain, .. } = *verdict;
    let Verdict { words, unknown_words, tokens, invalid_utf8, .. } = *verdict;
    (
        verdict.scores.to_vec(),
        label_index,
        probability.to_bits(),
        score_scale.to_bits(),
        [truncated, abstain],
        [words, unknown_words, tokens, invalid_utf8],
    )
}

#[test]
fn every_budget_gives_the_verdict_of_the_whole_run_on_every_kernel() {
    let budgets = (1..40).chain((6..33).flat_map(|bit| [(1u64 << bit) - 1, (1 << bit) + 3]));
    let budgets: Vec<u32> = budgets.map(|budget| u32::try_from(budget).unwrap_or(u32::MAX)).collect();
    for file in cases() {
        let case = Case::parse(file.as_slice()).unwrap();
        let (mut whole, mut stepped) = (Scratch::of(&case), Scratch::of(&case));
        for cpu in Cpu::all() {
            let case = case.clone().on(cpu);
            let mut expected = Session::new(&case, whole.memory()).unwrap();
            let mut session = Session::new(&case, stepped.memory()).unwrap();
            let texts = texts();
            for (nth, budget) in budgets.iter().enumerate() {
                // Every text with some of the budgets, every budget with some of the texts.
                for text in texts.iter().skip(nth % 5).step_by(5) {
                    let expected = parts(&expected.classify(text));
                    let mut steps = session.begin(text);
                    while !steps.classify_step(*budget) {}
                    let found = parts(&steps.verdict());
                    assert_eq!(
                        found,
                        expected,
                        "{}, {cpu}: budget {budget}, {}",
                        case.name(),
                        text.escape_ascii()
                    );
                }
            }
        }
    }
}

#[test]
fn budgets_that_change_from_step_to_step_and_a_run_that_is_finished_at_once() {
    for file in cases() {
        let case = Case::parse(file.as_slice()).unwrap();
        let (mut whole, mut stepped) = (Scratch::of(&case), Scratch::of(&case));
        let mut expected = Session::new(&case, whole.memory()).unwrap();
        let mut session = Session::new(&case, stepped.memory()).unwrap();
        for (nth, text) in texts().iter().enumerate() {
            let expected = parts(&expected.classify(text));
            let mut budget = nth as u32 + 1;
            let mut steps = session.begin(text);
            for _ in 0..nth * 3 {
                budget = budget.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
                steps.classify_step(budget >> (12 + budget % 20));
            }
            assert_eq!(parts(&steps.verdict()), expected, "{}", text.escape_ascii());
        }
    }
}

/// That no step costs more than it may is shown where the pieces are made, in the engine.
#[test]
fn more_steps_for_less_budget_and_two_without_a_bound() {
    for file in cases() {
        let case = Case::parse(file.as_slice()).unwrap();
        let mut scratch = Scratch::of(&case);
        let mut session = Session::new(&case, scratch.memory()).unwrap();
        let mut count = |budget: u32| {
            let mut steps = session.begin(b"w1 w2 w3 x. w5 oil prices soar to all-time record");
            let mut count = 1;
            while !steps.classify_step(budget) {
                count += 1;
            }
            count
        };
        let least = u32::try_from(case.least_step()).unwrap();
        let counts = [1, least, 4 * least, 16 * least, u32::MAX].map(&mut count);
        assert!(least > 0 && counts.is_sorted_by(|more, fewer| more >= fewer), "{}: {counts:?}", case.name());
        assert!(counts[0] > 2 && counts[4] <= 3, "tokenizer, rows, head of a bag: {counts:?}");
    }
}

#[test]
fn steps_allocate_nothing() {
    for file in cases() {
        let case = Case::parse(file.as_slice()).unwrap();
        let mut scratch = Scratch::of(&case);
        let mut session = Session::new(&case, scratch.memory()).unwrap();
        let found = measure(|| {
            for text in GOLDEN_TEXTS {
                let mut steps = session.begin(text);
                while !steps.classify_step(500) {}
                assert!(!steps.verdict().label.is_empty());
            }
        });
        assert_eq!((found.count_total, found.bytes_total), (0, 0));
    }
}
