//! Whose Rust builds for a box: rustup's where it has the target, with none of what only Debian's needs; else Debian's.
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use shouwang_tests::program::root;
use tempfile::TempDir;

const ARM64: &str = "aarch64-unknown-linux-musl";
/// What `gateway/packaging/binary` would start, one word a line.
const ASK: &str = r#"
set -euo pipefail
source gateway/packaging/machines
of arm64
choose
printf '%s\n' "${cargo[@]}" "${options[@]}" "RUSTFLAGS=$flags" "RUSTC=$RUSTC" "BOOTSTRAP=${RUSTC_BOOTSTRAP-}"
"#;

#[test]
fn rustup_builds_where_it_has_the_target() {
    let rustup = Rustup::with(&["x86_64-unknown-linux-gnu", ARM64]);
    let own = |name: &str| rustup.0.path().join(name).display().to_string();
    let expected = [
        &own("cargo"),
        "--locked",
        "--target",
        ARM64,
        "RUSTFLAGS=",
        &format!("RUSTC={}", own("rustc")),
        "BOOTSTRAP=",
    ];
    assert_eq!(rustup.chosen(&[]), expected);
}

#[test]
fn debians_builds_where_rustup_has_not_or_is_told_not_to() {
    let has = Rustup::with(&["x86_64-unknown-linux-gnu", ARM64]);
    let has_not = Rustup::with(&["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]);
    for chosen in [has_not.chosen(&[]), has.chosen(&[("SHOUWANG_DEBIAN_RUST", "1")])] {
        assert_eq!(chosen[..4], ["/usr/bin/cargo", "--locked", "--target", ARM64]);
        assert!(
            chosen.iter().any(|word| word.starts_with("-Zbuild-std=")),
            "it builds `std` itself: {chosen:?}"
        );
        assert_eq!(chosen[chosen.len() - 2..], ["RUSTC=/usr/bin/rustc", "BOOTSTRAP=1"]);
    }
}

/// A rustup that has these targets and a toolchain of its own, first in PATH.
struct Rustup(TempDir);

impl Rustup {
    fn with(targets: &[&str]) -> Self {
        let directory = TempDir::with_prefix("shouwang-rustup-").expect("a directory for rustup");
        let script = format!(
            "#!/bin/sh\ncase \"$1 $2\" in\n'target list') printf '%s\\n' {} ;;\n'which '*) echo {}/$2 ;;\n*) exit 1 ;;\nesac\n",
            targets.join(" "),
            directory.path().display()
        );
        write_program(&directory.path().join("rustup"), &script);
        Self(directory)
    }

    fn chosen(&self, environment: &[(&str, &str)]) -> Vec<String> {
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").expect("a PATH"));
        let output = Command::new("bash")
            .args(["-c", ASK])
            .current_dir(root())
            .env_remove("SHOUWANG_DEBIAN_RUST")
            .env("PATH", path)
            .envs(environment.iter().copied())
            .output()
            .expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a program");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its rights");
}
