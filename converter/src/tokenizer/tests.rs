//! What is refused, and with which words.

use serde_json::{Value, json};

use super::*;

/// A small WordPiece file in which every part is used.
fn word_piece() -> Value {
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [
            {"id": 1, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
             "special": true},
            {"id": 6, "content": "Day", "single_word": true, "lstrip": true, "rstrip": false, "normalized": true,
             "special": false}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
             "lowercase": true},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            {"type": "Strip", "strip_left": true, "strip_right": false}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "BertPreTokenizer"}, {"type": "Digits", "individual_digits": true}]},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "a": 3, "##b": 4, "c": 5}},
    })
}

/// A small byte-level BPE file.
fn bpe() -> Value {
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": {"a": 0, "b": 1, "\u{120}": 2, "ab": 3, "\u{120}ab": 4},
                  "merges": [["a", "b"], ["\u{120}", "ab"]]},
    })
}

/// A small Unigram file.
fn unigram() -> Value {
    json!({
        "added_tokens": [], "normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAA="},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "add_prefix_space": true},
        "post_processor": null,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["\u{2581}a", -1.5], ["b", -2.25]],
                  "byte_fallback": true},
    })
}

#[test]
fn files_of_all_models_are_compiled() {
    let compiled = compile_value(&word_piece(), &Options::default()).unwrap();
    assert_eq!((compiled.model, compiled.pieces), (ModelKind::WordPiece, 6));
    let special: Vec<(&str, u32)> =
        compiled.special_tokens.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    assert_eq!(special, [("[CLS]", 2), ("[UNK]", 1)]);
    assert_eq!(compiled.notes, ["decoder is left out: it makes texts of ids"]);
    let options = Options { max_tokens: Some(3), max_bytes: Some(100), keep_padding: false };
    let short = compile_value(&word_piece(), &options).unwrap();
    assert_eq!(short.notes.len(), 2);
    let tokenizer = typecase_text::subword::Tokenizer::parse(&short.table).unwrap();
    assert_eq!((tokenizer.template().most(), tokenizer.max_bytes(), tokenizer.ids()), (Some(3), 100, 7));
    assert_eq!(compile_value(&bpe(), &Options::default()).unwrap().model.to_string(), "byte-level BPE");
    assert_eq!(compile(&unigram().to_string(), &Options::default()).unwrap().pieces, 3);
}

/// What is said of a file in which one place is changed.
fn said(mut file: Value, pointer: &str, value: Value) -> String {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match file.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.insert(name.to_owned(), value)),
        other => other[name.parse::<usize>().unwrap()] = value,
    }
    match compile_value(&file, &Options::default()) {
        Ok(_) => "compiled".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_the_tables_cannot_say_is_refused_by_name() {
    let w = word_piece;
    let split = |pattern: Value| json!({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false});
    let metaspace =
        json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": false});
    let trims = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true});
    let bert = json!({"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]});
    let sequence = |list: Value| json!({"type": "Sequence", "processors": list});
    let rows: Vec<(Value, &str, Value, &str)> = vec![
        (w(), "/version", json!("2.0"), "version: found \"2.0\", expected \"1.0\""),
        (w(), "/extra", json!(1), "tokenizer: field \"extra\" is not known, it might change ids"),
        (
            w(),
            "/model/type",
            json!("WordLevel"),
            "model \"WordLevel\" is not supported; supported are WordPiece, byte",
        ),
        (
            w(),
            "/model/vocab/c",
            json!(-1),
            "model.vocab: piece \"c\" has the id \"-1\", allowed are 0 to 4194303",
        ),
        (w(), "/model/vocab", json!([]), "model.vocab: found a list, expected an object"),
        (w(), "/model/unk_token", json!("?"), "model.unk_token: piece \"?\" is not in the vocabulary"),
        (
            w(),
            "/model/fuse",
            json!(true),
            "model: field \"fuse\" is not known, it might change ids; known are type, ",
        ),
        (
            w(),
            "/normalizer/type",
            json!("ByteLevel"),
            "normalizer \"ByteLevel\" is not supported; supported are Bert",
        ),
        (
            w(),
            "/normalizer/normalizers/1/pattern",
            json!({"Regex": "a|b"}),
            "normalizer \"Replace\" with pattern \"a|b\" is not supported; supported are a text without special",
        ),
        (
            w(),
            "/normalizer/normalizers/1/pattern",
            json!({"String": ""}),
            "normalizer.normalizers[1].pattern: 0 characters found, allowed are 1 to 64",
        ),
        (
            w(),
            "/normalizer/normalizers/2/strip_left",
            json!(1),
            "normalizer.normalizers[2].strip_left: found 1, expected true or false",
        ),
        (
            w(),
            "/pre_tokenizer",
            Value::Null,
            "no pre_tokenizer is not supported: a word could go on across a space",
        ),
        (
            w(),
            "/pre_tokenizer",
            metaspace,
            "this pre_tokenizer is not supported: a word could go on across a space",
        ),
        (
            w(),
            "/pre_tokenizer",
            split(json!({"Regex": "\\p{N}{1,3}"})),
            "pre_tokenizer \"Split\" with pattern \"\\\\p{N}{1,3}\" is not supported; supported are BertPreTokenizer, ",
        ),
        (
            w(),
            "/pre_tokenizer",
            json!({"type": "UnicodeScripts"}),
            "pre_tokenizer \"UnicodeScripts\" is not supported",
        ),
        (
            w(),
            "/pre_tokenizer",
            trims.clone(),
            "pre_tokenizer \"ByteLevel\" is supported with model \"BPE\" only",
        ),
        (
            w(),
            "/pre_tokenizer/pretokenizers/0",
            trims.clone(),
            "pre_tokenizer \"ByteLevel\" before another is not",
        ),
        (
            w(),
            "/post_processor",
            trims.clone(),
            "post_processor with trim_offsets is supported with model \"BPE\" only",
        ),
        (
            w(),
            "/post_processor/single/1",
            json!({"Sequence": {"id": "B", "type_id": 0}}),
            "post_processor.single[1].Sequence.id: expected sequence A, once",
        ),
        (
            w(),
            "/post_processor/single/0/SpecialToken/type_id",
            json!(256),
            "post_processor.single[0].SpecialToken.type_id: found 256, expected at most 255",
        ),
        (
            w(),
            "/post_processor/single/1",
            json!({"SpecialToken": {"id": "[CLS]", "type_id": 0}}),
            "post_processor.single: the text itself, sequence A, is not in the template",
        ),
        (
            w(),
            "/post_processor/special_tokens/[CLS]",
            Value::Null,
            "post_processor.single[0].SpecialToken.id: \"[CLS]\" is not in special_tokens",
        ),
        (w(), "/truncation/stride", json!(2), "truncation with stride 2 is not supported; supported is 0"),
        (
            w(),
            "/truncation/strategy",
            json!("OnlySecond"),
            "truncation.strategy: found \"OnlySecond\", expected LongestFirst, OnlyFirst",
        ),
        (
            w(),
            "/truncation/max_length",
            json!(0),
            "truncation.max_length: truncation to 0 ids leaves no room for 1 special tokens",
        ),
        (
            w(),
            "/padding/strategy",
            json!("Longest"),
            "padding.strategy: found \"Longest\", expected BatchLongest",
        ),
        (
            w(),
            "/added_tokens/1/id",
            json!(9),
            "added_tokens[1]: token \"Day\" has the id 9, the reference would give it 6: ids go on after the vocabulary",
        ),
        (
            w(),
            "/added_tokens/0/id",
            json!(9),
            "added_tokens[0]: token \"[UNK]\" has the id 9, the reference would give it 1: it is a piece of the model",
        ),
        (
            w(),
            "/added_tokens/1/content",
            json!("two words"),
            "added_tokens: normalised added token \"two words\" sees beyond a segment",
        ),
        (
            w(),
            "/added_tokens/1/content",
            json!("\u{301}"),
            "added token \"\\u{301}\" is not supported: the normalizer leaves nothing of it",
        ),
        (w(), "/added_tokens/1/content", Value::Null, "added_tokens[1].content: found null, expected a text"),
        (
            bpe(),
            "/pre_tokenizer",
            json!({"type": "WhitespaceSplit"}),
            "model \"BPE\" that is not byte-level is not",
        ),
        (
            bpe(),
            "/model/dropout",
            json!(0.1),
            "model \"BPE\" with dropout \"0.1\" is not supported: its ids are drawn",
        ),
        (
            bpe(),
            "/model/end_of_word_suffix",
            json!("</w>"),
            "model \"BPE\" with end_of_word_suffix \"</w>\" is not",
        ),
        (
            bpe(),
            "/model/byte_fallback",
            json!(true),
            "model \"BPE\" with byte_fallback is not supported, unless all",
        ),
        (bpe(), "/model/merges/1", json!("a x"), "model.merges[1]: piece \"x\" is not in the vocabulary"),
        (
            bpe(),
            "/model/merges/1",
            json!("a b c"),
            "model.merges[1]: expected a list of two pieces, or a text of two",
        ),
        (
            bpe(),
            "/post_processor",
            sequence(json!([bert, trims])),
            "post_processor that trims offsets after \"BertProcessing\" is not supported; it must come before",
        ),
        (
            bpe(),
            "/post_processor",
            sequence(json!([trims, trims])),
            "post_processor that trims offsets twice is not",
        ),
        (
            bpe(),
            "/post_processor",
            sequence(json!([bert, bert])),
            "post_processor \"BertProcessing\" after \"BertProcessing\" is not supported: one of them may add",
        ),
        (unigram(), "/model/unk_id", Value::Null, "model \"Unigram\" without unk_id is not supported"),
        (unigram(), "/model/unk_id", json!(3), "model.unk_id: found 3, expected at most 2"),
        (
            unigram(),
            "/model/vocab/1",
            json!(["a"]),
            "model.vocab[1]: expected a list of a piece and its score",
        ),
        (
            unigram(),
            "/normalizer/precompiled_charsmap",
            json!("?"),
            "normalizer.precompiled_charsmap: not base64",
        ),
        (
            unigram(),
            "/normalizer/precompiled_charsmap",
            json!("AAA="),
            "normalizer: the charsmap is cut off or not",
        ),
        (
            unigram(),
            "/pre_tokenizer/add_prefix_space",
            json!(false),
            "pre_tokenizer: add_prefix_space false needs prepend_scheme \"never\"",
        ),
    ];
    let mut wrong = Vec::new();
    for (file, pointer, value, expected) in rows {
        let found = said(file, pointer, value.clone());
        if !found.starts_with(expected) {
            wrong.push(format!("{pointer} = {value}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cut_or_empty_file_says_where_it_ends() {
    assert_eq!(
        compile("", &Options::default()).unwrap_err().to_string(),
        "line 1, column 0: EOF while parsing a value"
    );
    assert_eq!(
        compile("[]", &Options::default()).unwrap_err().to_string(),
        "tokenizer: found a list, expected an object"
    );
    let missing = compile("{}", &Options::default()).unwrap_err();
    assert_eq!(missing.to_string(), "tokenizer: field \"model\" is missing");
    let zero = Options { max_bytes: Some(0), ..Options::default() };
    assert_eq!(
        compile_value(&bpe(), &zero).unwrap_err().to_string(),
        "max_bytes: 0 found, expected at least 1"
    );
}

/// Every place of a value, as a pointer.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                places(inner, &format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                places(inner, &format!("{here}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Every place of every file becomes some of many values, or is left out: an error or a tokenizer that can be used. A
/// tokenizer takes a while to compile, so of the values every fourth is tried, at each place others.
#[test]
fn no_change_of_a_file_makes_a_panic() {
    let values = [
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("a"),
        json!("ByteLevel"),
        json!("x".repeat(100)),
        json!([]),
        json!({}),
        json!({"type": "Sequence", "normalizers": [], "pretokenizers": [], "processors": []}),
    ];
    let (mut compiled, mut refused) = (0, 0);
    for file in [word_piece(), bpe(), unigram()] {
        let mut pointers = Vec::new();
        places(&file, "", &mut pointers);
        for (place, pointer) in pointers.iter().enumerate() {
            for value in values.iter().map(Some).chain([None]).skip(place % 4).step_by(4) {
                let mut changed = file.clone();
                if !pointer.starts_with("/normalizer") && pointer.contains('/') {
                    // With steps it takes much longer to compile.
                    changed["normalizer"] = Value::Null;
                }
                match value {
                    Some(value) => *changed.pointer_mut(pointer).unwrap() = value.clone(),
                    None => {
                        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
                        if let Some(Value::Object(map)) = changed.pointer_mut(parent) {
                            map.remove(&name.replace("~1", "/").replace("~0", "~"));
                        }
                    }
                }
                match compile_value(&changed, &Options::default()) {
                    Err(error) => {
                        let said = error.to_string();
                        assert!(!said.is_empty() && said.len() < 600 && !said.ends_with('.'), "{said}");
                        refused += 1;
                    }
                    Ok(made) => {
                        typecase_text::subword::Tokenizer::parse(&made.table).unwrap();
                        if compiled % 8 == 0 {
                            let texts = ["ab Day a\u{301}bc [UNK]", "\u{2581}a b  b"];
                            prune(&changed.to_string(), &texts, &PruneOptions::default())
                                .map_or_else(drop, drop);
                        }
                        compiled += 1;
                    }
                }
            }
        }
        let text = file.to_string();
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert!(compile(&text[..end], &Options::default()).is_err());
        }
    }
    assert!(compiled > 20 && refused > 200, "{compiled} compiled, {refused} refused");
}

#[test]
fn sequences_within_each_other_have_an_end() {
    let mut deep = json!({"type": "Lowercase"});
    for _ in 0..40 {
        deep = json!({"type": "Sequence", "normalizers": [deep]});
    }
    let mut file = word_piece();
    file["normalizer"] = deep;
    let said = compile_value(&file, &Options::default()).unwrap_err().to_string();
    assert!(said.ends_with("more than 16 sequences within each other"), "{said}");
}

#[test]
fn pruning_keeps_what_texts_are_made_of() {
    let pruned = prune(&bpe().to_string(), &["b b"], &PruneOptions::default()).unwrap();
    // The bytes stay, the merges that no text needs go.
    assert_eq!((pruned.kept.as_slice(), &pruned.json["model"]["merges"]), (&[0, 1, 2][..], &json!([])));
    let pruned = prune(&bpe().to_string(), &["ab ab"], &PruneOptions::default()).unwrap();
    assert_eq!((pruned.kept.len(), pruned.report.texts_changed), (5, 0));
    let pruned = prune(&word_piece().to_string(), &["c"], &PruneOptions::default()).unwrap();
    assert_eq!(pruned.kept, [0, 1, 2, 5, 6]);
    assert_eq!(pruned.json["added_tokens"][1]["id"], 4);
    assert_eq!(pruned.json["post_processor"]["special_tokens"]["[CLS]"]["ids"], json!([2]));
    assert_eq!((pruned.report.pieces_before, pruned.report.pieces_after), (6, 4));
    let pruned = prune(&unigram().to_string(), &["a"], &PruneOptions::default()).unwrap();
    // The worst piece sets what unknown characters cost.
    assert_eq!(pruned.kept, [0, 1, 2]);
}
