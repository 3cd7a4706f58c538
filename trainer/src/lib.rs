//! Labelled text to checkpoint: readers, splits, the sparse bag trainer, evaluation. Host only.
//!
//! ```text
//! files -> data.rs -> corpus.rs -> bag.rs: [select.rs -> dual.rs] per stage -> Checkpoint -> typecase-convert
//!          readers    hashed       which     dual coordinate
//!          split      features     features  descent
//!             `-> distil.rs: changed copies, teachers --^
//! ```
//! [`train`] runs a [`Recipe`] (a TOML file) and leaves a folder with a checkpoint, the validation split, and a log.
//! The same recipe, data and seed give the same bytes, on any number of threads; an interrupted run goes on bit for
//! bit. [`vocabulary`] learns what a sub-word tokenizer needs, with the feature `vocabularies`.
#![forbid(unsafe_code)]

mod augment;
mod bag;
mod corpus;
pub mod data;
mod distil;
mod dual;
#[cfg(feature = "encoders")]
pub mod encoder;
mod error;
pub mod evaluate;
mod log;
pub mod random;
mod recipe;
mod select;
mod state;
mod tensorboard;
mod tokenizer;
mod train;
pub mod vocabulary;

pub use error::TrainError;
pub use log::Event;
pub use recipe::{
    AugmentationRecipe, ClassWeights, DataRecipe, DistillationRecipe, EncoderRecipe, EncoderTraining,
    FreshRecipe, PretrainingRecipe, QuantisedTraining, Recipe, Schedule, ShrinkRecipe, TeacherRecipe,
    TrainRecipe,
};
pub use tokenizer::TokenizerRecipe;
pub use train::{Compute, TrainOptions, Trained, train};
