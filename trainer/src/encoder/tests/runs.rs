//! Whole runs on a tiny network: resumed, killed, refused.

use std::sync::atomic::Ordering;

use typecase_convert::encoder::{ImportOptions, TrainedEncoder, convert_trained};

use super::*;
use crate::encoder::{FineTuned, train};
use crate::{Compute, Event, Recipe, TrainError, TrainOptions};

/// A folder with labelled texts: the class is that of the first word.
pub(super) fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(11);
    let mut lines = "label,text\n".to_owned();
    for _ in 0..240 {
        let words: Vec<String> =
            (0..1 + random.below(8)).map(|_| format!("w{}", 4 + random.below(ROWS as u64 - 4))).collect();
        let first: u64 = words[0][1..].parse().unwrap();
        lines += &format!("{},{}\n", ["odd", "even"][usize::from(first.is_multiple_of(2))], words.join(" "));
    }
    fs::write(folder.path().join("texts.csv"), lines).unwrap();
    folder
}

pub(super) fn recipe(network: &Path, training: &str) -> Recipe {
    let text = format!(
        "name = \"tiny\"\n[data]\ntrain = [\"texts.csv\"]\nvalidation_share = 0.2\n[encoder]\nfolder = \"n\"\n\
         max_tokens = 12\n[encoder.training]\nbatch = 8\nrate = 5e-3\nlog_every = 5\n{training}\n"
    );
    let mut recipe = Recipe::parse(&text, Path::new("r.toml")).unwrap();
    recipe.encoder.as_mut().unwrap().found = Some(network.to_owned());
    recipe
}

pub(super) fn run(
    recipe: &Recipe,
    data: &Path,
    out: &Path,
    resume: bool,
    on_event: &mut (dyn FnMut(&Event, &AtomicBool) + Send),
) -> Result<FineTuned, TrainError> {
    run_on(Compute::Cpu, recipe, data, out, resume, on_event)
}

pub(super) fn run_on(
    device: Compute,
    recipe: &Recipe,
    data: &Path,
    out: &Path,
    resume: bool,
    on_event: &mut (dyn FnMut(&Event, &AtomicBool) + Send),
) -> Result<FineTuned, TrainError> {
    let stop = AtomicBool::new(false);
    let options = TrainOptions { data, out, threads: 2, device, resume, tensorboard: false, stop: &stop };
    train(recipe, &options, &mut |event| on_event(event, &stop))
}

/// The numbers of a checkpoint.
pub(super) fn files(out: &Path) -> [Vec<u8>; 3] {
    ["model.safetensors", "head.safetensors", "encoder.toml"].map(|name| fs::read(out.join(name)).unwrap())
}

#[test]
fn a_run_learns_and_its_checkpoint_becomes_a_case() {
    let (network, data, out) = (folder(), data(), tempfile::tempdir().unwrap());
    let recipe = recipe(network.path(), "epochs = 12\naccumulate = 2\nlayer_decay = 0.9");
    let mut evaluations = 0;
    let done = run(&recipe, data.path(), out.path(), false, &mut |event, _| {
        evaluations += u32::from(matches!(event, Event::Evaluated { .. }));
    })
    .unwrap();
    assert_eq!(evaluations, 12);
    assert!(done.evaluation.accuracy > 0.9, "{:?}", done.evaluation);
    let entry = &done.trained.provenance["validation_accuracy"];
    assert_eq!(*entry, format!("{:.5}", done.evaluation.accuracy), "the files hold what was measured");
    for name in ["state.safetensors", "best", "best.new", "best.old"] {
        assert!(!out.path().join(name).exists(), "{name}");
    }

    let trained = TrainedEncoder::load(out.path()).unwrap();
    assert_eq!(trained, done.trained);
    let held_out = fs::read_to_string(out.path().join("validation.jsonl")).unwrap();
    let held_out: Vec<(String, u32)> = held_out
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let label = trained.labels.iter().position(|label| *label == line["label"]).unwrap();
            (line["text"].as_str().unwrap().to_owned(), label as u32)
        })
        .collect();
    let options = typecase_convert::Options { max_drop: 10.0, ..Default::default() };
    let converted = convert_trained(&trained, out.path(), &held_out, &ImportOptions::default(), &options);
    let report = converted.unwrap().report;
    assert_eq!(format!("{:.5}", report.parent.accuracy), *entry, "the importer sees the same network");
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let (network, data) = (folder(), data());
    let recipe = recipe(
        network.path(),
        "epochs = 3\nevaluate_every = 20\naverage = 0.9\nadversarial = 0.5\nunfreeze = 0.3\n\
         inner_dropout = 0.1\nschedule = \"cyclic\"",
    );
    let whole = tempfile::tempdir().unwrap();
    run(&recipe, data.path(), whole.path(), false, &mut |_, _| {}).unwrap();
    // In the middle of an epoch, just before and within an evaluation.
    for at in [5, 20, 25] {
        let out = tempfile::tempdir().unwrap();
        let stopped = run(&recipe, data.path(), out.path(), false, &mut |event, stop| {
            if matches!(event, Event::Steps { step, .. } if *step == at) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        assert!(matches!(stopped, Err(TrainError::Stopped { step, .. }) if step == at), "{stopped:?}");
        let again = run(&recipe, data.path(), out.path(), false, &mut |_, _| {}).unwrap_err().to_string();
        assert!(again.ends_with("a saved state found: go on with it, or remove it"), "{again}");
        run(&recipe, data.path(), out.path(), true, &mut |_, _| {}).unwrap();
        assert!(files(whole.path()) == files(out.path()), "interrupted after step {at}");
    }
}

/// What a crash leaves: the state of some steps ago, and whatever was being written.
#[test]
fn a_killed_run_goes_on_from_its_last_state() {
    let (network, data) = (folder(), data());
    let recipe = recipe(network.path(), "epochs = 3\nevaluate_every = 20\nsave_every = 10");
    let whole = tempfile::tempdir().unwrap();
    run(&recipe, data.path(), whole.path(), false, &mut |_, _| {}).unwrap();
    for at in [15, 35, 45] {
        let out = tempfile::tempdir().unwrap();
        let killed = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            run(&recipe, data.path(), out.path(), false, &mut |event, _| {
                assert!(!matches!(event, Event::Steps { step, .. } if *step == at), "killed");
            })
        }));
        assert!(killed.is_err());
        fs::write(out.path().join("state.new"), "half a state").unwrap();
        let best = out.path().join("best");
        if best.exists() {
            // Between the two renames of a new checkpoint, which has the same numbers.
            fs::rename(&best, out.path().join("best.old")).unwrap();
            fs::create_dir(out.path().join("best.new")).unwrap();
        }
        run(&recipe, data.path(), out.path(), true, &mut |_, _| {}).unwrap();
        assert!(files(whole.path()) == files(out.path()), "killed after step {at}");
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_state() {
    let (network, data, out) = (folder(), data(), tempfile::tempdir().unwrap());
    let mut recipe = recipe(network.path(), "epochs = 3\nsave_every = 1\nclip = 0.0\nwarm_up = 0.0");
    // The head's numbers grow beyond all bounds with the first step.
    let training = &mut recipe.encoder.as_mut().unwrap().training;
    (training.rate, training.head_rate) = (1.0, 1e38);
    let error = run(&recipe, data.path(), out.path(), false, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { step: 2.., .. }), "{error}");
    assert!(error.to_string().contains("what was saved before stays in"), "{error}");
    assert!(out.path().join("state.safetensors").is_file());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (network, data, out) = (folder(), data(), tempfile::tempdir().unwrap());
    let base = || recipe(network.path(), "epochs = 1");
    let refused = |recipe: &Recipe, resume| {
        run(recipe, data.path(), out.path(), resume, &mut |_, _| {}).unwrap_err().to_string()
    };
    let with = |change: &dyn Fn(&mut crate::EncoderRecipe)| {
        let mut recipe = base();
        change(recipe.encoder.as_mut().unwrap());
        recipe
    };
    let long = with(&|encoder| encoder.max_tokens = 13);
    assert_eq!(refused(&long, false), "tiny: encoder.max_tokens 13 found, the network has 12 positions");
    let frozen = with(&|encoder| encoder.training.frozen_layers = 3);
    assert_eq!(refused(&frozen, false), "tiny: encoder.training.frozen_layers 3 found, the network has 2");
    let absent = with(&|encoder| encoder.found = Some(out.path().join("none")));
    assert!(
        refused(&absent, false).ends_with("none/config.json: no such file"),
        "{}",
        refused(&absent, false)
    );
    assert!(refused(&base(), true).contains("no saved state found"), "{}", refused(&base(), true));
    let mut bag = base();
    bag.encoder = None;
    assert_eq!(refused(&bag, false), "tiny: no table encoder found, one is needed");

    let stopped = run(&base(), data.path(), out.path(), false, &mut |event, stop| {
        stop.store(matches!(event, Event::Steps { .. }), Ordering::Relaxed);
    });
    assert!(matches!(stopped, Err(TrainError::Stopped { .. })), "{stopped:?}");
    let other = with(&|encoder| encoder.training.rate = 1e-3);
    let message = refused(&other, true);
    assert!(
        message.ends_with("is of another recipe, seed, data or network, all must be the same"),
        "{message}"
    );
    let path = out.path().join("state.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
    let message = refused(&base(), true);
    assert!(message.ends_with("the saved state is damaged, remove it and start again"), "{message}");
}

/// A checkpoint with its head is where another run begins.
#[test]
fn a_checkpoint_goes_on_with_its_head() {
    let (network, data) = (folder(), data());
    let first = tempfile::tempdir().unwrap();
    let done = run(&recipe(network.path(), "epochs = 12"), data.path(), first.path(), false, &mut |_, _| {});
    let accuracy = done.unwrap().evaluation.accuracy;
    let evaluated_first = |keep_head: bool| {
        let mut recipe = recipe(first.path(), "epochs = 1\nevaluate_every = 1");
        let encoder = recipe.encoder.as_mut().unwrap();
        (encoder.keep_head, encoder.training.rate) = (keep_head, 1e-9);
        let (out, mut found) = (tempfile::tempdir().unwrap(), Vec::new());
        let mut on_event = |event: &Event, _: &AtomicBool| {
            if let Event::Evaluated { validation_accuracy, validation_loss, .. } = event {
                found.push((*validation_accuracy, *validation_loss));
            }
        };
        run(&recipe, data.path(), out.path(), false, &mut on_event).unwrap();
        found[0]
    };
    let (kept, new) = (evaluated_first(true), evaluated_first(false));
    assert!(kept.0 == accuracy && kept.1 < 0.5 * new.1, "kept {kept:?}, new {new:?}");

    let refused = |change: &dyn Fn(&mut crate::EncoderRecipe)| {
        let mut recipe = recipe(first.path(), "epochs = 1");
        let encoder = recipe.encoder.as_mut().unwrap();
        encoder.keep_head = true;
        change(encoder);
        let out = tempfile::tempdir().unwrap();
        run(&recipe, data.path(), out.path(), false, &mut |_, _| {}).unwrap_err().to_string()
    };
    let message = refused(&|encoder| encoder.pooling = PoolingKind::Cls);
    assert_eq!(
        message,
        "tiny: pooling cls, head linear, labels even, odd found with encoder.keep_head, \
         the checkpoint has pooling mean, head linear, labels even, odd"
    );
    let message = refused(&|encoder| encoder.found = Some(network.path().to_owned()));
    assert!(message.ends_with("is no checkpoint with encoder.toml"), "{message}");
}

/// A folder that cannot be written to stands for a full disk.
#[test]
fn a_state_that_cannot_be_written_leaves_the_last_one() {
    let (network, data, out) = (folder(), data(), tempfile::tempdir().unwrap());
    let recipe = recipe(network.path(), "epochs = 2\nsave_every = 10");
    let mut saves = 0;
    let folder = out.path().to_owned();
    let failed = run(&recipe, data.path(), out.path(), false, &mut |event, _| {
        if matches!(event, Event::Saved { .. }) {
            saves += 1;
            // The name of the next one is taken.
            fs::create_dir(folder.join("state.new")).unwrap();
        }
    });
    assert!(matches!(failed, Err(TrainError::Io { .. })), "{failed:?}");
    assert_eq!(saves, 1);
    fs::remove_dir(out.path().join("state.new")).unwrap();
    run(&recipe, data.path(), out.path(), true, &mut |_, _| {}).unwrap();
}

#[test]
fn a_network_that_has_learnt_nothing_learns_from_a_tokenizer_alone() {
    let (folder, data, out) = (tempfile::tempdir().unwrap(), data(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("tokenizer.json"), tokenizer().to_string()).unwrap();
    let fresh = |more: &str| {
        recipe(
            folder.path(),
            &format!("epochs = 30\n[encoder.fresh]\nlayers = 1\nwidth = 16\ninner = 32\n{more}"),
        )
    };
    let done = run(&fresh("heads = 2"), data.path(), out.path(), false, &mut |_, _| {}).unwrap();
    assert!(done.evaluation.accuracy > 0.7, "{:?}", done.evaluation);
    let bert = Bert::load(out.path()).unwrap();
    assert_eq!(
        (bert.config.vocab_size, bert.config.max_position_embeddings, bert.layers.len()),
        (ROWS, 12, 1)
    );
    let message = run(&fresh("heads = 3"), data.path(), &out.path().join("other"), false, &mut |_, _| {});
    assert_eq!(
        message.unwrap_err().to_string(),
        "tiny: encoder.fresh: hidden_size 16 found, it must be a multiple of num_attention_heads 3"
    );
}
