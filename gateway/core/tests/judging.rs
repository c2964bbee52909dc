//! Judging, as stories on a virtual clock: one for each kind of signal in rules.md, section 3.
use std::time::Duration;

use proptest::prelude::*;
use shouwang_core::condition::{Judge, Judgement};
use shouwang_core::profile::{Condition, Raises, Test};
use shouwang_core::reading::{NoData, Reading};
use shouwang_message::{Instant, Priority, Text, Value};

fn condition(test: Test) -> Condition {
    Condition {
        name: "test".into(),
        text: Text::new("测试", "test"),
        point: 0,
        test,
        raises: Raises::Alarm,
        priority: Priority::Emergency,
        latched: false,
        deadband: 0.0,
        on_delay: Duration::ZERO,
        off_delay: Duration::ZERO,
        median: 1,
        in_a_row: 1,
        confirm: false,
        suppressed_by: None,
        override_reason: None,
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn good(value: f64) -> Reading {
    Reading::Good(Value::Number(value))
}

fn doubtful(value: f64) -> Reading {
    Reading::Uncertain(Value::Number(value), NoData::OutOfRange)
}

fn bit(state: bool) -> Reading {
    Reading::Good(Value::Bool(state))
}

const LOST: Reading = Reading::Bad(NoData::Timeout);

/// Plays readings at seconds; gives what was judged as `second what`, deadlines of their own included.
fn story(condition: &Condition, readings: &[(f64, Reading)]) -> Vec<String> {
    tell(&mut Judge::new(condition), readings)
}

fn tell(judge: &mut Judge, readings: &[(f64, Reading)]) -> Vec<String> {
    let mut told = Vec::new();
    let mut note = |now: Instant, judgement: Option<Judgement>| {
        let at = now.as_micros() as f64 / 1e6;
        told.extend(judgement.map(|judgement| match judgement {
            Judgement::Raised { value, growth: 0, .. } => format!("{at} raised {}", shown(&value)),
            Judgement::Raised { growth, .. } => format!("{at} raised +{growth}"),
            Judgement::Repeated { growth, .. } => format!("{at} again +{growth}"),
            Judgement::Cleared { value } => format!("{at} cleared {}", shown(&value)),
            Judgement::WentBack { value } => format!("{at} went back to {}", shown(&value)),
        }));
    };
    let end = readings.last().map_or(0.0, |(at, _)| at + 3600.0);
    for (at, reading) in readings.iter().map(|(at, reading)| (*at, Some(reading))).chain([(end, None)]) {
        let now = Instant::from_micros((at * 1e6) as u64);
        // At most a delay and then a re-read can fall due between two readings.
        while let Some(due) = judge.next_deadline().filter(|due| *due <= now) {
            note(due, judge.woke(due));
        }
        if let Some(reading) = reading {
            note(now, judge.reading(now, reading));
        }
    }
    told
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(state) => state.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

fn smoke_bit() -> Condition {
    Condition { confirm: true, off_delay: seconds(10.0), latched: true, ..condition(Test::Active) }
}

#[test]
fn smoke_bit_is_confirmed_by_a_second_look_and_clears_after_ten_seconds() {
    let told = story(
        &smoke_bit(),
        &[
            (0.0, bit(false)),
            (1.0, bit(true)),
            (1.2, bit(true)),
            (2.0, bit(false)),
            (7.0, bit(true)),
            (8.0, bit(false)),
            (17.0, bit(false)),
            (18.0, bit(false)),
            (19.0, bit(true)),
            (19.3, bit(true)),
        ],
    );
    assert_eq!(
        told,
        ["1.2 raised true", "18 cleared false", "19.3 raised true"],
        "the second cry is a raise"
    );
}

#[test]
fn a_re_read_that_denies_it_was_a_glitch_one_that_fails_raises() {
    assert_eq!(story(&smoke_bit(), &[(1.0, bit(true)), (1.2, bit(false))]), [""; 0]);
    assert_eq!(story(&smoke_bit(), &[(1.0, bit(true)), (1.2, LOST)]), ["1.2 raised true"]);
    assert_eq!(story(&smoke_bit(), &[(1.0, bit(true)), (9.0, bit(false))])[0], "1.5 raised true");
    let doubtful = Reading::Uncertain(Value::Bool(false), NoData::Simulated);
    assert_eq!(story(&smoke_bit(), &[(1.0, bit(true)), (1.2, doubtful)]), ["1.2 raised true"]);
    let mut judge = Judge::new(&smoke_bit());
    judge.reading(Instant::from_micros(0), &bit(true));
    assert!(judge.wants_reread() && !judge.is_active());
    assert_eq!(judge.next_deadline(), Some(Instant::from_micros(500_000)));
}

#[test]
fn smoke_ppm_needs_the_median_and_a_deadband_of_ten_percent() {
    let ppm = Condition {
        median: 3,
        on_delay: seconds(4.0),
        off_delay: seconds(30.0),
        deadband: 10.0,
        ..condition(Test::High { limit: 100.0 })
    };
    let at = |values: &[f64]| {
        values.iter().zip(0..).map(|(v, n)| (f64::from(n) * 2.0, good(*v))).collect::<Vec<_>>()
    };
    assert_eq!(story(&ppm, &at(&[5.0, 900.0, 5.0, 5.0, 900.0, 5.0])), [""; 0], "single spikes are nothing");
    let mut rising = vec![5.0, 5.0, 120.0, 120.0, 130.0, 140.0];
    assert_eq!(story(&ppm, &at(&rising)), ["10 raised 120"]);
    rising.extend([95.0; 30]);
    assert_eq!(story(&ppm, &at(&rising)), ["10 raised 120"], "95 is not yet 10 % below 100");
    rising.extend([90.0; 18]);
    assert_eq!(story(&ppm, &at(&rising)), ["10 raised 120", "104 cleared 90"], "30 s of a median of 90");
}

#[test]
fn gas_high_raises_on_the_second_look_even_beyond_the_range() {
    let gas = Condition {
        confirm: true,
        off_delay: seconds(30.0),
        deadband: 2.0,
        ..condition(Test::High { limit: 50.0 })
    };
    assert_eq!(story(&gas, &[(0.0, good(50.0)), (0.3, good(51.0))]), ["0.3 raised 51"]);
    assert_eq!(story(&gas, &[(0.0, doubtful(100.0)), (0.3, doubtful(100.0))]), ["0.3 raised 100"]);
    let told = story(
        &gas,
        &[
            (0.0, good(60.0)),
            (0.3, good(60.0)),
            (1.0, doubtful(0.0)),
            (100.0, doubtful(0.0)),
            (101.0, good(0.0)),
            (131.0, good(0.0)),
        ],
    );
    assert_eq!(told, ["0.3 raised 60", "131 cleared 0"], "what is doubtful never clears");
}

#[test]
fn gas_low_takes_two_in_a_row_and_five_seconds() {
    let gas = Condition {
        in_a_row: 2,
        on_delay: seconds(5.0),
        off_delay: seconds(60.0),
        deadband: 2.0,
        ..condition(Test::High { limit: 10.0 })
    };
    let told = story(&gas, &[(0.0, good(11.0)), (2.0, good(9.0)), (4.0, good(11.0)), (6.0, good(12.0))]);
    assert_eq!(told, ["11 raised 12"]);
}

#[test]
fn co_at_300_is_at_once_and_at_50_after_an_hour() {
    let at_once = Condition { median: 3, off_delay: seconds(60.0), ..condition(Test::High { limit: 300.0 }) };
    let three: Vec<_> = (0..3).map(|n| (f64::from(n) * 5.0, good(310.0))).collect();
    assert_eq!(story(&at_once, &three), ["10 raised 310"]);
    let dose =
        Condition { on_delay: seconds(3600.0), deadband: 5.0, ..condition(Test::High { limit: 50.0 }) };
    let hour: Vec<_> = (0..=721).map(|n| (f64::from(n) * 5.0, good(55.0))).collect();
    assert_eq!(story(&dose, &hour), ["3600 raised 55"]);
    assert_eq!(story(&dose, &hour[..700]), ["3600 raised 55"], "a delay does not wait for a reading");
    let mut broken = hour[..700].to_vec();
    broken.push((3500.0, good(40.0)));
    assert_eq!(story(&dose, &broken), [""; 0]);
}

#[test]
fn a_level_returns_by_its_deadband_for_five_minutes() {
    let level = Condition {
        median: 5,
        on_delay: seconds(60.0),
        off_delay: seconds(300.0),
        deadband: 0.05,
        ..condition(Test::High { limit: 3.30 })
    };
    let mut readings: Vec<(f64, Reading)> = Vec::new();
    let mut add = |values: &[f64], times: usize| {
        for value in std::iter::repeat_n(values, times).flatten() {
            readings.push((readings.len() as f64 * 5.0, good(*value)));
        }
    };
    add(&[3.20], 20);
    add(&[3.31, 3.32, 3.30], 10);
    add(&[3.27], 100);
    add(&[3.24], 70);
    let told = story(&level, &readings);
    assert_eq!(told, ["170 raised 3.31", "1060 cleared 3.24"]);
}

#[test]
fn low_is_high_upside_down() {
    let cold = Condition { deadband: 0.5, ..condition(Test::Low { limit: 0.0 }) };
    let told = story(&cold, &[(0.0, good(0.1)), (1.0, good(0.0)), (2.0, good(0.4)), (3.0, good(0.5))]);
    assert_eq!(told, ["1 raised 0", "3 cleared 0.5"]);
}

#[test]
fn dry_contact_wants_two_polls() {
    let contact = Condition { in_a_row: 2, off_delay: seconds(5.0), ..condition(Test::Active) };
    let told = story(
        &contact,
        &[
            (0.0, bit(true)),
            (1.0, bit(false)),
            (2.0, bit(true)),
            (3.0, bit(true)),
            (4.0, bit(false)),
            (9.0, bit(false)),
        ],
    );
    assert_eq!(told, ["3 raised true", "9 cleared false"]);
}

#[test]
fn an_enumeration_is_one_of_its_values() {
    let annunciator = condition(Test::Equal { values: vec![65.0, 66.0] });
    let told =
        story(&annunciator, &[(0.0, good(64.0)), (1.0, good(66.0)), (2.0, good(65.0)), (3.0, good(64.0))]);
    assert_eq!(told, ["1 raised 66", "3 cleared 64"]);
}

#[test]
fn a_call_counter_counts_from_what_was_committed_and_wraps() {
    let call = condition(Test::Difference { bits: 16 });
    let told = story(
        &call,
        &[(0.0, good(7.0)), (1.0, good(7.0)), (2.0, good(8.0)), (3.0, good(10.0)), (4.0, good(10.0))],
    );
    assert_eq!(told, ["2 raised +1", "3 again +2", "4 cleared 10"], "the first reading only sets the count");
    let mut restored = Judge::new(&call);
    restored.restore_count(65_534);
    assert_eq!(tell(&mut restored, &[(0.0, good(1.0))]), ["0 raised +3"]);
    assert_eq!(restored.count(), Some(1));
    for (count, expected) in [(32_767.0, "0 raised +32767"), (32_768.0, "0 went back to 32768")] {
        let mut judge = Judge::new(&call);
        judge.restore_count(0);
        assert_eq!(tell(&mut judge, &[(0.0, good(count))]), [expected]);
    }
    let mut wide = Judge::new(&condition(Test::Difference { bits: 32 }));
    wide.restore_count(u32::MAX);
    assert_eq!(tell(&mut wide, &[(0.0, good(0.0)), (1.0, good(f64::from(1u32 << 31)))])[0], "0 raised +1");
    let mut another = Judge::new(&call);
    another.restore_count(5);
    another.forget_count();
    assert_eq!(tell(&mut another, &[(0.0, good(900.0))]), [""; 0], "another unit starts anew");
}

#[test]
fn a_rise_is_a_slope_over_the_window_of_good_readings() {
    let window = seconds(1200.0);
    let rise = Condition { deadband: 0.1, ..condition(Test::RateOfRise { limit_per_hour: 0.5, window }) };
    let rising = |per_hour: f64, from: usize, to: usize| {
        (from..to).map(move |n| (n as f64 * 60.0, good(1.0 + per_hour * n as f64 / 60.0))).collect::<Vec<_>>()
    };
    assert_eq!(story(&rise, &rising(0.6, 0, 40)), ["600 raised 0.6"], "half the window is enough");
    assert_eq!(story(&rise, &rising(0.49, 0, 40)), [""; 0]);
    assert_eq!(story(&rise, &[(0.0, good(1.0)), (900.0, good(9.0))]), [""; 0], "two readings are no slope");
    let mut flat = rising(0.6, 0, 20);
    flat.extend((20..60).map(|n| (f64::from(n) * 60.0, good(1.2))));
    let told = story(&rise, &flat);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("cleared"), "{told:?}");
    let mut doubted = rising(0.0, 0, 20);
    doubted.push((1200.0, doubtful(99.0)));
    assert_eq!(story(&rise, &doubted), [""; 0], "only good readings make a slope");
}

#[test]
fn a_missing_reading_never_clears_and_restarts_the_delay_before_raising() {
    let delayed = Condition {
        on_delay: seconds(10.0),
        off_delay: seconds(10.0),
        ..condition(Test::High { limit: 1.0 })
    };
    let told = story(
        &delayed,
        &[
            (0.0, good(2.0)),
            (8.0, LOST),
            (9.0, good(2.0)),
            (20.0, good(0.0)),
            (25.0, good(0.0)),
            (26.0, LOST),
            (60.0, good(0.0)),
            (64.0, good(0.0)),
            (65.0, good(0.0)),
        ],
    );
    assert_eq!(told, ["19 raised 2", "65 cleared 0"], "5 s normal before the gap and 5 s after it");
    let active = condition(Test::Active);
    assert_eq!(story(&active, &[(0.0, bit(true)), (1.0, LOST), (1000.0, LOST)]), ["0 raised true"]);
    let mut lost = vec![(0.0, good(2.0)), (1.0, LOST)];
    assert_eq!(story(&delayed, &lost), [""; 0], "the delay does not run out while nothing is known");
    lost.push((2.0, good(2.0)));
    assert_eq!(story(&delayed, &lost), ["12 raised 2"]);
}

#[test]
fn after_a_restart_what_was_active_still_is() {
    let mut judge = Judge::new(&Condition { off_delay: seconds(10.0), ..condition(Test::Active) });
    judge.restore_active(true);
    let told = tell(&mut judge, &[(0.0, bit(true)), (1.0, bit(false)), (11.0, bit(false))]);
    assert_eq!(told, ["11 cleared false"], "not raised again, and cleared like any other");
}

#[test]
fn a_reading_of_another_type_decides_nothing() {
    for test in [
        Test::Active,
        Test::High { limit: 1.0 },
        Test::Equal { values: vec![1.0] },
        Test::Difference { bits: 16 },
    ] {
        let text = Reading::Good(Value::Text("1".into()));
        assert_eq!(story(&condition(test), &[(0.0, text)]), [""; 0]);
    }
}

fn tests() -> impl Strategy<Value = Test> {
    prop_oneof![
        any::<f64>().prop_map(|limit| Test::High { limit }),
        any::<f64>().prop_map(|limit| Test::Low { limit }),
        Just(Test::High { limit: 5.0 }),
        Just(Test::Active),
        Just(Test::Equal { values: vec![3.0] }),
        prop_oneof![Just(16u8), Just(32)].prop_map(|bits| Test::Difference { bits }),
        (any::<f64>(), 0u64..4000).prop_map(|(limit_per_hour, window)| Test::RateOfRise {
            limit_per_hour,
            window: Duration::from_secs(window),
        }),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    (tests(), any::<f64>(), 0u64..20_000, 0u64..20_000, any::<u8>(), any::<u8>(), any::<bool>()).prop_map(
        |(test, deadband, on, off, median, in_a_row, confirm)| Condition {
            deadband,
            on_delay: Duration::from_millis(on),
            off_delay: Duration::from_millis(off),
            median,
            in_a_row,
            confirm,
            ..condition(test)
        },
    )
}

fn readings() -> impl Strategy<Value = Reading> {
    prop_oneof![
        4 => (0u8..10).prop_map(|value| good(f64::from(value))),
        1 => any::<f64>().prop_map(good),
        1 => any::<f64>().prop_map(doubtful),
        2 => any::<bool>().prop_map(bit),
        2 => Just(LOST),
    ]
}

proptest! {
    /// Any numbers, any times in any order: no panic, and raised and cleared take turns.
    #[test]
    fn raised_and_cleared_take_turns(
        condition in conditions(),
        steps in proptest::collection::vec((0u64..10_000_000, readings()), 0..60),
        orderly in any::<bool>(),
    ) {
        let mut judge = Judge::new(&condition);
        let mut now = Instant::from_micros(0);
        let mut active = false;
        for (micros, reading) in &steps {
            now = if orderly { now + Duration::from_micros(*micros) } else { Instant::from_micros(*micros) };
            for judgement in [judge.woke(now), judge.reading(now, reading)].into_iter().flatten() {
                match judgement {
                    Judgement::Raised { .. } => { prop_assert!(!active); active = true; }
                    Judgement::Cleared { .. } => {
                        prop_assert!(active && matches!(reading, Reading::Good(_)));
                        active = false;
                    }
                    Judgement::Repeated { growth, .. } => prop_assert!(active && growth > 0),
                    Judgement::WentBack { .. } => {}
                }
            }
            prop_assert_eq!(active, judge.is_active());
        }
    }

    /// Without delays, missing readings may be put in anywhere: the same is judged.
    #[test]
    fn missing_readings_change_nothing(
        test in tests(),
        in_a_row in 1u8..4,
        median in prop_oneof![Just(1u8), Just(3), Just(5)],
        steps in proptest::collection::vec((readings(), 0u8..3), 0..40),
    ) {
        let condition = Condition { in_a_row, median, ..condition(test) };
        let (mut with, mut without) = (Judge::new(&condition), Judge::new(&condition));
        let mut now = Instant::from_micros(0);
        for (reading, missing) in steps {
            now = now + Duration::from_secs(60);
            for _ in 0..missing {
                prop_assert_eq!(with.reading(now, &LOST), None);
            }
            let expected = without.reading(now, &reading);
            prop_assert_eq!(with.reading(now, &reading), expected);
        }
    }

    /// More of it is never judged milder: whenever the lower series has raised, so has the higher one.
    #[test]
    fn a_higher_series_is_never_judged_milder(
        values in proptest::collection::vec((0u32..200, 0u32..50), 1..60),
        median in prop_oneof![Just(1u8), Just(3)],
        in_a_row in 1u8..3,
        on in 0u64..10_000,
        off in 0u64..10_000,
    ) {
        let condition = Condition {
            median,
            in_a_row,
            deadband: 5.0,
            on_delay: Duration::from_millis(on),
            off_delay: Duration::from_millis(off),
            ..condition(Test::High { limit: 100.0 })
        };
        let (mut low, mut high) = (Judge::new(&condition), Judge::new(&condition));
        let mut now = Instant::from_micros(0);
        for (value, more) in values {
            now = now + Duration::from_secs(1);
            for (judge, value) in [(&mut low, value), (&mut high, value + more)] {
                judge.woke(now);
                judge.reading(now, &good(f64::from(value)));
            }
            if low.is_active() && !high.is_active() {
                panic!("the higher series is not raised");
            }
        }
    }
}
