//! `typecase tokenize`.

use serde_json::{Value, json as object};
use typecase_engine::{Case, Memory};
use typecase_tests::{minimal_case, shapes, subword};
use typecase_text::subword::{Cell, Scratch, Tokenizer};

use crate::cli::{Sandbox, json};
use crate::{has_keys, with_case};

const KEYS: [(&str, char); 6] = [
    ("ids", 'a'),
    ("offsets", 'a'),
    ("truncated", 'b'),
    ("unknown", 'i'),
    ("invalid_utf8", 'i'),
    ("forced_cuts", 'i'),
];

fn with_tokenizer() -> Sandbox {
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "oil", "price", "##s", "soar", "!"];
    let vocabulary: Value =
        pieces.iter().zip(0..).map(|(piece, id)| ((*piece).to_owned(), object!(id))).collect();
    let sandbox = Sandbox::new();
    let file = shapes::bert(&vocabulary);
    sandbox.write("t.json", file.to_string());
    sandbox.write(
        "padded.json",
        shapes::padded(shapes::truncated(file, 4, "Left"), Some(6), None, "Left").to_string(),
    );
    sandbox
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
}

#[test]
fn a_tokenizer_file_gives_ids_and_bytes() {
    let sandbox = with_tokenizer();
    let found = json(
        &sandbox
            .feed("tokenize --tokenizer t.json --json -", "Oil PRICES soar!\n\nzebra\n".as_bytes())
            .done(),
    );
    assert_eq!(found.len(), 3);
    found.iter().for_each(|line| has_keys(line, &KEYS));
    assert_eq!(numbers(&found[0]["ids"]), [2, 5, 6, 7, 8, 9, 3]);
    assert_eq!(found[0]["offsets"], object!([[0, 0], [0, 3], [4, 9], [9, 10], [11, 15], [15, 16], [0, 0]]));
    assert_eq!((&found[0]["truncated"], &found[0]["unknown"]), (&false.into(), &0.into()));
    assert_eq!(numbers(&found[1]["ids"]), [2, 3]);
    assert_eq!((numbers(&found[2]["ids"]), &found[2]["unknown"]), (vec![2, 1, 3], &1.into()));

    let cut = json(
        &sandbox
            .feed("tokenize --tokenizer t.json --max-tokens 4 --json -", b"oil prices soar\n\xFFoil\n")
            .done(),
    );
    assert_eq!((numbers(&cut[0]["ids"]), &cut[0]["truncated"]), (vec![2, 5, 6, 3], &true.into()));
    assert_eq!((numbers(&cut[1]["ids"]), &cut[1]["invalid_utf8"]), (vec![2, 5, 3], &1.into()));

    // Padding is the file's, and the side that is cut is too, whatever the number.
    let padded = json(&sandbox.run("tokenize --tokenizer padded.json --json oil! soar").done());
    assert_eq!(numbers(&padded[0]["ids"]), [1, 1, 2, 5, 9, 3]);
    let padded = json(
        &sandbox.feed("tokenize --tokenizer padded.json --max-tokens 3 --json -", b"oil price soar\n").done(),
    );
    assert_eq!(numbers(&padded[0]["ids"]), [1, 1, 1, 2, 8, 3]);
}

#[test]
fn people_see_what_each_id_comes_from() {
    let sandbox = with_tokenizer();
    let text = sandbox.feed("tokenize --tokenizer padded.json -", b"oil zebra\x1b\n").done();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(text.starts_with("oil zebra\\u{1b}\t6 ids  [1 unknown]  [2 of padding]\n"), "{text}");
    assert_eq!(
        lines[1..],
        [vec!["2", "0..0"], vec!["5", "0..3", "oil"], vec!["1", "4..9", "zebra"], vec!["3", "0..0"]]
    );
    assert!(sandbox.run("tokenize --tokenizer t.json --max-tokens 3 oil,soar").done().contains("[cut: "));
}

#[test]
fn a_case_gives_the_rows_that_it_uses() {
    let sandbox = with_case();
    let case = Case::parse(minimal_case()).unwrap();
    let text = "w1 W2 &amp; zebra w3 w4";
    sandbox.write("text.txt", text);
    let found = json(&sandbox.feed("tokenize --case x.case --json -", text.as_bytes()).done());
    has_keys(&found[0], &KEYS);
    let mut ids = [0; 64];
    let encoded = case.encode_into(text.as_bytes(), &mut Memory { ids: &mut ids, ..Memory::default() });
    let expected: Vec<u64> = ids[..encoded.len].iter().map(|id| u64::from(*id)).collect();
    assert_eq!((numbers(&found[0]["ids"]), &found[0]["unknown"]), (expected, &1.into()));
    for span in found[0]["offsets"].as_array().unwrap() {
        let [start, end] = [0, 1].map(|at| span[at].as_u64().unwrap() as usize);
        assert!(text[start..end].to_lowercase().starts_with('w'), "{span}");
    }
    let cut = json(&sandbox.feed("tokenize --case x.case --max-tokens 1 --json -", text.as_bytes()).done());
    assert_eq!((numbers(&cut[0]["ids"]).len(), &cut[0]["truncated"]), (1, &true.into()));
    // The built-in case answers too.
    assert!(sandbox.run("tokenize oil").done().starts_with("oil\t"));
}

#[test]
fn a_case_with_a_sub_word_tokenizer_gives_its_tokens() {
    let bytes = subword::minimal_case();
    let sandbox = Sandbox::new();
    sandbox.write("s.case", &bytes);
    let case = Case::parse(bytes).unwrap();
    let tokenizer: Tokenizer<'_> = case.tokenizer().unwrap();
    let text = "W1 w23 x. W4";
    let (mut ids, mut cells) = ([0; 64], vec![Cell::default(); tokenizer.scratch_cells()]);
    let output = typecase_text::subword::Output { ids: &mut ids, spans: &mut [], special: false };
    let encoded = tokenizer.encode(text.as_bytes(), output, &mut Scratch::new(&mut cells)).unwrap();
    let expected: Vec<u64> = ids[..encoded.len].iter().map(|id| u64::from(*id)).collect();
    let found = json(&sandbox.feed("tokenize --case s.case --json -", text.as_bytes()).done());
    has_keys(&found[0], &KEYS);
    assert_eq!(numbers(&found[0]["ids"]), expected);
    let refused = sandbox.run("tokenize --case s.case --max-tokens 2 oil");
    let (message, help) = refused.failure(2);
    assert_eq!(message, "error: --max-tokens 2 found, a case with a sub-word tokenizer has its own limit");
    assert_eq!(help, Some("help: typecase tokenize --tokenizer FILE.json takes any"));
}
