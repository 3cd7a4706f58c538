//! Engines of others, as `typecase bench --vs` measures them: each a feature, one engine in one process, which the
//! program `typecase-peers` is.
//!
//! All of them run the same network, a graph that `benches/peers/bert_onnx.py` wrote, or the folder that it wrote it
//! from: ids of one text in, scores out, one thread that does not spin.

#[cfg(feature = "peer-candle")]
mod candle;
#[cfg(feature = "peer-ort")]
mod ort;
#[cfg(feature = "peer-rten")]
mod rten;
#[cfg(feature = "peer-tract")]
mod tract;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// The engines, each also the end of the name of its feature.
pub const ENGINES: [&str; 4] = ["ort", "rten", "tract", "candle"];

/// The version in the lock file of a crate that does not say it itself; empty for others.
#[must_use]
pub fn version_of(package: &str) -> &'static str {
    let known = VERSIONS.iter().find(|(name, _)| *name == package);
    known.map_or("", |(_, version)| version)
}

/// Compared with the lock file by a test.
const VERSIONS: [(&str, &str); 4] =
    [("ort", "2.0.0-rc.15"), ("rten", "0.27.0"), ("tract-onnx", "0.23.9"), ("candle-core", "0.11.1")];

/// A network that an engine of somebody else runs.
pub trait Engine {
    /// The engine with its version.
    fn version(&self) -> String;

    /// The scores of a text, or whatever the network ends with.
    ///
    /// # Errors
    /// Whatever the engine says.
    fn run(&mut self, ids: &[u32]) -> anyhow::Result<Vec<f32>>;
}

/// Which engine runs which form of the network: `ort-int8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'n> {
    /// One of [`ENGINES`].
    pub engine: &'n str,
    /// The graph without its ending, `f32` for the weights as they are.
    pub form: &'n str,
}

impl<'n> Name<'n> {
    /// From `engine-form`.
    ///
    /// # Errors
    /// It is no such name, or no such engine.
    pub fn parse(name: &'n str) -> anyhow::Result<Self> {
        let (engine, form) = name
            .split_once('-')
            .with_context(|| format!("{name:?} is no engine with a form, such as ort-int8"))?;
        ensure!(ENGINES.contains(&engine), "no engine {engine:?}, there are {}", ENGINES.join(", "));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        ensure!(
            !form.is_empty() && form.chars().all(plain),
            "no form {form:?}: letters, digits and - are allowed"
        );
        Ok(Self { engine, form })
    }

    /// Opens the network in the folder that `bert_onnx.py` wrote.
    ///
    /// # Errors
    /// The engine is not part of this build, the file is not there, or the engine refuses it.
    pub fn open(self, folder: &Path) -> anyhow::Result<Box<dyn Engine>> {
        let Self { engine, form } = self;
        match engine {
            #[cfg(feature = "peer-ort")]
            "ort" => Ok(Box::new(ort::Graph::open(&graph(folder, form)?)?)),
            #[cfg(feature = "peer-rten")]
            "rten" => Ok(Box::new(rten::Graph::open(&graph(folder, form)?)?)),
            #[cfg(feature = "peer-tract")]
            "tract" => Ok(Box::new(tract::Graph::open(&graph(folder, form)?)?)),
            #[cfg(feature = "peer-candle")]
            "candle" => {
                ensure!(form == "f32", "candle runs the form f32 alone, {form} was asked for");
                Ok(Box::new(candle::Network::open(&folder.join("model"))?))
            }
            _ => {
                let _ = (folder, form, graph);
                bail!("{engine} is not part of this build of typecase-peers")
            }
        }
    }
}

/// The file of a form.
fn graph(folder: &Path, form: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{form}.onnx"));
    ensure!(path.is_file(), "{}: no such file", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_an_engine_and_a_form() {
        assert_eq!(Name::parse("ort-int8-r7").unwrap(), Name { engine: "ort", form: "int8-r7" });
        for name in ["ort", "ort-", "onnx-f32", "ort-../x", "", "-f32"] {
            assert!(Name::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = std::fs::read_to_string(crate::repository().join("Cargo.lock")).unwrap();
        for (package, version) in VERSIONS {
            let entry = format!("name = \"{package}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{package}: the lock file has another version than {version}");
        }
    }

    #[test]
    fn a_graph_that_is_not_there_is_named() {
        let name = Name { engine: "ort", form: "f32" };
        let error = name.open(Path::new("nowhere")).map(|_| ()).unwrap_err().to_string();
        let absent = "ort is not part of this build of typecase-peers";
        assert!(error == absent || error.ends_with("f32.onnx: no such file"), "{error}");
    }
}
