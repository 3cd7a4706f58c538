//! The words and the JSON of the command line: what scripts and people depend on.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "cli_contract/bench.rs"]
mod bench;
#[path = "common/checkpoints.rs"]
mod checkpoints;
#[path = "cli_contract/classify.rs"]
mod classify;
#[path = "common/cli.rs"]
mod cli;
#[path = "cli_contract/eval.rs"]
mod eval;
#[path = "cli_contract/evaluation.rs"]
mod evaluation;
#[path = "cli_contract/tokenize.rs"]
mod tokenize;

use std::io::Read as _;
use std::process::Stdio;

use cli::{Sandbox, json, words};
use serde_json::Value;
use typecase_engine::{Case, Cpu};
use typecase_tests::minimal_case;

/// Checks that an object has exactly these keys, and that each is of its type: `s`tring, `n`umber, whole number `i`,
/// `b`oolean, `a`rray, `o`bject, `?` for null.
#[track_caller]
fn has_keys(object: &Value, keys: &[(&str, char)]) {
    let mut found: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected: Vec<&str> = keys.iter().map(|key| key.0).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for (key, kind) in keys {
        let value = &object[key];
        let right = match kind {
            's' => value.is_string(),
            'n' => value.is_number(),
            'i' => value.is_u64() || value.is_i64(),
            'b' => value.is_boolean(),
            'a' => value.is_array(),
            'o' => value.is_object(),
            _ => value.is_null(),
        };
        assert!(right, "{key}: {value} is not of type {kind}");
    }
}

fn with_case() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("x.case", minimal_case());
    sandbox
}

#[test]
fn inspect_shows_every_part_of_a_case() {
    let sandbox = with_case();
    let found = json(&sandbox.run("inspect x.case --json").done());
    let [object] = found.as_slice() else { panic!("one object expected: {found:?}") };
    has_keys(
        object,
        &[
            ("name", 's'),
            ("digest", 's'),
            ("bytes", 'i'),
            ("sections", 'a'),
            ("labels", 'a'),
            ("text", 'o'),
            ("vocabulary", 'o'),
            ("bag", 'o'),
            ("calibration", 'o'),
            ("golden_vectors", 'i'),
            ("provenance", 'o'),
            ("scratch_bytes", 'i'),
            ("multiply_adds", 'i'),
        ],
    );
    assert_eq!(object["name"], "minimal");
    assert_eq!(object["bytes"], minimal_case().len());
    assert_eq!(object["labels"], serde_json::json!(["world", "sport", "tech"]));
    assert_eq!(object["golden_vectors"], 16);
    let sections = object["sections"].as_array().unwrap();
    assert_eq!(sections.len(), 7);
    let end = sections.iter().map(|s| s["offset"].as_u64().unwrap() + s["bytes"].as_u64().unwrap()).max();
    assert_eq!(end, object["bytes"].as_u64(), "the last section ends with the file");
    sections.iter().for_each(|s| {
        has_keys(s, &[("kind", 's'), ("offset", 'i'), ("bytes", 'i'), ("crc32", 's')]);
    });

    let text = sandbox.run("inspect x.case").done();
    for word in ["minimal: ", "sections", "labels       world, sport, tech", "calibration", "golden       16"]
    {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
}

#[test]
fn verify_names_the_digest_and_every_engine() {
    let sandbox = with_case();
    let inspected = json(&sandbox.run("inspect x.case --json").done());
    let out = sandbox.run("verify x.case").done();
    let digest = format!("digest   {}, 1,", inspected[0]["digest"].as_str().unwrap());
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with(&digest) && lines[0].ends_with(" bytes"), "{out}");
    assert_eq!(
        lines[1..],
        ["signed   no: a digest tells damage, not forgery", "native   16 golden vectors exact"]
    );
}

#[test]
fn export_writes_a_graph_and_says_what_it_takes_and_gives() {
    let sandbox = with_case();
    let out = sandbox.run("export --case x.case --onnx x.onnx").done();
    let graph = sandbox.read("x.onnx");
    let case = Case::parse(minimal_case()).unwrap();
    assert_eq!(graph, typecase_onnx::emit(&case).unwrap());
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("x.onnx: ") && lines[0].ends_with(" bytes, opset 17, of minimal"), "{out}");
    assert!(lines[1].contains("ids int64 [n], factor int32 [1]"), "{out}");
    assert!(lines[2].contains("scores int32 [3]"), "{out}");

    let refused = sandbox.run("export --case x.case --onnx y.onnx --precision f16");
    let (error, help) = refused.failure(2);
    assert_eq!(error, "error: --precision f16: minimal is a bag, its one precision is int32");
    assert!(help.is_some());
    assert!(!sandbox.path("y.onnx").exists(), "nothing is written");
}

#[test]
fn stats_count_what_a_file_holds() {
    let sandbox = Sandbox::new();
    let rows =
        "\"1\",\"a\",\"b\"\n\"3\",\"\",\"caf\u{e9}\"\n\"1\",\"a\",\"b\"\n\"3\",\"a\",\"b\"\n\"2\",\"x\"\n";
    sandbox.write("rows.csv", rows);
    let found = json(&sandbox.run("data stats rows.csv --json --skip-bad-rows").done());
    has_keys(
        &found[0],
        &[
            ("rows", 'i'),
            ("skipped", 'i'),
            ("classes", 'a'),
            ("bytes", 'o'),
            ("duplicates", 'i'),
            ("conflicts", 'i'),
            ("empty_title_share", 'n'),
            ("non_ascii_share", 'n'),
        ],
    );
    let numbers = ["rows", "skipped", "duplicates", "conflicts"].map(|key| found[0][key].as_u64().unwrap());
    assert_eq!(numbers, [4, 1, 2, 1]);
    assert_eq!(
        found[0]["bytes"],
        serde_json::json!({"min": 3, "median": 3, "p90": 5, "max": 5, "mean": 3.5})
    );
    assert_eq!((&found[0]["empty_title_share"], &found[0]["non_ascii_share"]), (&0.25.into(), &0.25.into()));
    let classes = found[0]["classes"].as_array().unwrap();
    let counts: Vec<_> =
        classes.iter().map(|class| (class["label"].as_str().unwrap(), class["items"].as_u64())).collect();
    assert_eq!(counts, [("1", Some(2)), ("3", Some(2))]);

    let text = sandbox.run("data stats rows.csv --skip-bad-rows").done();
    assert!(text.starts_with("rows.csv: 4 rows, 1 bad rows left out\n"), "{text}");
    // Standard input is a file like any other.
    let piped = sandbox.feed("data stats - --json --skip-bad-rows", rows.as_bytes()).done();
    assert_eq!(json(&piped), found);
}

#[test]
fn bench_has_a_row_for_each_length_and_a_run_equals_itself() {
    let sandbox = with_case();
    sandbox.write("rows.csv", "\"1\",\"w1 w2\",\"w3\"\n\"2\",\"w4\",\"w5\"\n");
    let out = sandbox.run("bench --case x.case --lengths 4,16 --data rows.csv --runs 200 --json").done();
    let found = json(&out);
    has_keys(&found[0], &[("machine", 's'), ("command", 's'), ("commit", 's'), ("rows", 'a')]);
    let command = found[0]["command"].as_str().unwrap();
    assert!(command.starts_with("typecase bench --case x.case"), "{command}");
    let rows = found[0]["rows"].as_array().unwrap();
    let lengths: Vec<_> = rows.iter().map(|row| row["length"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [4, 16, 0]);
    for row in rows {
        has_keys(
            row,
            &[
                ("engine", 's'),
                ("version", 's'),
                ("case", 's'),
                ("length", 'i'),
                ("threads", 'i'),
                ("runs", 'i'),
                ("p50_us", 'n'),
                ("p90_us", 'n'),
                ("p99_us", 'n'),
                ("min_us", 'n'),
                ("ratio_vs", 'o'),
                ("open_us", 'n'),
                ("first_answer_us", 'n'),
                ("peak_rss_kib", if cfg!(target_os = "linux") { 'i' } else { '?' }),
                ("energy_uj", '?'),
                ("throttled", 'b'),
            ],
        );
        assert_eq!((&row["engine"], &row["case"]), (&"native".into(), &"minimal".into()));
        assert_eq!((&row["threads"], &row["runs"]), (&1.into(), &200.into()));
        let times = ["min_us", "p50_us", "p90_us", "p99_us"].map(|key| row[key].as_f64().unwrap());
        assert!(times.is_sorted() && times[0] >= 0.0, "{times:?}");
    }
    sandbox.write("run.json", &out);
    let compared = sandbox.run("bench compare run.json run.json").done();
    assert_eq!(compared.lines().count(), 3);
    assert!(compared.lines().all(|line| line.ends_with("  same")), "{compared}");
}

#[test]
fn a_second_thread_is_for_encoders_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("x.case", typecase_tests::encoder::minimal_case());
    let run = json(&sandbox.run("bench --case x.case --lengths 4 --runs 100 --threads 2 --json").done());
    assert_eq!(run[0]["rows"][0]["threads"], 2);
    for (line, why) in [
        ("bench --runs 100 --threads 2", "--threads 2: a bag runs on 1 thread"),
        ("bench --case x.case --threads 2 --vs ort --peers .", "engines are compared on one thread"),
        ("bench --case x.case --threads 3", "'3'"),
    ] {
        let answer = sandbox.run(line);
        let (error, _) = answer.failure(2);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn doctor_names_every_part_and_a_remedy_for_what_is_absent() {
    let sandbox = Sandbox::new();
    let text = sandbox.run("doctor").done();
    let found = json(&sandbox.run("doctor --json").done());
    let findings = found[0].as_array().unwrap();
    for what in
        ["program", "processor", "kernels", "page size", "native", "tract", "wgpu", "ort", "energy meter"]
    {
        let finding = findings.iter().find(|finding| finding["what"] == what);
        let finding = finding.unwrap_or_else(|| panic!("{what} is missing"));
        let state = finding["state"].as_str().unwrap();
        assert!(text.contains(state), "{what}: {state} is not in the text");
        let absent = state.starts_with("not part") || state.starts_with("none");
        assert!(!absent || finding["remedy"].is_string(), "{what} is absent without a remedy");
    }
    let native = findings.iter().find(|finding| finding["what"] == "native").unwrap();
    assert!(native["state"].as_str().unwrap().starts_with("ready: "), "{native}");
}

#[test]
fn kernels_are_chosen_by_name_and_others_are_refused_with_a_list() {
    let sandbox = Sandbox::new();
    sandbox.write("x.case", typecase_tests::encoder::minimal_case());
    sandbox.write("rows.csv", "\"1\",\"a\",\"b\"\n\"2\",\"c\",\"d\"\n\"3\",\"e\",\"f\"\n");
    let names: Vec<_> = Cpu::all().map(|cpu| cpu.name()).collect();
    let run = |line: &str, cpu: &str| -> cli::Answer {
        sandbox.command(&words(line)).env("TYPECASE_CPU", cpu).output().unwrap().into()
    };
    let scores = |out: String| json(&out)[0]["scores"].clone();
    let expected = scores(sandbox.run("classify --case x.case --json words").done());
    for name in &names {
        for name in [*name, name.rsplit('-').next().unwrap()] {
            assert_eq!(scores(run("classify --case x.case --json words", name).done()), expected, "{name}");
        }
        let asked = format!("encoders run on {name}, asked for by TYPECASE_CPU; ");
        assert!(run("doctor", name).done().contains(&asked), "{name}");
        assert!(run("verify x.case", name).done().contains("golden vectors exact"), "{name}");
        let bench = run("bench --case x.case --lengths 4 --runs 100 --json", name).done();
        assert!(json(&bench)[0]["rows"][0]["version"].as_str().unwrap().ends_with(name), "{bench}");
    }
    for line in [
        "classify --case x.case words",
        "eval --case x.case --data rows.csv",
        "bench --case x.case --runs 100",
        "verify x.case",
        "doctor",
    ] {
        let refused = run(line, "avx9");
        let (error, help) = refused.failure(2);
        let allowed = names.join(", ");
        assert_eq!(
            error,
            format!("error: TYPECASE_CPU: no kernels \"avx9\" on this machine, there are {allowed}"),
            "{line}"
        );
        assert!(help.is_some(), "{line}");
    }
    // Nothing is as good as no choice.
    run("classify --case x.case words", "").done();
}

#[test]
fn the_version_names_the_built_in_case() {
    let sandbox = Sandbox::new();
    let version = format!("typecase {}\n", env!("CARGO_PKG_VERSION"));
    for line in ["--version", "-V"] {
        assert_eq!(sandbox.run(line).done(), version);
    }
    let out = sandbox.run("--version --verbose").done();
    assert!(out.starts_with(&version), "{out}");
    for word in [
        "built-in case: news-64k (",
        "sha256:",
        "its accuracy: 0.",
        "Unicode tables: ",
        "backends in this build: native",
    ] {
        assert!(out.contains(word), "{word} is not in:\n{out}");
    }
}

#[test]
fn without_a_command_the_usage_goes_to_standard_error() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run("");
    assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""));
    assert!(answer.err.contains("Usage: typecase"), "{}", answer.err);
    let help = sandbox.run("--help").done();
    for command in
        ["demo", "classify", "eval", "train", "convert", "bench", "inspect", "verify", "data", "doctor"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in:\n{help}");
        assert!(sandbox.run(&format!("{command} --help")).done().contains("Usage: typecase"));
    }
}

#[test]
fn the_demo_goes_through_all_five_steps() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run("demo --out kept");
    assert!(!answer.err.contains("error: "), "{}", answer.err);
    let out = answer.done();
    let steps = [
        "1. Train on 480 short texts written for this project\n",
        "\n2. Convert: prune, quantise, prove, gate\n",
        "\n3. Evaluate the case on the held-out texts\n",
        "\n4. Classify new texts\n",
        "\n5. The case that is built in, trained on real news\n",
    ];
    let places: Vec<_> = steps.iter().map(|step| out.find(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{out}");
    assert!(out.contains("\nThe whole chain took "), "{out}");
    assert!(sandbox.run("verify kept/sample.case").done().contains("golden vectors exact"));
    // Without --out nothing stays.
    let temporary = Sandbox::new();
    let status = temporary.command(&["demo"]).env("TMPDIR", temporary.path("")).status().unwrap();
    assert!(status.success() && temporary.list(".").is_empty(), "{:?}", temporary.list("."));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sandbox = with_case();
    sandbox.write("rows.csv", "\"1\",\"w1\",\"w2\"\n\"2\",\"w3\",\"w4\"\n".repeat(2000));
    sandbox.write("texts.txt", "w1 w2 w3\n".repeat(20_000));
    let lines = [
        "classify --case x.case --file texts.txt",
        "classify --case x.case --json w1",
        "tokenize --case x.case w1",
        "eval --case x.case --data rows.csv",
        "eval --case x.case --data rows.csv --json",
        "inspect x.case",
        "inspect x.case --json",
        "verify x.case",
        "data check rows.csv",
        "data stats rows.csv",
        "bench --case x.case --runs 100 --lengths 4",
        "doctor",
        "doctor --json",
        "demo",
        "--help",
        "--version --verbose",
    ];
    let mut wrong = Vec::new();
    for line in lines {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command(&words(line));
        let output = command.env("TMPDIR", sandbox.path("")).stdout(Stdio::from(writer)).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() || err.contains("panicked") || err.contains("error: ") {
            wrong.push(format!(
                "{line}: {:?} {}",
                output.status.code(),
                err.lines().next().unwrap_or_default()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    // And one that reads a little first.
    let mut child = sandbox.command(&words(lines[0])).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 100]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
