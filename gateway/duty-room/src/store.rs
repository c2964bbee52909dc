//! The disk: SQLite in WAL mode with full synchronisation, one writer thread, group commit. What was given
//! while a commit ran goes into the next one together; a failed commit is tried again until it succeeds.
mod people;

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};
use shouwang_board::{KEPT_PREFIXES, Transaction, bounds};
use shouwang_message::{Event, Timestamp, to_bytes};
use tokio::sync::mpsc;

pub(crate) use people::{KeptPeople, People, PersonChange};

use crate::StartError;
use crate::stop::Stopped;
use crate::{logbook, records, residents, tickets};

/// Transactions on their way to the disk. The board hands out at most [`bounds::UNCOMMITTED`] with events
/// or requests; the rest is room for its own notes.
pub(crate) const QUEUE: usize = 2 * bounds::UNCOMMITTED;
/// Transactions of one commit at most, so that one commit stays short.
const GROUP: usize = 256;
/// The format this version writes.
const FORMAT: i64 = 3;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What is to be written.
#[derive(Debug)]
pub(crate) enum Work {
    /// Of the board: tried again until it succeeds.
    Board(Transaction),
    /// Of accounts and sessions: tried once, after what the board wrote.
    People(People),
}

/// What the store thread tells.
#[derive(Debug)]
pub(crate) enum Stored {
    /// Everything up to this transaction is on disk; these events came with it.
    Committed {
        up_to: u64,
        events: Vec<Event>,
    },
    Failed {
        transaction: u64,
    },
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    connection: Connection,
    /// This run of the duty room, by chance.
    run: i64,
}

/// The store, and what it held.
pub(crate) struct Opened {
    pub(crate) store: Store,
    /// The board's, by key.
    pub(crate) kept: Vec<(String, String)>,
    pub(crate) people: KeptPeople,
}

/// One process per state directory. An earlier one may still be ending: two seconds of patience.
pub(crate) async fn lock(directory: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::StateDir { path: directory.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(directory.join("lock"));
    let file = file.map_err(failed)?;
    for _ in 0..40 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(StartError::InUse(directory.into()))
}

/// A database takes the rights of the file that it finds: its log and its index get the same.
pub(crate) fn make_private(path: &Path) -> Result<(), StartError> {
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StartError::StateDir { path: path.into(), source })
}

impl Store {
    /// Opens or makes the store, and reads what the board keeps, and who has an account.
    pub(crate) fn open(directory: &Path) -> Result<Opened, StartError> {
        let path = directory.join("duty-room.db");
        make_private(&path)?;
        let failed = |source| StartError::Store { path: path.clone(), source };
        let connection = connect(&path).map_err(failed)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        if found > FORMAT {
            return Err(StartError::NewerStore { path, found, known: FORMAT });
        }
        if found == 0 {
            connection.execute_batch(FIRST_FORMAT).map_err(failed)?;
        }
        if found < 2 {
            let logbook = format!("BEGIN; {} PRAGMA user_version = 2; COMMIT;", logbook::TABLES);
            connection.execute_batch(&logbook).map_err(failed)?;
        }
        connection.execute_batch(residents::TABLE).map_err(failed)?;
        connection.execute_batch(tickets::TABLE).map_err(failed)?;
        if found < 3 {
            let people = format!("BEGIN; {} PRAGMA user_version = 3; COMMIT;", people::TABLES);
            connection.execute_batch(&people).map_err(failed)?;
        }
        connection.execute_batch(records::INDEXES).map_err(failed)?;
        let kept = read_kept(&connection).map_err(failed)?;
        let people = people::read(&connection).map_err(failed)?;
        let run = getrandom::u64().map_err(|error| StartError::Randomness(error.to_string()))?.cast_signed();
        Ok(Opened { store: Self { path, connection, run }, kept, people })
    }

    /// When the logbook's newest line was written here; none if there is none.
    pub(crate) fn newest_time(&self) -> Option<Timestamp> {
        logbook::newest_time(&self.connection).ok().flatten()
    }

    fn commit(&mut self, group: &[Transaction]) -> rusqlite::Result<()> {
        // The lock first: a transaction that begins by reading is refused at once where this one waits.
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            // "OR IGNORE": a commit that failed on its last step may have landed; the same event is the same row.
            let mut event = writing.prepare_cached(
                "INSERT OR IGNORE INTO event (site, gateway, log, sequence, time_ms, type, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let mut put = writing.prepare_cached(
                "INSERT INTO kept (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?;
            let mut remove = writing.prepare_cached("DELETE FROM kept WHERE key = ?1")?;
            for transaction in group {
                for heard in &transaction.events {
                    event.execute(params![
                        heard.site.as_str(),
                        heard.gateway.as_str(),
                        heard.log.to_string(),
                        heard.sequence.cast_signed(),
                        heard.time.unix_ms(),
                        heard.kind().as_str(),
                        to_bytes(heard),
                    ])?;
                }
                for (key, value) in &transaction.keep {
                    match value {
                        Some(value) => put.execute(params![key, value])?,
                        None => remove.execute(params![key])?,
                    };
                }
            }
        }
        logbook::append(&writing, self.run, group)?;
        writing.commit()
    }

    /// After a failed commit nothing of this connection is trusted.
    fn reopen(&mut self) {
        match connect(&self.path) {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::warn!(%error, "the store cannot be opened again yet"),
        }
    }
}

const FIRST_FORMAT: &str = "
    BEGIN;
    CREATE TABLE event (
        site TEXT NOT NULL, gateway TEXT NOT NULL, log TEXT NOT NULL, sequence INTEGER NOT NULL,
        time_ms INTEGER NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (site, gateway, log, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 1;
    COMMIT;
";

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 8388608;
         PRAGMA busy_timeout = 2000;",
    )?;
    Ok(connection)
}

fn read_kept(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut kept = Vec::new();
    for (prefix, limit) in KEPT_PREFIXES {
        // '0' follows '/': the range holds exactly the keys below the prefix.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        let mut query = connection
            .prepare("SELECT key, value FROM kept WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = query.query_map(params![prefix, end, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        rows.reverse();
        kept.append(&mut rows);
    }
    Ok(kept)
}

/// The store thread: until the duty room stops and everything given is written.
pub(crate) fn run(
    mut store: Store,
    mut work: mpsc::Receiver<Work>,
    stored: &mpsc::Sender<Stored>,
    stopped: &Stopped,
) {
    while let Some(first) = work.blocking_recv() {
        let (mut group, mut people) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(one) = next {
            match one {
                Work::Board(transaction) => group.push(transaction),
                Work::People(changes) => people.push(changes),
            }
            next = if group.len() + people.len() < GROUP { work.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            if !commit_until_done(&mut store, &group, stored, stopped) {
                return;
            }
            let up_to = group.last().map_or(0, |last| last.number);
            let events = group.into_iter().flat_map(|transaction| transaction.events).collect();
            if stored.blocking_send(Stored::Committed { up_to, events }).is_err() {
                return;
            }
        }
        for changes in people {
            keep_people(&mut store, changes);
        }
    }
}

/// Once: whoever asked for it waits, and asks again if it failed.
fn keep_people(store: &mut Store, people: People) {
    // Nobody waits any more: they were told that it was not written.
    if people.answer.is_closed() {
        return;
    }
    let kept = store.keep_people(&people.changes, &people.log);
    if let Err(error) = &kept {
        tracing::error!(%error, "cannot write accounts to the store");
    }
    let _ = people.answer.send(kept.is_ok());
}

/// False if the duty room stopped while the disk refused: what was not committed was not told as heard.
fn commit_until_done(
    store: &mut Store,
    group: &[Transaction],
    stored: &mpsc::Sender<Stored>,
    stopped: &Stopped,
) -> bool {
    let mut wait = FIRST_RETRY;
    loop {
        let Err(error) = store.commit(group) else { return true };
        tracing::error!(%error, "cannot write to the store; trying again in {wait:?}");
        let transaction = group.first().map_or(0, |first| first.number);
        // A full channel only means that the failure is known already.
        let _ = stored.try_send(Stored::Failed { transaction });
        if stopped.is_said() {
            return false;
        }
        #[expect(clippy::disallowed_methods, reason = "the back-off between two tries of the disk")]
        std::thread::sleep(wait);
        wait = (wait * 2).min(LAST_RETRY);
        store.reopen();
    }
}
