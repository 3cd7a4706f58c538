//! An engine of somebody else, in a process of its own: told by lines of JSON what to do, it answers with lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::texts::Texts;
use crate::failure::Failure;

/// The program with the engines, and what builds it.
const PROGRAM: &str = "typecase-peers";
const BUILD: &str = "cargo build --release --package typecase-benches --bin typecase-peers --features peers";
/// What writes the graphs, and the quantised fastText.
const GRAPHS: &str =
    "python3 benches/peers/bert_onnx.py --model FOLDER writes the graphs, and prints the folder for --peers";
const FASTTEXT: &str = "python3 benches/peers/fasttext_peer.py --train FILE --cache FOLDER writes one; name that folder with --peers";
/// Runs with `python3 -c`.
const FASTTEXT_PEER: &str = include_str!("../../../../../benches/peers/fasttext_peer.py");

/// An engine, and the forms of the network that are measured where none is named.
const ENGINES: [(&str, &[&str]); 4] = [
    ("ort", &["f32", "int8", "int8-fused", "qdq"]),
    ("rten", &["f32", "int8"]),
    ("tract", &["f32", "qdq"]),
    ("candle", &["f32"]),
];
/// The peer of bags.
const BAGS: &str = "fasttext";

/// Names as they are written after `--vs`: an engine, or an engine with a form.
pub(super) fn name(name: &str) -> Result<String, String> {
    let engine = name.split('-').next().unwrap_or(name);
    if name == BAGS || ENGINES.iter().any(|(known, _)| *known == engine) {
        return Ok(name.to_owned());
    }
    let known: Vec<_> = ENGINES.iter().map(|(known, _)| *known).collect();
    Err(format!(
        "not known, allowed are {}, {BAGS}, and a form of the network, such as ort-int8",
        known.join(", ")
    ))
}

/// Each engine with each of its forms; refuses those that cannot run such a case.
pub(super) fn expanded(names: &[String], is_encoder: bool) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for name in names {
        if (name == BAGS) == is_encoder {
            let (theirs, ours) = if is_encoder { ("bags", "an encoder") } else { ("encoders", "a bag") };
            return Err(Failure::input(format!("--vs {name}: it runs {theirs}, the case is {ours}")));
        }
        match ENGINES.iter().find(|(engine, _)| engine == name) {
            Some((engine, forms)) => all.extend(forms.iter().map(|form| format!("{engine}-{form}"))),
            None => all.push(name.clone()),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|name| seen.insert(name.clone()));
    Ok(all)
}

/// Where the peers and what they run are.
pub(super) struct Places<'p> {
    /// The program with the engines.
    pub(super) program: Option<&'p Path>,
    /// The folder with the graphs, or with fastText's model.
    pub(super) folder: Option<&'p Path>,
}

/// What a peer says of itself.
#[derive(Deserialize)]
struct About {
    version: String,
    open_us: f64,
}

/// What a peer says of its first text.
#[derive(Deserialize)]
struct First {
    first_us: f64,
}

/// What a turn took.
#[derive(Deserialize)]
pub(super) struct Took {
    /// Seconds by the clock on the wall.
    pub(super) wall: f64,
    /// Seconds on the processor: less if others had the core in between.
    pub(super) processor: f64,
    #[serde(default)]
    pub(super) peak_rss_kib: Option<u64>,
}

/// A peer that runs. It ends when this is dropped.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) open_us: f64,
    /// From its start to its first answer.
    pub(super) first_answer_us: f64,
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it and hands it the texts.
    pub(super) fn start(name: &str, places: &Places<'_>, texts: &[Texts]) -> Result<Self, Failure> {
        let (mut command, help) = command(name, places)?;
        let refused = |message: String| Failure::input(format!("--vs {name}: {message}")).help(help);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // One thread, whatever it reads to know how many.
        for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            command.env(variable, "1");
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child =
            command.spawn().map_err(|error| refused(format!("{program} does not start: {error}")))?;
        let (requests, replies) = (child.stdin.take(), child.stdout.take());
        let Some(replies) = replies else { return Err(refused(format!("{program} has no output"))) };
        let mut peer = Self {
            name: name.to_owned(),
            version: String::new(),
            open_us: 0.0,
            first_answer_us: 0.0,
            child,
            requests,
            replies: BufReader::new(replies),
        };
        let About { version, open_us } = peer.reply().map_err(&refused)?;
        let lists: Vec<Value> = texts
            .iter()
            .map(|texts| {
                let length = texts.length.to_string();
                if name == BAGS { json!([length, texts.texts]) } else { json!([length, texts.ids]) }
            })
            .collect();
        let First { first_us } = peer.ask(&json!({ "texts": lists })).map_err(&refused)?;
        (peer.version, peer.open_us, peer.first_answer_us) = (version, open_us, open_us + first_us);
        Ok(peer)
    }

    /// Has it do so many texts of a length.
    pub(super) fn turn(&mut self, length: u32, count: usize) -> Result<Took, Failure> {
        let request = json!({ "run": [length.to_string(), count] });
        self.ask(&request).map_err(|message| Failure::purpose(format!("--vs {}: {message}", self.name)))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T, String> {
        let requests = self.requests.as_mut().ok_or("it was told to end")?;
        writeln!(requests, "{request}")
            .and_then(|()| requests.flush())
            .map_err(|error| format!("it has ended: {error}"))?;
        self.reply()
    }

    fn reply<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        self.replies.read_line(&mut line).map_err(|error| error.to_string())?;
        let value: Value = match serde_json::from_str(&line) {
            Ok(value) => value,
            Err(_) if line.is_empty() => return Err("it has ended without a word".to_owned()),
            Err(_) => return Err(format!("its answer is not understood: {line:?}")),
        };
        if let Some(error) = value.get("error").and_then(Value::as_str) {
            return Err(error.to_owned());
        }
        serde_json::from_value(value).map_err(|error| format!("its answer is not understood: {error}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.requests = None;
        let _ = self.child.wait();
    }
}

/// What starts a peer, and what to do if it does not work.
fn command(name: &str, places: &Places<'_>) -> Result<(Command, &'static str), Failure> {
    let is_bags = name == BAGS;
    let remedy = if is_bags { FASTTEXT } else { GRAPHS };
    let Some(folder) = places.folder else {
        return Err(
            Failure::input(format!("--vs {name}: --peers names no folder, one is needed")).help(remedy)
        );
    };
    if !folder.is_dir() {
        return Err(Failure::input(format!("--peers {}: no such folder", folder.display())).help(remedy));
    }
    if is_bags {
        let model = latest(folder, "ftz").ok_or_else(|| {
            Failure::input(format!("--peers {}: no .ftz in it, one is needed", folder.display()))
                .help(FASTTEXT)
        })?;
        let mut command = Command::new("python3");
        command.args(["-c", FASTTEXT_PEER, "--serve"]).arg(model);
        return Ok((command, "python3 -m pip install numpy fasttext-wheel"));
    }
    let program = places.program.map_or_else(beside, Path::to_owned);
    if !program.is_file() {
        return Err(Failure::input(format!("--vs {name}: no program {}", program.display()))
            .help(format!("{BUILD} builds it; --peer-program FILE names one elsewhere")));
    }
    let mut command = Command::new(program);
    command.arg(name).arg("--graphs").arg(folder);
    Ok((
        command,
        "see benches/README.md: `typecase bench --vs`; with --features peers typecase-peers has every engine",
    ))
}

/// The program beside this one.
fn beside() -> PathBuf {
    let folder = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    folder.unwrap_or_default().join(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX))
}

/// The last file with this ending that was written.
fn latest(folder: &Path, ending: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let named = entries.filter(|path| path.extension().is_some_and(|found| found == ending));
    named.max_by_key(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_stands_for_its_forms_once() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = expanded(&names(&["rten", "ort-int8-r7", "candle", "rten-int8"]), true).unwrap();
        assert_eq!(found, ["rten-f32", "rten-int8", "ort-int8-r7", "candle-f32"]);
        assert_eq!(expanded(&names(&["fasttext"]), false).unwrap(), ["fasttext"]);
        assert_eq!(expanded(&names(&["fasttext"]), true).unwrap_err().code, 2);
        assert_eq!(expanded(&names(&["ort"]), false).unwrap_err().code, 2);
    }

    #[test]
    fn names_begin_with_an_engine() {
        for known in ["ort", "ort-int8", "rten", "tract-qdq", "candle", "fasttext"] {
            assert_eq!(name(known).unwrap(), known);
        }
        for unknown in ["", "onnx", "fasttext-f32", "int8-ort"] {
            assert!(name(unknown).is_err(), "{unknown}");
        }
    }
}
