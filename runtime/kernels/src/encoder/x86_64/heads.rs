//! A head's keys and values packed as the weights of a matrix: blocks of 16 outputs, groups of 4 inputs.

use core::arch::x86_64::*;

use super::super::{BLOCK, GROUP};

/// Bytes of a block of packed weights for a group.
pub(super) const PACKED: usize = BLOCK * GROUP;
/// Groups of four keys in a block of them.
const QUADS: usize = BLOCK / GROUP;

/// Packs the keys (outputs: keys, inputs: channels) and the values (outputs: channels, inputs: keys) of a head.
///
/// `part(token, 1)`: the key of a token, `part(token, 2)`: its value; a multiple of 16 channels. Keys and values that
/// fill up a block or a group are zeros.
pub(super) fn pack<'q>(
    part: impl Fn(usize, usize) -> &'q [u8],
    tokens: usize,
    keys: &mut [[u8; PACKED]],
    values: &mut [[u8; PACKED]],
) {
    let quads = tokens.div_ceil(GROUP);
    let sixteens = part(0, 1).len() / 16;
    let groups = sixteens * 16 / GROUP;
    // What fills up the last block of keys.
    for quad in quads..quads.next_multiple_of(QUADS) {
        for place in &mut keys[quad / QUADS * groups..][..groups] {
            place.as_chunks_mut::<16>().0[quad % QUADS] = [0; 16];
        }
    }
    for quad in 0..quads {
        let four = |which: usize| -> [&'q [[u8; 16]]; GROUP] {
            core::array::from_fn(|nth| match quad * GROUP + nth {
                token if token < tokens => part(token, which).as_chunks().0,
                _ => &[],
            })
        };
        let (key, value) = (four(1), four(2));
        for at in 0..sixteens {
            let words = transposed_words(key.map(|row| row.get(at).map_or(ZEROS, load)));
            for (nth, word) in words.into_iter().enumerate() {
                let place = &mut keys[quad / QUADS * groups + at * GROUP + nth];
                store(&mut place.as_chunks_mut().0[quad % QUADS], word);
            }
            let bytes = interleaved(value.map(|row| row.get(at).map_or(ZEROS, load)));
            for (place, bytes) in values[at * quads + quad].as_chunks_mut().0.iter_mut().zip(bytes) {
                store(place, bytes);
            }
        }
    }
}

/// No bits.
const ZEROS: __m128i =
    // SAFETY: 16 bytes of zeros are a vector.
    unsafe { core::mem::transmute([0u8; 16]) };

fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

fn store(place: &mut [u8; 16], bytes: __m128i) {
    // SAFETY: 16 bytes may be written there, and no alignment is asked for.
    unsafe { _mm_storeu_si128(place.as_mut_ptr().cast(), bytes) };
}

/// Four rows of four words: the first words of all, then the second ones, and so on.
fn transposed_words([a, b, c, d]: [__m128i; 4]) -> [__m128i; 4] {
    // SAFETY: every machine that runs this has SSE2.
    unsafe {
        let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
        [
            _mm_unpacklo_epi64(ab, cd),
            _mm_unpackhi_epi64(ab, cd),
            _mm_unpacklo_epi64(ab_high, cd_high),
            _mm_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}

/// Four rows of 16 bytes: the first bytes of all, then the second ones, and so on.
fn interleaved([a, b, c, d]: [__m128i; 4]) -> [__m128i; 4] {
    // SAFETY: every machine that runs this has SSE2.
    unsafe {
        let (ab, cd) = (_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d));
        let (ab_high, cd_high) = (_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d));
        [
            _mm_unpacklo_epi16(ab, cd),
            _mm_unpackhi_epi16(ab, cd),
            _mm_unpacklo_epi16(ab_high, cd_high),
            _mm_unpackhi_epi16(ab_high, cd_high),
        ]
    }
}
