//! 64-bit x86.

pub mod avx2;
pub mod avx512;
pub mod avx_vnni;
mod heads;

/// Whether the processor has an extension: asked at run time, without the feature `std` what the target promises.
macro_rules! has {
    ($name:tt) => {{
        #[cfg(feature = "std")]
        let there = std::arch::is_x86_feature_detected!($name);
        #[cfg(not(feature = "std"))]
        let there = cfg!(target_feature = $name);
        there
    }};
}
use has;

/// Shares rows out: as few blocks of at most `MOST` as there can be, as even as can be. Gives the size of each.
fn shared_out<const MOST: usize>(rows: usize) -> impl Iterator<Item = usize> {
    let blocks = rows.div_ceil(MOST);
    (0..blocks).map(move |block| rows / blocks + usize::from(block < rows % blocks))
}

/// Words of work that attention takes for so many tokens and channels of a head.
pub(super) const fn attention_work_len(tokens: usize, channels: usize) -> usize {
    let (narrow, wide) =
        (avx2::attention_work_len(tokens, channels), avx512::attention_work_len(tokens, channels));
    if narrow > wide { narrow } else { wide }
}
