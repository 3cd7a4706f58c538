//! Tables of 256 bytes: 32 places are looked up at once.

use core::arch::x86_64::*;

/// A table in 16 rows of 16 bytes, as `VPSHUFB` takes them.
pub(super) struct Table<'t>(&'t [[u8; 16]]);

impl<'t> Table<'t> {
    pub(super) const fn new(table: &'t [u8; 256]) -> Self {
        Self(table.as_chunks::<16>().0)
    }

    /// What stands at these places: the low half of a place picks from every row, its high half the row.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn of(&self, places: __m256i) -> __m256i {
        let low = _mm256_and_si256(places, _mm256_set1_epi8(0x0F));
        let row = |nth: usize| {
            let row = _mm256_broadcastsi128_si256(super::load128(&self.0[nth]));
            _mm256_shuffle_epi8(row, low)
        };
        // The bit that chooses is the highest of a byte.
        let one = _mm256_slli_epi16::<3>(places);
        let two = _mm256_slli_epi16::<2>(places);
        let three = _mm256_slli_epi16::<1>(places);
        let quarter = |first: usize| {
            let front = _mm256_blendv_epi8(row(first), row(first + 1), one);
            let back = _mm256_blendv_epi8(row(first + 2), row(first + 3), one);
            _mm256_blendv_epi8(front, back, two)
        };
        let front = _mm256_blendv_epi8(quarter(0), quarter(4), three);
        let back = _mm256_blendv_epi8(quarter(8), quarter(12), three);
        _mm256_blendv_epi8(front, back, places)
    }
}

/// Replaces each number, which is signed, by what the table has for it: its first place is that of -128.
#[target_feature(enable = "avx2")]
pub(in super::super) fn activate(numbers: &mut [u8], table: &[u8; 256]) {
    let rows = Table::new(table);
    let (chunks, rest) = numbers.as_chunks_mut::<32>();
    for chunk in chunks {
        let places = _mm256_xor_si256(super::load256(chunk), _mm256_set1_epi8(-128));
        super::store256(chunk, rows.of(places));
    }
    for number in rest {
        *number = table[usize::from(*number ^ 0x80)];
    }
}
