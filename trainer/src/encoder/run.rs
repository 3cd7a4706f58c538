//! A whole run: read, split, cut, learn, evaluate, keep the best.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use sha2::{Digest, Sha256};
use typecase_convert::calibrate;
use typecase_convert::encoder::{
    Bert, BertSizes, Calibration, HeadKind, PoolingKind, TextIds, TrainedEncoder,
};

use super::batches::Texts;
use super::checkpoint;
use super::device;
use super::guide::Guide;
use super::masked::{self, Masking, Said};
use super::material::Material;
use super::optimiser::{AdamW, Gradient, factor, frozen};
use super::parameters::{Parameters, normal};
use super::quantised::{self, QuantisedNetwork};
use super::state::{self, Best, Position};
use super::step::{self, Manner, Times};
use crate::error::TrainError;
use crate::evaluate::Evaluation;
use crate::log::Event;
use crate::random::Random;
use crate::recipe::{EncoderRecipe, EncoderTraining, FreshRecipe, Recipe};
use crate::train::{Log, TrainOptions, best, evaluate, hex, pool, read, write_recipe, write_validation};

/// A finished run.
#[derive(Debug)]
pub struct FineTuned {
    /// What `encoder.toml` in the run's folder says.
    pub trained: TrainedEncoder,
    /// The checkpoint on the held-out texts, which are in the run's folder as `validation.jsonl`.
    pub evaluation: Evaluation,
}

/// Runs a recipe with an encoder. `on_event` is told of every step, and so is `log.jsonl` in the run's folder. The
/// checkpoint in that folder is the one that was best on the validation split.
///
/// # Errors
/// [`TrainError::Data`], [`TrainError::Recipe`] and [`TrainError::Encoder`] for bad input, [`TrainError::Stopped`] when
/// stopped, [`TrainError::Diverged`] if a number is not finite any more, [`TrainError::Resume`] if there is nothing to go
/// on from or something would be lost, [`TrainError::Io`] if a file cannot be written.
pub fn train(
    recipe: &Recipe,
    options: &TrainOptions<'_>,
    on_event: &mut (dyn FnMut(&Event) + Send),
) -> Result<FineTuned, TrainError> {
    pool(options.threads)?.install(|| {
        let mut run = Run::prepare(recipe, options, on_event)?;
        run.go_on()?;
        run.finish()
    })
}

/// A finished run that learnt words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pretrained {
    /// Mean loss of the hidden pieces of the held-out texts, in nats, told from the whole vocabulary.
    pub loss: f64,
    /// Share of them that comes out right.
    pub accuracy: f64,
}

/// Runs a recipe with `pretraining`: the run's folder becomes one of Hugging Face, which other recipes begin with.
///
/// # Errors
/// As [`train`].
pub fn pretrain(
    recipe: &Recipe,
    options: &TrainOptions<'_>,
    on_event: &mut (dyn FnMut(&Event) + Send),
) -> Result<Pretrained, TrainError> {
    pool(options.threads)?.install(|| {
        let mut run = Run::prepare(recipe, options, on_event)?;
        run.go_on()?;
        run.finish_words()
    })
}

struct Run<'a> {
    name: &'a str,
    seed: u64,
    training: &'a EncoderTraining,
    options: &'a TrainOptions<'a>,
    tell: Tell<'a>,
    /// Where the network runs.
    device: Device,
    /// What the teachers want.
    guide: Option<Guide>,
    /// How words are hidden, if it is words that are learnt.
    masking: Option<Masking>,
    started: Instant,
    /// What a saved state belongs to.
    digest: String,
    tokenizer: String,
    train: Texts,
    validation: Texts,
    /// The network of the checkpoint, whose numbers are written over.
    bert: Bert,
    parameters: Parameters,
    optimiser: AdamW,
    position: Position,
    /// Of the checkpoint; its figures are those of the last evaluation.
    trained: TrainedEncoder,
    steps_of_epoch: u64,
    steps: u64,
    /// Batches of an epoch.
    epoch: Option<(u64, Vec<Vec<u32>>)>,
    since_log: SinceLog,
    saved: Saved,
}

/// What the next line of the log is about.
#[derive(Default)]
struct SinceLog {
    steps: u64,
    tokens: usize,
    loss: f64,
    times: Times,
    elapsed: Duration,
}

/// The last saved state.
struct Saved {
    step: u64,
    at: Instant,
}

/// Where events go.
struct Tell<'a> {
    log: Log,
    on_event: &'a mut (dyn FnMut(&Event) + Send),
}

impl Tell<'_> {
    fn tell(&mut self, event: &Event) -> Result<(), TrainError> {
        (self.on_event)(event);
        self.log.write(event)
    }
}

impl<'a> Run<'a> {
    fn prepare(
        recipe: &'a Recipe,
        options: &'a TrainOptions<'a>,
        on_event: &'a mut (dyn FnMut(&Event) + Send),
    ) -> Result<Self, TrainError> {
        let started = Instant::now();
        let out = options.out;
        let device = device::open(options.device)?;
        let bad = |reason: String| TrainError::Recipe { path: recipe.name.clone().into(), reason };
        let Some(encoder) = &recipe.encoder else {
            return Err(bad("no table encoder found, one is needed".to_owned()));
        };
        if !options.resume && state::path(out).is_file() {
            let reason = "a saved state found: go on with it, or remove it".to_owned();
            return Err(TrainError::Resume { path: state::path(out), reason });
        }
        let tokenizer = || {
            let path = encoder.network().join("tokenizer.json");
            fs::read_to_string(&path).map_err(|e| TrainError::io(path, e))
        };
        let (bert, tokenizer) = match &encoder.fresh {
            None => (Bert::load(encoder.network())?, tokenizer()?),
            Some(fresh) => {
                let tokenizer = tokenizer()?;
                let bert = made(fresh, encoder.max_tokens, &tokenizer, recipe.train.seed)?;
                (bert.map_err(bad)?, tokenizer)
            }
        };
        let positions = bert.config.max_position_embeddings;
        if encoder.max_tokens as usize > positions {
            let found = encoder.max_tokens;
            return Err(bad(format!(
                "encoder.max_tokens {found} found, the network has {positions} positions"
            )));
        }
        let read = read(recipe, options.data)?;
        fs::create_dir_all(out).map_err(|e| TrainError::io(out, e))?;
        let mut tell = Tell { log: Log::open(out, options)?, on_event };

        let material =
            Material::new(recipe, encoder, (bert, tokenizer), read, options, &mut |event| tell.tell(event))?;
        let Material { bert, tokenizer, guide, train, validation, held_out, labels, provenance, .. } =
            material;
        let (layers, frozen) = (bert.config.num_hidden_layers, encoder.training.frozen_layers);
        if frozen > layers {
            return Err(bad(format!(
                "encoder.training.frozen_layers {frozen} found, the network has {layers}"
            )));
        }

        let mut random = Random::new(recipe.train.seed);
        let masking = recipe.pretraining.as_ref().map(|pretraining| Masking::new(pretraining, &tokenizer));
        let masking = masking.transpose().map_err(bad)?;
        let mut parameters = match masking {
            Some(_) => Parameters::for_words(&bert, &mut random),
            None => Parameters::new(&bert, encoder.pooling, encoder.head, labels.len(), &mut random),
        };
        if encoder.keep_head {
            if let Some(reason) = check_head(encoder, &labels)? {
                return Err(bad(reason));
            }
            parameters.read_head(encoder.network())?;
        }
        let training = &encoder.training;
        let digest = run_digest(recipe, encoder, &[&material.digest, &tokenizer], &parameters)?;
        let batches = train.batches(training.batch, training.batch_tokens, None).len();
        let steps_of_epoch = batches.div_ceil(training.accumulate) as u64;
        let steps = steps_of_epoch * u64::from(training.epochs);
        let optimiser = AdamW::new(&parameters, training, steps);
        let trained = TrainedEncoder {
            name: recipe.name.clone(),
            labels,
            pooling: encoder.pooling,
            head: encoder.head,
            max_tokens: encoder.max_tokens,
            temperature: 1.0,
            quantised: false,
            provenance,
        };
        let mut run = Self {
            name: &recipe.name,
            seed: recipe.train.seed,
            training,
            options,
            tell,
            device,
            guide,
            masking,
            started,
            digest,
            tokenizer,
            train,
            validation,
            bert,
            parameters,
            optimiser,
            position: Position::default(),
            trained,
            steps_of_epoch,
            steps,
            epoch: None,
            since_log: SinceLog::default(),
            saved: Saved { step: 0, at: Instant::now() },
        };
        if options.resume {
            run.position =
                state::load(out, &run.digest, &mut run.parameters, &mut run.optimiser, &run.bert.config)?;
            checkpoint::recover(out)?;
            run.saved.step = run.optimiser.steps;
        } else {
            // An older checkpoint may have learnt from what is held out now: it must not stand beside it.
            checkpoint::unmark(out)?;
            checkpoint::remove(out)?;
        }
        write_validation(out, &run.trained.labels, &held_out)?;
        let (_, recipe_sha256) = write_recipe(out, recipe)?;
        run.trained.provenance.insert("recipe_sha256".to_owned(), recipe_sha256);
        run.tell.tell(&Event::Encoder {
            parameters: run.parameters.count(),
            layers: run.parameters.sizes.layers,
            tokens: run.train.tokens(),
            steps,
            seconds: material.cutting.as_secs_f64(),
        })?;
        if options.resume {
            run.tell.tell(&Event::ResumedAt { step: run.optimiser.steps })?;
        }
        Ok(run)
    }

    fn go_on(&mut self) -> Result<(), TrainError> {
        loop {
            let step = self.optimiser.steps;
            if self.is_evaluated_at(step) && self.position.evaluated < step {
                self.evaluate()?;
                self.save()?;
            }
            if self.position.done {
                return Ok(());
            }
            if self.is_stopped() {
                return Err(self.stopped());
            }
            self.step()?;
            let Saved { step, at } = &self.saved;
            let minutes = at.elapsed().as_secs_f64() / 60.0;
            if self.optimiser.steps - step >= self.training.save_every
                || minutes >= self.training.save_minutes
            {
                self.save()?;
            }
        }
    }

    /// One step of the optimiser.
    fn step(&mut self) -> Result<(), TrainError> {
        let started = Instant::now();
        let step = self.optimiser.steps;
        let (epoch, at) = (step / self.steps_of_epoch, (step % self.steps_of_epoch) as usize);
        if self.epoch.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut random = Random::new(mixed(self.seed, 1, epoch));
            let EncoderTraining { batch, batch_tokens, .. } = *self.training;
            self.epoch = Some((epoch, self.train.batches(batch, batch_tokens, Some(&mut random))));
        }
        let quantised = self.quantised(step)?;
        if let Some(guide) = &mut self.guide {
            guide.at(step, self.steps);
        }
        let frozen = frozen(step, self.steps, self.parameters.sizes.layers, self.training);
        let batches = self.epoch.as_ref().map_or(&[][..], |(_, batches)| batches.as_slice());
        let mut random = Random::new(mixed(self.seed, 2, step));
        let mut whole = Gradient::default();
        let since = &mut self.since_log;
        let accumulate = self.training.accumulate;
        let batches: Vec<&Vec<u32>> = batches.iter().skip(at * accumulate).take(accumulate).collect();
        let mut loss = 0.0;
        for numbers in &batches {
            let making = Instant::now();
            let batch = self.train.batch(numbers);
            since.times.input += making.elapsed();
            let manner = Manner {
                training: self.training,
                quantised: quantised.as_ref(),
                guide: self.guide.as_ref(),
                frozen,
                device: &self.device,
            };
            let (parameters, times) = (&self.parameters, &mut since.times);
            let (value, gradient) = match &self.masking {
                None => step::gradient(parameters, &batch, manner, &mut random, times),
                Some(masking) => masked::gradient(parameters, &batch, masking, manner, &mut random, times),
            };
            let Some(gradient) = gradient else { return Err(self.diverged("loss", value)) };
            loss += value / batches.len() as f64;
            since.tokens += batch.lengths.iter().sum::<usize>();
            let adding = Instant::now();
            whole.add(gradient);
            since.times.optimiser += adding.elapsed();
        }
        let changing = Instant::now();
        let share = 1.0 / batches.len() as f64;
        let norm = whole.norm() * share;
        if !norm.is_finite() {
            return Err(self.diverged("gradient", norm));
        }
        let clip = self.training.clip;
        let scale = if clip > 0.0 && norm > clip { share * clip / norm } else { share };
        let rate = self.training.rate * factor(step, self.steps, self.training);
        self.optimiser.step(&mut self.parameters, &whole, scale, rate, self.training);
        let since = &mut self.since_log;
        since.times.optimiser += changing.elapsed();
        since.steps += 1;
        since.loss += loss;
        since.elapsed += started.elapsed();
        let step = step + 1;
        if step.is_multiple_of(self.training.log_every) || step == self.steps {
            self.log(rate, norm)?;
        }
        Ok(())
    }

    /// The network in integers for a step, if it learns as such by then. Takes the ranges where it is time for it.
    fn quantised(&mut self, step: u64) -> Result<Option<QuantisedNetwork>, TrainError> {
        let Some(training) = &self.training.quantised else { return Ok(None) };
        let first = (training.from * self.steps as f64).round() as u64;
        if step < first {
            return Ok(None);
        }
        let started = Instant::now();
        let every = training.calibrate_every;
        let is_due = step == first || (every > 0 && (step - first).is_multiple_of(every));
        if is_due {
            let texts = training.calibration_texts.min(self.train.len());
            let ranges = quantised::calibrate(&self.parameters, &mut self.bert, &self.train, texts)?;
            self.position.ranges = Some(ranges);
            if step == first {
                // What was best in floating point is another network.
                (self.position.best, self.position.stale) = (None, 0);
            }
            let seconds = started.elapsed().as_secs_f64();
            self.tell.tell(&Event::Calibrated { step, texts, seconds })?;
        }
        let network = in_integers(
            &self.parameters,
            &mut self.bert,
            self.position.ranges.as_ref(),
            self.trained.max_tokens,
        )?;
        let since = &mut self.since_log;
        since.times.forward += started.elapsed();
        Ok(network)
    }

    fn log(&mut self, rate: f64, gradient: f64) -> Result<(), TrainError> {
        let since = core::mem::take(&mut self.since_log);
        let elapsed = since.elapsed.as_secs_f64().max(1e-9);
        let Times { input, forward, backward, optimiser } = since.times;
        self.tell.tell(&Event::Steps {
            step: self.optimiser.steps,
            steps: self.steps,
            loss: since.loss / since.steps.max(1) as f64,
            rate,
            gradient,
            tokens_per_second: since.tokens as f64 / elapsed,
            shares: [input, forward, backward, optimiser].map(|time| time.as_secs_f64() / elapsed),
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    fn is_evaluated_at(&self, step: u64) -> bool {
        let every = match self.training.evaluate_every {
            0 => self.steps_of_epoch,
            every => every,
        };
        step > 0 && (step == self.steps || step.is_multiple_of(every))
    }

    /// Measures the network on the validation split, and keeps it if it is the best.
    fn evaluate(&mut self) -> Result<(), TrainError> {
        let step = self.optimiser.steps;
        let stop = self.options.stop;
        let averaged = self.optimiser.averaged(&self.parameters);
        let parameters = averaged.as_ref().unwrap_or(&self.parameters);
        let ranges = self.position.ranges.as_ref();
        let quantised = in_integers(parameters, &mut self.bert, ranges, self.trained.max_tokens)?;
        let stop = || stop.load(Ordering::Relaxed);
        let labels = &self.validation.labels;
        let measured = match &self.masking {
            Some(masking) => masked::evaluate(parameters, &self.validation, masking, &self.device, &stop)
                .map(Measured::from),
            None => {
                let logits = match &quantised {
                    Some(network) => network.logits(&self.validation, &stop),
                    None => step::logits(parameters, &self.validation, &self.device, &stop),
                };
                logits.map(|logits| Measured::new(&logits, labels))
            }
        };
        let Some(Measured { loss, accuracy, temperature }) = measured else { return Err(self.stopped()) };
        if !loss.is_finite() {
            return Err(self.diverged("validation loss", loss));
        }
        let better = self
            .position
            .best
            .is_none_or(|best| accuracy > best.accuracy || (accuracy == best.accuracy && loss < best.loss));
        if better {
            self.trained.temperature = temperature;
            self.trained.quantised = quantised.is_some();
            let entries = [
                ("steps", step.to_string()),
                ("validation_items", labels.len().to_string()),
                ("validation_accuracy", format!("{accuracy:.5}")),
            ];
            for (key, value) in entries {
                self.trained.provenance.insert(key.to_owned(), value);
            }
            checkpoint::replace(
                self.options.out,
                &mut self.bert,
                parameters,
                &self.tokenizer,
                self.position.ranges.as_ref(),
                &self.trained,
            )?;
            self.position.best = Some(Best { step, accuracy, loss });
            self.position.stale = 0;
        } else {
            self.position.stale += 1;
        }
        self.position.evaluated = step;
        let patience = self.training.patience;
        self.position.done = step >= self.steps || (patience > 0 && self.position.stale >= patience);
        self.tell.tell(&Event::Evaluated {
            step,
            validation_loss: loss,
            validation_accuracy: accuracy,
            best: better,
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let started = Instant::now();
        let out = self.options.out;
        state::save(out, &self.digest, &self.parameters, &self.optimiser, &self.position)?;
        self.saved = Saved { step: self.optimiser.steps, at: Instant::now() };
        let seconds = started.elapsed().as_secs_f64();
        self.tell.tell(&Event::Saved { step: self.optimiser.steps, seconds })
    }

    /// Leaves the best checkpoint in the run's folder, and measures what stands in its files.
    fn finish(mut self) -> Result<FineTuned, TrainError> {
        let out = self.options.out;
        checkpoint::finish(out)?;
        let trained = TrainedEncoder::load(out)?;
        self.parameters.read_back(out)?;
        let ranges = trained.calibration(out, &self.bert.config)?;
        let quantised = in_integers(&self.parameters, &mut self.bert, ranges.as_ref(), trained.max_tokens)?;
        let logits = match &quantised {
            Some(network) => network.logits(&self.validation, &|| false),
            None => step::logits(&self.parameters, &self.validation, &self.device, &|| false),
        };
        let Some(logits) = logits else { return Err(self.stopped()) };
        let labels = &self.validation.labels;
        let evaluation = evaluate(self.name, &trained.labels, &logits, labels, trained.temperature)?;
        state::remove(out)?;
        self.tell.tell(&Event::EncoderDone {
            step: self.position.best.map_or(self.optimiser.steps, |best| best.step),
            validation_accuracy: evaluation.accuracy,
            ci95: evaluation.ci95,
            ece: evaluation.ece,
            temperature: trained.temperature,
            seconds: self.started.elapsed().as_secs_f64(),
        })?;
        Ok(FineTuned { trained, evaluation })
    }

    /// Leaves the best network in the run's folder, without what said words.
    fn finish_words(mut self) -> Result<Pretrained, TrainError> {
        let out = self.options.out;
        checkpoint::finish(out)?;
        checkpoint::drop_head(out)?;
        state::remove(out)?;
        let best = self.position.best.unwrap_or(Best { step: self.steps, accuracy: 0.0, loss: f64::NAN });
        self.tell.tell(&Event::Pretrained {
            step: best.step,
            validation_loss: best.loss,
            validation_accuracy: best.accuracy,
            seconds: self.started.elapsed().as_secs_f64(),
        })?;
        Ok(Pretrained { loss: best.loss, accuracy: best.accuracy })
    }

    fn is_stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    /// Saves the state of a run that is asked to stop.
    fn stopped(&mut self) -> TrainError {
        match self.save() {
            Ok(()) => TrainError::Stopped { step: self.optimiser.steps, folder: self.options.out.to_owned() },
            Err(error) => error,
        }
    }

    /// The state is not saved: the last one may be worth going on from with another recipe's rate.
    fn diverged(&self, what: &'static str, value: f64) -> TrainError {
        TrainError::Diverged {
            what,
            value,
            step: self.optimiser.steps + 1,
            folder: self.options.out.to_owned(),
        }
    }
}

/// A network that has learnt nothing, with a row for each id of the tokenizer. The reason, if there is none.
fn made(
    fresh: &FreshRecipe,
    positions: u32,
    tokenizer: &str,
    seed: u64,
) -> Result<Result<Bert, String>, TrainError> {
    let FreshRecipe { layers, width, heads, inner } = *fresh;
    let rows = TextIds::compile(tokenizer, positions)?.rows() as usize;
    let sizes = BertSizes { width, heads, layers, inner, positions: positions as usize, rows };
    let mut random = Random::new(mixed(seed, 3, 0));
    let bert = Bert::fresh(sizes, &mut || 0.02 * normal(&mut random));
    Ok(bert.map_err(|reason| format!("encoder.fresh: {reason}")))
}

/// Can the head of the recipe's folder go on? What is wrong, in words, if not.
fn check_head(encoder: &EncoderRecipe, labels: &[String]) -> Result<Option<String>, TrainError> {
    let folder = encoder.network();
    if !TrainedEncoder::is_at(folder) {
        let folder = folder.display();
        return Ok(Some(format!("encoder.keep_head found, but {folder} is no checkpoint with encoder.toml")));
    }
    let trained = TrainedEncoder::load(folder)?;
    let found = (encoder.pooling, encoder.head, labels);
    let allowed = (trained.pooling, trained.head, trained.labels.as_slice());
    Ok((found != allowed).then(|| {
        let said = |(pooling, head, labels): (PoolingKind, HeadKind, &[String])| {
            let kinds = format!("pooling {pooling:?}, head {head:?}").to_lowercase();
            format!("{kinds}, labels {}", labels.join(", "))
        };
        format!("{} found with encoder.keep_head, the checkpoint has {}", said(found), said(allowed))
    }))
}

/// How good a network is on the held-out texts.
struct Measured {
    loss: f64,
    accuracy: f64,
    temperature: f32,
}

impl Measured {
    fn new(logits: &[Vec<f32>], labels: &[u32]) -> Self {
        let right = logits.iter().zip(labels).filter(|(logits, label)| best(logits) == **label);
        Self {
            loss: calibrate::mean_loss(logits, labels, 1.0),
            accuracy: right.count() as f64 / labels.len().max(1) as f64,
            temperature: calibrate::temperature(logits, labels),
        }
    }
}

impl From<Said> for Measured {
    fn from(said: Said) -> Self {
        Self { loss: said.loss, accuracy: said.accuracy, temperature: 1.0 }
    }
}

/// The network of the case, where there are ranges.
fn in_integers(
    parameters: &Parameters,
    bert: &mut Bert,
    ranges: Option<&Calibration>,
    max_tokens: u32,
) -> Result<Option<QuantisedNetwork>, TrainError> {
    let of = |ranges| QuantisedNetwork::new(parameters, bert, ranges, max_tokens as usize);
    Ok(ranges.map(of).transpose()?)
}

/// What a saved state belongs to: everything that decides the weights.
fn run_digest(
    recipe: &Recipe,
    encoder: &EncoderRecipe,
    content: &[&str],
    parameters: &Parameters,
) -> Result<String, TrainError> {
    let defaults = EncoderTraining::default();
    let training = EncoderTraining {
        save_every: defaults.save_every,
        save_minutes: defaults.save_minutes,
        log_every: defaults.log_every,
        ..encoder.training.clone()
    };
    // The network counts by its numbers, not by its place.
    let encoder = EncoderRecipe { folder: PathBuf::new(), training, ..encoder.clone() };
    let deciding = Recipe {
        golden: None,
        encoder: Some(encoder),
        convert: typecase_convert::Options::default(),
        ..recipe.clone()
    };
    let mut hasher = Sha256::new();
    hasher.update(deciding.to_toml()?);
    content.iter().for_each(|part| hasher.update(part));
    hasher.update(bytemuck::cast_slice::<f32, u8>(&parameters.words));
    for parameter in &parameters.list {
        hasher.update(bytemuck::cast_slice::<f32, u8>(&parameter.numbers));
    }
    Ok(hex(&hasher.finalize()))
}

/// A seed for one purpose of many.
fn mixed(seed: u64, purpose: u64, number: u64) -> u64 {
    let mut random = Random::new(seed ^ purpose.rotate_left(32));
    random.next_u64().wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
