//! What the crates' manifests say about each other.
use std::collections::BTreeSet;

use crate::tree::Tree;

/// The crates of the workspace: name, directory, and which of our own crates each may use. `cli`,
/// `tests` and `tests/fuzz` may use everything. Where a profile goes (`catalog`, `field`), the words it is
/// written in go too.
pub(crate) const CRATES: &[(&str, &str, Option<&[&str]>)] = &[
    ("modbus-wire", "firmware/modbus-wire", Some(&[])),
    ("call-button", "firmware/call-button", Some(&["modbus-wire"])),
    ("shouwang-message", "gateway/message", Some(&[])),
    ("shouwang-river", "gateway/river", Some(&["shouwang-message"])),
    ("shouwang-core", "gateway/core", Some(&["shouwang-message", "shouwang-river"])),
    ("shouwang-board", "gateway/board", Some(&["shouwang-message", "shouwang-river"])),
    ("shouwang-catalog", "gateway/catalog", Some(&["shouwang-core", "shouwang-message"])),
    ("shouwang-serial", "gateway/serial", Some(&[])),
    (
        "shouwang-installer",
        "gateway/installer",
        Some(&["shouwang-catalog", "shouwang-core", "shouwang-message"]),
    ),
    ("shouwang-trust", "gateway/trust", Some(&["shouwang-message"])),
    ("shouwang-modem", "gateway/modem", Some(&["shouwang-message", "shouwang-serial"])),
    ("shouwang-paper", "gateway/paper", Some(&["shouwang-message"])),
    (
        "shouwang-gateway",
        "gateway/daemon",
        Some(&[
            "modbus-wire",
            "shouwang-catalog",
            "shouwang-core",
            "shouwang-message",
            "shouwang-modem",
            "shouwang-river",
            "shouwang-installer",
            "shouwang-serial",
            "shouwang-trust",
        ]),
    ),
    (
        "shouwang-duty-room",
        "gateway/duty-room",
        Some(&[
            "modbus-wire",
            "shouwang-board",
            "shouwang-message",
            "shouwang-modem",
            "shouwang-paper",
            "shouwang-river",
            "shouwang-serial",
            "shouwang-trust",
        ]),
    ),
    (
        "shouwang-field",
        "gateway/field",
        Some(&["call-button", "modbus-wire", "shouwang-catalog", "shouwang-core", "shouwang-message"]),
    ),
    ("shouwang", "gateway/cli", None),
    ("shouwang-tests", "tests", None),
    ("shouwang-fuzz", "tests/fuzz", None),
    ("shouwang-panics", "tests/packaging/panics", Some(&["shouwang-gateway"])),
];

/// The pure crates, and which crates of others each may use. All of these work without `std`.
pub(crate) const PURE: &[(&str, &[&str])] = &[
    ("firmware/modbus-wire", &[]),
    ("firmware/call-button", NEVER_STD),
    ("gateway/message", &["serde", "serde_json", "thiserror", "jiff", "ulid"]),
    ("gateway/river", &["serde"]),
    ("gateway/core", &["serde", "serde_json", "thiserror", "ed25519-dalek", "base64", "sha2"]),
    ("gateway/board", &["serde", "serde_json", "thiserror", "sha2"]),
];

/// Crates that have no `std` to leave out.
pub(crate) const NEVER_STD: &[&str] = &["embedded-hal", "embedded-io", "heapless"];

/// A crate's manifest, parsed.
pub(crate) struct Manifest(toml::Table);

impl Manifest {
    /// None if there is no such file; a file that is not TOML fails the build long before.
    pub(crate) fn of(tree: &Tree, directory: &str) -> Option<Self> {
        let path = if directory.is_empty() { "Cargo.toml".into() } else { format!("{directory}/Cargo.toml") };
        tree.files.get(&path).and_then(|text| text.parse().ok()).map(Self)
    }

    /// What the crate is built with, for any target; not what only its tests use.
    pub(crate) fn dependencies(&self) -> BTreeSet<String> {
        let targets = self.0.get("target").and_then(toml::Value::as_table).into_iter().flatten();
        let tables = std::iter::once(&self.0)
            .chain(targets.filter_map(|(_, table)| table.as_table()))
            .flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")])
            .flatten()
            .filter_map(toml::Value::as_table);
        tables.flat_map(|table| table.keys().cloned()).collect()
    }

    /// Whether a dependency is taken without its default features, which is where `std` hides.
    pub(crate) fn is_without_defaults(&self, workspace: &Self, name: &str) -> bool {
        if NEVER_STD.contains(&name) {
            return true;
        }
        let own = self.0.get("dependencies").and_then(|table| table.get(name));
        let shared = workspace.0.get("workspace").and_then(|table| table.get("dependencies")?.get(name));
        [own, shared]
            .into_iter()
            .flatten()
            .any(|value| value.get("default-features").and_then(toml::Value::as_bool) == Some(false))
    }

    pub(crate) fn has_workspace_lints(&self) -> bool {
        let lints = self.0.get("lints").and_then(|table| table.get("workspace"));
        lints.and_then(toml::Value::as_bool) == Some(true)
    }

    pub(crate) fn members(&self) -> BTreeSet<String> {
        let members = self.0.get("workspace").and_then(|table| table.get("members")?.as_array());
        members.into_iter().flatten().filter_map(|m| m.as_str().map(str::to_owned)).collect()
    }
}
