//! Settings of a recipe do what they say.

use typecase_train::{Event, TrainError};

use crate::{Workshop, recall, recipe};

/// Two classes that share all their words, one of them four times as frequent: what is said of a text depends on what
/// an error costs.
fn imbalanced() -> Workshop {
    let mut numbers = crate::checkpoints::Numbers::new(3);
    let rows = (0..500).map(|row| {
        let rare = row % 5 == 0;
        // Words of the own side are but a little more likely.
        let text = (0..4).map(|_| {
            let own = numbers.next() % 100 < 60;
            format!(" w{}{}", u8::from(own == rare), numbers.next() % 4)
        });
        format!("\"{}\",\"{}\"\n", if rare { 2 } else { 1 }, text.collect::<String>())
    });
    Workshop::new(&rows.collect::<String>())
}

#[test]
fn class_weights_move_verdicts_towards_the_heavier_class() {
    let workshop = imbalanced();
    let run = |name: &str, weights: &str| workshop.train(&recipe(&format!("epochs = 6\n{weights}")), name);
    let plain = run("plain", "");
    let balanced = run("balanced", "class_weights = \"balanced\"\n");
    let heavy = run("heavy", "class_weights = [0.1, 4.0]\n");
    let (light, rare, rarest) = (recall(&plain, 1), recall(&balanced, 1), recall(&heavy, 1));
    assert!(light < rare && rare <= rarest, "recall of the rare class: {light} {rare} {rarest}");
    assert!(recall(&plain, 0) > recall(&heavy, 0), "and the frequent one pays for it");
    let ones = run("ones", "class_weights = [1.0, 1.0]\n");
    assert_eq!(ones.checkpoint.embedding, plain.checkpoint.embedding);
}

#[test]
fn min_count_leaves_out_what_is_rare() {
    let workshop = Workshop::sample();
    let mut before = usize::MAX;
    for min in [1, 2, 5, 20] {
        let trained = workshop.train(&recipe(&format!("min_count = {min}\n")), "run");
        let counts = &trained.checkpoint.counts;
        assert!(counts.iter().all(|count| *count >= min), "a feature of fewer than {min} texts");
        assert!(min > 5 || counts.contains(&min), "none of just {min} texts");
        assert!(counts.len() < before);
        before = counts.len();
    }
}

#[test]
fn a_min_count_that_leaves_nothing_is_refused() {
    let workshop = Workshop::sample();
    let answer = workshop.run(&recipe("min_count = 100000\n"), "run", (2, false), |_, _| {});
    assert!(answer.is_err(), "a model without features was trained");
}

#[test]
fn data_that_leave_nothing_to_hold_out_are_refused() {
    let workshop = Workshop::new("\"1\",\"a b\"\n\"2\",\"c d\"\n");
    let answer = workshop.run(&recipe("min_count = 1\n"), "run", (2, false), |_, _| {});
    assert!(matches!(answer, Err(TrainError::Recipe { .. })), "a model that nothing could be measured on");
}

#[test]
fn keep_sets_the_size_of_each_stage() {
    let workshop = Workshop::sample();
    let mut sizes = Vec::new();
    let all = workshop.train(&recipe("min_count = 1\n"), "all").checkpoint.features;
    let recipe = recipe("min_count = 1\nkeep = [5000, 2000, 77]\n");
    let trained = workshop.run(&recipe, "run", (2, false), |event, _| {
        if let Event::Stage { stage, stages, features, .. } = event {
            sizes.push((*stage, *stages, *features));
        }
    });
    assert_eq!(sizes, [(1, 4, all.len()), (2, 4, 5000), (3, 4, 2000), (4, 4, 77)]);
    let features = trained.unwrap().checkpoint.features;
    assert_eq!(features.len(), 77);
    assert!(features.iter().all(|feature| all.binary_search(feature).is_ok()), "kept are features of before");
}

#[test]
fn a_stage_ends_after_so_many_epochs_without_gain_and_falls_back_to_its_best() {
    let workshop = Workshop::sample();
    for patience in [1, 3] {
        let mut scores = Vec::new();
        let recipe = recipe(&format!("epochs = 100\npatience = {patience}\n"));
        let trained = workshop.run(&recipe, "run", (2, false), |event, _| {
            if let Event::Epoch { validation_accuracy, validation_loss, .. } = event {
                scores.push((*validation_accuracy, -*validation_loss));
            }
        });
        assert!(scores.len() < 100, "it ran to its end");
        let (before, after) = scores.split_at(scores.len() - patience);
        let best = before.iter().copied().fold((0.0, f64::NEG_INFINITY), |a, b| if b > a { b } else { a });
        assert_eq!(before.last(), Some(&best), "the epochs after the best are the patience");
        assert!(after.iter().all(|score| *score <= best));
        assert!((trained.unwrap().evaluation.accuracy - best.0).abs() < 1e-9, "the best is what is kept");
    }
}

#[test]
fn extra_files_are_learnt_from_and_never_held_out() {
    let workshop = Workshop::sample();
    std::fs::write(
        workshop.0.path().join("more.csv"),
        "\"4\",\"zyxgadget launched\",\"zyxgadget\"\n".repeat(40),
    )
    .unwrap();
    let mut recipe = recipe("");
    let before = workshop.train(&recipe, "before");
    recipe.data.extra = vec!["more.csv".into()];
    let after = workshop.train(&recipe, "after");
    assert_eq!(before.validation, after.validation);
    let items = |trained: &typecase_train::Trained| trained.checkpoint.provenance["train_items"].clone();
    assert_eq!((items(&before), items(&after)), ("360".to_owned(), "400".to_owned()));
    assert!(after.checkpoint.features.len() > before.checkpoint.features.len());
}
