//! The ONNX Runtime that the tests use.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Where the wheel for Python keeps the library.
const WHEEL: &str = "import glob, onnxruntime, os
print(*glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), 'capi', 'libonnxruntime.so*')), sep='\\n')";

/// The library of this machine.
fn library() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("TYPECASE_ORT").or_else(|| variable("ORT_DYLIB_PATH")).or_else(|| {
        let output = Command::new("python3").args(["-c", WHEEL]).output().ok()?;
        let files = String::from_utf8(output.stdout).ok()?;
        files.lines().next().map(PathBuf::from)
    })
}

/// The library, or a loud skip.
pub(crate) fn library_for(what: &str) -> Option<PathBuf> {
    let library = library();
    if library.is_none() {
        let why = "no ONNX Runtime; python3 -m pip install onnxruntime, or set TYPECASE_ORT to its library";
        xtask::skip::skipped(what, why);
    }
    library
}
