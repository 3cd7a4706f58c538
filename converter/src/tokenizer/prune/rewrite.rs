//! The file of the smaller tokenizer: the same fields with fewer pieces and other ids.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::CompileError;
use super::super::models::{Model, Parts};

/// The ids of special tokens in the post-processor, and of the padding.
pub(super) fn referred_ids(json: &Value) -> Vec<u32> {
    let mut found = Vec::new();
    let mut copy =
        [json.get("post_processor"), json.get("padding")].map(|part| part.cloned().unwrap_or_default());
    let [processor, padding] = &mut copy;
    each_id(processor, &mut |id| found.extend(id.as_u64().and_then(|id| u32::try_from(id).ok())));
    found.extend(padding.get("pad_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()));
    found
}

/// The file with only the ids that are kept, each under its place in the list. The file has been compiled before.
pub(super) fn rewrite(json: &Value, model: &Model<'_>, kept: &[u32]) -> Result<Value, CompileError> {
    let new_id = |old: u32| kept.binary_search(&old).ok();
    let mut json = json.clone();
    let map_id = |id: &mut Value| {
        let old = id.as_u64().and_then(|id| u32::try_from(id).ok());
        if let Some(new) = old.and_then(new_id) {
            *id = new.into();
        }
    };
    for token in json.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten() {
        token.get_mut("id").map(map_id);
    }
    if let Some(id) = json.get_mut("padding").and_then(|padding| padding.get_mut("pad_id")) {
        map_id(id);
    }
    if let Some(processor) = json.get_mut("post_processor") {
        each_id(processor, &mut |id| map_id(id));
    }
    let Some(fields) = json.get_mut("model").and_then(Value::as_object_mut) else {
        return Err(CompileError::field("model", "expected an object"));
    };
    rewrite_model(fields, model, new_id);
    Ok(json)
}

fn rewrite_model(fields: &mut Map<String, Value>, model: &Model<'_>, new_id: impl Fn(u32) -> Option<usize>) {
    let map = |vocabulary: &[(&str, u32)]| -> Value {
        let pieces =
            vocabulary.iter().filter_map(|(piece, id)| Some(((*piece).to_owned(), new_id(*id)?.into())));
        Value::Object(pieces.collect())
    };
    match &model.parts {
        Parts::WordPiece { vocabulary, .. } => {
            fields.insert("vocab".to_owned(), map(vocabulary));
        }
        Parts::Bpe { vocabulary, merges, .. } => {
            fields.insert("vocab".to_owned(), map(vocabulary));
            let is_kept = |piece: &str| model.lookup.get(piece).is_some_and(|id| new_id(*id).is_some());
            let stays = |(left, right): &&(&str, &str)| {
                [*left, *right, &format!("{left}{right}")].into_iter().all(is_kept)
            };
            let merges: Vec<Value> =
                merges.iter().filter(stays).map(|(left, right)| json!([left, right])).collect();
            fields.insert("merges".to_owned(), merges.into());
        }
        Parts::Unigram { vocabulary, unknown, .. } => {
            let pieces: BTreeMap<usize, Value> = (0u32..)
                .zip(vocabulary)
                .filter_map(|(id, (piece, score))| Some((new_id(id)?, json!([piece, score]))))
                .collect();
            fields.insert("vocab".to_owned(), pieces.into_values().collect());
            fields.insert("unk_id".to_owned(), new_id(*unknown).into());
        }
    }
}

/// Hands out every id of a post-processor.
fn each_id(processor: &mut Value, each: &mut impl FnMut(&mut Value)) {
    for name in ["sep", "cls"] {
        if let Some(id) = processor.get_mut(name).and_then(|pair| pair.get_mut(1)) {
            each(id);
        }
    }
    let tokens = processor.get_mut("special_tokens").and_then(Value::as_object_mut);
    for token in tokens.into_iter().flat_map(|tokens| tokens.values_mut()) {
        let ids = token.get_mut("ids").and_then(Value::as_array_mut);
        ids.into_iter().flatten().for_each(&mut *each);
    }
    for inner in processor.get_mut("processors").and_then(Value::as_array_mut).into_iter().flatten() {
        each_id(inner, each);
    }
}
