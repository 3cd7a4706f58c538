//! The forward pass against the importer's network in floating point.

use std::path::PathBuf;
use std::{env, io::Write as _};

use typecase_convert::encoder::{EncoderPooling, LinearHead, Network};

use super::*;

/// With this head the logits are the first numbers of the pooled row.
pub(super) fn identity(parameters: &mut Parameters) {
    let classes = parameters.sizes.classes;
    let weight = parameters.list.iter_mut().rfind(|parameter| parameter.name == "head.weight").unwrap();
    weight.numbers.fill(0.0);
    (0..classes).for_each(|class| weight.numbers[class * classes + class] = 1.0);
}

/// The largest difference between the pooled rows of a network in burn and in the importer.
fn difference(bert: Bert, pooling: EncoderPooling, texts: &Texts) -> f32 {
    let (kind, width) = match pooling {
        EncoderPooling::Mean => (PoolingKind::Mean, bert.config.hidden_size),
        EncoderPooling::First => (PoolingKind::Cls, bert.config.hidden_size),
    };
    let mut parameters = Parameters::new(&bert, kind, HeadKind::Linear, width, &mut Random::new(1));
    identity(&mut parameters);
    let rows = step::logits(&parameters, texts, &CPU, &|| false).unwrap();
    let head = LinearHead { weights: ndarray::Array2::zeros((2, width)), bias: vec![0.0; 2] };
    let network = Network { bert, pooling, head };
    let mut largest = 0.0f32;
    let mut rows = rows.iter();
    texts
        .each(|ids| {
            let expected = network.pooled(ids)?;
            for (got, expected) in rows.next().unwrap().iter().zip(&expected) {
                largest = largest.max((got - expected).abs());
            }
            Ok::<_, typecase_convert::encoder::ImportError>(())
        })
        .unwrap();
    largest
}

#[test]
fn a_tiny_network_is_that_of_the_importer() {
    for pooling in [EncoderPooling::Mean, EncoderPooling::First] {
        let bert = Bert::load(folder().path()).unwrap();
        let largest = difference(bert, pooling, &texts(100));
        assert!(largest < 1e-5, "{pooling:?}: {largest}");
    }
}

#[test]
fn minilm_is_that_of_the_importer() {
    let what = "MiniLM in burn against the importer";
    let Some(folder) = env::var_os("TYPECASE_MINILM").map(PathBuf::from) else {
        return skipped(what, "no model; set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2");
    };
    let ids = TextIds::open(&folder, 128).unwrap();
    let sentences = ["Oil prices soar", "The striker, 31, scored twice on Sunday as his team won.", "a", ""];
    let long = "The chip maker said that sales of its new processor rose by a third. ".repeat(9);
    let texts =
        Texts::new(&ids, &sentences.into_iter().chain([long.as_str()]).map(|t| (t, 0)).collect::<Vec<_>>());
    for pooling in [EncoderPooling::Mean, EncoderPooling::First] {
        let largest = difference(Bert::load(&folder).unwrap(), pooling, &texts);
        eprintln!("{pooling:?}: the largest difference is {largest}");
        assert!(largest < 1e-4, "{pooling:?}: {largest}");
    }
}

/// What stands beside a text in a batch does not matter.
#[test]
fn padding_changes_nothing() {
    let texts = texts(40);
    let numbers: Vec<u32> = (0..40).collect();
    for pooling in [PoolingKind::Mean, PoolingKind::Cls, PoolingKind::Max, PoolingKind::Attention] {
        for head in [HeadKind::Linear, HeadKind::Mlp] {
            let parameters = parameters(pooling, head);
            let together = logits(&parameters, &texts.batch(&numbers));
            for number in &numbers {
                let alone = logits(&parameters, &texts.batch(&[*number]));
                let row = &together[*number as usize * 3..][..3];
                let largest = row.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(largest < 1e-5, "{pooling:?}, {head:?}, text {number}: {largest}");
            }
        }
    }
}

#[test]
fn numbers_go_back_where_they_came_from() {
    let folder = folder();
    let original = Bert::load(folder.path()).unwrap();
    let parameters = Parameters::new(&original, PoolingKind::Mean, HeadKind::Mlp, 3, &mut Random::new(1));
    let mut bert = original;
    bert.words.fill(0.0);
    bert.positions.fill(0.0);
    bert.layers.iter_mut().for_each(|layer| layer.value.weight.fill(0.0));
    parameters.write_to(&mut bert);
    let same = |bert: &Bert| {
        let of = Parameters::new(bert, PoolingKind::Mean, HeadKind::Mlp, 3, &mut Random::new(1));
        assert!(of.words == parameters.words && of.list == parameters.list);
    };
    same(&bert);
    let again = tempfile::tempdir().unwrap();
    bert.save(again.path()).unwrap();
    same(&Bert::load(again.path()).unwrap());
}

fn logits(parameters: &Parameters, batch: &Batch) -> Vec<f32> {
    let device = Device::flex();
    let words: Tensor<2> = Tensor::from_data(words_of(parameters, batch), &device);
    into_numbers(Leaves::new(parameters, &device, &|_| false).logits(batch, words))
}

/// As `xtask::skip`, which this package does not depend on.
pub(super) fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: {what}: {why}");
    eprintln!("{line}");
    if let Some(log) = env::var_os("TYPECASE_SKIP_LOG") {
        let file = fs::OpenOptions::new().create(true).append(true).open(log);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("the log of skips can be written");
    }
}
