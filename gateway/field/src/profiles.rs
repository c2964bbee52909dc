//! Where profiles come from: the shipped catalog, or a few that a test has made.
use std::collections::BTreeMap;
use std::sync::Arc;

use shouwang_catalog::Catalog;
use shouwang_core::profile::Profile;

/// Profiles by their names.
pub trait Profiles {
    /// The profile of this name.
    fn profile(&self, name: &str) -> Option<Arc<Profile>>;
}

impl Profiles for Catalog {
    fn profile(&self, name: &str) -> Option<Arc<Profile>> {
        self.get(name).cloned()
    }
}

impl Profiles for BTreeMap<String, Arc<Profile>> {
    fn profile(&self, name: &str) -> Option<Arc<Profile>> {
        self.get(name).cloned()
    }
}
