//! The sections that the container itself understands. Each module has a reader that checks its section whole, and
//! under the feature `write` the encoder that is its inverse.

pub mod bag;
pub mod calibration;
pub mod encoder;
pub mod golden;
pub mod labels;
pub mod provenance;
pub mod text;

/// A text that may stand in a case: 1 to `max` bytes, no control characters.
pub(crate) fn is_plain(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}
