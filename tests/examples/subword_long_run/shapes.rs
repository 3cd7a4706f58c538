//! The tokenizers that are compared: each has the parts of a known model and a vocabulary that is learnt here. That of
//! MiniLM is the real one.

use serde_json::{Map, Value, json};
use typecase_tests::shapes;
use typecase_train::vocabulary::VocabularyModel;

use crate::sources;

/// Special pieces of the vocabularies that are learnt; each shape has its own instead.
const LEARNT_SPECIAL: usize = 4;

/// A tokenizer.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) json: Value,
}

impl Shape {
    /// The texts of its added tokens.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let tokens = self.json["added_tokens"].as_array().into_iter().flatten();
        tokens.filter_map(|token| token["content"].as_str()).map(str::to_owned).collect()
    }
}

/// All of them; what this machine lacks the parts for is skipped, which is said.
pub(crate) fn all() -> Vec<Shape> {
    let mut all = Vec::new();
    let mut add = |name, json| all.push(Shape { name, json });
    if let Some(json) = sources::minilm() {
        add("MiniLM", json);
    }
    let bpe = sources::learnt(VocabularyModel::Bpe, false);
    let (vocabulary, merges) = (&bpe["model"]["vocab"], &bpe["model"]["merges"]);
    add("RoBERTa", shapes::truncated(shapes::roberta(vocabulary, merges), 512, "Right"));
    add("GPT-2", shapes::gpt2(&of_gpt2(vocabulary), merges));
    let unigram = sources::learnt(VocabularyModel::Unigram, false);
    if let Some(charsmap) = sources::charsmap() {
        let (pieces, charsmap) =
            (|special: &[&str]| with_special(&unigram, special), Some(charsmap.as_str()));
        add("XLNet", shapes::xlnet(&pieces(&shapes::XLNET), charsmap));
        add("T5, old form", shapes::t5_old(&pieces(&shapes::T5), charsmap));
        add("T5, new form", shapes::t5(&pieces(&shapes::T5), charsmap));
        add("DeBERTa-v3", shapes::deberta_v3(&pieces(&shapes::DEBERTA_V3), charsmap));
    }
    add("learnt WordPiece", sources::learnt(VocabularyModel::WordPiece, true));
    add("learnt WordPiece, cased", sources::learnt(VocabularyModel::WordPiece, false));
    add("learnt BPE", sources::learnt(VocabularyModel::Bpe, true));
    add("learnt Unigram", sources::learnt(VocabularyModel::Unigram, true));
    all
}

/// The vocabulary with one special token, which is the last.
fn of_gpt2(vocabulary: &Value) -> Value {
    let special = shapes::ROBERTA.len() as u64;
    let entries = vocabulary.as_object().expect("a map").iter();
    let mut numbered: Map<String, Value> = entries
        .filter_map(|(piece, id)| Some((piece.clone(), json!(id.as_u64()?.checked_sub(special)?))))
        .collect();
    numbered.insert(shapes::GPT2[0].to_owned(), json!(numbered.len()));
    numbered.into()
}

/// The pieces that were learnt, behind other special ones.
fn with_special(learnt: &Value, special: &[&str]) -> Value {
    let pieces = learnt["model"]["vocab"].as_array().expect("a list").iter().skip(LEARNT_SPECIAL);
    special.iter().map(|piece| json!([piece, 0.0])).chain(pieces.cloned()).collect()
}
