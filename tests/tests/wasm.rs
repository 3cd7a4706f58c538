//! The WebAssembly module gives the answers of the native command: the Node test of `targets/wasm`.

use xtask::cross::WASM;
use xtask::{skip, wasm, workspace_root};

/// What a web page may be asked to load.
const MAX_MODULE_BYTES: u64 = 128 << 10;

#[test]
fn the_module_gives_the_native_answers_and_stays_small() {
    if let Some(missing) = WASM.missing() {
        return skip::skipped("the WebAssembly module's answers", &missing);
    }
    let root = workspace_root().unwrap();
    let module = wasm::build(&root).unwrap();
    let bytes = std::fs::metadata(&module).unwrap().len();
    eprintln!("module: {bytes} bytes, {MAX_MODULE_BYTES} allowed");
    wasm::test(&root, &module).unwrap();
    assert!(bytes <= MAX_MODULE_BYTES, "module of {bytes} bytes, {MAX_MODULE_BYTES} allowed");
}
