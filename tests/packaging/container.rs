//! A Debian to install into: this machine's own files, with a layer above that takes every change, under a systemd of
//! its own. It shares the network, so that brokers and devices of a test are in reach, and is gone with its owner.
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shouwang_tests::program::Program;
use shouwang_tests::{wait_for, wait_until};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
/// Mounts are seen by nobody else, and vanish with their namespace.
const BOOT: &str = r#"
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
rm -f "$1/root/etc/machine-id" "$1/root/usr/sbin/policy-rc.d"
exec systemd-nspawn --quiet --directory="$1/root" --bind-ro="$2:/packages" --register=no --keep-unit --boot -- systemd.unit=basic.target
"#;

/// A running one.
#[derive(Debug)]
pub(crate) struct Container {
    program: Program,
    /// The container's first process.
    first: u32,
    _directory: TempDir,
}

impl Container {
    /// Boots it; what lies in `packages` lies there in `/packages`.
    pub(crate) fn boot(packages: &Path) -> Self {
        assert!(rustix::process::geteuid().is_root(), "a Debian in a container wants root");
        let directory = TempDir::with_prefix("shouwang-debian-").expect("a directory for the container");
        let place = directory.path().join("layers");
        std::fs::create_dir(&place).expect("a directory for the layers");
        let mut command = Command::new("unshare");
        let command = command.args(["--mount", "--propagation", "private", "bash", "-c", BOOT, "boot"]);
        let mut program = Program::start("nspawn", command.arg(&place).arg(packages), directory.path());
        let nspawn = program.id();
        let first = wait_for(LIMIT, "the container should start", || {
            assert!(program.is_running(), "systemd-nspawn ended; `tests/long packages` installs it");
            first_process(nspawn)
        });
        let container = Self { program, first, _directory: directory };
        wait_until(LIMIT, "the container's systemd should have started", || {
            container.ask("systemctl is-active basic.target") == "active"
        });
        container
    }

    /// Runs a shell's command, which must succeed; what it printed.
    pub(crate) fn run(&self, command: &str) -> String {
        let (succeeded, words) = self.shell(command, "");
        assert!(succeeded, "`{command}` failed:\n{words}");
        words
    }

    /// What a command prints, whether it succeeds or not, trimmed.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.shell(command, "").1.trim().to_owned()
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let (succeeded, words) = self.shell(&format!("cat >'{path}'"), text);
        assert!(succeeded, "{path} could not be written: {words}");
    }

    fn shell(&self, command: &str, input: &str) -> (bool, String) {
        let first = self.first.to_string();
        let mut child = Command::new("nsenter")
            .args(["--target", &first, "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", "sh", "-c"])
            .arg(format!("exec 2>&1; cd /; {command}"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter is a part of every Debian");
        if let Some(mut stdin) = child.stdin.take() {
            // What does not read its input may have ended already.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().expect("our own child");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.ask("journalctl --no-pager --lines=80 --unit='shouwang-*'"));
        }
        // nspawn takes its container down with it; without it the kernel ends all that the first process started.
        let first = i32::try_from(self.first).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(first) = first {
            let _ = rustix::process::kill_process(first, rustix::process::Signal::KILL);
        }
        self.program.kill();
    }
}

/// nspawn's child is the container's systemd, as soon as it has become that.
fn first_process(nspawn: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let child = children.split_whitespace().next()?.parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then_some(child)
}
