//! Words before classes: what is hidden, the loss of saying it, whole runs.

use std::sync::atomic::Ordering;

use super::*;
use crate::encoder::masked::{self, Masking};
use crate::encoder::pretrain;
use crate::recipe::PretrainingRecipe;
use crate::{Compute, Event, Recipe, TrainOptions};

/// The tokenizer with a piece for what is hidden in the place of the last word.
fn with_mask() -> String {
    tokenizer().to_string().replace("\"w29\"", "\"[MASK]\"")
}

fn masking(candidates: usize) -> Masking {
    let recipe = PretrainingRecipe { candidates, masked: 0.4, ..Default::default() };
    Masking::new(&recipe, &with_mask()).unwrap()
}

fn words() -> Parameters {
    let bert = Bert::load(folder().path()).unwrap();
    Parameters::for_words(&bert, &mut Random::new(1))
}

fn loss(parameters: &Parameters, masking: &Masking) -> (f64, crate::encoder::optimiser::Gradient) {
    let training = EncoderTraining { dropout: 0.0, ..EncoderTraining::default() };
    let batch = texts(20).batch(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let (mut random, mut times) = (Random::new(3), Times::default());
    let (loss, gradient) =
        masked::gradient(parameters, &batch, masking, manner(&training), &mut random, &mut times);
    (loss, gradient.unwrap())
}

#[test]
fn a_tokenizer_without_a_piece_for_what_is_hidden_is_refused() {
    let message = Masking::new(&PretrainingRecipe::default(), &tokenizer().to_string()).err().unwrap();
    assert_eq!(message, "no piece [MASK] or <mask> found in the tokenizer, pretraining needs one");
}

#[test]
fn the_loss_of_words_falls_as_fast_as_its_gradient_says() {
    for candidates in [ROWS, 12] {
        let masking = masking(candidates);
        let mut parameters = words();
        let (first, gradient) = loss(&parameters, &masking);
        let step = 1e-4f32;
        let mut expected = 0.0f64;
        for (parameter, gradient) in parameters.list.iter_mut().zip(&gradient.list) {
            for (x, g) in parameter.numbers.iter_mut().zip(gradient.as_ref().unwrap()) {
                *x -= step * g;
                expected += f64::from(step * g * g);
            }
        }
        for (id, gradient) in &gradient.words {
            let row = &mut parameters.words[*id as usize * WIDTH..][..WIDTH];
            for (x, g) in row.iter_mut().zip(gradient) {
                *x -= step * g;
                expected += f64::from(step * g * g);
            }
        }
        let fallen = first - loss(&parameters, &masking).0;
        assert!((fallen - expected).abs() < 0.1 * expected, "{candidates}: {fallen} {expected}");
    }
}

#[test]
fn some_candidates_stand_for_all() {
    // The mean over many draws of the sum that the logarithm is taken of is that of all: the loss comes near.
    let parameters = words();
    let all = loss(&parameters, &masking(ROWS)).0;
    let some = loss(&parameters, &masking(20)).0;
    assert!((all - some).abs() < 0.2 * all, "{all} {some}");
}

/// Texts in which each word is followed by its neighbour.
fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(2);
    let mut lines = "label,text\n".to_owned();
    for number in 0..300 {
        let pairs: Vec<String> = (0..1 + random.below(4))
            .map(|_| {
                let first = 4 + 2 * random.below(12);
                format!("w{first} w{}", first + 1)
            })
            .collect();
        lines += &format!("{},{}\n", number % 2, pairs.join(" "));
    }
    fs::write(folder.path().join("texts.csv"), &lines).unwrap();
    fs::write(folder.path().join("more.txt"), "w4 w5 w6 w7\n\nw8 w9\n").unwrap();
    folder
}

#[test]
fn a_network_learns_its_words_goes_on_bit_for_bit_and_is_what_others_begin_with() {
    let data = data();
    let network = data.path().join("network");
    fs::create_dir(&network).unwrap();
    fs::write(network.join("tokenizer.json"), with_mask()).unwrap();
    let text = "name = \"words\"\n[data]\ntrain = [\"texts.csv\"]\nvalidation_share = 0.2\n[pretraining]\n\
                texts = [\"more.txt\"]\nmasked = 0.3\ncandidates = 16\n[encoder]\nfolder = \"n\"\nmax_tokens = 12\n\
                [encoder.fresh]\nlayers = 1\nwidth = 16\ninner = 32\nheads = 2\n[encoder.training]\nepochs = 60\n\
                batch = 8\nrate = 1e-2\ndropout = 0.0\nlog_every = 5\nevaluate_every = 200";
    let mut recipe = Recipe::parse(text, Path::new("r.toml")).unwrap();
    recipe.encoder.as_mut().unwrap().found = Some(network);
    let run = |out: &Path, resume: bool, stop_at: Option<u64>| {
        let stop = AtomicBool::new(false);
        let options = TrainOptions {
            data: data.path(),
            out,
            threads: 2,
            device: Compute::Cpu,
            resume,
            tensorboard: false,
            stop: &stop,
        };
        pretrain(&recipe, &options, &mut |event| {
            if matches!(event, Event::Steps { step, .. } if Some(*step) == stop_at) {
                stop.store(true, Ordering::Relaxed);
            }
        })
    };
    let (whole, part) = (data.path().join("whole"), data.path().join("part"));
    let done = run(&whole, false, None).unwrap();
    assert!(done.accuracy > 0.5, "{done:?}");
    assert!(!whole.join("encoder.toml").exists() && !whole.join("head.safetensors").exists());
    run(&part, false, Some(15)).unwrap_err();
    assert_eq!(run(&part, true, None).unwrap(), done);
    let network = |out: &Path| fs::read(out.join("model.safetensors")).unwrap();
    assert!(network(&whole) == network(&part));
    Bert::load(&whole).unwrap();
    TextIds::open(&whole, 12).unwrap();
}
