//! tract gives exactly the integers of the native engine.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "support/conformance.rs"]
mod conformance;

use typecase_engine::backend::Backend as _;
use typecase_tract::Tract;

#[test]
fn shipped_cases_have_the_exact_scores() {
    conformance::shipped_cases_have_the_exact_scores(&Tract);
}

#[test]
fn bags_of_every_kind_have_the_exact_scores() {
    conformance::bags_of_every_kind_have_the_exact_scores(&Tract);
}

#[test]
fn threads_share_a_program() {
    conformance::threads_share_a_program(&Tract);
}

#[test]
fn what_the_case_does_not_allow_is_refused() {
    conformance::what_the_case_does_not_allow_is_refused(&Tract);
}

#[test]
fn the_version_is_the_one_that_is_linked() {
    let lock: toml::Table = include_str!("../../../../Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let locked: Vec<_> = packages
        .iter()
        .filter(|package| package["name"].as_str() == Some("tract-onnx"))
        .map(|package| package["version"].as_str().unwrap())
        .collect();
    assert_eq!(locked, [typecase_tract::VERSION]);
    let found = Tract.probe().unwrap();
    assert_eq!(found.version, format!("tract {}", typecase_tract::VERSION));
}
