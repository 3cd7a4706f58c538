//! Training and conversion on the sample data: the same bytes for the same recipe, whatever the threads and the
//! interruptions; settings that do what they say; cases that agree with their parents.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "common/checkpoints.rs"]
mod checkpoints;
#[path = "training/conversion.rs"]
mod conversion;
#[path = "training/resume.rs"]
mod resume;
#[path = "training/settings.rs"]
mod settings;
#[path = "training/subword.rs"]
mod subword;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;
use typecase_convert::{Converted, convert};
use typecase_train::{Compute, Event, Recipe, TrainError, TrainOptions, Trained, train};

const SAMPLE_CSV: &str = include_str!("../../models/sample/news.csv");

/// The sample recipe without a file of golden texts, a gate that is open, and some more.
fn recipe(more: &str) -> Recipe {
    let text = format!(
        "name = \"sample\"\n[data]\ntrain = [\"news.csv\"]\nvalidation_share = 0.25\n\
         [convert]\nmax_drop = 100.0\n[train]\ncost = 1.0\n{more}"
    );
    Recipe::parse(&text, Path::new("recipe.toml")).unwrap()
}

/// A folder with data, in which runs have folders of their own.
struct Workshop(TempDir);

impl Workshop {
    fn new(data: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("news.csv"), data).unwrap();
        Self(folder)
    }

    fn sample() -> Self {
        Self::new(SAMPLE_CSV)
    }

    /// A run in the folder `out`, which is told of every event and may ask for a stop.
    fn run(
        &self,
        recipe: &Recipe,
        out: &str,
        (threads, resume): (usize, bool),
        mut on_event: impl FnMut(&Event, &AtomicBool) + Send,
    ) -> Result<Trained, TrainError> {
        let stop = AtomicBool::new(false);
        let out = self.0.path().join(out);
        let options = TrainOptions {
            data: self.0.path(),
            out: &out,
            threads,
            device: Compute::Cpu,
            resume,
            tensorboard: false,
            stop: &stop,
        };
        train(recipe, &options, &mut |event| on_event(event, &stop))
    }

    /// A run without interruption, on two threads.
    fn train(&self, recipe: &Recipe, out: &str) -> Trained {
        self.run(recipe, out, (2, false), |_, _| {}).unwrap()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The bytes of a run's checkpoint, both files and what stands beside them.
    fn checkpoint(&self, out: &str) -> [Vec<u8>; 4] {
        ["checkpoint.toml", "checkpoint.safetensors", "validation.jsonl", "recipe.toml"]
            .map(|name| self.read(&format!("{out}/{name}")))
    }
}

/// The case of a run.
fn case(recipe: &Recipe, trained: &Trained) -> Converted {
    convert(&trained.checkpoint, &trained.validation, &recipe.convert).unwrap()
}

/// The share of one class in the predictions for the held-out texts of another.
fn recall(trained: &Trained, class: usize) -> f64 {
    trained.evaluation.per_class[class].recall
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let workshop = Workshop::sample();
    let recipe = recipe("keep = [4000, 1500]\n");
    let first = workshop.train(&recipe, "two");
    let (files, bytes) = (workshop.checkpoint("two"), case(&recipe, &first).case);
    for (out, threads) in [("two-again", 2), ("one", 1), ("three", 3)] {
        let trained = workshop.run(&recipe, out, (threads, false), |_, _| {}).unwrap();
        assert!(workshop.checkpoint(out) == files, "the checkpoint differs on {threads} threads");
        assert!(case(&recipe, &trained).case == bytes, "the case differs on {threads} threads");
    }
}

#[test]
fn another_seed_gives_another_split_and_another_model() {
    let workshop = Workshop::sample();
    let (mut a, mut b) = (recipe("keep = [1500]\n"), recipe("keep = [1500]\n"));
    (a.train.seed, b.train.seed) = (7, 8);
    let (a, b) = (workshop.train(&a, "a"), workshop.train(&b, "b"));
    assert_ne!(a.validation, b.validation);
    assert_ne!(a.checkpoint.embedding, b.checkpoint.embedding);
    let checkpoint = |trained: &Trained| trained.checkpoint.provenance["seed"].clone();
    assert_eq!((checkpoint(&a), checkpoint(&b)), ("7".to_owned(), "8".to_owned()));
}

#[test]
fn a_checkpoint_that_is_loaded_gives_the_same_case() {
    let workshop = Workshop::sample();
    let recipe = recipe("keep = [1500]\n");
    let trained = workshop.train(&recipe, "run");
    let loaded = typecase_convert::Checkpoint::load(&workshop.0.path().join("run")).unwrap();
    assert_eq!(loaded, trained.checkpoint);
    let written = Recipe::load(&trained.recipe).unwrap();
    let again = convert(&loaded, &trained.validation, &written.convert).unwrap();
    assert!(again.case == case(&recipe, &trained).case);
}

#[test]
fn two_classes_and_seven_train_and_convert() {
    for classes in [2usize, 7] {
        // Every class has words of its own, and words that all share.
        let rows = (0..classes * 30).map(|row| {
            let (class, word) = (row % classes, row / classes % 10);
            format!("\"{}\",\"common{word} own{class}x{word} own{class}\"\n", class + 1)
        });
        let workshop = Workshop::new(&rows.collect::<String>());
        let recipe = recipe("min_count = 1\n");
        let trained = workshop.train(&recipe, "run");
        assert_eq!(trained.checkpoint.labels.len(), classes);
        assert_eq!(trained.evaluation.accuracy, 1.0, "{classes} classes");
        let converted = case(&recipe, &trained);
        assert_eq!(converted.report.case.accuracy, 1.0, "{classes} classes");
        let case = typecase::Case::from_bytes(converted.case).unwrap();
        let mut session = typecase::prepare(&case, &typecase::Options::default()).unwrap().session();
        for class in 0..classes {
            let verdict = session.classify(format!("own{class} common1")).unwrap();
            assert_eq!(verdict.label, (class + 1).to_string());
            assert_eq!(verdict.scores.len(), classes);
        }
    }
}
