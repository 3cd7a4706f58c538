//! The types that C sees.

use std::ffi::{CStr, c_char};

use face::ErrorKind;

/// How a call ended. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum tc_status {
    /// It did what was asked.
    TC_OK = 0,
    /// A file cannot be read.
    TC_UNREADABLE = 1,
    /// The bytes are no sound case, or the case failed its own test.
    TC_INVALID_CASE = 2,
    /// The engine asked for is not part of this library, or not known.
    TC_NO_BACKEND = 3,
    /// Another engine would have to answer than the one asked for, and `strict` does not allow it.
    TC_FELL_BACK = 4,
    /// A pointer is NULL that may not be.
    TC_NULL = 100,
    /// A pointer is not aligned for its type.
    TC_MISALIGNED = 101,
    /// A length is larger than anything in memory can be, a buffer is too small, or the size field of a structure is
    /// out of range.
    TC_LENGTH = 102,
    /// There is no entry with this index.
    TC_INDEX = 103,
    /// Another thread is using the session.
    TC_BUSY = 104,
    /// There is not enough memory for the copy of a case.
    TC_NO_MEMORY = 105,
    /// A bug in the library, stopped at its border. Please report it.
    TC_PANIC = 106,
    /// A failure that has no number of its own in this version.
    TC_OTHER = 107,
}

impl tc_status {
    pub(crate) const fn describe(status: u32) -> &'static CStr {
        const ALL: [(tc_status, &CStr); 13] = [
            (tc_status::TC_OK, c"done"),
            (tc_status::TC_UNREADABLE, c"file cannot be read"),
            (tc_status::TC_INVALID_CASE, c"no sound case"),
            (tc_status::TC_NO_BACKEND, c"engine not part of this library"),
            (tc_status::TC_FELL_BACK, c"engine cannot run here"),
            (tc_status::TC_NULL, c"pointer is NULL"),
            (tc_status::TC_MISALIGNED, c"pointer is not aligned"),
            (tc_status::TC_LENGTH, c"length or size out of range"),
            (tc_status::TC_INDEX, c"index out of range"),
            (tc_status::TC_BUSY, c"session is in use by another thread"),
            (tc_status::TC_NO_MEMORY, c"not enough memory"),
            (tc_status::TC_PANIC, c"bug in libtypecase"),
            (tc_status::TC_OTHER, c"other failure"),
        ];
        let mut rest: &[(Self, &CStr)] = &ALL;
        while let [(known, text), tail @ ..] = rest {
            if *known as u32 == status {
                return text;
            }
            rest = tail;
        }
        c"unknown status"
    }
}

impl From<ErrorKind> for tc_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unreadable => Self::TC_UNREADABLE,
            ErrorKind::InvalidCase => Self::TC_INVALID_CASE,
            ErrorKind::NoBackend => Self::TC_NO_BACKEND,
            ErrorKind::FellBack => Self::TC_FELL_BACK,
            _ => Self::TC_OTHER,
        }
    }
}

/// Engine: the best that this machine and this library have.
pub const TC_BACKEND_AUTO: u32 = 0;
/// Engine: the integer engine, always there.
pub const TC_BACKEND_NATIVE: u32 = 1;
/// Engine: tract, ONNX on the CPU. Only in a library that was built with it, as the next two.
pub const TC_BACKEND_TRACT: u32 = 2;
/// Engine: ONNX Runtime, with TensorRT or CUDA if they are there.
pub const TC_BACKEND_ORT: u32 = 3;
/// Engine: a GPU through Vulkan, Metal, Direct3D 12 or OpenGL.
pub const TC_BACKEND_WGPU: u32 = 4;

/// How a case is opened. Set all of it to zero, then `size`, then what you need.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct tc_options {
    /// sizeof(tc_options), by which the library knows the version of the structure. What a later version adds must be
    /// zero for a library that does not know it.
    pub size: u32,
    /// Which engine: TC_BACKEND_AUTO or another TC_BACKEND_ value.
    pub backend: u32,
    /// Not 0: fail if another engine than the one asked for would have to answer.
    pub strict: u32,
}

/// Bytes of the sentence in a tc_error, the NUL at its end included.
pub const TC_ERROR_TEXT_BYTES: usize = 252;

/// Why a call failed. Written by every call that takes it, empty when the call succeeded.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct tc_error {
    /// The rule of the case format or of the engine that was broken, 0 if it was something else. Stable, for logs.
    pub code: u32,
    /// One sentence in UTF-8, NUL-terminated, cut if it is too long.
    pub text: [c_char; TC_ERROR_TEXT_BYTES],
}

/// Flag: the text was cut, it is over the limits of the case.
pub const TC_TRUNCATED: u32 = 1;
/// Flag: the probability is below the threshold of the case, better not to rely on the label.
pub const TC_ABSTAIN: u32 = 2;
/// Flag: the text is not UTF-8 throughout; each invalid part was read as U+FFFD.
pub const TC_INVALID_UTF8: u32 = 4;
/// Flag: the case knows no word of the text; set too for a text without words.
pub const TC_NO_KNOWN_WORD: u32 = 8;

/// What a case says of a text.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct tc_verdict {
    /// Set this to sizeof(tc_verdict) before the call: by it the library knows the version of the structure. It is
    /// the only field that is read.
    pub size: u32,
    /// Index of the class; tc_case_label() has its name.
    pub label: u32,
    /// The exact scores, one for each class: the same on every device and engine. They belong to the session and stay
    /// until the next call on it.
    pub scores: *const i32,
    /// How many scores: tc_case_label_count().
    pub score_count: u32,
    /// TC_TRUNCATED, TC_ABSTAIN, TC_INVALID_UTF8, TC_NO_KNOWN_WORD, together.
    pub flags: u32,
    /// Calibrated probability of the class, 0 to 1.
    pub probability: f32,
    /// softmax(scores * score_scale) are the calibrated probabilities of all classes.
    pub score_scale: f32,
    /// The share of the words that the case does not know, 0 to 1; 0 for a text without words.
    pub unknown_share: f32,
    /// Features of the text that the case knows; 0: the verdict rests on the bias alone.
    pub tokens: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_the_face_keep_their_numbers() {
        for kind in [ErrorKind::Unreadable, ErrorKind::InvalidCase, ErrorKind::NoBackend, ErrorKind::FellBack]
        {
            assert_eq!(tc_status::from(kind) as u32, kind as u32);
        }
    }

    #[test]
    fn every_number_has_a_text() {
        for status in [0, 1, 2, 3, 4, 100, 101, 102, 103, 104, 105, 106, 107] {
            assert_ne!(tc_status::describe(status), c"unknown status");
        }
        for status in [5, 99, 108, u32::MAX] {
            assert_eq!(tc_status::describe(status), c"unknown status");
        }
    }
}
