//! The firmware in QEMU gives the answers of the native engine, within its limits of flash and RAM.

use std::fs;

use typecase_engine::{Case, Memory, classify};
use xtask::cross::MCU;
use xtask::{mcu, skip, texts, workspace_root};

/// Texts that are compared.
const TEXTS: usize = 256;
/// The line buffer of the firmware.
const LINE_BYTES: usize = 2048;

/// The line that the firmware must give.
fn expected(case: &Case<&[u8]>, text: &[u8]) -> String {
    let (mut ids, mut numbers) = (vec![0; case.cost().ids], vec![0; case.cost().numbers]);
    let cut = text.len() > LINE_BYTES;
    let text = &text[..text.len().min(LINE_BYTES)];
    let verdict = classify(case, text, Memory { ids: &mut ids, numbers: &mut numbers, ..Memory::default() });
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

    let digest: String = case.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ran.start, format!("case\t{}\tsha256:{digest}\t{}", case.name(), case.golden().len()));
    assert_eq!(ran.lines.len(), texts.len());
    let wrong: Vec<_> = texts
        .iter()
        .zip(&ran.lines)
        .map(|(text, line)| (expected(&case, text), line))
        .filter(|(expected, line)| expected != *line)
        .collect();
    assert!(wrong.is_empty(), "{} of {} lines differ: {wrong:#?}", wrong.len(), texts.len());

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
