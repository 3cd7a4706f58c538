//! Work that was done and failed its purpose ends with exit code 1, says why in one line, and leaves no trace of what
//! should not be.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "common/cli.rs"]
mod cli;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use cli::{Answer, SAMPLE_CSV, Sandbox, json, words};
use serde_json::json;
use typecase_engine::Kind;
use typecase_tests::{CaseParts, header, minimal_case, number, record};

const RECIPE: &str = "name = \"sample\"\n[data]\ntrain = [\"news.csv\"]\nvalidation_share = 0.25\n";

/// A folder with the sample data and a recipe; `more` is added to it.
fn with_recipe(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("news.csv", SAMPLE_CSV);
    sandbox.write("recipe.toml", format!("{RECIPE}{more}"));
    sandbox
}

/// The same with a checkpoint in `run`.
fn with_checkpoint(more: &str) -> Sandbox {
    let sandbox = with_recipe(more);
    assert_eq!(sandbox.run("train --recipe recipe.toml --data . --out run").done(), "run\n");
    sandbox
}

const GATE_HELP: Option<&str> =
    Some("help: raise --max-size or --max-drop, or train for the size (train.keep in the recipe)");

#[test]
fn a_case_that_cannot_be_small_enough_is_not_written() {
    let sandbox = with_checkpoint("");
    sandbox.write("out.case", "an older file");
    let answer = sandbox.run("convert run -o out.case --max-size 1000");
    let (error, help) = answer.failure(1);
    assert!(error.starts_with("error: gate: case has ") && error.contains(", allowed are 1000: "), "{error}");
    assert_eq!((help, answer.out.as_str()), (GATE_HELP, ""));
    assert_eq!(sandbox.read("out.case"), b"an older file");
    assert_eq!(sandbox.list("."), ["news.csv", "out.case", "recipe.toml", "run"]);
}

#[test]
fn a_case_that_loses_too_much_is_not_written() {
    let sandbox = with_checkpoint("");
    let answer = sandbox.run("convert run -o out.case --max-size 3000 --max-drop 0");
    let (error, help) = answer.failure(1);
    assert!(error.starts_with("error: gate: accuracy on 120 held-out items fell by "), "{error}");
    assert!(error.contains(", allowed are 0 points; 3000 left room for "), "{error}");
    assert_eq!((help, answer.out.as_str()), (GATE_HELP, ""));
    assert_eq!(sandbox.list("."), ["news.csv", "recipe.toml", "run"]);

    // The same case passes where the loss is allowed, and is within the limit.
    sandbox.run("convert run -o out.case --max-size 3000 --max-drop 100").done();
    assert!(sandbox.read("out.case").len() <= 3000);
}

#[test]
fn a_threshold_is_chosen_for_the_accuracy_of_the_answers() {
    let sandbox = with_checkpoint("");
    let line = "convert run -o out.case --max-drop 100 --json --answered-accuracy 0.97";
    let report = json(&sandbox.run(line).done()).remove(0);
    let abstain = &report["abstain"];
    let [below, coverage, accuracy] =
        ["below", "coverage", "accuracy"].map(|key| abstain[key].as_f64().unwrap());
    assert!(accuracy >= 0.97 && coverage > 0.25 && coverage < 1.0 && below > 0.25, "{report}");
    assert_eq!(report["answered_accuracy"], 0.97);
    // The engine does on the same texts what the converter said.
    let line = "eval --case out.case --data run/validation.jsonl --json";
    let found = json(&sandbox.run(line).done()).remove(0);
    let found = &found["calibration"]["abstain"];
    assert_eq!((&found["coverage"], &found["accuracy"]), (&abstain["coverage"], &abstain["accuracy"]));
    let text = sandbox.run("convert run -o out.case --max-drop 100 --answered-accuracy 0.97").done();
    assert!(text.contains("  abstains  below "), "{text}");

    // Without it nothing abstains.
    let report = json(&sandbox.run("convert run -o out.case --max-drop 100 --json").done()).remove(0);
    assert_eq!((&report["abstain"]["below"], &report["abstain"]["coverage"]), (&0.0.into(), &1.0.into()));
    assert!(report["answered_accuracy"].is_null());
}

#[test]
fn a_case_whose_answers_cannot_be_as_good_as_wanted_is_not_written() {
    let sandbox = with_checkpoint("");
    // Every text under a class that it is not of.
    let validation = String::from_utf8(sandbox.read("run/validation.jsonl")).unwrap();
    let mut wrong = String::new();
    for line in json(&validation) {
        let label: u32 = line["label"].as_str().unwrap().parse().unwrap();
        let moved = json!({"text": line["text"], "label": (label % 4 + 1).to_string()});
        wrong += &format!("{moved}\n");
    }
    sandbox.write("wrong.jsonl", wrong);
    let line = "convert run -o out.case --max-drop 100 --calibration wrong.jsonl --answered-accuracy 0.97";
    let answer = sandbox.run(line);
    let (error, help) = answer.failure(1);
    let start = "error: gate: accuracy of 97.00 % among answered texts wanted, no threshold reaches it on 120 held-out items; ";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(help, Some("help: lower --answered-accuracy (convert.answered_accuracy in the recipe)"));
    assert!(!sandbox.path("out.case").exists());
}

#[test]
fn every_limit_that_one_feature_fits_is_met() {
    let sandbox = with_checkpoint("[train]\nkeep = [3000]\n[convert]\nweights = \"int4\"\n");
    let mut smallest = u64::MAX;
    for limit in (1000..=6000).rev().step_by(100) {
        let answer = sandbox.run(&format!("convert run -o out.case --max-size {limit} --max-drop 100"));
        if answer.code == Some(0) {
            let len = fs::metadata(sandbox.path("out.case")).unwrap().len();
            assert!(len <= limit, "{len} bytes, allowed were {limit}");
            smallest = smallest.min(len);
        } else {
            let (error, _) = answer.failure(1);
            assert!(error.ends_with(": even a case of a single feature is larger"), "{error}");
            assert!(limit < smallest, "{limit} was refused, though a case of {smallest} bytes exists");
        }
    }
}

#[test]
fn damage_is_found_by_verify() {
    let good = minimal_case();
    let first = record::of(0, record::OFFSET);
    let section = usize::try_from(number(&good, first)).unwrap();
    let table = [
        (good.len() - 1, "CRC-32 of the provenance section does not match: the file is damaged"),
        (section, "CRC-32 of the labels section does not match: the file is damaged"),
        (header::DIGEST.0, "digest of the header does not match: the file is damaged"),
    ];
    for (at, message) in table {
        let sandbox = Sandbox::new();
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        sandbox.write("x.case", bytes);
        let answer = sandbox.run("verify x.case");
        assert_eq!(answer.failure(1), (format!("error: x.case: {message}").as_str(), None));
        assert_eq!(answer.out, "");
    }
}

#[test]
fn golden_vectors_that_do_not_come_out_fail_verify() {
    let sandbox = Sandbox::new();
    let mut parts = CaseParts::minimal();
    *parts.section(Kind::GOLDEN).last_mut().unwrap() ^= 1;
    sandbox.write("x.case", parts.build());
    let answer = sandbox.run("verify x.case");
    let (error, help) = answer.failure(1);
    assert!(error.starts_with("error: native: minimal: golden vector "), "{error}");
    assert!(error.ends_with(" differ from those in the case") && help.is_none(), "{error}");
}

#[test]
fn bad_rows_fail_a_check_and_each_is_named() {
    let sandbox = Sandbox::new();
    let rows = "\"1\",\"a\",\"b\"\n\"x\",\"a\",\"b\"\n\"2\",\"a\"\n\"2\",\"c\",\"d\"\n";
    sandbox.write("rows.csv", rows);
    let answer = sandbox.run("data check rows.csv");
    assert_eq!(answer.failure(1), ("error: rows.csv: 2 bad rows found, none are allowed", None));
    let lines: Vec<&str> = answer.out.lines().collect();
    assert_eq!(lines[0], "rows.csv: ag-news, 2 good rows, 2 bad");
    assert!(lines[1].starts_with("  rows.csv, line 2, column 1: class x is unknown, allowed are 1 to "));
    assert_eq!(lines[2], "  rows.csv, line 3: 2 columns found, at least 3 expected");

    sandbox.write("many.csv", rows.repeat(15));
    let answer = sandbox.run("data check many.csv");
    answer.failure(1);
    assert_eq!(answer.out.lines().count(), 22, "the first twenty, then how many more");
    assert!(answer.out.ends_with("\n  and 10 more\n"), "{}", answer.out);

    sandbox.write("sound.csv", "\"1\",\"a\",\"b\"\n");
    assert_eq!(sandbox.run("data check sound.csv").done(), "sound.csv: ag-news, 1 good rows, 0 bad\n");
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_fails_a_check() {
    let sandbox = Sandbox::new();
    sandbox.write("open.csv", "\"1\",\"a\",\"b\"\n\"2\",\"c\",\"d\n\"1\",\"e\",\"f\n");
    let answer = sandbox.run("data check open.csv");
    answer.failure(1);
    assert!(
        answer.out.contains("end of file found inside quotes, a closing quote expected"),
        "{}",
        answer.out
    );
}

/// What `bench --json` prints, with one row of these times.
fn bench_run(p50: f64, p90: f64) -> String {
    let row = json!({
        "engine": "native", "version": "0.1.0", "case": "a", "length": 16, "threads": 1, "runs": 1000, "p50_us": p50,
        "p90_us": p90, "p99_us": p90 * 2.0, "min_us": p50 / 2.0, "ratio_vs": {}, "open_us": 9.0,
        "first_answer_us": 9.0, "peak_rss_kib": null, "energy_uj": null, "throttled": false,
    });
    json!({"machine": "m", "command": "c", "commit": "unknown", "rows": [row]}).to_string()
}

#[test]
fn a_regression_beyond_the_noise_fails_a_comparison() {
    let sandbox = Sandbox::new();
    sandbox.write("old.json", bench_run(10.0, 10.5));
    let table = [
        // Slower than the noise of 3 % and of the distance to the 90th percentile.
        (bench_run(10.6, 10.7), Some("slower")),
        (bench_run(20.0, 20.0), Some("slower")),
        (bench_run(10.4, 10.5), None),
        // Slower, but as noisy.
        (bench_run(11.0, 12.5), None),
        (bench_run(5.0, 5.1), None),
    ];
    for (new, slower) in table {
        sandbox.write("new.json", new);
        let answer = sandbox.run("bench compare old.json new.json");
        if slower.is_some() {
            let message = "error: 1 of 1 rows are slower beyond the noise, 0 are allowed";
            assert_eq!(answer.failure(1), (message, None));
            assert!(answer.out.trim_end().ends_with("slower"), "{}", answer.out);
        } else {
            let out = answer.done();
            assert!(out.trim_end().ends_with("same") || out.trim_end().ends_with("faster"), "{out}");
        }
    }
}

/// Epochs enough that their lines fill the pipe of standard error: a child whose lines nobody reads waits, so that it
/// cannot be over before the signal comes, on a machine of any speed.
const EPOCHS: usize = 1600;

/// Trains until the first epoch is reported, and asks for a stop.
fn interrupted(sandbox: &Sandbox, line: &str) -> Answer {
    let mut child = sandbox.command(&words(line)).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut err = String::new();
    while !err.contains(" epoch ") {
        assert_ne!(lines.read_line(&mut err).unwrap(), 0, "it ended before its first epoch: {err}");
    }
    let signal = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &signal]).status().unwrap().success());
    lines.read_to_string(&mut err).unwrap();
    let output = child.wait_with_output().unwrap();
    Answer { err, ..output.into() }
}

#[test]
#[cfg(unix)]
fn interrupted_training_goes_on_to_the_same_bytes() {
    let more = format!("[train]\nepochs = {EPOCHS}\npatience = {EPOCHS}\nkeep = [2000]\ncost = 0.5\n");
    let whole = with_checkpoint(&more);
    let sandbox = with_recipe(&more);
    let train = "train --recipe recipe.toml --data . --out run";

    let answer = interrupted(&sandbox, train);
    let (error, help) = answer.failure(1);
    assert!(error.starts_with("error: training: interrupted after epoch "), "{error}");
    assert!(error.ends_with(" of stage 1, the state is saved in run"), "{error}");
    assert_eq!(help, Some("help: the same command with --resume goes on bit for bit"));
    assert_eq!(answer.out, "");
    let names = sandbox.list("run");
    assert!(names.contains(&"state.safetensors".to_owned()), "{names:?}");
    assert!(!names.contains(&"checkpoint.toml".to_owned()), "{names:?}");

    // Once more on the way: a resumed run can be interrupted too.
    let answer = interrupted(&sandbox, &format!("{train} --resume"));
    answer.failure(1);
    assert!(answer.err.contains("\nresumed: stage 1, "), "{}", answer.err);
    let resumed = sandbox.run(&format!("{train} --resume"));
    assert_eq!(resumed.done(), "run\n");

    for file in ["checkpoint.safetensors", "checkpoint.toml", "recipe.toml", "validation.jsonl"] {
        let name = format!("run/{file}");
        assert!(whole.read(&name) == sandbox.read(&name), "{name} differs");
    }
    assert!(!sandbox.list("run").contains(&"state.safetensors".to_owned()), "the state outlived its run");
    for sandbox in [&whole, &sandbox] {
        sandbox.run("convert run -o out.case --max-drop 100").done();
    }
    assert!(whole.read("out.case") == sandbox.read("out.case"), "the cases differ");

    let log = String::from_utf8(sandbox.read("run/log.jsonl")).unwrap();
    let resumes = json(&log).iter().filter(|event| event["event"] == "resumed").count();
    assert_eq!(resumes, 2, "the log goes on where it was");
}

#[test]
fn wrong_sums_of_a_mirror_keep_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("mirror/train.csv", "\"1\",\"a\",\"b\"\n");
    let mirror = format!("file://{}", sandbox.path("mirror").display());
    let answer = sandbox.run(&format!("data fetch ag-news --out got --mirror {mirror}"));
    if answer.err.contains("error: curl: ") {
        return xtask::skip::skipped("wrong sums of a mirror", "no curl; install it");
    }
    let (error, help) = answer.failure(1);
    let (start, end) = (
        format!("error: {mirror}/train.csv: MD5 "),
        " found, b1a00f826fdfbd249f79597b59e1dc12 expected; nothing was kept",
    );
    assert!(error.starts_with(&start) && error.ends_with(end), "{error}");
    assert_eq!(help, Some("help: the place may have changed its file; try --mirror URL"));
    assert!(sandbox.list("got").is_empty() && answer.out.is_empty());

    let nowhere = sandbox.run(&format!("data fetch ag-news --out got --mirror {mirror}/nowhere"));
    let (error, help) = nowhere.failure(1);
    assert!(error.starts_with(&format!("error: {mirror}/nowhere/train.csv: curl: (37)")), "{error}");
    assert_eq!(
        help,
        Some("help: is the network there? --mirror URL names another place with the same files")
    );
    assert!(sandbox.list("got").is_empty());
}

#[test]
fn a_file_with_the_right_sum_is_not_fetched_again() {
    let what = "files that are already there";
    let root = xtask::workspace_root().unwrap();
    let Some(data) = xtask::setup::labelled_data(&root) else {
        return xtask::skip::skipped(what, "no labelled data; set TYPECASE_DATA");
    };
    let sandbox = Sandbox::new();
    // Both files must be there: the first that is not would be fetched. A mirror that does not exist shows that
    // nothing is.
    for name in ["train.csv", "test.csv"] {
        let Ok(bytes) = fs::read(data.join("agnews").join(name)) else {
            return xtask::skip::skipped(what, "no agnews/train.csv beside agnews/test.csv");
        };
        sandbox.write(&format!("got/{name}"), bytes);
    }
    let answer = sandbox.run("data fetch ag-news --out got --mirror file:///nowhere");
    if answer.out.is_empty() {
        return xtask::skip::skipped(what, "the train.csv found is not the official one");
    }
    let (error, _) = answer.failure(1);
    assert!(answer.out.starts_with("got/train.csv: already there\n"), "{answer:?}");
    assert!(error.contains("file:///nowhere/"), "{error}");
}
