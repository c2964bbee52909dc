//! The stage: everything between the line and the board on one virtual clock, and what the story does to it.
mod duty_room;
mod modem;
mod store;

use std::collections::{BTreeMap, VecDeque};

use modbus_wire::Table;
use shouwang_board::{Input as BoardInput, ListState};
use shouwang_core::configuration::{Configuration, DeviceSettings};
use shouwang_core::engine::{Engine, Start};
use shouwang_core::input::{CommitId, Disconnect, Input, StoreTrouble, Unfit};
use shouwang_core::output::{Commit, NewEvent, Output};
use shouwang_message::{
    Clock, Command, Event, EventData, HistoryDocument, Instant, Leaf, LogId, Text, Timestamp, Topic,
    from_bytes, to_bytes,
};
use shouwang_tests::shadow::Shadow;

use crate::broker::{Broker, Leaving};
use crate::devices::{Device, Manners};
use crate::site::Site;
use crate::tape::Tape;
use crate::wire::Wire;
use duty_room::DutyRoom;
use modem::Modem;
use store::Store;

pub(crate) const SECOND: u64 = 1_000_000;
/// 2026-11-22T07:00:00Z.
const WALL_START_MS: i64 = 1_795_330_800_000;
/// A commit takes this long, us.
const DISK: u64 = 8_000;
/// A world that turns this often without time passing never stops.
const TURNS_AT_ONCE: u32 = 1_000;

/// How the disk takes what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    Fine,
    /// Writes do not end.
    Hangs,
    /// Every write fails at once.
    Full,
}

pub(crate) struct Stage {
    pub(crate) tape: Tape,
    pub(crate) broker: Broker,
    pub(crate) now: u64,
    wall_offset_ms: i64,
    clock: Clock,
    configuration: Configuration,
    /// What a reload finds: another configuration, or a file that is bad.
    file: Result<Configuration, Text>,
    /// The names of the devices behind the wire.
    installed: Vec<String>,
    /// When each exchange ended, us, and with which unit id.
    pub(crate) polls: Vec<(u64, u8)>,
    wire: Wire,
    store: Store,
    disk: Disk,
    /// Commits that hang in the disk.
    hanging: Vec<Commit>,
    /// Commits that are about to fail, and when, us.
    failing: VecDeque<(u64, CommitId)>,
    under_way: BTreeMap<CommitId, Vec<NewEvent>>,
    duty_room: DutyRoom,
    /// What came to the duty room's side as history, and when, us.
    pub(crate) history: Vec<(u64, HistoryDocument)>,
    pub(crate) modem: Modem,
    engine: Option<Engine>,
    shadow: Shadow,
    starts: u64,
    pub(crate) tickets: u64,
    /// The process has ended by itself.
    pub(crate) has_stopped: bool,
}

impl Stage {
    /// Everything in place and the duty room listening; the gateway is not started yet.
    pub(crate) fn of(site: Site) -> Self {
        let configuration = site.configuration();
        let devices = configuration.devices.iter().map(device);
        let mut stage = Self {
            tape: Tape::default(),
            broker: Broker::new(),
            now: 0,
            wall_offset_ms: WALL_START_MS,
            clock: Clock::Synced,
            wire: Wire::new(devices.collect()),
            store: Store::new(LogId::from_parts(1, 7)),
            disk: Disk::Fine,
            hanging: Vec::new(),
            failing: VecDeque::new(),
            under_way: BTreeMap::new(),
            duty_room: DutyRoom::new(0, Timestamp::from_unix_ms(WALL_START_MS), 7),
            history: Vec::new(),
            modem: Modem::new(),
            file: Ok(configuration.clone()),
            installed: configuration.devices.iter().map(|settings| settings.id.to_string()).collect(),
            polls: Vec::new(),
            engine: None,
            shadow: Shadow::default(),
            starts: 0,
            tickets: 0,
            has_stopped: false,
            configuration,
        };
        stage.tell_board(BoardInput::LinkUp);
        // Somebody is on watch: a board that can sound.
        stage.tell_board(BoardInput::Armed { boards: 1 });
        stage.broker.link_duty_room(0, true);
        stage
    }

    /// Starts and runs until all is quiet, unwritten; the transcript begins there.
    pub(crate) fn settled(site: Site) -> Self {
        Self::of(site).settle()
    }

    /// As [`Self::settled`], with registers that were set before.
    pub(crate) fn settle(mut self) -> Self {
        self.tape.is_off = true;
        self.start();
        self.run(8.0);
        self.tape.begin(self.now);
        self
    }

    /// Lets so many seconds pass.
    pub(crate) fn run(&mut self, seconds: f64) {
        let end = self.now + (seconds * 1e6) as u64;
        let mut turns = 0;
        while self.now < end {
            let next = self.next().clamp(self.now, end);
            turns = if next == self.now { turns + 1 } else { 0 };
            assert!(turns < TURNS_AT_ONCE, "nothing moves on at {} us", self.now);
            self.now = next;
            self.turn();
        }
    }

    /// Says what the story does next.
    pub(crate) fn says(&mut self, text: &str) {
        self.tape.headline(self.now, text);
    }

    /// What is retained at the broker of these topics, by their ends.
    pub(crate) fn retained(&self, part: &str) -> Vec<String> {
        let found = self.broker.retained().filter(|(topic, _)| topic.contains(part));
        found.map(|(topic, body)| format!("{topic} {}", String::from_utf8_lossy(body))).collect()
    }

    /// When the duty room had the first event of this condition's alarm on its disk, us.
    pub(crate) fn heard_alarm_at(&self, condition: &str) -> Option<u64> {
        let of_it = |event: &Event| match &event.data {
            EventData::Alarm(_, document) => document.condition == condition,
            _ => false,
        };
        let place = self.duty_room.heard.iter().position(of_it)?;
        self.duty_room.heard_at.get(place).copied()
    }

    /// The gaps that were told: of what, and how many.
    pub(crate) fn heard_gaps(&self) -> Vec<(String, u64)> {
        let gap = |event: &Event| match &event.data {
            EventData::Gap(gap) => Some((gap.what.clone(), gap.count)),
            _ => None,
        };
        self.duty_room.heard.iter().filter_map(gap).collect()
    }

    /// How often each unit was asked something while so many seconds pass.
    pub(crate) fn asked_in(&mut self, seconds: f64) -> BTreeMap<u8, u32> {
        self.wire.asked.clear();
        self.run(seconds);
        self.wire.asked.clone()
    }

    /// How many pieces of state are on disk under keys that begin so.
    pub(crate) fn kept(&self, prefix: &str) -> usize {
        self.store.kept(prefix)
    }

    /// The transcript, after what must hold in every story was checked.
    pub(crate) fn finish(self) -> String {
        let promised = &self.store.promised;
        for (place, (sequence, _)) in promised.iter().enumerate() {
            assert_eq!(*sequence, place as u64 + 1, "the log has a gap or a repetition");
        }
        for (event, (_, body)) in self.duty_room.heard.iter().zip(promised) {
            let heard = String::from_utf8(to_bytes(event));
            assert_eq!(heard, String::from_utf8(body.clone()), "heard is not what was committed");
        }
        assert!(self.duty_room.heard.len() <= promised.len(), "heard before it was committed");
        self.tape.text()
    }

    pub(crate) fn device(&mut self, name: &str) -> &mut Device {
        let place = self.installed.iter().position(|device| device == name);
        let place = place.unwrap_or_else(|| panic!("no device {name}"));
        &mut self.wire.devices[place]
    }

    pub(crate) fn behaves(&mut self, name: &str, manners: Manners) {
        self.device(name).set_manners(manners);
    }

    pub(crate) fn smoke(&mut self, name: &str, is_smoking: bool) {
        self.device(name).set(Table::HoldingRegister, 3, u16::from(is_smoking));
    }

    /// What the methane head's register says.
    pub(crate) fn gas(&mut self, name: &str, raw: u16) {
        self.device(name).set(Table::HoldingRegister, 2, raw);
    }

    pub(crate) fn level_mm(&mut self, name: &str, level: i16) {
        for (address, word) in [(2, 17), (3, 0), (4, level.cast_unsigned())] {
            self.device(name).set(Table::HoldingRegister, address, word);
        }
    }

    pub(crate) fn press(&mut self, name: &str) {
        let now = self.now;
        self.device(name).press(now, 200_000);
    }

    pub(crate) fn set_line(&mut self, is_up: bool) {
        self.wire.is_up = is_up;
        if is_up {
            self.give(Input::LineUp { line: 0 });
        } else {
            self.wire.abandon(self.now);
            self.give(Input::LineDown { line: 0, why: "unplugged".into() });
        }
    }

    /// The thread that works the line off gets stuck, or goes on.
    pub(crate) fn set_hands(&mut self, is_stuck: bool) {
        self.wire.is_stuck = is_stuck;
    }

    pub(crate) fn set_disk(&mut self, disk: Disk) {
        self.disk = disk;
        if disk == Disk::Fine {
            for commit in std::mem::take(&mut self.hanging) {
                self.store.commit(self.now + DISK, commit);
            }
        }
    }

    pub(crate) fn set_broker(&mut self, is_up: bool) {
        self.broker.is_up = is_up;
        if is_up {
            return self.link_duty_room(true);
        }
        let connection = self.broker.gateway.as_ref().map(|(connection, _)| *connection);
        self.broker.gateway_gone(self.now);
        self.link_duty_room(false);
        if let Some(connection) = connection {
            self.give(Input::Disconnected { connection, why: Disconnect::Lost });
        }
    }

    /// Another machine takes the gateway's place at the broker; true if it had one.
    pub(crate) fn throw_out_gateway(&mut self) -> bool {
        let Some(connection) = self.broker.gateway.as_ref().map(|(connection, _)| *connection) else {
            return false;
        };
        self.broker.gateway_gone(self.now);
        self.give(Input::Disconnected { connection, why: Disconnect::Lost });
        true
    }

    pub(crate) fn link_duty_room(&mut self, is_linked: bool) {
        self.tell_board(if is_linked { BoardInput::LinkUp } else { BoardInput::LinkDown });
        self.broker.link_duty_room(self.now, is_linked);
    }

    /// The box's wall clock is set, by so much against what it said.
    pub(crate) fn set_clock(&mut self, step_ms: i64, clock: Clock) {
        self.wall_offset_ms += step_ms;
        self.clock = clock;
        if self.engine.is_some() {
            let wall = self.wall();
            self.give(Input::ClockSet { wall, clock });
        }
    }

    /// Somebody writes another file, with more devices on the line, and nobody is told.
    pub(crate) fn edits(&mut self, site: Site) {
        let configuration = site.configuration();
        for settings in &configuration.devices {
            if !self.installed.iter().any(|name| name == settings.id.as_str()) {
                self.installed.push(settings.id.to_string());
                self.wire.devices.push(device(settings));
            }
        }
        self.file = Ok(configuration);
    }

    /// Somebody writes a file that is bad, and nobody is told.
    pub(crate) fn spoils(&mut self) {
        self.file = Err(Text::new("gateway.toml:3:1: 不认识这个键", "gateway.toml:3:1: this key is unknown"));
    }

    fn reload(&mut self) {
        let configuration = match self.file.clone() {
            Ok(configuration) => configuration,
            Err(why) => return self.give(Input::NotConfigured { why: Unfit::Bad(why) }),
        };
        let Some(engine) = &mut self.engine else { return };
        let now = Instant::from_micros(self.now);
        let outputs = self.shadow.configure(engine, now, &configuration);
        if outputs.iter().any(|output| matches!(output, Output::Configured { .. })) {
            self.configuration = configuration;
        }
        for output in outputs {
            self.carry_out(output);
        }
    }

    /// The next start finds another configuration.
    pub(crate) fn reconfigure(&mut self, site: Site) {
        self.configuration = site.configuration();
    }

    pub(crate) fn start(&mut self) {
        let restored = self.store.open();
        self.tape.note(self.now, "gateway", &format!("starts, boot {}", restored.boot));
        self.starts += 1;
        let start = Start {
            now: Instant::from_micros(self.now),
            wall: self.wall(),
            clock: self.clock,
            seed: self.starts,
        };
        self.engine = Some(Engine::new(self.configuration.clone(), restored, start));
        self.shadow.forget();
        if self.wire.is_up {
            self.give(Input::LineUp { line: 0 });
        }
        self.give(Input::Woke);
    }

    /// As by `kill -9`: nothing is said, and what was not on disk is gone.
    pub(crate) fn kill(&mut self) {
        self.tape.note(self.now, "gateway", "is killed");
        self.engine = None;
        self.modem.forget();
        self.wire.abandon(self.now);
        self.hanging.clear();
        self.failing.clear();
        self.under_way.clear();
        self.broker.gateway_gone(self.now);
    }

    /// The gateway that runs.
    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap_or_else(|| panic!("no gateway runs"))
    }

    /// The installer's pages are open for so many seconds more.
    pub(crate) fn open_s(&self) -> u64 {
        self.engine().sight(Instant::from_micros(self.now), None).open_s
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.run(1.0);
        self.start();
    }

    #[expect(clippy::needless_pass_by_value, reason = "called as the engine is")]
    pub(crate) fn give(&mut self, input: Input) {
        let Some(engine) = &mut self.engine else { return };
        let outputs = self.shadow.handle(engine, Instant::from_micros(self.now), &input);
        for output in outputs {
            self.carry_out(output);
        }
    }

    pub(crate) fn tell_board(&mut self, input: BoardInput) {
        let said = self.duty_room.handle(self.now, self.duty_room_wall(), input);
        for (topic, body, retain) in said {
            self.broker.say(self.now, topic, body, retain);
        }
        let list = self.duty_room.board.list(ListState::Open);
        self.tape.board(self.now, &list);
    }

    /// What the duty room shows as open, as its page is told.
    pub(crate) fn board_items(&self) -> String {
        let list = self.duty_room.board.list(ListState::Open);
        list.iter().map(ToString::to_string).collect()
    }

    /// The duty room's clock is always right.
    pub(crate) fn duty_room_wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(WALL_START_MS + (self.now / 1000).cast_signed())
    }

    pub(crate) fn topic(&self, leaf: Leaf) -> String {
        Topic::new(&self.configuration.site, &self.configuration.gateway, leaf).to_string()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.wall_offset_ms + (self.now / 1000).cast_signed())
    }

    fn next(&mut self) -> u64 {
        let engine = self.engine.as_ref().map_or(u64::MAX, |engine| engine.next_deadline().as_micros());
        let failing = self.failing.front().map_or(u64::MAX, |(at, _)| *at);
        let hands = self.wire.next(self.now).min(self.store.next()).min(failing).min(self.modem.next());
        engine.min(hands).min(self.broker.next()).min(self.duty_room.next())
    }

    fn turn(&mut self) {
        for exchange in self.wire.turn(self.now) {
            self.tape.exchange(self.now, &exchange);
            self.polls.push((self.now, exchange.ask.unit_id));
            self.give(Input::Answered { line: 0, ask: exchange.ask.id, outcome: exchange.outcome });
        }
        for (device, name) in self.wire.devices.iter().zip(&self.installed) {
            if let Some(lamp) = device.lamp() {
                self.tape.lamp(self.now, name, lamp);
            }
        }
        for commit in self.store.turn(self.now) {
            for event in self.under_way.remove(&commit).into_iter().flatten() {
                self.tape.committed(self.now, &event.body);
            }
            self.give(Input::Committed { commit });
        }
        while let Some((_, commit)) = self.failing.pop_front_if(|(at, _)| *at <= self.now) {
            self.give(Input::CommitFailed { commit, why: StoreTrouble::Full });
        }
        if let Some(input) = self.modem.turn(self.now) {
            let what = match input {
                Input::TextSent { .. } => "sent",
                Input::TextUndelivered { .. } => "not delivered",
                _ => "not sent",
            };
            self.tape.note(self.now, "modem", what);
            self.give(input);
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

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask { ask, .. } => self.wire.ask(ask),
            Output::Commit(commit) => self.commit(commit),
            Output::Fetch { from, limit } => {
                let events = self.store.fetch(from, limit);
                self.give(Input::Fetched { from, events });
            }
            Output::Connect { connection, will } => {
                self.tape.note(self.now, "mqtt", &format!("connects, connection {connection}"));
                self.broker.gateway_gone(self.now);
                self.broker.connect(self.now, connection, will);
            }
            Output::Drop { connection } => {
                self.tape.note(self.now, "mqtt", &format!("drops connection {connection}"));
                self.broker.gateway_gone(self.now);
            }
            Output::Disconnect { connection } => {
                self.tape.note(self.now, "mqtt", &format!("ends connection {connection}"));
                self.broker.gateway = None;
            }
            Output::Publish { connection, token, publication } => {
                self.tape.published(self.now, &publication);
                self.broker.publish(self.now, connection, token, publication);
            }
            Output::Text { text, phone, words, rings } => {
                let person = self.configuration.sms.as_ref().map(|sms| sms.phones[phone].person.clone());
                let ring = if rings { " (rings)" } else { "" };
                let person = person.unwrap_or_else(|| panic!("a text to nobody"));
                self.tape.note(self.now, "text", &format!("to {person}: {words}{ring}"));
                self.modem.text(self.now, text, phone, words);
            }
            Output::Reload => {
                self.tape.note(self.now, "gateway", "reads its configuration anew");
                self.reload();
            }
            Output::Configured { lines } => {
                assert_eq!(lines, [Some(0)], "the stories' one line goes on");
                self.tape.note(self.now, "gateway", "has another configuration in force");
            }
            Output::NotConfigured { why } => {
                self.tape.note(self.now, "gateway", &format!("keeps its configuration: {}", why.en));
            }
            Output::Stopped => {
                self.tape.note(self.now, "gateway", "has stopped");
                self.has_stopped = true;
            }
        }
    }

    fn commit(&mut self, commit: Commit) {
        self.under_way.insert(commit.id, commit.events.clone());
        match self.disk {
            Disk::Fine => self.store.commit(self.now + DISK, commit),
            Disk::Hangs => self.hanging.push(commit),
            Disk::Full => self.failing.push_back((self.now + DISK, commit.id)),
        }
    }

    fn arrive(&mut self, leaving: Leaving) {
        match leaving {
            Leaving::Accepted { connection } => {
                self.tape.note(self.now, "mqtt", &format!("accepted, connection {connection}"));
                self.give(Input::Connected { connection });
            }
            Leaving::Unreachable { connection } => {
                self.give(Input::Disconnected { connection, why: Disconnect::Lost });
            }
            Leaving::Receipt { connection, token } => self.give(Input::Receipted { connection, token }),
            Leaving::ToDutyRoom { topic, body, retained } => {
                if topic.ends_with("/history") {
                    let document = from_bytes(&body).unwrap_or_else(|error| panic!("{error}"));
                    self.history.push((self.now, document));
                }
                self.tell_board(BoardInput::Arrived { topic, payload: body, retained });
            }
            Leaving::ToGateway { topic, body, retained } => self.arrive_at_gateway(&topic, &body, retained),
        }
    }

    fn arrive_at_gateway(&mut self, topic: &str, body: &[u8], retained: bool) {
        let Ok(topic) = topic.parse::<Topic>() else { return };
        match topic.leaf {
            Leaf::Heard(duty_room) => {
                let Ok(document) = from_bytes::<shouwang_message::HeardDocument>(body) else { return };
                self.tape.note(self.now, "heard", &format!("{duty_room} up to {}", document.up_to));
                self.give(Input::Heard { duty_room, document });
            }
            Leaf::Command(name) => {
                let Ok(command) = from_bytes::<Command>(body) else { return };
                let mark = if retained { " (retained)" } else { "" };
                self.tape.note(self.now, "command", &format!("{name} arrives{mark}"));
                // Signatures are the daemon's to check; here a named key is a valid one.
                self.give(Input::Commanded {
                    name,
                    payload: command.payload,
                    signed_by: command.key,
                    retained,
                });
            }
            _ => {}
        }
    }
}

/// What stands behind the wire for these settings.
fn device(settings: &DeviceSettings) -> Device {
    match settings.profile.call {
        Some(_) => Device::call(settings.unit_id, 123_456, 6, 0),
        None => Device::registers(settings.unit_id),
    }
}
