//! Random configurations of several lines: what a change does not name, it does not touch.
//!
//! Two gateways live the same hour; one of them is given another configuration on the way, and the first one back.
//! What stays the same in both configurations must have lived the same.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;
use shouwang_catalog::Catalog;
use shouwang_core::configuration::{
    Configuration, DeviceSettings, Installed, LineKind, LineSettings, PollTimes, UplinkSettings,
};
use shouwang_core::engine::{Engine, Restored, Start};
use shouwang_core::input::{Input, Outcome};
use shouwang_core::output::{Ask, Output, Request};
use shouwang_core::profile::Table;
use shouwang_message::{
    AlarmDocument, Clock, CommandName, CommandPayload, Id, Instant, LogId, Mode, Place, Timestamp, to_bytes,
};

use crate::site::id;

const MS: u64 = 1_000;
/// An exchange takes this long, us, by the line's number: no two lines have news at the very same moment, whose
/// order would be chance.
const EXCHANGE: [u64; LINES] = [31_013, 31_407, 31_811];
/// A commit takes this long, us.
const COMMIT: u64 = 7 * MS;
const WALL_MS: i64 = 1_795_330_800_000;
const LINES: usize = 3;
const DEVICES: usize = 7;

/// A device in words; none if it is not in this configuration.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    line: usize,
    unit_id: u8,
    profile: &'static str,
    on_delay_s: u64,
    building: u8,
}

/// A configuration in words: which lines there are, with their time-outs, and the devices on them.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    timeouts_ms: [Option<u64>; LINES],
    devices: [Option<Wanted>; DEVICES],
}

fn wanted(number: usize) -> impl Strategy<Value = Option<Wanted>> {
    let profiles = prop::sample::select(vec!["renke-rs-yg-n01", "es-ch4-01"]);
    let shifted = prop::sample::select(vec![0_u8, 20]);
    let one = (0..LINES, shifted, profiles, prop::sample::select(vec![0_u64, 2]), 1_u8..3);
    let one = one.prop_map(move |(line, shift, profile, on_delay_s, building)| {
        let unit_id = u8::try_from(number + 1).unwrap_or(1) + shift;
        Wanted { line, unit_id, profile, on_delay_s, building }
    });
    prop::option::weighted(0.8, one)
}

fn draft() -> impl Strategy<Value = Draft> {
    let timeout = || prop::option::weighted(0.9, prop::sample::select(vec![200_u64, 300]));
    let devices: Vec<_> = (0..DEVICES).map(wanted).collect();
    ([timeout(), timeout(), timeout()], devices).prop_map(|(timeouts_ms, devices)| {
        let mut fields = devices.into_iter();
        Draft { timeouts_ms, devices: std::array::from_fn(|_| fields.next().flatten()) }
    })
}

/// A draft, and another that differs from it in some places.
fn pair() -> impl Strategy<Value = (Draft, Draft)> {
    (draft(), draft(), vec(any::<bool>(), DEVICES), vec(prop::bool::weighted(0.3), LINES)).prop_map(
        |(a, other, devices, lines)| {
            let mut b = a.clone();
            for (place, _) in devices.iter().enumerate().filter(|(_, changes)| **changes) {
                b.devices[place] = other.devices[place].clone();
            }
            for (place, _) in lines.iter().enumerate().filter(|(_, changes)| **changes) {
                b.timeouts_ms[place] = other.timeouts_ms[place];
            }
            (a, b)
        },
    )
}

impl Draft {
    fn device(&self, place: usize) -> Option<&Wanted> {
        self.devices[place].as_ref().filter(|wanted| self.timeouts_ms[wanted.line].is_some())
    }

    fn configuration(&self) -> Configuration {
        let catalog = Catalog::shipped();
        let here: Vec<usize> = (0..LINES).filter(|line| self.timeouts_ms[*line].is_some()).collect();
        let lines = here.iter().map(|line| LineSettings {
            name: id(&format!("line-{line}")),
            kind: LineKind::Serial { baud: 9600, bits: 10 },
            timeout: Duration::from_millis(self.timeouts_ms[*line].unwrap_or(200)),
            poll: PollTimes {
                alarm: Duration::from_millis(500),
                state: Duration::from_secs(5),
                slow: Duration::from_secs(30),
            },
        });
        let devices = (0..DEVICES).filter_map(|place| {
            let wanted = self.device(place)?;
            let profile = catalog.get(wanted.profile)?.clone();
            let mut conditions = profile.conditions.clone();
            conditions
                .iter_mut()
                .for_each(|condition| condition.on_delay += Duration::from_secs(wanted.on_delay_s));
            Some(DeviceSettings {
                id: id(&format!("device-{place}")),
                line: here.iter().position(|line| *line == wanted.line)?,
                unit_id: wanted.unit_id,
                profile,
                conditions,
                place: Place { building: Some(wanted.building.to_string()), ..Place::default() },
                installed: Installed { unit: Some("%LEL".into()), ..Installed::default() },
            })
        });
        Configuration {
            site: id("heping"),
            gateway: id("gw-1"),
            name: "gw".into(),
            version: "1".into(),
            digest: "sha256:0".into(),
            mode: Mode::Live,
            lines: lines.collect(),
            devices: devices.collect(),
            stations: Vec::new(),
            outputs: Vec::new(),
            local_alarm: None,
            meters: Vec::new(),
            welfare: Vec::new(),
            sms: None,
            install_input: None,
            uplink: UplinkSettings { hearers: Vec::new(), signed_commands_only: false },
        }
    }

    /// Devices that are the same here and there, but for where they stand.
    fn untouched(&self, other: &Self) -> BTreeSet<String> {
        let same = |place: &usize| match (self.device(*place), other.device(*place)) {
            (Some(one), Some(two)) => {
                Wanted { building: 0, ..one.clone() } == Wanted { building: 0, ..two.clone() }
            }
            _ => false,
        };
        (0..DEVICES).filter(same).map(|place| format!("device-{place}")).collect()
    }

    /// Lines on which nothing is another, but for words.
    fn untouched_lines(&self, other: &Self) -> BTreeSet<String> {
        let untouched = self.untouched(other);
        let here = |draft: &Self, line: usize| -> BTreeSet<String> {
            let of_line = |place: &usize| draft.device(*place).is_some_and(|wanted| wanted.line == line);
            (0..DEVICES).filter(of_line).map(|place| format!("device-{place}")).collect()
        };
        let same = |line: &usize| {
            self.timeouts_ms[*line].is_some()
                && self.timeouts_ms[*line] == other.timeouts_ms[*line]
                && here(self, *line) == here(other, *line)
                && here(self, *line).is_subset(&untouched)
        };
        (0..LINES).filter(same).map(|line| format!("line-{line}")).collect()
    }
}

#[derive(Default)]
struct Wire {
    waiting: VecDeque<Ask>,
    under_way: Option<(u64, Ask)>,
}

/// One engine, its lines and its disk.
struct World {
    engine: Engine,
    configuration: Configuration,
    now: u64,
    wires: Vec<Wire>,
    commits: VecDeque<(u64, u64)>,
    /// Devices by name whose sensor holds.
    burning: BTreeSet<String>,
    txns: u32,
    /// When each ask went out, on which line, to whom.
    asks: Vec<(u64, String, u8, Request)>,
    /// When each event was committed, with its type and subject.
    events: Vec<(u64, String, String)>,
}

impl World {
    fn new(configuration: Configuration) -> Self {
        let restored = Restored {
            log: LogId::from_parts(1, 7),
            boot: 1,
            committed: 0,
            first_kept: 1,
            kept: BTreeMap::new(),
            replaced: false,
        };
        let wall = Timestamp::from_unix_ms(WALL_MS);
        let start = Start { now: Instant::from_micros(0), wall, clock: Clock::Synced, seed: 5 };
        let mut world = Self {
            engine: Engine::new(configuration.clone(), restored, start),
            wires: configuration.lines.iter().map(|_| Wire::default()).collect(),
            configuration,
            now: 0,
            commits: VecDeque::new(),
            burning: BTreeSet::new(),
            txns: 0,
            asks: Vec::new(),
            events: Vec::new(),
        };
        for line in 0..world.wires.len() {
            world.give(Input::LineUp { line });
        }
        world
    }

    fn run_to(&mut self, end: u64) {
        loop {
            for line in 0..self.wires.len() {
                if self.wires[line].under_way.is_none() {
                    let next = self.wires[line].waiting.pop_front();
                    let takes = EXCHANGE[number(&self.configuration.lines[line].name)];
                    self.wires[line].under_way = next.map(|ask| (self.now + takes, ask));
                }
            }
            let wires = self.wires.iter().filter_map(|wire| wire.under_way.as_ref().map(|(at, _)| *at));
            let commits = self.commits.front().map(|(at, _)| *at);
            let own = self.engine.next_deadline().as_micros();
            let next = wires.chain(commits).chain([own]).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = end;
    }

    fn turn(&mut self) {
        while let Some((_, commit)) = self.commits.pop_front_if(|(at, _)| *at <= self.now) {
            self.give(Input::Committed { commit });
        }
        for line in 0..self.wires.len() {
            if let Some((_, ask)) = self.wires[line].under_way.take_if(|(at, _)| *at <= self.now) {
                let outcome = self.answer(&ask);
                self.give(Input::Answered { line, ask: ask.id, outcome });
            }
        }
        if self.engine.next_deadline().as_micros() <= self.now {
            self.give(Input::Woke);
        }
    }

    fn answer(&self, ask: &Ask) -> Outcome {
        let Request::Read { table, address, count } = ask.request else {
            return Outcome::Written { delay_us: 1 };
        };
        let device = self.configuration.devices.iter().find(|device| device.unit_id == ask.unit_id);
        let burns = device.is_some_and(|device| self.burning.contains(device.id.as_str()));
        match table {
            Table::Coil | Table::DiscreteInput => {
                Outcome::Bits { bits: vec![burns; usize::from(count)], delay_us: 1 }
            }
            Table::InputRegister | Table::HoldingRegister => {
                // The smoke bit is in register 3, the gas in register 2 (0.1 %LEL).
                let word = |register: u16| match (burns, register) {
                    (true, 3) => 1,
                    (true, 2) => 700,
                    _ => 0,
                };
                Outcome::Registers { words: (address..address + count).map(word).collect(), delay_us: 1 }
            }
        }
    }

    fn give(&mut self, input: Input) {
        let outputs: Vec<Output> = self.engine.handle(Instant::from_micros(self.now), input).collect();
        self.carry_out(outputs);
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Ask { line, ask } => {
                    let name = self.configuration.lines[line].name.to_string();
                    self.asks.push((self.now, name, ask.unit_id, ask.request.clone()));
                    self.wires[line].waiting.push_back(ask);
                }
                Output::Commit(commit) => {
                    for event in &commit.events {
                        let body: Json = serde_json::from_slice(&event.body).unwrap();
                        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
                        self.events.push((self.now, text("type"), text("subject")));
                    }
                    self.commits.push_back((self.now + COMMIT, commit.id));
                }
                Output::NotConfigured { why } => panic!("refused: {}", why.en),
                // There is no broker.
                _ => {}
            }
        }
    }

    fn configure(&mut self, configuration: &Configuration) {
        let now = Instant::from_micros(self.now);
        let outputs: Vec<Output> = self.engine.configure(now, configuration.clone()).collect();
        let Some(Output::Configured { lines }) = outputs.first() else { panic!("{outputs:?}") };
        let mut before: Vec<Option<Wire>> = self.wires.drain(..).map(Some).collect();
        let mut opened = Vec::new();
        for (line, origin) in lines.iter().enumerate() {
            let wire = origin.and_then(|origin| before[origin].take());
            opened.extend(wire.is_none().then_some(line));
            self.wires.push(wire.unwrap_or_default());
        }
        self.configuration = configuration.clone();
        self.carry_out(outputs);
        for line in opened {
            self.give(Input::LineUp { line });
        }
    }

    /// A person acknowledges whatever is open of this device.
    fn acknowledge(&mut self, device: &str) {
        let mine = |document: &&AlarmDocument| document.device.as_str() == device;
        let open: Vec<_> = self.engine.alarms().filter(mine).map(|document| document.id).collect();
        for alarm in open {
            self.txns += 1;
            let at = Timestamp::from_unix_ms(WALL_MS + (self.now / 1000).cast_signed());
            let expires = Timestamp::from_unix_ms(at.unix_ms() + 60_000);
            let (txn, nonce) = (format!("t-{device}-{}", self.now), format!("n-{}-{}", self.txns, self.now));
            let payload = CommandPayload {
                alarm: Some(alarm),
                ..CommandPayload::new(txn, "u-7".into(), at, expires, nonce)
            };
            let payload = String::from_utf8(to_bytes(&payload)).unwrap();
            let name = CommandName::Acknowledge;
            self.give(Input::Commanded { name, payload, signed_by: None, retained: false });
        }
    }

    /// What is open of these devices, without the names that chance gave.
    fn open(&self, devices: &BTreeSet<String>) -> Vec<String> {
        let mine = self.engine.alarms().filter(|document| devices.contains(document.device.as_str()));
        let mut open: Vec<String> = mine
            .map(|document| {
                let mut document: Json = serde_json::to_value(document).unwrap();
                // A name by chance, and the place of the moment.
                (document["id"], document["place"]) = (Json::Null, Json::Null);
                if let Some(suppressed) = document["suppressed"].as_object_mut() {
                    suppressed.remove("by");
                }
                document.to_string()
            })
            .collect();
        open.sort();
        open
    }
}

/// Of a line, by its name.
fn number(line: &Id) -> usize {
    line.as_str().trim_start_matches("line-").parse().unwrap()
}

/// What a person or a sensor does at a moment, ms.
#[derive(Clone, Debug)]
struct Happening {
    at_ms: u64,
    device: usize,
    what: u8,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = (3_000_u64..60_000, 0..DEVICES, 0_u8..3);
    vec(one.prop_map(|(at_ms, device, what)| Happening { at_ms, device, what }), 0..12).prop_map(|mut all| {
        all.sort_by_key(|happening| happening.at_ms);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back_again_touches_nothing_that_stays(
        (a, b) in pair(),
        happenings in happenings(),
        there_ms in 4_000_u64..50_000,
        stays_ms in 10_u64..15_000,
    ) {
        let untouched = a.untouched(&b);
        let lines = a.untouched_lines(&b);
        let (first, second) = (a.configuration(), b.configuration());
        let mut plain = World::new(first.clone());
        let mut changed = World::new(first.clone());
        let mut changes = VecDeque::from([(there_ms, &second), (there_ms + stays_ms, &first)]);
        for happening in &happenings {
            let device = format!("device-{}", happening.device);
            if !untouched.contains(&device) {
                continue;
            }
            while let Some((at_ms, to)) = changes.pop_front_if(|(at_ms, _)| *at_ms <= happening.at_ms) {
                changed.run_to(at_ms * MS);
                changed.configure(to);
            }
            for world in [&mut plain, &mut changed] {
                world.run_to(happening.at_ms * MS);
                match happening.what {
                    0 => drop(world.burning.insert(device.clone())),
                    1 => drop(world.burning.remove(&device)),
                    _ => world.acknowledge(&device),
                }
            }
        }
        for (at_ms, to) in changes {
            changed.run_to((at_ms * MS).max(changed.now));
            changed.configure(to);
        }
        for world in [&mut plain, &mut changed] {
            world.run_to(80_000 * MS);
        }
        let on_lines = |world: &World| -> Vec<_> {
            world.asks.iter().filter(|(_, line, ..)| lines.contains(line)).cloned().collect()
        };
        prop_assert_eq!(on_lines(&plain), on_lines(&changed), "asked at other moments");
        let mine = |world: &World| -> Vec<_> {
            let here: BTreeSet<&str> = first.devices.iter()
                .filter(|device| lines.contains(first.lines[device.line].name.as_str()))
                .map(|device| device.id.as_str())
                .collect();
            let of_lines = |event: &&(u64, String, String)| here.contains(event.2.as_str());
            world.events.iter().filter(of_lines).map(|(_, kind, subject)| (kind.clone(), subject.clone())).collect()
        };
        prop_assert_eq!(mine(&plain), mine(&changed), "other events");
        let here: BTreeSet<String> = first.devices.iter()
            .filter(|device| lines.contains(first.lines[device.line].name.as_str()))
            .map(|device| device.id.to_string())
            .collect();
        prop_assert_eq!(plain.open(&here), changed.open(&here), "other alarms");
        // On a line where others came and went, only the moments may be others.
        let states = |world: &World| -> Vec<String> {
            let strip = |text: &String| {
                let mut document: Json = serde_json::from_str(text).unwrap();
                for key in ["raised_at", "cleared_at", "revision"] {
                    document[key] = Json::Null;
                }
                document.to_string()
            };
            world.open(&untouched).iter().map(strip).collect()
        };
        prop_assert_eq!(states(&plain), states(&changed), "another state");
    }
}
