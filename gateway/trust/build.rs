//! Writes into the program when its source was committed: the same source is the same program, and no clock of the
//! machine that builds it is asked.
use std::process::Command;

/// 2026-11-01T00:00:00Z, when this program did not exist yet: for a source without its history, and the least that
/// is believed of one that tells another time.
const WRITTEN_UNIX_S: u64 = 1_793_491_200;

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    // Not the history: what is built again and again at a desk keeps the date it was first built with.
    println!("cargo::rerun-if-changed=build.rs");
    let told = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.trim().parse().ok());
    let built = told.or_else(committed).unwrap_or(0).max(WRITTEN_UNIX_S);
    println!("cargo::rustc-env=SHOUWANG_BUILT_UNIX_S={built}");
}

/// None outside a clone, or without git.
fn committed() -> Option<u64> {
    let told = Command::new("git").args(["log", "-1", "--format=%ct"]).output().ok()?;
    String::from_utf8(told.stdout).ok()?.trim().parse().ok()
}
