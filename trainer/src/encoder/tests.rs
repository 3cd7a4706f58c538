//! A tiny network made here: the forward pass against the importer's, gradients against differences, whole runs.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use tempfile::TempDir;
use typecase_convert::encoder::{Bert, HeadKind, PoolingKind, TextIds};

use super::batches::{Batch, Texts};
use super::network::{Leaves, into_numbers, words_of};
use super::parameters::Parameters;
use super::step::{self, Manner, Times};
use crate::random::Random;
use crate::recipe::EncoderTraining;

mod devices;
mod gradients;
mod onnx;
mod parity;
mod quantised;
mod regularised;
mod runs;
mod students;
mod words;

static CPU: LazyLock<Device> = LazyLock::new(Device::flex);

const WIDTH: usize = 16;
const INNER: usize = 24;
const POSITIONS: usize = 12;
/// Pieces of the tokenizer: the special ones, then words w4, w5 and so on.
const ROWS: usize = 30;

/// The folder of a network of two layers with two heads, and of its tokenizer.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH, "num_attention_heads": 2,
        "num_hidden_layers": 2, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
        "vocab_size": ROWS, "type_vocab_size": 2, "layer_norm_eps": 1e-12
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut random = Random::new(7);
    let mut parts: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut add = |name: String, shape: &[usize], mean: f32, spread: f32| {
        let numbers = (0..shape.iter().product()).map(|_| mean + spread * (2.0 * random.unit_f32() - 1.0));
        parts.push((name, shape.to_vec(), numbers.flat_map(f32::to_le_bytes).collect()));
    };
    for (name, rows) in [("word", ROWS), ("position", POSITIONS), ("token_type", 2)] {
        add(format!("embeddings.{name}_embeddings.weight"), &[rows, WIDTH], 0.0, 0.5);
    }
    let norms =
        (0..2).flat_map(|layer| ["attention.output", "output"].map(|n| format!("encoder.layer.{layer}.{n}")));
    for name in norms.chain(["embeddings".to_owned()]) {
        add(format!("{name}.LayerNorm.weight"), &[WIDTH], 0.9, 0.3);
        add(format!("{name}.LayerNorm.bias"), &[WIDTH], 0.0, 0.3);
    }
    for layer in 0..2 {
        for (name, outputs, inputs) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ] {
            add(format!("encoder.layer.{layer}.{name}.weight"), &[outputs, inputs], 0.0, 0.5);
            add(format!("encoder.layer.{layer}.{name}.bias"), &[outputs], 0.0, 0.3);
        }
    }
    let views = parts
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let file = safetensors::serialize(views, None).unwrap();
    fs::write(folder.path().join("model.safetensors"), file).unwrap();
    fs::write(folder.path().join("tokenizer.json"), tokenizer().to_string()).unwrap();
    folder
}

fn tokenizer() -> serde_json::Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned);
    let words = special.into_iter().chain((4..ROWS).map(|id| format!("w{id}")));
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        words.zip(0..).map(|(word, id)| (word, json!(id))).collect();
    let token = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [token("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, token("[SEP]")],
            "pair": [],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                               "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

/// Ids of texts of all lengths, with a class of three.
fn texts(count: u32) -> Texts {
    let mut random = Random::new(3);
    Texts::of((0..count).map(|text| {
        let length = 1 + random.below(POSITIONS as u64 - 1);
        ((0..length).map(|_| random.below(ROWS as u64) as u32).collect(), text % 3)
    }))
}

fn manner(training: &EncoderTraining) -> Manner<'_> {
    Manner { training, quantised: None, guide: None, frozen: training.frozen_layers, device: &CPU }
}

fn parameters(pooling: PoolingKind, head: HeadKind) -> Parameters {
    let bert = Bert::load(folder().path()).unwrap();
    Parameters::new(&bert, pooling, head, 3, &mut Random::new(1))
}
