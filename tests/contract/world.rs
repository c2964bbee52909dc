//! One interleaving: everything that is under way is on one agenda, and the seed says what comes of it.
mod ends;
mod trouble;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use shouwang_core::engine::Engine;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_message::{AlarmId, CommandName, Instant, Leaf, Timestamp, from_bytes};
use shouwang_tests::simulation::calls::Truth;
use shouwang_tests::simulation::unit::Unit;

use crate::chance::Chance;
use crate::duty_room::DutyRoom;
use crate::line::{Line, Turn};
use crate::site::{Site, UNIT_ID, id};
use crate::store::Store;

use trouble::{Trouble, Weather};

const MS: u64 = 1_000;
/// After the last trouble everything must agree within this time, us: a device that was given up is probed
/// again after 10 s, a backed-off connection hurries, and an event that was not heard is sent again after 15 s.
const HEALING: u64 = 45_000 * MS;
/// And it must stay so while it is read two times more, us.
const STAYS: u64 = 1_300 * MS;
/// 2026-11-22T07:00:00Z.
const WALL_START_MS: i64 = 1_795_330_800_000;
/// The unit's serial number.
const SERIAL: u32 = 123_456;
/// Happenings that a transcript shows.
const NOTES: usize = 120;
/// More than this in one moment is a world that stands still.
const TURNS_AT_ONCE: u32 = 1_000;

/// What an interleaving was made of.
pub(crate) struct Lived {
    pub(crate) presses: u64,
    pub(crate) frames: u64,
    pub(crate) events: u64,
    pub(crate) simulated_ms: u64,
}

/// Something that is under way, or will be done.
enum Thing {
    /// The unit looks at its inputs.
    Tick,
    /// A whole frame has reached the unit, or the gateway.
    Request(Vec<u8>),
    Answer(Vec<u8>),
    /// The oldest commit of this boot is durable, or was refused.
    Synced {
        boot: u32,
        refused: bool,
    },
    Connected(u32),
    Receipted {
        connection: u32,
        token: u64,
    },
    Event {
        connection: u32,
        body: Vec<u8>,
    },
    DutyRoomSynced,
    Heard(u32),
    Commanded {
        connection: u32,
        name: CommandName,
        seen: Seen,
    },
    Trouble(Trouble),
}

/// The call as the person saw it who does something about it.
#[derive(Clone, Copy)]
struct Seen {
    alarm: AlarmId,
    occurrence: u32,
    /// Of all calls together.
    presses: u64,
}

struct World<'s> {
    site: &'s Site,
    now: u64,
    chance: Chance,
    agenda: BTreeMap<(u64, u64), Thing>,
    entries: u64,
    weather: Weather,
    cable_is_whole: bool,
    port_is_open: bool,
    unit: Unit,
    line: Line,
    store: Store,
    disk_free_at: u64,
    duty_room: DutyRoom,
    engine: Option<Engine>,
    /// The gateway's connection to the broker; numbers start anew with each process.
    connection: Option<u32>,
    /// Messages of one connection do not overtake each other: when the last one each way arrives.
    up_at: u64,
    down_at: u64,
    commands: u64,
    healed_at: Option<u64>,
    truth: Truth,
    verdict: Result<(), String>,
    frames: u64,
    notes: Option<VecDeque<String>>,
    /// The newest note of what the unit shows.
    unit_note: String,
}

/// Lives through the interleaving of this seed. A failure is lived through again, with a transcript.
pub(crate) fn run(site: &Site, seed: u64) -> Result<Lived, String> {
    World::new(site, seed, None).live().map_err(|(why, _)| {
        let again = World::new(site, seed, Some(VecDeque::new())).live();
        let transcript = again.err().and_then(|(_, notes)| notes).unwrap_or_default();
        transcript.into_iter().fold(format!("{why}\n"), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    })
}

impl<'s> World<'s> {
    fn new(site: &'s Site, seed: u64, notes: Option<VecDeque<String>>) -> Self {
        let mut chance = Chance::new(seed);
        // Some counters are about to wrap.
        let before = if chance.percent(30) { 65_534 } else { chance.between(0, 300) as u16 };
        let unit = Unit::new(UNIT_ID, SERIAL, before);
        let Some((counters, _)) = unit.look() else { panic!("a new unit has power") };
        let mut world = Self {
            site,
            now: 0,
            agenda: BTreeMap::new(),
            entries: 0,
            weather: Weather::new(&mut chance),
            chance,
            cable_is_whole: true,
            port_is_open: true,
            unit,
            line: Line::new(),
            store: Store::new(),
            disk_free_at: 0,
            duty_room: DutyRoom::default(),
            engine: None,
            connection: None,
            up_at: 0,
            down_at: 0,
            commands: 0,
            healed_at: None,
            truth: Truth::new(counters),
            verdict: Ok(()),
            frames: 0,
            notes,
            unit_note: String::new(),
        };
        world.plan();
        world.enter(0, Thing::Tick);
        world.start_gateway();
        world
    }

    fn live(mut self) -> Result<Lived, (String, Option<VecDeque<String>>)> {
        let mut turns = 0;
        let mut agrees_since = None;
        while self.verdict.is_ok() {
            let next = self.turn();
            if let Some(healed_at) = self.healed_at.filter(|at| self.now >= *at) {
                let agreement = self.agreement();
                if agreement.is_err() {
                    agrees_since = None;
                }
                let since = *agrees_since.get_or_insert(self.now);
                if agreement.is_ok() && self.now >= since + STAYS {
                    break;
                }
                if self.now > healed_at + HEALING {
                    self.verdict = agreement;
                }
            }
            turns = if next <= self.now { turns + 1 } else { 0 };
            assert!(turns < TURNS_AT_ONCE, "nothing moves on at {} us", self.now);
            self.now = next.max(self.now);
        }
        self.verdict.map_err(|why| (format!("after {} ms: {why}", self.now / MS), self.notes))?;
        Ok(Lived {
            presses: self.truth.presses,
            frames: self.frames,
            events: self.store.newest(),
            simulated_ms: self.now / MS,
        })
    }

    fn enter(&mut self, at: u64, thing: Thing) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), thing);
    }

    fn after(&mut self, low_ms: u64, high_ms: u64, thing: Thing) {
        let at = self.now + self.chance.between(low_ms * MS, high_ms * MS);
        self.enter(at, thing);
    }

    /// Everything that is due; when something will be due again.
    fn turn(&mut self) -> u64 {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let thing = entry.remove();
            self.happens(thing);
        }
        let line = loop {
            if self.engine.is_none() || !self.port_is_open {
                break u64::MAX;
            }
            match self.line.turn(self.now) {
                Turn::Sends(frame) => self.sends(frame),
                Turn::Ended(ask, outcome) => {
                    self.note(|| format!("      {outcome:?}"));
                    self.give(Input::Answered { line: 0, ask, outcome });
                }
                Turn::Rests(until) => break until,
            }
        };
        if self.engine.as_ref().is_some_and(|engine| engine.next_deadline().as_micros() <= self.now) {
            self.give(Input::Woke);
            return self.now;
        }
        let engine = self.engine.as_ref().map_or(u64::MAX, |engine| engine.next_deadline().as_micros());
        let agenda = self.agenda.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
        engine.min(agenda).min(line)
    }

    fn happens(&mut self, thing: Thing) {
        match thing {
            Thing::Tick => {
                let again = self.unit.tick(self.now);
                self.look_at_unit();
                self.enter(again, Thing::Tick);
            }
            Thing::Request(frame) => self.unit_hears(&frame),
            Thing::Answer(bytes) => {
                if self.port_is_open && self.cable_is_whole {
                    self.note(|| format!("   <- {bytes:02X?}"));
                    self.line.received(self.now, &bytes);
                }
            }
            Thing::Synced { boot, refused } => {
                if boot == self.store.boot() && self.engine.is_some() {
                    self.synced(refused);
                }
            }
            Thing::Connected(connection) => self.connected(connection),
            Thing::Receipted { connection, token } if self.connection == Some(connection) => {
                self.give(Input::Receipted { connection, token });
            }
            Thing::Event { connection, body } if self.connection == Some(connection) => {
                let event = from_bytes(&body).unwrap_or_else(|error| panic!("no event: {error}"));
                if self.duty_room.hears(event) {
                    self.after(2, 30, Thing::DutyRoomSynced);
                }
            }
            Thing::DutyRoomSynced => self.duty_room_synced(),
            Thing::Heard(connection) if self.connection == Some(connection) => {
                let duty_room = id("duty-1");
                let document = self.duty_room.receipt(self.wall());
                self.give(Input::Heard { duty_room, document });
            }
            Thing::Commanded { connection, name, seen } if self.connection == Some(connection) => {
                self.commanded(name, seen);
            }
            // A message of a connection that is gone.
            Thing::Receipted { .. } | Thing::Event { .. } | Thing::Heard(_) | Thing::Commanded { .. } => {}
            Thing::Trouble(trouble) => self.cause(trouble),
        }
    }

    fn give(&mut self, input: Input) {
        let Some(engine) = &mut self.engine else { return };
        let outputs: Vec<Output> = engine.handle(Instant::from_micros(self.now), input).collect();
        let judged = self.truth.engine(engine.alarms());
        self.judge(judged);
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask { ask, .. } => self.line.ask(ask),
            Output::Commit(commit) => {
                self.note(|| format!("commit {} with {} events", commit.id, commit.events.len()));
                let slow = self.chance.percent(self.weather.slow_disk);
                let longest = if slow { 600 } else { 20 };
                let at = self.disk_free_at.max(self.now + self.chance.between(MS, longest * MS));
                self.disk_free_at = at;
                self.store.take(commit);
                let refused = slow && self.chance.percent(20);
                self.enter(at, Thing::Synced { boot: self.store.boot(), refused });
            }
            Output::Fetch { from, limit } => {
                let events = self.store.fetch(from, limit);
                self.give(Input::Fetched { from, events });
            }
            Output::Connect { connection, .. } => {
                self.connection = Some(connection);
                self.after(1, 30, Thing::Connected(connection));
            }
            Output::Drop { .. } | Output::Disconnect { .. } => self.connection = None,
            Output::Publish { connection, token, publication } => {
                if self.connection != Some(connection) {
                    return;
                }
                self.up_at = self.up_at.max(self.now + self.chance.between(MS, 60 * MS));
                let at = self.up_at;
                if publication.topic.leaf == Leaf::Event {
                    self.enter(at, Thing::Event { connection, body: publication.body });
                }
                if let Some(token) = token {
                    self.enter(at, Thing::Receipted { connection, token });
                }
            }
            Output::Text { .. } | Output::Stopped => {}
            // Nobody asks for another configuration here.
            Output::Reload | Output::Configured { .. } | Output::NotConfigured { .. } => {}
        }
    }

    fn look_at_unit(&mut self) {
        if let Some((counters, display)) = self.unit.look() {
            let judged = self.truth.unit(counters, display);
            self.judge(judged);
            self.note(|| {
                format!("unit {}{} {display:?}", counters.presses, if counters.latched { "*" } else { "" })
            });
        }
    }

    fn agreement(&self) -> Result<(), String> {
        let Some((counters, display)) = self.unit.look() else { return Err("the unit is off".into()) };
        if counters.latched {
            return Err("a press was not echoed".into());
        }
        if self.duty_room.cursor() != self.store.newest() {
            return Err(format!("heard {} of {} events", self.duty_room.cursor(), self.store.newest()));
        }
        self.truth.agree(display)
    }

    fn judge(&mut self, judged: Result<(), String>) {
        if self.verdict.is_ok() {
            self.verdict = judged;
        }
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(WALL_START_MS + (self.now / MS) as i64)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let Some(notes) = &mut self.notes else { return };
        // What never heals says the same for ever.
        if self.healed_at.is_some_and(|at| self.now > at + 2_000 * MS) {
            return;
        }
        let line = line();
        if line.starts_with("unit") && self.unit_note == line {
            return;
        }
        if line.starts_with("unit") {
            self.unit_note.clone_from(&line);
        }
        if notes.len() >= NOTES {
            notes.pop_front();
        }
        notes.push_back(format!("{:>9.3} {line}", self.now as f64 / 1e6));
    }
}
