//! The section, run by the kernels: what a device computes.

use typecase_case::sections::encoder::{Encoder, EncoderPooling};
use typecase_kernels::encoder::{Attention, Cpu, Work, attention_work_len, exp_table, scalar, work_len};

use crate::encoder::integers::{matrix, norm};

/// Pooled numbers and scores of a text.
pub(super) fn run(section: &[u8], cpu: Cpu, ids: &[u32]) -> (Vec<i16>, Vec<i32>) {
    let encoder = Encoder::view(section).unwrap();
    let (shape, tokens) = (encoder.shape, ids.len());
    let (width, inner) = (shape.width(), usize::from(shape.inner));
    let embedding = encoder.embedding().unwrap();
    let mut stream = vec![0i16; tokens * width];
    for (place, (id, out)) in ids.iter().zip(stream.chunks_exact_mut(width)).enumerate() {
        let id = *id as usize;
        let row = &embedding.rows[id * width..][..width];
        scalar::embed(row, embedding.multipliers[id], &embedding.positions[place * width..][..width], out);
    }
    let mut narrow = vec![0u8; tokens * width];
    let mut between = vec![0u8; tokens * inner];
    let mut qkv = vec![0u8; tokens * 3 * width];
    let mut other = vec![0i16; tokens * width];
    let mut words = vec![0u64; work_len(width.max(inner), tokens).max(attention_work_len(tokens, width))];
    let mut weights = vec![0u8; tokens];
    let mut work = Work { words: &mut words, weights: &mut weights };
    cpu.add_layer_norm(&mut stream, &[], width, &norm(&embedding.norm), &mut narrow);
    for number in 0..shape.layers {
        let layer = encoder.layer(number).unwrap();
        let attention = Attention {
            heads: shape.heads.into(),
            channels: shape.channels.into(),
            factor: layer.factor,
            shift: layer.shift,
            exp: exp_table(),
        };
        cpu.linear_i8(&narrow, tokens, &matrix(&layer.qkv), &mut work, &mut qkv);
        cpu.attention(&qkv, tokens, &attention, &mut work, &mut narrow);
        cpu.linear_i16(&narrow, tokens, &matrix(&layer.output), &mut work, &mut other);
        cpu.add_layer_norm(&mut stream, &other, width, &norm(&layer.norm), &mut narrow);
        cpu.linear_table(&narrow, tokens, &matrix(&layer.inner), layer.table, &mut work, &mut between);
        cpu.linear_i16(&between, tokens, &matrix(&layer.outer), &mut work, &mut other);
        cpu.add_layer_norm(&mut stream, &other, width, &norm(&layer.norm_outer), &mut narrow);
    }
    let mut pooled = vec![0i16; width];
    match shape.pooling {
        EncoderPooling::Mean => scalar::mean_pool(&stream, width, &mut pooled),
        EncoderPooling::First => pooled.copy_from_slice(&stream[..width]),
    }
    let head = encoder.head().unwrap();
    let mut scores = vec![0; shape.classes.into()];
    scalar::head(&pooled, shape.head_shift.into(), head.weights, head.bias, &mut scores);
    (pooled, scores)
}

pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-30)
}
