//! The fast Modbus TCP server, `tests/bench-peers/modbus_server.c`.
use std::io::Write;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::program::{Program, root};
use shouwang_tests::{port, wait_for};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(10);

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    program: Program,
    words: ChildStdin,
    first_port: u16,
    /// How often it was asked what it has done.
    asked: usize,
    _directory: TempDir,
}

/// What the server has done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) answered: f64,
    pub(crate) cpu_s: f64,
}

impl Server {
    pub(crate) fn start(lines: u16) -> Self {
        let directory = TempDir::with_prefix("shouwang-server-").expect("a directory for the server");
        let first_port = port::free_block(lines);
        let mut command = Command::new(root().join("target/bench/modbus_server"));
        let command = command.arg(first_port.to_string()).arg(lines.to_string());
        let mut program = Program::start("modbus_server", command, directory.path());
        let words = program.take_stdin();
        let mut server = Self { program, words, first_port, asked: 0, _directory: directory };
        // Whoever answers listens.
        server.done();
        server
    }

    pub(crate) fn first_port(&self) -> u16 {
        self.first_port
    }

    /// Changes a holding register.
    pub(crate) fn set(&mut self, line: u16, unit_id: u8, register: u16, value: u16) {
        self.say(&format!("{line} {unit_id} {register} {value}"));
    }

    pub(crate) fn done(&mut self) -> Done {
        self.say("?");
        self.asked += 1;
        let line = wait_for(LIMIT, "the server should say what it has done", || {
            let said = self.program.stdout();
            said.lines().nth(self.asked - 1).filter(|line| line.ends_with('}')).map(str::to_owned)
        });
        let told: Value = serde_json::from_str(&line).expect("the server prints JSON");
        let number = |name: &str| told[name].as_f64().expect("the server prints numbers");
        Done { answered: number("answered"), cpu_s: number("cpu_s") }
    }

    fn say(&mut self, words: &str) {
        writeln!(self.words, "{words}").expect("the server listens");
    }
}
