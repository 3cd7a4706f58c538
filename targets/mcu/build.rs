//! Lays the case and the memory map where the compiler and the linker find them.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The environment variable that names another case than the shipped one.
const CASE: &str = "TYPECASE_MCU_CASE";
/// The environment variable that names the table of a tokenizer instead of the small one that is made here.
#[cfg(feature = "tokens")]
const TOKENIZER: &str = "TYPECASE_MCU_TOKENIZER";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let case = env::var_os(CASE).map_or_else(|| manifest.join("../../models/news-64k.case"), PathBuf::from);
    println!("cargo:rerun-if-env-changed={CASE}");
    copy(&case, &out.join("firmware.case"));
    // Not called memory.x: the linker would look in the package's folder first.
    let memory = if cfg!(feature = "checks") {
        "memory/checks.x"
    } else if cfg!(feature = "encoder") {
        "memory/encoder.x"
    } else if cfg!(feature = "tokens") {
        "memory/tokens.x"
    } else {
        "memory/firmware.x"
    };
    copy(&manifest.join(memory), &out.join("memory.x"));
    #[cfg(feature = "tokens")]
    tokenizer(&out.join("firmware.tokenizer"));
    // Names of interrupts: none is used.
    fs::write(out.join("device.x"), "").expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
}

#[cfg(feature = "tokens")]
fn tokenizer(to: &Path) {
    println!("cargo:rerun-if-env-changed={TOKENIZER}");
    match env::var_os(TOKENIZER) {
        Some(path) => copy(Path::new(&path), to),
        None => fs::write(to, small_table()).expect("OUT_DIR can be written"),
    }
}

/// A tokenizer shaped like BERT's that knows letters and digits, so that the program builds without any data.
#[cfg(feature = "tokens")]
fn small_table() -> Vec<u8> {
    use typecase_text::subword::normalize::{self, Bert, NormalizerSpec};
    use typecase_text::subword::split::{self, Step};
    use typecase_text::subword::template::Draft;
    use typecase_text::subword::{ModelTable, TokenizerParts, wordpiece};

    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(String::from);
    let characters = || (b'a'..=b'z').chain(b'0'..=b'9').map(char::from);
    let pieces: Vec<String> =
        special.into_iter().chain(characters().flat_map(|c| [c.to_string(), format!("##{c}")])).collect();
    let vocabulary: Vec<(&str, u32)> = pieces.iter().map(String::as_str).zip(0..).collect();
    let model =
        wordpiece::Builder { vocabulary: &vocabulary, unknown: "[UNK]", prefix: "##", max_characters: 100 };
    let model = model.to_bytes().expect("the pieces are distinct");
    let bert = Bert { clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true };
    let parts = TokenizerParts {
        added: &[],
        normalizers: &normalize::write(&[NormalizerSpec::Bert(bert)]),
        added_normalized: &[],
        splitters: &split::write(&[Step::Bert]).expect("one step"),
        template: &Draft::bert(2, 3).write().expect("two special tokens"),
        model: ModelTable::WordPiece(&model),
        cells: 0,
        max_bytes: 0,
    };
    parts.to_bytes().expect("the parts fit together")
}

fn copy(from: &Path, to: &Path) {
    println!("cargo:rerun-if-changed={}", from.display());
    if let Err(error) = fs::copy(from, to) {
        panic!("{}: {error}", from.display());
    }
}
