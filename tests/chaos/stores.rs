//! What is on both disks, read from outside while the programs run.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// Events by log and sequence.
pub(crate) type Events = BTreeMap<(String, i64), Value>;

/// How far the gateway's newest log goes, and up to where it believes to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) log: String,
    pub(crate) committed: i64,
    pub(crate) heard: i64,
}

/// Every log of a gateway's state directory. An error is normal while it is being made.
pub(crate) fn committed(gateway_state: &Path) -> rusqlite::Result<Events> {
    let mut events = Events::new();
    for file in logs(gateway_state) {
        let connection = open(&file)?;
        let log: String = connection.query_row("SELECT log FROM meta", [], |row| row.get(0))?;
        let mut query = connection.prepare("SELECT sequence, body FROM event")?;
        let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        for row in rows {
            let (sequence, body) = row?;
            events.insert((log.clone(), sequence), json(&body));
        }
    }
    Ok(events)
}

pub(crate) fn mark(gateway_state: &Path) -> rusqlite::Result<Mark> {
    let connection = open(&gateway_state.join("gateway.db"))?;
    connection.query_row("SELECT log, next_sequence - 1, heard_up_to FROM meta", [], |row| {
        Ok(Mark { log: row.get(0)?, committed: row.get(1)?, heard: row.get(2)? })
    })
}

/// What the duty room has on its disk.
pub(crate) fn heard(duty_room_state: &Path) -> rusqlite::Result<Events> {
    let connection = open(&duty_room_state.join("duty-room.db"))?;
    let mut query = connection.prepare("SELECT log, sequence, body FROM event")?;
    let rows = query.query_map([], |row| {
        Ok(((row.get::<_, String>(0)?, row.get::<_, i64>(1)?), json(&row.get::<_, Vec<u8>>(2)?)))
    })?;
    rows.collect()
}

/// How many events of this log up to this one the duty room has.
pub(crate) fn heard_up_to(duty_room_state: &Path, log: &str, sequence: i64) -> rusqlite::Result<i64> {
    let connection = open(&duty_room_state.join("duty-room.db"))?;
    let count = "SELECT count(*) FROM event WHERE log = ?1 AND sequence <= ?2";
    connection.query_row(count, (log, sequence), |row| row.get(0))
}

/// SQLite's own complaint about a file, if it has one.
pub(crate) fn complaint(file: &Path) -> Option<String> {
    let check = |connection: Connection| {
        connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
    };
    match open(file).and_then(check) {
        Ok(word) if word == "ok" => None,
        Ok(words) => Some(words),
        Err(error) => Some(error.to_string()),
    }
}

/// The log, and any that was put aside.
pub(crate) fn logs(gateway_state: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(gateway_state).into_iter().flatten().flatten();
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name == "gateway.db"
            || (name.starts_with("gateway.db.quarantined-")
                && !name.contains("-wal")
                && !name.contains("-shm"))
    };
    entries.map(|entry| entry.path()).filter(is_log).collect()
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    Ok(connection)
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
