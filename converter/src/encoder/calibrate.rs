//! What the numbers of a network range over: lowest, highest and mean of every channel, over a sample of texts.

use ndarray::ArrayView2;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::bert::{Bert, BertConfig};
use super::error::ImportError;
use super::forward::Part;
use super::parallel;

/// Texts that are summed together, so that sums do not depend on the number of threads.
const CHUNK: usize = 16;

/// The range of each channel of a part.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ranges {
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
    sums: Vec<f64>,
    rows: usize,
}

impl Ranges {
    fn see(&mut self, numbers: ArrayView2<'_, f32>) {
        if self.rows == 0 {
            let width = numbers.ncols();
            self.low = vec![f32::INFINITY; width];
            self.high = vec![f32::NEG_INFINITY; width];
            self.sums = vec![0.0; width];
        }
        self.rows += numbers.nrows();
        for row in numbers.rows() {
            for (j, x) in row.iter().enumerate() {
                self.low[j] = self.low[j].min(*x);
                self.high[j] = self.high[j].max(*x);
                self.sums[j] += f64::from(*x);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.rows == 0 {
            *self = other.clone();
            return;
        }
        self.rows += other.rows;
        for j in 0..other.sums.len() {
            self.low[j] = self.low[j].min(other.low[j]);
            self.high[j] = self.high[j].max(other.high[j]);
            self.sums[j] += other.sums[j];
        }
    }

    /// The sums become means, so that ranges that are written and read again are the same.
    fn settle(&mut self) {
        for sum in &mut self.sums {
            *sum /= self.rows.max(1) as f64;
        }
        self.rows = self.rows.min(1);
    }

    /// Lowest, highest and mean of all channels.
    fn to_bytes(&self) -> Vec<u8> {
        let wide = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let numbers = [wide(&self.low), wide(&self.high), self.sums.clone()].concat();
        numbers.into_iter().flat_map(f64::to_le_bytes).collect()
    }

    fn from_tensor(tensors: &SafeTensors<'_>, name: &str, width: usize) -> Result<Self, String> {
        let tensor = tensors.tensor(name).map_err(|_| format!("no ranges {name:?} found"))?;
        if tensor.dtype() != Dtype::F64 || tensor.shape() != [3, width] {
            let (shape, dtype) = (tensor.shape(), tensor.dtype());
            return Err(format!("ranges {name:?} are {dtype:?} {shape:?}, expected was F64 [3, {width}]"));
        }
        let numbers: Vec<f64> = tensor.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
        let part = |nth: usize| numbers[nth * width..(nth + 1) * width].iter().map(|x| *x as f32).collect();
        let ranges = Self { low: part(0), high: part(1), sums: numbers[2 * width..].to_vec(), rows: 1 };
        let is_range = |j: &usize| {
            let (low, high) = (ranges.low[*j], ranges.high[*j]);
            low <= high && low.is_finite() && high.is_finite() && ranges.sums[*j].is_finite()
        };
        match (0..width).find(|j| !is_range(j)) {
            Some(j) => {
                let (low, high) = (ranges.low[j], ranges.high[j]);
                Err(format!("ranges {name:?} have {low} to {high} at {j}, numbers must be finite and rise"))
            }
            None => Ok(ranges),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.sums.len()
    }

    pub(super) fn mean(&self, channel: usize) -> f64 {
        self.sums[channel] / self.rows.max(1) as f64
    }

    /// The middle of a channel's range.
    pub(super) fn middle(&self, channel: usize) -> f64 {
        0.5 * (f64::from(self.low[channel]) + f64::from(self.high[channel]))
    }

    /// Half the width of a channel's range.
    pub(super) fn half(&self, channel: usize) -> f64 {
        0.5 * (f64::from(self.high[channel]) - f64::from(self.low[channel]))
    }

    /// How far a channel goes from 0.
    pub(super) fn magnitude(&self, channel: usize) -> f64 {
        f64::from(self.high[channel].max(-self.low[channel]).max(0.0))
    }

    /// How far any channel goes from 0.
    pub(super) fn largest(&self) -> f64 {
        (0..self.len()).map(|channel| self.magnitude(channel)).fold(0.0, f64::max)
    }
}

/// The ranges of every part of a network: with its weights they decide every integer of a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    layers: Vec<[Ranges; Part::COUNT]>,
}

impl Calibration {
    /// The file of a checkpoint that was trained for its integers.
    pub const FILE: &str = "ranges.safetensors";

    /// The ranges over some texts.
    ///
    /// # Shapes
    /// `texts`: ids with special tokens, at least one text.
    ///
    /// # Errors
    /// As [`Bert::states`].
    pub fn of(bert: &Bert, texts: &[&[u32]]) -> Result<Self, ImportError> {
        let chunks: Vec<_> = texts.chunks(CHUNK).collect();
        let seen = parallel::map(&chunks, |chunk| {
            let mut seen = Self::empty(bert);
            for ids in *chunk {
                bert.states(ids, &mut |layer, part, numbers| seen.layers[layer][part as usize].see(numbers))?;
            }
            Ok::<_, ImportError>(seen)
        })?;
        let mut all = Self::empty(bert);
        for seen in seen {
            for (parts, others) in all.layers.iter_mut().zip(&seen.layers) {
                parts.iter_mut().zip(others).for_each(|(part, other)| part.merge(other));
            }
        }
        for part in all.layers.iter_mut().flatten() {
            part.settle();
        }
        Ok(all)
    }

    fn empty(bert: &Bert) -> Self {
        Self { layers: vec![Default::default(); bert.config.num_hidden_layers + 1] }
    }

    pub(super) fn part(&self, layer: usize, part: Part) -> &Ranges {
        &self.layers[layer][part as usize]
    }

    /// A safetensors file that [`Self::from_bytes`] reads: for each layer and part lowest, highest, mean.
    ///
    /// # Panics
    /// Never: the names differ, and the shapes are those of the numbers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts: Vec<(String, usize, Vec<u8>)> = self
            .names()
            .filter(|(_, _, ranges)| ranges.len() > 0)
            .map(|(layer, part, ranges)| (name_of(layer, part), ranges.len(), ranges.to_bytes()))
            .collect();
        let views = parts.iter().map(|(name, width, bytes)| {
            let view = TensorView::new(Dtype::F64, vec![3, *width], bytes);
            (name, view.expect("three numbers of eight bytes a channel"))
        });
        safetensors::serialize(views, None).expect("no two parts have the same name")
    }

    /// Reads what [`Self::to_bytes`] wrote, for a network of these sizes.
    ///
    /// # Errors
    /// What is wrong, in words: no such file, a part that is missing, of another width, or no range.
    pub fn from_bytes(bytes: &[u8], config: &BertConfig) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let mut all = Self { layers: vec![Default::default(); config.num_hidden_layers + 1] };
        for (layer, parts) in all.layers.iter_mut().enumerate() {
            for part in Part::ALL {
                // Of the layer after the last one there is what the network gives, and no more.
                if layer < config.num_hidden_layers || part == Part::AttentionIn {
                    let width = part.width(config);
                    parts[part as usize] = Ranges::from_tensor(&tensors, &name_of(layer, part), width)?;
                }
            }
        }
        Ok(all)
    }

    fn names(&self) -> impl Iterator<Item = (usize, Part, &Ranges)> {
        let places =
            (0..self.layers.len()).flat_map(|layer| Part::ALL.into_iter().map(move |part| (layer, part)));
        places.map(|(layer, part)| (layer, part, self.part(layer, part)))
    }
}

fn name_of(layer: usize, part: Part) -> String {
    format!("layer.{layer}.{part:?}")
}
