//! The functions that the host calls. Each is one call of [`Classifiers`].
//!
//! A module runs on one thread; the lock is what safe Rust asks for, and costs nothing there.
#![allow(
    unsafe_code,
    reason = "an exported name is an unsafe attribute: it could collide with another; no more is needed"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Classifiers;

static CLASSIFIERS: Mutex<Classifiers> = Mutex::new(Classifiers::EMPTY);

fn classifiers() -> MutexGuard<'static, Classifiers> {
    CLASSIFIERS.lock().unwrap_or_else(PoisonError::into_inner)
}

macro_rules! exports {
    ($($(#[$doc:meta])* $name:ident = $method:ident($($argument:ident),*) $(-> $answer:ty)?;)*) => {
        $($(#[$doc])*
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name($($argument: u32),*) $(-> $answer)? {
            classifiers().$method($($argument),*)
        })*
    };
}

exports! {
    /// [`Classifiers::room`]
    typecase_room = room(len) -> u32;
    /// [`Classifiers::room_address`]
    typecase_room_address = room_address() -> u32;
    /// [`Classifiers::open`]
    typecase_open = open() -> u32;
    /// [`Classifiers::error`]
    typecase_error = error() -> u32;
    /// [`Classifiers::close`]
    typecase_close = close(handle);
    /// [`Classifiers::verify`]
    typecase_verify = verify(handle) -> u32;
    /// [`Classifiers::classify`]
    typecase_classify = classify(handle, len) -> u32;
    /// [`Classifiers::classes`]
    typecase_classes = classes(handle) -> u32;
    /// [`Classifiers::name`]
    typecase_name = name(handle, index) -> u32;
    /// [`Classifiers::digest`]
    typecase_digest = digest(handle) -> u32;
}

/// [`crate::checks::kernels`]
#[cfg(feature = "checks")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn typecase_check_kernels() -> u32 {
    crate::checks::kernels()
}
