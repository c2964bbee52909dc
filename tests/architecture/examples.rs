//! Each rule fails on a small bad example, and says where.
use crate::rules::broken;
use crate::tree::Tree;

const STORY: &str = "//! A story.\n";

/// A tree that breaks no rule.
fn good() -> Tree {
    let mut tree =
        Tree { top_level: vec!["Cargo.toml".into(), ".ci".into(), "target".into()], ..Tree::default() };
    let workspace = "[workspace]\nmembers = [\"gateway/core\"]\n\
                     [workspace.dependencies]\nserde = { version = \"1\", default-features = false }\n";
    let core = "[package]\nname = \"shouwang-core\"\n[dependencies]\nshouwang-message = \"1\"\n\
                serde.workspace = true\n[lints]\nworkspace = true\n";
    let root =
        format!("{STORY}#![no_std]\n#![forbid(unsafe_code)]\n#[cfg(test)]\nmod tests {{ use std::vec; }}\n");
    tree.files.insert("Cargo.toml".into(), workspace.into());
    tree.files.insert("gateway/core/Cargo.toml".into(), core.into());
    tree.files.insert("gateway/core/src/lib.rs".into(), root);
    tree
}

#[track_caller]
fn breaks(tree: &Tree, sentence: &str) {
    let broken = broken(tree);
    assert!(broken.len() == 1 && broken[0].starts_with(sentence), "not only {sentence:?}: {broken:#?}");
}

fn with(path: &str, text: &str) -> Tree {
    let mut tree = good();
    tree.files.insert(path.into(), text.into());
    tree
}

#[test]
fn a_good_tree_breaks_nothing() {
    assert_eq!(broken(&good()), Vec::<String>::new());
}

#[test]
fn a_file_in_the_root() {
    let mut tree = good();
    tree.top_level.push("notes.txt".into());
    breaks(&tree, "notes.txt: the top level is fixed");
}

#[test]
fn an_unknown_crate_or_one_without_lints() {
    let manifest = "[workspace]\nmembers = [\"gateway/cloud\"]\n[workspace.dependencies]\n\
                    serde = { version = \"1\", default-features = false }\n";
    breaks(&with("Cargo.toml", manifest), "gateway/cloud: a new crate");
    breaks(&with("gateway/core/Cargo.toml", "[package]\n"), "gateway/core/Cargo.toml: needs");
}

#[test]
fn an_arrow_that_is_not_listed() {
    let board = "[dependencies]\nshouwang-duty-room = \"1\"\n";
    let mut tree = with("gateway/board/Cargo.toml", board);
    let root = tree.files["gateway/core/src/lib.rs"].clone();
    tree.files.insert("gateway/board/src/lib.rs".into(), root);
    breaks(&tree, "gateway/board/Cargo.toml: shouwang-board must not depend on shouwang-duty-room");
    let daemon = "[target.'cfg(unix)'.dependencies]\nshouwang-board = \"1\"\n";
    breaks(
        &with("gateway/daemon/Cargo.toml", daemon),
        "gateway/daemon/Cargo.toml: shouwang-gateway must not depend on shouwang-board",
    );
}

#[test]
fn a_pure_part_with_hands() {
    let manifest = |dependency: &str| format!("[dependencies]\n{dependency}\n[lints]\nworkspace = true\n");
    let path = "gateway/core/Cargo.toml";
    breaks(
        &with(path, &manifest("tokio = \"1\"")),
        "gateway/core/Cargo.toml: a pure part must not depend on tokio",
    );
    breaks(&with(path, &manifest("thiserror = \"2\"")), "gateway/core/Cargo.toml: thiserror must be taken");
    let root = "gateway/core/src/lib.rs";
    breaks(
        &with(root, "//! A.\n#![no_std]\n"),
        "gateway/core/src/lib.rs: a pure part says #![forbid(unsafe_code)]",
    );
    breaks(
        &with(root, "//! A.\n#![forbid(unsafe_code)]\n"),
        "gateway/core/src/lib.rs: a pure part says #![no_std]",
    );
    let line = "gateway/core/src/line.rs";
    breaks(&with(line, "//! A.\n\nuse std::fs;\n"), "gateway/core/src/line.rs:3: std::");
    breaks(&with(line, "//! A.\nfn f() { println!(); }\n"), "gateway/core/src/line.rs:2: println!");
}

#[test]
fn a_file_for_tests_only_may_have_hands() {
    let text = "//! A.\nuse std::fs;\n";
    let mut tree = with("gateway/core/src/line/story.rs", text);
    tree.files.insert("gateway/core/src/line.rs".into(), format!("{STORY}#[cfg(test)]\nmod story;\n"));
    tree.files.insert("gateway/core/tests/story.rs".into(), text.into());
    assert_eq!(broken(&tree), Vec::<String>::new());
}

#[test]
fn a_clock_outside_clock_rs() {
    let text = "//! A.\nuse std::time::Instant;\nfn f() { Instant::now(); }\n";
    breaks(&with("gateway/daemon/src/line.rs", text), "gateway/daemon/src/line.rs:3: Instant::now");
    breaks(&with("gateway/daemon/tests/story.rs", text), "gateway/daemon/tests/story.rs:3: Instant::now");
    assert_eq!(broken(&with("gateway/daemon/src/clock.rs", text)), Vec::<String>::new());
}

#[test]
fn unsafe_outside_its_place() {
    let text = "//! A.\nfn f() { unsafe { g() } }\n";
    breaks(&with("gateway/daemon/src/line.rs", text), "gateway/daemon/src/line.rs:2: unsafe");
    breaks(&with("tests/chaos/main.rs", text), "tests/chaos/main.rs:2: unsafe");
    assert_eq!(broken(&with("tests/crash/vfs.rs", text)), Vec::<String>::new());
}

#[test]
fn a_name_that_says_nothing() {
    breaks(&with("gateway/daemon/src/utils.rs", STORY), "gateway/daemon/src/utils.rs: call it");
    breaks(&with("gateway/daemon/src/line/mod.rs", STORY), "gateway/daemon/src/line/mod.rs: call it");
    breaks(&with("gateway/daemon/src/common/queue.rs", STORY), "gateway/daemon/src/common/queue.rs: call it");
}

#[test]
fn shells_that_meet_elsewhere() {
    let text = "//! A.\nuse crate::store::Store;\n";
    breaks(&with("gateway/daemon/src/uplink.rs", text), "gateway/daemon/src/uplink.rs:2: crate::store");
    breaks(
        &with("gateway/daemon/src/line/serial.rs", text),
        "gateway/daemon/src/line/serial.rs:2: crate::store",
    );
    assert_eq!(broken(&with("gateway/daemon/src/eventloop.rs", text)), Vec::<String>::new());
}

#[test]
fn a_log_line_outside_the_shells() {
    let text = "//! A.\nfn f() { tracing::error!(\"x\"); }\n";
    let broken = broken(&with("gateway/catalog/src/lib.rs", text));
    assert!(
        broken.iter().all(|sentence| sentence.starts_with("gateway/catalog/src/lib.rs:2: ")),
        "{broken:#?}"
    );
    assert!(!broken.is_empty());
}

#[test]
fn a_module_without_a_story() {
    breaks(&with("gateway/daemon/src/line.rs", "use x;\n"), "gateway/daemon/src/line.rs:1: a module begins");
}

#[test]
fn a_word_that_is_not_ours() {
    breaks(&with("README.md", "one\nthe Slave answers\n"), "README.md:2: slave");
    let quoted = "the maker calls it `slave id`, or \"master\"; modbus_set_slave(context); a masterpiece\n";
    assert_eq!(broken(&with("README.md", quoted)), Vec::<String>::new());
}
