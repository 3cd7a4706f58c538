//! The command for 64-bit Arm Linux gives the answers of the native one, to the last digit of its JSON.

use std::path::PathBuf;

use xtask::cross::AARCH64;
use xtask::{jetson, skip, workspace_root};

#[test]
fn the_command_for_jetson_gives_the_native_answers() {
    if let Some(missing) = AARCH64.missing() {
        return skip::skipped("the answers of the command for 64-bit Arm Linux", &missing);
    }
    let root = workspace_root().unwrap();
    let command = jetson::build(&root).unwrap();
    let hostile = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&hostile, [b"\n\xFF\xFE bad \xC3\n\0\x01\n".as_slice(), &b"oil ".repeat(50_000)].concat())
        .unwrap();
    let sample =
        ["golden.txt", "news-heldout.txt", "news.csv"].map(|name| root.join("models/sample").join(name));
    let files: Vec<PathBuf> = sample.into_iter().chain([hostile.path().to_owned()]).collect();
    for case in ["models/news-64k.case", "models/news-1m.case"] {
        assert!(jetson::verify(&root, &command, case).unwrap().contains("golden vectors exact"), "{case}");
        assert!(jetson::compare(&root, &command, case, &files).unwrap() > 100, "{case}");
    }
}
