//! The world: one loop that lets the next thing happen, wherever it happens.
use std::collections::{BTreeMap, VecDeque};

use shouwang_board::Input as BoardInput;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_message::{AlarmChange, AlarmId, Event, EventData, LogId, Timestamp, from_bytes};

use super::agenda::{Agenda, Thing};
use super::broker::Broker;
use super::calls::Truth;
use super::chance::Chance;
use super::coverage::Coverage;
use super::device::{Body, Device};
use super::duty_room::DutyRoom;
use super::gateway::Gateway;
use super::line::Line;
use super::oracle::{Care, Health, Life, Reading, Telling, Verdict, Violation, Waking};
use super::scenario::{DeviceShape, SECOND, Scenario};
use super::site::{DUTY_ROOM, Site};
use super::store::Store;
#[cfg(not(planted))]
use crate::shadow::Shadow;

/// After healing everything must agree within this time: 60 s for what is told (the promise), and before that
/// the time in which lost devices and a backed-off connection come back.
pub(super) const HEALING: u64 = 100 * SECOND;
/// 2026-11-22T00:00:00Z.
const WALL_START_MS: i64 = 1_795_305_600_000;
/// Happenings that a transcript shows.
const NOTES: usize = 120;
/// More turns than this in one moment is a world that stands still.
const TURNS_AT_ONCE: u32 = 2_000;

/// What came of one scenario.
#[derive(Debug, Default)]
pub struct Outcome {
    pub violation: Option<Violation>,
    /// Virtual time lived through, us.
    pub lived_us: u64,
    /// Virtual time at rest that was not lived through, because everything agreed before the bound, us.
    pub collapsed_us: u64,
    /// Events committed by the gateway.
    pub events: usize,
    /// From the healing until everything agreed, us.
    pub healed_in_us: u64,
    pub coverage: Coverage,
    /// The newest happenings before the end, for a person who must understand a violation.
    pub transcript: Vec<String>,
}

pub(super) struct World<'s> {
    pub(super) site: &'s Site,
    pub(super) scenario: Scenario,
    pub(super) now: u64,
    pub(super) chance: Chance,
    pub(super) agenda: Agenda,
    pub(super) lines: Vec<Line>,
    pub(super) gateway: Gateway,
    pub(super) store: Store,
    pub(super) broker: Broker,
    pub(super) duty_room: DutyRoom,
    pub(super) is_duty_room_cut_off: bool,
    pub(super) healed_at: Option<u64>,
    pub(super) agrees_since: Option<u64>,
    /// People's requests without an answer.
    pub(super) tickets: BTreeMap<u64, u64>,
    pub(super) next_ticket: u64,
    /// So many of the promised events the oracle has seen.
    pub(super) seen_events: usize,
    pub(super) commits: BTreeMap<u64, Vec<(AlarmId, u32, AlarmChange)>>,
    /// Alarms that a frame has just brought: to be told by then.
    pub(super) expected: VecDeque<(u64, AlarmId, u32)>,
    // What the oracle knows.
    pub(super) reading: Reading,
    pub(super) telling: Telling,
    pub(super) life: Life,
    pub(super) care: Care,
    pub(super) waking: Waking,
    pub(super) truths: BTreeMap<u16, Truth>,
    pub(super) health: Healths,
    pub(super) violation: Option<Violation>,
    pub(super) coverage: Coverage,
    notes: Option<VecDeque<String>>,
}

/// Since when what has been well, or not.
#[derive(Debug, Default)]
pub(super) struct Healths {
    pub(super) process: Health,
    pub(super) store: Health,
    /// Gateway and broker talk to each other.
    pub(super) uplink: Health,
    /// The gateway thinks so.
    pub(super) connected: Health,
    /// The duty room can hear.
    pub(super) hearing: Health,
    pub(super) lines: Vec<Health>,
}

/// Lives through the scenario of this seed; one in a hundred on the real store too.
pub fn run(site: &Site, seed: u64) -> Outcome {
    live(site, &Scenario::new(seed), false)
}

/// Lives through a scenario, with a transcript if it is wanted.
pub fn live(site: &Site, scenario: &Scenario, with_transcript: bool) -> Outcome {
    let mut world = World::new(site, scenario, with_transcript);
    let (mut turns, mut healed_in_us) = (0, 0);
    let end = scenario.heals_at + HEALING;
    while world.violation.is_none() {
        let next = world.next().max(world.now);
        turns = if next == world.now { turns + 1 } else { 0 };
        if turns > TURNS_AT_ONCE {
            world.judge(super::oracle::broken("moves-on", "nothing moves on"));
        }
        world.now = next;
        world.turn();
        if world.is_at_rest() {
            healed_in_us = world.agrees_since.unwrap_or(0).saturating_sub(scenario.heals_at);
            break;
        }
    }
    Outcome {
        violation: world.violation,
        lived_us: world.now,
        collapsed_us: end.saturating_sub(world.now),
        events: world.store.promised.len(),
        healed_in_us,
        coverage: world.coverage,
        transcript: world.notes.map(Vec::from).unwrap_or_default(),
    }
}

impl<'s> World<'s> {
    fn new(site: &'s Site, scenario: &Scenario, with_transcript: bool) -> Self {
        // Each room has chance of its own, so that a scenario with less in it is otherwise the same.
        let chance = |room: u64| Chance::new(scenario.seed ^ (room << 48));
        let log = LogId::from_parts(1, u128::from(scenario.seed));
        let lines = scenario.lines.iter().enumerate().map(|(line, shape)| {
            let shapes = scenario.devices.iter().filter(|device| device.line == line);
            let device =
                |shape: &DeviceShape| Device::new(*shape, &mut chance(0x100 + u64::from(shape.number)));
            Line::new(shapes.map(device).collect(), shape.echoes, chance(0x10 + line as u64))
        });
        let lines: Vec<Line> = lines.collect();
        let mut world = Self {
            site,
            now: 0,
            agenda: Agenda::default(),
            health: Healths { lines: vec![Health::default(); lines.len()], ..Healths::default() },
            lines,
            gateway: Gateway::default(),
            store: Store::new(log, scenario.history, DUTY_ROOM, chance(2)),
            broker: Broker::new(scenario.slow_broker, chance(3)),
            duty_room: DutyRoom::new(scenario.seed, log, scenario.history),
            is_duty_room_cut_off: false,
            healed_at: None,
            agrees_since: None,
            tickets: BTreeMap::new(),
            next_ticket: 1,
            seen_events: 0,
            commits: BTreeMap::new(),
            expected: VecDeque::new(),
            reading: Reading::default(),
            telling: Telling::default(),
            life: Life::default(),
            care: Care::default(),
            waking: Waking::default(),
            truths: BTreeMap::new(),
            violation: None,
            coverage: Coverage::default(),
            notes: with_transcript.then(VecDeque::new),
            chance: chance(1),
            scenario: scenario.clone(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        #[cfg(not(planted))]
        if self.scenario.is_on_real_store() {
            self.store.check_against_real();
            self.gateway.shadow = Some(Shadow::default());
        }
        for (place, happening) in self.scenario.happenings.clone().iter().enumerate() {
            self.agenda.enter(happening.at, Thing::Begins(place));
            self.agenda.enter(happening.at + happening.lasts, Thing::Ends(place));
        }
        self.agenda.enter(self.scenario.heals_at, Thing::Heals);
        self.agenda.enter(SECOND, Thing::Looks);
        self.agenda.enter(SECOND, Thing::ComparesClock);
        for device in self.lines.iter().flat_map(|line| &line.devices) {
            if let Body::CallUnit(unit) = &device.body {
                let number = device.shape.number;
                self.truths.extend(unit.look().map(|(counters, _)| (number, Truth::new(counters))));
                self.agenda.enter(0, Thing::Ticks { device: number });
            }
        }
        self.start_duty_room();
        self.start_gateway();
    }

    fn next(&mut self) -> u64 {
        let now = self.now;
        let lines = self.lines.iter_mut().map(|line| line.next(now)).min().unwrap_or(u64::MAX);
        lines
            .min(self.gateway.next())
            .min(self.agenda.next())
            .min(self.broker.next())
            .min(self.duty_room.next())
    }

    fn turn(&mut self) {
        while let Some(thing) = self.agenda.take(self.now) {
            self.happens(thing);
        }
        for line in 0..self.lines.len() {
            let mut ended = Vec::new();
            self.lines[line].turn(self.now, &mut ended);
            self.look_at_units(line);
            for ended in ended {
                self.answered(line, ended);
            }
        }
        while let Some(leaving) = self.broker.take(self.now) {
            self.arrives(leaving);
        }
        while let Some((input, new)) = self.duty_room.turn(self.now) {
            self.duty_room_stored(new);
            self.tell_board(input);
        }
        while let Some(input) = self.duty_room.result(self.now, self.wall()) {
            self.tell_board(input);
        }
        let deadline = self.duty_room.board.as_ref().and_then(shouwang_board::Board::next_deadline);
        if deadline.is_some_and(|at| at.as_micros() <= self.now) {
            self.tell_board(BoardInput::Woke);
        }
        if self.gateway.next() <= self.now {
            self.give(Input::Woke);
        }
        self.update_health();
    }

    /// Gives one input, and every answer that comes at once, to the engine.
    pub(super) fn give(&mut self, input: Input) {
        self.gateway.waiting.push_back(input);
        while !self.gateway.is_hung
            && self.violation.is_none()
            && let Some(input) = self.gateway.waiting.pop_front()
        {
            if self.gateway.engine.is_none() {
                self.gateway.waiting.clear();
                return;
            }
            let committed = if let Input::Committed { commit } = &input { Some(*commit) } else { None };
            let is_order = matches!(input, Input::Commanded { .. });
            for output in self.gateway.handle(self.now, input) {
                self.carry_out(output);
            }
            if is_order {
                let units: Vec<u16> = self.truths.keys().copied().collect();
                units.into_iter().for_each(|unit| self.judge_calls(unit));
            }
            if let Some(alarms) = committed.and_then(|commit| self.commits.remove(&commit))
                && self.gateway.is_connected()
            {
                let verdict = self.telling.after_commit(&alarms);
                self.judge(verdict);
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask { line, ask } => {
                self.lines[line].ask(ask);
                if self.lines[line].asks() > 4 {
                    self.judge(super::oracle::broken("bounds", "more than four asks with a line"));
                }
            }
            Output::Commit(commit) => {
                let verdict = Telling::commits(&commit, self.duty_room.newest(), &self.store);
                self.judge(verdict);
                let mut alarms = Vec::new();
                for event in &commit.events {
                    self.note(|| {
                        format!("to disk: {} {}", event.sequence, String::from_utf8_lossy(&event.body))
                    });
                    if let Ok(Event { data: EventData::Alarm(change, document), .. }) =
                        from_bytes(&event.body)
                    {
                        self.told(change, &document);
                        alarms.push((document.id, document.revision, change));
                    }
                }
                self.commits.insert(commit.id, alarms);
                let ends_at = self.store.commit(self.now, commit);
                self.agenda.enter(ends_at, Thing::Stored { boot: self.gateway.boot });
            }
            Output::Fetch { from, limit } => {
                let events = self.store.fetch(from, limit);
                self.gateway.waiting.push_back(Input::Fetched { from, events });
            }
            Output::Connect { connection, will } => {
                self.note(|| format!("connects, number {connection}"));
                self.broker.gateway_gone(self.now);
                self.gateway.connection = None;
                self.telling.connects();
                self.broker.connect(self.now, connection, will);
            }
            Output::Drop { connection } => {
                self.note(|| format!("drops connection {connection}"));
                self.gateway.connection = None;
                self.broker.gateway_gone(self.now);
            }
            Output::Disconnect { .. } => {
                self.gateway.connection = None;
                self.broker.gateway_left();
            }
            Output::Publish { connection, token, publication } => {
                self.note(|| format!("says {}", publication.topic));
                let verdict = self.telling.publishes(token, &publication, &self.store);
                self.judge(verdict);
                self.broker.publish(self.now, connection, token, &publication);
            }
            Output::Text { .. } | Output::Stopped => {}
            // Nobody asks for another configuration here.
            Output::Reload | Output::Configured { .. } | Output::NotConfigured { .. } => {}
        }
    }

    /// Everything agrees and has done so for a while; or the time for that is over.
    fn is_at_rest(&self) -> bool {
        const STAYS: u64 = 3 * SECOND;
        self.agrees_since.is_some_and(|since| since + STAYS <= self.now)
    }

    pub(super) fn judge(&mut self, verdict: Verdict) {
        if let (Err(broken), None) = (verdict, &self.violation) {
            let at_s = self.now / SECOND;
            self.violation = Some(Violation { check: broken.check, what: broken.what, at_s });
        }
    }

    /// The true time.
    pub(super) fn wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(WALL_START_MS + (self.now / 1000) as i64)
    }

    pub(super) fn gateway_wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.wall().unix_ms() + self.gateway.wall_error_ms)
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let Some(notes) = &mut self.notes else { return };
        // What never heals says the same for ever.
        if self.healed_at.is_some_and(|at| self.now > at + 30 * SECOND) {
            return;
        }
        if notes.len() >= NOTES {
            notes.pop_front();
        }
        notes.push_back(format!("{:>9.3} {}", self.now as f64 / SECOND as f64, line()));
    }
}
