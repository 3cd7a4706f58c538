//! The border: nothing that happens inside crosses into C but a status and a sentence.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::pointer::Out;
use crate::types::{TC_ERROR_TEXT_BYTES, tc_error, tc_status};

/// Why a call fails: a status, with the words of the face where there are any.
#[derive(Debug)]
pub(crate) struct Failure {
    status: tc_status,
    code: u32,
    text: Option<String>,
}

impl Failure {
    pub(crate) const fn new(status: tc_status, text: String) -> Self {
        Self { status, code: 0, text: Some(text) }
    }
}

impl From<tc_status> for Failure {
    fn from(status: tc_status) -> Self {
        Self { status, code: 0, text: None }
    }
}

impl From<face::Error> for Failure {
    fn from(error: face::Error) -> Self {
        let code = error.engine().map_or(0, face::engine::Error::code);
        Self { status: error.kind().into(), code, text: Some(error.to_string()) }
    }
}

/// Runs the work of an exported function. A panic ends here.
///
/// What is behind the pointers of C may be half changed by a panic; nothing of ours relies on it being whole: cases
/// are never changed, and the memory of a session is scratch.
pub(crate) fn guard(work: impl FnOnce() -> Result<(), tc_status>) -> tc_status {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => tc_status::TC_OK,
        Ok(Err(status)) => status,
        Err(_) => tc_status::TC_PANIC,
    }
}

/// As [`guard`], and tells why in `error`, unless that is null.
///
/// # Safety
/// `error` is null, misaligned, or may be written to.
pub(crate) unsafe fn explained(
    error: *mut tc_error,
    work: impl FnOnce() -> Result<(), Failure>,
) -> tc_status {
    guard(|| {
        // SAFETY: the caller of this function promises it.
        let error = unsafe { Out::optional(error) }?;
        let outcome =
            catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(tc_status::TC_PANIC.into()));
        if let Some(error) = error {
            error.set(tc_error::of(outcome.as_ref().err()));
        }
        outcome.map_err(|failure| failure.status)
    })
}

impl tc_error {
    fn of(failure: Option<&Failure>) -> Self {
        let mut error = Self { code: 0, text: [0; TC_ERROR_TEXT_BYTES] };
        let Some(failure) = failure else { return error };
        error.code = failure.code;
        let words = tc_status::describe(failure.status as u32).to_str().unwrap_or_default();
        let text = failure.text.as_deref().unwrap_or(words);
        let cut = text.floor_char_boundary(TC_ERROR_TEXT_BYTES.saturating_sub(1));
        // A file name may hold a NUL, which would end the sentence early.
        let bytes = text.bytes().take(cut).map(|byte| if byte == 0 { b'?' } else { byte });
        for (place, byte) in error.text.iter_mut().zip(bytes) {
            *place = c_char::from_ne_bytes([byte]);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::ptr;

    fn sentence(error: &tc_error) -> &str {
        // SAFETY: `of` leaves the last byte zero, so there is a NUL within the array.
        unsafe { CStr::from_ptr(error.text.as_ptr()) }.to_str().unwrap()
    }

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(guard(|| panic!("stopped here")), tc_status::TC_PANIC);
        let mut error = tc_error { code: 7, text: [1; TC_ERROR_TEXT_BYTES] };
        // SAFETY: `error` is a local that may be written to.
        let status = unsafe { explained(&raw mut error, || panic!("stopped here")) };
        assert_eq!((status, error.code, sentence(&error)), (tc_status::TC_PANIC, 0, "bug in libtypecase"));
        // SAFETY: null is allowed.
        assert_eq!(unsafe { explained(ptr::null_mut(), || Ok(())) }, tc_status::TC_OK);
    }

    #[test]
    fn a_long_sentence_is_cut_between_characters_and_terminated() {
        for shift in 0..4 {
            let text = format!("{}{}", "x".repeat(shift), "\u{1F600}".repeat(100));
            let error = tc_error::of(Some(&Failure::new(tc_status::TC_UNREADABLE, text.clone())));
            let found = sentence(&error);
            assert!(text.starts_with(found) && (248..=251).contains(&found.len()), "{}", found.len());
        }
        let error = tc_error::of(Some(&Failure::new(tc_status::TC_UNREADABLE, "a\0b".to_owned())));
        assert_eq!(sentence(&error), "a?b");
    }
}
