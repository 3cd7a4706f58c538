//! The scores of the native engine, bit for bit.

use std::thread;

use typecase_engine::backend::{Backend as _, check};
use typecase_engine::{Case, Pooling};
use typecase_wgpu::Wgpu;

use crate::cases::{Random, a_case, a_vocabulary, shapes};
use crate::{NEWS_1M, NEWS_64K, Shape as _, compare, native, on_each_api};

on_each_api! {
    shipped_cases_give_their_golden_scores
    bags_of_every_kind_give_the_scores_of_the_native_engine
    threads_share_a_program
    inputs_of_a_wrong_size_are_refused_and_harm_nothing
    a_device_is_named
}

fn shipped_cases_give_their_golden_scores(engine: Wgpu) {
    let mut random = Random(1);
    for file in [NEWS_64K, NEWS_1M] {
        let case = Case::parse(file).unwrap();
        let program = engine.prepare(&case).unwrap();
        let mut scorer = program.scorer().unwrap();
        assert_eq!(check(&case, scorer.as_mut()), Ok(case.golden().len()));
        for _ in 0..50 {
            let len = random.below(case.cost().ids as u64 + 1) as usize;
            compare(&case, scorer.as_mut(), &random.ids(len, case.payload().shape().rows));
        }
    }
}

fn bags_of_every_kind_give_the_scores_of_the_native_engine(engine: Wgpu) {
    let (mut random, vocabulary) = (Random(2), a_vocabulary());
    let rows = vocabulary.shape().count();
    let (mut cases, mut negative, mut largest) = (0, 0, 0);
    for (shape, max_ids) in shapes(rows) {
        // Weights of 8 bits with a head of no shift and many numbers can overflow without any bias.
        let Some(file) = a_case(shape, max_ids, &mut random, &vocabulary) else { continue };
        let case = Case::parse(file.as_slice()).unwrap();
        let program = engine.prepare(&case).unwrap();
        let mut scorer = program.scorer().unwrap();
        let most = max_ids as usize;
        for len in [most, 0, 1, most / 2, most - 1, most * 2 / 3] {
            let ids = random.ids(len, rows);
            compare(&case, scorer.as_mut(), &ids);
            let scores = native(&case, &ids);
            negative += usize::from(scores.iter().any(|score| *score < 0));
            largest = scores.iter().fold(largest, |largest, score| largest.max(score.unsigned_abs()));
        }
        compare(&case, scorer.as_mut(), &vec![rows - 1; most]);
        // A row that does not exist adds nothing.
        compare(&case, scorer.as_mut(), &vec![rows; most]);
        cases += 1;
    }
    assert!(cases > 230, "{cases} cases");
    assert!(negative > 1000 && largest > 1 << 30, "{negative} with negative scores, the largest {largest}");
    eprintln!("{cases} cases equal");
}

fn threads_share_a_program(engine: Wgpu) {
    let case = Case::parse(NEWS_64K).unwrap();
    let program = engine.prepare(&case).unwrap();
    let rows = case.payload().shape().rows;
    thread::scope(|scope| {
        for seed in 0..8 {
            let (case, program) = (&case, program.as_ref());
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut scorer = program.scorer().unwrap();
                for _ in 0..100 {
                    let len = random.below(case.cost().ids.min(200) as u64 + 1) as usize;
                    compare(case, scorer.as_mut(), &random.ids(len, rows));
                }
            });
        }
    });
}

fn inputs_of_a_wrong_size_are_refused_and_harm_nothing(engine: Wgpu) {
    let vocabulary = a_vocabulary();
    let rows = vocabulary.shape().count();
    let shape = shapes(rows).into_iter().map(|(shape, _)| shape);
    let shape = shape.into_iter().find(|shape| shape.width == 5 && shape.pooling == Pooling::Mean).unwrap();
    let file = a_case(shape, 3, &mut Random(3), &vocabulary).unwrap();
    let case = Case::parse(file.as_slice()).unwrap();
    let mut scorer = engine.prepare(&case).unwrap().scorer().unwrap();
    let refused = scorer.scores_into(&[0; 4], &mut [0; 5]).unwrap_err();
    assert_eq!(refused.cause, "4 ids for 5 scores, the case has at most 3 for 5");
    assert!(scorer.scores_into(&[0; 3], &mut [0; 4]).is_err());
    assert!(scorer.scores_into(&[0; 3], &mut [0; 6]).is_err());
    compare(&case, scorer.as_mut(), &[0, 1, 2]);
}

fn a_device_is_named(engine: Wgpu) {
    let found = engine.probe().unwrap();
    let case = Case::parse(NEWS_64K).unwrap();
    let program = engine.prepare(&case).unwrap();
    assert!(!program.device().is_empty() && found.device.starts_with(program.device()), "{found:?}");
    assert_eq!(program.device().contains("a software adapter"), program.device().contains("llvmpipe"));
    eprintln!("{}: {found:?}", engine.label());
}
