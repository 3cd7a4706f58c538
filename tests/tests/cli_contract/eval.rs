//! `typecase eval`.

use serde_json::Value;

use crate::cli::{SAMPLE_CSV, Sandbox, json};
use crate::{has_keys, with_case};

pub(crate) const KEYS: [(&str, char); 18] = [
    ("case", 's'),
    ("digest", 's'),
    ("backend", 's'),
    ("bytes", 'i'),
    ("items", 'i'),
    ("correct", 'i'),
    ("accuracy", 'n'),
    ("ci95", 'a'),
    ("macro_f1", 'n'),
    ("ece", 'n'),
    ("per_class", 'a'),
    ("confusion", 'a'),
    ("truncated", 'i'),
    ("abstained", 'i'),
    ("seconds", 'n'),
    ("texts_per_second", 'n'),
    ("calibration", 'o'),
    ("lengths", 'a'),
];

/// The sample data, for the case that is built in.
fn with_sample() -> Sandbox {
    let sandbox = with_case();
    sandbox.write("news.csv", SAMPLE_CSV);
    sandbox
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
}

#[test]
fn an_evaluation_has_every_key_and_its_figures_agree() {
    let found = json(&with_sample().run("eval --data news.csv --json").done());
    let [object] = found.as_slice() else { panic!("one object expected: {found:?}") };
    has_keys(object, &KEYS);
    assert_eq!((&object["case"], &object["backend"]), (&"news-64k".into(), &"native".into()));
    let digest = object["digest"].as_str().unwrap();
    assert!(digest.len() == 71 && digest.starts_with("sha256:"), "{digest}");
    assert_eq!(object["items"], 480);

    let confusion: Vec<Vec<u64>> = object["confusion"].as_array().unwrap().iter().map(numbers).collect();
    let diagonal: u64 = (0..4).map(|class| confusion[class][class]).sum();
    assert_eq!(object["correct"], diagonal);
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 480);
    let accuracy = object["accuracy"].as_f64().unwrap();
    assert!((accuracy - diagonal as f64 / 480.0).abs() < 1e-9);
    let interval: Vec<f64> = object["ci95"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    assert!(interval[0] < accuracy && accuracy < interval[1] && interval[1] <= 1.0, "{interval:?}");

    let classes = object["per_class"].as_array().unwrap();
    let mut f1_sum = 0.0;
    for (index, class) in classes.iter().enumerate() {
        has_keys(class, &[("label", 's'), ("precision", 'n'), ("recall", 'n'), ("f1", 'n'), ("items", 'i')]);
        let right = confusion[index][index] as f64;
        let (row, column) =
            (confusion[index].iter().sum::<u64>(), confusion.iter().map(|row| row[index]).sum::<u64>());
        assert_eq!(class["items"], row);
        assert!((class["recall"].as_f64().unwrap() - right / row as f64).abs() < 1e-9);
        assert!((class["precision"].as_f64().unwrap() - right / column as f64).abs() < 1e-9);
        f1_sum += class["f1"].as_f64().unwrap();
    }
    assert!((object["macro_f1"].as_f64().unwrap() - f1_sum / 4.0).abs() < 1e-9);
    // Sample texts are no AG News, but news all the same.
    assert!(accuracy > 0.7, "{accuracy}");
    calibration_agrees(&object["calibration"], accuracy, object["ece"].as_f64().unwrap());

    let lengths = object["lengths"].as_array().unwrap();
    lengths.iter().for_each(|group| {
        has_keys(group, &[("words", 'a'), ("items", 'i'), ("accuracy", 'n'), ("ci95", 'a')]);
    });
    assert_eq!(lengths.iter().map(|group| group["items"].as_u64().unwrap()).sum::<u64>(), 480);
}

/// The parts of the calibration agree with each other and with the whole.
fn calibration_agrees(calibration: &Value, accuracy: f64, ece: f64) {
    has_keys(
        calibration,
        &[
            ("temperature", 'n'),
            ("brier", 'n'),
            ("nll", 'n'),
            ("bins", 'a'),
            ("aurc", 'n'),
            ("risk_coverage", 'a'),
            ("abstain", 'o'),
        ],
    );
    let (mut items, mut right, mut distance) = (0.0, 0.0, 0.0);
    let bins = calibration["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 15);
    for bin in bins {
        has_keys(bin, &[("low", 'n'), ("high", 'n'), ("items", 'i'), ("confidence", 'n'), ("accuracy", 'n')]);
        let [count, confidence, share] =
            ["items", "confidence", "accuracy"].map(|key| bin[key].as_f64().unwrap());
        items += count;
        right += count * share;
        distance += count * (confidence - share).abs();
    }
    assert!((right / items - accuracy).abs() < 1e-9 && (distance / items - ece).abs() < 1e-9);
    let last = calibration["risk_coverage"].as_array().unwrap().last().unwrap();
    has_keys(last, &[("coverage", 'n'), ("risk", 'n'), ("probability", 'n')]);
    assert_eq!(last["coverage"], 1.0);
    assert!((last["risk"].as_f64().unwrap() - (1.0 - accuracy)).abs() < 1e-9);
    has_keys(&calibration["abstain"], &[("below", 'n'), ("coverage", 'n'), ("accuracy", 'n')]);
    assert_eq!(calibration["abstain"]["coverage"], 1.0, "this case never abstains");
}

#[test]
fn a_case_compared_with_itself_differs_nowhere() {
    let sandbox = with_sample();
    let rows = "\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4\"\n\"3\",\"w5 w6\",\"w7\"\n";
    sandbox.write("rows.csv", rows);
    let found = json(&sandbox.run("eval --case x.case --vs x.case --data rows.csv --json").done());
    let vs = &found[0]["vs"];
    has_keys(
        vs,
        &[
            ("case", 's'),
            ("digest", 's'),
            ("accuracy", 'n'),
            ("b", 'i'),
            ("c", 'i'),
            ("mcnemar_p", 'n'),
            ("difference", 'n'),
            ("difference_ci95", 'a'),
        ],
    );
    assert_eq!((&vs["difference"], &vs["difference_ci95"]), (&0.0.into(), &serde_json::json!([0.0, 0.0])));
    assert_eq!((&vs["b"], &vs["c"], &vs["mcnemar_p"]), (&0.into(), &0.into(), &1.0.into()));
    assert_eq!((&vs["digest"], &vs["accuracy"]), (&found[0]["digest"], &found[0]["accuracy"]));
    // Without it there is no such key.
    let found = json(&sandbox.run("eval --case x.case --data rows.csv --json").done());
    has_keys(&found[0], &KEYS);
}

#[test]
fn an_evaluation_does_not_depend_on_the_form_of_the_data() {
    let sandbox = with_case();
    let rows = [("world", "w1 w2"), ("sport", "w3, \"w4\""), ("tech", "w5")];
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let csv: String = rows.iter().map(|(label, text)| format!("{},{label}\n", quoted(text))).collect();
    let tsv: String = rows.iter().map(|(label, text)| format!("{label}\t{}\n", quoted(text))).collect();
    let json_lines: String = rows
        .iter()
        .map(|(label, text)| serde_json::json!({"label": label, "text": text}).to_string() + "\n")
        .collect();
    let ag: String =
        (1..).zip(rows).map(|(class, (_, text))| format!("\"{class}\",{}\n", quoted(text))).collect();
    sandbox.write("rows.csv", format!("text,label\n{csv}"));
    sandbox.write("rows.tsv", format!("topic\tbody\n{tsv}"));
    sandbox.write("rows.jsonl", json_lines);
    sandbox.write("ag.csv", &ag);
    let figures = |arguments: &str| {
        let mut found =
            json(&sandbox.run(&format!("eval --case x.case --json --data {arguments}")).done()).remove(0);
        let object = found.as_object_mut().unwrap();
        for key in ["seconds", "texts_per_second"] {
            object.remove(key).unwrap();
        }
        found
    };
    let expected = figures("ag.csv");
    assert_eq!(expected["items"], 3);
    for arguments in
        ["rows.csv", "rows.tsv --text-column body --label-column topic", "rows.jsonl", "ag.csv --threads 3"]
    {
        assert_eq!(figures(arguments), expected, "{arguments}");
    }
    let piped = sandbox.feed("eval --case x.case --json --data -", ag.as_bytes()).done();
    assert_eq!(json(&piped)[0]["confusion"], expected["confusion"]);
}

#[test]
fn bad_rows_are_counted_where_that_is_asked_for() {
    let sandbox = with_case();
    sandbox
        .write("rows.csv", "\"1\",\"w1\",\"w2\"\n\"9\",\"w3\",\"w4\"\n\"2\",\"w3\"\n\"3\",\"w5\",\"w6\"\n");
    let answer = sandbox.run("eval --case x.case --data rows.csv --skip-bad-rows --json");
    assert_eq!(
        answer.err,
        "note: rows.csv: 2 bad rows left out, the first: rows.csv, line 2, column 1: class 9 is unknown, allowed are 1 to 3\n"
    );
    assert_eq!(json(&answer.done())[0]["items"], 2);
}

#[test]
fn a_report_is_one_page_without_scripts_or_addresses() {
    let sandbox = with_sample();
    let answer = sandbox.run("eval --data news.csv --report report.html");
    assert!(answer.done().contains("  accuracy     "));
    let page = String::from_utf8(sandbox.read("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for word in ["<script", "http:", "https:", "src="] {
        assert!(!page.contains(word), "{word} is in the report");
    }
    for word in ["news-64k", "Sci/Tech", "Confusion", "480 texts"] {
        assert!(page.contains(word), "{word} is not in the report");
    }
    assert!(!sandbox.list(".").iter().any(|name| name.ends_with(".new")));
}
