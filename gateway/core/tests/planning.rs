//! Plans: everything is read once, nothing over the limits, and nothing cheaper exists.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#[path = "support/devices.rs"]
mod devices;

use std::time::Duration;

use devices::{device, point, profile};
use proptest::prelude::*;
use shouwang_core::configuration::{DeviceSettings, LineKind, LineSettings, PollTimes};
use shouwang_core::plan::{Block, Plan, alarm_round, exchange_time, probe_time, wire_time};
use shouwang_core::profile::{IdentityCheck, Kind, Point, PollClass, Profile, Table, WordOrder};
use shouwang_message::Class;

const SLOW: LineKind = LineKind::Serial { baud: 4800, bits: 10 };
const FAST: LineKind = LineKind::Serial { baud: 9600, bits: 10 };
const TCP: LineKind = LineKind::Tcp { rtu_frames: false };

fn line(kind: LineKind) -> LineSettings {
    LineSettings {
        name: "line".parse().unwrap(),
        kind,
        timeout: Duration::from_millis(200),
        poll: PollTimes {
            alarm: Duration::from_millis(500),
            state: Duration::from_secs(5),
            slow: Duration::from_secs(30),
        },
    }
}

fn at(table: Table, address: u16, poll: PollClass) -> Point {
    let kind = if table.is_bits() { Kind::Bool { bit: None, active_when: true } } else { Kind::U16 };
    Point { poll, ..point(&format!("p{address}"), table, address, kind) }
}

fn spans(plan: &Plan) -> Vec<(Table, u16, u16, PollClass)> {
    plan.blocks.iter().map(|block| (block.table, block.address, block.count, block.class)).collect()
}

fn planned(points: Vec<Point>) -> Vec<(Table, u16, u16, PollClass)> {
    spans(&Plan::of(&profile(Class::Air, points), &line(FAST)))
}

#[test]
fn a_hole_is_read_over_while_that_is_cheaper_than_asking_again() {
    use PollClass::State;
    use Table::HoldingRegister as H;
    // Another exchange costs 13 characters, two silences of 3.5 and 20 ms: 39.2 characters, 19.6 registers.
    assert_eq!(planned(vec![at(H, 0, State), at(H, 20, State)]), [(H, 0, 21, State)]);
    assert_eq!(planned(vec![at(H, 0, State), at(H, 21, State)]), [(H, 0, 1, State), (H, 21, 1, State)]);
    // A block holds 125 at most; where characters cost nothing, none is read in vain.
    let far = profile(Class::Air, vec![at(H, 0, State), at(H, 124, State), at(H, 125, State)]);
    let tcp = spans(&Plan::of(&far, &line(TCP)));
    assert_eq!(
        tcp.iter().map(|(_, _, count, _)| count).sum::<u16>(),
        3,
        "no register for nothing, even where it is free"
    );
}

#[test]
fn slower_points_ride_in_an_alarm_block_only_where_it_costs_nothing() {
    use PollClass::{Alarm, Slow, State};
    use Table::HoldingRegister as H;
    let points = vec![at(H, 0, Alarm), at(H, 2, State), at(H, 3, Slow), at(H, 7, Alarm), at(H, 8, State)];
    assert_eq!(planned(points), [(H, 0, 8, Alarm), (H, 8, 1, State)]);
}

#[test]
fn rules_of_the_device_are_kept() {
    use PollClass::State;
    use Table::HoldingRegister as H;
    let mut holes = profile(Class::Air, vec![at(H, 0, State), at(H, 1, State), at(H, 3, State)]);
    holes.blocks.no_joining_over_holes = true;
    assert_eq!(spans(&Plan::of(&holes, &line(FAST))), [(H, 0, 2, State), (H, 3, 1, State)]);
    let mut even = profile(Class::Air, vec![at(H, 4, State), at(H, 65535, State)]);
    even.blocks.even_counts = true;
    assert_eq!(spans(&Plan::of(&even, &line(FAST))), [(H, 4, 2, State), (H, 65534, 2, State)]);
}

#[test]
fn identity_rides_along_or_is_read_by_itself() {
    use Table::{HoldingRegister as H, InputRegister as I};
    let mut known = profile(Class::Air, vec![at(I, 2, PollClass::Alarm), at(H, 0, PollClass::Alarm)]);
    let check = |table, address| IdentityCheck { table, address, expected: vec![1] };
    known.identity = vec![check(I, 0), check(I, 1), check(H, 0)];
    let plan = Plan::of(&known, &line(FAST));
    assert_eq!(plan.identity.len(), 1);
    assert_eq!((plan.identity[0].table, plan.identity[0].address, plan.identity[0].count), (I, 0, 2));
    assert_eq!(plan.blocks[0].table, H, "the block that proves the identity comes first");
}

#[test]
fn time_on_the_wire_is_what_the_pages_say() {
    // devices.md, section 7: one register at 4800 is 31 ms, 15 ms of silences, and the device's delay.
    let one = Block {
        table: Table::HoldingRegister,
        address: 3,
        count: 1,
        class: PollClass::Alarm,
        points: vec![0],
    };
    assert_eq!(wire_time(&one, &line(SLOW)).as_micros(), 45_833);
    assert_eq!(wire_time(&one, &line(TCP)), Duration::ZERO);
    let bits = Block { table: Table::Coil, count: 9, ..one.clone() };
    assert_eq!(wire_time(&bits, &line(SLOW)), wire_time(&one, &line(SLOW)), "nine bits are two bytes too");
    let fast = LineKind::Serial { baud: 115_200, bits: 10 };
    assert_eq!(
        wire_time(&one, &line(fast)).as_micros(),
        15 * 86 + 3_500 + 12,
        "a silence is never under 1.75 ms"
    );
}

#[test]
fn the_alarm_round_follows_the_contract() {
    use PollClass::{Alarm, State};
    use Table::HoldingRegister as H;
    let mut model = profile(Class::Smoke, vec![at(H, 3, Alarm), at(H, 100, State)]);
    model.timing.reply_longest = Some(Duration::from_millis(350));
    let device = device(model);
    let line = line(FAST);
    let plan = Plan::new(&device, &line);
    let timing = &device.profile.timing;
    let alarm = exchange_time(&plan.blocks[0], &line, timing);
    let state = exchange_time(&plan.blocks[1], &line, timing);
    assert_eq!(probe_time(&line, timing).as_millis(), 350 + 8 + 3, "its longest delay, and its request");
    let expected = alarm * 32 * 10 / 9 + state + probe_time(&line, timing);
    let round = alarm_round(&line, std::iter::repeat_n((&device, &plan), 32));
    assert!(round.abs_diff(expected) < Duration::from_micros(1), "{round:?} {expected:?}");
    assert!(round < Duration::from_secs(4));
    assert_eq!(alarm_round(&line, []), Duration::ZERO);
}

#[test]
fn the_typical_delay_depends_on_the_line() {
    let device = device(profile(Class::Air, vec![]));
    let typical = |kind| device.profile.timing.typical(kind).as_millis();
    assert_eq!((typical(FAST), typical(TCP), typical(LineKind::Tcp { rtu_frames: true })), (20, 5, 20));
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let tables = prop_oneof![Just(Table::HoldingRegister), Just(Table::InputRegister), Just(Table::Coil)];
    let class = prop_oneof![Just(PollClass::Alarm), Just(PollClass::State), Just(PollClass::Slow)];
    let address = prop_oneof![0u16..60, 0u16..400, 65_500u16..=65_530];
    let kind = prop_oneof![
        3 => Just(Kind::U16),
        1 => Just(Kind::U32(WordOrder::Abcd)),
        1 => (1u8..=6).prop_map(|registers| Kind::Ascii { registers })
    ];
    let one = (tables, class, address, kind).prop_map(|(table, class, address, kind)| {
        let mut point = at(table, address, class);
        if !table.is_bits() {
            point.kind = kind;
        }
        point
    });
    proptest::collection::vec(one, 0..40)
}

fn any_profile() -> impl Strategy<Value = Profile> {
    (points(), any::<bool>(), any::<bool>(), 6u16..=125, 1u16..=2000).prop_map(
        |(points, even, no_holes, registers, bits)| {
            let mut profile = profile(Class::Air, points);
            profile.blocks.even_counts = even;
            profile.blocks.no_joining_over_holes = no_holes;
            profile.blocks.max_registers = registers;
            profile.blocks.max_bits = bits;
            profile
        },
    )
}

/// The least time to read these points, by trying every way to share them out to blocks.
fn least(points: &[Point], device: &DeviceSettings, line: &LineSettings) -> Duration {
    fn share(
        rest: &[Point],
        groups: &mut Vec<(u32, u32)>,
        best: &mut Duration,
        device: &DeviceSettings,
        line: &LineSettings,
    ) {
        let Some((first, rest)) = rest.split_first() else {
            let cost = groups.iter().map(|(start, end)| {
                let (address, count) = (*start as u16, (end - start) as u16);
                let table = Table::HoldingRegister;
                let block = Block { table, address, count, class: PollClass::State, points: vec![] };
                exchange_time(&block, line, &device.profile.timing)
            });
            *best = cost.sum::<Duration>().min(*best);
            return;
        };
        let span = first.span();
        for index in 0..groups.len() {
            let old = groups[index];
            groups[index] = (old.0.min(span.start), old.1.max(span.end));
            if groups[index].1 - groups[index].0 <= 125 {
                share(rest, groups, best, device, line);
            }
            groups[index] = old;
        }
        groups.push((span.start, span.end));
        share(rest, groups, best, device, line);
        groups.pop();
    }
    let mut best = Duration::MAX;
    share(points, &mut Vec::new(), &mut best, device, line);
    best
}

proptest! {
    #[test]
    fn every_point_is_read_exactly_once_within_the_limits(profile in any_profile(), tcp in any::<bool>()) {
        let line = line(if tcp { TCP } else { FAST });
        let plan = Plan::of(&profile, &line);
        for (index, point) in profile.points.iter().enumerate() {
            let holders: Vec<&Block> =
                plan.blocks.iter().filter(|block| block.points.contains(&index)).collect();
            prop_assert_eq!(holders.len(), 1, "{} {:?}", index, point);
            let block = holders[0];
            prop_assert_eq!(block.table, point.table);
            prop_assert!(block.class <= point.poll, "never slower than wanted");
            prop_assert!(u32::from(block.address) <= point.span().start);
            prop_assert!(point.span().end <= u32::from(block.address) + u32::from(block.count));
        }
        for block in &plan.blocks {
            let most = if block.table.is_bits() { profile.blocks.max_bits } else { profile.blocks.max_registers };
            prop_assert!(block.count >= 1 && block.count <= most, "{block:?}");
            prop_assert!(u32::from(block.address) + u32::from(block.count) <= 65_536);
            prop_assert!(!profile.blocks.even_counts || block.table.is_bits() || block.count % 2 == 0);
            prop_assert!(!block.points.is_empty());
        }
    }

    #[test]
    fn nothing_cheaper_exists(
        addresses in proptest::collection::vec((0u16..150, 0usize..3), 1..7),
        fast in any::<bool>(),
    ) {
        let kinds = [Kind::U16, Kind::U32(WordOrder::Abcd), Kind::Ascii { registers: 20 }];
        let points: Vec<Point> = addresses
            .iter()
            .map(|(address, kind)| Point { kind: kinds[*kind], ..at(Table::HoldingRegister, *address, PollClass::State) })
            .collect();
        let device = device(profile(Class::Air, points.clone()));
        let line = line(if fast { FAST } else { SLOW });
        let plan = Plan::new(&device, &line);
        let cost: Duration =
            plan.blocks.iter().map(|block| exchange_time(block, &line, &device.profile.timing)).sum();
        prop_assert_eq!(cost, least(&points, &device, &line));
    }
}
