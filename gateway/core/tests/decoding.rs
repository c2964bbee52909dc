//! Registers in, readings out: every kind of point, every reason for no value, and what other
//! registers have to say about it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#[path = "support/devices.rs"]
mod devices;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use devices::{device, point, profile};
use proptest::prelude::*;
use shouwang_core::configuration::DeviceSettings;
use shouwang_core::decode::{Raw, decode, raw_u32, round_to};
use shouwang_core::decoder::{Answer, Decoder};
use shouwang_core::plan::Block;
use shouwang_core::profile::{
    Condition, FaultCode, IdentityCheck, Kind, Measures, Point, PollClass, Profile, Raises, StatusBit, Table,
    Test, WarmUp, WordOrder,
};
use shouwang_core::reading::{NoData, Reading};
use shouwang_message::{Class, Priority, Text, Value};

fn holding(kind: Kind) -> Point {
    point("p", Table::HoldingRegister, 0, kind)
}

fn read(point: Point, words: &[u16]) -> Reading {
    read_as(Class::Air, point, words)
}

fn read_as(class: Class, point: Point, words: &[u16]) -> Reading {
    let device = device(profile(class, vec![point]));
    decode(&device.profile.points[0], &device, &Raw::Words(words), None)
}

fn number(number: f64) -> Reading {
    Reading::Good(Value::Number(number))
}

#[test]
fn every_kind_means_what_it_says() {
    let table: &[(Kind, &[u16], Reading)] = &[
        (Kind::U16, &[0xFFFF], number(65535.0)),
        (Kind::I16, &[0xFFFF], number(-1.0)),
        (Kind::I16, &[0x8000], number(-32768.0)),
        (Kind::HighByte, &[0x12AB], number(18.0)),
        (Kind::LowByte, &[0x12AB], number(171.0)),
        (Kind::Bits { shift: 4, width: 3 }, &[0b1101_0000], number(5.0)),
        (Kind::Bits { shift: 0, width: 16 }, &[0xFFFF], number(65535.0)),
        (Kind::Bcd, &[0x0209], number(209.0)),
        (Kind::Bcd, &[0x020A], Reading::Bad(NoData::ErrorValue)),
        (Kind::Bcd, &[0xF000], Reading::Bad(NoData::ErrorValue)),
        (Kind::Bool { bit: None, active_when: true }, &[1], Reading::Good(Value::Bool(true))),
        (Kind::Bool { bit: None, active_when: false }, &[0], Reading::Good(Value::Bool(true))),
        (Kind::Bool { bit: None, active_when: true }, &[2], Reading::Bad(NoData::ErrorValue)),
        (Kind::Bool { bit: Some(15), active_when: true }, &[0x8000], Reading::Good(Value::Bool(true))),
        (Kind::Bool { bit: Some(3), active_when: false }, &[0x0008], Reading::Good(Value::Bool(false))),
        (Kind::Ascii { registers: 2 }, &[0x4348, 0x3400], Reading::Good(Value::Text("CH4".into()))),
        (Kind::Ascii { registers: 1 }, &[0x1B5B], Reading::Bad(NoData::ErrorValue)),
    ];
    for (kind, words, expected) in table {
        assert_eq!(read(holding(*kind), words), *expected, "{kind:?} {words:04X?}");
    }
}

#[test]
fn the_four_word_orders_are_told_apart_by_one_value() {
    // 3.41 as installer-and-ops.md has it: 3D71 405A is CDAB.
    let mut level = holding(Kind::F32(WordOrder::Cdab));
    level.decimals = 2;
    assert_eq!(read(level, &[0x3D71, 0x405A]), number(3.41));
    for (order, words) in [
        (WordOrder::Abcd, [0x0102, 0x0304]),
        (WordOrder::Cdab, [0x0304, 0x0102]),
        (WordOrder::Dcba, [0x0403, 0x0201]),
        (WordOrder::Badc, [0x0201, 0x0403]),
    ] {
        assert_eq!(read(holding(Kind::U32(order)), &words), number(f64::from(0x0102_0304)), "{order:?}");
    }
    assert_eq!(read(holding(Kind::I32(WordOrder::Abcd)), &[0xFFFF, 0xFFFE]), number(-2.0));
}

#[test]
fn floats_that_are_no_numbers_say_why() {
    let float = || holding(Kind::F32(WordOrder::Abcd));
    assert_eq!(read(float(), &[0x7FC0, 0]), Reading::Bad(NoData::NotANumber));
    assert_eq!(read(float(), &[0x7F80, 0]), Reading::Bad(NoData::Infinite));
    assert_eq!(read(float(), &[0xFF80, 0]), Reading::Bad(NoData::Infinite));
}

#[test]
fn error_values_and_enumerations_are_raw() {
    let mut temperature = holding(Kind::I16);
    temperature.scale.denominator = 100;
    temperature.decimals = 2;
    temperature.error_values = vec![(0x7FFF, NoData::ErrorValue), (0xFFFE, NoData::NotSupported)];
    assert_eq!(read(temperature.clone(), &[0x7FFF]), Reading::Bad(NoData::ErrorValue));
    assert_eq!(read(temperature.clone(), &[0xFFFE]), Reading::Bad(NoData::NotSupported));
    assert_eq!(read(temperature, &[2150]), number(21.5));
    let mut state = holding(Kind::U16);
    state.meanings = vec![(64, Text::new("返回", "returned")), (65, Text::new("动作", "active"))];
    assert_eq!(read(state.clone(), &[65]), number(65.0));
    assert_eq!(read(state, &[70]), Reading::Bad(NoData::ErrorValue));
}

#[test]
fn out_of_range_is_no_value_but_too_much_gas_still_raises() {
    let mut gas = holding(Kind::I16);
    gas.range = Some((-10.0, 100.0));
    assert_eq!(read_as(Class::Air, gas.clone(), &[101]), Reading::Bad(NoData::OutOfRange));
    assert_eq!(
        read_as(Class::Gas, gas.clone(), &[101]),
        Reading::Uncertain(Value::Number(100.0), NoData::OutOfRange)
    );
    assert_eq!(read_as(Class::Gas, gas.clone(), &[100]), number(100.0));
    assert_eq!(read_as(Class::Gas, gas, &[0xFFF5]), Reading::Bad(NoData::OutOfRange));
}

#[test]
fn a_place_turns_depth_and_distance_into_a_level() {
    let mut depth = holding(Kind::U16);
    depth.scale.unit_from_device = true;
    depth.unit = Some("m".into());
    depth.decimals = 3;
    depth.measures = Measures::Depth;
    let mut probe = device(profile(Class::WaterLevel, vec![depth.clone()]));
    let said = |device: &DeviceSettings, point: &Point, raw| decode(point, device, &Raw::Words(&[raw]), None);
    assert_eq!(said(&probe, &depth, 153), Reading::Bad(NoData::ConfigMismatch), "nobody stated the unit");
    probe.installed.unit = Some("mm".into());
    assert_eq!(said(&probe, &depth, 153), number(0.153));
    probe.installed.dry_offset_m = Some(0.026);
    probe.installed.datum_m = Some(3.0);
    assert_eq!(said(&probe, &depth, 153), number(3.127));
    probe.installed.unit = Some("degC".into());
    assert_eq!(said(&probe, &depth, 153), Reading::Bad(NoData::ConfigMismatch));

    let mut distance = holding(Kind::U16);
    distance.scale.denominator = 100;
    distance.unit = Some("m".into());
    distance.decimals = 2;
    distance.measures = Measures::Distance;
    let mut radar = device(profile(Class::WaterLevel, vec![distance.clone()]));
    assert_eq!(said(&radar, &distance, 120), Reading::Bad(NoData::ConfigMismatch), "hung at no height");
    radar.installed.mounting_height_m = Some(5.0);
    assert_eq!(said(&radar, &distance, 120), number(3.8));
}

#[test]
fn rounding_needs_no_library() {
    for (value, decimals, expected) in [
        (65.84999, 1, 65.8),
        (0.05, 1, 0.1),
        (-10.15, 1, -10.2),
        (2.5, 0, 3.0),
        (-2.5, 0, -3.0),
        (1e300, 6, 1e300),
        (0.1 + 0.2, 6, 0.3),
    ] {
        assert_eq!(round_to(value, decimals), expected, "{value} to {decimals}");
    }
    assert!(round_to(-0.01, 1).is_sign_positive(), "no minus zero on a page");
}

fn block(count: u16, points: &[usize]) -> Block {
    Block {
        table: Table::HoldingRegister,
        address: 0,
        count,
        class: PollClass::State,
        points: points.to_vec(),
    }
}

/// Holding registers 0.. of u16, as many as asked for.
fn registers(count: u16) -> Vec<Point> {
    (0..count)
        .map(|address| point(&format!("p{address}"), Table::HoldingRegister, address, Kind::U16))
        .collect()
}

fn decoder(profile: Profile) -> (DeviceSettings, Decoder) {
    let device = device(profile);
    let decoder = Decoder::new(&device, &BTreeMap::new());
    (device, decoder)
}

#[test]
fn decimals_wait_for_their_register_and_then_hold_for_the_same_block() {
    let mut points = registers(2);
    points[0].scale.decimals_from = Some(1);
    points[0].decimals = 3;
    let (device, mut decoder) = decoder(profile(Class::Air, points));
    let profile = Arc::clone(&device.profile);
    decoder.answered(&device, &block(1, &[0]), Answer::Words(&[1234]));
    assert_eq!(decoder.reading(&profile, 0), Reading::Bad(NoData::NotYet));
    decoder.answered(&device, &block(2, &[0, 1]), Answer::Words(&[1234, 2]));
    assert_eq!(decoder.reading(&profile, 0), number(12.34));
    decoder.answered(&device, &block(2, &[0, 1]), Answer::Words(&[1234, 200]));
    assert_eq!(decoder.reading(&profile, 0), Reading::Bad(NoData::ErrorValue));
}

#[test]
fn a_frozen_register_that_moves_spoils_the_quantities_and_is_told_once_to_be_kept() {
    let mut points = registers(2);
    points[1].frozen = true;
    points.push(point("bit", Table::HoldingRegister, 2, Kind::Bool { bit: Some(0), active_when: true }));
    let profile = profile(Class::Air, points);
    let (device, mut first) = decoder(profile.clone());
    let all = block(3, &[0, 1, 2]);
    first.answered(&device, &all, Answer::Words(&[7, 17, 1]));
    assert_eq!(first.take_newly_frozen(), [("p1".to_owned(), 17)]);
    assert_eq!(first.take_newly_frozen(), []);
    let news = first.answered(&device, &block(2, &[1]), Answer::Words(&[0, 18]));
    assert_eq!(news, [0, 1], "the spoiled quantity is news, the state is not");
    assert_eq!(first.reading(&profile, 0), Reading::Bad(NoData::ConfigMismatch));
    assert_eq!(first.reading(&profile, 2), Reading::Good(Value::Bool(true)));
    assert_eq!(first.implausible(&profile, 0), Some(NoData::ConfigMismatch));

    let stored = BTreeMap::from([("p1".to_owned(), 18)]);
    let mut restarted = Decoder::new(&device, &stored);
    restarted.answered(&device, &all, Answer::Words(&[7, 17, 1]));
    assert!(restarted.is_mismatched(), "what was frozen before the restart holds");
    let mut configured = device.clone();
    configured.installed.frozen = BTreeMap::from([("p1".to_owned(), 17)]);
    let mut restarted = Decoder::new(&configured, &stored);
    restarted.answered(&configured, &all, Answer::Words(&[7, 17, 1]));
    assert!(!restarted.is_mismatched(), "the configuration wins");
}

#[test]
fn a_status_bit_spoils_others_in_other_blocks_too() {
    let mut points = registers(1);
    points.push(point("fault", Table::DiscreteInput, 0, Kind::Bool { bit: None, active_when: true }));
    let mut profile = profile(Class::Air, points);
    profile.status_bits = vec![StatusBit { point: 1, spoils: vec![0], why: NoData::Status }];
    let (device, mut decoder) = decoder(profile.clone());
    decoder.answered(&device, &block(1, &[0]), Answer::Words(&[5]));
    let inputs = Block { table: Table::DiscreteInput, ..block(1, &[1]) };
    assert_eq!(decoder.answered(&device, &inputs, Answer::Bits(&[true])), [0, 1]);
    assert_eq!(decoder.reading(&profile, 0), Reading::Bad(NoData::Status));
    assert_eq!(decoder.answered(&device, &inputs, Answer::Bits(&[true])), [1], "no news twice");
    decoder.answered(&device, &inputs, Answer::Bits(&[false]));
    assert_eq!(decoder.reading(&profile, 0), number(5.0));
}

#[test]
fn a_value_whose_status_is_unknown_may_raise_and_not_clear() {
    let mut points = registers(1);
    points.push(point("fault", Table::DiscreteInput, 0, Kind::Bool { bit: None, active_when: true }));
    let mut profile = profile(Class::Air, points);
    profile.status_bits = vec![StatusBit { point: 1, spoils: vec![0], why: NoData::Status }];
    let (device, mut decoder) = decoder(profile.clone());
    let uncertain = |why| Reading::Uncertain(Value::Number(5.0), why);
    decoder.answered(&device, &block(1, &[0]), Answer::Words(&[5]));
    assert_eq!(decoder.reading(&profile, 0), uncertain(NoData::NotYet));
    let inputs = Block { table: Table::DiscreteInput, ..block(1, &[1]) };
    decoder.answered(&device, &inputs, Answer::Bits(&[false]));
    assert_eq!(decoder.reading(&profile, 0), number(5.0));
    decoder.answered(&device, &inputs, Answer::Nothing(NoData::Timeout));
    assert_eq!(decoder.reading(&profile, 0), uncertain(NoData::Timeout));
}

#[test]
fn warming_up_inhibits_the_alarm_and_not_the_faults() {
    let mut points = registers(2);
    points.push(point("fault", Table::HoldingRegister, 2, Kind::Bool { bit: None, active_when: true }));
    let mut profile = profile(Class::Gas, points);
    profile.conditions = vec![Condition {
        name: "fault".into(),
        text: Text::new("故障", "fault"),
        point: 2,
        test: Test::Active,
        raises: Raises::Fault(FaultCode::DeviceFault),
        priority: Priority::Ordinary,
        latched: false,
        deadband: 0.0,
        on_delay: Duration::ZERO,
        off_delay: Duration::ZERO,
        median: 1,
        in_a_row: 1,
        confirm: false,
        suppressed_by: None,
        override_reason: None,
    }];
    profile.warm_up = Some(WarmUp::SecondsLeft(1));
    let (device, mut seconds) = decoder(profile.clone());
    seconds.answered(&device, &block(3, &[0, 1, 2]), Answer::Words(&[80, 30, 1]));
    assert_eq!(seconds.reading(&profile, 0), Reading::Bad(NoData::Warmup));
    assert_eq!(seconds.reading(&profile, 1), number(30.0));
    assert_eq!(seconds.reading(&profile, 2), Reading::Good(Value::Bool(true)));
    seconds.answered(&device, &block(3, &[0, 1, 2]), Answer::Words(&[80, 0, 1]));
    assert_eq!(seconds.reading(&profile, 0), number(80.0));

    profile.warm_up = Some(WarmUp::AfterReturn(Duration::from_secs(180)));
    let (device, mut returned) = decoder(profile.clone());
    returned.answered(&device, &block(3, &[0, 1, 2]), Answer::Words(&[80, 0, 1]));
    assert_eq!(returned.reading(&profile, 0), number(80.0), "never after our own restart");
    returned.set_warming(true);
    assert_eq!(returned.reading(&profile, 0), Reading::Bad(NoData::Warmup));
}

#[test]
fn another_model_says_nothing_and_freezes_nothing() {
    let mut points = registers(2);
    points[0].frozen = true;
    let mut profile = profile(Class::Call, points);
    profile.identity =
        vec![IdentityCheck { table: Table::HoldingRegister, address: 1, expected: vec![1, 2] }];
    let (device, mut decoder) = decoder(profile.clone());
    assert!(!decoder.is_trusted());
    decoder.answered(&device, &block(2, &[0, 1]), Answer::Words(&[9, 3]));
    assert!(decoder.is_wrong_identity());
    assert_eq!(decoder.reading(&profile, 0), Reading::Bad(NoData::WrongIdentity));
    assert_eq!(decoder.take_newly_frozen(), []);
    decoder.answered(&device, &block(2, &[0, 1]), Answer::Words(&[9, 2]));
    assert!(decoder.is_trusted());
    assert_eq!(decoder.reading(&profile, 0), number(9.0));
    decoder.answered(&device, &block(2, &[0, 1]), Answer::Nothing(NoData::Exception(2)));
    assert!(decoder.is_wrong_identity(), "it does not even have the register");
}

#[test]
fn being_lost_forgets_everything_it_said() {
    let (device, mut decoder) = decoder(profile(Class::Air, registers(1)));
    let profile = Arc::clone(&device.profile);
    decoder.answered(&device, &block(1, &[0]), Answer::Words(&[5]));
    assert_eq!(decoder.raw(0), Some(5));
    decoder.answered(&device, &block(1, &[0]), Answer::Nothing(NoData::Timeout));
    assert_eq!(decoder.reading(&profile, 0), Reading::Bad(NoData::Timeout));
    assert_eq!(decoder.lost(NoData::Timeout), [0]);
    assert_eq!(decoder.raw(0), None);
}

#[test]
fn a_short_spike_out_of_range_shows_the_last_value_then_none() {
    let mut points = registers(1);
    points[0].range = Some((0.0, 100.0));
    let (device, mut decoder) = decoder(profile(Class::WaterLevel, points));
    let profile = Arc::clone(&device.profile);
    let all = block(1, &[0]);
    decoder.answered(&device, &all, Answer::Words(&[50]));
    for _ in 0..2 {
        decoder.answered(&device, &all, Answer::Words(&[60_000]));
        let held = Reading::Uncertain(Value::Number(50.0), NoData::OutOfRange);
        assert_eq!(decoder.reading(&profile, 0), held);
        assert_eq!(decoder.implausible(&profile, 0), None);
    }
    decoder.answered(&device, &all, Answer::Words(&[60_000]));
    assert_eq!(decoder.reading(&profile, 0), Reading::Bad(NoData::OutOfRange));
    assert_eq!(decoder.implausible(&profile, 0), Some(NoData::OutOfRange));
    decoder.answered(&device, &all, Answer::Words(&[51]));
    assert_eq!(decoder.reading(&profile, 0), number(51.0));
}

fn kinds() -> impl Strategy<Value = Kind> {
    let order = prop_oneof![
        Just(WordOrder::Abcd),
        Just(WordOrder::Cdab),
        Just(WordOrder::Dcba),
        Just(WordOrder::Badc)
    ];
    prop_oneof![
        Just(Kind::U16),
        Just(Kind::I16),
        Just(Kind::Bcd),
        Just(Kind::HighByte),
        (any::<u8>(), any::<u8>()).prop_map(|(shift, width)| Kind::Bits { shift, width }),
        (proptest::option::of(any::<u8>()), any::<bool>())
            .prop_map(|(bit, active_when)| Kind::Bool { bit, active_when }),
        order.clone().prop_map(Kind::U32),
        order.clone().prop_map(Kind::I32),
        order.prop_map(Kind::F32),
        any::<u8>().prop_map(|registers| Kind::Ascii { registers }),
    ]
}

proptest! {
    /// Whatever the words, the scale and their number: a reading, and every number in it is finite.
    #[test]
    fn any_words_give_a_reading(
        kind in kinds(),
        words in proptest::collection::vec(any::<u16>(), 0..6),
        numerator in any::<i64>(),
        denominator in 1i64..=i64::MAX,
        offset in any::<f64>(),
        decimals in any::<u8>(),
        announced in proptest::option::of(any::<u32>()),
        unit in proptest::option::of("[a-zA-Z%]{1,4}"),
    ) {
        let mut any = holding(kind);
        any.scale.numerator = numerator;
        any.scale.denominator = denominator;
        any.scale.offset = offset;
        any.scale.decimals_from = announced.map(|_| 0);
        any.scale.unit_from_device = unit.is_some();
        any.unit = Some("m".into());
        any.decimals = decimals;
        let mut device = device(profile(Class::Gas, vec![any.clone()]));
        device.installed.unit = unit;
        for raw in [Raw::Words(&words), Raw::Bit(true)] {
            let _ = raw_u32(&any, &raw);
            if let Some(Value::Number(number)) = decode(&any, &device, &raw, announced).value() {
                prop_assert!(number.is_finite());
            }
        }
    }

    /// A scaled u16 is the decimal fraction a person would write down.
    #[test]
    fn scales_are_exact(raw in any::<u16>(), places in 0u8..=4) {
        let mut scaled = holding(Kind::U16);
        scaled.scale.denominator = 10i64.pow(u32::from(places));
        scaled.decimals = places;
        let text = format!("{raw:0width$}", width = usize::from(places) + 1);
        let (whole, fraction) = text.split_at(text.len() - usize::from(places));
        let expected: f64 = format!("{whole}.{fraction}0").parse().unwrap();
        prop_assert_eq!(read(scaled, &[raw]), number(expected));
    }
}
