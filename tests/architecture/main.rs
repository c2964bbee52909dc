//! The never-arrows: what may not depend on what, read from manifests and sources.
//!
//! The rules are in [`rules`], each a function from the tree of files to sentences; the first test runs
//! them over this repository, the others prove that each rule can fail.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod examples;
mod manifest;
mod rules;
mod security;
mod source;
mod tree;

use tree::Tree;

#[test]
fn the_repository_keeps_its_shape() {
    let tree = Tree::of_the_repository();
    assert!(tree.files.len() > 50, "only {} files were found: is this the repository?", tree.files.len());
    let broken = rules::broken(&tree);
    assert!(broken.is_empty(), "the shape of ARCHITECTURE.md is broken:\n  {}", broken.join("\n  "));
}
