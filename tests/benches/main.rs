//! The benchmark: issue-sized figures of the real binary, each beside a bare libmodbus loop or the theory of
//! the wire, all in one run on one machine. `tests/bench` builds what it needs and starts it.
//!
//! Prints a table for people and, as its last line, the same as JSON. A bound that is not kept is marked; the
//! exit code says only whether everything could be measured.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking, and prints"
)]

mod flood;
mod load;
mod many;
mod outage;
mod pages;
mod peer;
mod process;
mod rate;
mod river;
mod scan;
mod serial;
mod server;
mod soak;
mod table;
mod tap;
mod tcp;
mod ten;
mod wire;

use table::Table;

/// A part of the benchmark: its name, and what fills in its figures.
type Part = (&'static str, fn(&mut Table));

const PARTS: [Part; 11] = [
    ("rtu", serial::measure_all),
    ("wire", wire::measure),
    ("cpu", tcp::measure),
    ("rate", rate::measure),
    ("flood", flood::measure),
    ("load", load::measure),
    ("outage", outage::measure),
    ("start", rate::measure_start),
    ("river", river::measure),
    ("scan", scan::measure),
    ("soak", soak::measure),
];

fn main() {
    // Cargo adds `--bench` of its own.
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    if let Some(stranger) = names.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        eprintln!("there is no part {stranger:?}; there are: {}", PARTS.map(|(name, _)| name).join(" "));
        std::process::exit(2);
    }
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            measure(&mut table);
        }
    }
    table.print();
}
