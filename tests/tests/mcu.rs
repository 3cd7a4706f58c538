//! The firmware in QEMU gives the answers of the native engine, within its limits of flash and RAM; that with an encoder does
//! so in steps, none of them long, and its kernels equal the specification.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::fs;

use typecase_convert::tokenizer::{Options, compile};
use typecase_engine::{Case, classify};
use typecase_tests::encoder::{DEVICE_TOKENS, device_shape};
use typecase_tests::{CaseParts, Scratch};
use typecase_train::vocabulary::{VocabularyModel, VocabularySettings, learn};
use xtask::cross::MCU;
use xtask::{mcu, skip, texts, workspace_root};

/// Texts that are compared.
const TEXTS: usize = 256;
/// Texts that are compared with an encoder.
const ENCODER_TEXTS: usize = 128;
/// Instructions of a step whose budget is 20,000 multiply-adds.
const MAX_STEP_INSTRUCTIONS: u64 = 100_000;
/// The line buffer of the firmware.
const LINE_BYTES: usize = 2048;

/// The line that the firmware must give.
fn expected(case: &Case<&[u8]>, text: &[u8]) -> String {
    let mut scratch = Scratch::of(case);
    let cut = text.len() > LINE_BYTES;
    let text = &text[..text.len().min(LINE_BYTES)];
    let verdict = classify(case, text, scratch.memory());
    let scores: Vec<String> = verdict.scores.iter().map(ToString::to_string).collect();
    let named = [
        (cut, "cut"),
        (verdict.truncated, "truncated"),
        (verdict.abstain, "abstain"),
        (verdict.invalid_utf8 != 0, "invalid"),
    ];
    let flags: Vec<&str> = named.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
    let flags = if flags.is_empty() { "-".to_owned() } else { flags.join(",") };
    let per_mille = (verdict.probability * 1000.0 + 0.5) as u32;
    format!("{}\t{per_mille}\t{}\t{flags}", verdict.label, scores.join(","))
}

/// Every line, and the first, are what the native engine gives.
fn answers_equal(case: &Case<&[u8]>, texts: &[Vec<u8>], ran: &mcu::Ran) {
    let digest: String = case.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ran.start, format!("case\t{}\tsha256:{digest}\t{}", case.name(), case.golden().len()));
    assert_eq!(ran.lines.len(), texts.len());
    let wrong: Vec<_> = texts
        .iter()
        .zip(&ran.lines)
        .map(|(text, line)| (expected(case, text), line))
        .filter(|(expected, line)| expected != *line)
        .collect();
    assert!(wrong.is_empty(), "{} of {} lines differ: {wrong:#?}", wrong.len(), texts.len());
}

/// A case with an encoder of random numbers, whose tokenizer was learnt from some texts.
fn encoder_case(texts: &[Vec<u8>]) -> Vec<u8> {
    let texts: Vec<String> = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let settings =
        VocabularySettings { model: VocabularyModel::WordPiece, size: 2000, lowercase: true, min_count: 2 };
    let json = learn(texts.iter().map(String::as_str), &settings).unwrap();
    let options = Options { max_tokens: Some(DEVICE_TOKENS.into()), ..Options::default() };
    let table = compile(&json, &options).unwrap().table;
    CaseParts::encoder_of(Some(table), device_shape).build()
}

#[test]
fn the_firmware_runs_an_encoder_in_short_steps_with_the_native_scores() {
    if let Some(missing) = MCU.missing() {
        return skip::skipped("an encoder's scores on the firmware", &missing);
    }
    let root = workspace_root().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.case");
    let file = encoder_case(&texts::sample(&root).unwrap());
    fs::write(&path, &file).unwrap();
    let case = Case::parse(file.as_slice()).unwrap();
    let mut texts = texts::read(&root).unwrap().lines;
    texts.truncate(ENCODER_TEXTS);
    texts.extend([b"".to_vec(), b"\xFF\xFE bad \xC3".to_vec(), b"oil ".repeat(2000)]);

    let firmware = mcu::build_encoder(&root, &path).unwrap();
    let input: Vec<u8> = texts.iter().flat_map(|text| [text.as_slice(), b"\n"].concat()).collect();
    let found = mcu::run_encoder(&firmware, &input).unwrap();
    eprintln!("{}", mcu::step_figures(&firmware, &found));
    answers_equal(&case, &texts, &found.ran);
    assert!(
        found.steps > 20 * found.ran.texts && found.most_of_step < MAX_STEP_INSTRUCTIONS,
        "{} steps of {} texts, the longest {} instructions",
        found.steps,
        found.ran.texts,
        found.most_of_step
    );
    let symbols = mcu::symbols(&firmware).unwrap();
    assert!(!symbols.lines().any(|line| ["alloc", "sbrk"].iter().any(|name| line.contains(name))));
}

#[test]
fn kernels_of_the_core_equal_the_specification() {
    if let Some(missing) = MCU.missing() {
        return skip::skipped("kernels of a Cortex-M4 against the specification", &missing);
    }
    assert_eq!(mcu::check_kernels(&workspace_root().unwrap()).unwrap(), 1);
}

#[test]
fn the_firmware_gives_the_native_answers_within_its_flash_and_ram() {
    if let Some(missing) = MCU.missing() {
        return skip::skipped("the firmware's answers, flash and RAM", &missing);
    }
    let root = workspace_root().unwrap();
    let file = fs::read(root.join("models/news-64k.case")).unwrap();
    let case = Case::parse(file.as_slice()).unwrap();
    let mut texts = texts::read(&root).unwrap().lines;
    texts.truncate(TEXTS);
    let hostile: [&[u8]; 5] =
        [b"", b"\xFF\xFE bad \xC3", b"\0\x01\x7F", "\u{4e2d}\u{56fd} \u{e9}".as_bytes(), b"qqq"];
    texts.extend(hostile.map(<[u8]>::to_vec));
    texts.push(b"oil ".repeat(2000));

    let firmware = mcu::build(&root, &[]).unwrap();
    let input: Vec<u8> = texts.iter().flat_map(|text| [text.as_slice(), b"\n"].concat()).collect();
    let ran = mcu::run(&firmware, &input).unwrap();
    eprintln!("{}", mcu::figures(&firmware, &ran));

    answers_equal(&case, &texts, &ran);
    firmware.check().unwrap();
    let painted = firmware.ram_bytes - firmware.static_bytes;
    assert!(
        ran.stack_bytes > 0 && ran.stack_bytes < painted,
        "{} of {painted} bytes of stack",
        ran.stack_bytes
    );
    let symbols = mcu::symbols(&firmware).unwrap();
    let allocators: Vec<&str> =
        symbols.lines().filter(|line| ["alloc", "sbrk"].iter().any(|name| line.contains(name))).collect();
    assert!(allocators.is_empty(), "an allocator is linked: {allocators:?}");
}
