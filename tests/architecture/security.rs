//! What SECURITY.md promises: each requirement has a line, and each test it names is where it says.
use crate::tree::Tree;

const PAGE: &str = "SECURITY.md";
/// The requirements of the design's rules, section 7.
const REQUIREMENTS: std::ops::RangeInclusive<u32> = 1..=22;
const NOT_YET: &str = "not yet, because";

fn security_is_proven(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.files.get(PAGE) else { return Vec::new() };
    let mut broken = Vec::new();
    for (number, line) in page.lines().enumerate() {
        for (words, file) in links(line) {
            let sentence = wrong(tree, words, file);
            broken.extend(sentence.map(|sentence| format!("{PAGE}:{}: {sentence}", number + 1)));
        }
    }
    for requirement in REQUIREMENTS {
        let begin = format!("| S{requirement} |");
        let proven = |line: &str| line.starts_with(&begin) && (line.contains("](") || line.contains(NOT_YET));
        if !page.lines().any(proven) {
            broken.push(format!("{PAGE}: S{requirement} has neither a test nor \"{NOT_YET}\""));
        }
    }
    broken
}

/// `[words](file)`, each.
fn links(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split('[').skip(1).filter_map(|rest| {
        let (words, rest) = rest.split_once("](")?;
        let (file, _) = rest.split_once(')')?;
        Some((words, file))
    })
}

/// Whether a link leads nowhere. Words in backticks are the name of a test.
fn wrong(tree: &Tree, words: &str, file: &str) -> Option<String> {
    if file.starts_with("https://") {
        return None;
    }
    let Some(text) = tree.files.get(file) else { return Some(format!("{file}: there is no such file")) };
    let test = words.strip_prefix('`')?.strip_suffix('`')?;
    // Its attribute stands above it, no empty line between.
    let is_test = text.find(&format!("fn {test}(")).is_some_and(|at| {
        let above = text[..at].rsplit("\n\n").next().unwrap_or_default();
        above.contains("#[test]") || above.contains("#[tokio::test")
    });
    (!is_test).then(|| format!("{file}: there is no test {test}"))
}

#[test]
fn every_test_that_the_page_on_security_names_exists() {
    let tree = Tree::of_the_repository();
    assert!(links(&tree.files[PAGE].replace('\n', " ")).count() > 50, "the page names its tests");
    let broken = security_is_proven(&tree);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_test_that_is_gone_and_a_requirement_without_proof_are_seen() {
    let mut tree = Tree::default();
    let mut page = String::new();
    for requirement in REQUIREMENTS {
        page += &format!("| S{requirement} | words | [`a_door_is_shut`](tests/doors.rs) |\n");
    }
    let source = "//! Doors.\n\n#[test]\n#[ignore = \"slow\"]\nfn a_door_is_shut() {}\n\nfn shut() {}\n";
    tree.files.insert("tests/doors.rs".into(), source.into());
    let broken = |page: &str| {
        let mut tree = tree.clone();
        tree.files.insert(PAGE.into(), page.into());
        security_is_proven(&tree)
    };
    assert_eq!(broken(&page), Vec::<String>::new());
    assert_eq!(broken(&page.replacen("| S7 |", "| S70 |", 1)).len(), 1);
    assert_eq!(broken(&page.replacen("`a_door_is_shut`", "`a_door_is_open`", 1)).len(), 1);
    assert_eq!(
        broken(&page.replacen("`a_door_is_shut`", "`shut`", 1)).len(),
        1,
        "what is no test proves nothing"
    );
    assert_eq!(broken(&page.replacen("doors.rs", "windows.rs", 1)).len(), 1);
    let plain = page.replacen("[`a_door_is_shut`](tests/doors.rs)", NOT_YET, 1);
    assert_eq!(broken(&plain), Vec::<String>::new());
}
