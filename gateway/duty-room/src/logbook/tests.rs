//! The chain of the logbook holds, and whatever was changed in it is found.
use super::*;

fn line(what: &str) -> LogLine {
    LogLine {
        at: Timestamp::from_unix_ms(1_800_000_000_000),
        by: "u-7".into(),
        from: "192.0.2.7".into(),
        what: what.into(),
        about: None,
        old: Some("new".into()),
        new: Some("accepted".into()),
        note: Some("王师傅到场".into()),
    }
}

fn given(number: u64, whats: &[&str]) -> Transaction {
    Transaction { number, events: vec![], log: whats.iter().map(|what| line(what)).collect(), keep: vec![] }
}

/// Five lines in three transactions, the second of which is tried again after it was written.
fn five_lines() -> (tempfile::TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(database(directory.path())).unwrap();
    connection.execute_batch(TABLES).unwrap();
    append(&connection, 77, &[given(1, &["login"])]).unwrap();
    let group = [given(2, &["case.accept", "case.dispatch"]), given(3, &[]), given(4, &["case.arrive"])];
    append(&connection, 77, &group).unwrap();
    append(&connection, 77, &group).unwrap();
    append(&connection, 78, &[given(1, &["case.close"])]).unwrap();
    (directory, connection)
}

#[track_caller]
fn first_broken(directory: &tempfile::TempDir) -> u64 {
    match verify(directory.path()) {
        Err(VerifyError::Broken { line, .. }) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chain_is_sound_and_its_first_line_is_pinned() {
    let (directory, connection) = five_lines();
    let sound = verify(directory.path()).unwrap();
    assert_eq!(sound.lines, 5, "what was tried again is there once");
    let first: String =
        connection.query_row("SELECT line FROM logbook WHERE number = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(
        first,
        format!(
            "{{\"number\":1,\"at\":\"2027-01-15T08:00:00.000Z\",\"by\":\"u-7\",\"from\":\"192.0.2.7\",\
             \"what\":\"login\",\"about\":null,\"old\":\"new\",\"new\":\"accepted\",\
             \"note\":\"王师傅到场\",\"previous\":\"{NOTHING_BEFORE}\"}}"
        )
    );
    let last: String =
        connection.query_row("SELECT hash FROM logbook WHERE number = 5", [], |row| row.get(0)).unwrap();
    assert_eq!(last, sound.last_hash);
}

#[test]
fn every_way_to_change_it_names_the_first_broken_line() {
    let swapped = "{\"number\":3}";
    let hash = hash_of(swapped);
    let cases = [
        ("UPDATE logbook SET line = replace(line, 'u-7', 'u-8') WHERE number = 3", 3),
        ("UPDATE logbook SET hash = upper(hash) WHERE number = 2", 2),
        ("UPDATE logbook SET line = x'00ff' WHERE number = 4", 4),
        ("DELETE FROM logbook WHERE number = 1", 1),
        ("DELETE FROM logbook WHERE number = 4", 4),
        ("DELETE FROM logbook WHERE number >= 4", 4),
        ("DELETE FROM logbook", 1),
        ("UPDATE logbook SET number = 9 WHERE number = 5", 5),
        ("INSERT INTO logbook SELECT 6, line, hash FROM logbook WHERE number = 5", 6),
        ("INSERT INTO logbook SELECT 0, line, hash FROM logbook WHERE number = 1", 0),
        (&*format!("UPDATE logbook SET line = '{swapped}', hash = '{hash}' WHERE number = 3"), 3),
    ];
    for (edit, line) in cases {
        let (directory, connection) = five_lines();
        connection.execute_batch(edit).unwrap();
        assert_eq!(first_broken(&directory), line, "{edit}");
    }
}

#[test]
fn a_line_rewritten_with_its_own_hash_is_found_by_the_next() {
    let (directory, connection) = five_lines();
    for number in [2, 5] {
        let edit = format!("SELECT line FROM logbook WHERE number = {number}");
        let text: String = connection.query_row(&edit, [], |row| row.get(0)).unwrap();
        let text = text.replace("王师傅", "李师傅");
        let edit = "UPDATE logbook SET line = ?1, hash = ?2 WHERE number = ?3";
        connection.execute(edit, params![text, hash_of(&text), number]).unwrap();
    }
    assert_eq!(first_broken(&directory), 2);
    let (directory, connection) = five_lines();
    let text = connection
        .query_row("SELECT line FROM logbook WHERE number = 5", [], |row| row.get::<_, String>(0))
        .unwrap()
        .replace("王师傅", "李师傅");
    let edit = "UPDATE logbook SET line = ?1, hash = ?2 WHERE number = 5";
    connection.execute(edit, params![text, hash_of(&text)]).unwrap();
    assert_eq!(first_broken(&directory), 5, "the last line is held by the head");
}

#[test]
fn a_directory_without_a_logbook_says_so() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(verify(directory.path()), Err(VerifyError::Missing(_))));
    Connection::open(database(directory.path())).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(matches!(verify(directory.path()), Err(VerifyError::Missing(_))));
    std::fs::write(database(directory.path()), "no database, and longer than a header would be".repeat(9))
        .unwrap();
    assert!(matches!(verify(directory.path()), Err(VerifyError::Unreadable { .. })));
}
