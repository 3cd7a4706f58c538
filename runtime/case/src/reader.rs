//! A cursor over a section: it takes from the front and never looks back, so nothing can be read out of bounds.

use crate::error::Error;

/// Takes numbers and slices off the front of a section.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    section: u32,
    /// Bytes of the whole section.
    len: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; errors name `section`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], section: u32) -> Self {
        Self { rest: bytes, section, len: bytes.len() }
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] if there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or(Error::SectionTooShort { section: self.section })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `count` items of `size` bytes.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] if there are fewer.
    pub fn take_items(&mut self, count: u32, size: usize) -> Result<&'a [u8], Error> {
        let bytes = u64::from(count).checked_mul(size as u64).and_then(|n| usize::try_from(n).ok());
        self.take(bytes.ok_or(Error::SectionTooShort { section: self.section })?)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(Error::SectionTooShort { section: self.section })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] at the end.
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next 16-bit number.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] at the end.
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next 32-bit number.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] at the end.
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 64-bit number.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] at the end.
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next single-precision number.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] at the end.
    pub fn f32(&mut self) -> Result<f32, Error> {
        self.array().map(f32::from_le_bytes)
    }

    /// The next `len` bytes, which must be zero.
    ///
    /// # Errors
    /// [`Error::SectionTooShort`] at the end, [`Error::Reserved`] for anything but zero.
    pub fn zeros(&mut self, len: usize) -> Result<(), Error> {
        let start = self.len.saturating_sub(self.rest.len());
        let bytes = self.take(len)?;
        match bytes.iter().position(|&b| b != 0) {
            Some(at) => {
                Err(Error::Reserved { section: self.section, offset: start.saturating_add(at) as u64 })
            }
            None => Ok(()),
        }
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the section.
    ///
    /// # Errors
    /// [`Error::SectionTooLong`] if bytes are left over.
    pub const fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::SectionTooLong { section: self.section, left: self.rest.len() as u64 })
    }
}
