//! Somebody lives alone: no water, no open door for too long, and a person goes and looks. By day only; a leak, a lost
//! device, an unset clock and an empty flat are each something else.
use modbus_wire::Table;
use shouwang_core::meter::Measured;
use shouwang_message::{Clock, CommandName, WelfareSign};

use crate::devices::Manners;
use crate::pin;
use crate::site::{Site, id};
use crate::stage::Stage;

const HOUR: f64 = 3600.0;

/// Eight inputs that count, asked seldom: the stories last for days. They begin at 15:00 in China.
fn flat(sign: WelfareSign, point: &str, hours: u64) -> Stage {
    let site = Site::new().alarm_poll(10).state_poll(20).device("inputs-1", 21, "wirenboard-wb-mcm8");
    let mut stage = Stage::of(site.watched(sign, point, hours));
    // Clear of the reading that the module makes of its counter at first.
    draw(&mut stage, 65_530);
    let mut stage = stage.settle();
    stage.tape.shows_judgements_only = true;
    stage
}

/// The meter of 402 has counted so many litres in all.
fn draw(stage: &mut Stage, litres: u32) {
    let device = stage.device("inputs-1");
    device.set(Table::InputRegister, 60, (litres >> 16) as u16);
    device.set(Table::InputRegister, 61, litres as u16);
}

fn draws(stage: &mut Stage, litres: u32) {
    let device = stage.device("inputs-1");
    let known = [60, 61].map(|address| u32::from(device.get(Table::InputRegister, address)));
    draw(stage, (known[0] << 16 | known[1]) + litres);
}

fn door(stage: &mut Stage, is_open: bool) {
    stage.device("inputs-1").set(Table::DiscreteInput, 3, u16::from(is_open));
}

#[test]
fn no_water_since_yesterday_evening_is_told_in_the_morning_and_ends_with_the_tap() {
    let mut stage = flat(WelfareSign::Water, "pulse_count_0", 12);
    stage.says("15:00: somebody cooks, and at 17:00 once more");
    draws(&mut stage, 14);
    stage.run(2.0 * HOUR);
    draws(&mut stage, 9);
    stage.run(2.0 * HOUR);
    stage.says("19:00: nobody has drawn any water since 17:00; when twelve hours are over it is night");
    stage.run(12.0 * HOUR);
    stage.says("07:00: told since 06:00; then somebody washes");
    draws(&mut stage, 12);
    stage.run(60.0);
    pin!(stage);
}

#[test]
fn a_tap_that_drips_is_no_sign_of_life() {
    let mut stage = flat(WelfareSign::Water, "pulse_count_0", 12);
    stage.says("15:00: 6 litres an hour run away, day and night, and nobody is seen");
    for _ in 0..16 * 6 {
        draws(&mut stage, 1);
        stage.run(HOUR / 6.0);
    }
    stage.says("07:00: it stops, which is no sign of life either");
    stage.run(3.0 * HOUR);
    stage.says("10:00: somebody showers");
    draws(&mut stage, 40);
    stage.run(60.0);
    pin!(stage);
}

#[test]
fn a_door_that_does_not_open_is_told_after_a_day_and_one_that_does_is_not() {
    let mut stage = flat(WelfareSign::Door, "input_3", 24);
    stage.says("15:00: out and in");
    door(&mut stage, true);
    stage.run(60.0);
    door(&mut stage, false);
    stage.run(23.0 * HOUR);
    stage.says("14:00 on the next day: once more, and then it stands open for a day");
    door(&mut stage, true);
    stage.run(25.0 * HOUR);
    stage.says("15:00: somebody closes it");
    door(&mut stage, false);
    stage.run(60.0);
    pin!(stage);
}

#[test]
fn what_is_not_read_is_a_fault_and_never_no_activity() {
    let mut stage = flat(WelfareSign::Water, "pulse_count_0", 12);
    stage.says("15:00: the module is switched off for twenty hours");
    stage.run(0.5 * HOUR);
    stage.behaves("inputs-1", Manners::Dead);
    stage.run(20.0 * HOUR);
    stage.says("11:30: it is back, and twelve hours begin anew");
    stage.behaves("inputs-1", Manners::Good);
    stage.run(6.0 * HOUR);
    stage.says("17:30: nobody knows what time it is");
    stage.set_clock(0, Clock::Unset);
    stage.run(12.0 * HOUR);
    stage.says("05:30: twelve hours without water, by a clock that is set now; told when it is day");
    stage.set_clock(0, Clock::Synced);
    stage.run(HOUR);
    pin!(stage);
}

#[test]
fn away_and_in_hospital_are_paused_over_a_restart_and_end_by_themselves() {
    let mut stage = flat(WelfareSign::Water, "pulse_count_0", 12);
    stage.run(13.0 * HOUR);
    stage.says("04:00: her daughter calls: in hospital until tomorrow, 08:00");
    let pause = |stage: &mut Stage, minutes: Option<i64>, reason: Option<&str>| {
        let mut payload = stage.payload("u-7");
        payload.welfare = Some(id("flat-402"));
        payload.until = minutes.map(|minutes| stage.in_minutes(minutes));
        payload.reason = reason.map(Into::into);
        stage.commands(CommandName::Pause, &payload);
        stage.run(30.0);
    };
    pause(&mut stage, Some(28 * 60), Some("hospital"));
    stage.says("refused: no reason, a past end, half a year, no such rule");
    pause(&mut stage, Some(60), None);
    pause(&mut stage, Some(-60), Some("away"));
    pause(&mut stage, Some(180 * 24 * 60), Some("away"));
    let payload = stage.payload("u-7");
    stage.commands(CommandName::Pause, &payload);
    stage.run(10.0 * HOUR);
    stage.restart();
    stage.run(18.0 * HOUR);
    stage.says("08:02: the pause is over, twelve hours begin anew; told at 20:02");
    stage.run(12.5 * HOUR);
    stage.says("20:30: she is with her son: paused, and so the alarm is over at its source");
    pause(&mut stage, Some(24 * 60), Some("away"));
    stage.says("21:00: back already");
    pause(&mut stage, None, None);
    pin!(stage);
}

#[test]
fn a_kill_forgets_no_sign_of_life_and_no_quiet() {
    let mut stage = flat(WelfareSign::Water, "pulse_count_0", 12);
    stage.run(10.0 * HOUR);
    stage.says("01:00: somebody draws twelve litres, and the process is killed");
    draws(&mut stage, 12);
    stage.run(25.0);
    stage.restart();
    stage.run(11.5 * HOUR);
    stage.says("12:30: eleven hours and a half since: nothing");
    stage.restart();
    stage.run(HOUR);
    stage.says("13:30: told, and not again by a restart");
    stage.restart();
    stage.run(HOUR);
    pin!(stage);
}

#[test]
fn rain_and_water_are_counted_over_a_wrap_and_both_restarts() {
    let site = Site::new().state_poll(5).alarm_poll(5).device("inputs-1", 21, "wirenboard-wb-mcm8");
    let site = site.metered("rain-bridge", Measured::Rain, "press_count_1", 0.2).metered(
        "water-402",
        Measured::Water,
        "pulse_count_0",
        0.001,
    );
    let mut stage = Stage::of(site);
    draw(&mut stage, u32::MAX - 2);
    stage.device("inputs-1").set(Table::InputRegister, 465, 65_530);
    let mut stage = stage.settle();
    let values = |stage: &Stage| {
        let told = stage.retained("inputs-1/values").concat();
        let json = told.split_once(' ').map(|(_, json)| json.to_owned()).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        ["rain-bridge_1h", "rain-bridge_24h", "water-402_total"]
            .map(|name| json["values"][name]["value"].as_f64().unwrap_or(-1.0))
    };
    stage.run(60.0);
    assert_eq!(values(&stage), [0.0, 0.0, 0.0]);
    draw(&mut stage, 9);
    stage.device("inputs-1").set(Table::InputRegister, 465, 4);
    stage.run(60.0);
    assert_eq!(values(&stage), [2.0, 2.0, 0.012], "over both wraps");
    stage.restart();
    draw(&mut stage, 20);
    stage.run(60.0);
    assert_eq!(values(&stage), [2.0, 2.0, 0.023], "what came while we were away");
    draw(&mut stage, 5);
    stage.device("inputs-1").set(Table::InputRegister, 465, 1);
    stage.run(60.0);
    assert_eq!(values(&stage), [2.2, 2.2, 0.028], "the module began anew");
    stage.run(1.1 * HOUR);
    assert_eq!(values(&stage), [0.0, 2.2, 0.028]);
    stage.behaves("inputs-1", Manners::Dead);
    stage.run(120.0);
    assert_eq!(values(&stage), [-1.0, -1.0, -1.0], "unknown is not nothing");
}
