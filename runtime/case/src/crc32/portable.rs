//! CRC-32 without an instruction for it.
//!
//! A microcontroller pays for a table in flash: it goes half a byte at a time, by a table of 64 bytes. Others have one of
//! 1 KiB, and get their speed from four parts that are read side by side, whose remainders do not wait for each other,
//! and are joined at the end by multiplication modulo the polynomial.
//!
//! # Source
//! Sarwate 1988, "Computation of cyclic redundancy checks via table look-up"; joining as `crc32_combine` of zlib does.

const POLYNOMIAL: u32 = 0xEDB8_8320;
/// The polynomials 1 and x^8: the highest bit is the lowest power.
const ONE: u32 = 1 << 31;
const BYTE: u32 = 1 << 23;

/// Bare metal: flash is short.
const IS_SMALL: bool = cfg!(target_os = "none");

/// The remainders of half a byte.
static HALVES: [u32; 16] = {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        #[allow(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "below 16, at compile time"
        )]
        {
            table[index] = times_x(times_x(times_x(times_x(index as u32))));
        }
        index = index.wrapping_add(1);
    }
    table
};

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        #[allow(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "below 256, at compile time"
        )]
        {
            table[index] =
                times_x(times_x(times_x(times_x(times_x(times_x(times_x(times_x(index as u32))))))));
        }
        index = index.wrapping_add(1);
    }
    table
};

/// The CRC-32 of `bytes`.
pub(super) fn of(bytes: &[u8]) -> u32 {
    let len = bytes.len() / 4;
    let (a, rest) = bytes.split_at_checked(len).unwrap_or_default();
    let (b, rest) = rest.split_at_checked(len).unwrap_or_default();
    let (c, rest) = rest.split_at_checked(len).unwrap_or_default();
    let (d, rest) = rest.split_at_checked(len).unwrap_or_default();
    let mut states = (u32::MAX, 0, 0, 0);
    for (((&a, &b), &c), &d) in a.iter().zip(b).zip(c).zip(d) {
        states = (push(states.0, a), push(states.1, b), push(states.2, c), push(states.3, d));
    }
    let shift = power_of_byte(len);
    let joined =
        [states.1, states.2, states.3].iter().fold(states.0, |left, right| product(left, shift) ^ right);
    !rest.iter().fold(joined, |state, &byte| push(state, byte))
}

#[inline(always)]
fn push(state: u32, byte: u8) -> u32 {
    if IS_SMALL {
        return push_halves(state, byte);
    }
    let index = (state ^ u32::from(byte)) & 0xFF;
    TABLE.get(index as usize).map_or(0, |entry| entry ^ (state >> 8))
}

fn push_halves(state: u32, byte: u8) -> u32 {
    let half = |state: u32| {
        let index = state & 0xF;
        HALVES.get(index as usize).map_or(0, |entry| entry ^ (state >> 4))
    };
    half(half(state ^ u32::from(byte)))
}

/// x to the power of `8 * n`.
fn power_of_byte(mut n: usize) -> u32 {
    let (mut power, mut square) = (ONE, BYTE);
    while n > 0 {
        if n & 1 == 1 {
            power = product(power, square);
        }
        square = product(square, square);
        n >>= 1;
    }
    power
}

fn product(left: u32, mut right: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32u32).rev() {
        if left.wrapping_shr(bit) & 1 == 1 {
            product ^= right;
        }
        right = times_x(right);
    }
    product
}

const fn times_x(state: u32) -> u32 {
    if state & 1 == 1 { (state >> 1) ^ POLYNOMIAL } else { state >> 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(of(b"123456789"), 0xCBF4_3926);
        assert_eq!(of(b""), 0);
    }

    #[test]
    fn half_a_byte_at_a_time_gives_the_same() {
        for byte in 0..=u8::MAX {
            for state in [0, 1, u32::MAX, 0x8000_0000, 0xDEAD_BEEF] {
                assert_eq!(push_halves(state, byte), push(state, byte), "{state:#x}, {byte:#x}");
            }
        }
    }

    #[test]
    fn every_length_equals_another_implementation() {
        let bytes: Vec<u8> = (0..600u32).map(|i| (i.wrapping_mul(0x9E37_79B1) >> 24) as u8).collect();
        for len in 0..=bytes.len() {
            assert_eq!(of(&bytes[..len]), crc32fast::hash(&bytes[..len]), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_equal_another_implementation(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert_eq!(of(&bytes), crc32fast::hash(&bytes));
        }
    }
}
