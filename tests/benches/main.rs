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

mod peer;
mod process;
mod serial;
mod table;
mod tap;
mod tcp;
mod ten;

use table::Table;

fn main() {
    let mut table = Table::default();
    for dead in [0, 1, 3] {
        serial::measure(dead, &mut table);
    }
    tcp::measure(&mut table);
    table.print();
}
