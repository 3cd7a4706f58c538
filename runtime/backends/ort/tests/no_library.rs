//! Without a library, or with one that does not work, every call says why. The process starts without any, so this is a
//! test binary of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::fs;
use std::process::Command;

use typecase_engine::Case;
use typecase_engine::backend::Backend as _;
use typecase_ort::{Ort, Provider};
use typecase_tests::minimal_case;

/// Set in the process that this test starts of itself.
const ALONE: &str = "TYPECASE_ORT_TEST_ALONE";

#[test]
fn every_call_says_what_is_missing() {
    if std::env::var_os(ALONE).is_none() {
        // The environment of this process may name a library.
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "every_call_says_what_is_missing", "--nocapture"]);
        let output = again.env(ALONE, "1").env_remove("ORT_DYLIB_PATH").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let file = minimal_case();
    let case = Case::parse(file.as_slice()).unwrap();
    for provider in Provider::ALL {
        let engine = Ort::new(None, provider);
        let cause = "no ONNX Runtime: ORT_DYLIB_PATH is not set, no ";
        for error in [engine.probe().unwrap_err(), engine.prepare(&case).unwrap_err()] {
            assert!(error.cause.starts_with(cause), "{error}");
            assert!(error.remedy.contains("pip install onnxruntime"), "{}", error.remedy);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libonnxruntime.so");
    fs::write(&text, "no library\n".repeat(99)).unwrap();
    let engine = Ort::new(Some(text), Provider::Cpu);
    for error in [engine.probe().unwrap_err(), engine.prepare(&case).unwrap_err()] {
        assert!(error.cause.contains("is no library for this machine"), "{error}");
    }
}
