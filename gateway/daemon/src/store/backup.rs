//! A copy of the database for another day, and what it must become before a gateway goes on with it.
//!
//! The log went on after the copy was made, and the numbers behind it are taken for ever. So a restored database
//! begins a new log, and the gateway's first words in it are that something is missing. It keeps what belongs to
//! the devices (press counts, frozen scales, who is out of service) and no alarm: one whose cause still holds is
//! raised by the first reading, and the duty room closes what the new log does not know, and says so.
use std::fs::File;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::json;
use shouwang_message::{Sequence, Timestamp};

use super::{FILE_NAME, StoreError, fs_prepare, lock};

/// A state directory that no gateway can start on as long as this lives.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Takes the directory, which must exist.
    ///
    /// # Errors
    /// A gateway runs on it, or it cannot be written.
    pub fn take(state_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { _lock: lock(&state_dir.join(FILE_NAME))? })
    }
}

/// Copies the database of this directory as of one moment into the new file `to`, which nobody else may read;
/// a gateway that runs on it is not held up.
pub fn copy(state_dir: &Path, to: &Path) -> Result<(), StoreError> {
    let from = state_dir.join(FILE_NAME);
    let failed = |source| StoreError::Database { path: from.clone(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(&from, flags).map_err(failed)?;
    source.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    fs_prepare(to)?;
    let mut target = Connection::open(to).map_err(failed)?;
    let step = Backup::new(&source, &mut target).and_then(|backup| backup.step(-1)).map_err(failed)?;
    match step {
        // In one step: a writer would make a slower copy begin again and again.
        StepResult::Done => Ok(()),
        _ => Err(failed(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the database is being written without a pause; try again".into()),
        ))),
    }
}

/// Makes of a copy, made at that time, the beginning of a new log. Says how many of its events nobody had heard.
pub fn renew(copy: &Path, made_at: Timestamp) -> Result<Sequence, StoreError> {
    let failed = |source| StoreError::Database { path: copy.to_owned(), source };
    let mut connection = Connection::open(copy).map_err(failed)?;
    let sound: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if sound != "ok" {
        let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(failed(rusqlite::Error::SqliteFailure(damaged, Some(sound))));
    }
    let change = connection.transaction().map_err(failed)?;
    let ends: Option<(Sequence, Sequence)> = change
        .query_row("SELECT next_sequence, heard_up_to FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(failed)?;
    let unheard = ends.map_or(0, |(next, heard)| next.saturating_sub(1).saturating_sub(heard));
    // Without this row the next start begins a log of its own.
    change.execute("DELETE FROM meta", []).map_err(failed)?;
    change.execute("DELETE FROM event", []).map_err(failed)?;
    for kind in ["alarm", "fault", "local", "text", "heard"] {
        change.execute("DELETE FROM kept WHERE key LIKE ?1", [format!("{kind}/%")]).map_err(failed)?;
    }
    let note = json!({"at": made_at, "unheard": unheard}).to_string().into_bytes();
    change.execute("INSERT OR REPLACE INTO kept VALUES ('restored', ?1)", [note]).map_err(failed)?;
    change.commit().map_err(failed)?;
    connection.close().map_err(|(_, source)| failed(source))?;
    Ok(unheard)
}
