//! The profiles at hand: from the catalog, or as a recording kept them.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use shouwang_catalog::{Catalog, Problem, parse};
use shouwang_core::configuration::DeviceSettings;
use shouwang_core::profile::Profile;

/// The catalog's profiles; those of a recording win over them.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    catalog: Catalog,
    recorded: BTreeMap<String, Arc<Profile>>,
}

impl Profiles {
    /// The shipped profiles and those of these folders. What is wrong in a folder is told; the shipped
    /// ones are there all the same.
    pub(super) fn load(dirs: &[PathBuf]) -> (Self, Vec<Problem>) {
        let (catalog, problems) = match Catalog::load(dirs) {
            Ok(catalog) => (catalog, Vec::new()),
            Err(problems) => (Catalog::shipped(), problems),
        };
        (Self { catalog, recorded: BTreeMap::new() }, problems)
    }

    /// The shipped profiles and these texts.
    pub(super) fn recorded(sources: &[(PathBuf, String)]) -> (Self, Vec<Problem>) {
        let mut profiles = Self { catalog: Catalog::shipped(), recorded: BTreeMap::new() };
        let mut problems = Vec::new();
        for (path, text) in sources {
            match parse(path, text.as_bytes()) {
                Ok((profile, _)) => {
                    profiles.recorded.insert(profile.name.clone(), Arc::new(profile));
                }
                Err(found) => problems.extend(found),
            }
        }
        (profiles, problems)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.recorded.get(name).or_else(|| self.catalog.get(name))
    }

    /// The name that a wrong one was probably meant to be.
    pub(super) fn closest(&self, wrong: &str) -> Option<&str> {
        self.catalog.closest(wrong)
    }

    /// Paths and texts of the folders' profiles that these devices use. The shipped ones come with the
    /// program's version.
    pub(super) fn texts_in_use(
        &self,
        devices: &[DeviceSettings],
    ) -> Result<Vec<(PathBuf, String)>, (PathBuf, io::Error)> {
        let mut texts = BTreeMap::new();
        for device in devices {
            let entry = self.catalog.entry(&device.profile.name);
            if let Some(entry) = entry.filter(|entry| !entry.shipped && !texts.contains_key(&entry.file)) {
                let text = fs::read_to_string(&entry.file).map_err(|error| (entry.file.clone(), error))?;
                texts.insert(entry.file.clone(), text);
            }
        }
        Ok(texts.into_iter().collect())
    }
}
