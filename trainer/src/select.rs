//! How much a feature may say before anything is learnt (its gain), and which features stay after a stage.

use crate::dual::Model;
use crate::recipe::TrainRecipe;

/// The gain of each feature: inverse document frequency, times how much its classes differ from chance.
///
/// `ln(n / df)^idf_power * (1.02 - H(class | feature) / ln classes)^evidence_power`, with `evidence_smoothing` texts
/// of each class added to the counts.
///
/// # Shapes
/// `class_counts`: features x classes.
///
/// # Source
/// Spärck Jones 1972 (inverse document frequency); entropy weighting of terms by class as in Debole and Sebastiani
/// 2003, "Supervised Term Weighting for Automated Text Categorization".
pub(crate) fn gains(class_counts: &[u32], classes: usize, items: usize, recipe: &TrainRecipe) -> Vec<f32> {
    let smoothing = recipe.evidence_smoothing.max(1e-6);
    let gain = |counts: &[u32]| {
        let count = counts.iter().sum::<u32>() as f32;
        let idf = (items as f32 / count.max(1.0)).ln().max(0.05).powf(recipe.idf_power);
        let total = count + smoothing * classes as f32;
        let entropy: f32 = counts.iter().map(|&n| (n as f32 + smoothing) / total).map(|p| -p * p.ln()).sum();
        let evidence = (1.02 - entropy / (classes as f32).ln()).max(1e-3);
        idf * evidence.powf(recipe.evidence_power)
    };
    class_counts.chunks_exact(classes).map(gain).collect()
}

/// The size of each feature's row as the engine adds it: the length over the classes, without what it adds to all
/// alike, gain included.
pub(crate) fn row_sizes(model: &Model, gains: &[f32], classes: usize) -> Vec<f32> {
    gains
        .iter()
        .enumerate()
        .map(|(feature, gain)| {
            let weights = || (0..classes).map(|class| model.weight(feature, class));
            let mean = weights().sum::<f32>() / classes as f32;
            weights().map(|w| (w - mean) * (w - mean)).sum::<f32>().sqrt() * gain
        })
        .collect()
}

/// The places of the `keep` features with the largest `size * count^power`, rising; of equals the first.
pub(crate) fn most_important(sizes: &[f32], counts: &[u32], power: f32, keep: usize) -> Vec<usize> {
    let mut scored: Vec<(f32, usize)> =
        sizes.iter().zip(counts).map(|(size, &count)| size * (count as f32).powf(power)).zip(0..).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut places: Vec<usize> = scored.into_iter().take(keep).map(|(_, place)| place).collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_of_one_class_says_more_than_one_of_all() {
        let recipe = TrainRecipe::default();
        let gains = gains(&[8, 0, 2, 2, 2, 2, 8, 0], 2, 100, &recipe);
        assert!(gains[0] > 2.0 * gains[1], "{gains:?}");
        assert_eq!(gains[0], gains[3]);
    }

    #[test]
    fn rare_features_have_a_higher_inverse_frequency() {
        let recipe = TrainRecipe { evidence_power: 0.0, ..TrainRecipe::default() };
        let gains = gains(&[1, 0, 50, 0], 2, 100, &recipe);
        assert!((gains[0] - 100f32.ln()).abs() < 1e-5 && (gains[1] - 2f32.ln()).abs() < 1e-5);
    }

    #[test]
    fn the_most_important_stay_in_their_order() {
        assert_eq!(most_important(&[1.0, 3.0, 2.0, 3.0], &[1; 4], 0.5, 3), [1, 2, 3]);
        assert_eq!(most_important(&[1.0, 3.0, 2.0], &[100, 1, 1], 0.5, 1), [0]);
        assert_eq!(most_important(&[1.0, 1.0, 1.0], &[1; 3], 0.5, 2), [0, 1]);
    }
}
