//! A simulated line for the stories: one exchange at a time, each taking its true time on the wire.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt::Write as _;
use core::time::Duration;

use shouwang_message::{Class, Instant, Place, Text};

use super::{Line, Report};
use crate::configuration::{DeviceSettings, Installed, LineKind, LineSettings, PollTimes};
use crate::input::{AskFailure, Outcome};
use crate::output::{Ask, Request};
use crate::plan;
use crate::profile::{
    BlockRules, DeviceTiming, Grade, IdentityCheck, Kind, Measures, Point, PollClass, Profile, Scale, Table,
};

pub(super) const SERIAL: LineKind = LineKind::Serial { baud: 9600, bits: 10 };

/// How a simulated device behaves.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    pub(super) alive: bool,
    pub(super) delay: Duration,
    /// What every register holds.
    pub(super) holds: u16,
    /// First addresses of reads that it never answers.
    pub(super) deaf_to: Vec<u16>,
    /// First addresses that it refuses with this exception.
    pub(super) refuses: Vec<(u16, u8)>,
    /// The next so many answers are garbled.
    pub(super) garbles: u32,
    /// The next so many requests are not answered.
    pub(super) misses: u32,
}

pub(super) struct Field {
    pub(super) line: Line,
    pub(super) settings: LineSettings,
    pub(super) devices: Vec<DeviceSettings>,
    pub(super) behaviour: BTreeMap<u8, Behaviour>,
    pub(super) now: Instant,
    pub(super) reports: Vec<(Instant, Report)>,
    /// Every exchange: when its request began and ended, and the ask.
    pub(super) exchanges: Vec<(Instant, Instant, Ask, Outcome)>,
    wire: VecDeque<(Ask, Instant)>,
    busy_until: Option<(Instant, Instant, Outcome)>,
    free_at: Instant,
}

pub(super) fn point(address: u16, count: u8, poll: PollClass) -> Point {
    Point {
        name: format!("p{address}"),
        title: Text::new("点", "point"),
        table: Table::HoldingRegister,
        address,
        vendor_address: None,
        kind: Kind::Ascii { registers: count },
        scale: Scale {
            numerator: 1,
            denominator: 1,
            offset: 0.0,
            decimals_from: None,
            unit_from_device: false,
        },
        decimals: 0,
        unit: None,
        range: None,
        error_values: vec![],
        poll,
        meanings: vec![],
        frozen: false,
        measures: Measures::Itself,
        writable: false,
    }
}

pub(super) fn profile(class: Class, points: Vec<Point>) -> Profile {
    Profile {
        name: "story-model".into(),
        vendor: "story".into(),
        model: "model".into(),
        variant: None,
        title: Text::new("设备", "device"),
        class,
        verified: Grade::Bench,
        source: "this story".into(),
        serial: None,
        timing: DeviceTiming::default(),
        blocks: BlockRules::default(),
        points,
        status_bits: vec![],
        conditions: vec![],
        identity: vec![],
        call: None,
        warm_up: None,
        end_of_life: None,
        provisioning: vec![],
        reset: None,
        forbidden: vec![],
        lacks: vec![],
        high_unit_ids: false,
    }
}

/// One alarm block of ten registers, and with `rest` a state and a slow block far away from it.
pub(super) fn ten_registers(rest: bool) -> Profile {
    let mut points = vec![point(0, 10, PollClass::Alarm)];
    if rest {
        points.push(point(1000, 10, PollClass::State));
        points.push(point(2000, 10, PollClass::Slow));
    }
    profile(Class::Smoke, points)
}

pub(super) fn identity(address: u16, expected: u16) -> IdentityCheck {
    IdentityCheck { table: Table::HoldingRegister, address, expected: vec![expected] }
}

pub(super) fn polled(alarm_ms: u64, state_ms: u64, slow_ms: u64) -> PollTimes {
    PollTimes {
        alarm: Duration::from_millis(alarm_ms),
        state: Duration::from_millis(state_ms),
        slow: Duration::from_millis(slow_ms),
    }
}

impl Field {
    /// Unit ids from 1 on, one a profile; all alive, 5 ms slow. Unit id and device index are the same.
    pub(super) fn new(kind: LineKind, poll: PollTimes, profiles: Vec<Profile>) -> Self {
        Self::with_timeout(kind, poll, Duration::from_millis(200), profiles)
    }

    /// The same, with another time-out than 200 ms.
    pub(super) fn with_timeout(
        kind: LineKind,
        poll: PollTimes,
        timeout: Duration,
        profiles: Vec<Profile>,
    ) -> Self {
        let settings = LineSettings { name: "story".parse().unwrap(), kind, timeout, poll };
        let device = |(place, profile): (usize, Profile)| DeviceSettings {
            id: format!("device-{}", place + 1).parse().unwrap(),
            line: 0,
            unit_id: u8::try_from(place + 1).unwrap(),
            profile: Arc::new(profile),
            conditions: vec![],
            place: Place::default(),
            installed: Installed::default(),
        };
        let devices: Vec<_> = profiles.into_iter().enumerate().map(device).collect();
        let numbered = devices.iter().map(|device| (usize::from(device.unit_id), device));
        let mut line = Line::new(0, &settings, numbered, 1);
        line.up(Instant::default());
        let behaviour = Behaviour {
            alive: true,
            delay: Duration::from_millis(5),
            holds: 7,
            deaf_to: vec![],
            refuses: vec![],
            garbles: 0,
            misses: 0,
        };
        Self {
            behaviour: devices.iter().map(|device| (device.unit_id, behaviour.clone())).collect(),
            line,
            settings,
            devices,
            now: Instant::default(),
            reports: vec![],
            exchanges: vec![],
            wire: VecDeque::new(),
            busy_until: None,
            free_at: Instant::default(),
        }
    }

    pub(super) fn device(&mut self, unit_id: u8) -> &mut Behaviour {
        self.behaviour.get_mut(&unit_id).unwrap()
    }

    /// Lets this much time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.pass_until(end, |_| false);
        self.now = end;
    }

    /// Lets time pass until something is so, at most this long; says whether it came to be.
    pub(super) fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + most;
        self.pass_until(end, done)
    }

    fn pass_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            while let Some(ask) = self.line.next_ask(self.now) {
                self.wire.push_back((ask, self.now));
                assert!(self.wire.len() <= 2, "more than two asks with the hands");
            }
            self.begin();
            if done(self) {
                return true;
            }
            let answer = self.busy_until.as_ref().map(|(_, until, _)| *until);
            let deadline = self.line.next_deadline();
            assert!(deadline.is_none_or(|deadline| deadline > self.now), "a deadline in the past spins");
            let Some(next) = answer.into_iter().chain(deadline).min().filter(|next| *next <= end) else {
                return false;
            };
            self.now = next;
            if answer == Some(next) {
                self.end();
            }
        }
    }

    fn begin(&mut self) {
        if self.busy_until.is_some() {
            return;
        }
        let Some((ask, handed)) = self.wire.front() else { return };
        let character = self.settings.kind.character();
        let silence = plan::silence(self.settings.kind);
        let start = self.free_at.max(*handed) + silence.max(ask.turnaround);
        let asked = start + character * 8;
        let behaviour = &self.behaviour[&ask.unit_id];
        let (first, answer, outcome) = answer(behaviour, ask);
        let spent = match outcome {
            Outcome::Failed(AskFailure::Timeout) => ask.timeout,
            _ => silence + first + character * answer,
        };
        self.busy_until = Some((start, asked + spent, outcome));
    }

    fn end(&mut self) {
        let Some((start, end, outcome)) = self.busy_until.take() else { return };
        let Some((ask, _)) = self.wire.pop_front() else { return };
        let device = self.device(ask.unit_id);
        match outcome {
            Outcome::Failed(AskFailure::Crc) => device.garbles -= 1,
            Outcome::Failed(AskFailure::Timeout) => device.misses = device.misses.saturating_sub(1),
            _ => {}
        }
        self.free_at = end;
        let mut reports = vec![];
        self.line.answered(self.now, ask.id, &outcome, &mut reports);
        self.reports.extend(reports.into_iter().map(|report| (end, report)));
        self.exchanges.push((start, end, ask, outcome));
    }

    /// The theory's time of one alarm round of these devices.
    pub(super) fn theory(&self, units: impl Iterator<Item = u8>) -> Duration {
        units
            .map(|unit| {
                let plan = self.line.plan(usize::from(unit)).unwrap();
                let alarms = plan.blocks.iter().filter(|block| block.class == PollClass::Alarm);
                let wire: Duration = alarms.map(|block| plan::wire_time(block, &self.settings)).sum();
                wire + self.behaviour[&unit].delay
            })
            .sum()
    }

    /// When reads of this first address were answered by this unit.
    pub(super) fn answers(&self, unit_id: u8, first: u16) -> Vec<Instant> {
        let mine = self.exchanges.iter().filter(|(_, _, ask, outcome)| {
            ask.unit_id == unit_id
                && matches!(ask.request, Request::Read { address, .. } if address == first)
                && matches!(outcome, Outcome::Registers { .. })
        });
        mine.map(|(_, end, ..)| *end).collect()
    }

    /// The longest that a change of a register could have waited since `from`: of each two answers in a row to
    /// reads of this first address, from the first one's request, when the values were taken, to the second
    /// one's end.
    pub(super) fn longest_latency(&self, unit_id: u8, first: u16, from: Instant) -> Duration {
        let request = self.settings.kind.character() * 8;
        let mine = self.exchanges.iter().filter(|(began, _, ask, outcome)| {
            *began >= from
                && ask.unit_id == unit_id
                && matches!(ask.request, Request::Read { address, .. } if address == first)
                && matches!(outcome, Outcome::Registers { .. })
        });
        let mut sampled = from;
        let latency =
            mine.map(|(began, end, ..)| end.since(core::mem::replace(&mut sampled, *began + request)));
        latency.max().unwrap_or_default().max(self.now.since(sampled))
    }

    /// The longest time without such an answer since `from`, up to now.
    pub(super) fn longest_gap(&self, unit_id: u8, first: u16, from: Instant) -> Duration {
        let answers = self.answers(unit_id, first);
        let since = answers.into_iter().filter(|at| *at >= from).chain([self.now]);
        let mut last = from;
        since.map(|at| at.since(core::mem::replace(&mut last, at))).max().unwrap_or_default()
    }

    /// One line an exchange and one a report that is no good reading, in the order of time.
    pub(super) fn transcript(&self) -> String {
        let mut lines: Vec<(Instant, String)> = vec![];
        for (_, end, ask, outcome) in &self.exchanges {
            let what = match ask.request {
                Request::Read { address, count, .. } => format!("read {address}+{count}"),
                Request::WriteRegister { address, value } => format!("write {address}={value}"),
                ref other => format!("{other:?}"),
            };
            let result = match outcome {
                Outcome::Registers { .. } => "ok".into(),
                Outcome::Written { .. } => "written".into(),
                Outcome::Exception { code, .. } => format!("exception {code}"),
                other => format!("{other:?}"),
            };
            let wait = ask.timeout.as_millis();
            lines.push((*end, format!("> unit {} {what} within {wait}: {result}", ask.unit_id)));
        }
        for (at, report) in &self.reports {
            if !matches!(report, Report::Read { outcome: Ok(_), .. }) {
                lines.push((*at, format!("< {report:?}")));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        let mut text = String::new();
        for (at, line) in lines {
            writeln!(text, "{:>6} {line}", at.as_micros() / 1000).unwrap();
        }
        text
    }
}

/// Delay, characters and kind of the answer.
fn answer(behaviour: &Behaviour, ask: &Ask) -> (Duration, u32, Outcome) {
    let delay_us = u32::try_from(behaviour.delay.as_micros()).unwrap();
    let first = match ask.request {
        Request::Read { address, .. }
        | Request::WriteCoil { address, .. }
        | Request::WriteRegister { address, .. }
        | Request::WriteRegisters { address, .. } => address,
    };
    let refusal = behaviour.refuses.iter().find(|(address, _)| *address == first);
    let nothing = (Duration::ZERO, 0, Outcome::Failed(AskFailure::Timeout));
    if !behaviour.alive
        || behaviour.misses > 0
        || behaviour.delay > ask.timeout
        || behaviour.deaf_to.contains(&first)
    {
        return nothing;
    }
    if behaviour.garbles > 0 {
        return (behaviour.delay, 25, Outcome::Failed(AskFailure::Crc));
    }
    if let Some((_, code)) = refusal {
        return (behaviour.delay, 5, Outcome::Exception { code: *code, delay_us });
    }
    match ask.request {
        Request::Read { count, .. } => {
            let words = vec![behaviour.holds; usize::from(count)];
            (behaviour.delay, 5 + 2 * u32::from(count), Outcome::Registers { words, delay_us })
        }
        _ => (behaviour.delay, 8, Outcome::Written { delay_us }),
    }
}
