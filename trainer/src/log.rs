//! What a run tells while it goes on: the progress bar and `log.jsonl` are made of it.

use serde::Serialize;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The data are read.
    Data {
        /// Texts to learn from.
        train: usize,
        /// Texts held out.
        validation: usize,
        /// Bad rows left out.
        skipped: u64,
        /// SHA-256 of the training files, in hexadecimal.
        sha256: String,
    },
    /// The sub-word tokenizer is read, or learnt.
    Tokenizer {
        /// Its ids are below this.
        ids: u32,
        /// Bytes that it takes in a case.
        table_bytes: usize,
    },
    /// A teacher has scored some more texts.
    Taught {
        /// The teacher.
        teacher: String,
        /// Texts scored.
        texts: usize,
        /// Texts in all.
        of: usize,
        /// Wall clock since it was first asked.
        seconds: f64,
    },
    /// The run goes on from a saved state.
    Resumed {
        /// Stage, from 1.
        stage: usize,
        /// Epochs done in it.
        epoch: usize,
    },
    /// A stage begins.
    Stage {
        /// Stage, from 1.
        stage: usize,
        /// Stages in all.
        stages: usize,
        /// Features at work.
        features: usize,
        /// Epochs at most.
        epochs: usize,
    },
    /// An epoch ends.
    Epoch {
        /// Stage, from 1.
        stage: usize,
        /// Epoch in the stage, from 1.
        epoch: usize,
        /// Mean loss on the validation split: squared hinge, summed over the classes.
        validation_loss: f64,
        /// Share of the validation split that comes out right.
        validation_accuracy: f64,
        /// The largest step of this epoch in any dual variable.
        largest_step: f32,
        /// Wall clock since the run began.
        seconds: f64,
    },
    /// The encoder and its texts are ready.
    Encoder {
        /// Numbers of the network and its head.
        parameters: usize,
        /// Layers.
        layers: usize,
        /// Tokens of the texts to learn from.
        tokens: usize,
        /// Steps of the whole run.
        steps: u64,
        /// Time to cut the texts into tokens.
        seconds: f64,
    },
    /// The run of an encoder goes on from a saved state.
    ResumedAt {
        /// Steps done.
        step: u64,
    },
    /// The ranges of an encoder's integers were taken.
    Calibrated {
        /// Steps done.
        step: u64,
        /// Texts that they come from.
        texts: usize,
        /// Time that it took.
        seconds: f64,
    },
    /// Some steps of an encoder are done.
    Steps {
        /// Steps done.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// Mean loss of these steps.
        loss: f64,
        /// Learning rate of the last of them.
        rate: f64,
        /// Length of the last gradient, before it was cut.
        gradient: f64,
        /// Tokens a second, of everything.
        tokens_per_second: f64,
        /// Shares of the time: making batches, forward, backward, optimiser.
        shares: [f64; 4],
        /// Wall clock since the run began or went on.
        seconds: f64,
    },
    /// An encoder was evaluated on the validation split.
    Evaluated {
        /// Steps done.
        step: u64,
        /// Mean cross-entropy, without label smoothing.
        validation_loss: f64,
        /// Share that comes out right.
        validation_accuracy: f64,
        /// Is it the best so far?
        best: bool,
        /// Wall clock since the run began or went on.
        seconds: f64,
    },
    /// The state was saved.
    Saved {
        /// Steps done.
        step: u64,
        /// Time that it took.
        seconds: f64,
    },
    /// The run of an encoder that learnt words is over.
    Pretrained {
        /// Steps after which the network was the best.
        step: u64,
        /// Mean loss of the hidden pieces of the held-out texts, in nats.
        validation_loss: f64,
        /// Share of them that comes out right.
        validation_accuracy: f64,
        /// Wall clock since the run began or went on.
        seconds: f64,
    },
    /// The run of an encoder is over.
    EncoderDone {
        /// Steps after which the checkpoint was the best.
        step: u64,
        /// Share of the validation split that the checkpoint gets right.
        validation_accuracy: f64,
        /// Wilson 95 % interval.
        ci95: [f64; 2],
        /// Expected calibration error, after temperature.
        ece: f64,
        /// Fitted on the validation split.
        temperature: f32,
        /// Wall clock since the run began or went on.
        seconds: f64,
    },
    /// The run is over.
    Done {
        /// Features of the checkpoint.
        features: usize,
        /// Share of the validation split that the checkpoint gets right.
        validation_accuracy: f64,
        /// Wilson 95 % interval.
        ci95: [f64; 2],
        /// Expected calibration error, after temperature.
        ece: f64,
        /// Fitted on the validation split.
        temperature: f32,
        /// Wall clock since the run began.
        seconds: f64,
    },
}
