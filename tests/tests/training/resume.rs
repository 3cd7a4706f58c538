//! Interruptions.

use std::sync::atomic::Ordering;

use typecase_train::{Event, Recipe, TrainError};

use crate::{Workshop, case, recipe};

/// Two stages of a few epochs.
fn staged() -> Recipe {
    recipe("keep = [3000]\nepochs = 5\npatience = 5\nreweight = 0.3\n")
}

/// Stops after the epoch `count` of this run, counted over stages from 1.
fn stopped(workshop: &Workshop, recipe: &Recipe, out: &str, resume: bool, count: usize) -> TrainError {
    let mut epochs = 0;
    let answer = workshop.run(recipe, out, (2, resume), |event, stop| {
        if matches!(event, Event::Epoch { .. }) {
            epochs += 1;
            stop.store(epochs == count, Ordering::Relaxed);
        }
    });
    answer.unwrap_err()
}

#[test]
fn a_run_interrupted_at_any_epoch_goes_on_bit_for_bit() {
    let workshop = Workshop::sample();
    let recipe = staged();
    let whole = workshop.train(&recipe, "whole");
    let (files, bytes) = (workshop.checkpoint("whole"), case(&recipe, &whole).case);
    // The last epoch of the first stage and of the whole run are among them.
    for count in 1..=10 {
        let out = format!("stopped-{count}");
        let error = stopped(&workshop, &recipe, &out, false, count);
        let TrainError::Interrupted { stage, epoch, .. } = error else { panic!("{error}") };
        assert_eq!((stage, epoch), ((count - 1) / 5 + 1, (count - 1) % 5 + 1));
        let mut resumed = Vec::new();
        let trained = workshop.run(&recipe, &out, (1 + count % 3, true), |event, _| {
            resumed.extend(matches!(event, Event::Resumed { .. }).then(|| event.clone()));
        });
        assert_eq!(resumed, [Event::Resumed { stage, epoch }]);
        assert!(workshop.checkpoint(&out) == files, "the checkpoint differs after epoch {count}");
        assert!(case(&recipe, &trained.unwrap()).case == bytes, "the case differs after epoch {count}");
    }
}

#[test]
fn a_run_may_be_interrupted_after_every_epoch() {
    let workshop = Workshop::sample();
    let recipe = staged();
    workshop.train(&recipe, "whole");
    stopped(&workshop, &recipe, "run", false, 1);
    for _ in 1..10 {
        stopped(&workshop, &recipe, "run", true, 1);
    }
    workshop.run(&recipe, "run", (2, true), |_, _| {}).unwrap();
    assert!(workshop.checkpoint("run") == workshop.checkpoint("whole"));
    // The state is gone with the run that it belonged to.
    let error = workshop.run(&recipe, "run", (2, true), |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("no saved state found"), "{error}");
}

#[test]
fn early_stopping_is_part_of_the_state() {
    let workshop = Workshop::sample();
    let recipe = recipe("keep = [3000]\nepochs = 60\npatience = 3\n");
    workshop.train(&recipe, "whole");
    stopped(&workshop, &recipe, "run", false, 2);
    stopped(&workshop, &recipe, "run", true, 1);
    workshop.run(&recipe, "run", (2, true), |_, _| {}).unwrap();
    assert!(workshop.checkpoint("run") == workshop.checkpoint("whole"));
}

#[test]
fn another_recipe_seed_or_data_cannot_go_on() {
    let workshop = Workshop::sample();
    stopped(&workshop, &staged(), "run", false, 2);
    let refused = |recipe: &Recipe| {
        let error = workshop.run(recipe, "run", (2, true), |_, _| {}).unwrap_err().to_string();
        assert!(error.ends_with("is of another recipe, seed or data, all must be the same"), "{error}");
    };
    let mut other = staged();
    other.train.seed += 1;
    refused(&other);
    let mut other = staged();
    other.train.cost = 0.9;
    refused(&other);
    let mut other = staged();
    other.text.marks = true;
    refused(&other);
    let data = workshop.0.path().join("news.csv");
    std::fs::write(&data, format!("{}\"1\",\"one\",\"more\"\n", crate::SAMPLE_CSV)).unwrap();
    refused(&staged());
    std::fs::write(&data, crate::SAMPLE_CSV).unwrap();

    // What only concerns the case may change.
    let mut other = staged();
    other.convert.max_ids = 100;
    workshop.run(&other, "run", (2, true), |_, _| {}).unwrap();
}

#[test]
fn a_refused_resume_leaves_a_finished_run_as_it_is() {
    let workshop = Workshop::sample();
    let recipe = staged();
    workshop.train(&recipe, "run");
    let files = workshop.checkpoint("run");
    let mut other = recipe.clone();
    other.train.seed += 1;
    workshop.run(&other, "run", (2, true), |_, _| {}).unwrap_err();
    // Otherwise the texts that the checkpoint learnt from would pass for held-out ones.
    assert!(workshop.checkpoint("run") == files, "recipe and held-out texts are not those of the checkpoint");
}

#[test]
fn an_interrupted_run_does_not_stand_beside_an_older_checkpoint() {
    let workshop = Workshop::sample();
    let recipe = staged();
    workshop.train(&recipe, "run");
    let files = workshop.checkpoint("run");
    let mut other = recipe.clone();
    other.train.seed += 1;
    stopped(&workshop, &other, "run", false, 1);
    let folder = workshop.0.path().join("run");
    let held_out = std::fs::read(folder.join("validation.jsonl")).unwrap();
    let stands = typecase_convert::Checkpoint::is_at(&folder);
    assert!(!stands || held_out == files[2], "the checkpoint learnt from what now passes for held out");
}

#[test]
fn a_damaged_state_is_refused_whatever_is_missing() {
    let workshop = Workshop::sample();
    let recipe = staged();
    stopped(&workshop, &recipe, "run", false, 2);
    let path = workshop.0.path().join("run/state.safetensors");
    let sound = std::fs::read(&path).unwrap();
    let header = usize::try_from(u64::from_le_bytes(sound[..8].try_into().unwrap())).unwrap() + 8;
    let text = std::str::from_utf8(&sound[8..header]).unwrap().to_owned();
    let mut damaged = vec![
        ("all tensors".to_owned(), sound[..header].to_vec()),
        ("the end".to_owned(), sound[..sound.len() - 4].to_vec()),
        ("all".to_owned(), Vec::new()),
    ];
    let names = ["features", "factors", "stage", "epoch", "stale", "best_loss_bits"].map(str::to_owned);
    let pairs = (0..2).flat_map(|pair| {
        ["model", "best"].map(|of| ["weights", "duals"].map(|what| format!("{of}.{pair}.{what}")))
    });
    for name in names.into_iter().chain(pairs.flatten()) {
        let key = format!("\"{name}\"");
        assert!(text.contains(&key), "{name} is not in {text}");
        let other = text.replace(&key, &format!("\"x{}\"", &name[1..]));
        damaged.push((name, [&sound[..8], other.as_bytes(), &sound[header..]].concat()));
    }
    for (name, bytes) in damaged {
        std::fs::write(&path, bytes).unwrap();
        let Err(error) = workshop.run(&recipe, "run", (2, true), |_, _| {}) else {
            panic!("{name}: a run went on without it");
        };
        let error = error.to_string();
        assert!(error.ends_with("the saved state is damaged, remove it and start again"), "{name}: {error}");
    }
    std::fs::write(&path, sound).unwrap();
    workshop.run(&recipe, "run", (2, true), |_, _| {}).unwrap();
}
