//! What is built into the program: the default case and the sample text of the demo.

use typecase::Case;

use crate::failure::Failure;

/// The case used where none is named.
pub(crate) const DEFAULT_CASE: &[u8] = include_bytes!("../../../models/news-64k.case");

/// Labelled sample text, written for this project.
pub(crate) const SAMPLE_CSV: &str = include_str!("../../../models/sample/news.csv");
/// Texts that the sample model has not seen.
pub(crate) const SAMPLE_HELD_OUT: &str = include_str!("../../../models/sample/news-heldout.txt");
/// Texts for golden vectors.
pub(crate) const SAMPLE_GOLDEN: &str = include_str!("../../../models/sample/golden.txt");
/// The recipe of the demo.
pub(crate) const SAMPLE_RECIPE: &str = include_str!("../../../models/sample.toml");

/// The built-in case.
pub(crate) fn default_case() -> Result<Case, Failure> {
    Ok(Case::from_bytes(DEFAULT_CASE)?)
}
