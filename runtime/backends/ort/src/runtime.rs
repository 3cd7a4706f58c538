//! The one ONNX Runtime of the process.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use typecase_engine::backend::Unavailable;

use crate::library::{self, Places};

/// What was handed to `ort`, which keeps the first library for ever.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

struct Loaded {
    file: PathBuf,
    version: String,
    /// Absent if it could not be made: the library stays loaded all the same.
    environment: Option<Environment>,
}

/// A library that is loaded and set up.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) environment: Environment,
    pub(crate) file: PathBuf,
    pub(crate) version: String,
}

/// Loads the library of this file, or the one that is found, unless it is loaded already.
pub(crate) fn load(given: Option<&Path>) -> Result<Runtime, Unavailable> {
    let file = library::resolved(&Places::of(given).find()?)?;
    // Held to the end: `ort` must not be asked for two libraries at a time.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Loaded { file: other, version, .. }) = loaded.as_ref().filter(|loaded| loaded.file != file) {
        let (other, file) = (other.display(), file.display());
        let cause =
            format!("ONNX Runtime {version} from {other} is loaded in this process, {file} cannot be");
        return Err(Unavailable::new(cause, "name the same library everywhere, or use a second process"));
    }
    let loaded = match &mut *loaded {
        Some(loaded) => loaded,
        none => {
            let version = library::check(&file)?;
            // It has just been loaded: only other code of the process that uses `ort` can be in the way.
            ort::init_from(&file).map_err(|error| refused(&error.to_string()))?;
            none.insert(Loaded { file, version, environment: None })
        }
    };
    let environment = match &mut loaded.environment {
        Some(environment) => environment,
        none => none.insert(environment()?),
    };
    Ok(Runtime {
        environment: environment.clone(),
        file: loaded.file.clone(),
        version: loaded.version.clone(),
    })
}

fn environment() -> Result<Environment, Unavailable> {
    let environment = ort::init().with_name("typecase").with_telemetry(false).build();
    let environment = environment.map_err(|error| refused(error.message()))?;
    // What matters comes back as an error; standard error belongs to the program.
    if env::var_os("ORT_LOG").is_none() {
        environment.set_log_level(LogLevel::Fatal);
    }
    Ok(environment)
}

fn refused(message: &str) -> Unavailable {
    let cause = format!("ONNX Runtime cannot be set up: {message}");
    Unavailable::new(cause, "leave the setting up of ONNX Runtime to one part of the process")
}
