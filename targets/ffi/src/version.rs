//! What library this is. Nothing here can fail.

use std::ffi::{CStr, c_char};

use crate::types::tc_status;

/// The version of this interface: what TC_ABI_VERSION was when the library was built.
pub const TC_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the interface that the library has. A program works with the library if this is equal to the
/// TC_ABI_VERSION that it was compiled with. Within one version functions, flags, status values and fields at the end
/// of structures are added, nothing is changed or removed.
#[unsafe(no_mangle)]
pub const extern "C" fn tc_abi_version() -> u32 {
    TC_ABI_VERSION
}

/// The version of the library, such as "0.1.0". Static, NUL-terminated, never NULL.
#[unsafe(no_mangle)]
pub const extern "C" fn tc_version() -> *const c_char {
    VERSION.as_ptr()
}

/// What a status means, in a few words of English. Static, NUL-terminated, never NULL, also for a number that is no
/// status.
#[unsafe(no_mangle)]
pub const extern "C" fn tc_status_text(status: u32) -> *const c_char {
    tc_status::describe(status).as_ptr()
}
