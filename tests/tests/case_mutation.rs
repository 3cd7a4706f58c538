//! A minimal case, damaged in every way that one byte allows: with its digests every damage is found; without them
//! a file is refused or means something, and nothing panics.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use typecase_engine::{Case, Integrity};
use typecase_tests::{LINE_BYTES, Scratch, header, minimal_case, number, record};

/// Runs `work` over the range on every core, dealt out like cards, and adds up what it counted.
fn on_every_core(range: Range<usize>, work: impl Fn(usize) -> u64 + Sync) -> u64 {
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let share = &|core: usize| range.clone().skip(core).step_by(cores).map(&work).sum::<u64>();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|core| scope.spawn(move || share(core))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    })
}

/// Calls `test` with every file in which one byte has another value, which includes every flip of one bit.
fn for_every_value_of_every_byte(test: impl Fn(&[u8], usize, &mut Scratch) + Sync) -> u64 {
    let good = minimal_case();
    on_every_core(0..good.len(), |at| {
        let (mut file, mut scratch) = (good.clone(), Scratch::new());
        for change in 1..=u8::MAX {
            file[at] = good[at] ^ change;
            test(&file, at, &mut scratch);
        }
        u8::MAX.into()
    })
}

#[test]
fn the_minimal_case_is_accepted_and_reproduces_its_golden_vectors() {
    let good = minimal_case();
    assert!(good.len() <= 4096, "{} bytes", good.len());
    let case = Case::parse(good.as_slice()).unwrap();
    let mut scratch = Scratch::new();
    assert_eq!(case.verify(&mut scratch.memory()), Ok(16));
    assert!(case.rows() >= 50);
    let cut = case.golden().iter().filter(|v| v.ids_len() == case.cost().ids).count();
    assert!(cut > 0, "no golden vector is cut");
}

#[test]
fn every_truncation_and_every_byte_too_many_is_refused() {
    let good = minimal_case();
    for integrity in [Integrity::Digest, Integrity::Crc32, Integrity::Structure] {
        for len in 0..good.len() {
            assert!(Case::parse_with(&good[..len], integrity).is_err(), "{len} bytes, {integrity:?}");
        }
        for added in [0u8, 1, 0xFF] {
            let longer = [good.as_slice(), &[added]].concat();
            assert!(Case::parse_with(longer, integrity).is_err(), "one byte {added} too many, {integrity:?}");
        }
    }
}

#[test]
fn with_digests_every_changed_byte_is_refused() {
    let parses = for_every_value_of_every_byte(|file, at, _| {
        assert!(Case::parse(file).is_err(), "byte {at} became {:#04x}", file[at]);
    });
    assert!(parses > 400_000, "{parses}");
}

#[test]
fn with_checksums_every_changed_byte_of_a_section_is_refused() {
    let good = minimal_case();
    let first = number(&good, record::of(0, record::OFFSET)) as usize;
    let parses = for_every_value_of_every_byte(|file, at, scratch| {
        let accepted = scratch.check(file, Integrity::Crc32).is_ok();
        assert!(!accepted || at < first, "byte {at} became {:#04x}", file[at]);
    });
    assert!(parses > 400_000, "{parses}");
}

#[test]
fn without_digests_a_changed_byte_is_refused_or_harmless() {
    let accepted = AtomicU64::new(0);
    let parses = for_every_value_of_every_byte(|file, _, scratch| {
        // `check` panics if an accepted case does not make sense.
        let harmless = scratch.check(file, Integrity::Structure).is_ok();
        accepted.fetch_add(harmless.into(), Relaxed);
    });
    assert!(parses > 400_000, "{parses}");
    let share = accepted.into_inner() as f64 / parses as f64;
    assert!((0.3..0.8).contains(&share), "{share} of the changes are accepted");
}

#[test]
fn without_digests_a_changed_header_or_record_is_refused() {
    let good = minimal_case();
    let sections = 7;
    let in_header = [(0, 8), header::MAJOR, header::FLAGS, header::LEN, header::COUNT, header::RESERVED];
    let in_records = (0..sections).flat_map(|index| {
        [record::KIND, record::FLAGS, record::OFFSET, record::LEN, record::RESERVED]
            .map(|f| record::of(index, f))
    });
    for (start, len) in in_header.into_iter().chain(in_records) {
        for at in start..start + len {
            for change in 1..=u8::MAX {
                let mut file = good.clone();
                file[at] ^= change;
                assert!(
                    Case::parse_with(file, Integrity::Structure).is_err(),
                    "byte {at} changed by {change:#x}"
                );
            }
        }
    }
    assert!(good.len() > LINE_BYTES * (sections + 1));
}
