//! All profiles at hand: the shipped ones, and those of the configuration's folders.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shouwang_core::profile::Profile;
use shouwang_message::Text;

use crate::examples::Example;
use crate::problem::{Problem, closest};
use crate::profile::parse;
use crate::shipped::SHIPPED;
use crate::strict::MAX_BYTES;

/// A folder with more profiles than this is not a folder of profiles.
const MAX_FILES: usize = 1000;

/// Profiles by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
}

/// One profile, and where it came from.
#[derive(Clone, Debug)]
pub struct Entry {
    pub profile: Arc<Profile>,
    pub examples: Arc<[Example]>,
    pub file: PathBuf,
    /// It came with the program, not from a folder.
    pub shipped: bool,
}

impl Catalog {
    /// The profiles that are built in. A test proves that all of them are sound.
    pub fn shipped() -> Self {
        let mut catalog = Self::default();
        for (file, text) in SHIPPED {
            // The error case is a shipped file that does not load, which the tests exclude.
            let _ = catalog.add(Path::new(file), text.as_bytes(), true);
        }
        catalog
    }

    /// The shipped profiles and those of these folders (`*.toml`, not deeper). A folder's profile wins
    /// over a shipped one of the same name, a later folder's over an earlier one's.
    pub fn load(dirs: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let mut catalog = Self::shipped();
        let mut problems = Vec::new();
        for dir in dirs {
            match files(dir) {
                Ok(files) => {
                    for file in files {
                        if let Err(found) = catalog.add_file(&file) {
                            problems.extend(found);
                        }
                    }
                }
                Err(why) => problems.push(unreadable(dir, &why)),
            }
        }
        if problems.is_empty() { Ok(catalog) } else { Err(problems) }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.entries.get(name).map(|entry| &entry.profile)
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The profile that a wrong name was probably meant to be.
    pub fn closest(&self, wrong: &str) -> Option<&str> {
        closest(wrong, self.entries.keys().map(String::as_str))
    }

    /// Reads one more profile from a file.
    pub fn add_file(&mut self, file: &Path) -> Result<(), Vec<Problem>> {
        let size = fs::metadata(file).map(|metadata| metadata.len());
        // A file that is far too long is not read at all; one byte more than allowed proves it.
        let bytes = match size {
            Ok(size) if size > MAX_BYTES as u64 => Ok(vec![b' '; MAX_BYTES + 1]),
            Ok(_) => fs::read(file),
            Err(why) => Err(why),
        };
        match bytes {
            Ok(bytes) => self.add(file, &bytes, false),
            Err(why) => Err(vec![unreadable(file, &why)]),
        }
    }

    fn add(&mut self, file: &Path, bytes: &[u8], shipped: bool) -> Result<(), Vec<Problem>> {
        let (profile, examples) = parse(file, bytes)?;
        let name = profile.name.clone();
        let entry =
            Entry { profile: Arc::new(profile), examples: examples.into(), file: file.to_owned(), shipped };
        self.entries.insert(name, entry);
        Ok(())
    }
}

fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(std::io::Error::other(format!("more than {MAX_FILES} profiles")));
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, why: &std::io::Error) -> Problem {
    Problem {
        file: path.display().to_string(),
        line: 1,
        column: 1,
        what: Text::new(format!("读不了:{why}"), format!("cannot be read: {why}")),
        remedy: Text::new("请检查路径和权限", "check the path and the rights"),
    }
}
