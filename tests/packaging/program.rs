//! The program as `gateway/packaging/binary` builds it, run on an emulated processor where it is for another one.
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use shouwang_tests::program::{Program, ending, root};
use tempfile::TempDir;

/// Far above what a verb takes, emulated on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// One build of it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) path: PathBuf,
    emulator: Option<&'static str>,
}

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ending: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Built {
    /// Brings it up to date. What that needs was installed before, which is not for a test to do.
    pub(crate) fn of(arch: &str, profile: &str) -> Self {
        let fetched = root().join(format!("target/packaging/{arch}/musl"));
        assert!(
            fetched.exists(),
            "nothing is here to build for {arch}: run `tests/run`, or `gateway/packaging/binary --fetch {arch}`"
        );
        let mut command = Command::new(root().join("gateway/packaging/binary"));
        let output = command
            .args([arch, profile])
            .current_dir(root())
            .output()
            .expect("gateway/packaging/binary is a program");
        let said = String::from_utf8_lossy(&output.stdout);
        let path = said.lines().last().map(PathBuf::from);
        let Some(path) = path.filter(|path| output.status.success() && path.exists()) else {
            panic!(
                "`gateway/packaging/binary {arch} {profile}` made no program ({}):\n{said}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        };
        Self { path, emulator: emulator(arch) }
    }

    /// The program of that name that was built beside it.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self { path: self.path.with_file_name(name), emulator: self.emulator }
    }

    /// A command that begins with it.
    pub(crate) fn command(&self) -> Command {
        let Some(emulator) = self.emulator else { return Command::new(&self.path) };
        let mut command = Command::new(emulator);
        command.arg(&self.path);
        command
    }

    /// Runs one verb to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let directory = TempDir::with_prefix("shouwang-arm-").expect("a directory for the output");
        let mut command = self.command();
        let mut program = Program::start("shouwang", command.args(arguments), directory.path());
        drop(program.take_stdin());
        let ending = ending(program.wait(LIMIT));
        Outcome { ending, stdout: program.stdout(), stderr: program.stderr() }
    }

    pub(crate) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).expect("the program").len()
    }
}

fn emulator(arch: &str) -> Option<&'static str> {
    match (arch, std::env::consts::ARCH) {
        ("arm64", "aarch64") | ("armhf", "arm") | ("amd64", "x86_64") => None,
        ("arm64", _) => Some("qemu-aarch64"),
        ("armhf", _) => Some("qemu-arm"),
        (_, _) => Some("qemu-x86_64"),
    }
}
