//! The wire's limit on virtual time: the scheduler against theory, and against what `check` promises, at every
//! speed, with few and many devices, and with the dead among them.
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

use proptest::prelude::*;
use shouwang_message::{Class, Instant, Priority, Text};

use super::field::{Field, point, polled, profile};
use super::{Purpose, Report};
use crate::chance::Chance;
use crate::configuration::LineKind;
use crate::latency::worst_latencies;
use crate::output::Request;
use crate::plan;
use crate::profile::{Condition, PollClass, Profile, Raises, Test};

const SECOND: Duration = Duration::from_secs(1);
const SPEEDS: [u32; 4] = [4800, 9600, 19_200, 115_200];
const COUNTS: [u8; 2] = [16, 32];

fn serial(baud: u32) -> LineKind {
    LineKind::Serial { baud, bits: 10 }
}

/// As slow as the field's devices are. With `rest`, a state and a slow block whose answers cannot be taken
/// for the alarms'.
fn model(rest: bool) -> Profile {
    let mut points = vec![point(0, 10, PollClass::Alarm)];
    if rest {
        points.push(point(1000, 12, PollClass::State));
        points.push(point(2000, 14, PollClass::Slow));
    }
    let mut model = profile(Class::Smoke, points);
    model.timing.reply_typical = Some(Duration::from_millis(5));
    model
}

/// None, one, three and half of so many.
fn numbers_dead(count: u8) -> [u8; 4] {
    [0, 1, 3, count / 2]
}

fn kill(field: &mut Field, dead: u8) {
    for unit in 1..=dead {
        field.device(unit).alive = false;
    }
}

/// The share of the line that the dead-device rule grants the dead: each one's probe, every 10 s.
fn share_of_dead(field: &Field, dead: u8) -> f64 {
    let timing = &field.devices[0].profile.timing;
    plan::probe_time(&field.settings, timing).as_secs_f64() * f64::from(dead) / 10.0
}

/// The mean time between two reads of the same living device, of the one that is read most seldom, over a
/// minute from now.
fn round_s(field: &mut Field, living: RangeInclusive<u8>) -> f64 {
    let began = field.now;
    field.run(60 * SECOND);
    let mean = |unit: u8| {
        let reads: Vec<_> = field.answers(unit, 0).into_iter().filter(|at| *at > began).collect();
        let [first, .., last] = reads[..] else { return f64::INFINITY };
        last.since(first).as_secs_f64() / (reads.len() - 1) as f64
    };
    living.map(mean).fold(0.0, f64::max)
}

#[test]
fn the_scheduler_against_theory() {
    for baud in SPEEDS {
        for count in COUNTS {
            for dead in numbers_dead(count) {
                let poll = polled(0, 5000, 30_000);
                let mut field = Field::new(serial(baud), poll, vec![model(false); usize::from(count)]);
                field.run(20 * SECOND);
                kill(&mut field, dead);
                field.run(60 * SECOND);
                assert_eq!(field.line.lost_count(), usize::from(dead));
                let living = field.theory(dead + 1..=count).as_secs_f64();
                let round = round_s(&mut field, dead + 1..=count);
                let ratio = round * (1.0 - share_of_dead(&field, dead)) / living;
                let most = if baud > 19_200 { 1.10 } else { 1.03 };
                assert!(ratio <= most, "{baud} baud, {dead} of {count} dead: {ratio:.4} of theory");
                let rule = if u32::from(dead) * 16 <= u32::from(count) * 3 { 1.10 } else { 1.5 };
                let slowed = round / living;
                assert!(slowed <= rule, "{baud} baud, {dead} of {count} dead: the living take {slowed:.4}");
            }
        }
    }
}

/// What `check` promises for each device.
fn promised(field: &Field) -> Vec<Duration> {
    let plans =
        field.devices.iter().map(|device| (device, field.line.plan(usize::from(device.unit_id)).unwrap()));
    worst_latencies(&field.settings, &plans.collect::<Vec<_>>())
}

/// The longest that an alarm of a device that lives could have waited, and what was promised for it.
fn worst(field: &Field, dead: u8, from: Instant) -> (Duration, Duration) {
    let promised = promised(field);
    let mut worst = (Duration::ZERO, Duration::ZERO);
    // The last one fails now and then.
    for unit in dead + 1..u8::try_from(promised.len()).unwrap() {
        let plan = field.line.plan(usize::from(unit)).unwrap();
        let alarms = plan.blocks.iter().filter(|block| block.class == PollClass::Alarm);
        for block in alarms {
            let took = field.longest_latency(unit, block.address, from);
            let most = promised[usize::from(unit) - 1];
            assert!(took <= most, "unit {unit} of {}: {took:?} of {most:?} promised", promised.len());
            if took > worst.0 {
                worst = (took, most);
            }
        }
    }
    worst
}

/// Everything at once that the promise allows for, again and again: state blocks, a command, a patient
/// probe, and a device that fails in that very round and comes back.
fn provoke(field: &mut Field, dead: u8, count: u8) {
    for turn in 0..20 {
        let began = field.now;
        if dead > 0 {
            field.run_until(30 * SECOND, just_waited_for_a_dead_one);
        }
        // An answer is garbled, or a device does not answer twice.
        if turn % 2 == 0 {
            field.device(count - 1).garbles = 1;
        } else {
            field.device(count).misses = 2;
        }
        field.line.write(usize::from(count) - 1, Purpose::Reset, command());
        field.run((30 * SECOND).saturating_sub(field.now.since(began)));
    }
}

fn just_waited_for_a_dead_one(field: &Field) -> bool {
    field.exchanges.last().is_some_and(|(_, end, ask, _)| {
        *end == field.now && ask.timeout >= field.settings.timeout && !field.behaviour[&ask.unit_id].alive
    })
}

fn command() -> Request {
    Request::WriteRegister { address: 1, value: 1 }
}

#[test]
fn what_check_promises_is_kept_and_not_far_from_the_worst() {
    for baud in SPEEDS {
        for count in COUNTS {
            let (mut measured, mut most) = (Duration::ZERO, Duration::ZERO);
            for dead in numbers_dead(count) {
                let poll = polled(0, 5000, 30_000);
                let mut field = Field::new(serial(baud), poll, vec![model(true); usize::from(count)]);
                kill(&mut field, dead);
                field.run(60 * SECOND);
                let began = field.now;
                provoke(&mut field, dead, count);
                let (took, promised) = worst(&field, dead, began);
                (measured, most) = (measured.max(took), promised);
            }
            let ratio = most.as_secs_f64() / measured.as_secs_f64();
            assert!(ratio <= 1.5, "{baud} baud, {count} devices: {most:?} promised, {measured:?} measured");
        }
    }
}

/// A smoke bit as rules.md section 3 has it.
fn confirmed() -> Condition {
    Condition {
        name: "smoke".into(),
        text: Text::new("烟", "smoke"),
        point: 0,
        test: Test::Active,
        raises: Raises::Alarm,
        priority: Priority::Emergency,
        latched: true,
        deadband: 0.0,
        on_delay: Duration::ZERO,
        off_delay: Duration::ZERO,
        median: 1,
        in_a_row: 1,
        confirm: true,
        suppressed_by: None,
        override_reason: None,
    }
}

#[test]
fn a_second_look_comes_within_the_promise_too() {
    for baud in SPEEDS {
        let poll = polled(0, 5000, 30_000);
        let mut field = Field::new(serial(baud), poll, vec![model(true); 16]);
        field.devices.iter_mut().for_each(|device| device.conditions.push(confirmed()));
        kill(&mut field, 3);
        field.run(60 * SECOND);
        let promised = promised(&field);
        for turn in 0..60_u16 {
            let unit = u8::try_from(4 + turn % 12).unwrap();
            field.run(Duration::from_millis(u64::from(turn) * 77));
            // The worst moment for a register to change: just after it was read.
            let reads = field.answers(unit, 0).len();
            assert!(field.run_until(5 * SECOND, |field| field.answers(unit, 0).len() > reads));
            let changed = field.now;
            field.line.write(5, Purpose::Reset, command());
            let read = |field: &Field| field.answers(unit, 0).last().is_some_and(|at| *at > changed);
            assert!(field.run_until(5 * SECOND, read));
            let seen = field.now;
            field.line.reread(seen, usize::from(unit), 0);
            let again = |field: &Field| field.answers(unit, 0).last().is_some_and(|at| *at > seen);
            assert!(field.run_until(5 * SECOND, again));
            assert!(field.now.since(seen) <= SECOND / 2, "{baud} baud: {:?}", field.now.since(seen));
            // The values were taken while the first answer was not yet on the wire.
            let took = field.now.since(changed) + field.theory(unit..=unit);
            let most = promised[usize::from(unit) - 1];
            assert!(took <= most, "{baud} baud, unit {unit}: {took:?} of {most:?} promised");
        }
    }
}

#[test]
fn commands_wait_a_second_at_most() {
    for baud in SPEEDS {
        for count in COUNTS {
            for dead in numbers_dead(count) {
                let poll = polled(0, 5000, 30_000);
                let mut field = Field::new(serial(baud), poll, vec![model(true); usize::from(count)]);
                kill(&mut field, dead);
                field.run(60 * SECOND);
                for turn in 0..40 {
                    field.run(Duration::from_millis(3000 + 77 * turn));
                    field.reports.clear();
                    let asked = field.now;
                    for unit in dead + 1..=dead + 4 {
                        assert!(field.line.write(usize::from(unit), Purpose::Reset, command()));
                    }
                    let written = |report: &Report| matches!(report, Report::Written { outcome: Ok(()), .. });
                    let all = |field: &Field| {
                        field.reports.iter().filter(|(_, report)| written(report)).count() == 4
                    };
                    assert!(field.run_until(2 * SECOND, all));
                    let took = field.now.since(asked);
                    assert!(
                        took <= SECOND,
                        "{baud} baud, {dead} of {count} dead: the last of 4 took {took:?}"
                    );
                }
            }
        }
    }
}

/// Two blocks of one device keep both places ahead filled; a re-read and a command still come through.
#[test]
fn a_device_that_is_alone_on_its_line_does_not_keep_its_own_reread_waiting() {
    let pair = profile(Class::Smoke, vec![point(0, 10, PollClass::Alarm), point(1000, 12, PollClass::Alarm)]);
    let mut field = Field::new(serial(9600), polled(0, 5000, 30_000), vec![pair]);
    field.run(10 * SECOND);
    let asked = field.now;
    field.line.reread(asked, 1, 0);
    assert!(field.line.write(1, Purpose::Reset, command()));
    field.run(SECOND / 2);
    assert!(!field.line.is_awaited(0), "a re-read or a write still waits");
    assert!(
        field.reports.iter().any(|(_, report)| matches!(report, Report::Written { outcome: Ok(()), .. }))
    );
}

/// The same line twice, once with a command: no read of any alarm block comes later by more than the command's
/// own exchange; where a state block was to come between, that may now come before another alarm.
#[test]
fn a_command_delays_an_alarm_by_one_exchange_at_most() {
    for baud in SPEEDS {
        for rest in [false, true] {
            for moment in 0..30 {
                let poll = polled(0, 5000, 30_000);
                let run = |with_command: bool| {
                    let mut field = Field::new(serial(baud), poll, vec![model(rest); 16]);
                    field.run(20 * SECOND + Duration::from_millis(37) * moment);
                    let asked = field.now;
                    assert!(!with_command || field.line.write(9, Purpose::Reset, command()));
                    field.run(4 * SECOND);
                    (field, asked)
                };
                let ((without, asked), (with, _)) = (run(false), run(true));
                let kind = without.settings.kind;
                let command = kind.character() * 16 + plan::silence(kind) * 2 + Duration::from_millis(5);
                let alarm = without.theory(9..=9);
                let most = if rest { command + alarm } else { command };
                for unit in 1..=16 {
                    let next =
                        |field: &Field| field.answers(unit, 0).into_iter().find(|at| *at > asked).unwrap();
                    let later = next(&with).since(next(&without));
                    assert!(later <= most, "{baud} baud: unit {unit} is read {later:?} later, not {most:?}");
                }
            }
        }
    }
}

/// A line as nobody planned it: any models, any of them dead, anything asked of it.
#[derive(Clone, Debug)]
struct Wild {
    kind: LineKind,
    alarm_ms: u64,
    timeout_ms: u64,
    devices: Vec<WildDevice>,
    seed: u64,
}

#[derive(Clone, Debug)]
struct WildDevice {
    /// Registers of its alarm and other blocks, all far from each other.
    alarms: Vec<u8>,
    others: Vec<(u8, PollClass)>,
    delay_ms: u64,
    longest_ms: Option<u64>,
    turnaround_ms: u64,
    alive: bool,
}

impl WildDevice {
    fn model(&self) -> Profile {
        let alarms = self.alarms.iter().map(|count| (*count, PollClass::Alarm));
        let all = alarms.chain(self.others.iter().copied()).zip(0..);
        let mut model =
            profile(Class::Smoke, all.map(|((count, poll), n)| point(n * 1000, count, poll)).collect());
        model.timing.reply_typical = Some(Duration::from_millis(self.delay_ms));
        model.timing.reply_longest = self.longest_ms.map(Duration::from_millis);
        model.timing.turnaround = Duration::from_millis(self.turnaround_ms);
        model
    }
}

impl Wild {
    fn field(&self) -> Field {
        let models = self.devices.iter().map(WildDevice::model).collect();
        let poll = polled(self.alarm_ms, 5000, 30_000);
        let mut field = Field::with_timeout(self.kind, poll, Duration::from_millis(self.timeout_ms), models);
        for (device, unit) in self.devices.iter().zip(1..) {
            let behaviour = field.device(unit);
            (behaviour.alive, behaviour.delay) = (device.alive, Duration::from_millis(device.delay_ms));
        }
        field
    }

    /// Commands, garbled answers and silences, never two of a kind within the time that is promised.
    fn disturb(&self, field: &mut Field) {
        let mut chance = Chance::new(self.seed);
        let longest = promised(field).into_iter().max().unwrap_or_default();
        let mut any = |most: usize| usize::try_from(chance.next() % most.max(1) as u64).unwrap();
        for _ in 0..60 {
            field.run(longest + Duration::from_millis(any(2000) as u64));
            let victim = 1 + any(self.devices.len());
            field.device(u8::try_from(victim).unwrap()).garbles = u32::from(self.devices[victim - 1].alive);
            // A command to somebody who does not answer would be a second failure.
            let commanded = any(self.devices.len());
            if self.devices[commanded].alive {
                field.line.write(commanded + 1, Purpose::Output, command());
            }
        }
    }
}

fn wild() -> impl Strategy<Value = Wild> {
    let kind = prop_oneof![
        3 => proptest::sample::select(SPEEDS.to_vec()).prop_map(serial),
        1 => Just(LineKind::Tcp { rtu_frames: false }),
        1 => Just(LineKind::Tcp { rtu_frames: true }),
    ];
    let other = (1_u8..=100, proptest::sample::select(vec![PollClass::State, PollClass::Slow]));
    let device = (
        proptest::collection::vec(1_u8..=40, 0..=2),
        proptest::collection::vec(other, 0..=2),
        1_u64..=60,
        proptest::option::of(60_u64..=400),
        prop_oneof![2 => Just(0_u64), 1 => 1_u64..=30],
        proptest::bool::weighted(0.75),
    );
    let device = device.prop_map(|(alarms, others, delay_ms, longest_ms, turnaround_ms, alive)| WildDevice {
        alarms,
        others,
        delay_ms,
        longest_ms,
        turnaround_ms,
        alive,
    });
    let alarm_ms = proptest::sample::select(vec![0, 200, 500, 1000, 3000]);
    let all = (kind, alarm_ms, 70_u64..=500, proptest::collection::vec(device, 1..=24), any::<u64>());
    all.prop_map(|(kind, alarm_ms, timeout_ms, devices, seed)| Wild {
        kind,
        alarm_ms,
        timeout_ms,
        devices,
        seed,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn no_alarm_is_ever_later_than_check_promises(wild in wild()) {
        let mut field = wild.field();
        let plans = field.devices.iter().map(|device| (device, field.line.plan(usize::from(device.unit_id)).unwrap()));
        // A longer round is refused.
        prop_assume!(plan::alarm_round(&field.settings, plans) <= 4 * SECOND);
        field.run(120 * SECOND);
        let began = field.now;
        wild.disturb(&mut field);
        let promised = promised(&field);
        for (device, unit) in wild.devices.iter().zip(1_u8..).filter(|(device, _)| device.alive) {
            for n in 0..device.alarms.len() {
                let took = field.longest_latency(unit, u16::try_from(n * 1000).unwrap(), began);
                let most = promised[usize::from(unit) - 1];
                prop_assert!(took <= most, "unit {unit}, block {n}: {took:?}, promised {most:?}");
            }
        }
    }
}
