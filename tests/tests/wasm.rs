//! The WebAssembly modules give the answers of the native engine, and their kernels those of the specification.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::fs;
use std::path::Path;

use typecase_case::sections::encoder::EncoderPooling;
use typecase_engine::{Case, Session};
use typecase_tests::{CaseParts, Scratch};
use xtask::cross::WASM;
use xtask::{skip, wasm, workspace_root};

/// What a web page may be asked to load, for bags.
const MAX_MODULE_BYTES: u64 = 128 << 10;
/// The same with encoders and sub-word tokenizers.
const MAX_ENCODER_MODULE_BYTES: u64 = 384 << 10;

fn bytes_of(module: &Path) -> u64 {
    fs::metadata(module).unwrap().len()
}

#[test]
fn the_module_gives_the_native_answers_and_stays_small() {
    if let Some(missing) = WASM.missing() {
        return skip::skipped("the WebAssembly module's answers", &missing);
    }
    let root = workspace_root().unwrap();
    let module = wasm::build(&root, &wasm::BAGS).unwrap();
    let bytes = bytes_of(&module);
    eprintln!("module: {bytes} bytes, {MAX_MODULE_BYTES} allowed");
    wasm::test(&root, &module).unwrap();
    assert!(bytes <= MAX_MODULE_BYTES, "module of {bytes} bytes, {MAX_MODULE_BYTES} allowed");
}

#[test]
fn modules_with_and_without_vectors_give_the_scores_of_the_native_engine_for_an_encoder() {
    if let Some(missing) = WASM.missing() {
        return skip::skipped("an encoder's scores in WebAssembly", &missing);
    }
    let root = workspace_root().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, lines) = (folder.path().join("encoder.case"), folder.path().join("texts.txt"));
    let file = CaseParts::encoder(EncoderPooling::Mean).build();
    fs::write(&path, &file).unwrap();
    let mut texts: Vec<String> =
        (0..60).map(|n| format!("w{} x. w{n} {}", n * 7 % 31, "w3 ".repeat(n % 9))).collect();
    texts.push(String::new());
    fs::write(&lines, texts.iter().map(|text| format!("{text}\n")).collect::<String>()).unwrap();
    let case = Case::parse(file.as_slice()).unwrap();
    let mut scratch = Scratch::of(&case);
    let mut session = Session::new(&case, scratch.memory()).unwrap();
    let expected: Vec<String> = texts
        .iter()
        .map(|text| {
            let verdict = session.classify(text.as_bytes());
            let scores: Vec<String> = verdict.scores.iter().map(ToString::to_string).collect();
            format!("{}\t{}", verdict.label, scores.join(","))
        })
        .collect();
    for build in [wasm::ENCODERS, wasm::ENCODERS_SCALAR] {
        let module = wasm::build(&root, &build).unwrap();
        let found = wasm::scores(&root, &module, &path, &lines).unwrap();
        let found: Vec<&str> =
            found.lines().skip(1).filter_map(|line| Some(line.rsplit_once('\t')?.0)).collect();
        assert_eq!(found, expected, "{}", build.name);
        let bytes = bytes_of(&module);
        eprintln!("{}: {bytes} bytes, {MAX_ENCODER_MODULE_BYTES} allowed", build.name);
        assert!(bytes <= MAX_ENCODER_MODULE_BYTES, "{}: {bytes} bytes", build.name);
    }
}

#[test]
fn kernels_with_vectors_equal_the_specification_in_node() {
    if let Some(missing) = WASM.missing() {
        return skip::skipped("WebAssembly kernels against the specification", &missing);
    }
    wasm::check_kernels(&workspace_root().unwrap()).unwrap();
}
