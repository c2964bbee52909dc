//! A start while the disk is in trouble: the gateway watches and tells all the same, and its store is opened
//! later, at the first commit that finds it well.
//!
//! What the log holds is looked up without writing a byte, so the run continues it and nothing is lost but
//! time: every commit fails until the file opens, and then goes in where the log ends. If not even that look
//! succeeds, the run bears the name of a new log. It stands if there was none; otherwise the process ends as
//! soon as the old one opens, so that the next start continues it. What then dies with the process are the
//! events of this run, none of which was told; its alarms were told unlogged, and what is still active is
//! raised anew. Starts that never reach the disk share a boot number.
use std::io;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use shouwang_core::input::StoreTrouble;
use shouwang_message::{LogId, Sequence, Timestamp};

use super::write::Tail;
use super::{
    LeftBehind, Place, State, Store, StoreError, fs_prepare, is_damage, lock, new_log, quarantine, restore,
    schema, trouble,
};

/// SQLite's own way to a file that takes no locks; our lock keeps others away.
const WITHOUT_LOCKS: &str = "unix-none";

/// What a run believes to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    log: LogId,
    next_sequence: Sequence,
}

impl Store {
    /// As [`Store::open`]; but a disk that is full, failing or read-only does not keep a gateway from its
    /// watch: then every commit fails until the store can be opened. What a person has to put right, such as
    /// rights or a second gateway, is an error all the same.
    pub fn open_or_wait(path: &Path, wall: Timestamp) -> Result<(Self, LeftBehind), StoreError> {
        match Self::open(path, wall) {
            Err(error) if is_of_the_disk(&error) => {
                tracing::error!(%error, "the gateway starts without its store: alarms are told unlogged until it opens");
                Self::wait(path, wall)
            }
            opened => opened,
        }
    }

    /// Whether the store has yet to be opened.
    pub fn is_awaited(&self) -> bool {
        matches!(self.state, State::Awaited(_))
    }

    fn wait(path: &Path, wall: Timestamp) -> Result<(Self, LeftBehind), StoreError> {
        // A disk that takes no file has perhaps no lock either; it is taken when the store opens.
        let lock = match lock(path) {
            Err(error) if is_of_the_disk(&error) => None,
            lock => Some(lock?),
        };
        let place = Place { path: path.to_owned(), vfs: None };
        let new = new_log(wall)?;
        let restored = match look(&place, new) {
            Ok(restored) => restored,
            Err(StoreError::Database { source, .. }) => {
                tracing::warn!(%source, "the log cannot be read either: until it can, this run has a log of its own");
                LeftBehind::begun(new)
            }
            Err(error) => return Err(error),
        };
        let awaited = Awaited { log: restored.log, next_sequence: restored.next_sequence };
        Ok((Self { place, state: State::Awaited(awaited), _lock: lock }, restored))
    }

    /// Opens the awaited store. [`StoreTrouble::Corrupt`] if this run cannot continue with what is there.
    pub(super) fn open_late(&mut self, awaited: Awaited) -> Result<(), StoreTrouble> {
        if self._lock.is_none() {
            self._lock = Some(lock(&self.place.path).map_err(|error| put_off(&error))?);
        }
        let opened = fs_prepare(&self.place.path).and_then(|()| restore(&self.place, awaited.log));
        let (connection, restored, room) = match opened {
            Err(StoreError::Database { source, .. }) if is_damage(&source) => {
                let aside = quarantine(&self.place.path).map_err(|error| put_off(&error))?;
                tracing::error!(aside = %aside.display(), %source, "the store is damaged and was moved aside");
                self.state = State::Damaged;
                return Err(StoreTrouble::Corrupt);
            }
            other => other.map_err(|error| put_off(&error))?,
        };
        // The boot is not compared: an attempt that failed late may have been counted.
        if (Awaited { log: restored.log, next_sequence: restored.next_sequence }) != awaited {
            tracing::error!(log = %restored.log, "the store can be read again, and holds an older log: the process ends, and the next one continues it");
            self.state = State::Damaged;
            return Err(StoreTrouble::Corrupt);
        }
        tracing::info!(log = %restored.log, "the store is open: what was told unlogged is logged now");
        self.state = State::Open { connection, tail: Tail::of(&restored), room };
        Ok(())
    }
}

impl LeftBehind {
    fn begun(log: LogId) -> Self {
        Self {
            log,
            boot: 1,
            next_sequence: 1,
            heard_up_to: 0,
            first_kept: 1,
            kept: Vec::new(),
            replaced: false,
        }
    }
}

/// What the next start would find, read without a lock, a file or a byte of ours on that disk: the index of
/// the WAL is made in memory. `new` names the log if there is none yet.
fn look(place: &Place, new: LogId) -> Result<LeftBehind, StoreError> {
    // A file that cannot be asked for is an error of the connection below.
    let is_new = match place.path.metadata() {
        Ok(metadata) => metadata.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_new {
        return Ok(LeftBehind::begun(new));
    }
    let database = |source| place.error(source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags_and_vfs(&place.path, flags, WITHOUT_LOCKS);
    let connection = connection.map_err(database)?;
    let in_memory = || {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")
    };
    in_memory().map_err(database)?;
    let known = u32::try_from(schema::MIGRATIONS.len()).unwrap_or(u32::MAX);
    match schema::version(&connection, &place.path, known)? {
        0 => Ok(LeftBehind::begun(new)),
        _ => schema::read(&connection, new).map_err(database),
    }
}

/// Trouble that may pass by itself, or with the disk; the rest a person has to put right.
fn is_of_the_disk(error: &StoreError) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
    };
    match error {
        StoreError::Database { .. } => true,
        StoreError::Place { source, .. } => !matches!(
            source.kind(),
            PermissionDenied | NotFound | NotADirectory | IsADirectory | AlreadyExists | InvalidInput
        ),
        StoreError::InUse { .. } | StoreError::Newer { .. } | StoreError::Chance(_) => false,
    }
}

fn put_off(error: &StoreError) -> StoreTrouble {
    tracing::warn!(%error, "the store is still not open");
    match error {
        StoreError::Database { source, .. } if trouble(source) == StoreTrouble::Full => StoreTrouble::Full,
        StoreError::Place { source, .. } if source.kind() == io::ErrorKind::StorageFull => StoreTrouble::Full,
        _ => StoreTrouble::Io,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use shouwang_core::output::{Commit, NewEvent};

    use super::*;

    fn commit(sequence: Sequence) -> Commit {
        let events = vec![NewEvent { sequence, body: b"{}".to_vec() }];
        Commit { id: 1, events, kept: Vec::new(), heard_up_to: None, urgent: true }
    }

    /// Nothing can be read or written: a name that leads to itself.
    fn without_its_disk(path: &Path) -> (Store, LeftBehind) {
        symlink(path, path).unwrap();
        let started = Store::open_or_wait(path, Timestamp::from_unix_ms(0)).unwrap();
        std::fs::remove_file(path).unwrap();
        started
    }

    #[test]
    fn what_begins_without_a_disk_is_logged_once_there_is_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.db");
        symlink(&path, &path).unwrap();
        let (mut store, begun) = Store::open_or_wait(&path, Timestamp::from_unix_ms(0)).unwrap();
        assert!(store.is_awaited());
        assert_eq!(store.commit(&[commit(1)]), Err(StoreTrouble::Io));
        assert_eq!(store.commit(&[commit(1)]), Err(StoreTrouble::Io), "it keeps trying");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(store.commit(&[commit(1)]), Ok(()));
        drop(store);
        let (_, next) = Store::open(&path, Timestamp::from_unix_ms(0)).unwrap();
        assert_eq!((next.log, next.boot, next.next_sequence), (begun.log, 2, 2));
    }

    #[test]
    fn a_log_that_could_not_be_read_is_continued_by_the_next_process() {
        let home = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (home.path().join("log.db"), home.path().join("elsewhere.db"));
        let (mut store, older) = Store::open(&elsewhere, Timestamp::from_unix_ms(0)).unwrap();
        assert_eq!(store.commit(&[commit(1)]), Ok(()));
        drop(store);
        let (mut store, begun) = without_its_disk(&path);
        assert_ne!(begun.log, older.log);
        for suffix in ["", "-wal"] {
            let from = super::super::with_suffix(&elsewhere, suffix);
            std::fs::copy(from, super::super::with_suffix(&path, suffix)).unwrap();
        }
        assert_eq!(store.commit(&[commit(1)]), Err(StoreTrouble::Corrupt), "it ends");
        drop(store);
        let (_, next) = Store::open(&path, Timestamp::from_unix_ms(0)).unwrap();
        assert_eq!((next.log, next.next_sequence), (older.log, 2), "nothing was put aside or added");
    }

    #[test]
    fn the_look_finds_what_the_next_start_would() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.db");
        let (mut store, first) = Store::open(&path, Timestamp::from_unix_ms(0)).unwrap();
        let kept = vec![("alarm/1".to_owned(), Some(b"{}".to_vec()))];
        assert_eq!(store.commit(&[Commit { kept, ..commit(1) }]), Ok(()));
        // As after a kill, nothing is settled: what was committed is in the WAL alone.
        let left = home.path().join("left.db");
        for suffix in ["", "-wal"] {
            let from = super::super::with_suffix(&path, suffix);
            std::fs::copy(from, super::super::with_suffix(&left, suffix)).unwrap();
        }
        let place = Place { path: left.clone(), vfs: None };
        let seen = look(&place, new_log(Timestamp::from_unix_ms(0)).unwrap()).unwrap();
        assert_eq!((seen.log, seen.boot, seen.next_sequence), (first.log, 2, 2));
        assert_eq!(seen.kept.len(), 1);
        assert!(!super::super::with_suffix(&left, "-shm").exists(), "it writes nothing");
        let (_, found) = Store::open(&left, Timestamp::from_unix_ms(0)).unwrap();
        assert_eq!(found, seen);
    }

    #[test]
    fn what_a_person_must_put_right_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.db");
        let (_store, _) = Store::open(&path, Timestamp::from_unix_ms(0)).unwrap();
        let second = Store::open_or_wait(&path, Timestamp::from_unix_ms(0));
        assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
        let below_a_file = Store::open_or_wait(&path.join("log.db"), Timestamp::from_unix_ms(0));
        assert!(matches!(below_a_file, Err(StoreError::Place { .. })), "{below_a_file:?}");
    }
}
