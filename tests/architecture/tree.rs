//! All text files of the repository, by their path from the root.
use std::collections::BTreeMap;
use std::path::Path;

/// Files as the rules see them. Built by hand for the examples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, String>,
    /// Names in the root, directories too.
    pub(crate) top_level: Vec<String>,
}

impl Tree {
    pub(crate) fn of_the_repository() -> Self {
        let root = shouwang_tests::program::root();
        let mut tree = Self::default();
        for entry in std::fs::read_dir(&root).expect("the root") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            tree.top_level.push(name);
        }
        tree.top_level.sort();
        tree.read(&root, "");
        tree
    }

    /// Rust sources below a directory such as `gateway/core/src/`.
    pub(crate) fn sources<'a>(&'a self, below: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .range(below.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(below))
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn read(&mut self, directory: &Path, prefix: &str) {
        for entry in std::fs::read_dir(directory).expect("a directory of the repository") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let is_built = name == "target" || name.starts_with("target-") || name == ".git";
            if is_built || path == "tests/artefacts" {
                continue;
            }
            if entry.file_type().expect("a kind of file").is_dir() {
                self.read(&entry.path(), &format!("{path}/"));
            } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
                // A file that vanishes while it is read, or is no text, has no words to judge.
                self.files.insert(path, text);
            }
        }
    }
}
