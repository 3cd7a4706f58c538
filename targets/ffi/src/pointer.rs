//! From pointers of C to what Rust can use: null, alignment and lengths are checked here, and nowhere else.

use std::ptr::NonNull;
use std::slice;

use crate::types::tc_status;

/// A place that C lends for writing. It need not be initialised.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `place` is null, misaligned, or may be written to while the value lives.
    pub(crate) unsafe fn new(place: *mut T) -> Result<Self, tc_status> {
        Ok(Self(checked(place)?))
    }

    /// As [`Self::new`], for a place that may be left out.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub(crate) unsafe fn optional(place: *mut T) -> Result<Option<Self>, tc_status> {
        if place.is_null() {
            return Ok(None);
        }
        // SAFETY: the same promise.
        unsafe { Self::new(place) }.map(Some)
    }

    /// Writes; what was there is forgotten.
    pub(crate) fn set(&self, value: T) {
        // SAFETY: not null and aligned as checked by `new`, and writable as promised to it.
        unsafe { self.0.write(value) }
    }
}

/// A shared look at what C points to.
///
/// # Safety
/// `pointer` is null, misaligned, or points to a valid value that lives and is not written to for `'a`.
pub(crate) unsafe fn shared<'a, T>(pointer: *const T) -> Result<&'a T, tc_status> {
    let pointer = checked(pointer.cast_mut())?;
    // SAFETY: not null and aligned as checked; valid and unchanged as the caller promises.
    Ok(unsafe { pointer.as_ref() })
}

/// Bytes; null is allowed if there are none.
///
/// # Safety
/// If `pointer` is not null and `len` is at most `isize::MAX`, that many bytes can be read and are not written to
/// for `'a`.
pub(crate) unsafe fn bytes<'a, T>(pointer: *const T, len: usize) -> Result<&'a [u8], tc_status> {
    if isize::try_from(len).is_err() {
        return Err(tc_status::TC_LENGTH);
    }
    match (pointer.is_null(), len) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(tc_status::TC_NULL),
        // SAFETY: not null and not too long as checked, bytes have no alignment; readable as the caller promises.
        (false, _) => Ok(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) }),
    }
}

/// Takes back what a handle owns and clears the handle. A null handle, or a null in it, owns nothing.
///
/// # Safety
/// `handle` is null, misaligned, or may be read and written; what is in it is null, misaligned, or came from
/// `Box::into_raw` and was not taken back.
pub(crate) unsafe fn take<T>(handle: *mut *mut T) -> Result<Option<Box<T>>, tc_status> {
    if handle.is_null() {
        return Ok(None);
    }
    let handle = checked(handle)?;
    // SAFETY: not null and aligned as checked, readable as the caller promises.
    let owned = unsafe { handle.read() };
    if owned.is_null() {
        return Ok(None);
    }
    let owned = checked(owned)?;
    // SAFETY: not null and aligned as checked, writable as the caller promises.
    unsafe { handle.write(std::ptr::null_mut()) };
    // SAFETY: the caller promises that it came from a box and was not taken back.
    Ok(Some(unsafe { Box::from_raw(owned.as_ptr()) }))
}

pub(crate) fn checked<T>(pointer: *mut T) -> Result<NonNull<T>, tc_status> {
    let pointer = NonNull::new(pointer).ok_or(tc_status::TC_NULL)?;
    if pointer.is_aligned() { Ok(pointer) } else { Err(tc_status::TC_MISALIGNED) }
}
