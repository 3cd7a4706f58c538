//! The files that stand in the folder of every row.

use serde_json::{Value, json};
use typecase_tests::{header, minimal_case, put, seal, shapes};

use crate::checkpoints;
use crate::cli::Sandbox;

/// What rows read that name `-`: its third line is not UTF-8.
pub(crate) const STANDARD_INPUT: &[u8] = b"\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4\"\n\"3\",\"w5\",\"\xFF\"\n";

const RECIPE: &str = "name = \"bad\"\n[data]\ntrain = [\"good.csv\"]\n";

/// Writes all files.
pub(crate) fn furnish(sandbox: &Sandbox) {
    cases(sandbox);
    data(sandbox);
    recipes(sandbox);
    checkpoints(sandbox);
    tokenizers(sandbox);
    sandbox.write("folder/inside.txt", "");
}

fn cases(sandbox: &Sandbox) {
    let good = minimal_case();
    sandbox.write("ok.case", &good);
    sandbox.write("empty.case", "");
    for eighth in 1..8 {
        sandbox.write(&format!("cut-{eighth}.case"), &good[..good.len() * eighth / 8]);
    }
    let mut longer = good.clone();
    longer.push(0);
    sandbox.write("longer.case", longer);
    let mut major = good.clone();
    put(&mut major, header::MAJOR, 2);
    sandbox.write("major-unsealed.case", &major);
    seal(&mut major);
    sandbox.write("major.case", major);
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    sandbox.write("damaged.case", damaged);
    sandbox.write("text.case", "this is a letter and no case\n".repeat(100));
}

fn tokenizers(sandbox: &Sandbox) {
    let vocabulary: Value =
        shapes::BERT.iter().zip(0..).map(|(piece, id)| ((*piece).to_owned(), json!(id))).collect();
    let good = shapes::bert(&vocabulary);
    let text = good.to_string();
    sandbox.write("tokenizer-cut.json", &text[..text.len() / 2]);
    sandbox.write("tokenizer.json", text);
    let mut split = good.clone();
    split["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "Isolated",
                                    "invert": false});
    sandbox.write("tokenizer-split.json", split.to_string());
    let mut id = good;
    id["model"]["vocab"]["[SEP]"] = "3".into();
    sandbox.write("tokenizer-id.json", id.to_string());
}

fn data(sandbox: &Sandbox) {
    let table: [(&str, &[u8]); 15] = [
        ("good.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4\"\n\"3\",\"w5\",\"w6\"\n\"1\",\"w7\",\"w8\"\n\"2\",\"w1\",\"w9\"\n\"3\",\"w2\",\"w9\"\n"),
        ("empty.csv", b""),
        ("blank.csv", b"\n\n \n"),
        ("columns.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"w3\"\n"),
        ("more-columns.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4\",\"w5\"\n"),
        ("class.csv", b"\"1\",\"w1\",\"w2\"\n\"4\",\"w3\",\"w4\"\n"),
        ("class-word.csv", b"\"1\",\"w1\",\"w2\"\n\"sport\",\"w3\",\"w4\"\n"),
        ("utf8.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4 \xC3\"\n"),
        ("utf16.csv", b"\xFF\xFE1\0,\0a\0\n\0"),
        ("quote.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4\n"),
        ("quote-inside.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"w\"3\",\"w4\"\n"),
        ("blank-text.csv", b"\"1\",\"w1\",\"w2\"\n\"2\",\"\",\" \"\n"),
        ("one-class.csv", b"\"1\",\"w1\",\"w2\"\n\"1\",\"w3\",\"w4\"\n"),
        ("noise.bin", b"\x00\x01\x02\x03 nothing of note\n"),
        ("control.csv", b"label,text\n\x1B[31m,w1\n"),
    ];
    table.iter().for_each(|(name, bytes)| sandbox.write(name, bytes));

    sandbox.write("numbers.csv", "label,text\n1,w1\n0,w2\n");
    sandbox.write("empty.txt", "\n \n");
    sandbox.write("utf8.txt", b"w1\nw2 \xFF\n");
    sandbox.write("bad-log/log.jsonl", "{\"event\":\"data\"}\nstep 5\n");
    sandbox.write("short-log/log.jsonl", "{\"event\":\"data\"}\n");
    sandbox.write("header.csv", "topic,title\nsport,w1\n");
    sandbox.write("header-class.csv", "label,text\nworld,w1\npolitics,w2\n");
    sandbox.write("header-only.csv", "label,text\n");
    sandbox.write("header-twice.csv", "label,text,text\nworld,w1,w2\n");
    sandbox.write("header-short.tsv", "label\ttext\nworld\tw1\nsport\n");
    let first = "{\"text\": \"w1\", \"label\": \"world\"}\n";
    let lines = [
        ("syntax.jsonl", "{\"text\": \"w2\", \"label\": \n"),
        ("array.jsonl", "[\"w2\", \"world\"]\n"),
        ("type.jsonl", "{\"text\": 5, \"label\": \"world\"}\n"),
        ("key.jsonl", "{\"text\": \"w2\", \"class\": \"world\"}\n"),
        ("class.jsonl", "{\"text\": \"w2\", \"label\": \"politics\"}\n"),
        ("index.jsonl", "{\"text\": \"w2\", \"label\": 3}\n"),
    ];
    lines.iter().for_each(|(name, line)| sandbox.write(name, format!("{first}{line}")));
    sandbox.write("utf8.jsonl", [first.as_bytes(), b"{\"text\": \"\xFF\", \"label\": \"world\"}\n"].concat());

    let run = |length: u32| {
        format!(
            "{{\"machine\":\"m\",\"command\":\"c\",\"commit\":\"x\",\"rows\":[{{\"engine\":\"native\",\"version\":\"0\",\
            \"case\":\"a\",\"length\":{length},\"threads\":1,\"runs\":100,\"p50_us\":1.0,\"p90_us\":1.0,\"p99_us\":1.0,\
            \"min_us\":1.0,\"ratio_vs\":{{}},\"open_us\":1.0,\"first_answer_us\":1.0,\"peak_rss_kib\":null,\
            \"energy_uj\":null,\"throttled\":false}}]}}\n"
        )
    };
    sandbox.write("run-16.json", run(16));
    sandbox.write("run-48.json", run(48));
    sandbox.write("run-cut.json", &run(16)[..40]);
}

fn recipes(sandbox: &Sandbox) {
    let table = [
        ("recipe.toml", ""),
        ("key.toml", "[train]\ncosts = 1.0\n"),
        ("table.toml", "[training]\ncost = 1.0\n"),
        ("type.toml", "[train]\nepochs = \"many\"\n"),
        ("negative.toml", "[train]\nseed = -1\n"),
        ("cost.toml", "[train]\ncost = 0.0\n"),
        ("cost-nan.toml", "[train]\ncost = nan\n"),
        ("epochs.toml", "[train]\nepochs = 0\n"),
        ("keep.toml", "[train]\nkeep = [10, 20]\n"),
        ("weights.toml", "[train]\nclass_weights = [1.0, 1.0]\n"),
        ("weight-negative.toml", "[train]\nclass_weights = [1.0, -1.0, 1.0]\n"),
        ("pooling.toml", "[train]\npooling = \"max\"\n"),
        ("ngrams.toml", "[text]\nword_ngrams = 7\n"),
        ("characters.toml", "[text]\nchar_ngrams_min = 4\nchar_ngrams_max = 3\n"),
        ("bytes.toml", "[text]\nmax_bytes = 0\n"),
        ("size.toml", "[convert]\nmax_size = \"64kb\"\n"),
        ("bits.toml", "[convert]\nweights = \"int2\"\n"),
        ("drop.toml", "[convert]\nmax_drop = -0.5\n"),
        ("answered.toml", "[convert]\nanswered_accuracy = 0.0\n"),
        ("fingerprint.toml", "[convert]\nfingerprint_bits = 12\n"),
        ("encoder.toml", "[encoder]\nfolder = \"network\"\n"),
        ("encoder-key.toml", "[encoder]\nfolder = \"network\"\n[encoder.training]\nlabel_smooting = 0.1\n"),
        ("encoder-pooling.toml", "[encoder]\nfolder = \"network\"\npooling = \"men\"\n"),
        ("encoder-rate.toml", "[encoder]\nfolder = \"network\"\n[encoder.training]\nrate = 2.0\n"),
        ("encoder-layers.toml", "[encoder]\nfolder = \"network\"\n[encoder.shrink]\nlayers = [4, 2]\n"),
        ("encoder-fresh.toml", "[encoder]\nfolder = \"network\"\nfresh = { layers = 2, width = 16 }\n"),
        ("no-teacher.toml", "[distillation]\nteachers = []\n"),
        ("absent-teacher.toml", "[distillation]\nteachers = [{ path = \"nowhere.case\" }]\n"),
        ("no-model-teacher.toml", "[distillation]\nteachers = [{ path = \"folder\" }]\n"),
        ("states-of-a-bag.toml", "[distillation]\nteachers = [{ path = \"t.case\" }]\nstates = 1.0\n"),
        ("copies.toml", "[augmentation]\ncopies = 0\n"),
        ("splice.toml", "[augmentation]\nsplice = 0.6\ncut = 0.6\n"),
        ("words-of-a-bag.toml", "[pretraining]\n"),
    ];
    table.iter().for_each(|(name, more)| sandbox.write(name, format!("{RECIPE}{more}")));
    let encoder = "name = \"e\"\nlabels = [\"a\", \"b\", \"c\"]\npooling = \"mean\"\nhead = \"linear\"\n\
                   max_tokens = 16\ntemperature = 1.0\n[provenance]\n";
    sandbox.write("encoder/encoder.toml", encoder);
    checkpoints::tiny_encoder(&sandbox.path("encoder-other"));
    sandbox.write("encoder-other/encoder.toml", encoder.replace("\"c\"", "\"d\""));
    sandbox.write("encoder-max/encoder.toml", encoder.replace("mean", "max"));
    sandbox.write("encoder-key/encoder.toml", encoder.replace("head", "heads"));
    sandbox.write("encoder-label/encoder.toml", encoder.replace(", \"b\", \"c\"", ""));
    sandbox.write("syntax.toml", "name = \"bad\n[data]\n");
    sandbox.write("no-name.toml", "[data]\ntrain = [\"good.csv\"]\n");
    sandbox.write("no-data.toml", "name = \"bad\"\n[data]\ntrain = []\n");
    sandbox.write("slash.toml", RECIPE.replace("\"bad\"", "\"../bad\""));
    sandbox.write("share.toml", format!("{RECIPE}validation_share = 1.0\n"));
    sandbox.write("format.toml", format!("{RECIPE}format = \"xml\"\n"));
    sandbox.write("golden.toml", RECIPE.replace("[data]", "golden = \"nowhere.txt\"\n[data]"));
    sandbox.write("golden-few.toml", RECIPE.replace("[data]", "golden = \"folder/inside.txt\"\n[data]"));
    let with_data = [
        ("missing-data.toml", "missing.csv"),
        ("bad-data.toml", "columns.csv"),
        ("open-quote.toml", "quote.csv"),
        ("one-class.toml", "one-class.csv"),
        ("empty-data.toml", "empty.csv"),
    ];
    with_data.iter().for_each(|(name, data)| sandbox.write(name, RECIPE.replace("good.csv", data)));
    sandbox.write("damaged-state/state.safetensors", [7; 64]);
    sandbox.write("a-file", "");
}

fn checkpoints(sandbox: &Sandbox) {
    let good = checkpoints::tiny();
    let names = [
        "checkpoint",
        "checkpoint-cut",
        "checkpoint-format",
        "checkpoint-key",
        "checkpoint-pooling",
        "checkpoint-tensors",
        "checkpoint-validation",
    ];
    names.iter().for_each(|name| good.save(&sandbox.path(name)).unwrap());
    let (toml, tensors) = ("checkpoint.toml", "checkpoint.safetensors");
    let cut = sandbox.read(&format!("checkpoint/{tensors}"));
    sandbox.write(&format!("checkpoint-cut/{tensors}"), &cut[..cut.len() - 4]);
    std::fs::remove_file(sandbox.path(&format!("checkpoint-tensors/{tensors}"))).unwrap();
    let text = String::from_utf8(sandbox.read(&format!("checkpoint/{toml}"))).unwrap();
    let replace = |folder: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        sandbox.write(&format!("{folder}/{toml}"), text.replace(from, to));
    };
    replace("checkpoint-format", "format = 1", "format = 3");
    replace("checkpoint-key", "format = 1", "format = 1\nauthor = \"me\"");
    replace("checkpoint-pooling", "square-root", "max");
    sandbox
        .write("checkpoint-validation/validation.jsonl", "{\"text\": \"alpha\", \"label\": \"politics\"}\n");

    let changed = |name: &str, change: fn(&mut typecase_convert::Checkpoint)| {
        let mut checkpoint = good.clone();
        change(&mut checkpoint);
        checkpoint.save(&sandbox.path(name)).unwrap();
    };
    changed("checkpoint-nan", |checkpoint| checkpoint.embedding[4] = f32::NAN);
    changed("checkpoint-temperature", |checkpoint| checkpoint.temperature = 0.0);
    changed("checkpoint-twice", |checkpoint| checkpoint.features[1] = checkpoint.features[0]);
    changed("checkpoint-label", |checkpoint| {
        checkpoint.labels.pop();
    });
    changed("checkpoint-no-class", |checkpoint| {
        (checkpoint.labels, checkpoint.bias, checkpoint.embedding) = Default::default();
        checkpoint.width = 0;
    });
    changed("checkpoint-no-row", |checkpoint| {
        (checkpoint.features, checkpoint.counts, checkpoint.embedding) = Default::default();
    });
}
