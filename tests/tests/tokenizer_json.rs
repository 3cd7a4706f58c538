//! `tokenizer.json` files, compiled, against `tokenizers`: ids, places, words and padding, for files shaped like those of
//! well-known models around vocabularies learned from the sample, and for the real one of MiniLM where it is at hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::path::Path;

use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::Metaspace;
use tokenizers::{
    AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer as Reference,
    Trainer,
};
use typecase_convert::tokenizer::{Options, PruneOptions, compile_value, prune};
use typecase_tests::charsmaps::{base64, tame_charsmap};
use typecase_tests::shapes;
use typecase_tests::texts::{Generator, sample};
use typecase_text::subword::template::Span;
use typecase_text::subword::{Cell, Output, Scratch, Tokenizer};

const SEED: u64 = 0x70_4B_15;

/// More than any of the texts has.
const ROOM: usize = 4096;

/// Generated texts for each file; many more where `TYPECASE_SUBWORD_FULL` is set.
fn count() -> usize {
    if std::env::var_os("TYPECASE_SUBWORD_FULL").is_some() { 200_000 } else { 1200 }
}

/// Words of the sample, as a splitter cuts them.
fn feed<T: Trainer>(trainer: &mut T, splitter: &(impl PreTokenizer + Sync), fold: fn(&str) -> String) {
    let lines = sample();
    let words = |line: &str| {
        let mut text = PreTokenizedString::from(fold(line));
        splitter.pre_tokenize(&mut text)?;
        let splits = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        Ok(splits.into_iter().map(|(word, _, _)| word.to_owned()).collect())
    };
    trainer.feed(lines.iter(), words).unwrap();
}

fn special(tokens: &[&str]) -> Vec<AddedToken> {
    tokens.iter().map(|token| AddedToken::from(*token, true)).collect()
}

/// A vocabulary of WordPiece.
fn word_pieces() -> Value {
    let builder = WordPieceTrainer::builder().show_progress(false).vocab_size(2000);
    let mut trainer = builder.special_tokens(special(&shapes::BERT)).build();
    feed(&mut trainer, &BertPreTokenizer, str::to_lowercase);
    let mut model = WordPiece::default();
    Trainer::train(&trainer, &mut model).unwrap();
    serde_json::to_value(&model).unwrap()["vocab"].clone()
}

/// A vocabulary and merges of byte-level BPE.
fn byte_pairs(tokens: &[&str]) -> (Value, Value) {
    let alphabet = ByteLevel::alphabet().into_iter().collect();
    let builder = BpeTrainer::builder().show_progress(false).vocab_size(2000).initial_alphabet(alphabet);
    let mut trainer = builder.special_tokens(special(tokens)).build();
    feed(&mut trainer, &ByteLevel::default(), str::to_owned);
    let mut model = BPE::default();
    trainer.train(&mut model).unwrap();
    let model = serde_json::to_value(&model).unwrap();
    (model["vocab"].clone(), model["merges"].clone())
}

/// Scored pieces of Unigram.
fn scored(tokens: &[&str], unknown: &str) -> Value {
    let mut builder = UnigramTrainer::builder();
    builder.show_progress(false).vocab_size(1200).special_tokens(special(tokens));
    let mut trainer = builder.unk_token(Some(unknown.to_owned())).build().unwrap();
    feed(&mut trainer, &Metaspace::default(), str::to_owned);
    let mut model = Unigram::default();
    Trainer::train(&trainer, &mut model).unwrap();
    serde_json::to_value(&model).unwrap()["vocab"].clone()
}

/// Compiles a file, without any padding left out, and compares it text by text.
fn compare(name: &str, file: &Value, texts: impl IntoIterator<Item = String>) {
    let compiled = compile_value(file, &Options::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let reference: Reference = file.to_string().parse().unwrap();
    // Where no special tokens are asked for, the reference may leave out tokens without a trace.
    let mut whole = reference.clone();
    whole.with_truncation(None).unwrap().with_padding(None);
    let most = file["truncation"]["max_length"].as_u64().map_or(usize::MAX, |most| most as usize);
    let tokenizer = Tokenizer::parse(&compiled.table).unwrap();
    let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
    let mut scratch = Scratch::new(&mut cells);
    let (mut ids, mut spans) = (vec![0; ROOM], vec![Span::default(); ROOM]);
    let (mut compared, mut forced, mut wrong) = (0, 0, Vec::new());
    for text in texts {
        for special in [true, false] {
            let output = Output { ids: &mut ids, spans: &mut spans, special };
            let encoded = tokenizer.encode(text.as_bytes(), output, &mut scratch).unwrap();
            compared += 1;
            if encoded.forced_cuts > 0 {
                forced += 1;
                continue;
            }
            let (ids, spans) = (&ids[..encoded.len], &spans[..encoded.len]);
            let expected = reference.encode(text.as_str(), special).unwrap();
            let words: Vec<_> =
                spans.iter().map(|span| (span.word != Span::NO_WORD).then_some(span.word)).collect();
            let places: Vec<_> = spans.iter().map(|span| (span.start as usize, span.end as usize)).collect();
            let attended: Vec<_> = (0..ids.len()).map(|at| encoded.placed.attended.contains(&at)).collect();
            let mask: Vec<_> = expected.get_attention_mask().iter().map(|one| *one == 1).collect();
            let is_cut = most < usize::MAX && whole.encode(text.as_str(), special).unwrap().len() > most;
            let same = ids == expected.get_ids()
                && places == expected.get_offsets()
                && words == expected.get_word_ids()
                && attended == mask
                && encoded.truncated == is_cut;
            if !same {
                wrong.push(format!(
                    "{text:?}, special {special}\nours      {ids:?} {places:?} {words:?} {attended:?} {}\n\
                     reference {:?} {:?} {:?} {mask:?} {}",
                    encoded.truncated,
                    expected.get_ids(),
                    expected.get_offsets(),
                    expected.get_word_ids(),
                    is_cut,
                ));
            }
        }
    }
    let shown = wrong.iter().take(4).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{name}: {} of {compared} differ\n{shown}", wrong.len());
    assert!(forced * 100 <= compared, "{name}: {forced} of {compared} texts were cut by force");
}

fn texts(special: &[&str]) -> impl Iterator<Item = String> {
    sample().into_iter().chain(Generator::new(SEED, special).take(count()))
}

/// As it is, and with truncation and padding on either side.
fn compare_all(name: &str, file: &Value, special: &[&str]) {
    compare(name, file, texts(special));
    let lines = || sample().into_iter().step_by(9);
    let short = |special| Generator::new(SEED + 1, special).take(count() / 6).chain(lines());
    for direction in ["Left", "Right"] {
        compare(name, &shapes::truncated(file.clone(), 12, direction), short(special));
        let padded = shapes::padded(file.clone(), Some(20), None, direction);
        compare(name, &shapes::truncated(padded, 16, direction), short(special));
        compare(name, &shapes::padded(file.clone(), None, Some(8), direction), short(special));
        compare(name, &shapes::padded(file.clone(), Some(10), Some(4), direction), short(special));
    }
    compare(name, &shapes::padded(file.clone(), None, None, "Right"), short(special));
}

#[test]
fn a_file_like_that_of_bert_gives_the_ids_of_the_reference() {
    let vocabulary = word_pieces();
    let file = shapes::bert(&vocabulary);
    compare_all("bert", &file, &shapes::BERT);

    // Cased, with old post-processor, no type of the model and tokens of every kind.
    let mut file = file;
    file["normalizer"]["lowercase"] = false.into();
    let id = |token: &str| vocabulary[token].clone();
    file["post_processor"] =
        json!({"type": "BertProcessing", "sep": ["[SEP]", id("[SEP]")], "cls": ["[CLS]", id("[CLS]")]});
    file["model"].as_object_mut().unwrap().remove("type");
    let next = vocabulary.as_object().unwrap().len();
    let tokens = [
        ("oil price", false, false, false, false),
        ("Gas", true, false, false, false),
        ("[B]", false, true, true, false),
        ("Caf\u{e9}", true, false, false, true),
        ("#39;", false, true, false, true),
    ];
    for (offset, (content, single_word, lstrip, rstrip, normalized)) in tokens.into_iter().enumerate() {
        file["added_tokens"].as_array_mut().unwrap().push(json!({
            "id": next + offset, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
            "normalized": normalized, "special": false}));
    }
    compare_all(
        "bert with more tokens",
        &file,
        &["[CLS]", " oil price", "Gas", "Gases", " [B] ", "[B]", " Caf\u{e9}", "cafe", " #39;"],
    );
}

#[test]
fn a_file_like_that_of_roberta_gives_the_ids_of_the_reference() {
    let (vocabulary, merges) = byte_pairs(&shapes::ROBERTA);
    let special = ["<s>", "</s>", " <mask>", "<mask> ", "  <mask>"];
    let file = shapes::roberta(&vocabulary, &merges);
    compare_all("roberta", &file, &special);

    // Merges as lines, a sequence of post-processors, words that are pieces whatever the merges say.
    let mut file = file;
    let lines = merges.as_array().unwrap().iter();
    let lines = lines.map(|pair| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    file["model"]["merges"] = ["#version: 0.2".to_owned()].into_iter().chain(lines).collect();
    file["model"]["ignore_merges"] = true.into();
    let mut bert = file["post_processor"].clone();
    bert["type"] = "BertProcessing".into();
    for name in ["trim_offsets", "add_prefix_space"] {
        bert.as_object_mut().unwrap().remove(name);
    }
    let trim =
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    file["post_processor"] = json!({"type": "Sequence", "processors": [trim, bert]});
    file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true},
        {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}]});
    compare_all("roberta in sequences", &file, &special);
}

#[test]
fn a_file_like_that_of_gpt2_gives_the_ids_of_the_reference() {
    let (vocabulary, merges) = byte_pairs(&shapes::GPT2);
    compare_all("gpt2", &shapes::gpt2(&vocabulary, &merges), &shapes::GPT2);
}

#[test]
fn a_file_like_that_of_xlnet_gives_the_ids_of_the_reference() {
    let pieces = scored(&shapes::XLNET, "<unk>");
    let charsmap = base64(&tame_charsmap());
    let special = ["<sep>", " <mask>", "<cls>"];
    compare_all("xlnet", &shapes::xlnet(&pieces, None), &special);
    compare("xlnet with rules", &shapes::xlnet(&pieces, Some(&charsmap)), texts(&special));
}

#[test]
fn a_file_like_that_of_t5_gives_the_ids_of_the_reference() {
    let pieces = scored(&shapes::T5, "<unk>");
    let charsmap = base64(&tame_charsmap());
    let special = ["</s>", "<extra_id_0>", "<extra_id_3>", "<unk>"];
    compare_all("t5", &shapes::t5(&pieces, Some(&charsmap)), &special);
    compare("t5 without rules", &shapes::t5(&pieces, None), texts(&special));
    compare_all("t5 as it was", &shapes::t5_old(&pieces, None), &special);
    compare("t5 as it was, with rules", &shapes::t5_old(&pieces, Some(&charsmap)), texts(&special));
}

#[test]
fn a_file_like_that_of_deberta_gives_the_ids_of_the_reference() {
    let pieces = scored(&shapes::DEBERTA_V3, "[UNK]");
    let charsmap = base64(&tame_charsmap());
    let special = ["[MASK]", "[UNK]", " [UNK]", "[SEP]"];
    compare_all("deberta", &shapes::deberta_v3(&pieces, Some(&charsmap)), &special);
    compare("deberta without rules", &shapes::deberta_v3(&pieces, None), texts(&special));
}

#[test]
fn bytes_stand_for_what_unigram_does_not_know() {
    let mut pieces = scored(&shapes::T5, "<unk>");
    let list = pieces.as_array_mut().unwrap();
    list.extend((0..=255).map(|byte| json!([format!("<0x{byte:02X}>"), 0.0])));
    let mut file = shapes::t5(&pieces, None);
    file["model"]["byte_fallback"] = true.into();
    compare("t5 with bytes", &file, texts(&["</s>"]));
}

/// Pruned on half of the sample: there nothing changes, and any other text has ids.
fn prune_and_compare(name: &str, file: &Value, special: &[&str]) {
    let lines = sample();
    let (domain, _) = lines.split_at(lines.len() / 2);
    for (min_count, allowed) in [(1, 0), (4, domain.len())] {
        let pruned = prune(&file.to_string(), domain, &PruneOptions { min_count, max_pieces: None }).unwrap();
        let report = pruned.report;
        assert_eq!(report.texts, domain.len());
        assert!(report.texts_changed <= allowed, "{name}: {report:?}");
        assert!(report.pieces_after < report.pieces_before, "{name}: {report:?}");
        assert!(report.bytes_after < report.bytes_before, "{name}: {report:?}");
        assert!(pruned.kept.is_sorted_by(|a, b| a < b), "{name}");
        // It is a file like any other.
        compare(name, &pruned.json, texts(special).skip(100).step_by(4));
        let table = compile_value(&pruned.json, &Options::default()).unwrap().table;
        assert!(Tokenizer::parse(&table).unwrap().ids() as usize <= pruned.kept.len(), "{name}");
        // Names stay with their ids.
        let (old, new): (Reference, Reference) =
            (file.to_string().parse().unwrap(), pruned.json.to_string().parse().unwrap());
        for (id, old_id) in pruned.kept.iter().enumerate() {
            assert_eq!(new.id_to_token(id as u32), old.id_to_token(*old_id), "{name}: {id}");
        }
    }
}

#[test]
fn a_pruned_vocabulary_changes_nothing_in_its_domain() {
    let texts =
        shapes::padded(shapes::truncated(shapes::bert(&word_pieces()), 64, "Right"), Some(8), None, "Right");
    prune_and_compare("bert", &texts, &shapes::BERT);
    let (vocabulary, merges) = byte_pairs(&shapes::ROBERTA);
    prune_and_compare("roberta", &shapes::roberta(&vocabulary, &merges), &["<s>", " <mask>"]);
    prune_and_compare("xlnet", &shapes::xlnet(&scored(&shapes::XLNET, "<unk>"), None), &["<sep>"]);
    let charsmap = base64(&tame_charsmap());
    let pieces = scored(&shapes::DEBERTA_V3, "[UNK]");
    prune_and_compare("deberta", &shapes::deberta_v3(&pieces, Some(&charsmap)), &["[MASK]", "[UNK]"]);
}

#[test]
fn the_file_of_minilm_is_taken_as_it_is() {
    let Some(folder) = std::env::var_os("TYPECASE_MINILM") else {
        let why = "set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2";
        return xtask::skip::skipped("the tokenizer.json of MiniLM", why);
    };
    let text = std::fs::read_to_string(Path::new(&folder).join("tokenizer.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    compare("minilm", &file, texts(&shapes::BERT));
    let mut whole = file;
    whole["truncation"] = Value::Null;
    whole["padding"] = Value::Null;
    compare("minilm", &whole, texts(&shapes::BERT));
    let lines = sample();
    let report = prune(&whole.to_string(), &lines, &PruneOptions::default()).unwrap().report;
    assert_eq!(report.texts_changed, 0, "{report:?}");
    assert!(report.pieces_after * 4 < report.pieces_before, "{report:?}");
}

/// Every bit of MiniLM's table, one after the other: an error, or ids that the table allows. Two minutes in release.
#[test]
fn a_flipped_bit_of_minilm_is_refused_or_gives_valid_ids() {
    let (Some(folder), true) = (std::env::var_os("TYPECASE_MINILM"), count() > 1200) else {
        let why = "set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2, and TYPECASE_SUBWORD_FULL";
        return xtask::skip::skipped("every flipped bit of MiniLM's table", why);
    };
    let text = std::fs::read_to_string(Path::new(&folder).join("tokenizer.json")).unwrap();
    let table = compile_value(&serde_json::from_str(&text).unwrap(), &Options::default()).unwrap().table;
    let halves = [0..table.len() / 2, table.len() / 2..table.len()];
    let accepted: usize = std::thread::scope(|scope| {
        let workers = halves.map(|places| scope.spawn(|| flip_bits(table.clone(), places)));
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // Most bits are those of bases and ids: another one is as valid.
    assert!(accepted > table.len(), "{accepted} of {} flips accepted", table.len() * 8);
}

fn flip_bits(mut table: Vec<u8>, places: std::ops::Range<usize>) -> usize {
    let (mut ids, mut accepted) = (vec![0; ROOM], 0);
    for at in places {
        for bit in 0..8 {
            table[at] ^= 1 << bit;
            if let Ok(tokenizer) = Tokenizer::parse(&table) {
                accepted += 1;
                let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
                for text in
                    ["Oil prices soar, unaffable [MASK]!", "caf\u{e9} \u{4e2d}\u{6587} \u{1F468}\u{200D}"]
                {
                    let mut scratch = Scratch::new(&mut cells);
                    // A limit may have become more than there is room for: that is an error.
                    if let Ok(found) = tokenizer.encode_into(text.as_bytes(), &mut ids, &mut scratch) {
                        assert!(
                            ids[..found.len].iter().all(|id| *id < tokenizer.ids()),
                            "byte {at}, bit {bit}"
                        );
                    }
                }
            }
            table[at] ^= 1 << bit;
        }
    }
    accepted
}
