//! The logits of every class for every item.

/// Logits of many items, and the temperature that makes probabilities of them.
///
/// # Shapes
/// Items x classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    classes: usize,
    temperature: f32,
    numbers: Vec<f32>,
}

impl Logits {
    /// None yet. `classes` must be above 0, `temperature` too.
    #[must_use]
    pub const fn new(classes: usize, temperature: f32) -> Self {
        Self { classes, temperature, numbers: Vec::new() }
    }

    /// Adds an item: one logit a class, before temperature.
    pub fn push(&mut self, logits: impl IntoIterator<Item = f32>) {
        let whole = self.numbers.len() + self.classes;
        self.numbers.extend(logits);
        debug_assert_eq!(self.numbers.len(), whole, "one logit a class");
    }

    /// Adds all items of another list over the same classes.
    pub fn append(&mut self, other: &mut Self) {
        self.numbers.append(&mut other.numbers);
    }

    /// What divides the logits before they become probabilities.
    #[must_use]
    pub const fn temperature(&self) -> f32 {
        self.temperature
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len() / self.classes
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The items, a row of logits each.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.numbers.chunks_exact(self.classes)
    }

    /// The calibrated probabilities of each item, one a class.
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = Vec<f64>> {
        let sharpness = 1.0 / f64::from(self.temperature);
        self.rows().map(move |row| {
            let weights = weights(row, sharpness);
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / sum).collect()
        })
    }

    /// The negative log-likelihood of a class for each item, with temperature; 0 for a class that does not exist.
    pub fn losses<'a>(&'a self, truths: impl Iterator<Item = u32> + 'a) -> impl Iterator<Item = f64> + 'a {
        let sharpness = 1.0 / f64::from(self.temperature);
        self.rows().zip(truths).map(move |(row, truth)| {
            let logit = row.get(truth as usize);
            logit.map_or(0.0, |&logit| log_sum_exp(row, sharpness) - f64::from(logit) * sharpness)
        })
    }

    /// The free energy of each item, its sign turned so that more means better known: the logarithm of the sum of the
    /// exponentials of the logits, without temperature.
    ///
    /// # Source
    /// Liu, Wang, Owens and Li, "Energy-based out-of-distribution detection", 2020.
    pub fn energies(&self) -> impl ExactSizeIterator<Item = f64> {
        self.rows().map(|row| log_sum_exp(row, 1.0))
    }
}

/// The first class of the highest logit.
#[must_use]
pub fn highest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class as u32)
}

/// The logarithm of the sum of `exp(logit * sharpness)`, without overflow.
fn log_sum_exp(logits: &[f32], sharpness: f64) -> f64 {
    maximum(logits) * sharpness + weights(logits, sharpness).iter().sum::<f64>().ln()
}

/// `exp(logit * sharpness)` of each class over that of the highest logit.
fn weights(logits: &[f32], sharpness: f64) -> Vec<f64> {
    let maximum = maximum(logits);
    logits.iter().map(|&logit| ((f64::from(logit) - maximum) * sharpness).exp()).collect()
}

fn maximum(logits: &[f32]) -> f64 {
    f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_losses_and_energies_are_those_computed_by_hand() {
        let mut logits = Logits::new(2, 2.0);
        // With temperature 2 the distance is ln 3: probabilities 3/4 and 1/4.
        let distance = 2.0 * 3f32.ln();
        logits.push([distance, 0.0]);
        let mut more = Logits::new(2, 2.0);
        more.push([1000.0, 1000.0]);
        logits.append(&mut more);
        assert_eq!((logits.len(), logits.is_empty()), (2, false));
        let probabilities: Vec<_> = logits.probabilities().collect();
        assert!((probabilities[0][0] - 0.75).abs() < 1e-7 && (probabilities[0][1] - 0.25).abs() < 1e-7);
        assert_eq!(probabilities[1], [0.5, 0.5]);
        let losses: Vec<_> = logits.losses([1, 0].into_iter()).collect();
        assert!((losses[0] - 4f64.ln()).abs() < 1e-7 && (losses[1] - 2f64.ln()).abs() < 1e-12);
        // Without temperature: ln(9 + 1), 1000 + ln 2.
        let energies: Vec<_> = logits.energies().collect();
        assert!((energies[0] - 10f64.ln()).abs() < 1e-6 && (energies[1] - 1000.0 - 2f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn of_equal_logits_the_first_is_the_highest() {
        assert_eq!([highest(&[0.0, 2.0, 2.0]), highest(&[1.0, 1.0]), highest(&[])], [1, 0, 0]);
    }
}
