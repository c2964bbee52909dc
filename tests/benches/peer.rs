//! The bare libmodbus loop, `tests/bench-peers/libmodbus_loop.c`.
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::program::{Program, ending, root};
use tempfile::TempDir;

/// Runs it to its end and returns what it counted.
pub(crate) fn run(arguments: &[&str], seconds: u64) -> Value {
    let directory = TempDir::with_prefix("shouwang-peer-").expect("a directory for the peer");
    let file = root().join("target/bench/libmodbus_loop");
    let mut command = Command::new(file);
    let command = command.args(arguments).arg(seconds.to_string());
    let mut program = Program::start("libmodbus_loop", command, directory.path());
    let ended = ending(program.wait(Duration::from_secs(seconds + 30)));
    assert_eq!(ended, "exit 0", "the libmodbus loop: {}", program.stderr());
    serde_json::from_str(&program.stdout()).expect("the loop prints JSON")
}
