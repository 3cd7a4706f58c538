//! Checkpoints made by hand: small, and the same on every machine.
#![allow(dead_code, reason = "each suite uses a part")]

use std::collections::{BTreeMap, BTreeSet};

use typecase_convert::{Checkpoint, DenseHead, TextSettings};
use typecase_engine::Pooling;

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
