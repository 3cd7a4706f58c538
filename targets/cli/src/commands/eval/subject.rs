//! What is evaluated: a case on an engine of this machine, or a checkpoint in floating point.

use std::path::Path;
use std::time::Instant;

use typecase::Runnable;
use typecase_train::evaluate::{FloatModel, FloatSession, Logits, Prediction, highest};

use crate::failure::Failure;
use crate::format::hex;
use crate::input::{self, CaseArguments};

/// Something that gives logits.
pub(crate) enum Subject {
    Case(Runnable),
    Checkpoint(FloatModel),
}

/// What was said about one text.
#[derive(Clone, Copy, Debug)]
struct Answer {
    predicted: u32,
    probability: f32,
    abstained: bool,
}

/// What one pass over texts gave.
pub(crate) struct Pass {
    answers: Vec<Answer>,
    pub(crate) logits: Logits,
    pub(crate) truncated: u64,
    pub(crate) seconds: f64,
}

impl Subject {
    /// A case, or the checkpoint in a folder.
    pub(crate) fn open(path: &Path, arguments: &CaseArguments) -> Result<Self, Failure> {
        if path.is_dir() {
            return Ok(Self::Checkpoint(FloatModel::open(path)?));
        }
        let case = typecase::open(path)?;
        Ok(Self::Case(arguments.engines.prepare(&case, arguments.backend, arguments.strict)?))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Case(runnable) => runnable.case().name(),
            Self::Checkpoint(model) => &model.name,
        }
    }

    pub(crate) fn digest(&self) -> String {
        let digest = match self {
            Self::Case(runnable) => hex(&runnable.case().digest()),
            Self::Checkpoint(model) => hex(&model.sha256),
        };
        format!("sha256:{digest}")
    }

    /// The engine that answers.
    pub(crate) fn backend(&self) -> &'static str {
        match self {
            Self::Case(runnable) => runnable.report().backend,
            Self::Checkpoint(_) => "f32",
        }
    }

    /// Of all its files.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Case(runnable) => runnable.case().bytes().len() as u64,
            Self::Checkpoint(model) => model.bytes,
        }
    }

    pub(crate) fn labels(&self) -> Vec<String> {
        match self {
            Self::Case(runnable) => runnable.case().labels().iter().map(str::to_owned).collect(),
            Self::Checkpoint(model) => model.labels.clone(),
        }
    }

    pub(crate) fn abstain_below(&self) -> f32 {
        match self {
            Self::Case(runnable) => runnable.case().calibration().abstain_below,
            Self::Checkpoint(_) => 0.0,
        }
    }

    fn temperature(&self) -> f32 {
        match self {
            Self::Case(runnable) => runnable.case().calibration().temperature,
            Self::Checkpoint(model) => model.temperature,
        }
    }

    /// Says that an engine was lost on the way, after the work is done.
    pub(crate) fn note_lost(&self) {
        if let Self::Case(runnable) = self {
            input::note_lost(runnable);
        }
    }

    /// Answers all texts, in their order; how many threads share the work changes nothing but the time.
    pub(crate) fn pass(&self, texts: &[&str], threads: usize) -> Result<Pass, Failure> {
        let float = match self {
            Self::Case(_) => None,
            Self::Checkpoint(model) => Some(model.session()?),
        };
        let float = float.as_ref();
        let share = texts.len().div_ceil(threads).max(1);
        let started = Instant::now();
        let parts: Vec<Result<Pass, Failure>> = std::thread::scope(|scope| {
            let work = |part| scope.spawn(move || self.pass_of_one(float, part));
            let rest: Vec<_> = texts.chunks(share).skip(1).map(work).collect();
            // This thread does its share too; alone, it does all.
            let first = self.pass_of_one(float, texts.get(..share).unwrap_or(texts));
            let lost = || Err(Failure::input("a thread ended early"));
            std::iter::once(first)
                .chain(rest.into_iter().map(|part| part.join().unwrap_or_else(|_| lost())))
                .collect()
        });
        let mut whole = self.empty(texts.len());
        for part in parts {
            let mut part = part?;
            whole.answers.append(&mut part.answers);
            whole.logits.append(&mut part.logits);
            whole.truncated += part.truncated;
        }
        whole.seconds = started.elapsed().as_secs_f64();
        Ok(whole)
    }

    fn empty(&self, items: usize) -> Pass {
        let logits = Logits::new(self.classes(), self.temperature());
        Pass { answers: Vec::with_capacity(items), logits, truncated: 0, seconds: 0.0 }
    }

    fn classes(&self) -> usize {
        match self {
            Self::Case(runnable) => runnable.case().labels().len() as usize,
            Self::Checkpoint(model) => model.labels.len(),
        }
    }

    fn pass_of_one(&self, float: Option<&FloatSession<'_>>, texts: &[&str]) -> Result<Pass, Failure> {
        let mut pass = self.empty(texts.len());
        match (self, float) {
            (Self::Case(runnable), _) => case_pass(runnable, texts, &mut pass)?,
            (Self::Checkpoint(_), Some(session)) => float_pass(session, texts, &mut pass)?,
            (Self::Checkpoint(_), None) => {}
        }
        Ok(pass)
    }
}

fn case_pass(runnable: &Runnable, texts: &[&str], pass: &mut Pass) -> Result<(), Failure> {
    let temperature = runnable.case().calibration().temperature;
    let mut session = runnable.session();
    for text in texts {
        let verdict = session.classify(text)?;
        pass.truncated += u64::from(verdict.truncated);
        let scale = verdict.score_scale * temperature;
        pass.logits.push(verdict.scores.iter().map(|&score| score as f32 * scale));
        pass.answers.push(Answer {
            predicted: verdict.label_index,
            probability: verdict.probability,
            abstained: verdict.abstain,
        });
    }
    Ok(())
}

fn float_pass(session: &FloatSession<'_>, texts: &[&str], pass: &mut Pass) -> Result<(), Failure> {
    for text in texts {
        let logits = session.logits(text)?;
        let predicted = highest(&logits);
        pass.logits.push(logits);
        pass.answers.push(Answer { predicted, probability: 0.0, abstained: false });
    }
    let rows = pass.logits.probabilities();
    for (answer, row) in pass.answers.iter_mut().zip(rows) {
        answer.probability = row.get(answer.predicted as usize).map_or(0.0, |&p| p as f32);
    }
    Ok(())
}

impl Pass {
    /// The answers beside what is true.
    pub(crate) fn predictions(&self, truths: &[u32]) -> Vec<Prediction> {
        let one = |(answer, &truth): (&Answer, &u32)| {
            let Answer { predicted, probability, abstained } = *answer;
            Prediction { truth, predicted, probability, abstained }
        };
        self.answers.iter().zip(truths).map(one).collect()
    }

    /// The probability of each answer.
    pub(crate) fn probabilities(&self) -> Vec<f64> {
        self.answers.iter().map(|answer| answer.probability.into()).collect()
    }

    /// What the logits of each answer say together, higher for what is better known.
    pub(crate) fn energies(&self) -> Vec<f64> {
        self.logits.energies().collect()
    }
}
