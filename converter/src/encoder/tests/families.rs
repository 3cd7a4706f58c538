//! The same network under the names of each family.

use super::*;

/// Without token types, which not every family has.
fn base() -> Tiny {
    let mut tiny = Tiny::new();
    tiny.tensors.get_mut("embeddings.token_type_embeddings.weight").unwrap().1.fill(0.0);
    tiny
}

fn row(folder: &Path) -> Vec<f32> {
    pooled(&Bert::load(folder).unwrap(), EncoderPooling::Mean, &[3, 1, 4, 1, 5]).unwrap()
}

#[test]
fn electra_is_a_bert() {
    let tiny = base().with("model_type", "electra".into()).with("embedding_size", WIDTH.into());
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["electra.", ""] {
        tiny.save(folder.path(), prefix, Dtype::F32);
        assert_eq!(row(folder.path()), row(base().folder().path()));
    }
}

#[test]
fn roberta_counts_positions_from_behind_the_padding() {
    let mut tiny = base().with("model_type", "roberta".into()).with("pad_token_id", 1.into());
    tiny = tiny.with("max_position_embeddings", (POSITIONS + 2).into()).with("type_vocab_size", 1.into());
    let (shape, numbers) = tiny.tensors.get_mut("embeddings.position_embeddings.weight").unwrap();
    shape[0] += 2;
    numbers.splice(0..0, vec![7.0; 2 * WIDTH]);
    let (shape, numbers) = tiny.tensors.get_mut("embeddings.token_type_embeddings.weight").unwrap();
    shape[0] = 1;
    numbers.truncate(WIDTH);
    let folder = tempfile::tempdir().unwrap();
    tiny.save(folder.path(), "roberta.", Dtype::F32);
    assert_eq!(row(folder.path()), row(base().folder().path()));
    assert_eq!(Bert::load(folder.path()).unwrap().config.max_position_embeddings, POSITIONS);
}

#[test]
fn distilbert_has_names_of_its_own() {
    let mut tiny = base();
    tiny.config = json!({
        "model_type": "distilbert", "activation": "gelu", "dim": WIDTH, "n_heads": 2, "n_layers": 2,
        "hidden_dim": INNER, "max_position_embeddings": POSITIONS, "vocab_size": ROWS, "pad_token_id": 0
    });
    let names = [
        ("encoder.layer", "transformer.layer"),
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
        ("output.LayerNorm", "output_layer_norm"),
    ];
    let renamed = |name: &String| names.iter().fold(name.clone(), |name, (from, to)| name.replace(from, to));
    tiny.tensors.remove("embeddings.token_type_embeddings.weight");
    tiny.tensors = tiny.tensors.iter().map(|(name, tensor)| (renamed(name), tensor.clone())).collect();
    let folder = tempfile::tempdir().unwrap();
    tiny.save(folder.path(), "distilbert.", Dtype::F32);
    assert_eq!(row(folder.path()), row(base().folder().path()));
}

/// What is written is a BERT, whatever was read.
#[test]
fn what_is_saved_is_read_as_a_bert() {
    let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    Tiny::new().with("model_type", "electra".into()).save(one.path(), "electra.", Dtype::F32);
    Bert::load(one.path()).unwrap().save(two.path()).unwrap();
    assert_eq!(row(two.path()), row(one.path()));
    let config = fs::read_to_string(two.path().join("config.json")).unwrap();
    assert!(config.contains(r#""model_type": "bert""#), "{config}");
}
