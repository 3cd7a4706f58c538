//! The same ids on every CPU: a tokenizer of each kind of model on this machine, on emulated 64-bit Arm Linux and on an
//! emulated Cortex-M4F. `cargo xtask tokenizers` does the same at length.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::fs;
use std::path::Path;

use typecase_convert::tokenizer::{Options, compile};
use typecase_train::vocabulary::{VocabularyModel, VocabularySettings, learn};
use xtask::tokenizers::ids::{Program, Target};
use xtask::{skip, texts, workspace_root};

/// Texts of the sample that are compared, beside hostile ones.
const TEXTS: usize = 150;

fn table(model: VocabularyModel, texts: &[Vec<u8>], path: &Path) {
    let texts: Vec<String> = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let settings = VocabularySettings { model, size: 2000, lowercase: true, min_count: 2 };
    let json = learn(texts.iter().map(String::as_str), &settings).unwrap();
    fs::write(path, compile(&json, &Options::default()).unwrap().table).unwrap();
}

fn agree(target: Target) {
    let root = workspace_root().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut lines = texts::sample(&root).unwrap();
    let learnt_from = lines.clone();
    lines.truncate(TEXTS);
    let hostile: [&[u8]; 4] =
        [b"", b"\xFF\xFE bad \xC3", b"\0\x01\x7F", "\u{4e2d} \u{e9}\u{301}\u{FDFA}".as_bytes()];
    lines.extend(hostile.map(<[u8]>::to_vec));
    lines.push(b"oil ".repeat(2000));
    let lines = target.take(&lines);
    for model in [VocabularyModel::WordPiece, VocabularyModel::Bpe, VocabularyModel::Unigram] {
        let path = folder.path().join(format!("{model:?}.table"));
        table(model, &learnt_from, &path);
        let program = match target.prepare(&root, &path).unwrap() {
            Ok(program) => program,
            Err(absent) => return skip::skipped(&format!("ids of {}", target.title()), &absent),
        };
        let here = Program::Host(vec![env!("CARGO_BIN_EXE_ids").into(), path]).run(&lines).unwrap();
        let there = program.run(&lines).unwrap();
        assert_eq!(there.sum, here.sum, "{model:?} on {}", target.title());
        eprintln!("{model:?}: {}", there.figures.unwrap_or_default());
    }
}

#[test]
fn the_firmware_gives_the_ids_of_this_machine() {
    agree(Target::Firmware);
}

#[test]
fn arm_linux_gives_the_ids_of_this_machine() {
    agree(Target::Aarch64);
}
