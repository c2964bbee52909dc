//! A disk that refuses: no room, failed writes, failed syncs. The store says so, does not try blindly, and
//! what it says is on disk survives a power cut all the same.
use shouwang_core::input::StoreTrouble;
use shouwang_core::output::{Commit, NewEvent};
use shouwang_gateway::store::{Reader, Store, Unsound};

use crate::disk::Disk;
use crate::figures::Figures;
use crate::machine::{Fault, Machine};
use crate::vfs;
use crate::workload::{self, Promise};
use shouwang_tests::chance::Chance;

/// So often is a refused commit sent again, as it was; the faults here end sooner.
const TRIES: u32 = 12;

/// One machine, the gateway on it, and what it has promised.
struct World<'a> {
    machine: &'a Machine,
    vfs: &'a str,
    expected: StoreTrouble,
    promised: Promise,
    refused: u32,
}

impl World<'_> {
    fn open(&mut self, under_way: Option<&Promise>) -> Result<(Store, Reader), String> {
        // Whoever supervises the process starts it again until the disk lets it.
        let mut found = workload::open(self.vfs);
        for _ in 1..TRIES {
            if found.is_err() {
                found = workload::open(self.vfs);
            }
        }
        let found = found.map_err(|error| format!("the starts failed: {error}"))?;
        self.promised = workload::judge(&self.promised, under_way, &found)?;
        // The uplink's look into the log: with it open, closing the writer ends nothing for SQLite.
        let reader = found.0.reader().map_err(|error| error.to_string())?;
        reader.fetch(1, 1).map_err(|error| error.to_string())?;
        Ok((found.0, reader))
    }

    /// Commits until it is said to be on disk, as the core does; or the process is killed over it.
    fn insist(
        &mut self,
        (mut store, reader): (Store, Reader),
        commits: &[Commit],
        is_killed: bool,
    ) -> Result<(Store, Reader), String> {
        for _ in 0..TRIES {
            match store.commit(commits) {
                Ok(()) => {
                    self.promised.add(commits);
                    return Ok((store, reader));
                }
                // A full disk may end as an I/O error too: SQLite does not pass on the reason everywhere.
                Err(trouble) if trouble == self.expected || trouble == StoreTrouble::Io => self.refused += 1,
                Err(trouble) => {
                    return Err(format!("{trouble:?} was told, {:?} was the fault", self.expected));
                }
            }
            if is_killed {
                self.machine.pull_the_plug();
                drop((store, reader));
                self.machine.restart();
                return self.open(Some(&self.promised.with(commits)));
            }
        }
        Err(format!("a commit was refused {TRIES} times, long after the disk was well"))
    }
}

fn trial(machine: &Machine, vfs: &str, seed: u64) -> Result<u32, String> {
    let mut chance = Chance::new(seed);
    machine.begin(Disk::default(), chance.next(), Fault::None);
    let mut world =
        World { machine, vfs, expected: StoreTrouble::Io, promised: Promise::default(), refused: 0 };
    let mut gateway = world.open(None)?;
    let counts = machine.counts();
    let times = 1 + chance.below(4);
    let fault = match chance.below(4) {
        0 => Fault::WritesFull { from: counts.writes + 1 + chance.below(60), times },
        1 => Fault::WritesFail { from: counts.writes + 1 + chance.below(60), times },
        _ => Fault::SyncsFail { from: counts.syncs + 1 + chance.below(12), times: 1 },
    };
    if let Fault::WritesFull { .. } = fault {
        world.expected = StoreTrouble::Full;
    }
    machine.set_fault(fault);
    let is_killed = chance.percent(40);
    for _ in 0..3 + chance.below(12) {
        let commits = workload::draw(&mut chance, &world.promised);
        gateway = world.insist(gateway, &commits, is_killed)?;
        gateway.1.fetch(1, 1).map_err(|error| format!("a look into the log: {error}"))?;
    }
    machine.pull_the_plug();
    drop(gateway);
    machine.cut();
    world.open(None)?;
    Ok(world.refused)
}

fn run(vfs: &'static str, seeds: std::ops::Range<u64>) {
    let machine = vfs::register(vfs);
    let figures = Figures::begin("failing disks");
    let trials = seeds.end - seeds.start;
    let (mut losses, mut refused) = (Vec::new(), 0_u64);
    for seed in seeds {
        match trial(&machine, vfs, seed) {
            Ok(times) => refused += u64::from(times > 0),
            Err(loss) => losses.push((seed, loss)),
        }
    }
    figures.tell(trials, losses.len());
    assert!(losses.is_empty(), "{} trials lost something; the first:\n{:#?}", losses.len(), losses.first());
    assert!(refused * 2 > trials, "only {refused} of {trials} trials met their fault");
}

#[test]
fn a_disk_that_refuses_is_told_and_nothing_claimed_is_lost() {
    run("refusing", 0..2_000);
}

#[test]
fn a_disk_that_does_not_read_is_not_taken_for_damage() {
    let machine = vfs::register("unread");
    machine.begin(Disk::default(), 1, Fault::None);
    let (mut store, _) = workload::open("unread").unwrap();
    let events = (1..2_000).map(|sequence| NewEvent { sequence, body: vec![7; 900] }).collect();
    store.commit(&[Commit { id: 1, events, ..Commit::default() }]).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.quick_check(), Ok(()));
    // Soon after it begins, and in the middle: SQLite tells the one as an error and the other as a finding.
    for reads in [0, 5, 40, 200, 300] {
        machine.state().reads_left = Some(reads);
        let verdict = reader.quick_check();
        assert!(matches!(verdict, Err(Unsound::Unread(_))), "after {reads} reads: {verdict:?}");
    }
    machine.state().reads_left = None;
    assert_eq!(reader.quick_check(), Ok(()));
    drop((store, reader));
}
