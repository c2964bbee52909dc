//! Crates planted in a small project beside the real policy on what may be linked: each is refused, and for its reason.
use std::path::{Path, PathBuf};
use std::process::Command;

use shouwang_tests::program::root;
use tempfile::TempDir;

#[test]
#[ignore = "wants cargo-deny, which takes minutes to build: tests/long deny"]
fn a_planted_bad_crate_is_refused() {
    let (good, words) = judged("serde = \"1\"", &[]);
    assert!(good, "a project with a crate that we use ourselves is fine:\n{words}");

    let licence = ("planted", "name = \"planted\"\nversion = \"1.0.0\"\nlicense = \"AGPL-3.0-only\"\n");
    refuses("planted = { path = \"planted\" }", &[licence], "licenses", "AGPL-3.0-only");
    let none = ("planted", "name = \"planted\"\nversion = \"1.0.0\"\n");
    refuses("planted = { path = \"planted\" }", &[none], "licenses", "planted");
    let banned = ("openssl", "name = \"openssl\"\nversion = \"0.10.0\"\nlicense = \"Apache-2.0\"\n");
    refuses("openssl = { path = \"openssl\" }", &[banned], "bans", "TLS is rustls");
    refuses("serde = \"*\"", &[], "bans", "wildcard");
    let elsewhere = ("elsewhere", "name = \"elsewhere\"\nversion = \"1.0.0\"\nlicense = \"MIT\"\n");
    refuses("elsewhere = { git = \"file://@HERE@/elsewhere\" }", &[elsewhere], "sources", "elsewhere");
}

#[track_caller]
fn refuses(dependency: &str, crates: &[(&str, &str)], by: &str, word: &str) {
    let (good, words) = judged(dependency, crates);
    assert!(
        !good && words.contains(&format!("{by} FAILED")),
        "{dependency} is refused by its {by}:\n{words}"
    );
    assert!(words.contains(word), "{dependency}: it says why:\n{words}");
}

/// Whether our policy lets in a project with this dependency, and what was said of it.
fn judged(dependency: &str, crates: &[(&str, &str)]) -> (bool, String) {
    let directory = TempDir::with_prefix("shouwang-planted-").expect("a directory for the project");
    let here = directory.path();
    let package = "name = \"project\"\nversion = \"1.0.0\"\nlicense = \"Apache-2.0\"\npublish = false\n";
    let dependency = dependency.replace("@HERE@", &here.display().to_string());
    write_crate(
        here,
        &format!("{package}edition = \"2024\"\n\n[dependencies]\n{dependency}\n\n[workspace]\n"),
    );
    for (name, package) in crates {
        write_crate(&here.join(name), &format!("{package}edition = \"2024\"\n"));
    }
    // The versions that we have, so that nothing is looked for.
    std::fs::copy(root().join("Cargo.lock"), here.join("Cargo.lock")).expect("our lock file");
    let mut command = Command::new(cargo_deny());
    if dependency.contains("git = ") {
        let (name, _) = crates.first().expect("a crate in a repository of its own");
        commit(&here.join(name));
        // Cargo gets it from there, into a home that goes with the project.
        command.env("CARGO_HOME", here.join("home"));
    } else {
        command.arg("--offline");
    }
    let output = command
        .arg("--config")
        .arg(root().join(".deny.toml"))
        .args(["check", "licenses", "bans", "sources"])
        .current_dir(here)
        .output()
        .expect("`tests/long deny` installs cargo-deny");
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&words).into_owned())
}

fn write_crate(directory: &Path, package: &str) {
    std::fs::create_dir_all(directory.join("src")).expect("a directory for a crate");
    std::fs::write(directory.join("Cargo.toml"), format!("[package]\n{package}")).expect("its manifest");
    std::fs::write(directory.join("src/lib.rs"), "").expect("its source");
}

fn commit(directory: &Path) {
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "--quiet", "--message=x"],
    ] {
        let output = Command::new("git").args(arguments).current_dir(directory).output().expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn cargo_deny() -> PathBuf {
    let program = root().join("target/test-tools/cargo/bin/cargo-deny");
    assert!(program.exists(), "{}: `tests/long deny` installs it", program.display());
    program
}
