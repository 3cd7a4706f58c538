//! From the integers of each text to the tensors of a batch.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use typecase_convert::encoder::{LayerScales, MatrixScales, Narrow, Quantised, Scales, Seen, Stream, Target};

use super::{Record, Tape};
use crate::encoder::straight::Values;

/// The values of all operations, in the order of the forward pass. `tokens`: of every text, padding included.
pub(super) fn tape(quantised: &Quantised, seen: &[Seen], tokens: usize, device: &Device) -> Tape {
    let Scales { entering, layers, .. } = &quantised.scales;
    let width = quantised.shape.width();
    let batch = Recorder { seen, tokens, device };
    let mut records = vec![Record::Other(batch.stream(width, entering[0], |seen| &seen.stream))];
    for (number, scales) in layers.iter().enumerate() {
        batch.layer(number, scales, [entering[number], entering[number + 1]], &mut records);
    }
    let texts = Recorder { seen, tokens: 1, device };
    let (pooled, most) = (vec![Meaning::scale(quantised.pooled_scale.into()); width], vec![LARGEST; width]);
    records.push(Record::Other(
        texts.values(width, |seen, out, cut| wide(&seen.pooled, &pooled, &most, out, cut)),
    ));
    let classes = quantised.shape.classes.into();
    let scores = texts.values(classes, |seen, out, _| {
        for (number, score) in out.iter_mut().zip(&seen.scores) {
            *number = *score as f32 * quantised.score_scale;
        }
        seen.scores.len()
    });
    records.push(Record::Linear { input: None, output: scores });
    Tape(records)
}

/// The largest number of a stream that was not cut for sure.
const LARGEST: i16 = i16::MAX - 1;

/// What the numbers of a channel stand for: `scale * number + base`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Meaning {
    scale: f32,
    base: f32,
}

impl Meaning {
    const fn scale(scale: f64) -> Self {
        Self { scale: scale as f32, base: 0.0 }
    }

    fn of(self, number: f32) -> f32 {
        self.scale * number + self.base
    }

    fn of_bytes(narrow: &Narrow) -> Vec<Self> {
        let pairs = narrow.scale.iter().zip(&narrow.base);
        pairs.map(|(scale, base)| Self { scale: *scale as f32, base: *base as f32 }).collect()
    }

    fn of_outputs(scales: &MatrixScales) -> Vec<Self> {
        let of = |target: &Target| Self { scale: target.scale as f32, base: target.centre as f32 };
        scales.targets.iter().map(of).collect()
    }
}

/// Makes tensors of what was seen of some texts.
struct Recorder<'a> {
    seen: &'a [Seen],
    /// Rows of every text.
    tokens: usize,
    device: &'a Device,
}

impl Recorder<'_> {
    /// A tensor with the rows of each text below those of the text before. `fill` writes the rows of a text, says which
    /// numbers were cut, and how many there are.
    fn values(
        &self,
        columns: usize,
        fill: impl Fn(&Seen, &mut [f32], &mut Vec<u32>) -> usize + Sync,
    ) -> Values {
        let each = self.tokens * columns;
        let mut numbers = vec![0.0; self.seen.len() * each];
        let texts = numbers.par_chunks_mut(each).zip(self.seen).enumerate();
        let cut: Vec<Vec<u32>> = texts
            .map(|(text, (out, seen))| {
                let mut cut = Vec::new();
                let filled = fill(seen, out, &mut cut);
                // Nothing looks at padding, but LayerNorm divides by its spread: it must have one.
                let (rows, padding) = out.split_at_mut(filled);
                padding.chunks_exact_mut(columns).for_each(|row| row.copy_from_slice(&rows[..columns]));
                cut.iter_mut().for_each(|place| *place += (text * each) as u32);
                cut
            })
            .collect();
        let data = TensorData::new(numbers, [self.seen.len() * self.tokens, columns]);
        Values { numbers: Tensor::from_data(data, self.device), cut: Arc::new(cut.concat()) }
    }

    /// `entering`: the scales of the stream before the layer and after it.
    fn layer(&self, number: usize, scales: &LayerScales, entering: [f64; 2], records: &mut Vec<Record>) {
        let LayerScales { qkv, output, between, inner, outer } = scales;
        let width = output.targets.len();
        let input = self.narrow(&qkv.input, entering[0], |seen| match number.checked_sub(1) {
            Some(last) => &seen.layers[last].stream,
            None => &seen.stream,
        });
        records.push(Record::Linear {
            input: Some(Box::new(input)),
            output: self.narrow_outputs(qkv, |seen| &seen.layers[number].qkv),
        });
        records.push(Record::Other(self.bytes(&output.input, |seen| &seen.layers[number].context)));
        let attended =
            self.added(output, |seen| (&seen.layers[number].attended, &seen.layers[number].between));
        records.push(Record::Linear { input: None, output: attended });
        records.push(Record::Other(self.stream(width, *between, |seen| &seen.layers[number].between)));
        let input = self.narrow(&inner.input, *between, |seen| &seen.layers[number].between);
        records.push(Record::Linear {
            input: Some(Box::new(input)),
            output: self.narrow_outputs(inner, |seen| &seen.layers[number].inner),
        });
        records.push(Record::Other(self.bytes(&outer.input, |seen| &seen.layers[number].activated)));
        let added = self.added(outer, |seen| (&seen.layers[number].added, &seen.layers[number].stream));
        records.push(Record::Linear { input: None, output: added });
        records.push(Record::Other(self.stream(width, entering[1], |seen| &seen.layers[number].stream)));
    }

    /// The stream.
    fn stream(&self, width: usize, scale: f64, of: impl Fn(&Seen) -> &Stream + Sync) -> Values {
        let (meanings, most) = (vec![Meaning::scale(scale); width], vec![LARGEST; width]);
        self.values(width, |seen, out, cut| {
            let Stream { wide: numbers, .. } = of(seen);
            wide(numbers, &meanings, &most, out, cut)
        })
    }

    /// Its narrow form. A byte at its end was cut if the stream itself lies beyond.
    fn narrow(&self, narrow: &Narrow, wide_scale: f64, of: impl Fn(&Seen) -> &Stream + Sync) -> Values {
        let meanings = Meaning::of_bytes(narrow);
        self.values(meanings.len(), |seen, out, cut| {
            let Stream { wide, narrow, .. } = of(seen);
            for (at, (byte, number)) in narrow.iter().zip(wide).enumerate() {
                if matches!(byte, 0 | 255) {
                    let meaning = meanings[at % meanings.len()];
                    let number = f32::from(*number) * wide_scale as f32;
                    if number < meaning.of(-0.5) || number > meaning.of(255.5) {
                        cut.push(at as u32);
                    }
                }
            }
            bytes(narrow, &meanings, out)
        })
    }

    /// What is never cut: what attention gives, and what a table does.
    fn bytes(&self, narrow: &Narrow, of: impl Fn(&Seen) -> &[u8] + Sync) -> Values {
        let meanings = Meaning::of_bytes(narrow);
        self.values(meanings.len(), |seen, out, _| bytes(of(seen), &meanings, out))
    }

    /// Numbers of 8 bits that are seen before they are cut.
    fn narrow_outputs(&self, scales: &MatrixScales, of: impl Fn(&Seen) -> &[i16] + Sync) -> Values {
        let meanings = Meaning::of_outputs(scales);
        self.values(meanings.len(), |seen, out, cut| {
            let filled = wide(of(seen), &meanings, &scales.most, out, cut);
            for place in cut {
                let column = *place as usize % meanings.len();
                let most = scales.most[column];
                let number = of(seen)[*place as usize].clamp(-most, most);
                out[*place as usize] = meanings[column].of(number.into());
            }
            filled
        })
    }

    /// What is added to the stream: cut by itself, or in the sum.
    fn added(&self, scales: &MatrixScales, of: impl Fn(&Seen) -> (&[i16], &Stream) + Sync) -> Values {
        let meanings = Meaning::of_outputs(scales);
        self.values(meanings.len(), |seen, out, cut| {
            let (numbers, Stream { sum, .. }) = of(seen);
            cut.extend(
                (0u32..).zip(sum).filter(|(_, x)| x.unsigned_abs() > LARGEST as u16).map(|(at, _)| at),
            );
            wide(numbers, &meanings, &scales.most, out, cut)
        })
    }
}

/// What some numbers stand for, and which are larger than `most`; how many there are.
fn wide(numbers: &[i16], meanings: &[Meaning], most: &[i16], out: &mut [f32], cut: &mut Vec<u32>) -> usize {
    let rows = numbers.chunks_exact(meanings.len()).zip(out.chunks_exact_mut(meanings.len()));
    for (row, (numbers, out)) in rows.enumerate() {
        let mut is_cut = false;
        for (((out, number), meaning), most) in out.iter_mut().zip(numbers).zip(meanings).zip(most) {
            *out = meaning.of(f32::from(*number));
            is_cut |= number.unsigned_abs() > most.unsigned_abs();
        }
        if is_cut {
            let start = (row * meanings.len()) as u32;
            let large =
                numbers.iter().zip(most).map(|(number, most)| number.unsigned_abs() > most.unsigned_abs());
            cut.extend((start..).zip(large).filter(|(_, is_cut)| *is_cut).map(|(at, _)| at));
        }
    }
    numbers.len()
}

fn bytes(numbers: &[u8], meanings: &[Meaning], out: &mut [f32]) -> usize {
    for (numbers, out) in numbers.chunks_exact(meanings.len()).zip(out.chunks_exact_mut(meanings.len())) {
        for ((out, number), meaning) in out.iter_mut().zip(numbers).zip(meanings) {
            *out = meaning.of(f32::from(*number));
        }
    }
    numbers.len()
}
