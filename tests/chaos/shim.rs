//! The harness's end of `shim.c`: builds it once, preloads it into a program, and tells it what to do.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use shouwang_tests::program::root;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
/// `struct control` in `shim.c`.
const CONTROL_BYTES: usize = 24;

/// How a disk misbehaves. `every`: one call in so many, so that a transaction breaks in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Full { every: i32 },
    WriteError { every: i32 },
    SyncError { every: i32 },
    SlowSync { ms: i32 },
}

/// One program's disk and clock. Outlives the program's processes.
#[derive(Debug)]
pub(crate) struct Shim {
    path: PathBuf,
    control: File,
}

impl Shim {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let path = directory.join(format!("{name}.shim"));
        let control = File::options().create(true).truncate(true).write(true).open(&path);
        let shim = Self { path, control: control.expect("a file to steer the shim with") };
        shim.write(0, &[0; CONTROL_BYTES]);
        shim
    }

    /// The program to be started gets this disk and clock.
    pub(crate) fn preload(&self, command: &mut Command) {
        command.envs(self.environment());
    }

    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", library().display().to_string()), ("CHAOS_SHIM", self.path.display().to_string())]
    }

    /// Trouble from now on; none heals it.
    pub(crate) fn trouble(&self, trouble: Option<Trouble>) {
        let (write, sync, ms, every) = match trouble {
            None => (0, 0, 0, 1),
            Some(Trouble::Full { every }) => (ENOSPC, 0, 0, every),
            Some(Trouble::WriteError { every }) => (EIO, 0, 0, every),
            Some(Trouble::SyncError { every }) => (0, EIO, 0, every),
            Some(Trouble::SlowSync { ms }) => (0, 0, ms, 1),
        };
        let words = [write, sync, ms, every].map(i32::to_ne_bytes);
        self.write(0, &words.concat());
    }

    /// The wall clock is this many seconds off from now on.
    pub(crate) fn shift_clock(&self, seconds: i64) {
        self.write(16, &seconds.to_ne_bytes());
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        self.control.write_all_at(bytes, at).expect("steering the shim");
    }
}

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(build)
}

fn build() -> PathBuf {
    let directory = root().join("target/chaos");
    std::fs::create_dir_all(&directory).expect("a directory for the shim");
    let own = directory.join(format!("shim-{}.so", std::process::id()));
    let built = Command::new("gcc")
        .args(["-std=gnu11", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&own)
        .arg(root().join("tests/chaos/shim.c"))
        .status()
        .expect("gcc runs; `tests/run` installs it");
    assert!(built.success(), "gcc refused tests/chaos/shim.c");
    // Another run may have the last one loaded: it keeps it, this one takes its name.
    let library = directory.join("shim.so");
    std::fs::rename(own, &library).expect("naming the shim");
    library
}
