//! ONNX Runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::{Engine, version_of};

/// A graph in a session.
pub(super) struct Graph {
    version: String,
    session: Session,
    ids: Vec<i64>,
}

impl Graph {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let library = library()?;
        let environment = ort::init_from(&library)
            .with_context(|| format!("{}: no ONNX Runtime", library.display()))?
            .with_telemetry(false)
            .build()?;
        let session = session(&environment, path).with_context(|| format!("{}", path.display()))?;
        Ok(Self {
            version: format!("ONNX Runtime {}, ort {}", version(&library), version_of("ort")),
            session,
            ids: Vec::new(),
        })
    }
}

impl Engine for Graph {
    fn version(&self) -> String {
        self.version.clone()
    }

    fn run(&mut self, ids: &[u32]) -> anyhow::Result<Vec<f32>> {
        self.ids.clear();
        self.ids.extend(ids.iter().map(|id| i64::from(*id)));
        let ids = TensorRef::from_array_view(([1, self.ids.len()], self.ids.as_slice()))?;
        let outputs = self.session.run(ort::inputs!["ids" => ids])?;
        let (_, scores) = outputs["scores"].try_extract_tensor::<f32>()?;
        Ok(scores.to_vec())
    }
}

/// On the caller's thread, with all optimisations.
fn session(environment: &Environment, path: &Path) -> ort::Result<Session> {
    let mut options = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_parallel_execution(false)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?;
    options.commit_from_file(path)
}

/// What `ORT_DYLIB_PATH` names, else the one inside the Python package.
fn library() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        ensure!(path.is_file(), "ORT_DYLIB_PATH: {}: no such file", path.display());
        return Ok(path);
    }
    let script = "import importlib.util, pathlib\n\
                  spec = importlib.util.find_spec('onnxruntime')\n\
                  for folder in spec.submodule_search_locations if spec else []:\n    \
                  for path in pathlib.Path(folder, 'capi').glob('libonnxruntime.*'): print(path)";
    let output = Command::new("python3").args(["-c", script]).output().ok();
    let lines = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let path = lines.lines().next().map(PathBuf::from).filter(|path| path.is_file());
    path.context("no ONNX Runtime: pip install onnxruntime, or set ORT_DYLIB_PATH to its libonnxruntime.so")
}

/// As the name of the file has it: the interface gives it only to unsafe code.
fn version(library: &Path) -> String {
    let resolved = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_owned());
    let name = resolved.file_name().unwrap_or_default().to_string_lossy();
    let numbers: String = name
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    if numbers.is_empty() {
        "of unknown version".to_owned()
    } else {
        numbers.trim_end_matches('.').to_owned()
    }
}
