//! What several commands take: a case, a backend, texts line by line, labelled data, a file's place.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::Args;
use typecase::engine::Cpu;
use typecase::{Backend, Case, Options, PassedOver, Runnable};
use typecase_train::data::{self, Format, Loaded, ReadOptions};

use crate::failure::Failure;
use crate::shipped;

/// A line of input is never longer than this in memory; what is over it is cut and said to be.
const MAX_LINE_BYTES: u64 = 1 << 24;

/// Which case runs where.
#[derive(Debug, Args)]
pub(crate) struct CaseArguments {
    /// The case; without it the one that is built in
    #[arg(long, value_name = "FILE")]
    pub(crate) case: Option<PathBuf>,
    /// The engine: auto, native, tract, ort or wgpu
    #[arg(long, default_value = "auto", value_name = "NAME", value_parser = backend)]
    pub(crate) backend: Backend,
    /// A fall-back to another engine or provider is an error
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) engines: EngineArguments,
}

/// What the engines are told.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EngineArguments {
    /// The library of ONNX Runtime; else what ORT_DYLIB_PATH names, else one beside this program
    #[cfg(feature = "ort")]
    #[arg(long, value_name = "FILE")]
    ort_library: Option<PathBuf>,
    /// Providers of ONNX Runtime, the best first: tensorrt, cuda, cpu
    #[cfg(feature = "ort")]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "tensorrt,cuda,cpu")]
    ort_providers: Vec<typecase::ort::Provider>,
    /// The interface to the GPU: vulkan, gl, metal or dx12; without it the best that is there
    #[cfg(feature = "wgpu")]
    #[arg(long, value_name = "NAME")]
    gpu_api: Option<typecase::wgpu::Api>,
}

/// Names the kernels with which the native engine runs an encoder.
const CPU: &str = "TYPECASE_CPU";

/// The kernels that the environment asks for; `None` if it does not.
pub(crate) fn cpu() -> Result<Option<Cpu>, Failure> {
    let Some(name) = std::env::var_os(CPU).filter(|name| !name.is_empty()) else { return Ok(None) };
    let name = name.to_string_lossy();
    let found = Cpu::named(&name).ok_or_else(|| {
        Failure::input(format!("{CPU}: no kernels {name:?} on this machine, there are {}", kernels()))
            .help(format!("without {CPU} the fastest are taken: {}", Cpu::detect()))
    })?;
    Ok(Some(found))
}

/// The names of all kernels that this machine and this build have.
pub(crate) fn kernels() -> String {
    Cpu::all().map(|cpu| cpu.name()).collect::<Vec<_>>().join(", ")
}

/// Names the fault that the GPU is to have, in builds for tests.
#[cfg(feature = "inject-faults")]
const INJECT: &str = "TYPECASE_INJECT";

/// An engine by its name.
pub(crate) fn backend(name: &str) -> Result<Backend, String> {
    name.parse().map_err(|e: typecase::Error| e.to_string())
}

impl EngineArguments {
    /// As the runtime takes them.
    pub(crate) fn options(&self, backend: Backend, strict: bool) -> Result<Options, Failure> {
        let mut options = Options::new(backend, strict);
        options.cpu = cpu()?;
        #[cfg(feature = "ort")]
        {
            options.ort.library = self.ort_library.clone();
            options.ort.providers = self.ort_providers.clone();
        }
        #[cfg(feature = "wgpu")]
        {
            options.wgpu.api = self.gpu_api;
        }
        #[cfg(feature = "inject-faults")]
        if let Ok(fault) = std::env::var(INJECT) {
            options.wgpu.fault = Some(fault.parse().map_err(|e| Failure::input(format!("{INJECT}: {e}")))?);
        }
        Ok(options)
    }

    /// Prepares a case and says which engines that were asked for do not answer.
    pub(crate) fn prepare(&self, case: &Case, backend: Backend, strict: bool) -> Result<Runnable, Failure> {
        prepare(case, &self.options(backend, strict)?)
    }
}

/// Prepares a case and says which engines that were asked for do not answer.
pub(crate) fn prepare(case: &Case, options: &Options) -> Result<Runnable, Failure> {
    let runnable = typecase::prepare(case, options)?;
    if options.backend != Backend::Auto {
        runnable.report().passed_over.iter().for_each(note);
    }
    Ok(runnable)
}

impl CaseArguments {
    /// Opens and prepares the case.
    pub(crate) fn prepare(&self) -> Result<Runnable, Failure> {
        self.engines.prepare(&open(self.case.as_deref())?, self.backend, self.strict)
    }
}

/// Opens a case, or the one that is built in.
pub(crate) fn open(path: Option<&Path>) -> Result<Case, Failure> {
    match path {
        Some(path) => Ok(typecase::open(path)?),
        None => shipped::default_case(),
    }
}

/// Hands each line to `each`, without its end; a line of any bytes, cut at [`MAX_LINE_BYTES`].
pub(crate) fn lines(
    input: &mut impl BufRead,
    name: &str,
    mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut *input, MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|e| Failure::file(name, &e))? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if line.len() as u64 == MAX_LINE_BYTES {
            eprintln!("note: {name}: a line of over {MAX_LINE_BYTES} bytes was split");
        }
        each(&line)?;
    }
}

/// Says that an engine was lost on the way, after the work is done.
pub(crate) fn note_lost(runnable: &Runnable) {
    runnable.lost().into_iter().for_each(note);
}

fn note(passed: &PassedOver) {
    eprintln!("note: {} passed over: {}", passed.backend, passed.cause);
    eprintln!("help: {}", passed.remedy);
}

/// How labelled files are read.
#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    /// ag-news, csv, tsv or jsonl; without it from the file
    #[arg(long, value_name = "NAME", value_parser = format_name)]
    format: Option<Format>,
    /// Column with text (CSV and TSV with a header); may be given several times
    #[arg(long, value_name = "NAME")]
    text_column: Vec<String>,
    /// Column with the label (CSV and TSV with a header)
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// The label column holds the numbers of the classes, the first of which is N: 0 or 1 (CSV and TSV with a header)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1))]
    labels_from: Option<u32>,
    /// Leave bad rows out and count them
    #[arg(long)]
    skip_bad_rows: bool,
}

fn format_name(name: &str) -> Result<Format, String> {
    name.parse::<Format>().map_err(|e| e.to_string())
}

impl DataArguments {
    /// As the reader takes them; with `labels` other classes are errors.
    pub(crate) fn options(&self, labels: Option<Vec<String>>) -> ReadOptions {
        let defaults = ReadOptions::default();
        ReadOptions {
            format: self.format,
            text_columns: if self.text_column.is_empty() {
                defaults.text_columns.clone()
            } else {
                self.text_column.clone()
            },
            label_column: self.label_column.clone().unwrap_or_else(|| defaults.label_column.clone()),
            numbers_from: self.labels_from,
            labels,
            skip_bad_rows: self.skip_bad_rows,
            ..defaults
        }
    }

    /// Reads a file whole and says what was left out.
    pub(crate) fn load(&self, path: &Path, labels: Option<Vec<String>>) -> Result<Loaded, Failure> {
        let loaded = data::load(path, &self.options(labels))?;
        note_skipped(path, &loaded);
        Ok(loaded)
    }
}

/// Says how many bad rows were left out, and why the first was.
pub(crate) fn note_skipped(path: &Path, loaded: &Loaded) {
    if loaded.skipped > 0 {
        let first = loaded.reasons.first().map(|reason| format!(", the first: {reason}")).unwrap_or_default();
        eprintln!("note: {}: {} bad rows left out{first}", path.display(), loaded.skipped);
    }
}

/// The folder with labelled data: what is given, `TYPECASE_DATA`, `../shared/data`, or the current one.
pub(crate) fn data_folder(given: Option<&Path>) -> PathBuf {
    if let Some(given) = given {
        return given.to_owned();
    }
    match std::env::var_os("TYPECASE_DATA") {
        Some(folder) => PathBuf::from(folder),
        None if Path::new("../shared/data").is_dir() => PathBuf::from("../shared/data"),
        None => PathBuf::from("."),
    }
}

/// Writes a file whole or not at all: beside its place, then renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path)).map_err(|e| {
        // Nothing half done stays behind; if it never came to be there is nothing to remove.
        let _ = std::fs::remove_file(&beside);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Failure::input(format!("{}: no such folder", folder.display()));
        }
        Failure::file(path.display(), &e)
    })
}
