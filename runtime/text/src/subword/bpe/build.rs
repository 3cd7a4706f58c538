//! Compiling a byte-level BPE model.

use alloc::vec;
use alloc::vec::Vec;

use super::{Bpe, FREE, FUSE_UNKNOWN, IGNORE_MERGES, MAX_IDS, MAX_MERGES, NONE, UNKNOWN, bucket, hash, slot};
use crate::subword::model::BuildError;
use crate::subword::{Cell, double_array};

/// Compiles the tables on the host.
#[derive(Clone, Copy, Debug)]
pub struct Builder<'v> {
    /// Pieces in the byte-level alphabet, and ids; of two equal pieces the later counts.
    pub vocabulary: &'v [(&'v str, u32)],
    /// The pairs that merge, in the order of their ranks; of two equal pairs the later counts.
    pub merges: &'v [(&'v str, &'v str)],
    /// The piece for bytes that are not in the vocabulary.
    pub unknown: Option<&'v str>,
    /// Are unknown neighbours one token?
    pub fuse_unknown: bool,
    /// Is a word that is a piece that piece, whatever the merges say?
    pub ignore_merges: bool,
}

/// The vocabulary, sorted.
struct Lookup<'v>(Vec<(&'v str, u32)>);

impl<'v> Lookup<'v> {
    fn new(vocabulary: &'v [(&'v str, u32)]) -> Self {
        let mut sorted = vocabulary.to_vec();
        sorted.reverse();
        sorted.sort_by_key(|&(piece, _)| piece);
        sorted.dedup_by_key(|&mut (piece, _)| piece);
        Self(sorted)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        let at = self.0.binary_search_by_key(&piece, |&(piece, _)| piece).ok()?;
        self.0.get(at).map(|&(_, id)| id)
    }
}

/// A merge with ids.
#[derive(Clone, Copy)]
struct Merge {
    pair: u64,
    rank: u32,
    made: u32,
}

/// The characters that stand for the 256 bytes.
fn alphabet() -> [char; 256] {
    let mut next = 256u32;
    core::array::from_fn(|byte| {
        let byte = u8::try_from(byte).unwrap_or_default();
        if byte.is_ascii_graphic() || matches!(byte, 0xA1..=0xAC | 0xAE..=0xFF) {
            return char::from(byte);
        }
        let character = char::from_u32(next).unwrap_or_default();
        next = next.saturating_add(1);
        character
    })
}

impl Builder<'_> {
    /// The table as bytes.
    ///
    /// # Errors
    /// [`BuildError`] if a merge names no piece, the unknown piece is missing, two pieces share an id, a merge takes the
    /// unknown piece, or there is too much of something.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BuildError> {
        let lookup = Lookup::new(self.vocabulary);
        let ids = id_count(&lookup)?;
        let unknown = match self.unknown {
            None => None,
            Some(piece) => Some(lookup.id(piece).ok_or(BuildError::Missing { what: "the unknown piece" })?),
        };
        let alphabet = alphabet();
        let mut merges = self.merges(&lookup, unknown)?;
        // By rank, without the ranks that a later merge of the same pair made void.
        merges.sort_by_key(|merge| merge.rank);
        let (slots, shifts) = hash_merges(&merges)?;

        let mut head = Vec::new();
        let flags = if self.ignore_merges { IGNORE_MERGES } else { 0 }
            | if self.fuse_unknown { FUSE_UNKNOWN } else { 0 }
            | if unknown.is_some() { UNKNOWN } else { 0 };
        let too_many = |what, found, limit: u32| BuildError::TooMany { what, found, limit: limit as usize };
        let count = u32::try_from(merges.len()).map_err(|_| too_many("merges", merges.len(), MAX_MERGES))?;
        // Fewer than twice the merges.
        let [slot_count, buckets] =
            [slots.len(), shifts.len()].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
        for number in [ids, flags, unknown.unwrap_or(0), count, slot_count, buckets] {
            head.extend(number.to_le_bytes());
        }
        for character in alphabet {
            let id = lookup.id(character.encode_utf8(&mut [0; 4])).unwrap_or(NONE);
            head.extend(id.to_le_bytes());
        }
        head.extend(merges.iter().flat_map(|merge| merge.made.to_le_bytes()));
        head.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
        head.extend(shifts.iter().flat_map(|shift| shift.to_le_bytes()));
        head.resize(head.len().next_multiple_of(4), 0);

        let mut bare = head.clone();
        bare.extend(double_array::build([])?);
        let model = Bpe::parse(&bare)
            .map_err(|_| BuildError::Unsupported { what: "a table that cannot be read back" })?;
        let words: Vec<(Vec<u8>, u32)> = lookup
            .0
            .iter()
            .filter_map(|&(piece, id)| Some((bytes_of(piece, &alphabet)?, id)))
            .filter(|(bytes, id)| {
                core::str::from_utf8(bytes)
                    .is_ok_and(|text| self.ignore_merges || merges_into(&model, text, *id))
            })
            .collect();
        head.extend(double_array::build(words.iter().map(|(bytes, id)| (bytes.as_slice(), *id)))?);
        Ok(head)
    }

    fn merges(&self, lookup: &Lookup<'_>, unknown: Option<u32>) -> Result<Vec<Merge>, BuildError> {
        let found = self.merges.len();
        if found > MAX_MERGES as usize {
            return Err(BuildError::TooMany { what: "merges", found, limit: MAX_MERGES as usize });
        }
        let missing = BuildError::Missing { what: "a merge" };
        let mut merges = Vec::with_capacity(found);
        let mut joined = alloc::string::String::new();
        for (&(left, right), rank) in self.merges.iter().zip(0u32..) {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            let (left, right) = (lookup.id(left).ok_or(missing)?, lookup.id(right).ok_or(missing)?);
            let made = lookup.id(&joined).ok_or(missing)?;
            if [left, right, made].into_iter().any(|id| Some(id) == unknown) {
                return Err(BuildError::Unsupported { what: "a merge of the unknown piece" });
            }
            merges.push(Merge { pair: u64::from(left) << 20 | u64::from(right), rank, made });
        }
        merges.reverse();
        merges.sort_by_key(|merge| merge.pair);
        merges.dedup_by_key(|merge| merge.pair);
        Ok(merges)
    }
}

/// One more than the last id, if no two pieces share one.
fn id_count(lookup: &Lookup<'_>) -> Result<u32, BuildError> {
    let mut ids: Vec<u32> = lookup.0.iter().map(|&(_, id)| id).collect();
    ids.sort_unstable();
    if !ids.is_sorted_by(|a, b| a < b) {
        return Err(BuildError::Unsupported { what: "two pieces of one id" });
    }
    let last = *ids.last().ok_or(BuildError::Missing { what: "any piece" })?;
    if last >= MAX_IDS {
        return Err(BuildError::TooMany { what: "ids", found: last as usize, limit: MAX_IDS as usize });
    }
    Ok(last.saturating_add(1))
}

/// The bytes that a piece spells; none if it has a character that spells no byte.
fn bytes_of(piece: &str, alphabet: &[char; 256]) -> Option<Vec<u8>> {
    piece
        .chars()
        .map(|c| alphabet.iter().position(|a| *a == c).and_then(|byte| u8::try_from(byte).ok()))
        .collect()
}

/// Do the bytes of `text` merge into `id` alone? Texts that are too long are left to the merges.
fn merges_into(model: &Bpe<'_>, text: &str, id: u32) -> bool {
    let word: Vec<Cell> = text.chars().map(|c| Cell::new(c, 0, 0)).collect();
    let mut scratch = vec![Cell::default(); model.scratch_cells(word.len())];
    let mut ids = Vec::new();
    let done = model.tokenize(&word, &mut scratch, &mut |token| ids.push(token.id));
    // Every byte must have taken part: unknown ones may be dropped.
    let known =
        |byte: u8| model.bytes.get(usize::from(byte)).is_some_and(|id| u32::from_le_bytes(*id) != NONE);
    done.is_ok() && text.bytes().all(known) && ids == [id]
}

/// The slots, nearly full, and the shifts of the buckets: the fullest bucket first, the first shift that brings all its
/// pairs to free slots.
///
/// # Source
/// Belazzougui, Botelho and Dietzfelbinger, "Hash, displace, and compress", 2009.
fn hash_merges(merges: &[Merge]) -> Result<(Vec<u64>, Vec<u16>), BuildError> {
    let spare = merges.len() / 32;
    let mut slots = vec![FREE; merges.len().saturating_add(spare)];
    let mut shifts = vec![0u16; merges.len().div_ceil(4)];
    let mut by_bucket: Vec<(usize, u64, u64)> = merges
        .iter()
        .zip(0u64..)
        .map(|(merge, rank)| {
            (bucket(hash(merge.pair), shifts.len()), hash(merge.pair), merge.pair << 20 | rank)
        })
        .collect();
    by_bucket.sort_unstable();
    let mut buckets: Vec<_> = by_bucket.chunk_by(|a, b| a.0 == b.0).collect();
    buckets.sort_by_key(|pairs| core::cmp::Reverse(pairs.len()));
    let mut places = Vec::new();
    for pairs in buckets {
        let found = (0..=u16::MAX).find(|&shift| {
            places.clear();
            places.extend(pairs.iter().map(|&(_, hash, _)| slot(hash, shift, slots.len())));
            let free = places.iter().all(|place| slots.get(*place) == Some(&FREE));
            places.sort_unstable();
            free && places.is_sorted_by(|a, b| a < b)
        });
        let shift = found.ok_or(BuildError::Unsupported { what: "merges that fall together" })?;
        for &(bucket, hash, pair) in pairs {
            let at = slot(hash, shift, slots.len());
            if let (Some(slot), Some(place)) = (slots.get_mut(at), shifts.get_mut(bucket)) {
                (*slot, *place) = (pair, shift);
            }
        }
    }
    Ok((slots, shifts))
}
