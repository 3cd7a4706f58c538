//! The `tokenizer.json` of each kind of model.
//!
//! They are written as text, piece by piece, so that the bytes do not depend on how a JSON library orders its maps.

use super::{VocabularyModel, VocabularySettings};

/// Special tokens, which are the first ids.
pub(super) const fn special(model: VocabularyModel) -> &'static [&'static str] {
    match model {
        VocabularyModel::WordPiece => &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        VocabularyModel::Bpe => &["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        VocabularyModel::Unigram => &["<pad>", "<unk>", "<s>", "</s>"],
    }
}

/// What marks a piece that goes on a word.
pub(super) const fn prefix(model: VocabularyModel) -> &'static str {
    match model {
        VocabularyModel::WordPiece => "##",
        VocabularyModel::Bpe | VocabularyModel::Unigram => "",
    }
}

const WORD_PIECE: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":$added,"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":$lowercase},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":$template,"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":$vocabulary}}"###;

const BPE: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":$added,"normalizer":$normalizer,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,"add_prefix_space":false},"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":$vocabulary,"merges":$merges}}"###;

const UNIGRAM: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":$added,"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},$normalizer{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"post_processor":$template,"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"model":{"type":"Unigram","unk_id":1,"vocab":$vocabulary,"byte_fallback":false}}"###;

const TEMPLATE: &str = r###"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"$begin","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"$end","type_id":0}}],"pair":[{"SpecialToken":{"id":"$begin","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"$end","type_id":0}},{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"$end","type_id":1}}],"special_tokens":{"$begin":{"id":"$begin","ids":[2],"tokens":["$begin"]},"$end":{"id":"$end","ids":[3],"tokens":["$end"]}}}"###;

/// A `tokenizer.json`. `vocabulary` and `merges` are JSON already.
pub(super) fn tokenizer(settings: &VocabularySettings, vocabulary: &str, merges: &str) -> String {
    let (text, [begin, end], folding) = match settings.model {
        VocabularyModel::WordPiece => (WORD_PIECE, ["[CLS]", "[SEP]"], ["null", "null"]),
        VocabularyModel::Bpe => {
            let folding = r#"{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}"#;
            (BPE, ["<s>", "</s>"], ["null", folding])
        }
        VocabularyModel::Unigram => (UNIGRAM, ["<s>", "</s>"], ["", r#"{"type":"Lowercase"},"#]),
    };
    let [plain, folded] = folding;
    let template = TEMPLATE.replace("$begin", begin).replace("$end", end);
    // The vocabulary last: a piece of it may look like a place to be filled.
    let text = text
        .replace("$added", &added(settings.model))
        .replace("$lowercase", if settings.lowercase { "true" } else { "false" })
        .replace("$normalizer", if settings.lowercase { folded } else { plain })
        .replace("$template", &template);
    let (before, after) = text.split_once("$vocabulary").unwrap_or((&text, ""));
    [before, vocabulary, &after.replacen("$merges", merges, 1)].concat()
}

/// A map of pieces to ids.
pub(super) fn numbered(pieces: &[String]) -> String {
    let entries: Vec<String> =
        pieces.iter().enumerate().map(|(id, piece)| format!("{}:{id}", quoted(piece))).collect();
    format!("{{{}}}", entries.join(","))
}

/// A text of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn added(model: VocabularyModel) -> String {
    let entry = |(id, token): (usize, &&str)| {
        // As in RoBERTa: the space before the mask is part of it.
        let takes_space = *token == "<mask>";
        format!(
            r#"{{"id":{id},"content":"{token}","single_word":false,"lstrip":{takes_space},"rstrip":false,"normalized":false,"special":true}}"#
        )
    };
    let entries: Vec<String> = special(model).iter().enumerate().map(entry).collect();
    format!("[{}]", entries.join(","))
}
