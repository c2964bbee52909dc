//! Storage trouble holds no alarm back: the shipped engine on the shipped store, on a disk that fails.
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::configuration::{
    Configuration, DeviceSettings, Installed, LineKind, LineSettings, PollTimes, UplinkSettings,
};
use shouwang_core::engine::{Engine, Start};
use shouwang_core::input::{AskFailure, Input, Outcome};
use shouwang_core::output::{Commit, Output, Publication};
use shouwang_gateway::store::{Store, StoreHandle};
use shouwang_gateway::watchdog::Pulse;
use shouwang_message::{Clock, Id, Instant, Mode, Place, Timestamp};

use crate::disk::Disk;
use crate::figures::Figures;
use crate::machine::{Fault, Machine};
use crate::vfs;
use crate::workload;

/// An alarm waits for the disk no longer than this (invariant I5), and a round of polls and a tick.
const PATIENCE_MS: u64 = 500 + 700;
/// So long after the disk is well again everything is on it.
const HEALING_MS: u64 = 4_000;

/// Where commits go: at once, or over the store's own threads.
enum Hands {
    Direct(Store),
    Threads(StoreHandle, Receiver<Input>),
}

struct World {
    engine: Engine,
    hands: Hands,
    now_ms: u64,
    smoke: bool,
    answers: bool,
    told: Vec<Publication>,
    committed: Vec<Commit>,
    under_way: Vec<Commit>,
    was_short: bool,
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn configuration() -> Configuration {
    let profile = Arc::clone(Catalog::shipped().get("renke-rs-yg-n01").unwrap());
    let device = DeviceSettings {
        id: id("smoke-402"),
        line: 0,
        unit_id: 12,
        conditions: profile.conditions.clone(),
        profile,
        place: Place::default(),
        installed: Installed::default(),
    };
    let poll = PollTimes {
        alarm: Duration::from_millis(500),
        state: Duration::from_secs(5),
        slow: Duration::from_secs(30),
    };
    let line = LineSettings {
        name: id("b3-rs485"),
        kind: LineKind::Serial { baud: 9600, bits: 10 },
        timeout: Duration::from_millis(200),
        poll,
    };
    Configuration {
        site: id("heping"),
        gateway: id("gw-0007"),
        name: "gateway".into(),
        version: "1".into(),
        digest: "sha256:0".into(),
        mode: Mode::Live,
        lines: vec![line],
        devices: vec![device],
        stations: Vec::new(),
        outputs: Vec::new(),
        local_alarm: None,
        meters: Vec::new(),
        welfare: Vec::new(),
        sms: None,
        install_input: None,
        uplink: UplinkSettings { hearers: vec![id("duty-1")], signed_commands_only: false },
    }
}

impl World {
    /// Connected, and settled for ten seconds.
    fn new(machine: &Machine, vfs: &str, disk: &Disk, threaded: bool) -> Self {
        machine.begin(disk.clone(), 1, Fault::None);
        let (store, restored) = workload::open(vfs).unwrap();
        let wall = Timestamp::from_unix_ms(1_795_330_800_000);
        let start = Start { now: Instant::default(), wall, clock: Clock::Synced, seed: 7 };
        let engine = Engine::new(configuration(), restored.into(), start);
        let hands = if threaded {
            let (tell, told) = channel();
            let signs = [Pulse::default().alive(), Pulse::default().alive()];
            Hands::Threads(
                StoreHandle::spawn(store, signs, move |input| drop(tell.send(input))).unwrap(),
                told,
            )
        } else {
            Hands::Direct(store)
        };
        let mut world = Self {
            engine,
            hands,
            now_ms: 0,
            smoke: false,
            answers: true,
            told: Vec::new(),
            committed: Vec::new(),
            under_way: Vec::new(),
            was_short: false,
        };
        world.give(Input::LineUp { line: 0 });
        world.run(10_000);
        world
    }

    fn give(&mut self, input: Input) {
        let now = Instant::default() + Duration::from_millis(self.now_ms);
        let outputs: Vec<_> = self.engine.handle(now, input).collect();
        for output in outputs {
            self.carry_out(output);
        }
    }

    /// Lets time pass; the device answers after 20 ms.
    fn run(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms += 10;
            self.give(Input::Woke);
            self.take_answers();
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask { ask, line } => {
                self.now_ms += 20;
                let words = match ask.request {
                    shouwang_core::output::Request::Read { count, .. } => {
                        vec![u16::from(self.smoke); usize::from(count)]
                    }
                    _ => Vec::new(),
                };
                let outcome = if self.answers {
                    Outcome::Registers { words, delay_us: 5_000 }
                } else {
                    Outcome::Failed(AskFailure::Timeout)
                };
                self.give(Input::Answered { line, ask: ask.id, outcome });
            }
            Output::Commit(commit) => {
                self.under_way.push(commit.clone());
                let answer = match &mut self.hands {
                    Hands::Direct(store) => Some(match store.commit(std::slice::from_ref(&commit)) {
                        Ok(()) => Input::Committed { commit: commit.id },
                        Err(why) => Input::CommitFailed { commit: commit.id, why },
                    }),
                    Hands::Threads(store, _) => store.commit(commit).err(),
                };
                if let Some(answer) = answer {
                    self.answered(answer);
                }
            }
            Output::Connect { connection, .. } => self.give(Input::Connected { connection }),
            Output::Publish { connection, token, publication } => {
                self.told.push(publication);
                if let Some(token) = token {
                    self.give(Input::Receipted { connection, token });
                }
            }
            Output::Fetch { from, .. } => self.give(Input::Fetched { from, events: Vec::new() }),
            Output::Drop { .. } | Output::Disconnect { .. } | Output::Text { .. } | Output::Stopped => {}
            // Nobody asks for another configuration here.
            Output::Reload | Output::Configured { .. } | Output::NotConfigured { .. } => {}
        }
    }

    fn take_answers(&mut self) {
        while let Hands::Threads(_, told) = &self.hands
            && let Ok(answer) = told.try_recv()
        {
            self.answered(answer);
        }
    }

    fn answered(&mut self, answer: Input) {
        if let Input::Committed { commit } | Input::CommitFailed { commit, .. } = answer {
            let done = self.under_way.iter().position(|waiting| waiting.id == commit);
            let done = done.map(|place| self.under_way.remove(place));
            if let (Input::Committed { .. }, Some(done)) = (&answer, done) {
                self.committed.push(done);
            }
        }
        self.give(answer);
        if let Hands::Direct(store) = &self.hands
            && store.is_short() != self.was_short
        {
            self.was_short = store.is_short();
            self.give(Input::DiskSpace { short: self.was_short });
        }
    }

    /// What was told of alarms, from the newest document on.
    fn alarm_documents(&self) -> impl Iterator<Item = String> {
        let alarms =
            self.told.iter().rev().filter(|publication| publication.topic.to_string().contains("/alarm/"));
        alarms.map(|publication| String::from_utf8_lossy(&publication.body).into_owned())
    }

    fn is_committed(&self, part: &str) -> bool {
        let mut events = self.committed.iter().flat_map(|commit| &commit.events);
        events.any(|event| String::from_utf8_lossy(&event.body).contains(part))
    }
}

/// A disk with room laid by.
fn prepared(machine: &Machine, vfs: &str) -> Disk {
    machine.begin(Disk::default(), 1, Fault::None);
    let (mut store, _) = workload::open(vfs).unwrap();
    while store.wants_room() && store.lay_by() {}
    drop(store);
    machine.state().disk.clone()
}

/// Smoke while the disk fails from its `k`-th write or sync on; then the disk is well again.
fn trial(machine: &Machine, vfs: &str, disk: &Disk, kind: u64, k: u64) -> bool {
    let mut world = World::new(machine, vfs, disk, false);
    let counts = machine.counts();
    machine.set_fault(match kind {
        0 => Fault::WritesFull { from: counts.writes + k, times: u64::MAX / 2 },
        1 => Fault::WritesFail { from: counts.writes + k, times: u64::MAX / 2 },
        _ => Fault::SyncsFail { from: counts.syncs + k, times: u64::MAX / 2 },
    });
    world.smoke = true;
    world.run(PATIENCE_MS);
    let newest = world.alarm_documents().next();
    let newest = newest.unwrap_or_else(|| panic!("fault {kind} at {k}: nothing was told of the alarm"));
    let is_unlogged = newest.contains(r#""unlogged":true"#);
    let is_committed = world.is_committed("shouwang.alarm.raised.v1");
    assert!(is_unlogged || is_committed, "fault {kind} at {k}: told as logged, but it is not: {newest}");
    machine.set_fault(Fault::None);
    world.run(HEALING_MS);
    let newest = world.alarm_documents().next().unwrap();
    assert!(newest.contains(r#""unlogged":false"#), "fault {kind} at {k}: after healing {newest}");
    assert!(world.is_committed("shouwang.alarm.raised.v1"), "fault {kind} at {k}: never logged");
    // And what was said to be on disk is there after a power cut.
    machine.pull_the_plug();
    let events: Vec<_> = world.committed.iter().flat_map(|commit| commit.events.clone()).collect();
    drop(world);
    machine.cut();
    let (store, restored) = workload::open(vfs).unwrap();
    assert!(restored.next_sequence > events.last().unwrap().sequence, "fault {kind} at {k}");
    let found = store.reader().unwrap().fetch(1, events.len()).unwrap();
    assert!(found.iter().zip(&events).all(|(found, event)| found.body == event.body), "fault {kind} at {k}");
    is_unlogged
}

#[test]
fn an_alarm_is_told_unlogged_whatever_write_or_sync_fails() {
    let machine = vfs::register("telling");
    let figures = Figures::begin("failing under an alarm");
    let trials = || (0..3).flat_map(|kind| (1..=40).map(move |k| (kind, k)));
    let disk = prepared(&machine, "telling");
    let unlogged = trials().filter(|(kind, k)| trial(&machine, "telling", &disk, *kind, *k)).count();
    figures.tell(trials().count() as u64, 0);
    assert!(unlogged >= 10, "only {unlogged} alarms met the fault");
}

#[test]
fn an_alarm_is_told_unlogged_while_a_sync_hangs() {
    let machine = vfs::register("hanging");
    let disk = prepared(&machine, "hanging");
    let mut world = World::new(&machine, "hanging", &disk, true);
    // What the threads still had to do for the start.
    while let Hands::Threads(_, told) = &world.hands
        && !world.under_way.is_empty()
    {
        let answer = told.recv().unwrap();
        world.answered(answer);
    }
    machine.set_fault(Fault::SyncsHang);
    world.smoke = true;
    world.run(PATIENCE_MS);
    machine.wait_until_a_sync_hangs();
    world.run(5_000);
    assert!(!world.is_committed("shouwang.alarm.raised.v1"));
    assert!(world.alarm_documents().next().unwrap().contains(r#""unlogged":true"#));
    machine.set_fault(Fault::None);
    let Hands::Threads(_, told) = &world.hands else { unreachable!() };
    let answer = told.recv().unwrap();
    world.answered(answer);
    assert!(world.is_committed("shouwang.alarm.raised.v1"));
    assert!(world.alarm_documents().next().unwrap().contains(r#""unlogged":false"#));
}

#[test]
fn on_a_full_disk_telemetry_goes_first_and_is_counted() {
    let machine = vfs::register("telemetry");
    let disk = prepared(&machine, "telemetry");
    let mut world = World::new(&machine, "telemetry", &disk, false);
    {
        let mut state = machine.state();
        state.disk.room = Some(state.disk.used());
    }
    let full_from = world.committed.len();
    let Hands::Direct(store) = &mut world.hands else { unreachable!() };
    let filler = Commit { kept: vec![("filler".into(), Some(vec![0; 400_000]))], ..Commit::default() };
    store.commit(&[filler]).unwrap();
    world.smoke = true;
    world.run(2_000);
    assert!(world.was_short, "the disk was never full");
    assert!(world.is_committed("there is room for alarms only"), "nobody was told that it is full");
    let before = world.committed.len();
    world.answers = false;
    world.run(40_000);
    world.answers = true;
    world.run(40_000);
    let told_since = |world: &World, from: usize, part: &str| {
        let mut events = world.committed[from..].iter().flat_map(|commit| &commit.events);
        events.any(|event| String::from_utf8_lossy(&event.body).contains(part))
    };
    assert!(
        told_since(&world, before, "shouwang.fault.raised.v1"),
        "a lost device is told on a full disk too"
    );
    assert!(!told_since(&world, before, "shouwang.device.state.v1"), "telemetry took room from alarms");
    world.smoke = !world.smoke;
    world.run(2_000);
    assert!(told_since(&world, full_from, "shouwang.alarm."), "and alarms go on");

    machine.state().disk.room = None;
    let Hands::Direct(store) = &mut world.hands else { unreachable!() };
    while store.wants_room() && store.lay_by() {}
    world.was_short = false;
    world.give(Input::DiskSpace { short: false });
    world.run(10_000);
    assert!(told_since(&world, before, "shouwang.gap.v1"), "what was left out is told as a gap");
}
