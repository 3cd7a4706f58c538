//! Training for integers: the forward pass against the engine, gradients against differences, runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::{cell::RefCell, env};

use typecase_convert::encoder::{Calibration, ImportOptions, TrainedEncoder, convert_trained};
use typecase_engine::{Buffers, Case, classify};

use super::gradients::{Change, Reference, Rows};
use super::parity::skipped;
use super::runs::{data, files, recipe, run};
use super::*;
use crate::encoder::quantised::{QuantisedNetwork, Record, calibrate};
use crate::encoder::straight::{self, Values};
use crate::encoder::{checkpoint, step::gradient};
use crate::{Event, Recipe, TrainError};

const QUANTISED: &str = "[encoder.training.quantised]\ncalibration_texts = 64\n";

fn bert() -> Bert {
    Bert::load(folder().path()).unwrap()
}

/// A network with a head that tells something.
fn lively(pooling: PoolingKind) -> Parameters {
    let mut parameters = parameters(pooling, HeadKind::Linear);
    let mut random = Random::new(5);
    let depth = parameters.sizes.layers + 1;
    for parameter in parameters.list.iter_mut().filter(|parameter| parameter.depth == depth) {
        parameter.numbers.iter_mut().for_each(|x| *x = random.unit_f32() - 0.5);
    }
    parameters
}

/// In integers, with ranges from so many texts.
fn network(parameters: &Parameters, texts: &Texts, calibration_texts: usize) -> QuantisedNetwork {
    let mut bert = bert();
    let ranges = calibrate(parameters, &mut bert, texts, calibration_texts).unwrap();
    QuantisedNetwork::new(parameters, &mut bert, &ranges, POSITIONS).unwrap()
}

/// The logits of a forward pass in burn.
fn logits_in_burn(network: &QuantisedNetwork, batch: &Batch) -> Vec<f32> {
    let device = Device::flex();
    let words: Tensor<2> = Tensor::from_data(network.words(batch), &device);
    let leaves = Leaves::new(&network.parameters, &device, &|_| false);
    into_numbers(leaves.with_tape(Some(network.tape(batch, &device))).logits(batch, words))
}

/// The exact scores of a case as logits.
fn logits_of_case(case: &Case<Vec<u8>>, text: &str) -> Vec<f32> {
    let mut buffers = Buffers::new(&case.cost());
    let scale = case.calibration().score_scale;
    classify(case, text.as_bytes(), buffers.memory())
        .scores
        .iter()
        .map(|score| *score as f32 * scale)
        .collect()
}

/// A checkpoint's case, and how often training's logits are the engine's.
fn same_as_the_case(
    out: &Path,
    network: &QuantisedNetwork,
    held_out: &[(String, u32)],
    texts: &[String],
) -> usize {
    let trained = TrainedEncoder::load(out).unwrap();
    let options = typecase_convert::Options { max_drop: 100.0, ..Default::default() };
    let converted = convert_trained(&trained, out, held_out, &ImportOptions::default(), &options).unwrap();
    let case = Case::parse(converted.case).unwrap();
    let ids = TextIds::open(out, trained.max_tokens).unwrap();
    let same = |text: &&String| {
        let expected = logits_of_case(&case, text);
        expected == network.logits_of(&ids.ids(text)) && expected.iter().any(|x| *x != expected[0])
    };
    texts.iter().filter(same).count()
}

/// Labelled texts of the tokenizer's words.
fn sentences(count: u64, seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut word = || format!("w{}", 4 + random.below(ROWS as u64 - 4));
    (0..count).map(|at| (0..1 + at % 14).map(|_| word()).collect::<Vec<_>>().join(" ")).collect()
}

/// Writes a checkpoint as a run does.
fn checkpoint_of(network: &Path, out: &Path, parameters: &Parameters, ranges: &Calibration, max_tokens: u32) {
    let mut bert = Bert::load(network).unwrap();
    let tokenizer = fs::read_to_string(network.join("tokenizer.json")).unwrap();
    let trained = TrainedEncoder {
        name: "t".to_owned(),
        labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
        pooling: parameters.sizes.pooling,
        head: parameters.sizes.head,
        max_tokens,
        temperature: 1.0,
        quantised: true,
        provenance: BTreeMap::new(),
    };
    checkpoint::replace(out, &mut bert, parameters, &tokenizer, Some(ranges), &trained).unwrap();
    checkpoint::finish(out).unwrap();
}

#[test]
fn what_training_sees_is_what_the_case_computes() {
    for pooling in [PoolingKind::Mean, PoolingKind::Cls] {
        let (source, out) = (folder(), tempfile::tempdir().unwrap());
        let parameters = lively(pooling);
        let mut bert = bert();
        let ranges = calibrate(&parameters, &mut bert, &texts(60), 40).unwrap();
        let network = QuantisedNetwork::new(&parameters, &mut bert, &ranges, POSITIONS).unwrap();
        checkpoint_of(source.path(), out.path(), &parameters, &ranges, POSITIONS as u32);
        let held_out: Vec<(String, u32)> = sentences(40, 1).into_iter().zip((0..3).cycle()).collect();
        // Longer than the network takes, too.
        let sentences = sentences(500, 2);
        assert_eq!(same_as_the_case(out.path(), &network, &held_out, &sentences), 500, "{pooling:?}");

        // And the graph that gradients go back through has the same numbers, with padding and without.
        let texts = texts(100);
        for numbers in [(0..100).collect::<Vec<u32>>(), vec![3], vec![1, 2]] {
            let batch = texts.batch(&numbers);
            let got = logits_in_burn(&network, &batch);
            let expected: Vec<f32> =
                numbers.iter().flat_map(|number| network.logits_of(texts.text(*number as usize))).collect();
            assert_eq!(got, expected, "{pooling:?}");
        }
    }
}

#[test]
fn minilm_in_training_is_its_case() {
    let what = "training of MiniLM for integers against its case";
    let Some(source) = env::var_os("TYPECASE_MINILM").map(PathBuf::from) else {
        return skipped(what, "no model; set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2");
    };
    let mut bert = Bert::load(&source).unwrap();
    let parameters = Parameters::new(&bert, PoolingKind::Mean, HeadKind::Linear, 3, &mut Random::new(1));
    let ids = TextIds::open(&source, 64).unwrap();
    let subjects = ["Oil prices", "The striker", "A chip maker", "The minister", "Shares of the bank"];
    let ends = ["soar", "fell by 3.5 percent on Monday", "said that talks had failed again", "won", "rose"];
    let sentences: Vec<String> = (0..100)
        .map(|at| {
            format!("{} {}; {}", subjects[at % 5], ends[at / 5 % 5], ends[(at / 25 + at) % 5].repeat(at / 20))
        })
        .collect();
    let labelled: Vec<(&str, u32)> = sentences.iter().map(|text| (text.as_str(), 0)).collect();
    let texts = Texts::new(&ids, &labelled);
    let ranges = calibrate(&parameters, &mut bert, &texts, 50).unwrap();
    let started = Instant::now();
    let network = QuantisedNetwork::new(&parameters, &mut bert, &ranges, 64).unwrap();
    eprintln!("quantised in {:?}", started.elapsed());
    let out = tempfile::tempdir().unwrap();
    checkpoint_of(&source, out.path(), &parameters, &ranges, 64);
    let held_out: Vec<(String, u32)> = sentences[..20].iter().cloned().zip((0..3).cycle()).collect();
    assert_eq!(same_as_the_case(out.path(), &network, &held_out, &sentences), 100);
    let batch = texts.batch(&[0, 1, 2, 50, 99]);
    let expected: Vec<f32> =
        [0, 1, 2, 50, 99].into_iter().flat_map(|number| network.logits_of(texts.text(number))).collect();
    assert_eq!(logits_in_burn(&network, &batch), expected);
}

/// The corrections that make the network in f64 see what the integers gave: found in a first pass, then kept, so that
/// differences of it are the gradients straight through what was rounded.
struct Corrections<'a> {
    records: Vec<Option<&'a Values>>,
    tokens: usize,
    /// Of each text: how far it has come, and each correction.
    found: RefCell<BTreeMap<(usize, usize), Rows>>,
}

impl Corrections<'_> {
    fn see(&self, text: usize, nth: usize, mut rows: Rows) -> Rows {
        let Some(values) = self.records[nth] else { return rows };
        let numbers = into_numbers(values.numbers.clone());
        let columns = rows[0].len();
        // The pooled row and the scores stand one a text.
        let each = if nth + 3 >= self.records.len() { 1 } else { self.tokens };
        let start = text * each * columns;
        let seen = |row: usize, j: usize| f64::from(numbers[start + row * columns + j]);
        let mut found = self.found.borrow_mut();
        let corrections = found.entry((text, nth)).or_insert_with(|| {
            let of = |(row, numbers): (usize, &Vec<f64>)| {
                numbers.iter().enumerate().map(|(j, x)| seen(row, j) - x).collect()
            };
            rows.iter().enumerate().map(of).collect()
        });
        for (row, (numbers, corrections)) in rows.iter_mut().zip(corrections).enumerate() {
            for (j, (x, correction)) in numbers.iter_mut().zip(corrections).enumerate() {
                let place = (start + row * columns + j) as u32;
                *x = if values.cut.contains(&place) { seen(row, j) } else { *x + *correction };
            }
        }
        rows
    }

    fn loss(&self, reference: &Reference, batch: &Batch) -> f64 {
        let mut nth = vec![0; batch.lengths.len()];
        reference.loss_seen(batch, 0.1, 0.0, &mut |text, rows| {
            nth[text] += 1;
            self.see(text, nth[text] - 1, rows)
        })
    }
}

#[test]
fn gradients_go_straight_through_what_is_rounded_and_stop_where_it_is_cut() {
    let texts = texts(30);
    let batch = texts.batch(&[0, 1, 2, 3, 4, 5]);
    assert!(!batch.is_even());
    let training = EncoderTraining { dropout: 0.0, label_smoothing: 0.1, ..EncoderTraining::default() };
    let mut random = Random::new(9);
    for pooling in [PoolingKind::Mean, PoolingKind::Cls] {
        let parameters = lively(pooling);
        // Ranges from two texts, so that numbers of the others are cut.
        let network = network(&parameters, &texts, 2);
        let mut times = Times::default();
        let (loss, found) =
            gradient(&parameters, &batch, in_integers(&training, &network), &mut Random::new(1), &mut times);
        let found = found.unwrap();

        let tape = network.tape(&batch, &Device::flex());
        let records: Vec<Option<&Values>> = tape
            .0
            .iter()
            .flat_map(|record| match record {
                Record::Linear { input, output } => vec![input.as_deref(), Some(output)],
                Record::Other(values) => vec![Some(values)],
            })
            .collect();
        let cut: Vec<usize> = records.iter().flatten().map(|values| values.cut.len()).collect();
        assert!(cut.iter().filter(|cut| **cut > 0).count() >= 4, "{pooling:?}: {cut:?}");
        let corrections = Corrections { records, tokens: batch.tokens, found: RefCell::new(BTreeMap::new()) };
        // The words as the integers have them, each at its place.
        let mut seen = network.parameters.clone();
        let ids: Vec<u32> = (0..ROWS as u32).collect();
        let all = Texts::of([(ids, 0)].into_iter()).batch(&[0]);
        seen.words = network.words(&all).try_into_vec::<f32>().unwrap();
        let reference = Reference::new(&seen);
        let expected = corrections.loss(&reference, &batch);
        assert!((loss - expected).abs() < 1e-5, "{pooling:?}: loss {loss}, expected {expected}");

        let difference =
            |change: &Change<'_>| reference.slope(change, &|moved| corrections.loss(moved, &batch));
        let check = |name: &str, got: f32, expected: f64| {
            let error = (f64::from(got) - expected).abs();
            assert!(error < 2e-5 + 2e-4 * expected.abs(), "{pooling:?} {name}: {got}, expected {expected}");
        };
        for (number, (parameter, got)) in parameters.list.iter().zip(&found.list).enumerate() {
            let got = got.as_ref().unwrap();
            for _ in 0..6 {
                let at = random.below(got.len() as u64) as usize;
                check(&parameter.name, got[at], difference(&|r, step| r.list[number][at] += step));
            }
        }
        for (id, row) in &found.words {
            let at = random.below(WIDTH as u64) as usize;
            let place = *id as usize * WIDTH + at;
            check("word", row[at], difference(&|r, step| r.words[place] += step));
        }
    }
}

/// By hand: two rows, two inputs, one output.
#[test]
fn a_layer_with_given_values_has_the_gradients_of_its_input() {
    let device = Device::flex().autodiff();
    let tensor = |numbers: [f32; 4]| -> Tensor<2> {
        Tensor::from_data(burn::tensor::TensorData::new(numbers.to_vec(), [2, 2]), &device)
    };
    let values = |numbers: Tensor<2>, cut: &[u32]| Values { numbers, cut: cut.to_vec().into() };
    let x = tensor([1.0, 2.0, 3.0, 4.0]).require_grad();
    let weight = tensor([0.5, -1.0, 2.0, 0.25]).require_grad();
    let bias: Tensor<1> =
        Tensor::from_data(burn::tensor::TensorData::new(vec![0.1f32, 0.2], [2]), &device).require_grad();
    let narrow = values(tensor([1.5, 2.5, 3.5, 4.5]), &[2]);
    let output = values(tensor([7.0, 8.0, 9.0, 10.0]), &[1]);
    let y = straight::linear(x.clone(), Some(&narrow), weight.clone(), bias.clone(), &output);
    let y = straight::straight(y, &values(tensor([70.0, 80.0, 90.0, 100.0]), &[3]));
    assert_eq!(into_numbers(y.clone()), [70.0, 80.0, 90.0, 100.0]);
    let mut gradients = (y * tensor([1.0, 2.0, 3.0, 4.0])).sum().backward();
    // Of the outputs 1, 2, 3, 4, without the two that were cut: 1, 0, 3, 0.
    assert_eq!(into_numbers(x.grad_remove(&mut gradients).unwrap()), [0.5, 2.0, 0.0, 6.0]);
    assert_eq!(into_numbers(weight.grad_remove(&mut gradients).unwrap()), [12.0, 0.0, 16.0, 0.0]);
    assert_eq!(into_numbers(bias.grad_remove(&mut gradients).unwrap()), [4.0, 0.0]);
}

#[test]
fn ranges_that_are_written_are_read_again_or_refused() {
    let mut bert = bert();
    let ranges = calibrate(&lively(PoolingKind::Mean), &mut bert, &texts(20), 20).unwrap();
    let bytes = ranges.to_bytes();
    assert_eq!(Calibration::from_bytes(&bytes, &bert.config).unwrap(), ranges);
    let mut other = bert.config.clone();
    other.num_hidden_layers = 3;
    let message = Calibration::from_bytes(&bytes, &other).unwrap_err();
    assert_eq!(message, "no ranges \"layer.2.Query\" found");
    other.num_hidden_layers = 2;
    other.hidden_size = 12;
    let message = Calibration::from_bytes(&bytes, &other).unwrap_err();
    assert_eq!(message, "ranges \"layer.0.AttentionIn\" are F64 [3, 16], expected was F64 [3, 12]");
    let mut damaged = bytes.clone();
    let at = damaged.len() - 8;
    damaged[at..].copy_from_slice(&f64::NAN.to_le_bytes());
    let message = Calibration::from_bytes(&damaged, &bert.config).unwrap_err();
    assert!(message.ends_with("numbers must be finite and rise"), "{message}");
    assert!(Calibration::from_bytes(&bytes[..9], &bert.config).is_err());
}

fn quantised(network: &Path, training: &str, table: &str) -> Recipe {
    recipe(network, &format!("{training}\n[encoder.training.quantised]\n{table}"))
}

/// In the recipe's own words: from a share of the steps on, what is evaluated and kept is the case.
#[test]
fn a_run_for_integers_learns_and_keeps_what_its_case_is() {
    let (source, data, out) = (folder(), data(), tempfile::tempdir().unwrap());
    let recipe =
        quantised(source.path(), "epochs = 12\nlayer_decay = 0.9", "from = 0.25\ncalibrate_every = 100");
    let (mut losses, mut calibrated) = (Vec::new(), Vec::new());
    let done = run(&recipe, data.path(), out.path(), false, &mut |event, _| match event {
        Event::Steps { loss, .. } => losses.push(*loss),
        Event::Calibrated { step, texts, .. } => calibrated.push((*step, *texts)),
        _ => {}
    })
    .unwrap();
    assert!(losses.last().unwrap() < &(0.6 * losses[0]), "{losses:?}");
    let steps = 12 * 24;
    assert_eq!(calibrated, [(steps / 4, 192), (steps / 4 + 100, 192), (steps / 4 + 200, 192)]);
    assert!(done.evaluation.accuracy > 0.9 && done.trained.quantised, "{:?}", done.evaluation);

    let trained = TrainedEncoder::load(out.path()).unwrap();
    let mut bert = Bert::load(out.path()).unwrap();
    let ranges = trained.calibration(out.path(), &bert.config).unwrap().unwrap();
    let mut parameters = Parameters::new(&bert, PoolingKind::Mean, HeadKind::Linear, 2, &mut Random::new(1));
    parameters.read_back(out.path()).unwrap();
    let network = QuantisedNetwork::new(&parameters, &mut bert, &ranges, 12).unwrap();
    let held_out: Vec<(String, u32)> = sentences(40, 4).into_iter().zip((0..2).cycle()).collect();
    let sentences = sentences(300, 6);
    assert_eq!(same_as_the_case(out.path(), &network, &held_out, &sentences), 300);
    fs::remove_file(out.path().join("ranges.safetensors")).unwrap();
    let missing = trained.calibration(out.path(), &bert.config).unwrap_err().to_string();
    assert!(missing.ends_with("ranges.safetensors: no such file"), "{missing}");
}

#[test]
fn steps_in_integers_lower_the_loss_of_the_case() {
    let texts = texts(64);
    let training = EncoderTraining { rate: 3e-3, weight_decay: 0.0, ..EncoderTraining::default() };
    let mut parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let mut optimiser = crate::encoder::optimiser::AdamW::new(&parameters, &training, 1);
    let mut bert = bert();
    let ranges = calibrate(&parameters, &mut bert, &texts, 64).unwrap();
    let loss = |network: &QuantisedNetwork| {
        let logits = network.logits(&texts, &|| false).unwrap();
        typecase_convert::calibrate::mean_loss(&logits, &texts.labels, 1.0)
    };
    let mut first = None;
    for step in 0..60 {
        let network = QuantisedNetwork::new(&parameters, &mut bert, &ranges, POSITIONS).unwrap();
        first.get_or_insert_with(|| loss(&network));
        let batch = texts.batch(&(0..16).map(|at| (16 * step + at) % 64).collect::<Vec<_>>());
        let mut times = Times::default();
        let (_, found) =
            gradient(&parameters, &batch, in_integers(&training, &network), &mut Random::new(1), &mut times);
        optimiser.step(&mut parameters, &found.unwrap(), 1.0, training.rate, &training);
    }
    let network = QuantisedNetwork::new(&parameters, &mut bert, &ranges, POSITIONS).unwrap();
    let (before, after) = (first.unwrap(), loss(&network));
    assert!(after < 0.8 * before, "before {before}, after {after}");
}

#[test]
fn a_resumed_run_for_integers_is_the_uninterrupted_one_bit_for_bit() {
    let (source, data) = (folder(), data());
    let training = "epochs = 3\nevaluate_every = 20\naverage = 0.9";
    let recipe =
        quantised(source.path(), training, "from = 0.35\ncalibrate_every = 20\ncalibration_texts = 32");
    let whole = tempfile::tempdir().unwrap();
    run(&recipe, data.path(), whole.path(), false, &mut |_, _| {}).unwrap();
    let ranges = |out: &Path| fs::read(out.join("ranges.safetensors")).unwrap();
    // Before it begins with integers, at that step, between two calibrations, at one.
    for at in [20, 25, 35, 45] {
        let out = tempfile::tempdir().unwrap();
        let stopped = run(&recipe, data.path(), out.path(), false, &mut |event, stop| {
            if matches!(event, Event::Steps { step, .. } if *step == at) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        assert!(matches!(stopped, Err(TrainError::Stopped { step, .. }) if step == at), "{stopped:?}");
        run(&recipe, data.path(), out.path(), true, &mut |_, _| {}).unwrap();
        assert!(files(whole.path()) == files(out.path()), "interrupted after step {at}");
        assert!(ranges(whole.path()) == ranges(out.path()), "interrupted after step {at}");
    }
}

#[test]
fn recipes_that_no_case_can_follow_are_refused() {
    let parse = |encoder: &str, training: &str, table: &str| {
        let text = format!(
            "name = \"a\"\n[data]\ntrain = [\"t\"]\n[encoder]\nfolder = \"m\"\n{encoder}\n[encoder.training]\n\
             {training}\n[encoder.training.quantised]\n{table}"
        );
        Recipe::parse(&text, Path::new("r.toml")).map(|_| ()).unwrap_err().to_string()
    };
    let place = "encoder.training.quantised";
    let table = [
        (
            "pooling = \"max\"",
            "",
            "",
            format!("encoder.pooling max found with {place}, a case allows mean and cls"),
        ),
        ("head = \"mlp\"", "", "", format!("encoder.head mlp found with {place}, a case allows linear")),
        ("", "", "from = 1.0", format!("{place}.from 1 found, allowed are 0 to below 1")),
        ("", "", "from = nan", format!("{place}.from NaN found, allowed are 0 to below 1")),
        (
            "",
            "",
            "calibration_texts = 0",
            format!("{place}.calibration_texts 0 found, allowed are 1 to 1048576"),
        ),
        (
            "",
            "adversarial = 0.5",
            "",
            format!("encoder.training.adversarial 0.5 found with {place}, allowed is 0"),
        ),
    ];
    for (encoder, training, quantised, expected) in table {
        assert_eq!(parse(encoder, training, quantised), format!("r.toml: {expected}"));
    }
    let message = parse("", "", "calibration_text = 8");
    assert!(message.contains("unknown field `calibration_text`"), "{message}");
    assert!(message.ends_with("; the nearest is `calibration_texts`"), "{message}");
}

#[test]
fn defaults_of_training_for_integers_are_written_out() {
    let text = format!("name = \"a\"\n[data]\ntrain = [\"t\"]\n[encoder]\nfolder = \"m\"\n{QUANTISED}");
    let recipe = Recipe::parse(&text, Path::new("r.toml")).unwrap();
    let written = recipe.to_toml().unwrap();
    for line in
        [QUANTISED.lines().next().unwrap(), "from = 0.0", "calibration_texts = 64", "calibrate_every = 500"]
    {
        assert!(written.lines().any(|l| l == line), "{line} not in\n{written}");
    }
    assert_eq!(Recipe::parse(&written, Path::new("r.toml")).unwrap().encoder, recipe.encoder);
}

fn in_integers<'a>(training: &'a EncoderTraining, network: &'a QuantisedNetwork) -> Manner<'a> {
    Manner { quantised: Some(network), ..manner(training) }
}
