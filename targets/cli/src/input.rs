//! What several commands take: a case, a backend, labelled data, a file's place.

use std::path::{Path, PathBuf};

use clap::Args;
use typecase::{Backend, Case, Options, Runnable};
use typecase_train::data::{self, Format, Loaded, ReadOptions};

use crate::failure::Failure;
use crate::shipped;

/// Which case runs where.
#[derive(Debug, Args)]
pub(crate) struct CaseArguments {
    /// The case; without it the one that is built in
    #[arg(long, value_name = "FILE")]
    pub(crate) case: Option<PathBuf>,
    /// The engine: auto or native
    #[arg(long, default_value = "auto", value_name = "NAME", value_parser = backend)]
    pub(crate) backend: Backend,
    /// A fall-back to another engine is an error
    #[arg(long)]
    pub(crate) strict: bool,
}

/// An engine by its name.
pub(crate) fn backend(name: &str) -> Result<Backend, String> {
    name.parse().map_err(|e: typecase::Error| e.to_string())
}

impl CaseArguments {
    /// Opens and prepares the case.
    pub(crate) fn prepare(&self) -> Result<Runnable, Failure> {
        prepare(&open(self.case.as_deref())?, self.backend, self.strict)
    }
}

/// Opens a case, or the one that is built in.
pub(crate) fn open(path: Option<&Path>) -> Result<Case, Failure> {
    match path {
        Some(path) => Ok(typecase::open(path)?),
        None => shipped::default_case(),
    }
}

/// Prepares a case and says which engines were passed over.
pub(crate) fn prepare(case: &Case, backend: Backend, strict: bool) -> Result<Runnable, Failure> {
    let runnable = typecase::prepare(case, &Options { backend, strict })?;
    for passed in &runnable.report().passed_over {
        eprintln!("note: {} passed over: {}", passed.backend, passed.reason);
    }
    Ok(runnable)
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
