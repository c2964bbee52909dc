//! The rules, one function each; every broken rule is a sentence that names the file and the line.
use crate::manifest::{CRATES, Manifest, PURE};
use crate::source::{code, find_word, line_of};
use crate::tree::Tree;

const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "device-profiles",
    "firmware",
    "gateway",
    "tests",
];
const BANNED_NAMES: &[&str] = &["utils", "common", "manager", "helpers", "imp", "mod"];
/// What a pure part may not reach: the standard library's hands, a runtime, a log.
const HANDS: &[&str] = &["std::", "extern crate std", "tokio", "async_std", "tracing", "libc", "rustix"];
/// Printing would be a log by another name.
const PRINTING: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!"];
const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
/// The daemon's three shells, which meet only in `eventloop.rs`.
const SHELLS: &[&str] = &["line", "store", "uplink"];
const LOGGING: &[&str] = &["gateway/daemon/", "gateway/duty-room/", "gateway/cli/"];
/// The one bridge to C, for a test; and the images for bare boards, which are no part of the workspace.
const UNSAFE: &[&str] = &["tests/crash/vfs.rs", "firmware/targets/"];
const OLD_WORDS: &[&str] = &["master", "masters", "slave", "slaves"];
/// Names in the interfaces of libmodbus and tokio-modbus, which are what they are.
const NAMES_OF_OTHERS: &[&str] = &["modbus_set_slave", "{slave, slave", ".slave", "slave("];

/// Every broken rule, in words.
pub(crate) fn broken(tree: &Tree) -> Vec<String> {
    [
        top_level_is_fixed,
        crates_are_the_known_ones,
        arrows_are_the_listed_ones,
        pure_parts_have_no_hands,
        only_clock_reads_a_clock,
        names_say_something,
        shells_meet_only_in_the_eventloop,
        only_shells_log,
        modules_begin_with_their_story,
        words_are_ours,
        unsafe_is_in_one_place,
    ]
    .into_iter()
    .flat_map(|rule| rule(tree))
    .collect()
}

fn top_level_is_fixed(tree: &Tree) -> Vec<String> {
    let known = |name: &&String| {
        name.starts_with('.')
            || name.as_str() == "target"
            || name.starts_with("target-")
            || TOP_LEVEL.contains(&name.as_str())
    };
    let strange = tree.top_level.iter().filter(|name| !known(name));
    strange
        .map(|name| format!("{name}: the top level is fixed; put it into a folder, or give it a dot"))
        .collect()
}

fn crates_are_the_known_ones(tree: &Tree) -> Vec<String> {
    let Some(workspace) = Manifest::of(tree, "") else { return vec!["Cargo.toml: missing".into()] };
    let known = |member: &String| CRATES.iter().any(|(_, directory, _)| directory == member);
    let members = workspace.members();
    let strange = members.iter().filter(|member| !known(member));
    let mut broken: Vec<String> = strange
        .map(|member| format!("{member}: a new crate; say in tests/architecture/manifest.rs what it may use"))
        .collect();
    for member in members.iter().filter(|member| known(member)) {
        if !Manifest::of(tree, member).is_some_and(|manifest| manifest.has_workspace_lints()) {
            broken.push(format!("{member}/Cargo.toml: needs `[lints] workspace = true`"));
        }
    }
    broken
}

fn arrows_are_the_listed_ones(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, directory, may_use) in CRATES {
        let (Some(manifest), Some(may_use)) = (Manifest::of(tree, directory), may_use) else { continue };
        for dependency in manifest.dependencies() {
            let ours = CRATES.iter().any(|(name, _, _)| *name == dependency);
            if ours && !may_use.contains(&dependency.as_str()) {
                broken.push(format!("{directory}/Cargo.toml: {name} must not depend on {dependency}"));
            }
        }
    }
    broken
}

fn pure_parts_have_no_hands(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let workspace = Manifest::of(tree, "");
    for (directory, may_use) in PURE {
        let Some(manifest) = Manifest::of(tree, directory) else { continue };
        for dependency in manifest.dependencies() {
            if CRATES.iter().any(|(name, _, _)| *name == dependency) {
                continue;
            }
            if !may_use.contains(&dependency.as_str()) {
                broken.push(format!("{directory}/Cargo.toml: a pure part must not depend on {dependency}"));
            } else if !workspace.as_ref().is_some_and(|w| manifest.is_without_defaults(w, &dependency)) {
                broken.push(format!(
                    "{directory}/Cargo.toml: {dependency} must be taken without default features"
                ));
            }
        }
        let root = format!("{directory}/src/lib.rs");
        let attributes = tree.files.get(&root).map(|text| code(text)).unwrap_or_default();
        for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
            if !attributes.contains(attribute) {
                broken.push(format!("{root}: a pure part says {attribute}"));
            }
        }
        for word in HANDS.iter().chain(PRINTING) {
            broken.extend(found(tree, &format!("{directory}/src/"), word, "a pure part has no hands"));
        }
    }
    broken
}

fn only_clock_reads_a_clock(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for below in ["firmware/", "gateway/", "tests/"] {
        for word in CLOCKS {
            let sentences = found(tree, below, word, "only a file named clock.rs reads a clock");
            broken.extend(sentences.into_iter().filter(|sentence| !sentence.contains("/clock.rs:")));
        }
    }
    broken
}

fn unsafe_is_in_one_place(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for below in ["firmware/", "gateway/", "tests/"] {
        let elsewhere = |path: &&str| !UNSAFE.iter().any(|place| path.starts_with(place));
        for path in tree.sources(below).map(|(path, _)| path).filter(elsewhere) {
            let text = code(&tree.files[path]);
            if let Some(at) = find_word(&text, "unsafe") {
                broken.push(format!("{path}:{}: unsafe: {UNSAFE:?} alone may have it", line_of(&text, at)));
            }
        }
    }
    broken
}

fn names_say_something(tree: &Tree) -> Vec<String> {
    let banned = |path: &&String| {
        path.ends_with(".rs")
            && path.split('/').any(|part| BANNED_NAMES.contains(&part.strip_suffix(".rs").unwrap_or(part)))
    };
    let files = tree.files.keys().filter(banned);
    files.map(|path| format!("{path}: call it by what it is about")).collect()
}

fn shells_meet_only_in_the_eventloop(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for shell in SHELLS {
        for other in SHELLS.iter().filter(|other| *other != shell) {
            for below in [format!("gateway/daemon/src/{shell}.rs"), format!("gateway/daemon/src/{shell}/")] {
                let reason = "line, store and uplink meet only in eventloop.rs";
                broken.extend(found(tree, &below, &format!("crate::{other}"), reason));
            }
        }
    }
    broken
}

fn only_shells_log(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for word in ["tracing::", "error!", "warn!", "info!", "debug!", "trace!"] {
        let sentences =
            found(tree, "gateway/", word, "an error is ours and goes to the logs of the shells only");
        let elsewhere = |sentence: &String| !LOGGING.iter().any(|shell| sentence.starts_with(shell));
        broken.extend(sentences.into_iter().filter(elsewhere));
    }
    broken
}

fn modules_begin_with_their_story(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for below in ["firmware/", "gateway/", "tests/"] {
        for (path, text) in tree.sources(below) {
            if !text.starts_with("//!") {
                broken.push(format!("{path}:1: a module begins with its story (`//!`)"));
            }
        }
    }
    broken
}

/// Our words are client and server. What a source calls them may be quoted: in backticks or double quotes.
fn words_are_ours(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in &tree.files {
        if path == "Cargo.lock" || path == "LICENSE" || path.starts_with("tests/architecture/") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let mut spoken = unquoted(line).to_lowercase();
            for name in NAMES_OF_OTHERS {
                spoken = spoken.replace(name, "");
            }
            if let Some(word) = OLD_WORDS.iter().find(|word| find_word(&spoken, word).is_some()) {
                broken.push(format!("{path}:{}: {word}: our words are client and server", number + 1));
            }
        }
    }
    broken
}

fn unquoted(line: &str) -> String {
    let outside = |quote: char, text: &str| text.split(quote).step_by(2).collect::<Vec<_>>().join(" ");
    outside('"', &outside('`', line))
}

/// A sentence for the first place of each source below `below` whose code has `word`.
fn found(tree: &Tree, below: &str, word: &str, reason: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    for (path, text) in tree.sources(below) {
        // A crate's own tests may use what they like, except a clock.
        if is_for_tests(tree, path) && !CLOCKS.contains(&word) {
            continue;
        }
        let code = code(text);
        if let Some(at) = find_word(&code, word) {
            sentences.push(format!("{path}:{}: {word}: {reason}", line_of(&code, at)));
        }
    }
    sentences
}

/// Whether a source is built for its crate's tests only: in `tests/`, or behind `#[cfg(test)] mod NAME;`.
fn is_for_tests(tree: &Tree, path: &str) -> bool {
    let Some((directory, file)) = path.rsplit_once('/') else { return false };
    let name = file.trim_end_matches(".rs");
    let parents = [format!("{directory}.rs"), format!("{directory}/lib.rs"), format!("{directory}/main.rs")];
    let declared = |parent: &String| {
        let declares = |text: &String| text.contains(&format!("#[cfg(test)]\nmod {name};"));
        tree.files.get(parent).is_some_and(declares)
    };
    (path.contains("/tests/") && !path.starts_with("tests/")) || parents.iter().any(declared)
}
