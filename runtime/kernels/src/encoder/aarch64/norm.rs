//! LayerNorm, eight channels at a time.

use core::arch::aarch64::*;

use super::super::LayerNorm;
use super::super::scalar::{self, Scale, mean, sat16};

/// Channels of a step.
const STEP: usize = 8;

/// As [`scalar::add_layer_norm`].
pub(crate) fn add_layer_norm(
    stream: &mut [i16],
    other: &[i16],
    width: usize,
    norm: &LayerNorm<'_>,
    narrow: &mut [u8],
) {
    if !width.is_multiple_of(STEP) {
        return scalar::add_layer_norm(stream, other, width, norm, narrow);
    }
    for (row, stream) in stream.chunks_exact_mut(width).enumerate() {
        let other = if other.is_empty() { other } else { &other[row * width..(row + 1) * width] };
        let narrow = &mut narrow[row * width..(row + 1) * width];
        // SAFETY: every aarch64 has NEON.
        unsafe { norm_row(stream, other, norm, narrow) };
    }
}

#[target_feature(enable = "neon")]
fn norm_row(stream: &mut [i16], other: &[i16], norm: &LayerNorm<'_>, narrow: &mut [u8]) {
    let width = stream.len();
    let (stream, _) = stream.as_chunks_mut::<STEP>();
    for (x, o) in stream.iter_mut().zip(other.as_chunks().0) {
        store(x, vqaddq_s16(load(x), load(o)));
    }
    let sum = stream.iter().fold(vdupq_n_s32(0), |sum, x| vpadalq_s16(sum, load(x)));
    let means = vdupq_n_s16(sat16(mean(vaddvq_s32(sum), width as i32)));
    let squares = stream.iter().fold(vdupq_n_u64(0), |sum, x| {
        let c = vqsubq_s16(load(x), means);
        let low = vget_low_s16(c);
        // Two squares of 2^30 fill 32 bits without a sign.
        vpadalq_u32(sum, vreinterpretq_u32_s32(vmlal_high_s16(vmull_s16(low, low), c, c)))
    });
    let Scale { power, reciprocal } = Scale::of(vaddvq_u64(squares), width);
    let (powers, reciprocals) = (vdupq_n_s16(power as i16), vdupq_n_s16(reciprocal));
    let extra = vdupq_n_s16(-(norm.extra as i16));
    let [gain, offset, gain_narrow, offset_narrow] =
        [norm.gain, norm.offset, norm.gain_narrow, norm.offset_narrow]
            .map(|numbers| numbers[..width].as_flattened().as_chunks().0);
    for (at, (x, a)) in stream.iter_mut().zip(narrow.as_chunks_mut::<STEP>().0).enumerate() {
        // To the left saturated, to the right rounded half upwards.
        let d = vqrshlq_s16(vqsubq_s16(load(x), means), powers);
        let normal = vqrdmulhq_s16(d, reciprocals);
        let scaled = |gain: &[u8; 2 * STEP], offset: &[u8; 2 * STEP]| {
            vqaddq_s16(vqrdmulhq_s16(normal, load_bytes(gain)), load_bytes(offset))
        };
        store(x, scaled(&gain[at], &offset[at]));
        let bytes = vqmovun_s16(vrshlq_s16(scaled(&gain_narrow[at], &offset_narrow[at]), extra));
        // SAFETY: 8 bytes may be written there, and no alignment is asked for.
        unsafe { vst1_u8(a.as_mut_ptr(), bytes) };
    }
}

#[inline(always)]
fn load(numbers: &[i16; STEP]) -> int16x8_t {
    // SAFETY: 16 bytes may be read there; every aarch64 has NEON.
    unsafe { vld1q_s16(numbers.as_ptr()) }
}

#[inline(always)]
fn load_bytes(bytes: &[u8; 2 * STEP]) -> int16x8_t {
    // SAFETY: 16 bytes may be read there, and no alignment is asked for; every aarch64 has NEON.
    unsafe { vreinterpretq_s16_u8(vld1q_u8(bytes.as_ptr())) }
}

#[inline(always)]
fn store(place: &mut [i16; STEP], y: int16x8_t) {
    // SAFETY: 16 bytes may be written there; every aarch64 has NEON.
    unsafe { vst1q_s16(place.as_mut_ptr(), y) }
}
