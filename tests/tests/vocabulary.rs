//! Vocabularies that are learnt: what `tokenizers` makes of them, and that the same texts give the same bytes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot do its work has failed")]

use std::env;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tokenizers::Tokenizer;
use typecase_train::vocabulary::{VocabularyModel, VocabularySettings, learn};

const MODELS: [VocabularyModel; 3] =
    [VocabularyModel::WordPiece, VocabularyModel::Bpe, VocabularyModel::Unigram];
/// Where it is set, the test learns and prints alone: it is a process of its own.
const ALONE: &str = "TYPECASE_TEST_LEARNS";

fn sample() -> Vec<String> {
    let root = xtask::workspace_root().unwrap();
    let text = fs::read_to_string(root.join("models/sample/news.csv")).unwrap();
    // Characters of many kinds, each rare: what a hash map would put in any order.
    let rare = (0x4E00..0x4E40).filter_map(char::from_u32).map(|c| format!("{c}{c} Größe"));
    text.lines().map(str::to_owned).chain(rare).collect()
}

fn learnt(model: VocabularyModel, size: u32, lowercase: bool, texts: &[String]) -> String {
    let settings = VocabularySettings { model, size, lowercase, min_count: 2 };
    learn(texts.iter().map(String::as_str), &settings).unwrap()
}

fn vocabulary(json: &str) -> usize {
    let json: Value = serde_json::from_str(json).unwrap();
    let vocabulary = &json["model"]["vocab"];
    vocabulary.as_object().map_or_else(|| vocabulary.as_array().unwrap().len(), serde_json::Map::len)
}

#[test]
fn what_is_learnt_is_a_tokenizer_that_knows_its_texts() {
    let texts = sample();
    for model in MODELS {
        let json = learnt(model, 1200, true, &texts);
        let size = vocabulary(&json);
        // The trainer of Unigram drops what is too rare after it was counted.
        let least = if model == VocabularyModel::Unigram { 1000 } else { 1200 };
        assert!((least..=1200).contains(&size), "{model:?}: {size}");
        let tokenizer: Tokenizer = json.parse().unwrap();
        let unknown = if model == VocabularyModel::Bpe { 3 } else { 1 };
        let (mut ids, mut words) = (0, 0);
        for text in &texts[..100] {
            let encoded = tokenizer.encode(text.as_str(), true).unwrap();
            assert!(!encoded.get_ids().contains(&unknown), "{model:?}: {text}");
            ids += encoded.get_ids().len();
            words += text.split_whitespace().count();
        }
        println!("{model:?}: {ids} ids for {words} words");
        assert!(ids < 3 * words, "{model:?}: {ids} ids for {words} words");
        let upper = tokenizer.encode("OIL prices", false).unwrap();
        assert_eq!(upper.get_ids(), tokenizer.encode("oil prices", false).unwrap().get_ids());
        let cased: Tokenizer = learnt(model, 1200, false, &texts).parse().unwrap();
        let [upper, lower] = ["OIL", "oil"].map(|text| cased.encode(text, false).unwrap());
        assert_ne!(upper.get_ids(), lower.get_ids(), "{model:?}");
    }
}

#[test]
fn special_tokens_are_the_first_ids_and_stand_around_a_text() {
    let expected: [(VocabularyModel, &[&str], [u32; 2]); 3] = [
        (VocabularyModel::WordPiece, &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], [2, 3]),
        (VocabularyModel::Bpe, &["<s>", "<pad>", "</s>", "<unk>", "<mask>"], [0, 2]),
        (VocabularyModel::Unigram, &["<pad>", "<unk>", "<s>", "</s>"], [2, 3]),
    ];
    for (model, tokens, [first, last]) in expected {
        let tokenizer: Tokenizer = learnt(model, 600, true, &sample()).parse().unwrap();
        for (token, id) in tokens.iter().zip(0..) {
            assert_eq!(tokenizer.token_to_id(token), Some(id), "{token}");
        }
        let encoded = tokenizer.encode("oil", true).unwrap();
        assert_eq!((encoded.get_ids().first(), encoded.get_ids().last()), (Some(&first), Some(&last)));
    }
}

#[test]
fn the_same_texts_give_the_same_bytes_in_another_process_too() {
    let texts = sample();
    let all = || MODELS.map(|model| crc32fast::hash(learnt(model, 1000, false, &texts).as_bytes()));
    let first = all();
    if env::var_os(ALONE).is_some() {
        return println!("learnt {first:?}");
    }
    assert_eq!(all(), first);
    for threads in ["1", "3"] {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_same_texts_give_the_same_bytes_in_another_process_too", "--nocapture"])
            .env(ALONE, "1")
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(printed.contains(&format!("learnt {first:?}")), "{threads} threads: {printed}");
    }
}

#[test]
fn few_texts_give_a_small_vocabulary_and_none_an_error() {
    for model in MODELS {
        let few = ["oil prices rise", "oil prices fall"].map(str::to_owned);
        let json = learnt(model, 2000, true, &few);
        assert!((4..300).contains(&vocabulary(&json)), "{model:?}: {}", vocabulary(&json));
        let settings = VocabularySettings { model, ..Default::default() };
        for none in [&[][..], &[""], &["", ""]] {
            let error = learn(none.iter().copied(), &settings).unwrap_err();
            assert_eq!(error.to_string(), "vocabulary: no word in the texts, 1 is needed at least");
        }
        let error = learn([].into_iter(), &VocabularySettings { size: 7, ..settings }).unwrap_err();
        assert_eq!(error.to_string(), "vocabulary: vocabulary.size 7 found, allowed are 256 to 65536");
    }
}

#[test]
fn odd_texts_are_learnt_from_without_a_panic() {
    let odd =
        ["\0\0", "a\0b a\0b", "\u{FFFD}", "\u{301}\u{301}", "<unk> [UNK] ## ##a", "$vocabulary $merges \"\\"];
    let mut texts: Vec<String> =
        odd.iter().flat_map(|text| [(*text).to_owned(), (*text).to_owned()]).collect();
    texts.push("x".repeat(5000));
    texts.push("ab ".repeat(5000));
    for model in MODELS {
        learnt(model, 600, false, &texts);
    }
}
