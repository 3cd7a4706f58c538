//! The command, on this CPU or another, with the engine that it is told; `--strict`, so that no other answers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::rows::{feed, refused, succeeded};
use super::{Answer, Ran, Refusal, Target};
use crate::{cross, jetson, setup};

/// What the environment could change about an engine.
const NOT_PASSED_ON: [&str; 3] = ["TYPECASE_INJECT", "TYPECASE_BACKEND", "RUST_BACKTRACE"];

/// The command with the arguments that choose an engine.
pub(super) struct Program {
    path: PathBuf,
    /// Runs in an emulator.
    emulated: bool,
    engine: &'static str,
    arguments: Vec<OsString>,
}

impl Program {
    pub(super) fn native(path: PathBuf) -> Self {
        Self { path, emulated: false, engine: "native", arguments: Vec::new() }
    }

    pub(super) fn emulated(path: &Path) -> Self {
        Self { emulated: true, ..Self::native(path.to_owned()) }
    }

    /// An engine of the command that has all; or what this build or this machine lacks.
    pub(super) fn engine(target: Target, full: Result<&Path, &String>) -> Result<Self, String> {
        let path = full.map_err(Clone::clone)?.to_owned();
        let mut program = Self { engine: target.engine(), ..Self::native(path) };
        let state = program.doctor().map_err(|error| format!("{error:#}"))?;
        if state.contains("not part of this build") {
            let cure = "cargo build --release -p typecase-cli --features full";
            return Err(format!("not part of this build; `{cure}` makes one with {}", program.engine));
        }
        let arguments = &mut program.arguments;
        match target {
            Target::Ort => {
                let library =
                    setup::onnx_runtime_library().ok_or_else(|| setup::absence(setup::ONNX_RUNTIME))?;
                arguments.extend(["--ort-library".into(), library.into_os_string()]);
                arguments.extend(["--ort-providers", "cpu"].map(OsString::from));
            }
            Target::WgpuVulkan => {
                setup::vulkan_driver().ok_or_else(|| setup::absence(setup::VULKAN))?;
                arguments.extend(["--gpu-api", "vulkan"].map(OsString::from));
            }
            Target::WgpuGl => {
                setup::gl_driver().ok_or_else(|| setup::absence(setup::GL))?;
                arguments.extend(["--gpu-api", "gl"].map(OsString::from));
            }
            _ => {}
        }
        Ok(program)
    }

    pub(super) fn classify(&self, case: &Path, texts: &[Vec<u8>]) -> Result<Ran> {
        let input: Vec<u8> = texts.iter().flat_map(|text| [text.as_slice(), b"\n"].concat()).collect();
        let printed = succeeded(feed(self.command(case).arg("-"), input)?)?;
        let answers = printed.lines().map(|line| self.answer(line)).collect::<Result<_>>()?;
        Ok(Ran { report: self.report(&printed)?, answers })
    }

    pub(super) fn refuse(&self, case: &Path) -> Result<Refusal> {
        refused(&self.command(case).arg("oil").output().context("cannot start")?)
    }

    fn command(&self, case: &Path) -> Command {
        let mut command = self.bare();
        command.args(["classify", "--json", "--strict", "--backend", self.engine]).args(&self.arguments);
        command.arg("--case").arg(case);
        command
    }

    fn bare(&self) -> Command {
        let mut command = if self.emulated { jetson::emulated(&self.path) } else { Command::new(&self.path) };
        for name in NOT_PASSED_ON {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// What `typecase doctor` says of the engine, or of the first of its providers that is ready.
    fn doctor(&self) -> Result<String> {
        let printed = cross::output(self.bare().args(["doctor", "--json"]).args(&self.arguments))?;
        let findings: Value = serde_json::from_str(&printed).context("doctor --json: not JSON")?;
        state_of(&findings, self.engine).with_context(|| format!("doctor: nothing on {}", self.engine))
    }

    fn answer(&self, line: &str) -> Result<Answer> {
        let object: Value = serde_json::from_str(line).context("classify --json: not JSON")?;
        let wrong = |key: &str| format!("classify --json: no sound {key}: {line}");
        let flag = |key: &str| object.get(key).and_then(Value::as_bool).with_context(|| wrong(key));
        let text = |key: &str| object.get(key).and_then(Value::as_str).with_context(|| wrong(key));
        let backend = text("backend")?;
        ensure!(backend.starts_with(self.engine), "asked for {}, {backend} answers", self.engine);
        let scores = object.get("scores").and_then(Value::as_array).with_context(|| wrong("scores"))?;
        let scores: Option<Vec<i32>> = scores.iter().map(|score| score.as_i64()?.try_into().ok()).collect();
        let invalid =
            object.get("invalid_utf8").and_then(Value::as_u64).with_context(|| wrong("invalid_utf8"))?;
        Ok(Answer {
            label: text("label")?.to_owned(),
            scores: scores.with_context(|| wrong("scores"))?,
            truncated: flag("truncated")?,
            abstain: flag("abstain")?,
            invalid: invalid > 0,
        })
    }

    /// The engine of the rows, with what doctor says of it.
    fn report(&self, printed: &str) -> Result<String> {
        let Some(line) = printed.lines().next() else { bail!("nothing was classified") };
        let object: Value = serde_json::from_str(line).context("classify --json: not JSON")?;
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let state = match text("device") {
            Some(device) => device.to_owned(),
            None => self.doctor()?,
        };
        let place = if self.emulated { " on aarch64, qemu-user" } else { "" };
        Ok(format!("{}{place}: {state}", text("backend").unwrap_or_default()))
    }
}

/// The state of an engine among the findings of `typecase doctor`: `ort`, or `ort (CPU)`.
fn state_of(findings: &Value, engine: &str) -> Option<String> {
    let is_of = |finding: &&Value| {
        let what = finding.get("what").and_then(Value::as_str).and_then(|what| what.strip_prefix(engine));
        what.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    };
    let states = findings.as_array()?.iter().filter(is_of);
    let states: Vec<&str> = states.filter_map(|finding| finding.get("state")?.as_str()).collect();
    states.iter().find(|state| state.starts_with("ready")).or(states.first()).map(|state| (*state).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_found_with_the_provider_that_is_ready() {
        let findings = serde_json::json!([
            {"what": "native", "state": "ready: a"},
            {"what": "ort (TensorRT)", "state": "absent: b"},
            {"what": "ort (CPU)", "state": "ready: c"},
            {"what": "wgpu", "state": "absent: d"},
        ]);
        let state = |engine| state_of(&findings, engine);
        assert_eq!(state("native").as_deref(), Some("ready: a"));
        assert_eq!(state("ort").as_deref(), Some("ready: c"));
        assert_eq!(state("wgpu").as_deref(), Some("absent: d"));
        assert_eq!(state("tract"), None);
    }
}
