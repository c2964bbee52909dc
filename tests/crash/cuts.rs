//! Power cuts: whatever moment the power goes, a start finds everything that was said to be on disk.
use shouwang_gateway::store::{KEEP_EVENTS, Store};

use crate::disk::Disk;
use crate::figures::Figures;
use crate::machine::{Fault, Machine};
use crate::vfs;
use crate::workload::{self, Promise};
use shouwang_tests::chance::Chance;

/// Disks that a trial may begin with, and what was promised of each.
struct Beginnings {
    short: (Disk, Promise),
    /// More events than are kept, most of them heard: every commit takes some away.
    long: (Disk, Promise),
}

impl Beginnings {
    fn make(machine: &Machine, vfs: &str) -> Self {
        let make = |events: u64, heard: u64| {
            machine.begin(Disk::default(), 1, Fault::None);
            let (mut store, restored) = workload::open(vfs).expect("a sound disk");
            let mut promised = Promise::default();
            promised.opened(&restored);
            let body = |sequence: u64| sequence.to_string().into_bytes();
            let events = (1..=events)
                .map(|sequence| shouwang_core::output::NewEvent { sequence, body: body(sequence) });
            let commit = shouwang_core::output::Commit {
                events: events.collect(),
                kept: vec![("alarm/1".into(), Some(vec![1; 300]))],
                ..Default::default()
            };
            let heard = shouwang_core::output::Commit { heard_up_to: Some(heard), ..Default::default() };
            for commit in [commit, heard] {
                let commits = [commit];
                store.commit(&commits).expect("a sound disk");
                promised.add(&commits);
            }
            drop(store);
            (machine.state().disk.clone(), promised)
        };
        Self { short: make(20, 5), long: make(KEEP_EVENTS + 900, 860) }
    }

    fn draw(&self, chance: &mut Chance) -> (Disk, Promise) {
        match chance.below(100) {
            0..15 => (Disk::default(), Promise::default()),
            15..17 => self.long.clone(),
            _ => self.short.clone(),
        }
    }
}

/// Works until the power goes; what had been promised by then, and what was under way.
fn work(vfs: &str, chance: &mut Chance, promised: &mut Promise) -> Option<Promise> {
    let (mut store, restored) = workload::open(vfs).ok()?;
    promised.opened(&restored);
    for _ in 0..100 {
        if chance.percent(4) {
            drop(store);
            let (again, restored) = workload::open(vfs).ok()?;
            promised.opened(&restored);
            store = again;
        }
        if chance.percent(10) {
            look(&store, chance, promised);
        }
        let commits = workload::draw(chance, promised);
        if store.commit(&commits).is_err() {
            return Some(promised.with(&commits));
        }
        promised.add(&commits);
    }
    None
}

/// The uplink reads the log beside the writer.
fn look(store: &Store, chance: &mut Chance, promised: &Promise) {
    let from = chance.below(promised.next_sequence());
    if let Ok(reader) = store.reader() {
        let _ = reader.fetch(from, 10);
    }
}

/// One trial. Everything in it follows from the seed.
fn trial(machine: &Machine, vfs: &str, beginnings: &Beginnings, seed: u64) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let (disk, mut promised) = beginnings.draw(&mut chance);
    let span = if chance.percent(20) { 30 } else { 250 };
    machine.begin(disk, chance.next(), Fault::CutAt(1 + chance.below(span)));
    let under_way = work(vfs, &mut chance, &mut promised);
    machine.cut();
    let found = workload::open(vfs).map_err(|error| format!("the start failed: {error}"))?;
    let mut held = workload::judge(&promised, under_way.as_ref(), &found)?;
    // And it goes on from there, over another start.
    let (mut store, _) = found;
    let commits = workload::draw(&mut chance, &held);
    store.commit(&commits).map_err(|trouble| format!("the first commit after the cut: {trouble:?}"))?;
    held.add(&commits);
    drop(store);
    let found = workload::open(vfs).map_err(|error| format!("the second start failed: {error}"))?;
    workload::judge(&held, None, &found)?;
    Ok(())
}

/// Runs so many trials; every loss with its seed.
fn run(vfs: &'static str, is_careless: bool, seeds: std::ops::Range<u64>) -> Vec<(u64, String)> {
    let machine = vfs::register(vfs);
    machine.state().is_careless = is_careless;
    let beginnings = Beginnings::make(&machine, vfs);
    let figures = Figures::begin(if is_careless { "power cuts, NORMAL" } else { "power cuts" });
    let trials = seeds.end - seeds.start;
    let losses: Vec<_> =
        seeds.filter_map(|seed| Some((seed, trial(&machine, vfs, &beginnings, seed).err()?))).collect();
    figures.tell(trials, losses.len());
    losses
}

/// Seeds that once lost something.
const KEPT_SEEDS: &[u64] = &[];

fn nothing_is_lost(vfs: &'static str, seeds: std::ops::Range<u64>) {
    let losses = run(vfs, false, seeds);
    assert!(losses.is_empty(), "{} trials lost something; the first:\n{:#?}", losses.len(), losses.first());
}

#[test]
fn ten_thousand_power_cuts_lose_nothing_that_was_committed() {
    nothing_is_lost("cuts", 0..10_000);
    assert!(KEPT_SEEDS.iter().all(|seed| *seed < 10_000), "kept seeds are run with all others");
}

#[test]
#[ignore = "tests/long"]
fn a_hundred_thousand_power_cuts_lose_nothing_that_was_committed() {
    nothing_is_lost("many-cuts", 10_000..110_000);
}

#[test]
fn without_a_flush_at_every_commit_the_same_trials_lose() {
    let trials = 1_000;
    let losses = run("careless", true, 0..trials).len() as u64;
    assert!(losses * 100 > trials * 30, "{losses} of {trials}: the trials would not see a lost commit");
}
