//! `bench` beside engines of others, its profile, its report; and what it refuses.

use serde_json::{Value, json};
use typecase_kernels::floor::Floor;
use typecase_tests::encoder;

use super::cli::{Answer, Sandbox, json as parsed, words};
use super::has_keys;

/// An engine of somebody else that takes two milliseconds a turn, whatever is asked.
const STEADY: &str = r#"#!/bin/sh
echo '{"version":"fake 1","open_us":5.0}'
while read -r line; do
    case "$line" in
        *texts*) echo "$line" > texts.json; echo '{"first_us":7.0,"scores":[1]}' ;;
        *) echo '{"wall":0.002,"processor":0.002,"peak_rss_kib":10}' ;;
    esac
done
"#;

/// A folder with an encoder, a bag, and an engine that does as this script says.
fn with_peer(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("x.case", encoder::minimal_case());
    sandbox.write("bag.case", typecase_tests::minimal_case());
    sandbox.write("graphs/f32.onnx", "");
    sandbox.write("peer", script);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(sandbox.path("peer"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox
}

fn bench(sandbox: &Sandbox, arguments: &str) -> Answer {
    let program = sandbox.path("peer").display().to_string();
    let line = format!("bench --case x.case --peers graphs --peer-program {program} {arguments}");
    sandbox.command(&words(&line)).output().unwrap().into()
}

#[cfg(unix)]
#[test]
fn each_engine_of_others_has_a_row_for_each_length_and_ratios_to_all() {
    let sandbox = with_peer(STEADY);
    let out = bench(&sandbox, "--vs rten,ort-f32 --lengths 4,6 --rounds 4 --json").done();
    let found = parsed(&out);
    let rows = found[0]["rows"].as_array().unwrap();
    let named: Vec<_> =
        rows.iter().map(|row| (row["engine"].as_str().unwrap(), row["length"].as_u64())).collect();
    let engines = ["native", "rten-f32", "rten-int8", "ort-f32"];
    let expected: Vec<_> = [4, 6].iter().flat_map(|n| engines.map(|engine| (engine, Some(*n)))).collect();
    assert_eq!(named, expected);
    for row in rows {
        let others: Vec<_> = row["ratio_vs"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(others.len(), 3, "{row}");
        assert!(!others.contains(&row["engine"].as_str().unwrap()), "{row}");
    }
    // Two milliseconds for 50 texts, so a turn is that: no more than a tenth of a second.
    let peer = &rows[1];
    assert_eq!(peer["version"], "fake 1");
    assert_eq!((&peer["p50_us"], &peer["runs"]), (&json!(40.0), &json!(200)));
    assert_eq!((&peer["open_us"], &peer["first_answer_us"]), (&json!(5.0), &json!(12.0)));
    assert_eq!((&peer["peak_rss_kib"], &peer["case"]), (&json!(10), &rows[0]["case"]));

    // Ids by length: as many as the length says, and rows of the embedding.
    let texts: Value = serde_json::from_slice(&sandbox.read("texts.json")).unwrap();
    for list in texts["texts"].as_array().unwrap() {
        let length: usize = list[0].as_str().unwrap().parse().unwrap();
        let texts = list[1].as_array().unwrap();
        assert_eq!(texts.len(), 64);
        assert!(texts.iter().all(|ids| ids.as_array().unwrap().len() == length), "{list}");
    }

    // A run with peers equals itself too.
    sandbox.write("run.json", &out);
    let compared = sandbox.run("bench compare run.json run.json").done();
    assert_eq!(compared.lines().filter(|line| line.ends_with("  same, a peer")).count(), 6, "{compared}");
    let table = bench(&sandbox, "--vs ort-f32 --lengths 4 --rounds 3 --report bench.html").done();
    for word in
        ["native ", "ort-f32 ", "ratio", "fake 1: open 5 us, first answer 12 us after the start, 10 KiB"]
    {
        assert!(table.contains(word), "{word} is not in:\n{table}");
    }
    let page = String::from_utf8(sandbox.read("bench.html")).unwrap();
    assert!(page.contains("<td>ort-f32 <small>fake 1</small>") && page.ends_with("</html>\n"), "{page}");
}

#[cfg(unix)]
#[test]
fn an_engine_that_refuses_is_wrong_input_and_one_that_is_lost_fails_the_work() {
    let refusing =
        "#!/bin/sh\necho '{\"error\":\"ort is not part of this build of typecase-peers\"}'\nexit 2\n";
    let (sandbox, arguments) = (with_peer(refusing), "--vs ort-f32 --lengths 4 --rounds 3");
    let answer = bench(&sandbox, arguments);
    let (error, help) = answer.failure(2);
    assert_eq!(error, "error: --vs ort-f32: ort is not part of this build of typecase-peers");
    assert!(help.is_some_and(|help| help.contains("--features peers")), "{help:?}");

    let silent = bench(&with_peer("#!/bin/sh\n"), arguments);
    assert_eq!(silent.failure(2).0, "error: --vs ort-f32: it has ended without a word");
    let babbling = bench(&with_peer("#!/bin/sh\necho hello\n"), arguments);
    assert!(babbling.failure(2).0.contains("its answer is not understood: \"hello"), "{babbling:?}");

    let lost = STEADY.replace("*) echo '{\"wall\"", "*) exit 3; echo '{\"wall\"");
    let answer = bench(&with_peer(&lost), arguments);
    assert_eq!(answer.failure(1), ("error: --vs ort-f32: it has ended without a word", None));
    assert_eq!(answer.out, "");
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_to_do() {
    let sandbox = with_peer(STEADY);
    sandbox.write("empty/x", "");
    let program = if cfg!(windows) { "nowhere.exe" } else { "nowhere" };
    let rows = [
        (
            "--case x.case --vs ort",
            "--vs ort-f32: --peers names no folder, one is needed",
            Some("bert_onnx.py"),
        ),
        ("--case x.case --vs ort --peers none", "--peers none: no such folder", Some("bert_onnx.py")),
        (
            "--case x.case --vs ort --peers graphs --peer-program nowhere",
            &format!("--vs ort-f32: no program {program}"),
            Some("cargo build"),
        ),
        ("--case x.case --vs fasttext", "--vs fasttext: it runs bags, the case is an encoder", None),
        ("--case bag.case --vs tract", "--vs tract: it runs encoders, the case is a bag", None),
        (
            "--case bag.case --vs fasttext --peers empty",
            "--peers empty: no .ftz in it, one is needed",
            Some("fasttext_peer.py"),
        ),
        ("--case x.case --lengths 0", "length 0 found, allowed are 1 to 100000", None),
        ("--case x.case --lengths 500", "length 500 found, the case takes at most ", None),
        ("--case x.case --lengths 1", "length 1 found, the case makes no text of so many tokens", None),
    ];
    for (line, expected, remedy) in rows {
        let answer = sandbox.run(&format!("bench {line}"));
        let (error, help) = answer.failure(2);
        assert!(error.starts_with(&format!("error: {expected}")), "{line}: {error}");
        if let Some(remedy) = remedy {
            assert!(help.is_some_and(|help| help.contains(remedy)), "{line}: {help:?}");
        }
    }
    for line in ["--vs onnx", "--peers graphs", "--vs ort --runs 100", "--vs ort --rounds 2"] {
        let answer = sandbox.run(&format!("bench --case x.case {line}"));
        assert!(answer.failure(2).0.starts_with("error: "), "{line}");
    }
}

#[test]
fn the_profile_names_every_operator_and_holds_matrices_against_plain_products() {
    let sandbox = with_peer(STEADY);
    let line = "--lengths 4 --runs 100 --rounds 3 --profile --json";
    let found = parsed(&sandbox.run(&format!("bench --case x.case {line}")).done());
    let mut keys = vec![("machine", 's'), ("command", 's'), ("commit", 's'), ("rows", 'a'), ("profile", 'a')];
    if Floor::detect().is_some() {
        keys.push(("floor", 'a'));
    }
    has_keys(&found[0], &keys);
    let profile = &found[0]["profile"][0];
    has_keys(
        profile,
        &[("case", 's'), ("kernels", 's'), ("length", 'i'), ("parts", 'a'), ("matrices_gmacs", 'n')],
    );
    let names = |profile: &Value| -> Vec<String> {
        let parts = profile["parts"].as_array().unwrap();
        parts.iter().map(|part| part["operator"].as_str().unwrap().to_owned()).collect()
    };
    let expected = [
        "tokenizer",
        "embedding",
        "qkv",
        "attention",
        "output",
        "add, norm",
        "inner, table",
        "outer",
        "pooling, head",
    ];
    assert_eq!(names(profile), expected);
    let shares: f64 =
        profile["parts"].as_array().unwrap().iter().map(|part| part["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 0.01, "{profile}");
    if let Some(floor) = Floor::detect() {
        let held = &found[0]["floor"][0];
        has_keys(
            held,
            &[
                ("instruction", 's'),
                ("registers_gmacs", 'n'),
                ("case", 's'),
                ("kernels", 's'),
                ("length", 'i'),
                ("matrices", 'a'),
            ],
        );
        assert_eq!(held["instruction"], floor.name());
        let matrices = held["matrices"].as_array().unwrap();
        assert_eq!(matrices.len(), 8, "two layers of four: {held}");
        for matrix in matrices {
            has_keys(
                matrix,
                &[("matrix", 's'), ("layer", 'i'), ("gmacs", 'n'), ("plain_gmacs", 'n'), ("share", 'n')],
            );
        }
    }
    let bag = parsed(&sandbox.run(&format!("bench --case bag.case {line}")).done());
    let profile = &bag[0]["profile"][0];
    assert_eq!(names(profile), ["tokenizer, look-up", "rows, head", "verdict"]);
    assert!(profile["matrices_gmacs"].is_null() && bag[0]["floor"].is_null());
    let text = sandbox.run("bench --case x.case --lengths 4 --runs 100 --rounds 3 --profile").done();
    assert!(text.contains("\nprofile of ") && text.contains("  add, norm "), "{text}");
}

#[test]
fn only_our_own_rows_can_regress() {
    let sandbox = Sandbox::new();
    let row = |engine: &str, p50: f64| {
        json!({"engine": engine, "version": "1", "case": "news", "length": 16, "threads": 1, "runs": 15, "p50_us": p50,
            "p90_us": p50 + 1.0, "p99_us": p50 + 1.0, "min_us": p50 - 1.0, "ratio_vs": {}, "open_us": 1.0,
            "first_answer_us": 1.0, "peak_rss_kib": null, "energy_uj": null, "throttled": false})
    };
    let run = |native: f64, peer: f64| {
        let rows = [row("native", native), row("ort-int8", peer)];
        json!({"machine": "m", "command": "c", "commit": "d", "rows": rows}).to_string()
    };
    sandbox.write("old.json", run(100.0, 200.0));
    sandbox.write("peer.json", run(101.0, 300.0));
    sandbox.write("ours.json", run(110.0, 200.0));
    let out = sandbox.run("bench compare old.json peer.json").done();
    assert!(out.contains("slower, a peer"), "{out}");
    let answer = sandbox.run("bench compare old.json ours.json");
    assert_eq!(answer.failure(1), ("error: 1 of 1 rows are slower beyond the noise, 0 are allowed", None));
}
