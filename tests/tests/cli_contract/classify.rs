//! `typecase classify`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::cli::{json, words};
use crate::{has_keys, with_case};

const KEYS: [(&str, char); 13] = [
    ("label", 's'),
    ("label_index", 'i'),
    ("probability", 'n'),
    ("scores", 'a'),
    ("score_scale", 'n'),
    ("top", 'a'),
    ("truncated", 'b'),
    ("unknown_share", 'n'),
    ("abstain", 'b'),
    ("tokens", 'i'),
    ("invalid_utf8", 'i'),
    ("backend", 's'),
    ("microseconds", 'n'),
];

#[test]
fn a_text_gets_one_object_with_every_key() {
    let found = json(&with_case().run("classify --case x.case --json w1").done());
    assert_eq!(found.len(), 1);
    has_keys(&found[0], &KEYS);
    let object = &found[0];
    let scores: Vec<i64> =
        object["scores"].as_array().unwrap().iter().map(|score| score.as_i64().unwrap()).collect();
    let best = usize::try_from(object["label_index"].as_u64().unwrap()).unwrap();
    assert_eq!((scores.len(), scores.iter().max()), (3, scores.get(best)));
    assert_eq!(object["label"], ["world", "sport", "tech"][best]);
    assert_eq!(object["top"], serde_json::json!([[object["label"], object["probability"]]]));
    assert_eq!(object["backend"], "native");

    // The probability is the softmax of the exact scores.
    let scale = object["score_scale"].as_f64().unwrap();
    let sum: f64 = scores.iter().map(|&score| ((score - scores[best]) as f64 * scale).exp()).sum();
    assert!((object["probability"].as_f64().unwrap() - 1.0 / sum).abs() < 1e-4);
}

#[test]
fn several_texts_get_one_line_each_in_their_order() {
    let sandbox = with_case();
    let mut command =
        sandbox.command(&["classify", "--case", "x.case", "--json", "w1", "w2 w3", "zebra", ""]);
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let found = json(&out);
    assert_eq!(found.len(), 4);
    let unknown: Vec<_> = found.iter().map(|object| object["unknown_share"].as_f64().unwrap()).collect();
    assert_eq!(unknown, [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(found[3]["tokens"], 0);

    // The same texts from a file and from standard input.
    sandbox.write("texts.txt", "w1\r\nw2 w3\nzebra\n\n");
    let file = json(&sandbox.run("classify --case x.case --json --file texts.txt").done());
    let piped = json(&sandbox.feed("classify --case x.case --json -", b"w1\nw2 w3\nzebra\n\n").done());
    for others in [file, piped] {
        for (one, other) in found.iter().zip(&others) {
            KEYS.iter()
                .filter(|key| key.0 != "microseconds")
                .for_each(|(key, _)| assert_eq!(one[key], other[key]));
        }
        assert_eq!(others.len(), 4);
    }
}

#[test]
fn the_top_classes_fall_and_add_up() {
    let sandbox = with_case();
    for (asked, shown) in [(1, 1), (2, 2), (3, 3), (60_000, 3)] {
        let found = json(&sandbox.run(&format!("classify --case x.case --json --top {asked} w1")).done());
        let top = found[0]["top"].as_array().unwrap();
        assert_eq!(top.len(), shown);
        let probabilities: Vec<f64> = top.iter().map(|pair| pair[1].as_f64().unwrap()).collect();
        assert!(probabilities.is_sorted_by(|a, b| a >= b), "{probabilities:?}");
        if shown == 3 {
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{probabilities:?}");
        }
    }
    let text = sandbox.run("classify --case x.case --top 3 w1").done();
    assert_eq!(text.matches(" %").count(), 3, "{text}");
    assert!(text.ends_with("\tw1\n"), "{text}");
}

#[test]
fn standard_input_is_answered_line_by_line() {
    let sandbox = with_case();
    let mut child =
        sandbox.command(&words("classify --case x.case --json -")).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for text in ["w1", "", "w2 \u{fffd}", "w3"] {
        writeln!(input, "{text}").unwrap();
        let mut line = String::new();
        // Would wait for ever if the answer did not come before the next question.
        output.read_line(&mut line).unwrap();
        has_keys(&json(&line)[0], &KEYS);
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn bytes_that_are_no_text_are_counted_and_classified() {
    let sandbox = with_case();
    let found =
        json(&sandbox.feed("classify --case x.case --json -", b"\xFFw9\nw9\n\xC3\x28\xF0\x9F\n").done());
    let invalid: Vec<_> = found.iter().map(|object| object["invalid_utf8"].as_u64().unwrap()).collect();
    assert_eq!(invalid, [1, 0, 2]);
    assert_eq!(found[0]["scores"], found[1]["scores"]);
    let text = sandbox.feed("classify --case x.case -", b"\xFF\x1b[31mw9\n").done();
    assert!(!text.trim_end().contains(|c: char| c.is_control() && c != '\t'), "{text:?}");
}

#[test]
fn what_is_cut_and_what_is_unknown_is_said() {
    let sandbox = with_case();
    let long = "w1 ".repeat(100);
    let arguments = |json: bool| {
        let mut arguments = vec!["classify", "--case", "x.case", &long, "zebra"];
        arguments.extend(json.then_some("--json"));
        let output = sandbox.command(&arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let found = json(&arguments(true));
    assert_eq!((&found[0]["truncated"], &found[1]["truncated"]), (&true.into(), &false.into()));
    let text = arguments(false);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("[cut: ") && lines[1].contains("[no word is known]"), "{text}");
}

#[test]
fn an_explanation_weighs_each_word() {
    let sandbox = with_case();
    let mut command =
        sandbox.command(&["classify", "--case", "x.case", "--json", "--explain", "w1 zebra w2"]);
    let found = json(std::str::from_utf8(&command.output().unwrap().stdout).unwrap());
    let weights = found[0]["explain"].as_array().unwrap();
    let mut seen: Vec<&str> = weights.iter().map(|weight| weight["word"].as_str().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["w1", "w2", "zebra"]);
    let sizes: Vec<f64> = weights.iter().map(|w| w["probability"].as_f64().unwrap().abs()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    let words = "w1 ".repeat(30);
    let mut command = sandbox.command(&["classify", "--case", "x.case", "--explain", &words]);
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(text.lines().count(), 11, "the verdict, then ten words at most:\n{text}");
}
