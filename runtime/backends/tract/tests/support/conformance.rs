//! What every engine that runs ONNX must show; the tests of tract and of ONNX Runtime share it.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::thread;

use typecase_engine::Case;
use typecase_engine::backend::{self, Backend, Program, Scorer};
use typecase_tests::bags::{Random, a_case, a_vocabulary, shapes};
use typecase_tests::minimal_case;

const NEWS_64K: &[u8] = include_bytes!("../../../../../models/news-64k.case");
const NEWS_1M: &[u8] = include_bytes!("../../../../../models/news-1m.case");

/// Compares with the native engine: ids of every kind of length, random, repeated, at both ends.
fn compare(case: &Case<&[u8]>, scorer: &mut dyn Scorer, random: &mut Random) {
    let (max_ids, rows) = (case.cost().ids, case.rows());
    let mut lists: Vec<Vec<u32>> = [0, 1, 1, 2, 3, max_ids / 3, max_ids / 2, max_ids - 1, max_ids, max_ids]
        .into_iter()
        .filter(|len| *len <= max_ids)
        .map(|len| random.ids(len, rows))
        .collect();
    lists.extend([vec![0; max_ids], vec![rows - 1; max_ids], vec![rows - 1], vec![0], Vec::new()]);
    let mut numbers = vec![0; case.cost().numbers];
    let mut scores = vec![0; case.labels().len() as usize];
    for ids in lists {
        let place = case.scores_into(&ids, &mut numbers, &mut []);
        scores.fill(i32::MIN);
        scorer.scores_into(&ids, &mut scores).unwrap();
        assert_eq!(scores, numbers[place], "{} ids: {ids:?}", ids.len());
    }
}

/// The golden vectors and random ids of the shipped cases, in one thread.
pub(crate) fn shipped_cases_have_the_exact_scores(engine: &dyn Backend) {
    let minimal = minimal_case();
    for file in [NEWS_64K, NEWS_1M, minimal.as_slice()] {
        let case = Case::parse(file).unwrap();
        let program = engine.prepare(&case).unwrap();
        let mut scorer = program.scorer().unwrap();
        assert_eq!(backend::check(&case, scorer.as_mut()), Ok(case.golden().len()), "{}", case.name());
        for seed in 0..20 {
            compare(&case, scorer.as_mut(), &mut Random(seed));
        }
    }
}

/// Small cases of every kind, with numbers as large as the format lets them be.
pub(crate) fn bags_of_every_kind_have_the_exact_scores(engine: &dyn Backend) {
    let (mut random, mut count) = (Random(1), 0);
    let vocabulary = a_vocabulary();
    for (shape, max_ids) in shapes(vocabulary.shape().count()) {
        // Some kinds can overflow without any bias.
        let Some(file) = a_case(shape, max_ids, &mut random, &vocabulary) else { continue };
        let case = Case::parse(file.as_slice()).unwrap();
        let program = engine.prepare(&case).unwrap_or_else(|error| panic!("{shape:?}: {error}"));
        compare(&case, program.scorer().unwrap().as_mut(), &mut random);
        count += 1;
    }
    assert!(count > 280, "{count} cases");
}

/// Eight threads, each with a scorer of its own for one program.
pub(crate) fn threads_share_a_program(engine: &dyn Backend) {
    let case = Case::parse(NEWS_64K).unwrap();
    let program: Box<dyn Program> = engine.prepare(&case).unwrap();
    thread::scope(|scope| {
        for seed in 0..8 {
            let (program, case) = (program.as_ref(), &case);
            scope.spawn(move || {
                let mut scorer = program.scorer().unwrap();
                backend::check(case, scorer.as_mut()).unwrap();
                for round in 0..20 {
                    compare(case, scorer.as_mut(), &mut Random(100 * seed + round));
                }
            });
        }
    });
}

/// What no tokenizer gives is refused, and the scorer works on.
pub(crate) fn what_the_case_does_not_allow_is_refused(engine: &dyn Backend) {
    let case = Case::parse(NEWS_64K).unwrap();
    let mut scorer = engine.prepare(&case).unwrap().scorer().unwrap();
    let (max_ids, rows) = (case.cost().ids, case.rows());
    let classes = case.labels().len() as usize;
    let rows_of_the_table: [(Vec<u32>, usize, String); 4] = [
        (vec![0; max_ids + 1], classes, format!("text of {} ids, limit is {max_ids}", max_ids + 1)),
        (vec![rows], classes, format!("id {rows}, the case has {rows} rows")),
        (vec![u32::MAX], classes, format!("id {}, the case has {rows} rows", u32::MAX)),
        (vec![0], classes + 1, format!("{classes} scores, place for {}", classes + 1)),
    ];
    for (ids, place, cause) in rows_of_the_table {
        let error = scorer.scores_into(&ids, &mut vec![0; place]).unwrap_err();
        assert!(error.cause.ends_with(&cause), "{error}, not {cause}");
        assert!(!error.remedy.is_empty(), "{error}");
        compare(&case, scorer.as_mut(), &mut Random(7));
    }
}
