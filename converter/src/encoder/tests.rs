//! A small network made here, its folder, what becomes of it, and every refusal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use typecase_kernels::encoder::Cpu;

use super::*;

mod families;
mod minilm;
mod run;

use run::{cosine, run};

/// Numbers of a tensor, and its shape.
type Tensor = (Vec<usize>, Vec<f32>);

/// What stands in a folder.
#[derive(Clone)]
struct Tiny {
    config: Value,
    tensors: BTreeMap<String, Tensor>,
}

const WIDTH: usize = 32;
const INNER: usize = 64;
const ROWS: usize = 50;
const POSITIONS: usize = 16;

impl Tiny {
    /// Two layers of two heads.
    fn new() -> Self {
        let config = json!({
            "model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH, "num_attention_heads": 2,
            "num_hidden_layers": 2, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
            "vocab_size": ROWS, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0
        });
        let mut tiny = Self { config, tensors: BTreeMap::new() };
        let mut state = 1u64;
        // Sums of four even numbers: near enough to normal, with the spread asked for.
        let mut normal = |mean: f32, spread: f32| {
            let mut even = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 24) as f32 - 0.5
            };
            mean + spread * 3.0f32.sqrt() * (even() + even() + even() + even())
        };
        let mut add = |name: &str, shape: &[usize], mean: f32, spread: f32| {
            let numbers = (0..shape.iter().product()).map(|_| normal(mean, spread)).collect();
            tiny.tensors.insert(name.to_owned(), (shape.to_vec(), numbers));
        };
        add("embeddings.word_embeddings.weight", &[ROWS, WIDTH], 0.0, 0.05);
        add("embeddings.position_embeddings.weight", &[POSITIONS, WIDTH], 0.0, 0.02);
        add("embeddings.token_type_embeddings.weight", &[2, WIDTH], 0.0, 0.02);
        let mut add_norm = |name: &str| {
            add(&format!("{name}.LayerNorm.weight"), &[WIDTH], 0.8, 0.2);
            add(&format!("{name}.LayerNorm.bias"), &[WIDTH], 0.0, 0.2);
        };
        add_norm("embeddings");
        for layer in 0..2 {
            add_norm(&format!("encoder.layer.{layer}.attention.output"));
            add_norm(&format!("encoder.layer.{layer}.output"));
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
                let name = format!("encoder.layer.{layer}.{name}");
                add(&format!("{name}.weight"), &[outputs, inputs], 0.0, 0.2);
                add(&format!("{name}.bias"), &[outputs], 0.1, 0.2);
            }
        }
        tiny
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    /// Writes the folder: names with a prefix, numbers of a type.
    fn save(&self, folder: &Path, prefix: &str, dtype: Dtype) {
        fs::write(folder.join("config.json"), self.config.to_string()).unwrap();
        let parts: Vec<_> = self
            .tensors
            .iter()
            .map(|(name, (shape, numbers))| {
                let bytes: Vec<u8> = match dtype {
                    Dtype::F16 => numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
                    Dtype::BF16 => numbers.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
                    Dtype::I32 => numbers.iter().flat_map(|x| (*x as i32).to_le_bytes()).collect(),
                    _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
                };
                (format!("{prefix}{name}"), shape.clone(), bytes)
            })
            .collect();
        let views = parts
            .iter()
            .map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
        fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    }

    fn folder(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.save(folder.path(), "", Dtype::F32);
        folder
    }
}

/// Texts whose words are ids, of all lengths; the class is whether the first is even.
fn texts(count: u32) -> Vec<(String, u32)> {
    let mut state = 3u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let text = |_| {
        let ids: Vec<u32> = (0..1 + number() % POSITIONS as u32).map(|_| number() % ROWS as u32).collect();
        let words: Vec<String> = ids.iter().map(u32::to_string).collect();
        (words.join(" "), ids[0] % 2)
    };
    (0..count).map(text).collect()
}

fn tokenize(text: &str) -> Vec<u32> {
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

fn import_tiny(tiny: &Tiny, options: &ImportOptions) -> Result<Imported, ImportError> {
    import(tiny.folder().path(), &texts(200), 2, &tokenize, options)
}

/// The least cosine of pooled rows, the share of equal labels, and the largest difference of logits.
fn closeness(imported: &Imported) -> (f64, f64, f32) {
    let (mut least, mut same, mut largest) = (1.0f64, 0, 0.0f32);
    let texts = texts(400);
    for (text, _) in &texts[200..] {
        let ids = tokenize(text);
        let (pooled, scores) = run(&imported.section, Cpu::Scalar, &ids);
        let pooled: Vec<f32> = pooled.iter().map(|y| f32::from(*y) * imported.pooled_scale).collect();
        least = least.min(cosine(&imported.reference.pooled(&ids).unwrap(), &pooled));
        let logits = imported.reference.logits(&ids).unwrap();
        let got: Vec<f32> = scores.iter().map(|score| *score as f32 * imported.score_scale).collect();
        same += usize::from(head::highest(&logits) == head::highest(&got));
        largest = logits.iter().zip(&got).map(|(a, b)| (a - b).abs()).fold(largest, f32::max);
    }
    (least, same as f64 / 200.0, largest)
}

#[test]
fn integers_come_close_to_the_network() {
    for pooling in [EncoderPooling::Mean, EncoderPooling::First] {
        let options = ImportOptions { pooling, ..ImportOptions::default() };
        let imported = import_tiny(&Tiny::new(), &options).unwrap();
        assert_eq!((imported.shape.positions, imported.shape.pooling), (16, pooling));
        let (least, same, largest) = closeness(&imported);
        assert!(least > 0.995 && same > 0.95 && largest < 0.5, "{pooling:?}: {least}, {same}, {largest}");
    }
}

#[test]
fn the_same_texts_give_the_same_bytes() {
    let [one, two] = [(); 2].map(|()| import_tiny(&Tiny::new(), &ImportOptions::default()).unwrap());
    assert!(one.section == two.section && one.report == two.report && one.score_scale == two.score_scale);
}

/// What training sees: on the kernels of any processor, and with weights that are those of the network, rounded.
#[test]
fn the_integers_that_training_sees_are_those_of_the_section() {
    let bert = Bert::load(Tiny::new().folder().path()).unwrap();
    let texts: Vec<Vec<u32>> = texts(60).iter().map(|(text, _)| tokenize(text)).collect();
    let calibration = Calibration::of(&bert, &texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    let weights = Array2::from_shape_fn((3, WIDTH), |(class, j)| ((class * 7 + j * 5) % 11) as f32 - 5.0);
    let head = LinearHead { weights, bias: vec![0.5, -0.25, 0.0] };
    let choices = Choices { positions: POSITIONS, pooling: EncoderPooling::Mean, alpha: 0.5 };
    let quantised = quantise(&bert, &head, &calibration, choices).unwrap();
    for ids in &texts {
        let expected = run(&quantised.section, Cpu::Scalar, ids);
        for cpu in Cpu::all() {
            let seen = quantised.integers_on(cpu).run(ids);
            assert_eq!((seen.pooled, seen.scores), expected, "{cpu}");
        }
    }
    let integers = quantised.integers();
    for (number, (layer, scales)) in bert.layers.iter().zip(&quantised.scales.layers).enumerate() {
        let [_, _, inner, _] = integers.weights(number);
        for ((output, input), weight) in layer.inner.weight.indexed_iter() {
            let step = scales.inner.sums[output] / scales.inner.input.scale[input];
            let error = f64::from((weight - inner[input * INNER + output]).abs());
            assert!(error < 0.501 * step, "layer {number}, {output} of {input}: {error}, a step is {step}");
        }
    }
    for id in 0..ROWS {
        let largest = bert.words.row(id).iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for (x, got) in bert.words.row(id).iter().zip(integers.word(id as u32)) {
            assert!((x - got).abs() <= largest / 100.0, "word {id}: {x}, {got}");
        }
    }
}

#[test]
fn fewer_tokens_are_fewer_positions() {
    let options = ImportOptions { max_tokens: 5, ..ImportOptions::default() };
    let folder = Tiny::new().folder();
    let cut = |text: &str| tokenize(text).into_iter().take(5).collect();
    let imported = import(folder.path(), &texts(50), 2, &cut, &options).unwrap();
    assert_eq!(imported.shape.positions, 5);
    let message = import(folder.path(), &texts(50), 2, &tokenize, &options).unwrap_err().to_string();
    assert!(message.ends_with("ids of a text found, allowed are 1 to 5"), "{message}");
}

/// Channels without range, rows of zeros, gains of zero: numbers that are divided by.
#[test]
fn a_network_of_zeros_is_a_section_all_the_same() {
    let mut tiny = Tiny::new();
    for (name, (_, numbers)) in &mut tiny.tensors {
        if name.contains("layer.1") || name.contains("word") {
            numbers.fill(0.0);
        }
    }
    import_tiny(&tiny, &ImportOptions::default()).unwrap();
    tiny.tensors.values_mut().for_each(|(_, numbers)| numbers.fill(0.0));
    let imported = import_tiny(&tiny, &ImportOptions::default()).unwrap();
    assert_eq!(closeness(&imported).1, 1.0);
}

/// One channel that is far larger than all others, in the stream and before the activation.
#[test]
fn an_outlier_does_not_drown_the_others() {
    let mut tiny = Tiny::new();
    for (name, (_, numbers)) in &mut tiny.tensors {
        match name.rsplit_once('.') {
            Some((part, "weight")) if part.ends_with("attention.output.LayerNorm") => numbers[3] = 8.0,
            Some((part, "bias")) if part.ends_with("attention.self.key") => numbers[7] = 6.0,
            _ => {}
        }
    }
    let (least, same, _) = closeness(&import_tiny(&tiny, &ImportOptions::default()).unwrap());
    assert!(least > 0.98 && same > 0.93, "{least}, {same}");
}

#[test]
fn names_with_a_prefix_and_numbers_of_16_bits_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let ids = [1, 2, 3, 4];
    let row = || pooled(&Bert::load(folder.path()).unwrap(), EncoderPooling::Mean, &ids).unwrap();
    Tiny::new().save(folder.path(), "", Dtype::F32);
    let expected = row();
    Tiny::new().save(folder.path(), "bert.", Dtype::F32);
    assert_eq!(row(), expected);
    for (dtype, least) in [(Dtype::F16, 0.99999), (Dtype::BF16, 0.999)] {
        Tiny::new().save(folder.path(), "bert.", dtype);
        assert!(cosine(&row(), &expected) > least, "{dtype:?}");
    }
}

#[test]
fn other_networks_are_refused_by_name() {
    let tiny = Tiny::new;
    let table = [
        (
            tiny().with("model_type", "t5".into()),
            r#"model_type "t5" found, allowed are "bert", "distilbert", "electra", "roberta" and "xlm-roberta""#,
        ),
        (
            tiny().with("model_type", "electra".into()).with("embedding_size", 16.into()),
            "embedding_size 16 found, it must be the same as hidden_size 32",
        ),
        (
            tiny().with("model_type", "roberta".into()).with("pad_token_id", 15.into()),
            "max_position_embeddings 16 found, it must be above 16",
        ),
        (tiny().with("hidden_act", "relu".into()), r#"hidden_act "relu" found, allowed is "gelu""#),
        (
            tiny().with("position_embedding_type", "relative_key".into()),
            r#"position_embedding_type "relative_key" found, allowed is "absolute""#,
        ),
        (tiny().with("is_decoder", true.into()), "is_decoder true found, allowed is false"),
        (tiny().with("num_hidden_layers", 0.into()), "num_hidden_layers 0 found, allowed are 1 to 4194304"),
        (
            tiny().with("num_attention_heads", 3.into()),
            "hidden_size 32 found, it must be a multiple of num_attention_heads 3",
        ),
        (tiny().with("layer_norm_eps", 2.into()), "layer_norm_eps 2 found, allowed are 0 to 1"),
        (tiny().with("hidden_size", Value::Null), "invalid type: null, expected usize"),
        (
            tiny().with("vocab_size", 51.into()),
            r#"tensor "embeddings.word_embeddings.weight" has shape [50, 32], expected was [51, 32]"#,
        ),
        (
            tiny().with("num_hidden_layers", 3.into()),
            r#"no tensor "encoder.layer.2.attention.self.query.weight" found"#,
        ),
    ];
    for (tiny, expected) in table {
        let folder = tiny.folder();
        let message = Bert::load(folder.path()).unwrap_err().to_string();
        assert!(message.contains(&format!(": {expected}")), "{message}\nexpected {expected}");
    }
    let channels = tiny().with("num_attention_heads", 16.into());
    let message = import_tiny(&channels, &ImportOptions::default()).unwrap_err().to_string();
    assert!(message.starts_with("encoder: ") && message.contains("channels of a head 2"), "{message}");
}

#[test]
fn files_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = || Bert::load(folder.path()).unwrap_err().to_string();
    assert!(message().ends_with("config.json: no such file"), "{}", message());
    let mut tiny = Tiny::new();
    fs::write(folder.path().join("config.json"), tiny.config.to_string()).unwrap();
    assert!(message().ends_with("model.safetensors: no such file"), "{}", message());
    fs::write(folder.path().join("model.safetensors"), "none").unwrap();
    assert!(message().contains("model.safetensors: "), "{}", message());
    tiny.save(folder.path(), "", Dtype::I32);
    assert!(message().ends_with("has type I32, allowed are F32, F16 and BF16"), "{}", message());
    tiny.tensors.get_mut("encoder.layer.1.output.dense.bias").unwrap().1[5] = f32::NAN;
    tiny.save(folder.path(), "", Dtype::F32);
    let expected = r#"tensor "encoder.layer.1.output.dense.bias" has NaN at 5, numbers must be finite"#;
    assert!(message().ends_with(expected), "{}", message());
    fs::write(folder.path().join("config.json"), "{").unwrap();
    assert!(message().contains("config.json: EOF while parsing"), "{}", message());

    let message = TextIds::open(folder.path(), 128).unwrap_err().to_string();
    assert!(message.ends_with("tokenizer.json: no such file"), "{message}");
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let message = TextIds::open(folder.path(), 128).unwrap_err().to_string();
    assert!(message.starts_with("tokenizer.json: "), "{message}");
}

#[test]
fn texts_and_options_that_make_no_sense_are_refused() {
    let folder = Tiny::new().folder();
    let base = ImportOptions::default;
    let of = |texts: &[(String, u32)], classes: usize, options: &ImportOptions| {
        import(folder.path(), texts, classes, &tokenize, options).unwrap_err().to_string()
    };
    let options = [
        (ImportOptions { max_tokens: 0, ..base() }, "max_tokens 0 found, allowed are 1 to 4096"),
        (ImportOptions { calibration_texts: 0, ..base() }, "calibration_texts 0 found, at least 1 is needed"),
        (ImportOptions { alpha: 1.5, ..base() }, "alpha 1.5 found, allowed are 0 to 1"),
        (ImportOptions { held_out_every: 1, ..base() }, "held_out_every 1 found, at least 2 is needed"),
        (ImportOptions { l2: vec![], ..base() }, "no strength of l2 found, at least one is needed"),
        (ImportOptions { l2: vec![-1.0], ..base() }, "l2 -1 found, it must be finite and at least 0"),
    ];
    for (options, expected) in options {
        assert_eq!(of(&texts(20), 2, &options), expected);
    }
    let with = |text: &str| [texts(20), vec![(text.to_owned(), 0)]].concat();
    let table = [
        (texts(20), 1, "1 classes found, allowed are 2 to 65535"),
        (texts(9), 2, "9 texts found, at least 10 are needed"),
        ([texts(20), vec![("1".to_owned(), 7)]].concat(), 3, "label 7 found, classes are 0 to 2"),
        (with(""), 2, "0 ids of a text found, allowed are 1 to 16"),
        (with(&"1 ".repeat(17)), 2, "17 ids of a text found, allowed are 1 to 16"),
        (with("1 50"), 2, "id 50 found, the vocabulary has 50"),
    ];
    for (texts, classes, expected) in table {
        assert_eq!(of(&texts, classes, &base()), expected);
    }
}
