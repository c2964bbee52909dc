//! The training bag: a line with what goes wrong on real ones, to learn on without a single device.
use std::path::Path;

use crate::config::FieldConfig;
use crate::error::FieldError;

const BAG: &str = include_str!("training.toml");

impl FieldConfig {
    /// The training bag. `link` points at its line while it runs.
    ///
    /// # Errors
    /// None that a user can cause: the bag is shipped, and the tests build it.
    pub fn training(link: &Path) -> Result<Self, FieldError> {
        let mut bag = Self::from_toml(BAG, "training.toml")?;
        for line in &mut bag.lines {
            if let Some(pty) = &mut line.pty {
                pty.link = Some(link.to_owned());
            }
        }
        Ok(bag)
    }
}
