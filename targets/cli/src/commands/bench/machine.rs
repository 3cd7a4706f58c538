//! The machine, its one core, its clocks.

use std::time::Instant;

/// Keeps the measurement, and what it starts from now on, on the core it is on.
pub(super) fn pin() {
    #[cfg(target_os = "linux")]
    {
        let mut set = rustix::thread::CpuSet::new();
        set.set(rustix::thread::sched_getcpu());
        if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
            eprintln!("note: not pinned to a core: {error}");
        }
    }
}

/// Processor, cores, system.
pub(super) fn describe() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name);
    // Not those that are left after pinning.
    let listed = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let cores = if listed > 0 { listed } else { std::thread::available_parallelism().map_or(1, usize::from) };
    format!("{model}, {cores} cores, {}", std::env::consts::OS)
}

/// The commit that the program was built from, if it was told.
pub(super) fn commit() -> String {
    option_env!("TYPECASE_COMMIT").unwrap_or("unknown").to_owned()
}

/// The most memory that this process has had, where Linux says so.
pub(super) fn peak_rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

pub(super) fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

/// The processor time of this thread since it began.
pub(super) fn processor_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}
