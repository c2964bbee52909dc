//! What a process has used, from `/proc`.
use std::fs;

use rustix::param::clock_ticks_per_second;

/// User and system time of a process so far, in seconds.
pub(crate) fn cpu_s(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the gateway runs");
    // The name in parentheses may have spaces; after it come the fields from the third on (proc(5)).
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| -> f64 { fields[field - 3].parse().expect("ticks are a number") };
    (ticks(14) + ticks(15)) / clock_ticks_per_second() as f64
}

/// Resident memory of a process now, in MiB.
pub(crate) fn resident_mib(id: u32) -> f64 {
    memory_mib(id, "VmRSS:")
}

/// The most memory that a process ever had resident, in MiB.
pub(crate) fn peak_mib(id: u32) -> f64 {
    memory_mib(id, "VmHWM:")
}

fn memory_mib(id: u32, which: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the program runs");
    let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("proc(5) has it");
    let kib = line.split_whitespace().next().unwrap_or_default();
    kib.parse::<f64>().expect("memory is a number") / 1024.0
}
