//! What happens to a press.
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use call_button::Display;
use modbus_wire::rtu;
use rustix::fs::OFlags;
use serde_json::{Value, json};
use shouwang_tests::clock;

use crate::house::{House, LIMIT, name};
use crate::transcript::hex;

const UNIT_ID: u16 = 0x07D0;
/// An answer takes 50 ms at most; an emulator on a busy machine may take longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 20;

#[test]
fn a_press_is_heard_seen_and_answered_and_the_lamp_says_so() {
    let mut house = House::with_one_button("a press, heard, acknowledged, somebody is coming");
    house.wait_for_lamp(0, Display::Idle);
    let pressed = house.press(0, 1);
    let call = house.wait_for_call(1, 1);
    house.wait_for_indicator(1, pressed, 1);
    house.wait_for_lamp(0, Display::Heard);
    house.acknowledge(&call);
    house.wait_for_indicator(1, pressed, 2);
    house.wait_for_lamp(0, Display::Seen);
    house.comes(&call);
    house.wait_for_indicator(1, pressed, 3);
    house.wait_for_lamp(0, Display::Coming);
    assert_eq!(house.echoes(1, pressed), [1], "the committed count was given back");
    assert_eq!(house.indicators(1, pressed), [1, 2, 3], "the lamp was told each step, in order");
    assert_eq!(house.raised(), 1);
    house.close();
}

#[test]
fn a_press_while_the_line_is_cut_arrives_later_with_its_age() {
    let mut house = House::with_one_button("a press while the line is cut");
    house.set_cut(true);
    let pressed = house.press(0, 1);
    house.wait_for_lamp(0, Display::Calling);
    house.listener.wait_for_device(LIMIT, &name(1), "lost");
    house.says("the gateway has noticed that the unit is lost");
    assert_eq!(house.raised(), 0, "nobody can know of the press yet");
    let cut = pressed.elapsed().as_secs_f64();
    house.set_cut(false);
    let call = house.wait_for_call(1, 1);
    let age_s = call["value"].as_f64().unwrap_or_else(|| panic!("the press has an age: {call}"));
    // The emulator's clock may run slow, never fast.
    let whole = pressed.elapsed().as_secs_f64();
    assert!((cut / 2.0..=whole + 1.0).contains(&age_s), "cut for {cut} s, {whole} s in all, age {age_s} s");
    house.wait_for_indicator(1, pressed, 1);
    house.wait_for_lamp(0, Display::Heard);
    house.close();
}

#[test]
fn three_presses_are_one_call_and_a_press_after_acknowledge_asks_again() {
    let mut house = House::with_one_button("three presses; and one more after somebody acknowledged");
    let pressed = house.press(0, 3);
    let call = house.wait_for_call(1, 3);
    assert_eq!(house.raised(), 1, "one call");
    house.wait_for_indicator(1, pressed, 1);
    house.acknowledge(&call);
    house.wait_for_indicator(1, pressed, 2);

    let again = house.press(0, 1);
    let repeated = house.wait_for_call(1, 4);
    assert_eq!(repeated["id"], call["id"], "still the same call, asking anew");
    assert_eq!(house.raised(), 1);
    house.wait_for_indicator(1, again, 1);
    house.wait_for_lamp(0, Display::Heard);
    assert_eq!(house.echoes(1, again), [4], "the new count was given back");
    house.acknowledge(&repeated);
    house.wait_for_indicator(1, again, 2);
    assert_eq!(house.indicators(1, again), [1, 2], "the lamp went back and then on again");
    house.close();
}

#[test]
fn a_reset_between_press_and_read_loses_nothing() {
    let mut house = House::with_one_button("a reset before anybody has read the press");
    house.wait_for_value(1, "boot_count", &json!(1));
    house.set_cut(true);
    let pressed = house.press(0, 1);
    house.wait_for_lamp(0, Display::Calling);
    house.reset(0);
    house.wait_for_lamp(0, Display::Calling);
    house.set_cut(false);
    let call = house.wait_for_call(1, 1);
    assert_eq!(call["value"], Value::Null, "a unit that was reset cannot say when it was pressed");
    house.wait_for_indicator(1, pressed, 1);
    house.wait_for_lamp(0, Display::Heard);
    assert_eq!(house.echoes(1, pressed), [1], "the count survived: pressed once");
    // It was reset indeed.
    house.wait_for_value(1, "boot_count", &json!(2));
    house.close();
}

#[test]
fn two_buttons_on_one_line_are_told_apart() {
    let mut house = House::new("two buttons on one line, both fresh from the box", 2);
    house.bus.attach_only(&[1]);
    set_unit_id(&mut house, 1, 12);
    house.units[1].reset();
    assert_eq!(ask(&house, &[12, 3, 0x07, 0xD0, 0, 1]), [12, 3, 2, 0, 12], "the unit id survives a reset");
    house.bus.attach_only(&[0, 1]);
    house.watch(&[1, 12]);
    // The last bytes of the two MAC addresses.
    house.wait_for_value(1, "serial_number", &json!(0x0012_3477));
    house.wait_for_value(12, "serial_number", &json!(0x0012_3478));

    let pressed = house.press(1, 1);
    let call = house.wait_for_call(12, 1);
    house.wait_for_indicator(12, pressed, 1);
    assert_eq!(house.raised(), 1, "only the one that was pressed calls");
    assert!(house.indicators(1, pressed).iter().all(|told| *told == 0), "the other's lamp says nothing");
    house.acknowledge(&call);
    house.wait_for_indicator(12, pressed, 2);

    let together = house.press_together();
    let first = house.wait_for_call(1, 1);
    let second = house.wait_for_call(12, 2);
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&first["device"], &second["device"]), (&"call-1".into(), &"call-12".into()));
    house.wait_for_indicator(1, together, 1);
    house.wait_for_indicator(12, together, 1);
    house.wait_for_lamp(1, Display::Heard);
    assert_eq!((house.echoes(1, together), house.echoes(12, together)), (vec![1], vec![2]));
    house.close();
}

/// The other key: a call can be taken back at the unit, and a person still acknowledges.
#[test]
fn a_local_cancel_ends_the_call() {
    let mut house = House::with_one_button("a call, taken back at the unit");
    let pressed = house.press(0, 1);
    house.wait_for_call(1, 1);
    house.wait_for_indicator(1, pressed, 1);
    house.cancel(0);
    let cleared = house.listener.wait_for_event(LIMIT, "shouwang.alarm.cleared.v1", &name(1));
    assert_eq!(cleared.json["data"]["acknowledged"], Value::Null, "nobody acknowledged it yet");
    house.close();
}

/// As an installer does it, with one unit on the line: write, and read back under the new id.
fn set_unit_id(house: &mut House, from: u8, to: u8) {
    let [high, low] = UNIT_ID.to_be_bytes();
    let write = [from, 6, high, low, 0, to];
    assert_eq!(ask(house, &write), write, "the unit takes its new id");
    assert_eq!(ask(house, &[to, 3, high, low, 0, 1]), [to, 3, 2, 0, to], "it answers to its new id");
    house.says(&format!("the installer has made unit id {from} the unit id {to}"));
}

/// Asks at the gateway's end of the line, while no gateway is there; without the CRCs.
fn ask(house: &House, request: &[u8]) -> Vec<u8> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).expect("open flags are small");
    let open = OpenOptions::new().read(true).write(true).custom_flags(flags).open(house.bus.path());
    let mut port = open.expect("the gateway's end of the line");
    let frame = [request, &rtu::crc(request).to_le_bytes()].concat();
    for _ in 0..ATTEMPTS {
        port.write_all(&frame).expect("a pty takes a frame");
        let (asked, mut answer) = (clock::now(), Vec::new());
        while asked.elapsed() < ANSWER_WITHIN && rtu::decode(&answer).is_err() {
            let mut bytes = [0; 64];
            match port.read(&mut bytes) {
                Ok(read) => answer.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => clock::pause(Duration::from_millis(5)),
                Err(error) => panic!("reading the line: {error}"),
            }
        }
        if rtu::decode(&answer).is_ok() {
            answer.truncate(answer.len() - 2);
            return answer;
        }
    }
    panic!("{} was asked {ATTEMPTS} times and never answered", hex(&frame));
}
