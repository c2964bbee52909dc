//! A copy of the duty room's database for another day, and what it must become before a duty room goes on with it.
//!
//! What was heard after the copy was made is asked of the gateways again, as after any loss: they keep their newest
//! 10,000 events. Nobody who was logged in then is logged in after a restore.
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ffi};

use crate::{StartError, logbook, store};

/// A state directory that no duty room can start on as long as this lives.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Takes the directory, which must exist.
    ///
    /// # Errors
    /// A duty room runs on it, or it cannot be written.
    pub fn take(state_dir: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::StateDir { path: state_dir.into(), source };
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(state_dir.join("lock"));
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(state_dir.into())),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Copies the database of this directory as of one moment into the new file `to`, which nobody else may read;
/// a duty room that runs on it is not held up.
pub fn copy(state_dir: &Path, to: &Path) -> Result<(), StartError> {
    let from = logbook::database(state_dir);
    let failed = |source| StartError::Store { path: from.clone(), source };
    store::make_private(to)?;
    let source = logbook::open(&from).map_err(failed)?;
    source.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
    let mut target = Connection::open(to).map_err(failed)?;
    let step = Backup::new(&source, &mut target).and_then(|backup| backup.step(-1)).map_err(failed)?;
    match step {
        // In one step: a writer would make a slower copy begin again and again.
        StepResult::Done => Ok(()),
        _ => Err(failed(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_BUSY),
            Some("the database is being written without a pause; try again".into()),
        ))),
    }
}

/// Makes a copy ready for a duty room: whole, and with nobody logged in.
pub fn renew(copy: &Path) -> Result<(), StartError> {
    let failed = |source| StartError::Store { path: copy.into(), source };
    let connection = Connection::open(copy).map_err(failed)?;
    let sound: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if sound != "ok" {
        let damaged = ffi::Error::new(ffi::SQLITE_CORRUPT);
        return Err(failed(rusqlite::Error::SqliteFailure(damaged, Some(sound))));
    }
    let sessions = "SELECT count(*) FROM sqlite_schema WHERE name = 'session'";
    let sessions: i64 = connection.query_row(sessions, [], |row| row.get(0)).map_err(failed)?;
    if sessions > 0 {
        connection.execute("DELETE FROM session", []).map_err(failed)?;
    }
    connection.close().map_err(|(_, source)| failed(source))
}
