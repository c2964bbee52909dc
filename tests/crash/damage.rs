//! Damaged files: whatever bytes were spoiled, a start never panics and never refuses for good. Either what it
//! finds is sound as far as a start reads, or the file is put aside, a new log begins, and that is told.
//!
//! On real files, because moving one aside is no business of SQLite's; `/dev/shm` has them in memory.
use std::fs;
use std::path::Path;

use shouwang_core::input::StoreTrouble;
use shouwang_core::output::{Commit, NewEvent};
use shouwang_gateway::store::{LeftBehind, Store, StoreError};
use shouwang_message::Timestamp;

use crate::figures::Figures;
use shouwang_tests::chance::Chance;

/// 2026-11-22T07:00:00Z.
fn wall() -> Timestamp {
    Timestamp::from_unix_ms(1_795_330_800_000)
}

/// What became of a damaged store.
#[derive(Debug, Default)]
struct Ends {
    /// A start found it and began a new log.
    at_start: u64,
    /// A commit or the look at every page found it; the start after that began a new log.
    later: u64,
    /// Nothing that SQLite checks: free space, what the WAL has anew, or the inside of a body.
    unseen: u64,
    /// Taken for a later version's: refused, and said.
    newer: u64,
}

fn open(path: &Path) -> (Store, LeftBehind) {
    Store::open(path, wall()).expect("a start in spite of damage")
}

fn next(sequence: u64) -> Commit {
    let body = [&sequence.to_string().into_bytes()[..], &[7; 400]].concat();
    let kept = vec![(format!("alarm/{}", sequence % 9), Some(vec![5; 300]))];
    Commit { events: vec![NewEvent { sequence, body }], kept, ..Commit::default() }
}

/// The files of a gateway that was killed: database and WAL.
fn files(home: &Path) -> [Vec<u8>; 2] {
    let path = home.join("sound.db");
    let (mut store, _) = open(&path);
    for sequence in 1..200 {
        store.commit(&[next(sequence)]).unwrap();
    }
    // A second start moves all into the file; then some more stand in the WAL alone.
    drop(store);
    let (mut store, _) = open(&path);
    for sequence in 200..240 {
        store.commit(&[next(sequence)]).unwrap();
    }
    [fs::read(&path).unwrap(), fs::read(home.join("sound.db-wal")).unwrap()]
}

fn spoil(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.place(bytes.len());
    // The first page, the roots and headers are few bytes of many: aim at them more often.
    let at = if chance.percent(40) { at / 4096 * 4096 + chance.place(120) } else { at };
    let length = [1, 8, 64, 512, 4096][chance.place(5)].min(bytes.len().saturating_sub(at));
    match chance.below(5) {
        0 => bytes.truncate(at),
        1 => bytes[at..at + length].fill(0),
        2 => bytes[at..at + length].fill(0xFF),
        3 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << chance.below(8)),
        _ => bytes[at..at + length].iter_mut().for_each(|byte| *byte = chance.next() as u8),
    }
}

fn trial(home: &Path, sound: &[Vec<u8>; 2], first: &LeftBehind, seed: u64, ends: &mut Ends) {
    let mut chance = Chance::new(seed);
    let path = home.join("gateway.db");
    let mut spoilt = sound.clone();
    for _ in 0..=chance.below(3) {
        let which = usize::from(chance.percent(25));
        spoil(&mut spoilt[which], &mut chance);
    }
    for (suffix, bytes) in ["", "-wal"].iter().zip(&spoilt) {
        fs::write(home.join(format!("gateway.db{suffix}")), bytes).unwrap();
    }
    let (mut store, restored) = match Store::open(&path, wall()) {
        // A number that tells which version wrote the file: damaged a little it may name a later one.
        Err(StoreError::Newer { .. }) => {
            ends.newer += 1;
            return;
        }
        opened => opened.unwrap_or_else(|error| panic!("seed {seed}: a start failed: {error}")),
    };
    let is_new = restored.log != first.log;
    assert_eq!(restored.replaced, is_new, "seed {seed}: a new log is told as such, and only that");
    if is_new {
        ends.at_start += 1;
        assert_eq!((restored.next_sequence, restored.boot), (1, 1), "seed {seed}");
        store.commit(&[next(1)]).unwrap_or_else(|trouble| panic!("seed {seed}: {trouble:?} in a new log"));
        return;
    }
    // It works on, or says that it is damaged; then the next start begins a new log.
    let reader = store.reader().unwrap();
    let trouble = (0..3).find_map(|more| store.commit(&[next(restored.next_sequence + more)]).err());
    let complaint = reader.quick_check().err();
    drop((store, reader));
    match (trouble, complaint) {
        (None, None) => ends.unseen += 1,
        (None, Some(_)) => ends.later += 1,
        (Some(StoreTrouble::Corrupt), _) => {
            ends.later += 1;
            let (mut store, again) = open(&path);
            assert!(again.replaced && again.log != first.log, "seed {seed}: {again:?}");
            store
                .commit(&[next(1)])
                .unwrap_or_else(|trouble| panic!("seed {seed}: {trouble:?} in a new log"));
        }
        (Some(other), _) => panic!("seed {seed}: {other:?} was told of a damaged file"),
    }
}

fn run(seeds: std::ops::Range<u64>) {
    let home = tempfile::tempdir_in("/dev/shm").expect("files in memory");
    let sound = files(home.path());
    let (_, first) = open(&home.path().join("sound.db"));
    let figures = Figures::begin("damaged files");
    let trials = seeds.end - seeds.start;
    let mut ends = Ends::default();
    for seed in seeds {
        let own = home.path().join("trial");
        fs::create_dir(&own).unwrap();
        trial(&own, &sound, &first, seed, &mut ends);
        fs::remove_dir_all(&own).unwrap();
    }
    figures.tell(trials, 0);
    println!("damaged files: {ends:?}");
    assert!(ends.at_start * 40 > trials && ends.later * 10 > trials, "too little was damaged: {ends:?}");
    assert!(ends.newer * 100 < trials, "too much was refused: {ends:?}");
}

#[test]
fn damage_anywhere_never_stops_a_start() {
    run(0..2_000);
}

#[test]
#[ignore = "tests/long"]
fn ten_thousand_damages_never_stop_a_start() {
    run(2_000..12_000);
}
