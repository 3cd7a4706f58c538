//! Fine-tuning of a pre-trained encoder, with burn.
//!
//! ```text
//! folder of Hugging Face -> typecase-convert's reader -> parameters.rs -> network.rs (burn; fused.rs, kernels.rs)
//! texts -> ids, batches of one length   material.rs, batches.rs | loss and gradient   step.rs
//! a student, cut from a larger network  shrink.rs, guide.rs     |
//! in integers, as the case computes     quantised.rs            |
//! words before classes                  masked.rs               |
//! AdamW on the host                     optimiser.rs <--------+
//! saved states, the best checkpoint     state.rs, checkpoint.rs; the loop itself: run.rs
//! ```
//! The same recipe, data, network and seed give the same bits on one machine; an interrupted run goes on bit for bit.
//! Between machines the last places differ, as the order of sums in a matrix product depends on the processor.

mod batches;
mod checkpoint;
mod device;
mod fused;
mod guide;
mod kernels;
mod masked;
mod material;
mod network;
mod optimiser;
mod parameters;
mod plain;
mod quantised;
mod run;
mod score;
mod shrink;
mod state;
mod step;
mod straight;
#[cfg(test)]
mod tests;

pub use run::{FineTuned, Pretrained, pretrain, train};
pub(crate) use score::Scorer;
