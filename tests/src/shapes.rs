//! `tokenizer.json` files shaped like those of well-known models, around vocabularies of one's own.
//!
//! Each function takes the pieces and gives the whole file. Pieces that a shape refers to by name must be in the
//! vocabulary; `learned` ones get them as special tokens.

use serde_json::{Value, json};

/// The visible space of SentencePiece.
pub const SPACE: &str = "\u{2581}";

/// Special tokens of [`bert`].
pub const BERT: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// Special tokens of [`roberta`].
pub const ROBERTA: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
/// The special token of [`gpt2`].
pub const GPT2: [&str; 1] = ["<|endoftext|>"];
/// Special tokens of [`xlnet`].
pub const XLNET: [&str; 9] = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"];
/// Special tokens of [`t5`] and [`t5_old`].
pub const T5: [&str; 3] = ["<pad>", "</s>", "<unk>"];
/// Special tokens of [`deberta_v3`]; `[MASK]` comes after the vocabulary.
pub const DEBERTA_V3: [&str; 4] = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"];

/// bert-base-uncased: WordPiece. `vocabulary` maps pieces to ids.
#[must_use]
pub fn bert(vocabulary: &Value) -> Value {
    let id = |piece: &str| id_of(vocabulary, piece);
    let added: Vec<Value> = BERT.iter().map(|token| added(token, id(token))).collect();
    file(
        added,
        json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
               "lowercase": true}),
        json!({"type": "BertPreTokenizer"}),
        template(&[("[CLS]", 0, id("[CLS]"))], &[("[SEP]", 0, id("[SEP]"))]),
        json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
        json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
               "max_input_chars_per_word": 100, "vocab": vocabulary}),
    )
}

/// roberta-base: byte-level BPE without a space before the first word.
#[must_use]
pub fn roberta(vocabulary: &Value, merges: &Value) -> Value {
    let id = |piece: &str| id_of(vocabulary, piece);
    let mut tokens: Vec<Value> = ROBERTA.iter().map(|token| added(token, id(token))).collect();
    for token in tokens.iter_mut().take(4) {
        token["normalized"] = true.into();
    }
    tokens[4]["lstrip"] = true.into();
    file(
        tokens,
        Value::Null,
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}),
        json!({"type": "RobertaProcessing", "sep": ["</s>", id("</s>")], "cls": ["<s>", id("<s>")],
               "trim_offsets": true, "add_prefix_space": false}),
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}),
        json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
               "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocabulary, "merges": merges}),
    )
}

/// gpt2: byte-level BPE, nothing around the text. Its file has no type of the model.
#[must_use]
pub fn gpt2(vocabulary: &Value, merges: &Value) -> Value {
    let mut token = added(GPT2[0], id_of(vocabulary, GPT2[0]));
    token["normalized"] = true.into();
    file(
        vec![token],
        Value::Null,
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}),
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false}),
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}),
        json!({"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
               "fuse_unk": false, "vocab": vocabulary, "merges": merges}),
    )
}

/// xlnet-base-cased: Unigram. `pieces` is a list of pieces with scores; `charsmap` is in Base64.
#[must_use]
pub fn xlnet(pieces: &Value, charsmap: Option<&str>) -> Value {
    let id = |piece: &str| id_of(pieces, piece);
    let mut tokens: Vec<Value> = XLNET.iter().map(|token| added(token, id(token))).collect();
    tokens[6]["lstrip"] = true.into();
    let mut steps = vec![
        json!({"type": "Replace", "pattern": {"String": "``"}, "content": "\""}),
        json!({"type": "Replace", "pattern": {"String": "''"}, "content": "\""}),
        json!({"type": "NFKD"}),
        json!({"type": "StripAccents"}),
    ];
    steps.extend(charsmap.map(precompiled));
    steps.push(spaces(" "));
    file(
        tokens,
        sequence("normalizers", steps),
        old_metaspace(),
        template(&[], &[("<sep>", 0, id("<sep>")), ("<cls>", 2, id("<cls>"))]),
        old_metaspace(),
        json!({"type": "Unigram", "unk_id": id("<unk>"), "vocab": pieces}),
    )
}

/// t5-small as it is written now.
#[must_use]
pub fn t5(pieces: &Value, charsmap: Option<&str>) -> Value {
    let mut steps: Vec<Value> = charsmap.map(precompiled).into_iter().collect();
    steps.push(json!({"type": "Strip", "strip_left": false, "strip_right": true}));
    steps.push(spaces(SPACE));
    t5_with(pieces, sequence("normalizers", steps), metaspace())
}

/// t5-small as it was written first: its pre-tokenizer is a sequence.
#[must_use]
pub fn t5_old(pieces: &Value, charsmap: Option<&str>) -> Value {
    let splitters = vec![json!({"type": "WhitespaceSplit"}), old_metaspace()];
    t5_with(pieces, charsmap.map_or(Value::Null, precompiled), sequence("pretokenizers", splitters))
}

fn t5_with(pieces: &Value, normalizer: Value, pre_tokenizer: Value) -> Value {
    let id = |piece: &str| id_of(pieces, piece);
    let mut tokens: Vec<Value> = T5.iter().map(|token| added(token, id(token))).collect();
    // A hundred in the original, from the last to the first.
    let next = pieces.as_array().map_or(0, Vec::len) as u64;
    tokens.extend((0..4).map(|index| added(&format!("<extra_id_{}>", 3 - index), next + index)));
    file(
        tokens,
        normalizer,
        pre_tokenizer,
        template(&[], &[("</s>", 0, id("</s>"))]),
        metaspace(),
        json!({"type": "Unigram", "unk_id": id("<unk>"), "vocab": pieces}),
    )
}

/// deberta-v3-base: Unigram, with a mask after the vocabulary.
#[must_use]
pub fn deberta_v3(pieces: &Value, charsmap: Option<&str>) -> Value {
    let id = |piece: &str| id_of(pieces, piece);
    let mut tokens: Vec<Value> = DEBERTA_V3.iter().map(|token| added(token, id(token))).collect();
    tokens[3]["normalized"] = true.into();
    tokens.push(added("[MASK]", pieces.as_array().map_or(0, Vec::len) as u64));
    let mut steps = vec![json!({"type": "Strip", "strip_left": true, "strip_right": true})];
    steps.extend(charsmap.map(precompiled));
    steps.push(spaces(" "));
    file(
        tokens,
        sequence("normalizers", steps),
        metaspace(),
        template(&[("[CLS]", 0, id("[CLS]"))], &[("[SEP]", 0, id("[SEP]"))]),
        metaspace(),
        json!({"type": "Unigram", "unk_id": id("[UNK]"), "vocab": pieces, "byte_fallback": false}),
    )
}

/// The same with truncation.
#[must_use]
pub fn truncated(mut file: Value, most: usize, direction: &str) -> Value {
    file["truncation"] =
        json!({"direction": direction, "max_length": most, "strategy": "LongestFirst", "stride": 0});
    file
}

/// The same with padding: to a fixed length, or to a multiple of one.
#[must_use]
pub fn padded(mut file: Value, fixed: Option<usize>, multiple: Option<usize>, direction: &str) -> Value {
    let strategy = fixed.map_or_else(|| json!("BatchLongest"), |len| json!({"Fixed": len}));
    file["padding"] = json!({"strategy": strategy, "direction": direction, "pad_to_multiple_of": multiple, "pad_id": 1,
                             "pad_type_id": 0, "pad_token": "[PAD]"});
    file
}

fn file(
    added_tokens: Vec<Value>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Value,
) -> Value {
    json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": added_tokens,
           "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor,
           "decoder": decoder, "model": model})
}

/// A special token that is looked for in the text as it is.
fn added(content: &str, id: u64) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": true})
}

fn template(before: &[(&str, u8, u64)], after: &[(&str, u8, u64)]) -> Value {
    let piece =
        |(token, type_id, _): &(&str, u8, u64)| json!({"SpecialToken": {"id": token, "type_id": type_id}});
    let text = |name: &str, type_id: u8| json!({"Sequence": {"id": name, "type_id": type_id}});
    let mut single: Vec<Value> = before.iter().map(piece).collect();
    single.push(text("A", 0));
    single.extend(after.iter().map(piece));
    let tokens: Value = before
        .iter()
        .chain(after)
        .map(|(token, _, id)| ((*token).to_owned(), json!({"id": token, "ids": [id], "tokens": [token]})))
        .collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": [text("A", 0), text("B", 1)],
           "special_tokens": tokens})
}

fn sequence(name: &str, steps: Vec<Value>) -> Value {
    json!({"type": "Sequence", name: steps})
}

fn precompiled(charsmap: &str) -> Value {
    json!({"type": "Precompiled", "precompiled_charsmap": charsmap})
}

fn spaces(content: &str) -> Value {
    json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": content})
}

fn metaspace() -> Value {
    json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": true})
}

fn old_metaspace() -> Value {
    json!({"type": "Metaspace", "replacement": SPACE, "str_rep": SPACE, "add_prefix_space": true})
}

/// The id of a piece, in either kind of vocabulary.
fn id_of(vocabulary: &Value, piece: &str) -> u64 {
    let found = match vocabulary.as_array() {
        Some(list) => list.iter().position(|entry| entry[0] == piece).map(|at| at as u64),
        None => vocabulary[piece].as_u64(),
    };
    found.unwrap_or_else(|| panic!("{piece} is in the vocabulary"))
}
