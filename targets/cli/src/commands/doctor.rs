//! `typecase doctor`: what this machine and this build can do, and what to do about what is missing.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use typecase::engine::Cpu;
use typecase::{Backend, Case, Probed};

use crate::failure::Failure;
use crate::input::{self, EngineArguments};
use crate::shipped;

/// Show what this machine and this build can do.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    engines: EngineArguments,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Finding {
    what: String,
    state: String,
    /// What to do if it is absent and wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let findings = findings(&self.engines)?;
        if self.json {
            outln!("{}", serde_json::to_string(&findings).unwrap_or_default());
            return Ok(());
        }
        for Finding { what, state, remedy } in &findings {
            outln!("{what:<16} {state}");
            if let Some(remedy) = remedy {
                outln!("{:<16} -> {remedy}", "");
            }
        }
        Ok(())
    }
}

fn findings(engines: &EngineArguments) -> Result<Vec<Finding>, Failure> {
    let case = shipped::default_case()?;
    let finding = |what: &str, state: String| Finding { what: what.to_owned(), state, remedy: None };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut findings = vec![
        finding("program", format!("typecase {} for {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)),
        finding("processor", format!("{cores} cores; {}", cpu_features().join(" "))),
        finding("kernels", kernels()?),
        finding("page size", format!("{} bytes", rustix::param::page_size())),
    ];
    for &backend in Backend::ALL {
        findings.extend(engine(&case, engines, backend)?);
    }
    findings.push(match energy_meter() {
        Some(meter) => finding("energy meter", meter),
        None => {
            let remedy = "bench reports no energy without RAPL (Linux, root) or an INA3221 (Jetson)";
            Finding { remedy: Some(remedy.to_owned()), ..finding("energy meter", "none found".to_owned()) }
        }
    });
    Ok(findings)
}

/// Those that run an encoder, and the others to choose from.
fn kernels() -> Result<String, Failure> {
    let (chosen, why) = match input::cpu()? {
        Some(cpu) => (cpu, "asked for by TYPECASE_CPU"),
        None => (Cpu::detect(), "the fastest here"),
    };
    Ok(format!("encoders run on {chosen}, {why}; TYPECASE_CPU chooses from {}", input::kernels()))
}

/// The state of an engine, or of each of its providers: what it runs on, and whether it gives the golden vectors.
fn engine(case: &Case, engines: &EngineArguments, backend: Backend) -> Result<Vec<Finding>, Failure> {
    let name = backend.to_string();
    if !backend.is_in_this_build() {
        let remedy = format!("cargo build --release --package typecase-cli --features {name}");
        let state = "not part of this build".to_owned();
        return Ok(vec![Finding { what: name, state, remedy: Some(remedy) }]);
    }
    let options = engines.options(backend, true)?;
    if backend == Backend::Native {
        let state = match typecase::prepare(case, &options)?.session().verify() {
            Ok(count) => {
                format!("ready: {count} golden vectors of the built-in case exact; kernels: 64-bit words")
            }
            Err(error) => format!("broken: {error}"),
        };
        return Ok(vec![Finding { what: name, state, remedy: None }]);
    }
    let state = |Probed { label, options, found }: Probed| match found {
        Err(why) => Finding { what: label, state: format!("absent: {why}"), remedy: Some(why.remedy) },
        Ok(found) => match typecase::prepare(case, &options) {
            Ok(_) => {
                let vectors = case.golden().len();
                let state =
                    format!("ready: {}, {}; {vectors} golden vectors exact", found.version, found.device);
                Finding { what: label, state, remedy: None }
            }
            Err(error) => {
                let remedy = error.remedy().map(str::to_owned);
                Finding { what: label, state: format!("broken: {error}"), remedy }
            }
        },
    };
    Ok(options.probe().into_iter().map(state).collect())
}

/// What the kernels of this and later versions look for.
fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("avx2", std::is_x86_feature_detected!("avx2")),
            ("avx512bw", std::is_x86_feature_detected!("avx512bw")),
            ("avx512vnni", std::is_x86_feature_detected!("avx512vnni")),
            ("avxvnni", std::is_x86_feature_detected!("avxvnni")),
            ("sha", std::is_x86_feature_detected!("sha")),
        ];
        all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let all = [
            ("neon", std::arch::is_aarch64_feature_detected!("neon")),
            ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
            ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
            ("sha2", std::arch::is_aarch64_feature_detected!("sha2")),
        ];
        all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

/// A meter that this user may read.
fn energy_meter() -> Option<String> {
    let rapl = Path::new("/sys/class/powercap/intel-rapl:0/energy_uj");
    if std::fs::read_to_string(rapl).is_ok() {
        return Some("RAPL".to_owned());
    }
    let monitors = std::fs::read_dir("/sys/class/hwmon").ok()?;
    monitors.flatten().map(|entry| entry.path().join("name")).find_map(|name| {
        let name = std::fs::read_to_string(name).ok()?;
        (name.trim() == "ina3221").then(|| "INA3221".to_owned())
    })
}
