//! Which file is ONNX Runtime, and whether it really is.

use std::cmp::Reverse;
use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::{CStr, OsString};
use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use libloading::{Library, Symbol};
use ort::sys::OrtApiBase;
use typecase_engine::backend::Unavailable;

/// The environment variable that names the file.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// What helps when there is no library, or a wrong one. Older wheels have none inside.
const REMEDY: &str = "pip install onnxruntime (1.19 or later) and set ORT_DYLIB_PATH to its \
                      onnxruntime/capi/libonnxruntime.so.*, or name that file with --ort-library";

/// Where the library is looked for.
#[derive(Debug, Default)]
pub(crate) struct Places {
    given: Option<PathBuf>,
    variable: Option<OsString>,
    /// The folder of the program.
    folder: Option<PathBuf>,
}

impl Places {
    pub(crate) fn of(given: Option<&Path>) -> Self {
        let program = env::current_exe().ok();
        Self {
            given: given.map(Path::to_owned),
            variable: env::var_os(VARIABLE).filter(|value| !value.is_empty()),
            folder: program.and_then(|program| Some(program.parent()?.to_owned())),
        }
    }

    /// The file that is named, whether it is there or not, or one that is there.
    pub(crate) fn find(self) -> Result<PathBuf, Unavailable> {
        if let Some(named) = self.given.or_else(|| self.variable.map(PathBuf::from)) {
            return Ok(named);
        }
        let (stem, suffix) = (format!("{DLL_PREFIX}onnxruntime"), DLL_SUFFIX);
        let beside = self.folder.as_deref().and_then(|folder| latest(folder, &stem, suffix));
        beside.ok_or_else(|| {
            let folder = self.folder.as_deref().unwrap_or(Path::new("the folder of the program"));
            let cause =
                format!("no ONNX Runtime: {VARIABLE} is not set, no {stem}{suffix} in {}", folder.display());
            Unavailable::new(cause, REMEDY)
        })
    }
}

/// The file without a version, or the one with the highest: `libonnxruntime.so.1.20.1`, `libonnxruntime.1.20.1.dylib`.
fn latest(folder: &Path, stem: &str, suffix: &str) -> Option<PathBuf> {
    let version = |name: &str| -> Option<Vec<u32>> {
        let rest = name.strip_prefix(stem)?;
        let rest = rest.strip_prefix(suffix).or_else(|| rest.strip_suffix(suffix))?;
        let numbers = rest.split('.').filter(|number| !number.is_empty());
        numbers.map(|number| number.parse().ok()).collect()
    };
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let named = entries.filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())));
    let (_, path) = named.min_by_key(|(version, _)| (!version.is_empty(), Reverse(version.clone())))?;
    Some(path)
}

/// The file behind every link: it is compared with the one that is loaded, and its providers stand beside it.
pub(crate) fn resolved(file: &Path) -> Result<PathBuf, Unavailable> {
    let wrong = |what: &str| Err(Unavailable::new(format!("{what} {}", file.display()), REMEDY));
    match fs::canonicalize(file) {
        Ok(path) if path.is_dir() => wrong("no library but a folder:"),
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => wrong("no file"),
        Err(error) => wrong(&format!("{error}:")),
    }
}

/// Loads the file and returns its version if `ort` can work with it; else lets go of it again. Everything that `ort`
/// would answer with a panic is looked at here.
pub(crate) fn check(file: &Path) -> Result<String, Unavailable> {
    let name = file.display();
    let no_runtime = |cause: String| Unavailable::new(cause, REMEDY);
    // SAFETY: what a library does when it is loaded is its maker's duty; the user has named it as ONNX Runtime, or
    // has put it beside the program under that name.
    let library = unsafe { Library::new(file) }
        .map_err(|error| no_runtime(format!("{name} is no library for this machine: {error}")))?;
    // SAFETY: the function has had this type in every ONNX Runtime since the first.
    let base: Symbol<'_, unsafe extern "C" fn() -> *const OrtApiBase> =
        unsafe { library.get(b"OrtGetApiBase") }
            .map_err(|_| no_runtime(format!("{name} is no ONNX Runtime: it has no OrtGetApiBase")))?;
    let broken = || no_runtime(format!("{name} is no working ONNX Runtime: it does not say its version"));
    // SAFETY: it may be called at any time, by any thread.
    let base = unsafe { base() };
    // SAFETY: null, or a constant of the library, which stays loaded to the end of this function.
    let base = unsafe { base.as_ref() }.ok_or_else(broken)?;
    // SAFETY: as above; it takes nothing.
    let version = unsafe { (base.GetVersionString)() };
    if version.is_null() {
        return Err(broken());
    }
    // SAFETY: a constant string of the library, ended by a zero.
    let version = unsafe { CStr::from_ptr(version) }.to_str().map_err(|_| broken())?.to_owned();
    let minor = minor(&version).ok_or_else(broken)?;
    let too_old = || {
        let needed = ort::MINOR_VERSION;
        no_runtime(format!("ONNX Runtime {version} in {name} is too old, 1.{needed} or later is needed"))
    };
    if minor < ort::MINOR_VERSION {
        return Err(too_old());
    }
    // SAFETY: any number may be asked for; null says that there is no such version.
    if unsafe { (base.GetApi)(ort::MINOR_VERSION) }.is_null() {
        return Err(too_old());
    }
    // It is loaded once more for good. To unload it in between would run the ends of its globals.
    mem::forget(library);
    Ok(version)
}

/// The second number of a version; the first must be 1.
fn minor(version: &str) -> Option<u32> {
    let mut numbers = version.split('.');
    numbers.next().filter(|major| *major == "1")?;
    numbers.next()?.parse().ok()
}

#[cfg(test)]
mod tests;
