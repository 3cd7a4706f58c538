//! Training with a sub-word tokenizer, from recipe to case.

use std::fs;
use std::sync::atomic::Ordering;

use typecase_convert::{Checkpoint, ConvertError, Cutter, Options, convert};
use typecase_engine::{Case, Kind};
use typecase_tests::Scratch;
use typecase_text::subword::normalize::{self, Bert, NormalizerSpec};
use typecase_text::subword::split::{self, Step};
use typecase_text::subword::template::Draft;
use typecase_text::subword::{ModelTable, TokenizerParts, added, wordpiece};
use typecase_train::{Event, Recipe, TokenizerRecipe, TrainError};

use crate::{SAMPLE_CSV, Workshop, case, recipe};

/// A WordPiece tokenizer of every letter, and of the beginnings of the sample's words.
fn table() -> Vec<u8> {
    let mut pieces = vec!["[UNK]".to_owned(), "[CLS]".to_owned(), "[SEP]".to_owned()];
    let letters = ('a'..='z').chain('0'..='9').map(String::from);
    pieces.extend(letters.flat_map(|letter| [letter.clone(), format!("##{letter}")]));
    let mut starts = std::collections::BTreeSet::new();
    for word in SAMPLE_CSV.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 2) {
        let word = word.to_ascii_lowercase();
        starts.insert(word.chars().take(5).collect::<String>());
        starts.insert(format!("##{}", &word[word.len() - 3..]));
    }
    pieces.extend(starts);
    let numbered: Vec<(&str, u32)> = pieces.iter().map(String::as_str).zip(0..).collect();
    let model =
        wordpiece::Builder { vocabulary: &numbered, unknown: "[UNK]", prefix: "##", max_characters: 100 };
    let bert = Bert { clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true };
    let parts = TokenizerParts {
        added: &added::write(&[], added::Stage::Raw).unwrap(),
        normalizers: &normalize::write(&[NormalizerSpec::Bert(bert)]),
        added_normalized: &[],
        splitters: &split::write(&[Step::Bert]).unwrap(),
        template: &Draft::bert(1, 2).write().unwrap(),
        model: ModelTable::WordPiece(&model.to_bytes().unwrap()),
        cells: 0,
        max_bytes: 0,
    };
    parts.to_bytes().unwrap()
}

/// The recipe of the sample with that tokenizer, as if it had been read from a file beside it.
fn with_tokenizer(more: &str) -> Recipe {
    let mut made = recipe(&format!("keep = [4000, 1500]\n{more}[tokenizer]\nfile = \"given.json\"\n"));
    made.tokenizer = Some(TokenizerRecipe {
        json: Some("{\"the\": \"source\"}".to_owned()),
        table: Some(table()),
        ..made.tokenizer.unwrap()
    });
    made
}

#[test]
fn a_recipe_with_a_tokenizer_gives_a_case_with_it_on_any_number_of_threads() {
    let workshop = Workshop::sample();
    let recipe = with_tokenizer("");
    let mut told = Vec::new();
    let first = workshop
        .run(&recipe, "two", (2, false), |event, _| {
            told.extend(matches!(event, Event::Tokenizer { .. }).then(|| event.clone()));
        })
        .unwrap();
    assert_eq!(told.len(), 1);
    let files = workshop.checkpoint("two");
    let bytes = case(&recipe, &first).case;
    for (out, threads) in [("one", 1), ("three", 3)] {
        let trained = workshop.run(&recipe, out, (threads, false), |_, _| {}).unwrap();
        assert!(workshop.checkpoint(out) == files, "the checkpoint differs on {threads} threads");
        assert!(case(&recipe, &trained).case == bytes, "the case differs on {threads} threads");
    }
    let opened = Case::parse(bytes.as_slice()).unwrap();
    assert_eq!(opened.sections().find(|s| s.record.kind == Kind::TOKENIZER).unwrap().bytes, table());
    assert_eq!(opened.cost().tokens, 512);
    assert!(opened.verify(&mut Scratch::new().memory()).unwrap() >= 16);
    assert!(first.evaluation.accuracy > 0.6, "{}", first.evaluation.accuracy);

    // The folder stands for itself: what was written is what was trained.
    let folder = workshop.0.path().join("two");
    let loaded = Checkpoint::load(&folder).unwrap();
    assert_eq!(loaded, first.checkpoint);
    assert_eq!(loaded.text.max_tokens, Some(512));
    let written = Recipe::load(&first.recipe).unwrap();
    let tokenizer = written.tokenizer.unwrap();
    assert_eq!(tokenizer.file.as_deref(), Some("tokenizer.json".as_ref()));
    assert_eq!(tokenizer.json.as_deref(), Some("{\"the\": \"source\"}"));
    assert!(convert(&loaded, &first.validation, &written.convert).unwrap().case == bytes);
}

#[test]
fn the_device_cuts_texts_as_training_did() {
    let workshop = Workshop::sample();
    let trained = workshop.train(&with_tokenizer(""), "run");
    // Of every feature that the case holds: no other, none less, in the same order.
    let converted = convert(&trained.checkpoint, &[], &Options { max_drop: 100.0, ..Options::default() });
    let file = converted.unwrap().case;
    let opened = Case::parse(file.as_slice()).unwrap();
    let (cutter, vocabulary) = (trained.checkpoint.cutter().unwrap(), opened.vocabulary().unwrap());
    assert!(matches!(cutter, Cutter::Tokens(_)));
    let (mut memory, mut scratch) = (cutter.memory(), Scratch::new());
    for (text, _) in &trained.validation {
        let mut expected = Vec::new();
        let report = cutter.scan(text.as_bytes(), &mut memory, |feature| {
            expected.extend(vocabulary.id(feature));
            std::ops::ControlFlow::Continue(())
        });
        assert_eq!(scratch.vector(&opened, text.as_bytes()).ids, expected, "{text}");
        let verdict = typecase_engine::classify(&opened, text.as_bytes(), scratch.memory());
        assert_eq!((verdict.words, verdict.truncated), (report.words, report.truncated));
    }
}

#[test]
fn an_interrupted_run_goes_on_with_the_same_tokenizer_and_no_other() {
    let workshop = Workshop::sample();
    let recipe = with_tokenizer("");
    workshop.train(&recipe, "whole");
    let stopped = workshop.run(&recipe, "run", (2, false), |event, stop| {
        stop.store(matches!(event, Event::Epoch { .. }), Ordering::Relaxed);
    });
    assert!(matches!(stopped, Err(TrainError::Interrupted { .. })));
    let mut other = recipe.clone();
    other.tokenizer.as_mut().unwrap().json = Some("{}".to_owned());
    let error = workshop.run(&other, "run", (2, true), |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("is of another recipe, seed or data"), "{error}");
    workshop.run(&recipe, "run", (1, true), |_, _| {}).unwrap();
    assert!(workshop.checkpoint("run") == workshop.checkpoint("whole"));
}

#[test]
fn a_size_limit_counts_the_table() {
    let workshop = Workshop::sample();
    let trained = workshop.train(&with_tokenizer(""), "run");
    let table = trained.checkpoint.tokenizer.as_ref().unwrap().table.len() as u64;
    let limited = |max_size| {
        let options = Options { max_size: Some(max_size), max_drop: 100.0, ..Options::default() };
        convert(&trained.checkpoint, &trained.validation, &options)
    };
    let converted = limited(table + 8000).unwrap();
    assert!(converted.case.len() as u64 <= table + 8000);
    assert!(converted.report.features > 100, "{} features", converted.report.features);
    assert!(matches!(limited(table), Err(ConvertError::Gate { .. })));
}

#[test]
fn a_checkpoint_of_which_a_part_is_missing_or_wrong_is_refused() {
    let workshop = Workshop::sample();
    workshop.train(&with_tokenizer(""), "run");
    let folder = workshop.0.path().join("run");
    let refused = |expected: &str| {
        let message = Checkpoint::load(&folder).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    let numbers = fs::read_to_string(folder.join("checkpoint.toml")).unwrap();
    assert!(numbers.starts_with("format = 2\n"), "{numbers}");
    let replaced = |from: &str, to: &str| {
        assert!(numbers.contains(from), "{numbers}");
        fs::write(folder.join("checkpoint.toml"), numbers.replace(from, to)).unwrap();
    };
    replaced("format = 2", "format = 3");
    refused("format 3 found, this program reads 1 and 2");
    replaced("format = 2", "format = 1");
    refused("text.max_tokens 512 found, it needs a sub-word tokenizer");
    replaced("cased = false", "cased = true");
    refused("text.cased is set");
    replaced("", "");
    fs::remove_file(folder.join("tokenizer.json")).unwrap();
    refused("tokenizer.json: no such file");
}

#[test]
fn a_learnt_vocabulary_is_in_the_case_and_comes_out_the_same_each_time() {
    let workshop = Workshop::sample();
    for model in ["wordpiece", "bpe", "unigram"] {
        let learn =
            recipe(&format!("keep = [4000, 1500]\n[tokenizer]\nlearn = \"{model}\"\nvocabulary = 900\n"));
        let one = workshop.run(&learn, &format!("{model}-1"), (1, false), |_, _| {}).unwrap();
        let two = workshop.run(&learn, &format!("{model}-2"), (2, false), |_, _| {}).unwrap();
        assert_eq!(one.checkpoint, two.checkpoint, "{model}");
        let converted = case(&learn, &one);
        let case = Case::parse(converted.case.as_slice()).unwrap();
        let tokenizer = case.tokenizer().unwrap();
        assert!((500..=900).contains(&tokenizer.ids()), "{model}: {} ids", tokenizer.ids());
        assert!(case.sections().any(|section| section.record.kind == Kind::TOKENIZER));
    }
}

#[test]
fn a_tokenizer_that_is_not_supported_is_refused_by_name() {
    let workshop = Workshop::sample();
    let mut file = with_tokenizer("");
    let tokenizer = file.tokenizer.as_mut().unwrap();
    tokenizer.table = None;
    tokenizer.json = Some(r#"{"version": "1.0", "model": {"type": "WordLevel", "vocab": {}}}"#.to_owned());
    let error = workshop.run(&file, "run", (1, false), |_, _| {}).unwrap_err().to_string();
    assert!(error.starts_with("sample: given.json: ") && error.contains("WordLevel"), "{error}");
}
