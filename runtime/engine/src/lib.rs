//! Case, Session, Verdict and the native integer engine of Typecase: no_std, memory from the caller.
#![no_std]
#![forbid(unsafe_code)]
