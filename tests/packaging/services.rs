//! The units as systemd understands them, and how much of the machine they leave within reach.
use std::process::{Command, Output};

use shouwang_tests::program::root;
use tempfile::TempDir;

/// Security requirement S19 (rules.md, section 7), in systemd's tenths.
const MOST_EXPOSURE: &str = "--threshold=20";
const UNITS: [&str; 2] = ["shouwang-gateway.service", "shouwang-duty-room.service"];

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let directory = units();
    for unit in UNITS {
        let path = directory.path().join(unit);
        let verified = systemd_analyze(&["verify", "--man=no", &path.display().to_string()]);
        let words = words(&verified);
        assert!(verified.status.success() && !words.contains("shouwang"), "{unit}: {words}");
    }
}

#[test]
fn the_services_are_closed_to_the_rest_of_the_machine() {
    let directory = units();
    for unit in UNITS {
        let path = directory.path().join(unit).display().to_string();
        let judged = systemd_analyze(&["security", "--offline=true", "--no-pager", MOST_EXPOSURE, &path]);
        let words = words(&judged);
        let overall = words.lines().find(|line| line.contains("Overall exposure")).unwrap_or(&words);
        println!("{}", overall.trim());
        assert!(judged.status.success() && overall.contains("exposure"), "{unit}: {words}");
    }
}

/// Copies whose program exists also where the package is not installed.
fn units() -> TempDir {
    let directory = TempDir::with_prefix("shouwang-units-").expect("a directory for the units");
    for unit in UNITS {
        let text =
            std::fs::read_to_string(root().join("gateway/packaging/systemd").join(unit)).expect("a unit");
        let text = text.replace("/usr/bin/shouwang", "/bin/true");
        std::fs::write(directory.path().join(unit), text).expect("a copy of the unit");
    }
    directory
}

fn systemd_analyze(arguments: &[&str]) -> Output {
    let output = Command::new("systemd-analyze").env("LC_ALL", "C.UTF-8").args(arguments).output();
    output.expect("`tests/run` installs systemd-analyze")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
