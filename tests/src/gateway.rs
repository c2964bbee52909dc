//! The real gateway: `shouwang run` as a child process.
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::Configuration;
use crate::program::{Program, build_directory, ending};

/// A clean end takes at most this long.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running gateway. Dropping it kills it; a failing test prints what it said.
#[derive(Debug)]
pub struct Gateway {
    program: Program,
}

impl Gateway {
    /// Starts it; that it works shows at the broker (`/state` says `ready`).
    pub fn start(configuration: &Configuration) -> Self {
        Self::start_in(configuration, &[])
    }

    /// As [`Gateway::start`], with these variables in its environment.
    pub fn start_in(configuration: &Configuration, environment: &[(&str, String)]) -> Self {
        let mut command = Command::new(binary());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::start_by(command, configuration)
    }

    /// As [`Gateway::start`], of another program than the one under test here, or by way of another.
    pub fn start_by(mut command: Command, configuration: &Configuration) -> Self {
        let command = command.arg("run").arg("--config").arg(configuration.write());
        Self { program: Program::start("shouwang", command, configuration.directory()) }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        self.program.signal(signal);
    }

    /// How it ended, once it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.program.exited()
    }

    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Everything it said on standard error, over all its runs with this configuration.
    pub fn stderr(&self) -> String {
        self.program.stderr()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    pub fn is_running(&mut self) -> bool {
        self.program.is_running()
    }

    /// SIGTERM; the test fails unless it ends by itself, with exit code 0 and without an ERROR line.
    pub fn stop(mut self) -> ExitStatus {
        let status = self.end();
        self.assert_no_errors();
        status
    }

    /// As [`Gateway::stop`], in a story in which an ERROR line is right.
    pub fn end(&mut self) -> ExitStatus {
        let status = self.program.stop(STOP_LIMIT);
        assert!(status.success(), "a stopped gateway ended with {}", ending(status));
        status
    }

    /// An ERROR line means that something of ours is broken, whatever else went well.
    pub fn assert_no_errors(&self) {
        let words = self.stderr();
        let errors: Vec<&str> = words.lines().filter(|line| is_error(line)).collect();
        assert!(errors.is_empty(), "the gateway logged errors:\n{}", errors.join("\n"));
        assert!(!words.contains("panicked at"), "the gateway panicked:\n{words}");
    }
}

/// The program under test, of the same build profile as the test itself.
pub fn binary() -> PathBuf {
    let file = build_directory().join("shouwang");
    assert!(
        file.exists(),
        "{} is not built: run `tests/run`, or `cargo build --workspace --bins` with the test's profile",
        file.display()
    );
    file
}

/// A log line has its level as a word of its own before the message.
fn is_error(line: &str) -> bool {
    line.split_whitespace().take(3).any(|word| word == "ERROR")
}

#[cfg(test)]
mod tests {
    use super::is_error;

    #[test]
    fn only_the_level_makes_an_error_line() {
        assert!(is_error("2026-11-22T07:52:07.412Z ERROR shouwang: the store is gone"));
        assert!(is_error("ERROR the store is gone"));
        assert!(!is_error("2026-11-22T07:52:07.412Z  WARN shouwang: device x said ERROR"));
    }
}
