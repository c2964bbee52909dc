//! A full disk: there is room for 10,000 more alarm events, the WAL stays small, and what does not fit is
//! refused and never claimed.
use shouwang_core::input::StoreTrouble;
use shouwang_core::output::{Commit, NewEvent};
use shouwang_gateway::store::{ROOM_EVENT_BYTES, ROOM_EVENTS, Store};
use shouwang_message::Sequence;

use crate::disk::Disk;
use crate::figures::Figures;
use crate::machine::{Fault, Machine};
use crate::vfs;
use crate::workload::{self, Promise};
use shouwang_tests::chance::Chance;

/// rules.md, invariant I6.
const WAL_MOST: usize = 16 * 1024 * 1024;

/// An alarm's commit as the engine makes it: its event, and what must be remembered of it.
fn alarm(chance: &mut Chance, sequence: Sequence) -> Commit {
    let mark = chance.next().to_le_bytes();
    let body: Vec<u8> = mark.iter().copied().cycle().take(ROOM_EVENT_BYTES).collect();
    let key = format!("alarm/{}", chance.below(300));
    let kept = vec![(key, Some(body.iter().copied().take(600).collect()))];
    Commit { id: sequence, events: vec![NewEvent { sequence, body }], kept, ..Commit::default() }
}

/// What the writer's thread does in idle moments.
fn rest(store: &mut Store) {
    while store.wants_room() && store.lay_by() {}
}

/// Commits alarms, a few at a time, until so many are taken or none is any more; how many were.
fn fill(
    store: &mut Store,
    chance: &mut Chance,
    promised: &mut Promise,
    most: usize,
) -> Result<usize, String> {
    let mut taken = 0;
    while taken < most {
        let first = promised.next_sequence();
        let commits: Vec<_> =
            (first..=first + chance.below(20)).map(|sequence| alarm(chance, sequence)).collect();
        match store.commit(&commits) {
            Ok(()) => promised.add(&commits),
            Err(StoreTrouble::Full) => break,
            Err(other) => return Err(format!("{other:?} was told of a full disk")),
        }
        taken += commits.len();
    }
    Ok(taken)
}

fn fill_up(machine: &Machine) {
    let mut state = machine.state();
    state.disk.room = Some(state.disk.used());
}

#[test]
fn a_full_disk_takes_ten_thousand_more_alarm_events() {
    let machine = vfs::register("full");
    let figures = Figures::begin("full disk");
    let mut chance = Chance::new(1);
    machine.begin(Disk::default(), 1, Fault::None);
    let (mut store, restored) = workload::open("full").unwrap();
    let mut promised = Promise::default();
    promised.opened(&restored);
    // It stays open all the time, as the uplink's does.
    let reader = store.reader().unwrap();
    rest(&mut store);
    assert!(!store.wants_room() && !store.is_short());
    // A store in use: the file is as large as its content, and its pages are as full as they get.
    assert_eq!(fill(&mut store, &mut chance, &mut promised, 3_000).unwrap() / 3_000, 1);
    reader.fetch(1, 10).unwrap();
    assert!(!store.is_short());

    fill_up(&machine);
    let taken = fill(&mut store, &mut chance, &mut promised, ROOM_EVENTS).unwrap();
    assert!(taken >= ROOM_EVENTS, "only {taken} alarms found room on a full disk");
    assert!(store.is_short(), "and it was not told that the disk is full");
    let more = fill(&mut store, &mut chance, &mut promised, ROOM_EVENTS).unwrap();
    assert!(more < ROOM_EVENTS, "the disk was not full");
    let longest = machine.counts().longest_wal;
    println!(
        "full disk: {} alarm events of {ROOM_EVENT_BYTES} B after it was full, WAL {longest} B",
        taken + more
    );
    assert!(longest <= WAL_MOST, "the WAL grew to {longest} bytes");

    // The power goes, and the disk is still full at the next start.
    machine.pull_the_plug();
    drop((store, reader));
    machine.cut();
    let found = workload::open("full").unwrap();
    workload::judge(&promised, None, &found).unwrap();
    let (mut store, _) = found;
    fill(&mut store, &mut chance, &mut promised, ROOM_EVENTS).unwrap();
    assert!(store.is_short(), "and it was not told after the start");
    // Somebody makes space: all is as before, and the room is laid by again.
    machine.state().disk.room = None;
    fill(&mut store, &mut chance, &mut promised, 1).unwrap();
    rest(&mut store);
    assert!(!store.is_short() && !store.wants_room());
    figures.tell(1, 0);
}

#[test]
fn without_room_laid_by_a_full_disk_takes_few() {
    let machine = vfs::register("unprepared");
    let mut chance = Chance::new(1);
    machine.begin(Disk::default(), 1, Fault::None);
    let (mut store, _) = workload::open("unprepared").unwrap();
    let mut promised = Promise::default();
    fill(&mut store, &mut chance, &mut promised, 100).unwrap();
    fill_up(&machine);
    let taken = fill(&mut store, &mut chance, &mut promised, ROOM_EVENTS).unwrap();
    assert!(taken < ROOM_EVENTS / 10, "{taken}: the disk is not full at all");
    assert!(store.is_short());
}

/// A small disk that fills up at some time, before its room is laid by or after, and loses power at another.
fn trial(machine: &Machine, vfs: &str, seed: u64) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let mut disk = Disk::default();
    disk.room = Some(40_000 + chance.below(1_500_000));
    machine.begin(disk, chance.next(), Fault::None);
    let mut promised = Promise::default();
    for _ in 0..2 {
        let Ok((mut store, restored)) = workload::open(vfs) else {
            // Not even a start fits, and that is said; what was claimed before stays.
            break;
        };
        promised.opened(&restored);
        if chance.percent(50) {
            rest(&mut store);
        }
        let most = chance.place(1_500);
        fill(&mut store, &mut chance, &mut promised, most)?;
        if chance.percent(50) {
            rest(&mut store);
        }
        machine.pull_the_plug();
        drop(store);
        machine.cut();
    }
    machine.state().disk.room = None;
    let found = workload::open(vfs).map_err(|error| format!("the start failed: {error}"))?;
    workload::judge(&promised, None, &found)?;
    let (mut store, _) = found;
    match fill(&mut store, &mut chance, &mut promised, 1)? {
        0 => Err("full, though there is space again".into()),
        _ => Ok(()),
    }
}

fn run(vfs: &'static str, seeds: std::ops::Range<u64>) {
    let machine = vfs::register(vfs);
    let figures = Figures::begin("disks that fill up");
    let trials = seeds.end - seeds.start;
    let losses: Vec<_> = seeds.filter_map(|seed| Some((seed, trial(&machine, vfs, seed).err()?))).collect();
    figures.tell(trials, losses.len());
    assert!(losses.is_empty(), "{} trials lost something; the first:\n{:#?}", losses.len(), losses.first());
}

#[test]
fn a_disk_that_fills_up_at_any_time_loses_nothing_that_was_committed() {
    run("filling", 0..300);
}

#[test]
#[ignore = "tests/long"]
fn ten_thousand_disks_that_fill_up_lose_nothing_that_was_committed() {
    run("many-filling", 1_000..11_000);
}
