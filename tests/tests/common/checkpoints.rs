//! Checkpoints made by hand: small, and the same on every machine.
#![allow(dead_code, reason = "each suite uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use typecase_convert::{Checkpoint, DenseHead, TextSettings};
use typecase_engine::Pooling;
use typecase_tests::shapes;

/// Numbers that look random: a linear congruential generator (Numerical Recipes), its high bits.
pub(crate) struct Numbers(u32);

impl Numbers {
    pub(crate) const fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// The next 16 bits.
    pub(crate) const fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }

    /// From -1 to 1.
    pub(crate) fn weight(&mut self) -> f32 {
        self.next() as f32 / 32_767.5 - 1.0
    }
}

/// Three classes, told apart by one word each: `alpha`, `beta`, `gamma`.
pub(crate) fn tiny() -> Checkpoint {
    let text = TextSettings { word_ngrams: 1, ..TextSettings::default() };
    let ngrams = text.ngrams().unwrap();
    let mut features = [0; 3];
    assert_eq!(ngrams.features_into(b"alpha beta gamma", &mut features).len, 3);
    let embedding = (0..9).map(|place| if place % 4 == 0 { 2.0 } else { -1.0 }).collect();
    Checkpoint {
        name: "tiny".to_owned(),
        labels: ["world", "sport", "tech"].map(str::to_owned).to_vec(),
        text,
        tokenizer: None,
        pooling: Pooling::SquareRoot,
        features: features.to_vec(),
        counts: vec![5; 3],
        width: 3,
        embedding,
        bias: vec![0.0; 3],
        head: None,
        temperature: 1.0,
        provenance: BTreeMap::new(),
    }
}

/// A checkpoint with random rows for every feature of the texts, and with a hidden layer.
pub(crate) fn with_hidden_layer(texts: &[String], width: usize, pooling: Pooling, seed: u32) -> Checkpoint {
    let text = TextSettings { word_ngrams: 2, marks: true, ..TextSettings::default() };
    let ngrams = text.ngrams().unwrap();
    let mut features = BTreeSet::new();
    let mut buffer = vec![0; 65_536];
    for text in texts {
        let found = ngrams.features_into(text.as_bytes(), &mut buffer);
        features.extend(&buffer[..found.len]);
    }
    let features: Vec<u32> = features.into_iter().collect();
    let mut numbers = Numbers::new(seed);
    let mut weights = |count: usize| (0..count).map(|_| numbers.weight()).collect::<Vec<_>>();
    let labels: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    Checkpoint {
        name: "hidden".to_owned(),
        text,
        tokenizer: None,
        pooling,
        counts: vec![1; features.len()],
        width,
        embedding: weights(features.len() * width),
        // Small, so that it is the texts that decide.
        bias: weights(width).into_iter().map(|b| b * 0.05).collect(),
        head: Some(DenseHead { weights: weights(labels.len() * width), bias: vec![0.01; labels.len()] }),
        temperature: 1.0,
        provenance: BTreeMap::new(),
        features,
        labels,
    }
}

/// Writes the folder of an encoder with its head over the classes of [`tiny`], whose answer is the class of the text's
/// word: attention and the feed-forward network add nothing, and the head reads one channel a class.
pub(crate) fn tiny_encoder(folder: &Path) {
    const WIDTH: usize = 4;
    let pieces = shapes::BERT.iter().chain(&["alpha", "beta", "gamma"]);
    let vocabulary: Value = pieces.zip(0..).map(|(piece, id)| ((*piece).to_owned(), json!(id))).collect();
    let rows = shapes::BERT.len() + 3;
    let mut words = vec![0.0; rows * WIDTH];
    (0..3).for_each(|class| words[(shapes::BERT.len() + class) * WIDTH + class] = 2.0);
    let mut tensors = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![rows, WIDTH], words),
        ("embeddings.position_embeddings.weight".to_owned(), vec![8, WIDTH], vec![0.0; 8 * WIDTH]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![1, WIDTH], vec![0.0; WIDTH]),
    ];
    let attention =
        ["self.query", "self.key", "self.value", "output.dense"].map(|part| format!("attention.{part}"));
    for part in attention.into_iter().chain(["intermediate.dense", "output.dense"].map(str::to_owned)) {
        let name = format!("encoder.layer.0.{part}");
        tensors.push((format!("{name}.weight"), vec![WIDTH, WIDTH], vec![0.0; WIDTH * WIDTH]));
        tensors.push((format!("{name}.bias"), vec![WIDTH], vec![0.0; WIDTH]));
    }
    for name in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
        tensors.push((format!("{name}.LayerNorm.weight"), vec![WIDTH], vec![1.0; WIDTH]));
        tensors.push((format!("{name}.LayerNorm.bias"), vec![WIDTH], vec![0.0; WIDTH]));
    }
    let diagonal = (0..3 * WIDTH).map(|at| if at % (WIDTH + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let head = [("weight".to_owned(), vec![3, WIDTH], diagonal), ("bias".to_owned(), vec![3], vec![0.0; 3])];
    let config = json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH, "num_attention_heads": 1,
        "num_hidden_layers": 1, "intermediate_size": WIDTH, "max_position_embeddings": 8, "vocab_size": rows,
        "type_vocab_size": 1, "layer_norm_eps": 1e-12, "pad_token_id": 0
    });
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("model.safetensors"), safetensors(&tensors)).unwrap();
    fs::write(folder.join("head.safetensors"), safetensors(&head)).unwrap();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), shapes::bert(&vocabulary).to_string()).unwrap();
    let text = "name = \"tiny-encoder\"\nlabels = [\"world\", \"sport\", \"tech\"]\npooling = \"mean\"\n\
                head = \"linear\"\nmax_tokens = 8\ntemperature = 1.0\n[provenance]\n";
    fs::write(folder.join("encoder.toml"), text).unwrap();
}

/// Tensors of 32-bit floats in the form of safetensors: the length of the header, the header, the numbers.
fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in tensors {
        let start = numbers.len();
        numbers.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, numbers.len()]});
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat()
}
