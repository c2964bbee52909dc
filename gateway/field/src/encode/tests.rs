//! Encoding is the way back of decoding: what the core reads is what was set.
use std::sync::Arc;

use proptest::prelude::*;
use shouwang_core::configuration::{DeviceSettings, Installed};
use shouwang_core::decode::{Raw, decode};
use shouwang_core::profile::{Kind, Table, WordOrder};
use shouwang_core::reading::{NoData, Reading};
use shouwang_message::{Class, Place, Text};

use super::*;
use crate::made;

fn settings() -> DeviceSettings {
    DeviceSettings {
        id: "one".parse().unwrap(),
        line: 0,
        unit_id: 1,
        profile: Arc::new(made::profile("one", Class::Air, vec![])),
        conditions: vec![],
        place: Place::default(),
        installed: Installed { unit: Some("mm".into()), ..Installed::default() },
    }
}

fn holding(kind: Kind) -> Point {
    made::point("it", Table::HoldingRegister, 0, kind)
}

const PLAIN: Scaling = Scaling { decimals: 0, unit_factor: 1.0 };

fn read_back(point: &Point, encoded: &Encoded, decimals: Option<u32>) -> Reading {
    let words = match encoded {
        Encoded::Words(words) => words.clone(),
        // The bits of others are all set, to show that they do not matter.
        Encoded::Part { mask, word } => vec![!mask | word],
    };
    decode(point, &settings(), &Raw::Words(&words), decimals)
}

fn any_order() -> impl Strategy<Value = WordOrder> {
    prop_oneof![Just(WordOrder::Abcd), Just(WordOrder::Cdab), Just(WordOrder::Dcba), Just(WordOrder::Badc)]
}

/// A numeric kind and a raw value that it can hold.
fn any_number() -> impl Strategy<Value = (Kind, i64)> {
    prop_oneof![
        any::<u16>().prop_map(|raw| (Kind::U16, i64::from(raw))),
        any::<i16>().prop_map(|raw| (Kind::I16, i64::from(raw))),
        (any_order(), any::<u32>()).prop_map(|(order, raw)| (Kind::U32(order), i64::from(raw))),
        (any_order(), any::<i32>()).prop_map(|(order, raw)| (Kind::I32(order), i64::from(raw))),
        any::<u8>().prop_map(|raw| (Kind::HighByte, i64::from(raw))),
        any::<u8>().prop_map(|raw| (Kind::LowByte, i64::from(raw))),
        (0..=9999_i64).prop_map(|raw| (Kind::Bcd, raw)),
        (0..16_u8, 1..=16_u8, any::<u16>()).prop_map(|(shift, width, raw)| {
            let width = width.min(16 - shift);
            (Kind::Bits { shift, width }, i64::from(raw) & ((1 << width) - 1))
        }),
    ]
}

proptest! {
    #[test]
    fn a_number_survives_the_way_there_and_back(
        (kind, raw) in any_number(),
        denominator in prop_oneof![Just(1_i64), Just(10), Just(100)],
        decimals in 0..=3_u32,
        in_mm in any::<bool>(),
    ) {
        let mut point = holding(kind);
        point.scale.denominator = denominator;
        point.scale.offset = -10.0;
        point.scale.decimals_from = Some(0);
        point.scale.unit_from_device = in_mm;
        point.unit = Some("m".into());
        point.decimals = 9;
        let scaling = Scaling { decimals, unit_factor: 0.001 };
        let value = (raw as f64 / denominator as f64 / 10_f64.powi(decimals.cast_signed()) - 10.0)
            * if in_mm { 0.001 } else { 1.0 };
        let encoded = encode(&point, &Value::Number(value), scaling).unwrap();
        let Reading::Good(Value::Number(read)) = read_back(&point, &encoded, Some(decimals)) else {
            return Err(TestCaseError::fail("no good number"));
        };
        prop_assert!((read - value).abs() <= value.abs() * 1e-12 + 1e-8, "{value} became {read}");
    }

    #[test]
    fn a_state_survives_the_way_there_and_back(bit in proptest::option::of(0..16_u8), active_when: bool, state: bool) {
        let point = holding(Kind::Bool { bit, active_when });
        let encoded = encode(&point, &Value::Bool(state), PLAIN).unwrap();
        prop_assert_eq!(read_back(&point, &encoded, None), Reading::Good(Value::Bool(state)));
    }

    #[test]
    fn a_float_survives_the_way_there_and_back(order in any_order(), value in -1.0e6_f32..1.0e6) {
        let mut point = holding(Kind::F32(order));
        point.decimals = 9;
        let encoded = encode(&point, &Value::Number(f64::from(value)), PLAIN).unwrap();
        let Reading::Good(Value::Number(read)) = read_back(&point, &encoded, None) else {
            return Err(TestCaseError::fail("no good number"));
        };
        prop_assert!((read - f64::from(value)).abs() < 1e-8);
    }

    #[test]
    fn a_text_survives_the_way_there_and_back(text in "[!-~]{0,8}") {
        let point = holding(Kind::Ascii { registers: 4 });
        let encoded = encode(&point, &Value::Text(text.clone()), PLAIN).unwrap();
        prop_assert_eq!(read_back(&point, &encoded, None), Reading::Good(Value::Text(text)));
    }
}

#[test]
fn what_is_no_number_can_be_said_where_the_device_can() {
    let float = holding(Kind::F32(WordOrder::Abcd));
    let say =
        |text: &str| read_back(&float, &encode(&float, &Value::Text(text.into()), PLAIN).unwrap(), None);
    assert_eq!(say("nan"), Reading::Bad(NoData::NotANumber));
    assert_eq!(say("inf"), Reading::Bad(NoData::Infinite));
    assert_eq!(say("-inf"), Reading::Bad(NoData::Infinite));
    assert!(encode(&holding(Kind::U16), &Value::Text("nan".into()), PLAIN).is_err());
}

#[test]
fn a_value_that_would_mean_something_else_is_refused() {
    let mut temperature = holding(Kind::I16);
    temperature.scale.denominator = 100;
    temperature.error_values = vec![(0x7FFF, NoData::ErrorValue)];
    assert!(encode(&temperature, &Value::Number(327.67), PLAIN).unwrap_err().contains("no value"));
    assert!(encode(&temperature, &Value::Number(327.66), PLAIN).is_ok());
    assert!(encode(&temperature, &Value::Number(-330.0), PLAIN).unwrap_err().contains("does not fit"));
    assert!(encode(&temperature, &Value::Number(f64::NAN), PLAIN).is_err());
    assert!(encode(&holding(Kind::Ascii { registers: 1 }), &Value::Text("abc".into()), PLAIN).is_err());
}

#[test]
fn an_enumeration_takes_its_meanings_and_its_numbers() {
    let mut state = holding(Kind::U16);
    state.meanings = vec![(64, Text::new("正常", "returned")), (65, Text::new("报警", "active"))];
    for value in [Value::Number(65.0), Value::Text("active".into()), Value::Text("报警".into())] {
        assert_eq!(encode(&state, &value, PLAIN), Ok(Encoded::Words(vec![65])));
    }
    assert!(encode(&state, &Value::Number(66.0), PLAIN).unwrap_err().contains("65 (active)"));
    assert!(encode(&state, &Value::Text("asleep".into()), PLAIN).unwrap_err().contains("active"));
}
