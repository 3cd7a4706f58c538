//! Every file that is no ONNX Runtime, one after the other in one process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Places, check, minor, resolved};

/// A library made of this C code; none without a compiler.
fn compiled(folder: &Path, name: &str, code: &str) -> Option<PathBuf> {
    let source = folder.join(format!("{name}.c"));
    fs::write(&source, code).unwrap();
    let library = folder.join(format!("lib{name}.so"));
    let built = Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    match built {
        Ok(status) => {
            assert!(status.success(), "{name}.c does not compile");
            Some(library)
        }
        Err(error) => {
            let what = format!("a library that is {name} is refused");
            xtask::skip::skipped(&what, &format!("gcc cannot be run ({error}); install it"));
            None
        }
    }
}

/// A runtime that says this of itself and knows no function.
fn pretender(version: &str) -> String {
    format!(
        "static const void *api(unsigned int version) {{ return 0; }}
         static const char *version(void) {{ return {version}; }}
         static const struct {{ const void *(*api)(unsigned int); const char *(*version)(void); }} base = {{ api, version }};
         const void *OrtGetApiBase(void) {{ return &base; }}"
    )
}

#[test]
fn what_is_no_onnx_runtime_is_refused_with_its_cause() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let text = folder.join("libtext.so");
    fs::write(&text, "not a library, but a text that somebody has given its name\n".repeat(9)).unwrap();
    let empty = folder.join("libempty.so");
    fs::write(&empty, "").unwrap();
    let code = |name: &str, code: &str| compiled(folder, name, code);
    let rows = [
        (Some(folder.join("libabsent.so")), "no file "),
        (Some(folder.to_owned()), "no library but a folder: "),
        (Some(text), "libtext.so is no library for this machine: "),
        (Some(empty), "libempty.so is no library for this machine: "),
        (code("foreign", "int foreign(void) { return 1; }"), "is no ONNX Runtime: it has no OrtGetApiBase"),
        (code("hollow", "const void *OrtGetApiBase(void) { return 0; }"), "it does not say its version"),
        (code("mute", &pretender("0")), "it does not say its version"),
        (code("odd", &pretender("\"latest\"")), "it does not say its version"),
        (code("old", &pretender("\"1.5.0\"")), "is too old, 1.17 or later is needed"),
        (code("almost", &pretender("\"1.16.3\"")), "is too old, 1.17 or later is needed"),
        // It says that it is young, and does not know the functions.
        (code("liar", &pretender("\"1.99.0\"")), "is too old, 1.17 or later is needed"),
    ];
    let mut wrong = Vec::new();
    for (file, cause) in rows {
        let Some(file) = file else { continue };
        let answer = resolved(&file).and_then(|file| check(&file));
        let named = file.file_name().unwrap().to_str().unwrap();
        match answer {
            Err(error)
                if error.cause.contains(cause) && error.cause.contains(named) && !error.remedy.is_empty() => {
            }
            answer => wrong.push((file, answer)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_named_file_is_taken_before_the_environment_and_that_before_the_folder() {
    let folder = TempDir::new().unwrap();
    let beside = folder.path().join("libonnxruntime.so.1.20.1");
    fs::write(&beside, "").unwrap();
    let places = |given: Option<&str>, variable: Option<&str>| Places {
        given: given.map(PathBuf::from),
        variable: variable.map(OsString::from),
        folder: Some(folder.path().to_owned()),
    };
    assert_eq!(places(Some("a"), Some("b")).find(), Ok("a".into()));
    assert_eq!(places(None, Some("b")).find(), Ok("b".into()));
    if cfg!(target_os = "linux") {
        assert_eq!(places(None, None).find(), Ok(beside));
    }
}

#[test]
fn nothing_found_says_where_it_was_looked_for() {
    let folder = TempDir::new().unwrap();
    // The providers of ONNX Runtime have names like its own.
    fs::write(folder.path().join("libonnxruntime_providers_cuda.so"), "").unwrap();
    let places = Places { folder: Some(folder.path().to_owned()), ..Places::default() };
    let error = places.find().unwrap_err();
    let start = "no ONNX Runtime: ORT_DYLIB_PATH is not set, no ";
    let end = format!("onnxruntime{} in {}", std::env::consts::DLL_SUFFIX, folder.path().display());
    assert!(error.cause.starts_with(start) && error.cause.ends_with(&end), "{error}");
    assert!(error.remedy.contains("pip install onnxruntime"), "{}", error.remedy);
}

#[test]
fn of_several_versions_beside_the_program_the_latest_is_taken() {
    let rows: [(&[&str], &str, Option<&str>); 6] = [
        (&["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.20.0"], ".so", Some("libonnxruntime.so.1.20.0")),
        (&["libonnxruntime.so.1.20.0", "libonnxruntime.so"], ".so", Some("libonnxruntime.so")),
        (&["libonnxruntime.1.20.0.dylib"], ".dylib", Some("libonnxruntime.1.20.0.dylib")),
        (&["libonnxruntime.so.bak", "libonnxruntime.so.1.2.x"], ".so", None),
        (&["libonnxruntime_providers_shared.so", "libonnxruntime4j_jni.so"], ".so", None),
        (&[], ".so", None),
    ];
    for (files, suffix, expected) in rows {
        let folder = TempDir::new().unwrap();
        for file in files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let found = super::latest(folder.path(), "libonnxruntime", suffix);
        assert_eq!(found, expected.map(|name| folder.path().join(name)), "{files:?}");
    }
}

#[test]
fn versions_are_read_to_their_second_number() {
    let rows = [
        ("1.32.0", Some(32)),
        ("1.17.1-rc1", Some(17)),
        ("1.20.0+dev", Some(20)),
        ("1.5", Some(5)),
        ("2.0.0", None),
        ("1", None),
        ("1.x.0", None),
        ("", None),
    ];
    for (version, expected) in rows {
        assert_eq!(minor(version), expected, "{version}");
    }
}
