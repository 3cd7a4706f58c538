//! Bad devices: every failure is an answer, at once, and for good.

use std::thread;
use std::time::Duration;

use typecase_engine::Case;
use typecase_engine::backend::{Backend as _, Program, Scorer, Unavailable, check};
use typecase_wgpu::{Fault, Wgpu};

use crate::{NEWS_1M, NEWS_64K, compare, native, on_each_api};

on_each_api! {
    wrong_bits_are_found_by_the_golden_vectors
    a_lost_device_is_an_error_for_good
    a_late_answer_is_an_error_for_good
    an_answer_within_hardly_any_time_is_right_or_late
    golden_vectors_find_a_lost_device
    threads_all_learn_that_the_device_is_lost
}

fn scores_of(scorer: &mut dyn Scorer, case: &Case<&[u8]>) -> Result<(), Unavailable> {
    scorer.scores_into(&[1, 2, 3], &mut vec![0; case.labels().len() as usize])
}

fn wrong_bits_are_found_by_the_golden_vectors(engine: Wgpu) {
    for file in [NEWS_64K, NEWS_1M] {
        let case = Case::parse(file).unwrap();
        let program = engine.clone().with_fault(Fault::WrongBits).prepare(&case).unwrap();
        let found = check(&case, program.scorer().unwrap().as_mut()).unwrap_err();
        assert!(found.cause.starts_with("wrong scores: golden vector "), "{found}");
    }
}

/// After the failure: the same cause from this scorer, from a new one, and from the program's other threads.
fn stays(case: &Case<&[u8]>, program: &dyn Program, scorer: &mut dyn Scorer, cause: &Unavailable) {
    for _ in 0..3 {
        assert_eq!(scores_of(scorer, case).as_ref(), Err(cause));
    }
    assert_eq!(program.scorer().err().as_ref(), Some(cause));
}

fn a_lost_device_is_an_error_for_good(engine: Wgpu) {
    let case = Case::parse(NEWS_64K).unwrap();
    for after in [0, 1, 20] {
        let program = engine.clone().with_fault(Fault::DeviceLost { after }).prepare(&case).unwrap();
        let (mut scorer, mut other) = (program.scorer().unwrap(), program.scorer().unwrap());
        for id in 0..after {
            compare(&case, scorer.as_mut(), &[id]);
        }
        let lost = scores_of(scorer.as_mut(), &case).unwrap_err();
        assert!(lost.cause.starts_with("device lost"), "{lost:?}");
        assert!(!lost.remedy.is_empty());
        stays(&case, program.as_ref(), scorer.as_mut(), &lost);
        assert_eq!(scores_of(other.as_mut(), &case), Err(lost));
        drop(program);
        // A scorer outlives its program.
        assert!(scores_of(other.as_mut(), &case).is_err());
    }
}

fn a_late_answer_is_an_error_for_good(engine: Wgpu) {
    let case = Case::parse(NEWS_64K).unwrap();
    for after in [0, 3] {
        let program = engine.clone().with_fault(Fault::TimeOut { after }).prepare(&case).unwrap();
        let mut scorer = program.scorer().unwrap();
        for id in 0..after {
            compare(&case, scorer.as_mut(), &[id]);
        }
        let late = scores_of(scorer.as_mut(), &case).unwrap_err();
        assert!(late.cause.starts_with("time-out: "), "{late:?}");
        stays(&case, program.as_ref(), scorer.as_mut(), &late);
    }
    // Without a fault, the time that was set is the time that is given.
    let program = engine.with_time_out(Duration::from_secs(30)).prepare(&case).unwrap();
    compare(&case, program.scorer().unwrap().as_mut(), &[1]);
}

/// A time-out as it happens without a fault: the work goes on while everything is freed.
fn an_answer_within_hardly_any_time_is_right_or_late(engine: Wgpu) {
    let case = Case::parse(NEWS_1M).unwrap();
    let ids: Vec<u32> = (0..case.cost().ids as u32).collect();
    let mut late_programs = 0;
    for _ in 0..5 {
        let program = engine.clone().with_time_out(Duration::from_nanos(1)).prepare(&case).unwrap();
        let mut scorer = program.scorer().unwrap();
        // The first answer has all the time it needs.
        compare(&case, scorer.as_mut(), &ids);
        let mut scores = vec![0; case.labels().len() as usize];
        for _ in 0..20 {
            match scorer.scores_into(&ids, &mut scores) {
                Ok(()) => assert_eq!(scores, native(&case, &ids)),
                Err(late) => assert!(late.cause.starts_with("time-out: "), "{late}"),
            }
        }
        late_programs += u32::from(program.scorer().is_err());
    }
    eprintln!("{}: {late_programs} of 5 were late", engine.label());
}

fn golden_vectors_find_a_lost_device(engine: Wgpu) {
    let case = Case::parse(NEWS_64K).unwrap();
    let program = engine.with_fault(Fault::DeviceLost { after: 10 }).prepare(&case).unwrap();
    let lost = check(&case, program.scorer().unwrap().as_mut()).unwrap_err();
    assert!(lost.cause.starts_with("device lost"), "{lost:?}");
}

fn threads_all_learn_that_the_device_is_lost(engine: Wgpu) {
    let case = Case::parse(NEWS_64K).unwrap();
    let program = engine.with_fault(Fault::DeviceLost { after: 25 }).prepare(&case).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            let (case, program) = (&case, program.as_ref());
            scope.spawn(move || {
                // A thread that starts late may find the device lost already.
                let Ok(mut scorer) = program.scorer() else { return };
                let found = (0..100).find_map(|_| scores_of(scorer.as_mut(), case).err()).unwrap();
                assert!(found.cause.starts_with("device lost"), "{found:?}");
            });
        }
    });
}
