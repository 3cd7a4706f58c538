//! ONNX Runtime gives exactly the integers of the native engine, or says why it cannot.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "../../tract/tests/support/conformance.rs"]
mod conformance;
#[path = "support/library.rs"]
mod library;

use std::{fs, thread};

use typecase_engine::Case;
use typecase_engine::backend::{Backend as _, check};
use typecase_ort::{Ort, Provider};
use typecase_tests::minimal_case;

use crate::library::library_for;

#[test]
fn shipped_cases_have_the_exact_scores() {
    let Some(library) = library_for("ONNX Runtime has the exact scores of shipped cases") else { return };
    conformance::shipped_cases_have_the_exact_scores(&Ort::new(Some(library), Provider::Cpu));
}

#[test]
fn bags_of_every_kind_have_the_exact_scores() {
    let Some(library) = library_for("ONNX Runtime has the exact scores of bags of every kind") else {
        return;
    };
    conformance::bags_of_every_kind_have_the_exact_scores(&Ort::new(Some(library), Provider::Cpu));
}

#[test]
fn threads_share_a_program() {
    let Some(library) = library_for("threads share a program of ONNX Runtime") else { return };
    conformance::threads_share_a_program(&Ort::new(Some(library), Provider::Cpu));
}

#[test]
fn what_the_case_does_not_allow_is_refused() {
    let Some(library) = library_for("ONNX Runtime refuses what the case does not allow") else { return };
    conformance::what_the_case_does_not_allow_is_refused(&Ort::new(Some(library), Provider::Cpu));
}

#[test]
fn a_program_says_what_runs_it() {
    let Some(library) = library_for("a program of ONNX Runtime says what runs it") else { return };
    let engine = Ort::new(Some(library), Provider::Cpu);
    let found = engine.probe().unwrap();
    assert!(found.version.starts_with("ONNX Runtime 1."), "{found:?}");
    assert_eq!(found.device, "CPU");
    let file = minimal_case();
    let program = engine.prepare(&Case::parse(file.as_slice()).unwrap()).unwrap();
    assert_eq!(program.device(), format!("{}, CPU", found.version));
}

#[test]
fn a_provider_of_a_gpu_runs_there_or_says_why_not() {
    let Some(library) = library_for("TensorRT and CUDA run there or say why not") else { return };
    let file = minimal_case();
    let case = Case::parse(file.as_slice()).unwrap();
    for provider in [Provider::TensorRt, Provider::Cuda] {
        let engine = Ort::new(Some(library.clone()), provider);
        match engine.prepare(&case) {
            Ok(program) => {
                eprintln!("{}", program.device());
                assert!(program.device().ends_with(if provider == Provider::Cuda {
                    "CUDA"
                } else {
                    "TensorRT"
                }));
                check(&case, program.scorer().unwrap().as_mut()).unwrap();
            }
            Err(error) => {
                eprintln!("{error}\n    {}", error.remedy);
                let title = if provider == Provider::Cuda { "CUDA" } else { "TensorRT" };
                assert!(error.cause.contains(title) && !error.cause.contains('\n'), "{error}");
                assert!(error.remedy.contains("pip install onnxruntime-gpu"), "{}", error.remedy);
                // What is known before there is a case is said in the same words.
                assert_eq!(engine.probe().err().unwrap_or_else(|| error.clone()), error);
            }
        }
    }
}

#[test]
fn a_second_library_is_refused_and_the_first_works_on() {
    let Some(library) = library_for("a second ONNX Runtime is refused") else { return };
    let first = Ort::new(Some(library.clone()), Provider::Cpu);
    first.probe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("libonnxruntime.so");
    fs::copy(&library, &copy).unwrap();
    let error = Ort::new(Some(copy), Provider::Cpu).probe().unwrap_err();
    assert!(error.cause.contains("is loaded in this process"), "{error}");
    assert!(error.remedy.contains("same library"), "{}", error.remedy);
    first.probe().unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_to_the_library_is_the_library() {
    let Some(library) = library_for("a link to ONNX Runtime is ONNX Runtime") else { return };
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("libonnxruntime.so");
    std::os::unix::fs::symlink(&library, &link).unwrap();
    let versions = [link, library].map(|file| Ort::new(Some(file), Provider::Cpu).probe().unwrap());
    assert_eq!(versions[0], versions[1]);
}

#[test]
fn threads_may_ask_for_it_at_the_same_time() {
    let Some(library) = library_for("threads ask for ONNX Runtime at the same time") else { return };
    let engine = Ort::new(Some(library), Provider::Cpu);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| engine.probe().unwrap());
        }
    });
}
