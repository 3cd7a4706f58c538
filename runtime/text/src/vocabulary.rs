//! The vocabulary of a bag: which hashed features have a row, and which row.
//!
//! A read-only table that is used where it lies, in a file or in flash: a directory of buckets, and per bucket the
//! sorted fingerprints of its features. The row's id is the place of the fingerprint. A feature that is not held is
//! *unknown* and dropped; one in `2^fingerprint_bits / bucket load` unknown features is taken for a known one.
//!
//! ```text
//! offset  size                     what
//! 0       4                        count: number of features, 1 to 2^24
//! 4       4                        buckets: 1 to count
//! 8       1                        bits of a fingerprint: 8 or 16
//! 9       1                        bytes of a start: 2 if count < 65536, else 4
//! 10      6                        zero
//! 16      (buckets + 1) * start    starts: first id of each bucket, then count; never falling
//! ...     count * bits / 8         fingerprints: the low bits of the feature; rising within a bucket
//! ```
//! All little-endian. The bucket of feature `f` is `f * buckets >> 32`.

use core::fmt;

/// The most features of a vocabulary.
pub const MAX_COUNT: u32 = 1 << 24;

const HEADER_BYTES: usize = 16;

/// Bytes of 16 fingerprints, which are compared at once: most buckets have no more.
const WINDOW_BYTES: usize = 32;

/// For a bucket of so many features, the places that belong to it: place `4 k + j` is bit `16 j + k`.
static VALID: [u64; 17] = {
    let mut valid = [0u64; 17];
    let mut len = 1usize;
    let (mut word, mut lane) = (0u32, 0u32);
    while len < 17 {
        #[allow(clippy::indexing_slicing, reason = "below 17; evaluated at compile time")]
        {
            valid[len] =
                valid[len.wrapping_sub(1)] | 1u64.wrapping_shl(lane.wrapping_mul(16).wrapping_add(word));
        }
        len = len.wrapping_add(1);
        (word, lane) = if lane == 3 { (word.wrapping_add(1), 0) } else { (word, lane.wrapping_add(1)) };
    }
    valid
};

/// Which of 16 fingerprints equal the low half of a feature, four at a time in the lanes of a word: bit `16 j + k` for
/// place `4 k + j`. Beside a true bit, lanes above it in the same word may be set too; they are never lower.
///
/// # Source
/// Warren, "Hacker's Delight", 6-1 (the first zero in a word).
#[inline(always)]
fn places_of(feature: u32, window: &[u8; WINDOW_BYTES]) -> u64 {
    const LOWEST: u64 = 0x0001_0001_0001_0001;
    let wanted = u64::from(feature & 0xFFFF).wrapping_mul(LOWEST);
    let (words, _) = window.as_chunks::<8>();
    words.iter().rev().fold(0u64, |places, word| {
        let x = u64::from_le_bytes(*word) ^ wanted;
        let zero = (x.wrapping_sub(LOWEST) & !x).wrapping_shr(15) & LOWEST;
        places.wrapping_shl(1) | zero
    })
}

/// Up to so many fingerprints are searched from the front, which is the fastest way through a usual bucket. A hostile
/// table may hold 65536 in one.
const SEARCHED_FROM_FRONT: usize = 64;

/// Why bytes are no vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VocabularyError {
    /// Shorter than its header.
    TooShort {
        /// Bytes found.
        len: usize,
    },
    /// The number of features or buckets is out of range.
    Count {
        /// Features declared.
        count: u32,
        /// Buckets declared.
        buckets: u32,
    },
    /// Fingerprints of this many bits are not known.
    FingerprintBits(u8),
    /// The width of the starts does not fit the number of features.
    StartWidth(u8),
    /// A reserved byte is not zero.
    Reserved,
    /// The tables do not fill the bytes exactly.
    Length {
        /// Bytes that the header asks for.
        needed: u64,
        /// Bytes found.
        len: usize,
    },
    /// The starts fall, or do not run from 0 to the count.
    Starts {
        /// The bucket at fault.
        bucket: u32,
    },
    /// The fingerprints of a bucket do not rise.
    Fingerprints {
        /// The bucket at fault.
        bucket: u32,
    },
}

impl fmt::Display for VocabularyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => {
                write!(f, "vocabulary has {len} bytes, at least {HEADER_BYTES} are needed")
            }
            Self::Count { count, buckets } => write!(
                f,
                "vocabulary has {count} features in {buckets} buckets, allowed are 1 to {MAX_COUNT} in 1 to that many"
            ),
            Self::FingerprintBits(bits) => {
                write!(f, "vocabulary has {bits}-bit fingerprints, allowed are 8 and 16")
            }
            Self::StartWidth(width) => {
                write!(f, "vocabulary has {width}-byte starts, which its count forbids")
            }
            Self::Reserved => f.write_str("vocabulary has a reserved byte that is not zero"),
            Self::Length { needed, len } => {
                write!(f, "vocabulary has {len} bytes, its header asks for {needed}")
            }
            Self::Starts { bucket } => {
                write!(f, "vocabulary bucket {bucket} starts before the one ahead of it")
            }
            Self::Fingerprints { bucket } => write!(f, "vocabulary bucket {bucket} is not in rising order"),
        }
    }
}

impl core::error::Error for VocabularyError {}

/// The numbers of a vocabulary that was checked: enough to look at its bytes again without checking them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    count: u32,
    buckets: u32,
    fingerprint_bits: u8,
    start_bytes: u8,
}

impl Shape {
    /// Features held.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Buckets of the directory.
    #[must_use]
    pub const fn buckets(self) -> u32 {
        self.buckets
    }

    /// Bits of a fingerprint.
    #[must_use]
    pub const fn fingerprint_bits(self) -> u8 {
        self.fingerprint_bits
    }

    /// Looks at the bytes that this shape was parsed from. Over other bytes the answers mean nothing, though every id
    /// is still below the count and nothing panics.
    #[must_use]
    pub fn view(self, bytes: &[u8]) -> Vocabulary<'_> {
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let (starts, fingerprints) = body.split_at_checked(self.starts_bytes()).unwrap_or_default();
        Vocabulary { starts, fingerprints, shape: self }
    }

    fn starts_bytes(self) -> usize {
        let entries = u64::from(self.buckets).saturating_add(1);
        usize::try_from(entries.saturating_mul(u64::from(self.start_bytes))).unwrap_or(usize::MAX)
    }

    fn total_bytes(self) -> u64 {
        let starts = u64::from(self.buckets).saturating_add(1).saturating_mul(u64::from(self.start_bytes));
        let fingerprints = u64::from(self.count).saturating_mul(u64::from(self.fingerprint_bits / 8));
        starts.saturating_add(fingerprints).saturating_add(HEADER_BYTES as u64)
    }
}

/// A checked vocabulary, used where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    starts: &'a [u8],
    fingerprints: &'a [u8],
    shape: Shape,
}

impl<'a> Vocabulary<'a> {
    /// Checks `bytes` whole: nothing is believed.
    ///
    /// # Errors
    /// [`VocabularyError`] names the first rule that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, VocabularyError> {
        use VocabularyError as Error;
        let short = Error::TooShort { len: bytes.len() };
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        let [c0, c1, c2, c3, b0, b1, b2, b3, fingerprint_bits, start_bytes, reserved @ ..] = *header;
        let count = u32::from_le_bytes([c0, c1, c2, c3]);
        let buckets = u32::from_le_bytes([b0, b1, b2, b3]);
        if !(1..=MAX_COUNT).contains(&count) || !(1..=count).contains(&buckets) {
            return Err(Error::Count { count, buckets });
        }
        if !matches!(fingerprint_bits, 8 | 16) {
            return Err(Error::FingerprintBits(fingerprint_bits));
        }
        if start_bytes != start_bytes_for(count) {
            return Err(Error::StartWidth(start_bytes));
        }
        if reserved != [0; 6] {
            return Err(Error::Reserved);
        }
        let shape = Shape { count, buckets, fingerprint_bits, start_bytes };
        if shape.total_bytes() != bytes.len() as u64 {
            return Err(Error::Length { needed: shape.total_bytes(), len: bytes.len() });
        }
        let vocabulary = shape.view(bytes);
        vocabulary.check()?;
        Ok(vocabulary)
    }

    fn check(&self) -> Result<(), VocabularyError> {
        let mut last = 0u32;
        for bucket in 0..self.shape.buckets {
            let (start, end) = self.bounds(bucket);
            if start != last || end < start || end > self.shape.count {
                return Err(VocabularyError::Starts { bucket });
            }
            last = end;
            let rising = match self.shape.fingerprint_bits {
                8 => self.in_bucket8(start, end).is_sorted_by(|a, b| a < b),
                _ => self
                    .in_bucket16(start, end)
                    .is_sorted_by(|a, b| u16::from_le_bytes(*a) < u16::from_le_bytes(*b)),
            };
            if !rising {
                return Err(VocabularyError::Fingerprints { bucket });
            }
        }
        if last != self.shape.count {
            return Err(VocabularyError::Starts { bucket: self.shape.buckets });
        }
        Ok(())
    }

    /// The numbers of the table.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The row of a feature, below [`Shape::count`].
    #[inline]
    #[must_use]
    pub fn id(&self, feature: u32) -> Option<u32> {
        let (id, held) = self.probe(feature);
        (held != 0).then_some(id)
    }

    /// The row of a feature and 1, or any number and 0.
    fn probe(&self, feature: u32) -> (u32, u32) {
        let (start, end) = self.bounds(bucket_of(feature, self.shape.buckets));
        self.probe_between(feature, start, end)
    }

    /// The first id of each feature's bucket and of the next: the first half of a look-up. Both halves are loops without
    /// a dependence from turn to turn, so that the processor waits for many cache lines at once.
    #[inline(always)]
    pub(crate) fn all_bounds(&self, features: &[u32], bounds: &mut [(u32, u32)]) {
        let buckets = self.shape.buckets;
        if self.shape.start_bytes == 2 {
            let starts = self.starts.as_chunks::<2>().0;
            for (&feature, bounds) in features.iter().zip(bounds) {
                let at = bucket_of(feature, buckets) as usize;
                let two = starts.get(at..).and_then(|rest| rest.first_chunk::<2>());
                *bounds = two.map_or((0, 0), |two| two.map(u16::from_le_bytes).map(u32::from).into());
            }
        } else {
            let starts = self.starts.as_chunks::<4>().0;
            for (&feature, bounds) in features.iter().zip(bounds) {
                let at = bucket_of(feature, buckets) as usize;
                let two = starts.get(at..).and_then(|rest| rest.first_chunk::<2>());
                *bounds = two.map_or((0, 0), |two| two.map(u32::from_le_bytes).into());
            }
        }
    }

    /// The second half. No branch depends on whether the feature is held: most are not, and which cannot be guessed.
    #[inline(always)]
    pub(crate) fn probe_between(&self, feature: u32, start: u32, end: u32) -> (u32, u32) {
        if self.shape.fingerprint_bits == 16 {
            let bytes = self.fingerprints.get((start as usize).wrapping_mul(2)..).unwrap_or_default();
            let len = end.wrapping_sub(start) as usize;
            if let (Some(window), Some(valid)) = (bytes.first_chunk::<WINDOW_BYTES>(), VALID.get(len)) {
                let place = places_of(feature, window) & valid;
                let lowest = place.trailing_zeros();
                // Place `4 k + j` is bit `16 j + k`.
                let id = start.wrapping_add((lowest & 15) << 2).wrapping_add(lowest >> 4);
                return (id, u32::from(place != 0));
            }
        }
        self.search(feature, start, end).map_or((0, 0), |id| (id, 1))
    }

    /// As [`Self::id`], place by place: for long buckets, and for the last ones of the table.
    #[cold]
    fn search(&self, feature: u32, start: u32, end: u32) -> Option<u32> {
        let place = if self.shape.fingerprint_bits == 16 {
            let [low, high, ..] = feature.to_le_bytes();
            let held = self.in_bucket16(start, end);
            if held.len() <= SEARCHED_FROM_FRONT {
                held.iter().position(|f| *f == [low, high])
            } else {
                let fingerprint = u16::from_le_bytes([low, high]);
                held.binary_search_by_key(&fingerprint, |f| u16::from_le_bytes(*f)).ok()
            }
        } else {
            // They rise, so they are 256 at most.
            let [low, ..] = feature.to_le_bytes();
            self.in_bucket8(start, end).iter().position(|f| *f == low)
        };
        place.and_then(|p| u32::try_from(p).ok()).and_then(|p| start.checked_add(p))
    }

    /// First id of the bucket and of the next one; of a bucket that does not exist an empty span.
    fn bounds(&self, bucket: u32) -> (u32, u32) {
        let at = bucket as usize;
        if self.shape.start_bytes == 2 {
            let two = self.starts.as_chunks::<2>().0.get(at..).and_then(|rest| rest.first_chunk::<2>());
            two.map_or((0, 0), |two| two.map(u16::from_le_bytes).map(u32::from).into())
        } else {
            let two = self.starts.as_chunks::<4>().0.get(at..).and_then(|rest| rest.first_chunk::<2>());
            two.map_or((0, 0), |two| two.map(u32::from_le_bytes).into())
        }
    }

    #[inline(always)]
    fn in_bucket8(&self, start: u32, end: u32) -> &'a [u8] {
        self.fingerprints.get(start as usize..end as usize).unwrap_or_default()
    }

    #[inline(always)]
    fn in_bucket16(&self, start: u32, end: u32) -> &'a [[u8; 2]] {
        self.fingerprints.as_chunks::<2>().0.get(start as usize..end as usize).unwrap_or_default()
    }
}

#[inline(always)]
fn bucket_of(feature: u32, buckets: u32) -> u32 {
    let product = u64::from(feature).wrapping_mul(u64::from(buckets));
    // The high half of a 64-bit product has 32 bits.
    #[allow(clippy::cast_possible_truncation, reason = "shifted down to 32 bits")]
    {
        (product >> 32) as u32
    }
}

const fn start_bytes_for(count: u32) -> u8 {
    if count < 65_536 { 2 } else { 4 }
}

#[cfg(feature = "alloc")]
mod build {
    use super::{HEADER_BYTES, MAX_COUNT, Shape, VocabularyError, bucket_of, start_bytes_for};
    use alloc::vec::Vec;

    /// Features a bucket holds on average: two machine words of fingerprints.
    const BUCKET_LOAD: u32 = 10;

    /// Builds the table on the host.
    #[derive(Clone, Debug)]
    pub struct Builder {
        /// `(bucket, fingerprint, feature)`, rising.
        entries: Vec<(u32, u32, u32)>,
        shape: Shape,
    }

    impl Builder {
        /// Takes features in falling order of importance: of two with the same bucket and fingerprint the first is
        /// kept.
        ///
        /// # Errors
        /// [`VocabularyError`] if there are no features, too many, or `fingerprint_bits` is neither 8 nor 16.
        pub fn new(features: &[u32], fingerprint_bits: u8) -> Result<Self, VocabularyError> {
            if !matches!(fingerprint_bits, 8 | 16) {
                return Err(VocabularyError::FingerprintBits(fingerprint_bits));
            }
            let offered = u32::try_from(features.len()).unwrap_or(u32::MAX);
            let buckets = offered.div_ceil(BUCKET_LOAD);
            if !(1..=MAX_COUNT).contains(&offered) {
                return Err(VocabularyError::Count { count: offered, buckets });
            }
            let mask = if fingerprint_bits == 8 { 0xFF } else { 0xFFFF };
            let mut entries: Vec<_> =
                features.iter().map(|&f| (bucket_of(f, buckets), f & mask, f)).collect();
            // Stable: of equal keys the more important stays first.
            entries.sort_by_key(|&(bucket, fingerprint, _)| (bucket, fingerprint));
            entries.dedup_by_key(|&mut (bucket, fingerprint, _)| (bucket, fingerprint));
            let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            // Fewer features than buckets cannot happen but for tiny, colliding sets.
            if buckets > count {
                return Err(VocabularyError::Count { count, buckets });
            }
            let shape = Shape { count, buckets, fingerprint_bits, start_bytes: start_bytes_for(count) };
            Ok(Self { entries, shape })
        }

        /// The features that are held, by id.
        pub fn features(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
            self.entries.iter().map(|&(_, _, feature)| feature)
        }

        /// The numbers of the table.
        #[must_use]
        pub const fn shape(&self) -> Shape {
            self.shape
        }

        /// The size of a table of `count` features, in bytes.
        #[must_use]
        pub fn table_bytes(count: u32, fingerprint_bits: u8) -> u64 {
            let buckets = count.div_ceil(BUCKET_LOAD);
            Shape { count, buckets, fingerprint_bits, start_bytes: start_bytes_for(count) }.total_bytes()
        }

        /// The table as bytes.
        #[must_use]
        #[allow(
            clippy::cast_possible_truncation,
            reason = "starts and fingerprints fit their widths by construction"
        )]
        pub fn to_bytes(&self) -> Vec<u8> {
            let Shape { count, buckets, fingerprint_bits, start_bytes } = self.shape;
            let mut bytes = Vec::with_capacity(usize::try_from(self.shape.total_bytes()).unwrap_or(0));
            bytes.extend(count.to_le_bytes());
            bytes.extend(buckets.to_le_bytes());
            bytes.extend([fingerprint_bits, start_bytes]);
            bytes.resize(HEADER_BYTES, 0);
            let mut next = 0u32;
            let mut entries = self.entries.iter().peekable();
            for bucket in 0..=buckets {
                bytes.extend(next.to_le_bytes().iter().take(usize::from(start_bytes)));
                while entries.next_if(|entry| entry.0 == bucket).is_some() {
                    next = next.saturating_add(1);
                }
            }
            for &(_, fingerprint, _) in &self.entries {
                bytes.extend(fingerprint.to_le_bytes().iter().take(usize::from(fingerprint_bits / 8)));
            }
            bytes
        }
    }
}
#[cfg(feature = "alloc")]
pub use build::Builder;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn some_features(count: u32) -> Vec<u32> {
        (0..count).map(|i| crate::hash::finish(i.wrapping_mul(0x9E37_79B9))).collect()
    }

    #[test]
    fn every_feature_is_found_under_its_own_id() {
        for (count, bits) in [(1, 16), (2, 16), (9, 8), (1000, 16), (3000, 8), (70_000, 16)] {
            let builder = Builder::new(&some_features(count), bits).unwrap();
            let bytes = builder.to_bytes();
            let vocabulary = Vocabulary::parse(&bytes).unwrap();
            assert_eq!(vocabulary.shape(), builder.shape());
            assert!(
                builder.features().len() > count as usize * 9 / 10,
                "{count} features of {bits} bits collide"
            );
            for (id, feature) in (0u32..).zip(builder.features()) {
                assert_eq!(vocabulary.id(feature), Some(id));
            }
            let strangers =
                (0..10_000u32).map(|i| crate::hash::finish(!i)).filter(|f| vocabulary.id(*f).is_some());
            let expected = 10_000.0 * 10.0 / f64::from(1u32 << bits);
            assert!((strangers.count() as f64) < expected * 2.0 + 10.0, "{count} features of {bits} bits");
        }
    }

    #[test]
    fn of_two_that_collide_the_more_important_stays() {
        let first = 0x0001_2345;
        let second = 0x0002_2345; // same bucket of one, same low bits
        let builder = Builder::new(&[second, first], 16).unwrap();
        assert_eq!(builder.features().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn a_bucket_of_all_fingerprints_is_searched() {
        let mut bytes = Vec::from([0, 0, 1, 0, 1, 0, 0, 0, 16, 4]);
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend([0u32, 65_536].iter().flat_map(|start| start.to_le_bytes()));
        bytes.extend((0..=u16::MAX).flat_map(u16::to_le_bytes));
        let vocabulary = Vocabulary::parse(&bytes).unwrap();
        for feature in [0, 1, 0x7FFF, 0xFFFF, 0x1234_0000, 0xFFFF_FFFF] {
            assert_eq!(vocabulary.id(feature), Some(feature & 0xFFFF));
        }
    }

    #[test]
    fn broken_tables_are_refused_by_name() {
        use VocabularyError as E;
        let good = Builder::new(&some_features(25), 16).unwrap().to_bytes();
        let broken = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Vocabulary::parse(&bytes).map(|v| v.shape()).unwrap_err()
        };
        assert_eq!(broken(0, 0), E::Count { count: 0, buckets: 3 });
        assert_eq!(broken(4, 26), E::Count { count: 25, buckets: 26 });
        assert_eq!(broken(3, 2), E::Count { count: 25 + (2 << 24), buckets: 3 });
        assert_eq!(broken(8, 9), E::FingerprintBits(9));
        assert_eq!(broken(9, 4), E::StartWidth(4));
        assert_eq!(broken(10, 1), E::Reserved);
        assert_eq!(broken(0, 24), E::Length { needed: good.len() as u64 - 2, len: good.len() });
        assert_eq!(broken(16, 1), E::Starts { bucket: 0 });
        assert_eq!(broken(22, 24), E::Starts { bucket: 2 + 1 });
        assert_eq!(Vocabulary::parse(&good[..15]).unwrap_err(), E::TooShort { len: 15 });
        let mut swapped = good.clone();
        swapped[24..28].rotate_left(2);
        assert_eq!(Vocabulary::parse(&swapped).unwrap_err(), E::Fingerprints { bucket: 0 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn damaged_tables_are_refused_or_safe(at in 0usize..200, value: u8, probe: u32) {
            let mut bytes = Builder::new(&some_features(60), 8).unwrap().to_bytes();
            let len = bytes.len();
            bytes[at % len] = value;
            if let Ok(vocabulary) = Vocabulary::parse(&bytes) {
                prop_assert!(vocabulary.id(probe).is_none_or(|id| id < vocabulary.shape().count()));
            }
        }
    }
}
