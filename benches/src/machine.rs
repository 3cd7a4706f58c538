//! The machine, its one core, its clocks, and the commit.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use typecase_kernels::encoder::Cpu;

/// Waits, as an engine does before its turn, until the other has put its answer down and let go of the core.
pub fn let_go() {
    thread::sleep(Duration::from_millis(1));
}

/// The kernels of this name; without one those that `TYPECASE_CPU` names, else the fastest.
///
/// # Errors
/// This machine has no such kernels.
pub fn kernels(name: Option<&str>) -> anyhow::Result<Cpu> {
    let asked = std::env::var("TYPECASE_CPU").ok().filter(|name| !name.is_empty());
    let Some(name) = name.or(asked.as_deref()) else { return Ok(Cpu::detect()) };
    let known = || Cpu::all().map(|cpu| cpu.name()).collect::<Vec<_>>().join(", ");
    Cpu::named(name).with_context(|| format!("no kernels {name:?} on this machine, there are {}", known()))
}

/// Keeps this thread, and the processes that it starts from now on, on the core it is on, and returns its number.
///
/// # Errors
/// The system refuses, or is not Linux.
pub fn pin() -> anyhow::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        let core = rustix::thread::sched_getcpu();
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        rustix::thread::sched_setaffinity(None, &set)?;
        Ok(core)
    }
    #[cfg(not(target_os = "linux"))]
    anyhow::bail!("pinning to a core is done on Linux only")
}

/// Processor, cores, system.
#[must_use]
pub fn describe() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name);
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count().max(1);
    format!("{model}, {cores} cores, {}", std::env::consts::OS)
}

/// The commit of the working tree, with a plus sign if tracked files differ from it; "unknown" without git.
#[must_use]
pub fn commit(repository: &Path) -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("--no-optional-locks").arg("-C").arg(repository).args(arguments);
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let is_changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|list| !list.is_empty());
    if is_changed { format!("{commit}+") } else { commit }
}

/// What the processor has for vectors of integers, as Linux calls it; nothing elsewhere.
#[must_use]
pub fn vector_features() -> Vec<&'static str> {
    const KNOWN: [&str; 9] =
        ["avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "amx_int8", "asimd", "asimddp", "i8mm"];
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
    let flags: Vec<&str> = flags.unwrap_or_default().split_whitespace().collect();
    KNOWN.into_iter().filter(|known| flags.contains(known)).collect()
}

/// Seconds that something took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Took {
    /// By the clock on the wall.
    pub wall: f64,
    /// On the processor: less than `wall` if others had the core in between.
    pub processor: f64,
}

/// Measures `work`, done on this thread.
pub fn time<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (processor, wall) = (processor_seconds(), Instant::now());
    let answer = work();
    let wall = wall.elapsed().as_secs_f64();
    (answer, Took { wall, processor: processor_seconds() - processor })
}

/// The processor time of this thread since it began.
#[must_use]
pub fn processor_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// The processor time of this process, all threads, since it began.
#[must_use]
pub fn process_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// The most memory that this process has had, where Linux says so.
#[must_use]
pub fn peak_rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
