//! The list of what the shipped program is made of, against what Cargo and its lock file say.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use shouwang_tests::program::root;

#[test]
fn the_list_names_every_crate_of_the_program_with_version_licence_and_checksum() {
    let list: Value = serde_json::from_str(&list(&root())).expect("the list is JSON");
    assert_eq!(list["bomFormat"], "CycloneDX");
    assert_eq!(list["metadata"]["component"]["name"], "shouwang");
    let components = list["components"].as_array().expect("components");
    let by_crate: BTreeMap<(&str, &str), &Value> =
        components.iter().map(|one| ((text(&one["name"]), text(&one["version"])), one)).collect();
    assert_eq!(by_crate.len(), components.len(), "each is named once");

    let (linked, all) = (tree("normal,no-proc-macro"), tree("normal,build"));
    assert!(linked.len() > 150 && all.len() > linked.len(), "{} of {} crates?", linked.len(), all.len());
    let locked = checksums();
    for (name, version, licence) in &all {
        let Some(component) = by_crate.get(&(name.as_str(), version.as_str())) else {
            assert_eq!(name, "shouwang", "{name} {version} is not in the list");
            continue;
        };
        let expected = licence.replace('/', " OR ");
        assert!(!expected.is_empty(), "{name} {version} has no licence");
        assert_eq!(component["licenses"][0]["expression"], expected.as_str(), "{name} {version}");
        let checksum = locked.get(&(name.clone(), version.clone())).expect("a crate of the lock file");
        assert_eq!(component["hashes"][0]["content"].as_str(), checksum.as_deref(), "{name} {version}");
        let scope = if linked.contains(&(name.clone(), version.clone(), licence.clone())) {
            "required"
        } else {
            "excluded"
        };
        assert_eq!(component["scope"], scope, "{name} {version}");
    }

    let crates = components.iter().filter(|one| text(&one["purl"]).starts_with("pkg:cargo/"));
    assert_eq!(crates.count(), all.len() - 1, "and names no other crate");
    for linked in ["sqlite", "musl", "rust-std"] {
        assert!(components.iter().any(|one| one["name"] == linked), "{linked} is linked too");
    }
}

#[test]
fn whatever_needs_something_and_whatever_is_needed_is_in_the_list() {
    let list: Value = serde_json::from_str(&list(&root())).expect("the list is JSON");
    let program = &list["metadata"]["component"];
    let components = list["components"].as_array().expect("components");
    let known: BTreeSet<&str> =
        components.iter().chain([program]).map(|component| text(&component["bom-ref"])).collect();
    let needs: BTreeMap<&str, Vec<&str>> = list["dependencies"]
        .as_array()
        .expect("who needs whom")
        .iter()
        .map(|one| (text(&one["ref"]), one["dependsOn"].as_array().into_iter().flatten().map(text).collect()))
        .collect();
    assert_eq!(needs.keys().copied().collect::<BTreeSet<_>>(), known);

    // From the program one comes to all of them, and to nothing else.
    let mut reached = BTreeSet::new();
    let mut next = vec![text(&program["bom-ref"])];
    while let Some(one) = next.pop() {
        if reached.insert(one) {
            next.extend(needs.get(one).unwrap_or_else(|| panic!("{one} is needed and not in the list")));
        }
    }
    assert_eq!(reached, known);
}

#[test]
fn the_same_sources_give_the_same_list() {
    assert_eq!(list(&root()), list(Path::new("/")), "wherever it is made");
    let list = list(&root());
    assert!(!list.contains(&root().display().to_string()), "nothing tells where it was made");
}

/// What `gateway/packaging/sbom` prints for aarch64, asked for from `directory`.
fn list(directory: &Path) -> String {
    let output = Command::new(root().join("gateway/packaging/sbom"))
        .arg("arm64")
        .current_dir(directory)
        .output()
        .expect("gateway/packaging/sbom is a program");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "it wants what `gateway/packaging/binary --fetch arm64` fetches: {words}"
    );
    String::from_utf8(output.stdout).expect("words")
}

/// Name, version and licence of each crate that Cargo takes for that machine.
fn tree(edges: &str) -> BTreeSet<(String, String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "shouwang", "--target", "aarch64-unknown-linux-musl"])
        .args(["--edges", edges, "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .expect("cargo");
    let text = String::from_utf8(output.stdout).expect("words");
    text.lines()
        .map(|line| {
            let (package, licence) = line.split_once('|').expect("two columns");
            let mut words = package.split_whitespace();
            let name = words.next().expect("a name").to_owned();
            let version = words.next().expect("a version").trim_start_matches('v').to_owned();
            (name, version, licence.to_owned())
        })
        .collect()
}

/// The checksum of each crate and version in the lock file; our own have none.
fn checksums() -> BTreeMap<(String, String), Option<String>> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("the lock file");
    let lock: toml::Table = lock.parse().expect("the lock file is TOML");
    let packages = lock["package"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let value = |key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            ((value("name").expect("a name"), value("version").expect("a version")), value("checksum"))
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
