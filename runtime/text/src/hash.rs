//! The hash of a feature: 32 bits, the same on every target, cheap on a 32-bit core.
//!
//! A word is hashed byte by byte with FNV-1a; words are joined into n-grams, and every kind of feature is kept apart,
//! by one multiply and a rotation; a finaliser spreads the result over all 32 bits, because a vocabulary takes its
//! bucket from the high bits and its fingerprint from the low ones.
//!
//! # Source
//! FNV-1a: draft-eastlake-fnv. Finaliser: `fmix32` of MurmurHash3 (A. Appleby, public domain).

/// The state of an empty word.
pub const EMPTY: u32 = 0x811C_9DC5;

const FNV_PRIME: u32 = 0x0100_0193;
const JOIN: u32 = 0x9E37_79B1;

/// Adds one byte to a word's hash.
#[inline(always)]
#[must_use]
pub const fn push(state: u32, byte: u8) -> u32 {
    (state ^ byte as u32).wrapping_mul(FNV_PRIME)
}

/// Adds the UTF-8 bytes of a character to a word's hash.
#[inline]
#[must_use]
pub fn push_char(state: u32, c: char) -> u32 {
    c.encode_utf8(&mut [0; 4]).bytes().fold(state, push)
}

/// Joins the hash of what stands before with the hash of the next word.
#[inline(always)]
#[must_use]
pub const fn join(left: u32, right: u32) -> u32 {
    left.wrapping_mul(JOIN).rotate_left(15) ^ right
}

/// Spreads a state over all 32 bits: the feature itself. A bijection.
#[inline(always)]
#[must_use]
pub const fn finish(state: u32) -> u32 {
    let mut h = state;
    h ^= h >> 16;
    h = h.wrapping_mul(0x85EB_CA6B);
    h ^= h >> 13;
    h = h.wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hash_as_fnv_1a() {
        let hash = |word: &str| word.bytes().fold(EMPTY, push);
        // Test vectors of the draft.
        assert_eq!(hash(""), 0x811C_9DC5);
        assert_eq!(hash("a"), 0xE40C_292C);
        assert_eq!(hash("foobar"), 0xBF9C_F968);
    }

    #[test]
    fn a_character_is_its_utf8_bytes() {
        assert_eq!(push_char(EMPTY, 'é'), push(push(EMPTY, 0xC3), 0xA9));
    }

    #[test]
    fn joining_knows_left_from_right() {
        assert_ne!(join(1, 2), join(2, 1));
        assert_ne!(finish(join(1, 2)), finish(1));
    }
}
