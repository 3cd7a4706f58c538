//! Progress of long work: a bar on a terminal, plain lines elsewhere; both on standard error.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use typecase_train::Event;

/// Shows the events of a training run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar }
    }

    pub(crate) fn show(&self, event: &Event) {
        match event {
            Event::Data { train, validation, skipped, .. } => {
                self.line(format!(
                    "data: {train} texts to learn from, {validation} held out, {skipped} bad rows left out"
                ));
            }
            Event::Tokenizer { ids, table_bytes } => {
                self.line(format!("tokenizer: {ids} ids in a table of {table_bytes} bytes"));
            }
            Event::Resumed { stage, epoch } => {
                self.line(format!("resumed: stage {stage}, {epoch} epochs done"))
            }
            Event::Stage { stage, stages, features, epochs } => match &self.bar {
                Some(bar) => {
                    bar.set_length(*epochs as u64);
                    bar.set_position(0);
                    bar.set_prefix(format!("stage {stage}/{stages}, {features} features"));
                }
                None => self.line(format!("stage {stage}/{stages}: {features} features")),
            },
            Event::Epoch { stage, epoch, validation_loss, validation_accuracy, seconds, .. } => {
                let figures =
                    format!("loss {validation_loss:.4}, accuracy {:.2} %", validation_accuracy * 100.0);
                match &self.bar {
                    Some(bar) => {
                        bar.set_position(*epoch as u64);
                        bar.set_message(figures);
                    }
                    None => self.line(format!("stage {stage} epoch {epoch}: {figures}, {seconds:.1} s")),
                }
            }
            Event::Taught { teacher, texts, of, seconds } => match &self.bar {
                Some(bar) => {
                    bar.set_length(*of as u64);
                    bar.set_position(*texts as u64);
                    bar.set_prefix(format!("asking {teacher}"));
                }
                None if texts == of || (texts / 1024).is_multiple_of(8) => {
                    self.line(format!("{teacher}: {texts} of {of} texts scored, {seconds:.0} s"));
                }
                None => {}
            },
            Event::Encoder { parameters, layers, tokens, steps, seconds } => {
                self.line(format!(
                    "encoder: {layers} layers, {parameters} numbers; {tokens} tokens, cut in {seconds:.1} s; {steps} steps"
                ));
                if let Some(bar) = &self.bar {
                    bar.set_length(*steps);
                }
            }
            Event::Calibrated { step, texts, seconds } => self
                .line(format!("ranges of the integers from {texts} texts after step {step}, {seconds:.1} s")),
            Event::ResumedAt { step } => self.line(format!("resumed: {step} steps done")),
            Event::Steps { step, steps, loss, tokens_per_second, shares, seconds, .. } => {
                let [input, forward, backward, optimiser] = shares.map(|share| share * 100.0);
                let figures = format!(
                    "loss {loss:.4}, {tokens_per_second:.0} tokens/s (input {input:.1} %, forward {forward:.0} %, backward {backward:.0} %, optimiser {optimiser:.0} %)"
                );
                match &self.bar {
                    Some(bar) => {
                        bar.set_position(*step);
                        bar.set_message(figures);
                    }
                    None => self.line(format!("step {step}/{steps}: {figures}, {seconds:.0} s")),
                }
            }
            Event::Evaluated { step, validation_loss, validation_accuracy, best, seconds } => {
                self.line(format!(
                    "step {step}: held-out loss {validation_loss:.4}, accuracy {:.2} %{}, {seconds:.0} s",
                    validation_accuracy * 100.0,
                    if *best { ", the best" } else { "" }
                ));
            }
            Event::Pretrained { step, validation_loss, validation_accuracy, seconds } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                self.line(format!(
                    "done: the network of step {step}, held-out pieces {:.1} % right, loss {validation_loss:.3}, {seconds:.0} s",
                    validation_accuracy * 100.0
                ));
            }
            Event::EncoderDone { step, validation_accuracy, ci95, ece, temperature, seconds } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                self.line(format!(
                    "done: the checkpoint of step {step}, held-out accuracy {:.2} % ({:.2} to {:.2}), calibration error {ece:.3}, temperature {temperature:.3}, {seconds:.0} s",
                    validation_accuracy * 100.0,
                    ci95[0] * 100.0,
                    ci95[1] * 100.0,
                ));
            }
            Event::Done { features, validation_accuracy, ci95, ece, temperature, seconds } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                self.line(format!(
                    "done: {features} features, held-out accuracy {:.2} % ({:.2} to {:.2}), calibration error {:.3}, temperature {temperature:.3}, {seconds:.1} s",
                    validation_accuracy * 100.0,
                    ci95[0] * 100.0,
                    ci95[1] * 100.0,
                    ece,
                ));
            }
            _ => {}
        }
    }

    fn line(&self, text: String) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}
