//! Save, then speak: what was committed before a `kill -9` is told afterwards, once.
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use shouwang_tests::{wait_for, wait_until};

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, assert_in_sequence, name};

#[test]
fn an_alarm_committed_before_a_kill_arrives_once_over_tcp() {
    an_alarm_committed_before_a_kill_arrives_once(Street::tcp(2));
}

#[test]
fn an_alarm_committed_before_a_kill_arrives_once_over_a_serial_line() {
    an_alarm_committed_before_a_kill_arrives_once(Street::serial(2));
}

fn an_alarm_committed_before_a_kill_arrives_once(mut street: Street) {
    street.start();
    // With the broker away the alarm is committed and cannot be told.
    street.broker.stop();
    street.smoke(2, true);
    let directory = street.configuration.state_directory();
    let committed = wait_for(ALARM_LIMIT, "the alarm should be committed", || {
        events(&directory).into_iter().find(|event| is_raised(event, &name(2)))
    });
    street.kill();
    assert!(street.listener.events_of(RAISED).is_empty(), "nothing was told before the kill");

    street.broker.restart();
    street.launch();
    let told = street.listener.wait_for_event(START_LIMIT, RAISED, &name(2));
    assert_eq!(told.json, committed, "what was committed is what is told");

    // When all is heard, nothing more about it can be waiting.
    wait_until(START_LIMIT, "everything committed should be heard", || {
        let newest = events(&directory).last().map(|event| event["sequence"].clone());
        street.listener.events().last().map(|event| event.json["sequence"].clone()) == newest
    });
    assert_eq!(street.listener.events_of(RAISED).len(), 1, "one alarm, told once after de-duplication");
    assert_in_sequence(&street.listener);
    street.stop();
}

/// The log as it is on disk now, in sequence.
pub(crate) fn events(state_directory: &Path) -> Vec<Value> {
    // Before its first commit there is no file, no table or no row: nothing is committed.
    let Some(file) = database(state_directory) else { return Vec::new() };
    read(&file).unwrap_or_default()
}

pub(crate) fn is_raised(event: &Value, device: &str) -> bool {
    event["type"] == RAISED && event["subject"] == device
}

fn read(file: &Path) -> rusqlite::Result<Vec<Value>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut query = connection.prepare("SELECT body FROM event ORDER BY sequence")?;
    let bodies = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    bodies.map(|body| body.map(|body| serde_json::from_slice(&body).expect("an event is JSON"))).collect()
}

fn database(state_directory: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(state_directory).ok()?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0")))
}
