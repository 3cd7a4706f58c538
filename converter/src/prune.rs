//! Which features stay when there is room for few.

use typecase_case::sections::bag::{BagShape, Head};
use typecase_text::vocabulary::Builder;

use crate::Options;
use crate::checkpoint::Checkpoint;

/// Rows by falling importance: how much the loss of the row would move the hidden numbers over the training texts,
/// `sqrt(count) * |row|`, the row taken without what it adds to all classes alike. Ties by the feature, so that the
/// order is the same everywhere.
pub(crate) fn by_importance(checkpoint: &Checkpoint) -> Vec<u32> {
    let width = checkpoint.width;
    let mut scored: Vec<(f32, u32, u32)> = (0u32..)
        .zip(checkpoint.embedding.chunks_exact(width).zip(&checkpoint.counts).zip(&checkpoint.features))
        .map(|(row, ((weights, &count), &feature))| {
            let mean =
                if checkpoint.head.is_none() { weights.iter().sum::<f32>() / width as f32 } else { 0.0 };
            let squares: f32 = weights.iter().map(|w| (w - mean) * (w - mean)).sum();
            (squares * count as f32, feature, row)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().map(|(.., row)| row).collect()
}

/// Bytes that one more feature costs, rounded down.
pub(crate) fn bytes_per_row(checkpoint: &Checkpoint, options: &Options) -> u64 {
    let row = shape(checkpoint, options, 1).row_bytes() as u64;
    (row + u64::from(options.row_scales.bits() / 8) + u64::from(options.fingerprint_bits / 8)).max(1)
}

/// How many rows may fit, before anything is built; never too few.
pub(crate) fn first_guess(checkpoint: &Checkpoint, options: &Options) -> usize {
    let all = checkpoint.features.len();
    let Some(limit) = options.max_size else { return all };
    let table = checkpoint.tokenizer.as_ref().map_or(0, |tokenizer| tokenizer.table.len() as u64);
    let limit = limit.saturating_sub(table);
    let fits = |rows: u32| {
        let bag = shape(checkpoint, options, rows).section_bytes();
        Builder::table_bytes(rows, options.fingerprint_bits) + bag <= limit
    };
    let (mut low, mut high) = (1, u32::try_from(all).unwrap_or(u32::MAX));
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low as usize
}

/// The shape of a bag of so many rows.
pub(crate) fn shape(checkpoint: &Checkpoint, options: &Options, rows: u32) -> BagShape {
    BagShape {
        rows,
        width: u16::try_from(checkpoint.width).unwrap_or(u16::MAX),
        classes: u16::try_from(checkpoint.labels.len()).unwrap_or(u16::MAX),
        weight_bits: options.weights.bits(),
        scale_bits: options.row_scales.bits(),
        pooling: checkpoint.pooling,
        head: if checkpoint.head.is_some() { Head::Relu { shift: 0 } } else { Head::None },
    }
}
