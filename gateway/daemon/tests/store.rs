//! What the store promises: nothing committed is lost, nothing else is kept, and damage never stops a start.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;

use shouwang_core::input::{Input, StoreTrouble};
use shouwang_core::output::{Commit, NewEvent};
use shouwang_gateway::store::{KEEP_EVENTS, PRUNE_STEP, Store, StoreError, StoreHandle};
use shouwang_gateway::watchdog::Pulse;
use shouwang_message::{Sequence, Timestamp};

fn wall() -> Timestamp {
    Timestamp::from_unix_ms(1_795_333_927_412)
}

fn events(range: std::ops::Range<Sequence>) -> Commit {
    let events =
        range.map(|sequence| NewEvent { sequence, body: format!("event {sequence}").into_bytes() }).collect();
    Commit { events, urgent: true, ..Commit::default() }
}

fn heard(up_to: Sequence) -> Commit {
    Commit { heard_up_to: Some(up_to), ..Commit::default() }
}

fn open(path: &Path) -> (Store, shouwang_gateway::store::LeftBehind) {
    Store::open(path, wall()).unwrap()
}

#[test]
fn what_was_committed_is_there_after_a_restart_and_the_boot_is_counted() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state").join("log.db");
    let (mut store, first) = open(&path);
    assert_eq!((first.boot, first.next_sequence, first.heard_up_to, first.first_kept), (1, 1, 0, 1));
    assert!(!first.replaced && first.kept.is_empty());
    let kept = Commit {
        kept: vec![("alarm/b".into(), Some(b"2".to_vec())), ("alarm/a".into(), Some(b"1".to_vec()))],
        ..events(1..4)
    };
    let forgotten =
        Commit { kept: vec![("alarm/b".into(), None), ("alarm/a".into(), Some(b"3".to_vec()))], ..heard(2) };
    store.commit(&[kept, forgotten]).unwrap();
    drop(store);

    let (store, second) = open(&path);
    assert_eq!(second.log, first.log);
    assert_eq!((second.boot, second.next_sequence, second.heard_up_to, second.first_kept), (2, 4, 2, 1));
    assert_eq!(second.kept, [("alarm/a".into(), b"3".to_vec())]);
    let read = store.reader().unwrap().fetch(2, 10).unwrap();
    let bodies: Vec<_> = read.iter().map(|event| (event.sequence, event.body.as_slice())).collect();
    assert_eq!(bodies, [(2, b"event 2".as_slice()), (3, b"event 3")]);
    assert_eq!(store.reader().unwrap().quick_check(), Ok(()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_batch_is_all_or_nothing_and_a_log_never_has_a_gap() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, _) = open(&path);
    store.commit(&[events(1..3)]).unwrap();
    let with_state = Commit { kept: vec![("k".into(), Some(vec![1]))], ..events(3..4) };
    assert_eq!(store.commit(&[with_state.clone(), events(5..6)]), Err(StoreTrouble::Io), "4 is missing");
    let another = NewEvent { sequence: 2, body: b"another".to_vec() };
    let reused = Commit { events: vec![another], ..Commit::default() };
    assert_eq!(store.commit(&[reused]), Err(StoreTrouble::Io), "2 was used");
    store.commit(&[events(1..3)]).expect("sent again after a failed flush, it is there already");
    assert_eq!(store.reader().unwrap().fetch(1, 10).unwrap().len(), 2);
    store.commit(&[with_state]).unwrap();
    drop(store);
    assert_eq!(open(&path).1.next_sequence, 4);
}

#[test]
fn a_copy_taken_like_a_power_cut_has_exactly_what_was_committed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, restored) = open(&path);
    for sequence in 1..40 {
        store.commit(&[events(sequence..sequence + 1)]).unwrap();
    }
    // The files as they lie on the disk now, without the writer having closed anything.
    let cut = home.path().join("cut.db");
    fs::copy(&path, &cut).unwrap();
    fs::copy(home.path().join("log.db-wal"), home.path().join("cut.db-wal")).unwrap();
    let (_, after) = open(&cut);
    assert_eq!((after.log, after.next_sequence, after.boot), (restored.log, 40, 2));
}

#[test]
fn heard_events_go_in_small_steps_but_the_newest_ten_thousand_and_the_unheard_stay() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, _) = open(&path);
    let total = KEEP_EVENTS + 2_000;
    store.commit(&[events(1..total + 1)]).unwrap();
    store.commit(&[heard(700)]).unwrap();
    let first = |store: &Store| store.reader().unwrap().fetch(0, 1).unwrap()[0].sequence;
    assert_eq!(first(&store), PRUNE_STEP + 1, "one bounded step");
    store.commit(&[heard(700)]).unwrap();
    assert_eq!(first(&store), 701, "unheard ones stay");
    for _ in 0..10 {
        store.commit(&[heard(u64::MAX)]).unwrap();
    }
    assert_eq!(first(&store), 2_001, "the newest 10,000 stay though heard");
    drop(store);
    let (_, restored) = open(&path);
    assert_eq!(
        (restored.first_kept, restored.heard_up_to, restored.next_sequence),
        (2_001, total, total + 1)
    );
}

#[test]
fn one_look_is_bounded_in_bytes() {
    let home = tempfile::tempdir().unwrap();
    let (mut store, _) = open(&home.path().join("log.db"));
    let big = |sequence| NewEvent { sequence, body: vec![b'x'; 700_000] };
    store.commit(&[Commit { events: vec![big(1), big(2)], ..Commit::default() }]).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.fetch(1, 10).unwrap().len(), 1);
    assert_eq!(reader.fetch(2, 10).unwrap().len(), 1);
    assert!(reader.fetch(3, 10).unwrap().is_empty());
}

/// Everything stands in the file; the WAL, which outlives a clean end, has nothing that would hide damage there.
fn settle(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[test]
fn a_damaged_file_is_moved_aside_and_a_new_log_begins() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, first) = open(&path);
    store.commit(&[events(1..500)]).unwrap();
    drop(store);
    settle(&path);
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&[0xA5; 4096]).unwrap();
    drop(file);

    let (store, second) = open(&path);
    assert!(second.replaced);
    assert_ne!(second.log, first.log);
    assert_eq!((second.boot, second.next_sequence), (1, 1));
    assert!(home.path().join("log.db.quarantined-1").exists());
    drop(store);
    assert!(!open(&path).1.replaced, "it is told once");
}

/// The number of the page with the newest events: from the root always down to the right.
fn newest_page(path: &Path) -> u64 {
    let root = rusqlite::Connection::open(path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'event'", [], |row| row.get(0))
        .unwrap();
    let file = fs::read(path).unwrap();
    let mut page: u64 = root;
    loop {
        let at = usize::try_from((page - 1) * 4096).unwrap();
        match file[at] {
            0x05 => page = u32::from_be_bytes(file[at + 8..at + 12].try_into().unwrap()).into(),
            0x0D => return page,
            kind => panic!("page {page} is of kind {kind}"),
        }
    }
}

#[test]
fn damage_found_while_running_is_told_and_the_next_start_has_a_new_log() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, first) = open(&path);
    store.commit(&[events(1..5_000)]).unwrap();
    drop(store);
    let page = newest_page(&path);
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
    file.write_all(&[0xA5; 4096]).unwrap();
    drop(file);

    let (mut store, restored) = open(&path);
    assert_eq!(restored.log, first.log, "what a start reads is sound");
    for _ in 0..3 {
        assert_eq!(store.commit(&[events(5_000..5_001)]), Err(StoreTrouble::Corrupt));
    }
    drop(store);
    let (mut store, restored) = open(&path);
    assert!(restored.replaced && restored.log != first.log);
    assert!(home.path().join("log.db.quarantined-1").exists());
    assert!(!home.path().join("log.db.quarantined-2").exists());
    store.commit(&[events(1..2)]).unwrap();
}

#[test]
fn a_store_works_through_a_named_vfs() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, first) = Store::open_with_vfs(&path, "unix-excl", wall()).unwrap();
    store.commit(&[events(1..2)]).unwrap();
    drop(store);
    let (_, second) = Store::open_with_vfs(&path, "unix-excl", wall()).unwrap();
    assert_eq!((second.log, second.next_sequence), (first.log, 2));
    assert!(Store::open_with_vfs(&path, "no-such-vfs", wall()).is_err());
}

#[test]
fn two_gateways_never_share_a_store() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (_store, _) = open(&path);
    assert!(matches!(Store::open(&path, wall()), Err(StoreError::InUse { .. })));
}

fn spawned(path: &Path) -> (StoreHandle, mpsc::Receiver<Input>) {
    let (tell, told) = mpsc::channel();
    let signs = [Pulse::default().alive(), Pulse::default().alive()];
    let handle = StoreHandle::spawn(open(path).0, signs, move |input| tell.send(input).unwrap()).unwrap();
    (handle, told)
}

#[test]
fn the_thread_answers_in_order_and_a_clean_end_writes_what_waits() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (handle, told) = spawned(&path);
    for id in 1..=100 {
        let commit = Commit { id, urgent: id % 10 == 0, ..events(id..id + 1) };
        handle.commit(commit).unwrap();
    }
    handle.commit(Commit { id: 101, urgent: false, ..events(101..102) }).unwrap();
    handle.finish();
    let answers: Vec<_> = told.iter().collect();
    let expected: Vec<_> = (1..=101).map(|commit| Input::Committed { commit }).collect();
    assert_eq!(answers, expected);
    assert_eq!(open(&path).1.next_sequence, 102);
}

#[test]
fn what_stands_behind_a_failed_commit_fails_with_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (handle, told) = spawned(&path);
    handle.commit(Commit { id: 1, ..events(7..8) }).unwrap();
    assert_eq!(told.recv().unwrap(), Input::CommitFailed { commit: 1, why: StoreTrouble::Io });
    handle.commit(Commit { id: 2, ..events(1..2) }).unwrap();
    assert_eq!(told.recv().unwrap(), Input::Committed { commit: 2 });
    handle.fetch(1, 5).unwrap();
    let Input::Fetched { from: 1, events } = told.recv().unwrap() else { panic!("not fetched") };
    assert_eq!(events.len(), 1);
    handle.finish();
}

#[test]
fn damage_in_a_page_that_nobody_reads_is_found_by_the_check() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let (mut store, _) = open(&path);
    store.commit(&[events(1..5_000)]).unwrap();
    drop(store);
    settle(&path);
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // A leaf of the event table: neither the start nor a commit at the end comes by.
    file.seek(SeekFrom::Start(20 * 4096)).unwrap();
    file.write_all(&[0xFF; 512]).unwrap();
    drop(file);

    let (mut handle, told) = spawned(&path);
    handle.commit(Commit { id: 1, ..events(5_000..5_001) }).unwrap();
    assert_eq!(told.recv().unwrap(), Input::Committed { commit: 1 });
    handle.quick_check();
    let refused = (5_001..).find_map(|next| {
        handle.commit(Commit { id: next, ..events(next..next + 1) }).unwrap();
        match told.recv().unwrap() {
            Input::Committed { .. } => None,
            other => Some(other),
        }
    });
    assert!(matches!(refused, Some(Input::CommitFailed { why: StoreTrouble::Corrupt, .. })), "{refused:?}");
    handle.finish();
    assert!(open(&path).1.replaced);
}
