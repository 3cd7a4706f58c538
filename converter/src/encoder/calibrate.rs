//! What the numbers of a network range over: lowest, highest and mean of every channel, over a sample of texts.

use ndarray::ArrayView2;

use super::bert::Bert;
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

/// The ranges of every part.
#[derive(Clone, Debug)]
pub(super) struct Calibration {
    layers: Vec<[Ranges; Part::COUNT]>,
}

impl Calibration {
    /// # Shapes
    /// `texts`: ids with special tokens, at least one text.
    pub(super) fn of(bert: &Bert, texts: &[&[u32]]) -> Result<Self, ImportError> {
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
        Ok(all)
    }

    fn empty(bert: &Bert) -> Self {
        Self { layers: vec![Default::default(); bert.config.num_hidden_layers + 1] }
    }

    pub(super) fn part(&self, layer: usize, part: Part) -> &Ranges {
        &self.layers[layer][part as usize]
    }
}
