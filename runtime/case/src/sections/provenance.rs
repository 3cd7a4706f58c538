//! Where the case comes from: short texts by key.
//!
//! ```text
//! 0   4   count: 1 to 64
//! then per entry, keys rising:
//!     1   bytes of the key, 1 to 64
//!     1   zero
//!     2   bytes of the value, 1 to 4096
//!     ... key, value: UTF-8, no control characters
//! ```
//! The whole section has at most 65536 bytes. The key `name` must be there: it is what people call the case.

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;
use crate::sections::is_plain;

/// The most entries.
pub const MAX_ENTRIES: u32 = 64;
/// The longest section.
pub const MAX_BYTES: usize = 65_536;
const MAX_KEY_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 4096;

/// Checked provenance.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    body: &'a [u8],
    count: u32,
}

impl<'a> Provenance<'a> {
    /// Nothing: what a view of bytes that were never accepted falls back to.
    pub const EMPTY: Self = Self { body: &[], count: 0 };

    /// Checks the section whole.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Kind::PROVENANCE.0;
        let mut reader = Reader::new(bytes, section);
        let count = reader.u32()?;
        if !(1..=MAX_ENTRIES).contains(&count) {
            return Err(Error::OutOfRange { section, what: "number of entries", found: count.into() });
        }
        if bytes.len() > MAX_BYTES {
            return Err(Error::OutOfRange { section, what: "number of bytes", found: bytes.len() as u64 });
        }
        let provenance = Self { body: reader.rest(), count };
        let mut last = "";
        for index in 0..count {
            let (key, value) = entry(&mut reader, index)?;
            if !is_plain(key, MAX_KEY_BYTES) || !is_plain(value, MAX_VALUE_BYTES) {
                return Err(Error::Text { section, index });
            }
            if key <= last {
                return Err(Error::Order { section, index });
            }
            last = key;
        }
        reader.finish()?;
        if provenance.value("name").is_none() {
            return Err(Error::OutOfRange { section, what: "number of names", found: 0 });
        }
        Ok(provenance)
    }

    /// Looks at bytes that [`Self::parse`] accepted; `None` if they are too short to have been.
    #[must_use]
    pub fn view(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, Kind::PROVENANCE.0);
        let count = reader.u32().ok()?;
        Some(Self { body: reader.rest(), count })
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut reader = Reader::new(self.body, Kind::PROVENANCE.0);
        (0..self.count).map_while(move |index| entry(&mut reader, index).ok())
    }
}

fn entry<'a>(reader: &mut Reader<'a>, index: u32) -> Result<(&'a str, &'a str), Error> {
    let text =
        |bytes| core::str::from_utf8(bytes).map_err(|_| Error::Text { section: Kind::PROVENANCE.0, index });
    let key_len = reader.u8()?;
    reader.zeros(1)?;
    let value_len = reader.u16()?;
    Ok((text(reader.take(key_len.into())?)?, text(reader.take(value_len.into())?)?))
}

/// Encodes entries.
///
/// # Errors
/// [`crate::EncodeError`] if there are too many, they are too long, one cannot stand in a case, or `name` is missing.
#[cfg(feature = "write")]
pub fn encode(
    entries: &alloc::collections::BTreeMap<alloc::string::String, alloc::string::String>,
) -> Result<alloc::vec::Vec<u8>, crate::EncodeError> {
    use crate::EncodeError as E;
    let bad_count =
        E::Count { what: "provenance entries", found: entries.len(), min: 1, max: MAX_ENTRIES as usize };
    let count =
        u32::try_from(entries.len()).ok().filter(|n| (1..=MAX_ENTRIES).contains(n)).ok_or(bad_count)?;
    if !entries.contains_key("name") {
        return Err(E::OutOfRange("provenance without a name"));
    }
    let mut bytes = alloc::vec::Vec::from(count.to_le_bytes());
    for (index, (key, value)) in entries.iter().enumerate() {
        let bad = E::Text { what: "provenance entry", index };
        if !is_plain(key, MAX_KEY_BYTES) || !is_plain(value, MAX_VALUE_BYTES) {
            return Err(bad);
        }
        bytes.extend([u8::try_from(key.len()).map_err(|_| bad)?, 0]);
        bytes.extend(u16::try_from(value.len()).map_err(|_| bad)?.to_le_bytes());
        bytes.extend(key.bytes().chain(value.bytes()));
    }
    if bytes.len() > MAX_BYTES {
        return Err(E::Count { what: "bytes of provenance", found: bytes.len(), min: 1, max: MAX_BYTES });
    }
    Ok(bytes)
}
