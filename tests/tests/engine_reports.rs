//! What the command with every engine says when an engine cannot answer, or goes wrong while it does: the answers are
//! the native ones all the same, the report names who gave them, and `--strict` refuses.
//!
//! All words that are looked for stand in [`Fault`]s and in the constants before them.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "common/cli.rs"]
mod cli;

use std::path::Path;
use std::process::Command;

use cli::{Answer, Sandbox, json};
use serde_json::Value;
use xtask::{full, setup, skip};

/// How the two lines begin, without and with `--strict`; ENGINE stands for the engine that was asked for, after which
/// its device or provider may stand in brackets.
const NOTE: (&str, &str) = ("note: ENGINE", " passed over: ");
const ERROR: (&str, &str) = ("error: backend ENGINE", ": ");
const HELP: &str = "help: ";
/// What differs between engines, or from run to run.
const NOT_COMPARED: [&str; 3] = ["backend", "device", "microseconds"];
/// What would choose an engine, a library or a driver without being asked.
const NOT_PASSED_ON: [&str; 6] = [
    "TYPECASE_INJECT",
    "TYPECASE_ORT",
    "ORT_DYLIB_PATH",
    "VK_ICD_FILENAMES",
    "VK_DRIVER_FILES",
    "LD_LIBRARY_PATH",
];
const CASE: &str = "news-64k.case";
const TEXTS: &str = "texts.txt";

/// Something that keeps an engine from answering.
struct Fault<'a> {
    engine: &'a str,
    arguments: Vec<String>,
    environment: &'a [(&'a str, &'a str)],
    /// The cause has one of these, in any case of letters.
    cause: &'a [&'a str],
    /// So has the remedy.
    remedy: &'a [&'a str],
    answers: Answers<'a>,
}

/// Who gives the answers without `--strict`.
#[derive(Clone, Copy, Debug)]
enum Answers<'a> {
    /// This engine, all of them.
    All(&'a str),
    /// The engine that was asked for, perhaps; then the native one to the end.
    HandedOver,
}

/// The command with every engine; says what is skipped without it.
fn program(what: &str) -> Option<std::path::PathBuf> {
    let found = full::named();
    if found.is_none() {
        skip::skipped(&format!("report: {what}"), full::UNNAMED);
    }
    found
}

/// Something of the machine that a fault needs; says what is skipped without it.
fn needs<T>(what: &str, found: Option<T>, name: &str) -> Option<T> {
    if found.is_none() {
        skip::skipped(&format!("report: {what}"), &setup::absence(name));
    }
    found
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let root = xtask::workspace_root().unwrap();
    sandbox.write(CASE, std::fs::read(root.join("models/news-64k.case")).unwrap());
    let texts = xtask::texts::sample(&root).unwrap();
    assert!(texts.len() > 60, "a device that is lost after 20 texts has some left");
    sandbox.write(TEXTS, texts.join(&b'\n'));
    sandbox
}

impl Fault<'_> {
    /// Runs the command twice and reports everything that is not as it should be.
    fn check(&self, program: &Path, sandbox: &Sandbox) {
        let native = json(&self.run(program, sandbox, "native", &[]).done());
        assert!(native.iter().all(|row| row["backend"] == "native"));

        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let answer = self.run(program, sandbox, self.engine, &arguments);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let lines: Vec<&str> = answer.err.lines().collect();
        let note = lines.iter().position(|line| self.cause_of(line, NOTE).is_some());
        let note = note.unwrap_or_else(|| panic!("no note:\n{}", answer.err));
        assert_has(self.cause_of(lines[note], NOTE).unwrap(), self.cause);
        let help = lines.get(note + 1).and_then(|line| line.strip_prefix(HELP));
        assert_has(help.unwrap_or_else(|| panic!("no help after the note:\n{}", answer.err)), self.remedy);
        let rows = json(&answer.out);
        self.check_rows(&rows, &native);
        assert_eq!(rows.len(), native.len());
        self.check_engines(&rows);

        let strict: Vec<&str> = arguments.iter().copied().chain(["--strict"]).collect();
        let answer = self.run(program, sandbox, self.engine, &strict);
        let (error, help) = answer.failure(1);
        let cause = self.cause_of(error, ERROR).unwrap_or_else(|| panic!("{error}"));
        assert_has(cause, self.cause);
        assert_has(help.unwrap_or_else(|| panic!("no help:\n{}", answer.err)), self.remedy);
        // What was answered before the engine failed was its own answer, and right.
        let rows = json(&answer.out);
        self.check_rows(&rows, &native);
        assert!(rows.len() < native.len(), "{} rows of {}", rows.len(), native.len());
        assert!(rows.iter().all(|row| self.is_asked(&row["backend"])), "{rows:?}");
    }

    fn run(&self, program: &Path, sandbox: &Sandbox, engine: &str, more: &[&str]) -> Answer {
        let mut command: Command = sandbox.command_of(program, &["classify", "--json", "--case", CASE]);
        command.args(["--file", TEXTS, "--backend", engine]).args(more);
        for name in NOT_PASSED_ON {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().copied()).output().unwrap().into()
    }

    /// What stands after the beginning of a line, if it is such a line about the engine that was asked for.
    fn cause_of<'l>(&self, line: &'l str, (start, end): (&str, &str)) -> Option<&'l str> {
        let rest = line.strip_prefix(start.replace("ENGINE", self.engine).as_str())?;
        let (device, cause) = rest.split_once(end)?;
        (device.is_empty() || device.starts_with(" (")).then_some(cause)
    }

    fn is_asked(&self, backend: &Value) -> bool {
        backend.as_str().is_some_and(|name| name.starts_with(self.engine))
    }

    fn check_rows(&self, rows: &[Value], native: &[Value]) {
        for (index, (row, native)) in rows.iter().zip(native).enumerate() {
            let [row, native] = [row, native].map(|row| {
                let mut row = row.as_object().unwrap().clone();
                row.retain(|key, _| !NOT_COMPARED.contains(&key.as_str()));
                row
            });
            assert_eq!(row, native, "row {index}, {}", self.engine);
        }
    }

    fn check_engines(&self, rows: &[Value]) {
        let engines: Vec<&str> = rows.iter().map(|row| row["backend"].as_str().unwrap()).collect();
        match self.answers {
            Answers::All(engine) => {
                assert!(
                    engines.iter().all(|found| found.starts_with(engine)),
                    "{engine} needed: {engines:?}"
                );
            }
            Answers::HandedOver => {
                let first = engines.iter().position(|engine| *engine == "native").expect("native at the end");
                assert!(engines[..first].iter().all(|engine| engine.starts_with(self.engine)), "{engines:?}");
                assert!(engines[first..].iter().all(|engine| *engine == "native"), "{engines:?}");
            }
        }
    }
}

#[track_caller]
fn assert_has(text: &str, phrases: &[&str]) {
    let lower = text.to_lowercase();
    assert!(phrases.iter().any(|phrase| lower.contains(phrase)), "none of {phrases:?} in: {text}");
}

fn arguments(line: &str) -> Vec<String> {
    cli::words(line).into_iter().map(str::to_owned).collect()
}

#[test]
fn onnx_runtime_is_not_there() {
    let Some(program) = program("no ONNX Runtime") else { return };
    let fault = Fault {
        engine: "ort",
        arguments: arguments("--ort-library absent/libonnxruntime.so"),
        environment: &[],
        cause: &["no file", "no such file", "not found"],
        remedy: &["pip install onnxruntime", "--ort-library"],
        answers: Answers::All("native"),
    };
    fault.check(&program, &sandbox());
}

#[test]
fn a_text_file_is_no_onnx_runtime() {
    let Some(program) = program("a text file in the place of ONNX Runtime") else { return };
    let sandbox = sandbox();
    sandbox.write("libonnxruntime.so", "This is a text.\n");
    let fault = Fault {
        engine: "ort",
        arguments: arguments("--ort-library libonnxruntime.so"),
        environment: &[],
        cause: &["is no library"],
        remedy: &["pip install onnxruntime", "--ort-library"],
        answers: Answers::All("native"),
    };
    fault.check(&program, &sandbox);
}

#[test]
fn another_library_is_no_onnx_runtime() {
    let what = "a library that is not ONNX Runtime";
    let Some(program) = program(what) else { return };
    let sandbox = sandbox();
    sandbox.write("other.c", "int other(void) { return 1; }\n");
    let gcc = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .args([sandbox.path("libother.so"), sandbox.path("other.c")])
        .output();
    if !gcc.is_ok_and(|output| output.status.success()) {
        return skip::skipped(&format!("report: {what}"), &setup::absence("gcc and g++"));
    }
    let fault = Fault {
        engine: "ort",
        arguments: arguments("--ort-library ./libother.so"),
        environment: &[],
        cause: &["ortgetapibase"],
        remedy: &["pip install onnxruntime", "--ort-library"],
        answers: Answers::All("native"),
    };
    fault.check(&program, &sandbox);
}

#[test]
fn a_provider_is_not_part_of_onnx_runtime() {
    let what = "an absent provider of ONNX Runtime";
    let Some(program) = program(what) else { return };
    let Some(library) = needs(what, setup::onnx_runtime_library(), setup::ONNX_RUNTIME) else { return };
    let mut arguments = arguments("--ort-providers tensorrt,cpu --ort-library");
    arguments.push(library.into_os_string().into_string().unwrap());
    let fault = Fault {
        engine: "ort",
        arguments,
        environment: &[],
        cause: &["tensorrt"],
        remedy: &["tensorrt", "provider"],
        // The next provider of the list.
        answers: Answers::All("ort"),
    };
    fault.check(&program, &sandbox());
}

#[test]
fn there_is_no_gpu() {
    let Some(program) = program("no GPU adapter") else { return };
    let fault = Fault {
        engine: "wgpu",
        arguments: arguments("--gpu-api vulkan"),
        environment: &[("VK_ICD_FILENAMES", "absent/icd.json"), ("VK_DRIVER_FILES", "absent/icd.json")],
        cause: &["no gpu adapter"],
        remedy: &["install a driver"],
        answers: Answers::All("native"),
    };
    fault.check(&program, &sandbox());
}

/// A GPU that goes wrong, on the driver for Vulkan that this machine has.
fn gpu_fault(what: &str, environment: &[(&str, &str)], cause: &[&str], answers: Answers<'_>) {
    let Some(program) = program(what) else { return };
    if needs(what, setup::vulkan_driver(), setup::VULKAN).is_none() {
        return;
    }
    let arguments = arguments("--gpu-api vulkan");
    let remedy = &["update the driver"];
    let fault = Fault { engine: "wgpu", arguments, environment, cause, remedy, answers };
    fault.check(&program, &sandbox());
}

#[test]
fn a_gpu_computes_wrong_bits() {
    let inject = &[("TYPECASE_INJECT", "wrong-bits")];
    gpu_fault("a GPU with wrong bits", inject, &["wrong scores"], Answers::All("native"));
}

#[test]
fn a_gpu_is_lost_between_two_texts() {
    let inject = &[("TYPECASE_INJECT", "device-lost:20")];
    gpu_fault("a lost GPU", inject, &["device lost"], Answers::HandedOver);
}

#[test]
fn a_gpu_does_not_answer_in_time() {
    let inject = &[("TYPECASE_INJECT", "time-out:20")];
    gpu_fault("a GPU that does not answer", inject, &["time-out", "did not answer"], Answers::HandedOver);
}
