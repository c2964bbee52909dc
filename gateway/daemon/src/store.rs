//! The log on disk: events that must be told, and the state that survives a restart, in one SQLite file.
//!
//! [`Store`] is synchronous and takes a VFS by name, so that a test can pull the plug under it; the
//! [`thread`] gives it a thread of its own and shares transactions between commits. One writer, WAL,
//! `synchronous=FULL`: what `Committed` was said for survives a power cut.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use shouwang_core::input::StoreTrouble;
use shouwang_core::output::Commit;
use shouwang_message::{LogId, Sequence, Timestamp};

pub mod backup;
mod late;
mod reader;
mod room;
mod schema;
pub mod thread;
mod write;

pub use reader::{Reader, Unsound};
use room::Room;
pub use room::{DISK_BYTES, ROOM_EVENT_BYTES, ROOM_EVENTS, disk_has};
pub use thread::StoreHandle;
use write::Tail;

/// The database's name in the state directory.
pub const FILE_NAME: &str = "gateway.db";
/// The newest events that stay even when everybody has heard them (GB 25506: a log of 10,000).
pub const KEEP_EVENTS: u64 = 10_000;
/// Heard events taken away with one transaction at most, so that no commit waits for a long tidying.
pub const PRUNE_STEP: u64 = 500;

/// Damaged databases that are kept for a later look; the newest replaces the last of them.
const KEEP_QUARANTINED: u32 = 5;

/// The writer's side of the database. Dropping it closes the file; nothing is waiting in it.
#[derive(Debug)]
pub struct Store {
    place: Place,
    state: State,
    /// Keeps a second process away from the file for as long as the store lives.
    _lock: Option<File>,
}

#[derive(Debug)]
enum State {
    Open {
        connection: Connection,
        tail: Tail,
        room: Room,
    },
    /// After a failed write: what the system has of the file is unknown, so it is opened anew.
    Closed {
        after: StoreTrouble,
        room: Room,
    },
    /// The disk was in trouble when the gateway started: opened at the first commit that finds it well.
    Awaited(late::Awaited),
    /// The file was damaged and moved aside, or is not the one awaited. Only a new start goes on.
    Damaged,
}

/// What the last run left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// Names this database; a new one is a new log.
    pub log: LogId,
    /// Process starts in this log, this one included, from 1.
    pub boot: u32,
    /// The sequence that the next event must have.
    pub next_sequence: Sequence,
    /// Everything up to here was heard by all hearers; 0 if nothing.
    pub heard_up_to: Sequence,
    /// The oldest event still in the log; equal to `next_sequence` if it is empty.
    pub first_kept: Sequence,
    /// Named pieces of state, sorted by name.
    pub kept: Vec<(String, Vec<u8>)>,
    /// An older database was damaged and moved aside: what it held can only be told as a gap.
    pub replaced: bool,
}

impl From<LeftBehind> for shouwang_core::engine::Restored {
    fn from(left: LeftBehind) -> Self {
        Self {
            log: left.log,
            boot: left.boot,
            committed: left.next_sequence - 1,
            first_kept: left.first_kept,
            kept: left.kept.into_iter().collect(),
            replaced: left.replaced,
        }
    }
}

/// Why there is no store to run with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("opening the store {path}: {source}; check that the directory exists and may be written")]
    Place { path: PathBuf, source: io::Error },
    #[error(
        "opening the store {path}: another gateway runs on it; end that one, or give this one its own state_dir"
    )]
    InUse { path: PathBuf },
    #[error(
        "opening the store {path}: it was written by a newer version (schema {found}, this one knows {known}); install that version again, or give an empty state_dir"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("opening the store {path}: {source}; check the disk and the file's rights")]
    Database { path: PathBuf, source: rusqlite::Error },
    #[error("making a name for the new log: no randomness from the system: {0}")]
    Chance(getrandom::Error),
}

/// Where the database is, and through which VFS of SQLite it is reached (none: the system's files).
#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    vfs: Option<String>,
}

impl Store {
    /// Opens or makes the database at `path` and counts a new boot in it, committed before this returns.
    /// A damaged one is moved aside as `<name>.quarantined-N`. `wall` only dates a new log's id.
    pub fn open(path: &Path, wall: Timestamp) -> Result<(Self, LeftBehind), StoreError> {
        fs_prepare(path)?;
        let lock = lock(path)?;
        Self::open_place(Place { path: path.to_owned(), vfs: None }, Some(lock), wall)
    }

    /// As [`Store::open`], through a VFS that was registered with SQLite under this name. Files are the
    /// VFS's business: no rights are set, no lock is taken and nothing is moved aside.
    pub fn open_with_vfs(path: &Path, vfs: &str, wall: Timestamp) -> Result<(Self, LeftBehind), StoreError> {
        Self::open_place(Place { path: path.to_owned(), vfs: Some(vfs.to_owned()) }, None, wall)
    }

    fn open_place(
        place: Place,
        lock: Option<File>,
        wall: Timestamp,
    ) -> Result<(Self, LeftBehind), StoreError> {
        let log = new_log(wall)?;
        let (connection, restored, room) = match restore(&place, log) {
            Err(StoreError::Database { source, .. }) if place.vfs.is_none() && is_damage(&source) => {
                let aside = quarantine(&place.path)?;
                fs_prepare(&place.path)?;
                tracing::error!(path = %place.path.display(), aside = %aside.display(), %source,
                    "the store is damaged and was moved aside; a new log begins");
                restore(&place, log)?
            }
            other => other?,
        };
        // A damaged file may also have been moved aside while running, just before the process ended.
        let replaced = restored.boot == 1 && place.vfs.is_none() && quarantined(&place.path, 1).exists();
        let restored = LeftBehind { replaced, ..restored };
        let tail = Tail::of(&restored);
        let store = Self { place, state: State::Open { connection, tail, room }, _lock: lock };
        Ok((store, restored))
    }

    /// Writes all of these in one transaction and returns when it is on disk. On an error they must be
    /// sent again as they were; the next call opens the database anew before it writes. Events that are
    /// there already, because only the flush had failed, are not written twice.
    ///
    /// Events must continue the log without a gap; otherwise an earlier commit has failed and its events
    /// are still to come, and this is refused as [`StoreTrouble::Io`]. After [`StoreTrouble::Corrupt`]
    /// nothing can be written until the process starts again, with a new log.
    pub fn commit(&mut self, commits: &[Commit]) -> Result<(), StoreTrouble> {
        match self.attempt(commits) {
            // The WAL could not grow: opened anew, it has been emptied into the file and begins from its start.
            Err(StoreTrouble::Full) if matches!(self.state, State::Closed { .. }) => self.attempt(commits),
            done => done,
        }
    }

    fn attempt(&mut self, commits: &[Commit]) -> Result<(), StoreTrouble> {
        if let State::Closed { after, room } = self.state {
            let reopened = self.place.reopen(after);
            let (connection, tail) = reopened.map_err(|source| self.give_up(&source))?;
            self.state = State::Open { connection, tail, room };
        }
        if let State::Awaited(awaited) = self.state {
            self.open_late(awaited)?;
        }
        let State::Open { connection, tail, room } = &mut self.state else {
            return Err(StoreTrouble::Corrupt);
        };
        match write::write(connection, *tail, *room, commits) {
            Ok(moved) => {
                (*tail, *room) = moved;
                Ok(())
            }
            Err(write::Failure::OutOfSequence { expected, found }) => {
                tracing::debug!(expected, found, "a commit behind a failed one was refused");
                Err(StoreTrouble::Io)
            }
            Err(write::Failure::NoRoom) => {
                room.is_short = true;
                Err(StoreTrouble::Full)
            }
            Err(write::Failure::Database(source)) => Err(self.give_up(&source)),
        }
    }

    /// The disk has no space for the file to grow: what is written from here on uses up the room for alarms.
    pub fn is_short(&self) -> bool {
        match &self.state {
            State::Open { room, .. } | State::Closed { room, .. } => room.is_short,
            State::Awaited(_) | State::Damaged => false,
        }
    }

    /// Whether some of the room for alarms must still be laid by, or a full disk be asked again for space.
    pub fn wants_room(&self) -> bool {
        matches!(&self.state, State::Open { room, .. } if room.is_short || !room.is_full())
    }

    /// Lays by one step of the room for alarms, 256 KiB, in an idle moment. False if the disk has not the space.
    pub fn lay_by(&mut self) -> bool {
        let State::Open { connection, room, .. } = &mut self.state else { return false };
        match room.lay_by(connection) {
            Ok(had_space) => had_space,
            Err(source) => {
                self.give_up(&source);
                false
            }
        }
    }

    /// A look at every page found damage: as if a commit had met it.
    fn condemn(&mut self, complaint: &str) {
        tracing::error!(path = %self.place.path.display(), complaint, "the store is damaged");
        self.put_aside();
    }

    /// A reader of the same database, for another thread.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.place)
    }

    /// The latest time that the newest thousand events bear; none if there are none or they cannot be read.
    pub fn newest_time(&self) -> Option<Timestamp> {
        let read = self.reader().map(|reader| reader.newest_time());
        match read {
            Ok(Ok(newest)) => newest,
            _ => None,
        }
    }

    /// After a failed write nothing in memory can be trusted: close, and if the file is damaged take it
    /// out of the way, so that the next start begins a new log.
    fn give_up(&mut self, source: &rusqlite::Error) -> StoreTrouble {
        let trouble = trouble(source);
        let mut room = match &self.state {
            State::Open { room, .. } | State::Closed { room, .. } => *room,
            State::Awaited(_) | State::Damaged => Room::default(),
        };
        room.is_short |= trouble == StoreTrouble::Full;
        self.state = State::Closed { after: trouble, room };
        tracing::warn!(path = %self.place.path.display(), %source, ?trouble, "a commit failed");
        if trouble == StoreTrouble::Corrupt {
            self.put_aside();
        }
        trouble
    }

    fn put_aside(&mut self) {
        self.state = State::Damaged;
        if self.place.vfs.is_none() && self.place.path.exists() {
            match quarantine(&self.place.path) {
                Ok(aside) => tracing::error!(aside = %aside.display(), "the damaged store was moved aside"),
                Err(error) => tracing::error!(%error, "the damaged store could not be moved aside"),
            }
        }
    }
}

impl Place {
    /// Opens the existing file again after a failure; never makes a new one under a running core.
    fn reopen(&self, after: StoreTrouble) -> rusqlite::Result<(Connection, Tail)> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::prepare(&connection)?;
        match schema::settle(&connection) {
            // Nothing failed to be flushed; and a full disk may let itself be written, if not tidied.
            Err(_) if after == StoreTrouble::Full => {}
            settled => settled?,
        }
        let tail = Tail::read(&connection)?;
        Ok((connection, tail))
    }

    fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.path, flags, vfs.as_str()),
            None => Connection::open_with_flags(&self.path, flags),
        }
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }
}

fn restore(place: &Place, log: LogId) -> Result<(Connection, LeftBehind, Room), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = place.connect(flags).map_err(|source| place.error(source))?;
    schema::prepare(&connection).map_err(|source| place.error(source))?;
    schema::migrate(&mut connection, &place.path, schema::MIGRATIONS)?;
    if let Err(source) = schema::settle(&connection) {
        if trouble(&source) != StoreTrouble::Full {
            return Err(place.error(source));
        }
        tracing::warn!(path = %place.path.display(), "the disk is full");
    }
    let restored = schema::restore(&mut connection, log).map_err(|source| place.error(source))?;
    let room = Room::read(&connection).map_err(|source| place.error(source))?;
    Ok((connection, restored, room))
}

/// The directory, and the file readable by nobody else before SQLite writes anything into it. SQLite
/// gives its `-wal` and `-shm` files the same rights.
fn fs_prepare(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
    let place = |source| StoreError::Place { path: path.to_owned(), source };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(place)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(place)?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(place)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(with_suffix(path, ".lock"))
        .map_err(|source| StoreError::Place { path: path.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Place { path: path.to_owned(), source }),
    }
}

fn new_log(wall: Timestamp) -> Result<LogId, StoreError> {
    let mut chance = [0; 16];
    getrandom::fill(&mut chance).map_err(StoreError::Chance)?;
    let unix_ms = u64::try_from(wall.unix_ms()).unwrap_or(0);
    Ok(LogId::from_parts(unix_ms, u128::from_le_bytes(chance)))
}

/// Moves the database and its WAL aside under the next free number; returns the new name.
fn quarantine(path: &Path) -> Result<PathBuf, StoreError> {
    let place = |source| StoreError::Place { path: path.to_owned(), source };
    let free = (1..KEEP_QUARANTINED).find(|number| !quarantined(path, *number).exists());
    let number = free.unwrap_or(KEEP_QUARANTINED);
    let aside = quarantined(path, number);
    for suffix in ["-wal", "-shm"] {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(place(error)),
            _ => {}
        }
    }
    fs::rename(path, &aside).map_err(place)?;
    Ok(aside)
}

fn quarantined(path: &Path, number: u32) -> PathBuf {
    with_suffix(path, &format!(".quarantined-{number}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    trouble(error) == StoreTrouble::Corrupt
}

fn trouble(error: &rusqlite::Error) -> StoreTrouble {
    use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            DiskFull => StoreTrouble::Full,
            DatabaseCorrupt | NotADatabase => StoreTrouble::Corrupt,
            // "no such table" and the like in a file that we alone write: pages are missing.
            rusqlite::ErrorCode::Unknown => StoreTrouble::Corrupt,
            _ => StoreTrouble::Io,
        },
        // Only disk and memory can fail in our fixed statements; a value of another shape is damage.
        _ => StoreTrouble::Corrupt,
    }
}
