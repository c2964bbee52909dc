//! The tables, how they came to be, and what is read from them at the start.
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use shouwang_message::{LogId, Sequence};

use super::{LeftBehind, StoreError, room, with_suffix};

/// One step a version, never changed after a release; `PRAGMA user_version` counts the steps taken.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE event (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
    CREATE TABLE kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        log TEXT NOT NULL,
        boot INTEGER NOT NULL,
        next_sequence INTEGER NOT NULL,
        heard_up_to INTEGER NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE room (number INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
",
];

/// No version will ever have so high a number: it is damage.
const NO_VERSION: u32 = 1_000;

/// Settings of the writer's connection. WAL with FULL flushes the WAL at every commit; NORMAL would lose
/// commits in a power cut. The WAL is checkpointed at 4 MiB and keeps that much of the disk, over restarts
/// too, so that a full one does not stop it; what it took beyond 6 MiB it gives back.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 1024)?;
    connection.pragma_update(None, "journal_size_limit", 6 * 1024 * 1024)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    room::prepare(connection)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Moves everything from the WAL into the file, flushed, so that the WAL begins anew.
///
/// After a failed flush this is what makes a new beginning: the system may count pages of the WAL as written
/// that never were, and still show them. What is committed behind such a page would be lost with it.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<()> {
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0))?;
    if is_busy {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, Some("the log is being read".into())));
    }
    Ok(())
}

/// Brings the tables to the newest version. Before it changes a database that holds something, a copy
/// is laid beside it as `<name>.before-vN`.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let database = |source| StoreError::Database { path: path.to_owned(), source };
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let found = version(connection, path, known)?;
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = with_suffix(path, &format!(".before-v{known}"));
        connection.backup("main", &copy, None::<fn(_)>).map_err(database)?;
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
    for step in migrations.iter().skip(found as usize) {
        transaction.execute_batch(step).map_err(database)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(database)?;
    transaction.commit().map_err(database)
}

/// How many steps this database has taken; an error if it knows more of them than we.
pub(super) fn version(connection: &Connection, path: &Path, known: u32) -> Result<u32, StoreError> {
    let database = |source| StoreError::Database { path: path.to_owned(), source };
    let found: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(database)?;
    if found > NO_VERSION {
        let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(database(rusqlite::Error::SqliteFailure(damaged, Some(format!("schema {found}")))));
    }
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Reads what the last run left, and counts this boot.
pub(super) fn restore(connection: &mut Connection, new_log: LogId) -> rusqlite::Result<LeftBehind> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let restored = read(&transaction, new_log)?;
    match restored.boot {
        1 => {
            let log = restored.log.to_string();
            transaction.execute("INSERT INTO meta VALUES (1, ?1, 1, 1, 0)", [&log])?;
        }
        boot => {
            transaction.execute("UPDATE meta SET boot = ?1", [boot])?;
        }
    }
    transaction.commit()?;
    Ok(restored)
}

/// Reads what the last run left, with this boot counted in; a log that has not begun yet has this name.
pub(super) fn read(connection: &Connection, new_log: LogId) -> rusqlite::Result<LeftBehind> {
    let meta: Option<(String, u32, Sequence, Sequence)> = connection
        .query_row("SELECT log, boot, next_sequence, heard_up_to FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (log, boot, next_sequence, heard_up_to) = match meta {
        None => (new_log, 1, 1, 0),
        Some((log, boot, next_sequence, heard_up_to)) => {
            let log = log.parse().map_err(|error: shouwang_message::BadId| {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
            })?;
            // A boot of 0 is damage that would look like a log that has not begun.
            (log, boot.saturating_add(1).max(2), next_sequence, heard_up_to)
        }
    };
    let first_kept: Option<Sequence> =
        connection.query_row("SELECT min(sequence) FROM event", [], |row| row.get(0))?;
    let kept = connection
        .prepare("SELECT key, value FROM kept ORDER BY key")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let first_kept = first_kept.unwrap_or(next_sequence);
    Ok(LeftBehind { log, boot, next_sequence, heard_up_to, first_kept, kept, replaced: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shouwang_message::Timestamp;

    #[test]
    fn a_database_is_copied_before_it_is_changed_and_one_from_the_future_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.db");
        let (store, first) = crate::store::Store::open(&path, Timestamp::from_unix_ms(0)).unwrap();
        drop(store);

        let mut connection = Connection::open(&path).unwrap();
        let steps = [MIGRATIONS, &["ALTER TABLE kept ADD COLUMN since INTEGER"]].concat();
        migrate(&mut connection, &path, &steps).unwrap();
        connection.execute("UPDATE meta SET next_sequence = 5", []).unwrap();
        drop(connection);

        let copy = Connection::open(with_suffix(&path, ".before-v3")).unwrap();
        let log: String = copy.query_row("SELECT log FROM meta", [], |row| row.get(0)).unwrap();
        assert_eq!(log, first.log.to_string());
        let refused = crate::store::Store::open(&path, Timestamp::from_unix_ms(0));
        assert!(matches!(refused, Err(StoreError::Newer { found: 3, known: 2, .. })), "{refused:?}");
    }

    #[test]
    fn a_commit_is_flushed_before_it_is_told() {
        let home = tempfile::tempdir().unwrap();
        let connection = Connection::open(home.path().join("log.db")).unwrap();
        prepare(&connection).unwrap();
        let value = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, String>(0));
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        assert_eq!(value("journal_mode").unwrap(), "wal");
        assert_eq!(number("synchronous").unwrap(), 2, "FULL");
    }
}
