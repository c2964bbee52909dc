//! The world: one loop that lets the next thing happen, and a plan of faults made from the seed.
use std::collections::VecDeque;

use shouwang_board::{Asked, Input as BoardInput, ListState, Request};
use shouwang_core::engine::{Engine, Start};
use shouwang_core::input::{Disconnect, Input};
use shouwang_core::output::Output;
use shouwang_message::{Clock, Command, Instant, Leaf, LogId, Timestamp, Topic, from_bytes};

use super::broker::{Broker, Leaving};
use super::chance::Chance;
use super::devices::{Device, Manners};
use super::duty_room::DutyRoom;
use super::oracle::{self, Violation};
use super::site;
use super::store::Store;
use super::wire::Wire;

const SECOND: u64 = 1_000_000;
/// Faults happen in this time, then everything heals.
const TROUBLE: u64 = 90 * SECOND;
/// After healing everything must agree within this time: 60 s for what is told (the promise), and before it
/// the time in which lost devices and a backed-off connection come back.
const HEALING: u64 = 120 * SECOND;
/// 2026-11-22T00:00:00Z.
const WALL_START_MS: i64 = 1_795_305_600_000;

/// What came of one seed.
#[derive(Debug)]
pub struct Outcome {
    pub violation: Option<Violation>,
    /// Virtual time lived through, s.
    pub simulated_s: u64,
    /// Events committed by the gateway.
    pub events: usize,
    /// The newest happenings before the end, for a person who must understand a violation.
    pub transcript: Vec<String>,
}

/// Something that the plan of faults holds.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Flip { line: usize, place: usize, smoke: bool },
    Behave { line: usize, place: usize, manners: Manners },
    LineDown(usize),
    LineUp(usize),
    KillGateway,
    StartGateway,
    BrokerAway,
    BrokerBack { forgets: bool },
    BrokerForgets(u64),
    CutConnection,
    RestartDutyRoom,
    StepClock { ms: i64 },
    Acknowledge,
    Heal,
}

struct World {
    now: u64,
    wall_offset_ms: i64,
    chance: Chance,
    plan: VecDeque<(u64, Trouble)>,
    devices_per_line: Vec<usize>,
    wires: Vec<Wire>,
    store: Store,
    broker: Broker,
    duty_room: DutyRoom,
    engine: Option<Engine>,
    transcript: VecDeque<String>,
    violation: Option<Violation>,
    tickets: u64,
}

/// Lives through the world of this seed.
pub fn run(seed: u64) -> Outcome {
    let mut world = World::new(seed);
    let end = TROUBLE + HEALING;
    while world.now < end && world.violation.is_none() {
        let next = world.next().min(end).max(world.now);
        world.now = next;
        world.turn();
    }
    if world.violation.is_none() {
        world.violation = oracle::heard_is_committed(world.now, &world.store, &world.duty_room)
            .or_else(|| oracle::open_is_true(world.now, &world.wires, &world.duty_room));
    }
    Outcome {
        violation: world.violation,
        simulated_s: world.now / SECOND,
        events: world.store.promised.len(),
        transcript: world.transcript.into(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let lines = 1 + usize::from(chance.percent(50));
        let devices_per_line: Vec<usize> = (0..lines).map(|_| chance.between(1, 5) as usize).collect();
        let mut number = 0;
        let wires = devices_per_line.iter().map(|count| {
            let devices = (0..*count).map(|place| {
                number += 20;
                Device::new(u8::try_from(place + 1).unwrap_or(1), number)
            });
            Wire::new(devices.collect())
        });
        let wires = wires.collect();
        let log = LogId::from_parts(1, u128::from(seed));
        let wall = Timestamp::from_unix_ms(WALL_START_MS);
        let mut world = Self {
            now: 0,
            wall_offset_ms: WALL_START_MS,
            plan: plan(&devices_per_line, &mut chance),
            devices_per_line,
            wires,
            store: Store::new(log),
            broker: Broker::new(&mut chance),
            duty_room: DutyRoom::new(0, wall, seed),
            engine: None,
            chance,
            transcript: VecDeque::new(),
            violation: None,
            tickets: 0,
        };
        world.start_gateway();
        world.link_duty_room();
        world
    }

    fn next(&mut self) -> u64 {
        let now = self.now;
        let wires = self.wires.iter_mut().map(|wire| wire.next(now)).min().unwrap_or(u64::MAX);
        let engine = self.engine.as_ref().map_or(u64::MAX, |engine| engine.next_deadline().as_micros());
        let plan = self.plan.front().map_or(u64::MAX, |(at, _)| *at);
        wires.min(engine).min(plan).min(self.store.next()).min(self.broker.next()).min(self.duty_room.next())
    }

    fn turn(&mut self) {
        while let Some((_, trouble)) = self.plan.pop_front_if(|(at, _)| *at <= self.now) {
            self.cause(trouble);
        }
        for line in 0..self.wires.len() {
            let ended = match self.wires.get_mut(line) {
                Some(wire) => wire.turn(self.now, &mut self.chance),
                None => Vec::new(),
            };
            for (ask, outcome) in ended {
                self.give(Input::Answered { line, ask, outcome });
            }
        }
        for commit in self.store.turn(self.now) {
            self.give(Input::Committed { commit });
        }
        while let Some(leaving) = self.broker.take(self.now) {
            self.arrive(leaving);
        }
        while let Some(input) = self.duty_room.turn(self.now) {
            self.tell_board(input);
        }
        if self.duty_room.board.next_deadline().is_some_and(|at| at.as_micros() <= self.now) {
            self.tell_board(BoardInput::Woke);
        }
        if self.engine.as_ref().is_some_and(|engine| engine.next_deadline().as_micros() <= self.now) {
            self.give(Input::Woke);
        }
    }

    fn give(&mut self, input: Input) {
        let Some(engine) = &mut self.engine else { return };
        let outputs: Vec<Output> = engine.handle(Instant::from_micros(self.now), input).collect();
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask { line, ask } => {
                if let Some(wire) = self.wires.get_mut(line) {
                    wire.ask(ask);
                }
            }
            Output::Commit(commit) => {
                for event in &commit.events {
                    self.note(|| {
                        format!("commit {} {}", event.sequence, String::from_utf8_lossy(&event.body))
                    });
                    let broken = oracle::transition_was_true(self.now, &event.body, &self.wires);
                    self.violation = self.violation.take().or(broken);
                }
                let durable_at = self.now + self.chance.between(1_000, 30_000);
                self.store.commit(durable_at, commit);
            }
            Output::Fetch { from, limit } => {
                let events = self.store.fetch(from, limit);
                self.give(Input::Fetched { from, events });
            }
            Output::Connect { connection, will } => {
                self.note(|| format!("connect {connection}"));
                self.broker.gateway_gone(self.now, &mut self.chance);
                self.broker.connect(self.now, connection, will, &mut self.chance);
            }
            Output::Drop { connection } => {
                self.note(|| format!("drop {connection}"));
                self.broker.gateway_gone(self.now, &mut self.chance);
            }
            Output::Disconnect { .. } => self.broker.gateway = None,
            Output::Publish { connection, token, publication } => {
                self.broker.publish(self.now, connection, token, &publication, &mut self.chance);
            }
            Output::Stopped => {}
        }
    }

    fn arrive(&mut self, leaving: Leaving) {
        match leaving {
            Leaving::Accepted { connection } => self.give(Input::Connected { connection }),
            Leaving::Refused { connection } => {
                self.give(Input::Disconnected { connection, why: Disconnect::Lost });
            }
            Leaving::Receipt { connection, token } => self.give(Input::Receipted { connection, token }),
            Leaving::ToDutyRoom { topic, body, retained } => {
                if self.broker.duty_room_linked {
                    self.tell_board(BoardInput::Arrived { topic, payload: body, retained });
                }
            }
            Leaving::ToGateway { topic, body, retained } => self.arrive_at_gateway(&topic, &body, retained),
        }
    }

    fn arrive_at_gateway(&mut self, topic: &str, body: &[u8], retained: bool) {
        let Ok(topic) = topic.parse::<Topic>() else { return };
        match topic.leaf {
            Leaf::Heard(duty_room) => {
                if let Ok(document) = from_bytes(body) {
                    self.give(Input::Heard { duty_room, document });
                }
            }
            Leaf::Command(name) => {
                if let Ok(command) = from_bytes::<Command>(body) {
                    let payload = command.payload;
                    self.give(Input::Commanded { name, payload, signed_by: None, retained });
                }
            }
            _ => {}
        }
    }

    fn tell_board(&mut self, input: BoardInput) {
        let wall = Timestamp::from_unix_ms(WALL_START_MS + (self.now / 1000) as i64);
        for (topic, body, retain) in self.duty_room.handle(self.now, wall, input) {
            self.broker.say(self.now, topic, body, retain, &mut self.chance);
        }
    }

    fn cause(&mut self, trouble: Trouble) {
        self.note(|| format!("{trouble:?}"));
        match trouble {
            Trouble::Flip { line, place, smoke } => {
                let device = self.wires.get_mut(line).and_then(|wire| wire.devices.get_mut(place));
                if let Some(device) = device {
                    let truth = if smoke { &mut device.smoke } else { &mut device.level };
                    truth.flip(self.now);
                }
            }
            Trouble::Behave { line, place, manners } => {
                if let Some(device) = self.wires.get_mut(line).and_then(|wire| wire.devices.get_mut(place)) {
                    device.manners = manners;
                }
            }
            Trouble::LineDown(line) => self.set_line(line, false),
            Trouble::LineUp(line) => self.set_line(line, true),
            Trouble::KillGateway => {
                self.engine = None;
                self.wires.iter_mut().for_each(|wire| wire.abandon(self.now));
                self.broker.gateway_gone(self.now, &mut self.chance);
            }
            Trouble::StartGateway => self.start_gateway(),
            Trouble::BrokerAway => {
                self.broker.is_up = false;
                self.cut();
                self.unlink_duty_room();
            }
            Trouble::BrokerBack { forgets } => {
                if forgets {
                    self.broker.forget();
                }
                self.broker.is_up = true;
                self.link_duty_room();
            }
            Trouble::BrokerForgets(percent) => self.broker.forgets_percent = percent,
            Trouble::CutConnection => self.cut(),
            Trouble::RestartDutyRoom => {
                let wall = Timestamp::from_unix_ms(WALL_START_MS + (self.now / 1000) as i64);
                self.unlink_duty_room();
                self.duty_room.restart(self.now, wall);
                self.link_duty_room();
            }
            Trouble::StepClock { ms } => {
                self.wall_offset_ms += ms;
                let wall = self.wall();
                self.give(Input::ClockSet { wall, clock: Clock::Synced });
            }
            Trouble::Acknowledge => self.acknowledge(),
            Trouble::Heal => self.heal(),
        }
    }

    fn heal(&mut self) {
        self.broker.forgets_percent = 0;
        self.broker.is_up = true;
        if !self.broker.duty_room_linked {
            self.link_duty_room();
        }
        for line in 0..self.wires.len() {
            for device in self.wires.get_mut(line).iter_mut().flat_map(|wire| wire.devices.iter_mut()) {
                device.manners = Manners::Good;
            }
            if self.wires.get(line).is_some_and(|wire| !wire.is_up) {
                self.set_line(line, true);
            }
        }
        if self.engine.is_none() {
            self.start_gateway();
        }
    }

    fn start_gateway(&mut self) {
        if self.engine.is_some() {
            return;
        }
        let start = Start {
            now: Instant::from_micros(self.now),
            wall: self.wall(),
            clock: Clock::Synced,
            seed: self.chance.next(),
        };
        let restored = self.store.open();
        self.engine = Some(Engine::new(site::configuration(&self.devices_per_line), restored, start));
        for line in 0..self.wires.len() {
            if self.wires.get(line).is_some_and(|wire| wire.is_up) {
                self.give(Input::LineUp { line });
            }
        }
        self.give(Input::Woke);
    }

    fn set_line(&mut self, line: usize, up: bool) {
        let Some(wire) = self.wires.get_mut(line) else { return };
        wire.is_up = up;
        if up {
            self.give(Input::LineUp { line });
        } else {
            wire.abandon(self.now);
            self.give(Input::LineDown { line, why: "unplugged".into() });
        }
    }

    fn cut(&mut self) {
        let connection = self.broker.gateway.as_ref().map(|(connection, _)| *connection);
        self.broker.gateway_gone(self.now, &mut self.chance);
        if let Some(connection) = connection {
            self.give(Input::Disconnected { connection, why: Disconnect::Lost });
        }
    }

    fn link_duty_room(&mut self) {
        self.tell_board(BoardInput::LinkUp);
        self.broker.link_duty_room(self.now);
    }

    fn unlink_duty_room(&mut self) {
        self.broker.duty_room_linked = false;
        self.tell_board(BoardInput::LinkDown);
    }

    fn acknowledge(&mut self) {
        let list = self.duty_room.board.list(ListState::Open);
        if list.is_empty() {
            return;
        }
        let row = list.get(self.chance.next() as usize % list.len());
        let alarm = row.and_then(|row| row["id"].as_str()?.parse().ok());
        if let Some(alarm) = alarm {
            self.tickets += 1;
            let asked = Asked { alarm, by: "u-7".into(), reason: None, request: Request::Acknowledge };
            self.tell_board(BoardInput::Asked { ticket: self.tickets, asked });
        }
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.wall_offset_ms + (self.now / 1000) as i64)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        const NOTES: usize = 60;
        if self.transcript.len() >= NOTES {
            self.transcript.pop_front();
        }
        let at = self.now as f64 / SECOND as f64;
        self.transcript.push_back(format!("{at:9.3} {}", line()));
    }
}

/// A random subset of faults at random times, and the healing at the end.
fn plan(devices_per_line: &[usize], chance: &mut Chance) -> VecDeque<(u64, Trouble)> {
    let mut plan = Vec::new();
    let when = |chance: &mut Chance| chance.between(SECOND, TROUBLE - 10 * SECOND);
    for (line, count) in devices_per_line.iter().enumerate() {
        for place in 0..*count {
            for _ in 0..chance.between(1, 6) {
                let smoke = chance.percent(50);
                plan.push((when(chance), Trouble::Flip { line, place, smoke }));
            }
            if chance.percent(60) {
                let manners = match chance.next() % 6 {
                    0 => Manners::Dead,
                    1 => Manners::Noisy,
                    2 => Manners::Busy,
                    _ => Manners::Late(chance.between(200_000, 900_000)),
                };
                let at = when(chance);
                plan.push((at, Trouble::Behave { line, place, manners }));
                plan.push((
                    at + chance.between(SECOND, 40 * SECOND),
                    Trouble::Behave { line, place, manners: Manners::Good },
                ));
            }
        }
        if chance.percent(20) {
            let at = when(chance);
            plan.push((at, Trouble::LineDown(line)));
            plan.push((at + chance.between(SECOND, 20 * SECOND), Trouble::LineUp(line)));
        }
    }
    for _ in 0..chance.between(0, 3) {
        let at = when(chance);
        plan.push((at, Trouble::KillGateway));
        plan.push((at + chance.between(100_000, 5 * SECOND), Trouble::StartGateway));
    }
    if chance.percent(50) {
        let at = when(chance);
        plan.push((at, Trouble::BrokerAway));
        plan.push((
            at + chance.between(SECOND, 30 * SECOND),
            Trouble::BrokerBack { forgets: chance.percent(50) },
        ));
    }
    if chance.percent(40) {
        plan.push((when(chance), Trouble::BrokerForgets(chance.between(5, 60))));
    }
    for _ in 0..chance.between(0, 4) {
        plan.push((when(chance), Trouble::CutConnection));
    }
    if chance.percent(30) {
        plan.push((when(chance), Trouble::RestartDutyRoom));
    }
    if chance.percent(40) {
        let ms = if chance.percent(50) { -3_600_000 } else { 3_600_000 };
        plan.push((when(chance), Trouble::StepClock { ms }));
    }
    for _ in 0..chance.between(0, 6) {
        plan.push((when(chance), Trouble::Acknowledge));
    }
    plan.push((TROUBLE, Trouble::Heal));
    plan.sort_by_key(|(at, _)| *at);
    plan.into()
}
