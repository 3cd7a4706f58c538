//! The names of the classes.
//!
//! ```text
//! 0      4                count: 2 to 65535
//! 4      (count + 1) * 4  ends: 0, then where each name ends in the text; rising
//! ...    rest             the names, UTF-8, one after the other; each 1 to 255 bytes, no control characters
//! ```

use crate::container::Kind;
use crate::error::Error;
use crate::reader::Reader;
use crate::sections::is_plain;

/// The most classes of a case.
pub const MAX_LABELS: u32 = 65_535;
/// The longest name of a class, in bytes.
pub const MAX_LABEL_BYTES: usize = 255;

/// Checked names of the classes.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    ends: &'a [[u8; 4]],
    names: &'a [u8],
    count: u32,
}

impl<'a> Labels<'a> {
    /// Nothing: what a view of bytes that were never accepted falls back to.
    pub const EMPTY: Self = Self { ends: &[], names: &[], count: 0 };

    /// Checks the section whole.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let section = Kind::LABELS.0;
        let labels = Self::view(bytes).ok_or(Error::SectionTooShort { section })?;
        if !(2..=MAX_LABELS).contains(&labels.count) {
            return Err(Error::OutOfRange { section, what: "number of classes", found: labels.count.into() });
        }
        for index in 0..labels.count {
            let text = Error::Text { section, index };
            let (start, end) = labels.bounds(index).ok_or(text)?;
            if start > end || (index == 0 && start != 0) {
                return Err(Error::Order { section, index });
            }
            let name = labels.names.get(start..end).ok_or(text)?;
            if !core::str::from_utf8(name).is_ok_and(|name| is_plain(name, MAX_LABEL_BYTES)) {
                return Err(text);
            }
        }
        let end = labels.count.checked_sub(1).and_then(|last| labels.bounds(last)).map_or(0, |(_, end)| end);
        match labels.names.len().saturating_sub(end) {
            0 => Ok(labels),
            left => Err(Error::SectionTooLong { section, left: left as u64 }),
        }
    }

    /// Looks at bytes that [`Self::parse`] accepted; `None` if they are too short to have been.
    #[must_use]
    pub fn view(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, Kind::LABELS.0);
        let count = reader.u32().ok()?;
        let (ends, _) = reader.take_items(count.checked_add(1)?, 4).ok()?.as_chunks();
        Some(Self { ends, names: reader.rest(), count })
    }

    /// How many classes.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Never: a case has two classes at least.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The name of a class.
    #[must_use]
    pub fn name(&self, index: u32) -> Option<&'a str> {
        let (start, end) = self.bounds(index)?;
        core::str::from_utf8(self.names.get(start..end)?).ok()
    }

    /// All names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let this = *self;
        (0..self.count).filter_map(move |index| this.name(index))
    }

    fn bounds(&self, index: u32) -> Option<(usize, usize)> {
        let at = usize::try_from(index).ok().filter(|_| index < self.count)?;
        let read = |at: usize| usize::try_from(u32::from_le_bytes(*self.ends.get(at)?)).ok();
        Some((read(at)?, read(at.checked_add(1)?)?))
    }
}

/// Encodes names.
///
/// # Errors
/// [`crate::EncodeError`] if there are too few, too many, or one cannot stand in a case.
#[cfg(feature = "write")]
pub fn encode(names: &[impl AsRef<str>]) -> Result<alloc::vec::Vec<u8>, crate::EncodeError> {
    let bad_count =
        crate::EncodeError::Count { what: "classes", found: names.len(), min: 2, max: MAX_LABELS as usize };
    let count = u32::try_from(names.len()).ok().filter(|n| (2..=MAX_LABELS).contains(n)).ok_or(bad_count)?;
    let mut bytes = alloc::vec::Vec::from(count.to_le_bytes());
    let mut end = 0u32;
    bytes.extend(end.to_le_bytes());
    for (index, name) in names.iter().enumerate() {
        let len =
            u32::try_from(name.as_ref().len()).ok().filter(|_| is_plain(name.as_ref(), MAX_LABEL_BYTES));
        end = end.saturating_add(len.ok_or(crate::EncodeError::Text { what: "class name", index })?);
        bytes.extend(end.to_le_bytes());
    }
    names.iter().for_each(|name| bytes.extend(name.as_ref().bytes()));
    Ok(bytes)
}
