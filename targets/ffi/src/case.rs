//! Opening a case and asking it.

use std::ffi::{CString, c_char, c_void};
use std::fmt::Write as _;
use std::path::Path;
use std::ptr;

use face::{Backend, Bytes, Case, Options, Report, Runnable};

use crate::guard::{Failure, explained, guard};
use crate::pointer::{Out, bytes, checked, shared, take};
use crate::types::{
    TC_BACKEND_AUTO, TC_BACKEND_NATIVE, TC_BACKEND_ORT, TC_BACKEND_TRACT, TC_BACKEND_WGPU, tc_error,
    tc_options, tc_status,
};

/// The largest case: as for a file.
const MAX_CASE_BYTES: usize = 1 << 30;

/// The largest structure that a later version of the interface may have: beyond it a size field was not set.
pub(crate) const MAX_STRUCT_BYTES: usize = 4096;

/// An open case, ready to run. Never changed: any number of threads may use it at the same time.
#[derive(Debug)]
pub struct tc_case {
    pub(crate) runnable: Runnable,
    name: CString,
    labels: Box<[CString]>,
}

impl tc_case {
    fn new(case: &Case, options: &Options) -> Result<Self, Failure> {
        let runnable = face::prepare(case, options)?;
        // The format allows no control characters in these, so no NUL.
        let text = |text: &str| CString::new(text).map_err(|_| tc_status::TC_INVALID_CASE);
        Ok(Self {
            name: text(case.name())?,
            labels: case.labels().iter().map(text).collect::<Result<_, _>>()?,
            runnable,
        })
    }
}

/// The report in lines: `engine: native`, then `passed over: NAME: CAUSE` and `help: REMEDY` for each of
/// the others. It ends in NUL.
fn describe(report: &Report) -> CString {
    let mut text = format!("engine: {}\n", report.backend);
    for other in &report.passed_over {
        // Writing to a string does not fail.
        let _ = writeln!(text, "passed over: {}: {}\nhelp: {}", other.backend, other.cause, other.remedy);
    }
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

/// # Safety
/// `options` is null, misaligned, or points to as many readable bytes as its size field says.
unsafe fn read_options(options: *const tc_options) -> Result<Options, Failure> {
    if options.is_null() {
        return Ok(Options::default());
    }
    let pointer = checked(options.cast_mut())?;
    // SAFETY: not null and aligned as checked; the caller promises that the field is there.
    let size = unsafe { (&raw const (*pointer.as_ptr()).size).read() };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if !(size_of::<tc_options>()..=MAX_STRUCT_BYTES).contains(&size) {
        return Err(tc_status::TC_LENGTH.into());
    }
    // SAFETY: the size was just found to cover the structure, and the caller promises that it is right.
    let known = unsafe { pointer.read() };
    // SAFETY: as many bytes as the size field says can be read.
    let whole = unsafe { bytes(options, size) }?;
    if whole.iter().skip(size_of::<tc_options>()).any(|&byte| byte != 0) {
        let text = "options of a later version are set, this library does not know them";
        return Err(Failure::new(tc_status::TC_LENGTH, text.to_owned()));
    }
    let backend = match known.backend {
        TC_BACKEND_AUTO => Backend::Auto,
        TC_BACKEND_NATIVE => Backend::Native,
        TC_BACKEND_TRACT => Backend::Tract,
        TC_BACKEND_ORT => Backend::Ort,
        TC_BACKEND_WGPU => Backend::Wgpu,
        other => {
            let text = format!("backend {other}: not known, allowed are 0 (auto) to {TC_BACKEND_WGPU}");
            return Err(Failure::new(tc_status::TC_NO_BACKEND, text));
        }
    };
    Ok(Options::new(backend, known.strict != 0))
}

#[cfg(unix)]
fn file_name(name: &[u8]) -> Result<&Path, Failure> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Path::new(std::ffi::OsStr::from_bytes(name)))
}

#[cfg(not(unix))]
fn file_name(name: &[u8]) -> Result<&Path, Failure> {
    let unreadable = |_| Failure::new(tc_status::TC_UNREADABLE, "name of a file is not UTF-8".to_owned());
    std::str::from_utf8(name).map(Path::new).map_err(unreadable)
}

/// Opens a file, verifies every byte of it, and makes it ready to run. What happens to the file later does not matter.
///
/// `path` has `path_len` bytes and need not end in NUL: UTF-8, or on Unix any bytes. `options` may be NULL for the
/// defaults, `error` may be NULL. `*out` is NULL unless the call succeeds; close it with tc_case_close().
///
/// # Safety
/// `path` points to `path_len` readable bytes; `options` to a structure as large as its size field says; `out` and
/// `error` can be written to. None of them overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_open(
    path: *const c_char,
    path_len: usize,
    options: *const tc_options,
    out: *mut *mut tc_case,
    error: *mut tc_error,
) -> tc_status {
    let work = || {
        // SAFETY: the caller promises that `out` can be written to.
        let out = unsafe { Out::new(out) }?;
        out.set(ptr::null_mut());
        checked(path.cast_mut())?;
        // SAFETY: the caller promises that `path_len` bytes can be read.
        let path = unsafe { bytes(path, path_len) }?;
        // SAFETY: the caller promises that `options` is as large as it says.
        let options = unsafe { read_options(options) }?;
        let case = tc_case::new(&face::open(file_name(path)?)?, &options)?;
        out.set(Box::into_raw(Box::new(case)));
        Ok(())
    };
    // SAFETY: the caller promises that `error` can be written to.
    unsafe { explained(error, work) }
}

/// As tc_case_open(), from `len` bytes in memory (an asset of an app, flash). The bytes are copied: they may be freed
/// as soon as the call returns.
///
/// # Safety
/// `bytes` points to `len` readable bytes; the rest is as for tc_case_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_open_memory(
    bytes: *const c_void,
    len: usize,
    options: *const tc_options,
    out: *mut *mut tc_case,
    error: *mut tc_error,
) -> tc_status {
    let work = || {
        // SAFETY: the caller promises that `out` can be written to.
        let out = unsafe { Out::new(out) }?;
        out.set(ptr::null_mut());
        checked(bytes.cast_mut())?;
        if isize::try_from(len).is_err() {
            return Err(tc_status::TC_LENGTH.into());
        }
        if len > MAX_CASE_BYTES {
            let text = format!("case: {len} bytes, limit is {MAX_CASE_BYTES}");
            return Err(Failure::new(tc_status::TC_INVALID_CASE, text));
        }
        // SAFETY: the caller promises that `len` bytes can be read.
        let bytes = unsafe { crate::pointer::bytes(bytes, len) }?;
        // SAFETY: the caller promises that `options` is as large as it says.
        let options = unsafe { read_options(options) }?;
        let copy = Bytes::copy(bytes).map_err(|_| tc_status::TC_NO_MEMORY)?;
        let case = tc_case::new(&Case::from_bytes(copy)?, &options)?;
        out.set(Box::into_raw(Box::new(case)));
        Ok(())
    };
    // SAFETY: the caller promises that `error` can be written to.
    unsafe { explained(error, work) }
}

/// Closes a case and sets the handle to NULL, so that closing twice does nothing. NULL, and a handle that is NULL, are
/// fine. Sessions of the case may be closed before or after it and can be used until they are.
///
/// # Safety
/// `*handle` came from tc_case_open() or tc_case_open_memory() and was not closed through a copy of the handle. No
/// other thread uses the case through the handle, and no text that the case lent is used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_close(handle: *mut *mut tc_case) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the handle is one of ours, and open.
        drop(unsafe { take(handle) }?);
        Ok(())
    })
}

/// What people call the case. The text is UTF-8 without control characters, belongs to the case, and stays until the
/// case is closed. `*len` is its length in bytes; a NUL follows it.
///
/// # Safety
/// `handle` is an open case; `text` and `len` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_name(
    handle: *const tc_case,
    text: *mut *const c_char,
    len: *mut usize,
) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        // SAFETY: the caller promises that `text` and `len` can be written to.
        unsafe { lend(Some(&case.name), text, len) }
    })
}

/// How many classes the case has.
///
/// # Safety
/// `handle` is an open case; `count` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_label_count(handle: *const tc_case, count: *mut u32) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        // SAFETY: the caller promises that `count` can be written to.
        let count = unsafe { Out::new(count) }?;
        count.set(case.runnable.case().labels().len());
        Ok(())
    })
}

/// The name of a class: text as from tc_case_name(). TC_INDEX if there is no such class; then `*text` is NULL.
///
/// # Safety
/// `handle` is an open case; `text` and `len` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_label(
    handle: *const tc_case,
    index: u32,
    text: *mut *const c_char,
    len: *mut usize,
) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        let label = usize::try_from(index).ok().and_then(|index| case.labels.get(index));
        // SAFETY: the caller promises that `text` and `len` can be written to.
        unsafe { lend(label, text, len) }
    })
}

/// Bytes of a digest.
pub const TC_DIGEST_BYTES: usize = 32;

/// The SHA-256 that stands for every byte of the case: TC_DIGEST_BYTES bytes are written to `digest`.
///
/// # Safety
/// `handle` is an open case; 32 bytes can be written to `digest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_digest(handle: *const tc_case, digest: *mut u8) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        // SAFETY: the caller promises that 32 bytes can be written.
        let digest = unsafe { Out::new(digest.cast::<[u8; TC_DIGEST_BYTES]>()) }?;
        digest.set(case.runnable.case().digest());
        Ok(())
    })
}

/// How many bytes of scratch memory each session of the case has.
///
/// # Safety
/// `handle` is an open case; `scratch_bytes` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_scratch_bytes(
    handle: *const tc_case,
    scratch_bytes: *mut usize,
) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        // SAFETY: the caller promises that `scratch_bytes` can be written to.
        let scratch_bytes = unsafe { Out::new(scratch_bytes) }?;
        scratch_bytes.set(case.runnable.case().cost().scratch_bytes);
        Ok(())
    })
}

/// Which engine answers now, which were passed over or lost, and why: lines of UTF-8, the first `engine: NAME`, then
/// `passed over: NAME: CAUSE` and `help: REMEDY` for each other one.
///
/// Writes at most `capacity` bytes to `buffer`, the last of them NUL, and to `*needed` (which may be NULL) how many
/// bytes the whole report takes with its NUL. TC_LENGTH if they are more than `capacity`: the text is cut then, maybe
/// within a character. `buffer` may be NULL if `capacity` is 0, to ask for the size alone; that is no failure.
///
/// # Safety
/// `handle` is an open case; `capacity` bytes can be written to `buffer`; `needed` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_case_report(
    handle: *const tc_case,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        // SAFETY: the caller promises that `needed` can be written to.
        let needed = unsafe { Out::optional(needed) }?;
        if isize::try_from(capacity).is_err() {
            return Err(tc_status::TC_LENGTH);
        }
        if buffer.is_null() && capacity > 0 {
            return Err(tc_status::TC_NULL);
        }
        let report = describe(&case.runnable.report());
        let report = report.as_bytes_with_nul();
        if let Some(needed) = needed {
            needed.set(report.len());
        }
        let Some(last) = capacity.min(report.len()).checked_sub(1) else {
            return if buffer.is_null() { Ok(()) } else { Err(tc_status::TC_LENGTH) };
        };
        let source = report.as_ptr().cast::<c_char>();
        // SAFETY: `last` is below the length of the report and below `capacity`, which the caller promises can be
        // written; nothing that C may write to overlaps the report.
        unsafe { ptr::copy_nonoverlapping(source, buffer, last) };
        // SAFETY: `last` is below `capacity`.
        let end = unsafe { buffer.add(last) };
        // SAFETY: the caller promises that every byte below `capacity` can be written.
        unsafe { end.write(0) };
        if report.len() > capacity { Err(tc_status::TC_LENGTH) } else { Ok(()) }
    })
}

/// Lends a text to C.
///
/// # Safety
/// `text` and `len` are null, misaligned, or can be written to.
unsafe fn lend(lent: Option<&CString>, text: *mut *const c_char, len: *mut usize) -> Result<(), tc_status> {
    // SAFETY: the caller promises that it can be written to.
    let text = unsafe { Out::new(text) }?;
    // SAFETY: the caller promises that it can be written to.
    let len = unsafe { Out::new(len) }?;
    text.set(lent.map_or(ptr::null(), |lent| lent.as_ptr()));
    len.set(lent.map_or(0, |lent| lent.as_bytes().len()));
    if lent.is_some() { Ok(()) } else { Err(tc_status::TC_INDEX) }
}
