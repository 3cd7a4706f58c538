//! Where rows, vocabularies and rules of normalisation come from, each made once and kept in the user's cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use typecase_train::vocabulary::{VocabularyModel, VocabularySettings, learn};

/// Pieces that are learnt.
const PIECES: u32 = 8000;
/// Rows from which they are learnt.
const LEARNT_ROWS: usize = 40_000;

/// The lines of AG News, training and test; without it the sample.
pub(crate) fn rows() -> Vec<String> {
    let root = root();
    let lines = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    match xtask::setup::labelled_data(&root) {
        Some(data) => ["test.csv", "train.csv"].map(|name| lines(data.join("agnews").join(name))).concat(),
        None => {
            let how = "set TYPECASE_DATA to a folder that holds agnews/test.csv";
            xtask::skip::skipped("tokenizers, the rows of AG News", how);
            lines(root.join("models/sample/news.csv"))
        }
    }
}

/// The `tokenizer.json` of MiniLM.
pub(crate) fn minilm() -> Option<Value> {
    let Some(folder) = xtask::tokenizers::minilm() else {
        xtask::skip::skipped("tokenizers, MiniLM", xtask::tokenizers::NO_MINILM);
        return None;
    };
    let text = fs::read_to_string(folder.join("tokenizer.json")).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// A vocabulary of AG News: the `tokenizer.json` that the trainer writes.
pub(crate) fn learnt(model: VocabularyModel, lowercase: bool) -> Value {
    let rows = rows();
    let mut step = rows.len() / LEARNT_ROWS;
    step = step.max(1);
    let name = format!("{model:?}-{PIECES}-{lowercase}-{}.json", rows.len());
    let bytes = cached(&name, |path| {
        eprintln!("==> {name}: learning");
        let settings = VocabularySettings { model, size: PIECES, lowercase, min_count: 2 };
        let json = learn(rows.iter().step_by(step).map(String::as_str), &settings).unwrap();
        fs::write(path, json).unwrap();
        true
    });
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

/// The rules `nmt_nfkc` of SentencePiece in base64, as a `tokenizer.json` has them.
pub(crate) fn charsmap() -> Option<String> {
    let bytes = match env::var_os("TYPECASE_CHARSMAP") {
        Some(path) => fs::read(path).ok(),
        None => cached("nmt_nfkc.bin", |path| {
            let script = root().join("tests/python/charsmap.py");
            let status = Command::new("python3").arg(script).arg(path).status();
            status.is_ok_and(|status| status.success())
        }),
    };
    if bytes.is_none() {
        let how = "python3 -m pip install sentencepiece, or set TYPECASE_CHARSMAP";
        xtask::skip::skipped("tokenizers, the rules of SentencePiece", how);
    }
    bytes.map(|bytes| typecase_tests::charsmaps::base64(&bytes))
}

/// The bytes of a file in the cache, which is made if it is not there; nothing if it cannot be made.
fn cached(name: &str, make: impl FnOnce(&Path) -> bool) -> Option<Vec<u8>> {
    let folder = xtask::tokenizers::cache()?;
    fs::create_dir_all(&folder).unwrap();
    let (path, part) = (folder.join(name), folder.join(format!("{name}.part")));
    if !path.is_file() {
        if !make(&part) {
            return None;
        }
        fs::rename(&part, &path).unwrap();
    }
    fs::read(path).ok()
}

fn root() -> PathBuf {
    xtask::workspace_root().unwrap()
}
