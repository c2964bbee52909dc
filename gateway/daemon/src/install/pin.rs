//! The PIN on the label: made once, by chance, kept in a file that only the gateway's user reads.
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::silence_page::{BadPin, read_pin};

const FILE_NAME: &str = "install-pin";
/// A hundred million PINs, and twenty wrong ones a minute at most.
const PINS: u64 = 100_000_000;

pub(super) fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE_NAME)
}

/// Where the PIN is; made if there is none.
///
/// # Errors
/// What is there is no PIN, or none can be written.
pub(super) fn made(state_dir: &Path) -> Result<PathBuf, BadPin> {
    let file = file(state_dir);
    match read_pin(&file) {
        Ok(_) => return Ok(file),
        Err(BadPin::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let beside = file.with_extension("new");
    // By chance it may be one that anybody tries first.
    for _ in 0..8 {
        let pin = getrandom::u64().map_err(io::Error::other)? % PINS;
        // One that an interrupted start left.
        let _ = fs::remove_file(&beside);
        let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(open, "{pin:08}")?;
        open.sync_all()?;
        if read_pin(&beside).is_ok() {
            break;
        }
    }
    fs::rename(&beside, &file)?;
    read_pin(&file).map(|_| file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_pin_is_made_once_and_for_its_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = made(directory.path()).unwrap();
        let pin = read_pin(&file).unwrap();
        assert_eq!(pin.len(), 8);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_pin(&made(directory.path()).unwrap()).unwrap(), pin);
        fs::write(&file, "guess").unwrap();
        assert!(
            matches!(made(directory.path()), Err(BadPin::NotDigits)),
            "a spoiled one is not replaced unasked"
        );
    }
}
