//! `typecase doctor`: what this machine and this build can do, and what to do about what is missing.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::shipped;

/// Show what this machine and this build can do.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    state: String,
    /// What to do if it is absent and wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let findings = findings()?;
        if self.json {
            outln!("{}", serde_json::to_string(&findings).unwrap_or_default());
            return Ok(());
        }
        for Finding { what, state, remedy } in &findings {
            outln!("{what:<14} {state}");
            if let Some(remedy) = remedy {
                outln!("{:<14} -> {remedy}", "");
            }
        }
        Ok(())
    }
}

fn findings() -> Result<Vec<Finding>, Failure> {
    let case = shipped::default_case()?;
    let vectors = typecase::prepare(&case, &typecase::Options::default())?.session().verify();
    let native = match vectors {
        Ok(count) => format!("ready: {count} golden vectors of the built-in case exact; kernels: scalar"),
        Err(error) => format!("broken: {error}"),
    };
    let finding = |what, state: String, remedy| Finding { what, state, remedy };
    let absent = |what, remedy| finding(what, "not part of this build".to_owned(), Some(remedy));
    let meter = energy_meter();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(vec![
        finding(
            "program",
            format!("typecase {} for {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH),
            None,
        ),
        finding("processor", format!("{cores} cores; {}", cpu_features().join(" ")), None),
        finding("page size", format!("{} bytes", rustix::param::page_size()), None),
        finding("native", native, None),
        absent("tract", "no release has it yet: the native engine runs every bag"),
        absent("wgpu", "no release has it yet: the native engine runs every bag"),
        absent("ort", "no release has it yet: ONNX Runtime and TensorRT are for encoders"),
        finding(
            "energy meter",
            meter.clone().unwrap_or_else(|| "none found".to_owned()),
            if meter.is_none() {
                Some("bench reports no energy without RAPL (Linux, root) or an INA3221 (Jetson)")
            } else {
                None
            },
        ),
    ])
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
