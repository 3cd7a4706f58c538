//! Classifying.

use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use face::{Session, Verdict};

use crate::case::{MAX_STRUCT_BYTES, tc_case};
use crate::guard::{explained, guard};
use crate::pointer::{Out, bytes, checked, shared, take};
use crate::types::{
    TC_ABSTAIN, TC_INVALID_UTF8, TC_NO_KNOWN_WORD, TC_TRUNCATED, tc_error, tc_status, tc_verdict,
};

/// One thread's way through a case, with all the memory that it will ever need. It may move from thread to thread, but
/// one at a time uses it; a call that finds it in use returns TC_BUSY and does nothing.
#[derive(Debug)]
pub struct tc_session {
    busy: AtomicBool,
    session: UnsafeCell<Session>,
}

impl tc_session {
    /// Gives the session to one caller, or says that another has it.
    fn with<T>(&self, work: impl FnOnce(&mut Session) -> T) -> Result<T, tc_status> {
        /// Also after a panic the session is free again.
        struct Release<'s>(&'s AtomicBool);
        impl Drop for Release<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(tc_status::TC_BUSY);
        }
        let _release = Release(&self.busy);
        // SAFETY: `busy` was false and is true until the end of this function, so no other reference exists.
        Ok(work(unsafe { &mut *self.session.get() }))
    }
}

/// Makes a session, and takes all the memory that it will need. It keeps what it needs of the case alive, so the two
/// may be closed in any order. `*out` is NULL unless the call succeeds; close it with tc_session_close().
///
/// # Safety
/// `handle` is an open case; `out` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_session_new(handle: *const tc_case, out: *mut *mut tc_session) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that `out` can be written to.
        let out = unsafe { Out::new(out) }?;
        out.set(ptr::null_mut());
        // SAFETY: the caller promises that the case is open.
        let case = unsafe { shared(handle) }?;
        let session = UnsafeCell::new(case.runnable.session());
        out.set(Box::into_raw(Box::new(tc_session { busy: AtomicBool::new(false), session })));
        Ok(())
    })
}

/// Closes a session and sets the handle to NULL, so that closing twice does nothing. NULL, and a handle that is NULL,
/// are fine.
///
/// # Safety
/// `*handle` came from tc_session_new() and was not closed through a copy of the handle; no other thread uses it, and
/// no scores that it lent are used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_session_close(handle: *mut *mut tc_session) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the handle is one of ours, and open.
        drop(unsafe { take(handle) }?);
        Ok(())
    })
}

/// Classifies `len` bytes of text, which need not end in NUL. Any bytes are a text: UTF-8 is expected, what is not is
/// read as U+FFFD and flagged. `text` may be NULL if `len` is 0. Allocates nothing.
///
/// Set `verdict->size` before the call. The scores that `*verdict` points to belong to the session and stay until the
/// next call on it.
///
/// # Safety
/// `handle` is an open session; `text` points to `len` readable bytes; as many bytes as `verdict->size` says can be
/// written to `verdict`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_classify(
    handle: *mut tc_session,
    text: *const c_char,
    len: usize,
    verdict: *mut tc_verdict,
) -> tc_status {
    guard(|| {
        // SAFETY: the caller promises that the session is open.
        let session = unsafe { shared(handle.cast_const()) }?;
        // SAFETY: the caller promises that `len` bytes can be read.
        let text = unsafe { bytes(text, len) }?;
        let place = checked(verdict)?.as_ptr();
        // SAFETY: not null and aligned as checked; the caller promises that the field is there and set.
        let size = unsafe { (&raw const (*place).size).read() };
        let whole = usize::try_from(size).unwrap_or(usize::MAX);
        if !(size_of::<tc_verdict>()..=MAX_STRUCT_BYTES).contains(&whole) {
            return Err(tc_status::TC_LENGTH);
        }
        let found =
            session.with(|session| session.classify(text).map(|verdict| tc_verdict::of(&verdict, size)));
        let found = found?.map_err(|error| tc_status::from(error.kind()))?;
        // SAFETY: the size covers the structure, and the caller promises that so many bytes can be written.
        unsafe { place.write(found) };
        let later = whole.saturating_sub(size_of::<tc_verdict>());
        // SAFETY: `later` bytes follow the structure that this library knows, as the size says.
        let end = unsafe { place.add(1) };
        // SAFETY: the caller promises that as many bytes as the size says can be written.
        unsafe { end.cast::<u8>().write_bytes(0, later) };
        Ok(())
    })
}

/// Runs the golden vectors of the case on the engine that answers here: texts with the scores that every device must
/// give. TC_INVALID_CASE if one comes out differently. `error` may be NULL.
///
/// # Safety
/// `handle` is an open session; `error` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tc_session_verify(handle: *mut tc_session, error: *mut tc_error) -> tc_status {
    let work = || {
        // SAFETY: the caller promises that the session is open.
        let session = unsafe { shared(handle.cast_const()) }?;
        session.with(Session::verify)??;
        Ok(())
    };
    // SAFETY: the caller promises that `error` can be written to.
    unsafe { explained(error, work) }
}

impl tc_verdict {
    fn of(verdict: &Verdict<'_>, size: u32) -> Self {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        Self {
            size,
            label: verdict.label_index,
            scores: verdict.scores.as_ptr(),
            // A case has at most 65,535 classes.
            score_count: u32::try_from(verdict.scores.len()).unwrap_or(u32::MAX),
            flags: flag(verdict.truncated, TC_TRUNCATED)
                | flag(verdict.abstain, TC_ABSTAIN)
                | flag(verdict.invalid_utf8 > 0, TC_INVALID_UTF8)
                | flag(verdict.unknown_words == verdict.words, TC_NO_KNOWN_WORD),
            probability: verdict.probability,
            score_scale: verdict.score_scale,
            unknown_share: verdict.unknown_share(),
            tokens: verdict.tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn session() -> tc_session {
        let case = face::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/news-64k.case")).unwrap();
        let runnable = face::prepare(&case, &face::Options::default()).unwrap();
        tc_session { busy: AtomicBool::new(false), session: UnsafeCell::new(runnable.session()) }
    }

    #[test]
    fn a_session_in_use_is_busy_and_free_again_afterwards() {
        let session = session();
        let inner = session.with(|_| session.with(|_| ()));
        assert_eq!(inner, Ok(Err(tc_status::TC_BUSY)));
        assert_eq!(session.with(|_| ()), Ok(()));
    }

    #[test]
    fn a_panic_leaves_the_session_free() {
        let session = session();
        let panicked = catch_unwind(AssertUnwindSafe(|| session.with(|_| panic!("stopped here"))));
        assert!(panicked.is_err());
        assert_eq!(session.with(|session| session.verify().is_ok()), Ok(true));
    }
}
