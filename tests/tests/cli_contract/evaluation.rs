//! `typecase eval`: what it measures where that is asked for, and of checkpoints.

use serde_json::{Value, json};

use crate::cli::{SAMPLE_CSV, Sandbox, json as lines};
use crate::{checkpoints, has_keys, with_case};

/// Everything that can be asked for of the files of [`with_all`].
const ALL: &str = "--errors 3 --noise 4 --robust --ood out.txt --ood rows.csv --run run";

/// The sample data, texts of another domain and the log of a run.
fn with_all() -> Sandbox {
    let sandbox = with_case();
    sandbox.write("news.csv", SAMPLE_CSV);
    let questions = "how far is it from here to there\na stirring re-imagining of beauty\n\nwho was he\n";
    sandbox.write("out.txt", questions);
    sandbox.write("rows.csv", "kind,title,body\nq,how long,is it\n,what is <b>,this\n");
    let epoch = |epoch: u32| {
        let loss = 1.0 / f64::from(epoch);
        json!({"event": "epoch", "stage": 1, "epoch": epoch, "validation_loss": loss, "validation_accuracy": 0.5})
    };
    sandbox.write("run/log.jsonl", format!("{}\n{}\n", epoch(1), epoch(2)));
    sandbox
}

/// The figures, one object.
fn figures(sandbox: &Sandbox, line: &str) -> Value {
    lines(&sandbox.run(line).done()).remove(0)
}

/// The figures but for the time.
fn timeless(sandbox: &Sandbox, line: &str) -> Value {
    let mut found = figures(sandbox, line);
    let object = found.as_object_mut().unwrap();
    ["seconds", "texts_per_second"].iter().for_each(|key| drop(object.remove(*key).unwrap()));
    found
}

#[test]
fn what_is_asked_for_stands_under_a_key_of_its_own() {
    let sandbox = with_all();
    let found = timeless(&sandbox, &format!("eval --data news.csv --json {ALL}"));
    let errors = found["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 3);
    let mut before = 1.0;
    for error in errors {
        let keys = [("item", 'i'), ("text", 's'), ("truth", 's'), ("predicted", 's'), ("probability", 'n')];
        has_keys(error, &keys);
        assert_ne!(error["truth"], error["predicted"]);
        let probability = error["probability"].as_f64().unwrap();
        assert!(probability <= before, "the most confident first");
        before = probability;
    }
    noise_has_its_keys(&found["noise"]);
    assert!(found["noise"]["items"].as_array().unwrap().len() <= 4);
    let rows = found["robustness"]["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &found["robustness"]["seed"]), (12, &1.into()));
    let keys = [("corruption", 's'), ("rate", 'n'), ("accuracy", 'n'), ("ci95", 'a'), ("unchanged", 'n')];
    rows.iter().for_each(|row| has_keys(row, &keys));
    // No feature of this case knows capitals.
    let lower = rows.iter().find(|row| row["corruption"] == "lower-case").unwrap();
    assert_eq!((&lower["unchanged"], &lower["accuracy"]), (&1.0.into(), &found["accuracy"]));
    let ood = found["ood"].as_array().unwrap();
    let texts: Vec<_> =
        ood.iter().map(|file| (file["file"].as_str().unwrap(), file["texts"].as_u64())).collect();
    assert_eq!(texts, [("out.txt", Some(3)), ("rows.csv", Some(2))]);
    for score in [&ood[0]["probability"], &ood[0]["energy"]] {
        has_keys(score, &[("auroc", 'n'), ("fpr95", 'n')]);
        assert!(score["auroc"].as_f64().unwrap() > 0.5, "questions are no news: {score}");
    }
    let curves = json!([
        {"name": "validation_loss", "points": [[1.0, 1.0], [2.0, 0.5]]},
        {"name": "validation_accuracy", "points": [[1.0, 0.5], [2.0, 0.5]]}
    ]);
    assert_eq!(found["run"], curves);
}

fn noise_has_its_keys(noise: &Value) {
    let keys = [("candidates", 'i'), ("thresholds", 'a'), ("confident_joint", 'a'), ("items", 'a')];
    has_keys(noise, &keys);
    for item in noise["items"].as_array().unwrap() {
        has_keys(
            item,
            &[
                ("item", 'i'),
                ("text", 's'),
                ("given", 's'),
                ("given_probability", 'n'),
                ("suggested", 's'),
                ("suggested_probability", 'n'),
            ],
        );
    }
}

#[test]
fn labels_that_were_changed_are_found() {
    let sandbox = with_case();
    let mut rows: Vec<String> = SAMPLE_CSV.lines().map(str::to_owned).collect();
    for row in &mut rows[..8] {
        // A row begins with its class in quotes.
        let class: u32 = row[1..2].parse().unwrap();
        row.replace_range(1..2, &(class % 4 + 1).to_string());
    }
    sandbox.write("noisy.csv", rows.join("\n"));
    let noise = &figures(&sandbox, "eval --data noisy.csv --noise 6 --json")["noise"];
    noise_has_its_keys(noise);
    let items = noise["items"].as_array().unwrap();
    assert_eq!(items.len(), 6);
    let mut before = 0.0;
    for item in items {
        assert!(item["item"].as_u64().unwrap() < 8, "{item} was not changed");
        assert_ne!(item["given"], item["suggested"]);
        let probability = item["given_probability"].as_f64().unwrap();
        assert!(probability >= before, "the least probable first");
        before = probability;
    }
    let joint: u64 =
        noise["confident_joint"].as_array().unwrap().iter().enumerate().fold(0, |sum, (given, row)| {
            let row = row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).enumerate();
            sum + row.filter(|(class, _)| *class != given).map(|(_, n)| n).sum::<u64>()
        });
    assert_eq!(noise["candidates"], joint);
}

#[test]
fn people_are_told_what_was_asked_for() {
    let text = with_all().run(&format!("eval --data news.csv {ALL}")).done();
    for line in [
        "  calibration  ",
        "  risk         ",
        " words ",
        "most confident errors",
        " labels that may be wrong",
        "under damage",
        "  typos 5 % ",
        "against 3 texts of out.txt",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[test]
fn figures_follow_from_the_seed_and_not_from_the_threads() {
    let sandbox = with_all();
    let row = |nth: u32| {
        let class = nth % 3 + 1;
        format!("\"{class}\",\"w{nth} some words\",\"w{} more of them\"\n", nth % 7)
    };
    sandbox.write("few.csv", (0..40).map(row).collect::<String>());
    let line = format!("eval --case x.case --vs x.case --data few.csv --json {ALL}");
    let found = timeless(&sandbox, &line);
    assert_eq!(found, timeless(&sandbox, &format!("{line} --threads 3")));
    assert_eq!(found, timeless(&sandbox, &format!("{line} --seed 1")));
    let other = timeless(&sandbox, &format!("{line} --seed 2"));
    assert_eq!((&found["calibration"], &found["ood"]), (&other["calibration"], &other["ood"]));
    assert_ne!(found["robustness"], other["robustness"]);
}

/// Two checkpoints that know one word a class, and rows of which the last is labelled wrong.
fn with_checkpoints() -> Sandbox {
    let sandbox = Sandbox::new();
    checkpoints::tiny().save(&sandbox.path("bag")).unwrap();
    checkpoints::tiny_encoder(&sandbox.path("encoder"));
    sandbox.write("rows.csv", "label,text\nworld,alpha\nsport,beta beta\ntech,gamma\ntech,alpha\n");
    sandbox
}

#[test]
fn checkpoints_are_evaluated_as_cases_are() {
    let sandbox = with_checkpoints();
    for (folder, name) in [("bag", "tiny"), ("encoder", "tiny-encoder")] {
        let line = format!("eval --checkpoint {folder} --data rows.csv --json --threads 2");
        let found = figures(&sandbox, &line);
        has_keys(&found, &crate::eval::KEYS);
        assert_eq!((&found["case"], &found["backend"]), (&name.into(), &"f32".into()));
        assert_eq!((&found["items"], &found["correct"]), (&4.into(), &3.into()), "{folder}");
        let digest = found["digest"].as_str().unwrap();
        assert!(digest.len() == 71 && digest.starts_with("sha256:"), "{digest}");
        let size = |name: &String| sandbox.read(&format!("{folder}/{name}")).len();
        assert_eq!(found["bytes"], sandbox.list(folder).iter().map(size).sum::<usize>());
    }
}

#[test]
fn cases_and_checkpoints_are_compared_either_way() {
    let sandbox = with_checkpoints();
    sandbox.run("convert bag -o bag.case --calibration rows.csv --max-drop 100").done();
    for both in
        ["--case bag.case --vs bag", "--checkpoint bag --vs encoder", "--checkpoint encoder --vs bag.case"]
    {
        let vs = &figures(&sandbox, &format!("eval {both} --data rows.csv --json"))["vs"];
        assert_eq!((&vs["b"], &vs["c"], &vs["accuracy"]), (&0.into(), &0.into(), &0.75.into()), "{both}");
    }
    // One that gets a class wrong: a resample of four has the item that differs 0 to 3 times, but for 1 in 256.
    let mut poorer = checkpoints::tiny();
    poorer.embedding[8] = -9.0;
    poorer.save(&sandbox.path("poorer")).unwrap();
    let vs = &figures(&sandbox, "eval --checkpoint bag --vs poorer --data rows.csv --json")["vs"];
    assert_eq!((&vs["b"], &vs["c"], &vs["difference"]), (&1.into(), &0.into(), &0.25.into()));
    assert_eq!(vs["difference_ci95"], json!([0.0, 0.75]));
}

#[test]
fn labels_may_be_numbers_where_that_is_said() {
    let sandbox = with_case();
    sandbox.write("rows.csv", "class,row,attacked_text\n1,0,w1\n3,1,w5\n");
    let line = "eval --case x.case --data rows.csv --json --text-column attacked_text --label-column class";
    let found = figures(&sandbox, &format!("{line} --labels-from 1"));
    let classes = found["per_class"].as_array().unwrap();
    let items: Vec<_> = classes.iter().map(|class| class["items"].as_u64().unwrap()).collect();
    assert_eq!(items, [1, 0, 1]);
    sandbox.run(line).failure(2);
}

#[test]
fn a_report_draws_what_was_measured() {
    let sandbox = with_all();
    sandbox.run(&format!("eval --data news.csv {ALL} --report report.html")).done();
    let page = String::from_utf8(sandbox.read("report.html")).unwrap();
    for word in ["<script", "http:", "https:", "src=", "href", "xmlns", "NaN"] {
        assert!(!page.contains(word), "{word} is in the report");
    }
    let headings = [
        "Classes",
        "Confusion",
        "Reliability",
        "Risk and coverage",
        "Accuracy by length",
        "Robustness",
        "Other domains",
        "Most confident errors",
        "Labels that may be wrong",
        "Learning curves",
    ];
    for heading in headings {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading} is not in the report");
    }
    // Confusion, reliability, risk, lengths, damage, loss, accuracy.
    assert_eq!((page.matches("<svg ").count(), page.matches("</svg>").count()), (7, 7));
}

#[test]
fn texts_in_a_report_are_escaped() {
    let sandbox = with_case();
    let rows = "\"1\",\"<script>w1 & \"\"w2\"\"\",\"w3\"\n\"2\",\"<script>w1\",\"w9\"\n\"3\",\"<script>w1\",\"w9\"\n";
    sandbox.write("rows.csv", rows);
    sandbox.run("eval --case x.case --data rows.csv --errors 9 --noise 9 --report report.html").done();
    let page = String::from_utf8(sandbox.read("report.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;w1"), "{page}");
}
