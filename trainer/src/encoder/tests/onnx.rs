//! The forward pass against what ONNX Runtime computed of the same network: `recorded/onnx_runtime.py`.

use std::path::PathBuf;
use std::{env, fs};

use super::parity::{identity, skipped};
use super::*;

/// The largest difference between pooled rows and those that are recorded.
fn difference(folder: &Path, recorded: &str) -> f32 {
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let recorded = recorded["texts"].as_array().unwrap();
    let ids = |text: &serde_json::Value| -> Vec<u32> { serde_json::from_value(text["ids"].clone()).unwrap() };
    let texts = Texts::of(recorded.iter().map(|text| (ids(text), 0)));
    let bert = Bert::load(folder).unwrap();
    let width = bert.config.hidden_size;
    let mut parameters =
        Parameters::new(&bert, PoolingKind::Mean, HeadKind::Linear, width, &mut Random::new(1));
    identity(&mut parameters);
    let rows = step::logits(&parameters, &texts, &CPU, &|| false).unwrap();
    assert_eq!(rows.len(), 3);
    let mut largest = 0f32;
    for (row, text) in rows.iter().zip(recorded) {
        let expected: Vec<f32> = serde_json::from_value(text["pooled"].clone()).unwrap();
        assert_eq!(row.len(), expected.len());
        largest = row.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(largest, f32::max);
    }
    largest
}

#[test]
fn a_tiny_network_is_that_of_onnx_runtime() {
    let folder = folder();
    if let Some(place) = env::var_os("TYPECASE_TINY").map(PathBuf::from) {
        for name in ["config.json", "model.safetensors"] {
            fs::copy(folder.path().join(name), place.join(name)).unwrap();
        }
    }
    let largest = difference(folder.path(), include_str!("recorded/tiny.json"));
    assert!(largest < 1e-5, "{largest}");
}

#[test]
fn minilm_is_that_of_onnx_runtime() {
    let what = "MiniLM in burn against ONNX Runtime";
    let Some(folder) = env::var_os("TYPECASE_MINILM").map(PathBuf::from) else {
        return skipped(what, "no model; set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2");
    };
    let largest = difference(&folder, include_str!("recorded/minilm.json"));
    eprintln!("the largest difference is {largest}");
    assert!(largest < 1e-4, "{largest}");
}
