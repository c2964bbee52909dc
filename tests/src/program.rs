//! One child process: started with its words kept in files, and gone when its owner is.
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_for;

/// How much of a program's words a failing test repeats, in bytes.
const TAIL_BYTES: usize = 8 * 1024;

/// A running program. Dropping it kills it; if the test is failing, what it said is printed first.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Program {
    /// Starts `command`; standard output and error go to `NAME.out` and `NAME.err` in `directory`, after
    /// what is already there. Standard input is a pipe.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Self {
        Self::start_reading(name, command, directory, Stdio::piped())
    }

    /// The same, with this as its standard input.
    pub fn start_reading(name: &str, command: &mut Command, directory: &Path, input: Stdio) -> Self {
        let (stdout, stderr) = (directory.join(format!("{name}.out")), directory.join(format!("{name}.err")));
        let open = |path: &Path| {
            File::options().create(true).append(true).open(path).expect("a file for a program's output")
        };
        let spawned = command.stdin(input).stdout(open(&stdout)).stderr(open(&stderr)).spawn();
        match spawned {
            Ok(child) => Self { name: name.to_owned(), child, stdout, stderr },
            Err(error) => panic!("cannot start {name} ({command:?}): {error}; `tests/run` installs it"),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it said on standard output, over all its runs in this directory.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// Everything it said on standard error, over all its runs in this directory.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Its standard input, to be written to or, by dropping it, closed.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("standard input is taken once")
    }

    pub fn is_running(&mut self) -> bool {
        self.exited().is_none()
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("asking after our own child")
    }

    /// SIGKILL, as a power cut would have it; returns when it is gone.
    pub fn kill(&mut self) {
        // A child that has already ended needs no signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM) and waits; the test fails if it has not ended after `limit`.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(limit)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("signalling our own child");
    }

    /// Waits for its own end; the test fails if it has not ended after `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} should have ended by itself", self.name);
        wait_for(limit, &what, || self.exited())
    }

    fn tell(&self) {
        for (stream, path) in [("standard output", &self.stdout), ("standard error", &self.stderr)] {
            let words = read(path);
            let from = words.ceil_char_boundary(words.len().saturating_sub(TAIL_BYTES));
            if !words.is_empty() {
                let _ = writeln!(
                    std::io::stderr(),
                    "--- {} said on {stream}:\n{}",
                    self.name,
                    words.get(from..).unwrap_or("")
                );
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            self.tell();
        }
    }
}

/// How a program ended, in words: `exit 2`, `signal 9`.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

/// Where the package's own programs are built: the directory `deps` of the running test lies in.
pub fn build_directory() -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path");
    let deps = own.parent().and_then(Path::parent);
    deps.expect("a test runs from target/PROFILE/deps").to_path_buf()
}

/// The root of the source tree.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the root").to_path_buf()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
