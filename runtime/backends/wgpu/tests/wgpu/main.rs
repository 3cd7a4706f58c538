//! On every GPU interface of this machine, software adapters too: the exact scores, shared programs, and faults.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

mod cases;
mod conformance;
mod faults;

use typecase_engine::Case;
use typecase_engine::backend::{Backend as _, Scorer};
use typecase_wgpu::{Api, Wgpu};

const NEWS_64K: &[u8] = include_bytes!("../../../../../models/news-64k.case");
const NEWS_1M: &[u8] = include_bytes!("../../../../../models/news-1m.case");

/// Calls a test for an interface, or says that it was skipped.
fn on(api: Api, what: &str, test: impl FnOnce(Wgpu)) {
    let engine = Wgpu::new(Some(api));
    match engine.probe() {
        Ok(_) => test(engine),
        Err(missing) => {
            xtask::skip::skipped(
                &format!("{what} ({api})"),
                &format!("{}; {}", missing.cause, missing.remedy),
            );
        }
    }
}

/// A test for each interface that this platform can have.
macro_rules! on_each_api {
    ($($test:ident)*) => {
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "windows"))]
        mod vulkan {
            $(#[test]
            fn $test() {
                crate::on(typecase_wgpu::Api::Vulkan, stringify!($test), super::$test);
            })*
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        mod gl {
            $(#[test]
            fn $test() {
                crate::on(typecase_wgpu::Api::Gl, stringify!($test), super::$test);
            })*
        }
        #[cfg(target_vendor = "apple")]
        mod metal {
            $(#[test]
            fn $test() {
                crate::on(typecase_wgpu::Api::Metal, stringify!($test), super::$test);
            })*
        }
        #[cfg(target_os = "windows")]
        mod dx12 {
            $(#[test]
            fn $test() {
                crate::on(typecase_wgpu::Api::Dx12, stringify!($test), super::$test);
            })*
        }
    };
}
use on_each_api;

/// The native engine's scores.
fn native(case: &Case<&[u8]>, ids: &[u32]) -> Vec<i32> {
    let mut numbers = vec![0; case.cost().numbers];
    let place = case.scores_into(ids, &mut numbers, &mut []);
    numbers[place].to_vec()
}

/// Compares one text.
fn compare(case: &Case<&[u8]>, scorer: &mut dyn Scorer, ids: &[u32]) {
    // What stood there before must not matter.
    let mut scores = vec![0x5555_5555; case.labels().len() as usize];
    scorer.scores_into(ids, &mut scores).unwrap();
    assert!(scores == native(case, ids), "{:?}, {} ids: {:?}", case.payload().shape(), ids.len(), first(ids));
}

fn first(ids: &[u32]) -> &[u32] {
    &ids[..ids.len().min(8)]
}

/// What a message says of a case.
trait Shape {
    fn shape(&self) -> typecase_engine::BagShape;
}

impl Shape for typecase_engine::Payload<'_> {
    fn shape(&self) -> typecase_engine::BagShape {
        let typecase_engine::Payload::Bag(bag) = self else { panic!("a bag was built") };
        bag.shape
    }
}
