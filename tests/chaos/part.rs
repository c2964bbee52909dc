//! One of our two programs as an init system would keep it: started again when it ends by itself.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{clock, wait_for};

/// As `RestartSec=1` of systemd.
const RESTART_AFTER: Duration = Duration::from_secs(1);
const END_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Part {
    name: &'static str,
    directory: PathBuf,
    command: Command,
    program: Option<Program>,
    wanted: bool,
    frozen: bool,
    restart_at: Option<Instant>,
}

impl Part {
    /// Not running yet. Its words go to `NAME.out` and `NAME.err` in `directory`.
    pub(crate) fn new(name: &'static str, directory: &Path, command: Command) -> Self {
        Self {
            name,
            directory: directory.to_owned(),
            command,
            program: None,
            wanted: false,
            frozen: false,
            restart_at: None,
        }
    }

    pub(crate) fn start(&mut self) {
        self.wanted = true;
        if self.program.is_none() {
            self.restart_at = None;
            self.program = Some(Program::start(self.name, &mut self.command, &self.directory));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        (self.wanted, self.frozen) = (false, false);
        if let Some(mut program) = self.program.take() {
            program.kill();
        }
    }

    /// SIGTERM, and how it ended; if it does not, `kill -9`.
    pub(crate) fn end(&mut self) -> String {
        self.thaw();
        self.wanted = false;
        let Some(mut program) = self.program.take() else { return "was not running".into() };
        if !program.is_running() {
            return "had ended before".into();
        }
        program.signal(Signal::TERM);
        let began = clock::now();
        wait_for(END_LIMIT * 2, "a killed program should end", || match program.exited() {
            Some(status) => Some(ending(status)),
            None if began.elapsed() >= END_LIMIT => {
                program.kill();
                Some(format!("did not end within {END_LIMIT:?}"))
            }
            None => None,
        })
    }

    pub(crate) fn freeze(&mut self) {
        if self.is_running() {
            self.frozen = true;
            self.signal(Signal::STOP);
        }
    }

    pub(crate) fn thaw(&mut self) {
        if self.frozen {
            self.frozen = false;
            self.signal(Signal::CONT);
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.program.as_mut().is_some_and(Program::is_running)
    }

    /// Looks after it: says so if it ended by itself or was started again.
    pub(crate) fn tend(&mut self) -> Option<String> {
        if !self.wanted {
            return None;
        }
        if let Some(status) = self.program.as_mut().and_then(Program::exited) {
            self.program = None;
            self.restart_at = Some(clock::now() + RESTART_AFTER);
            return Some(format!("{} ended by itself: {}", self.name, ending(status)));
        }
        if self.restart_at.is_some_and(|at| at <= clock::now()) {
            self.start();
            return Some(format!("{} is started again", self.name));
        }
        None
    }

    /// Standard output and standard error of all its runs.
    pub(crate) fn words(&self) -> (String, String) {
        let read = |suffix| {
            let bytes = std::fs::read(self.directory.join(format!("{}.{suffix}", self.name)));
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        (read("out"), read("err"))
    }

    fn signal(&self, signal: Signal) {
        if let Some(program) = &self.program {
            program.signal(signal);
        }
    }
}
