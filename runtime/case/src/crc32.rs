//! CRC-32 (IEEE 802.3, reflected), as every section record holds it: with the feature `std` by the processor's
//! instructions, which a library knows, else by code that runs everywhere.

#[cfg(any(test, not(feature = "std")))]
mod portable;

/// The CRC-32 of `bytes`.
#[cfg(feature = "std")]
pub(crate) fn of(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The CRC-32 of `bytes`.
#[cfg(not(feature = "std"))]
pub(crate) fn of(bytes: &[u8]) -> u32 {
    portable::of(bytes)
}
