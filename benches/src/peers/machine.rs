//! Where a comparison ran.

use std::fs;
use std::thread;

/// Processor, cores, kernel and load in one line, as far as the system tells.
pub(super) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let model = first_line_with("/proc/cpuinfo", "model name")
        .and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    let system = std::env::consts::OS;
    format!("{model}, {cores} cores, {system} {}, load before the run {load}", kernel.trim())
}

fn first_line_with(path: &str, beginning: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find(|line| line.starts_with(beginning)).map(str::to_owned)
}
