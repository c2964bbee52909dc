//! The image under test, brought up to date before the first unit starts.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use shouwang_tests::program::root;

const TARGET: &str = "lm3s6965evb";

/// The ELF file.
pub(crate) fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(build)
}

/// The first build installs packages, which is not for a test to do; every later one only compiles what has
/// changed since.
fn build() -> PathBuf {
    let built = ["debian", "rustup"]
        .map(|compiler| root().join(format!("target/firmware-{compiler}/{TARGET}")))
        .iter()
        .any(|directory| directory.exists());
    assert!(
        built,
        "the call button's image was never built here: run `tests/run`, or `firmware/build {TARGET}`"
    );
    let output = Command::new(root().join("firmware/build")).arg(TARGET).output();
    let output = output.expect("firmware/build is a program");
    let said = String::from_utf8_lossy(&output.stdout);
    let path = said.lines().last().map(PathBuf::from).filter(|path| output.status.success() && path.exists());
    path.unwrap_or_else(|| {
        panic!(
            "`firmware/build {TARGET}` made no image ({}): run it yourself and mend what it says\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    })
}
