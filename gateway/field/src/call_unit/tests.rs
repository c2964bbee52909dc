//! The rules of devices.md, section 9, as the field shows them: the firmware itself is tested with its crate.
use modbus_wire::rtu;

use super::*;
use crate::made;

const MS: Micros = 1000;
const SECOND: Micros = 1_000_000;

fn unit() -> CallUnit {
    CallUnit::new(made::call(), 12, 0x0001_0002, 9600)
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Asks as the wire does: the PDU in hex, the answer's PDU in hex, "" for silence.
fn ask(unit: &mut CallUnit, now: Micros, pdu: &str) -> String {
    ask_id(unit, now, 12, pdu)
}

fn ask_id(unit: &mut CallUnit, now: Micros, unit_id: u8, pdu: &str) -> String {
    let mut frame = [0; 256];
    let len = rtu::encode(unit_id, &bytes(pdu), &mut frame).unwrap();
    let Some(answer) = unit.answer(now, &frame[..len]) else { return String::new() };
    let (answered_by, pdu) = rtu::decode(&answer).unwrap();
    assert_eq!(answered_by, unit_id);
    pdu.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// Presses for 200 ms; returns when the button has been let go.
fn press(unit: &mut CallUnit, now: Micros) -> Micros {
    unit.act(now, Act::Press { held_ms: 200 }).unwrap();
    now + 300 * MS
}

fn input(unit: &CallUnit, now: Micros, address: u16) -> u16 {
    unit.register(now, Table::InputRegister, address).unwrap()
}

fn latched(unit: &CallUnit, now: Micros) -> bool {
    unit.register(now, Table::DiscreteInput, 1) == Some(1)
}

#[test]
fn the_golden_frames_are_answered_to_the_byte() {
    let mut unit = unit();
    unit.set_raw(Table::InputRegister, 4, 6).unwrap();
    press(&mut unit, 0);
    let now = SECOND;
    assert_eq!(unit.answer(now, &bytes("0C 02 00 00 00 06 F9 15")).unwrap(), bytes("0C 02 01 02 22 E5"));
    let status = unit.answer(now, &bytes("0C 04 00 00 00 0D 30 D2")).unwrap();
    assert_eq!(
        rtu::decode(&status).unwrap().1,
        bytes("04 1A 00 01 00 01 00 01 00 02 00 07 00 00 00 01 00 00 03 CA FF FF 00 00 00 00 00 01")
    );
    let echo = bytes("0C 06 00 00 00 07 C9 15");
    assert_eq!(unit.answer(now, &echo).unwrap(), echo);
    let now = press(&mut unit, 2 * SECOND);
    assert_eq!(unit.answer(now, &echo).unwrap(), bytes("0C 86 03 93 A2"));
    let acknowledged = bytes("0C 06 00 01 00 02 58 D6");
    assert_eq!(unit.answer(now, &acknowledged).unwrap(), acknowledged);
    assert_eq!(unit.register(now, Table::HoldingRegister, 1), Some(2));
}

#[test]
fn rule_1_a_press_counts_once_latches_and_survives_a_reset() {
    let mut unit = unit();
    unit.act(0, Act::Press { held_ms: 20 }).unwrap();
    assert_eq!((input(&unit, SECOND, 4), latched(&unit, SECOND)), (0, false), "a bounce is no press");
    unit.act(2 * SECOND, Act::Press { held_ms: 50 }).unwrap();
    assert_eq!(unit.register(2 * SECOND + 40 * MS, Table::DiscreteInput, 0), Some(1));
    assert_eq!(unit.register(2 * SECOND + 90 * MS, Table::DiscreteInput, 0), Some(0));
    assert_eq!((input(&unit, 3 * SECOND, 4), latched(&unit, 3 * SECOND)), (1, true));
    unit.act(5 * SECOND, Act::Restart).unwrap();
    assert_eq!((input(&unit, 5 * SECOND, 4), latched(&unit, 5 * SECOND)), (1, true));
    assert_eq!(input(&unit, 5 * SECOND, 6), 2, "boot count");
    assert_eq!([input(&unit, 8 * SECOND, 11), input(&unit, 8 * SECOND, 12)], [0, 3], "uptime");
}

#[test]
fn rule_2_only_an_echo_of_the_present_count_clears_the_latch() {
    let mut unit = unit();
    press(&mut unit, 0);
    let now = press(&mut unit, SECOND);
    assert_eq!(ask(&mut unit, now, "06 00 00 00 01"), "86 03", "a press came in between");
    assert!(latched(&unit, now));
    assert_eq!(ask(&mut unit, now, "06 00 00 00 02"), "06 00 00 00 02");
    assert!(!latched(&unit, now));
    assert_eq!(ask(&mut unit, now, "06 00 00 00 02"), "06 00 00 00 02", "repeated, it changes nothing");
    assert_eq!(unit.register(now, Table::HoldingRegister, 0), Some(2));
}

#[test]
fn rule_3_several_presses_are_a_count_that_wraps() {
    let mut unit = unit();
    unit.set_raw(Table::InputRegister, 4, 0xFFFF).unwrap();
    let now = press(&mut unit, 0);
    assert_eq!(input(&unit, now, 4), 0);
    let now = press(&mut unit, now);
    assert_eq!(input(&unit, now, 4), 1);
    assert!(latched(&unit, now));
    unit.act(now, Act::Press { held_ms: 200 }).unwrap();
    unit.act(now + 100 * MS, Act::Press { held_ms: 200 }).unwrap();
    assert_eq!(input(&unit, now + SECOND, 4), 2, "a finger that is already there presses no more");
}

#[test]
fn rule_4_the_map_says_who_it_is_before_anything_is_written() {
    let mut unit = unit();
    assert_eq!(ask(&mut unit, 0, "04 00 00 00 02"), "04 04 00 01 00 01");
}

#[test]
fn rule_5_holding_never_cancels_but_the_cancel_input_does() {
    let mut unit = unit();
    unit.act(0, Act::Press { held_ms: 60_000 }).unwrap();
    assert_eq!(input(&unit, 30 * SECOND, 10), 0);
    assert_eq!(input(&unit, 31 * SECOND, 10), 1, "stuck");
    assert_eq!(unit.register(31 * SECOND, Table::DiscreteInput, 5), Some(1));
    assert_eq!(input(&unit, 61 * SECOND, 10), 0, "released");
    assert!(latched(&unit, 61 * SECOND));
    unit.act(62 * SECOND, Act::Cancel).unwrap();
    assert_eq!((input(&unit, 63 * SECOND, 5), latched(&unit, 63 * SECOND)), (1, false));
    assert_eq!(input(&unit, 63 * SECOND, 4), 1, "the press stays counted");
}

#[test]
fn rule_6_a_read_changes_nothing() {
    let mut unit = unit();
    press(&mut unit, 0);
    let flash = |unit: &mut CallUnit| unit.at(SECOND).firmware.flash().clone();
    let before = flash(&mut unit);
    for pdu in ["02 00 00 00 06", "04 00 00 00 0D", "03 00 00 00 02", "03 07 D0 00 02"] {
        assert!(!ask(&mut unit, SECOND, pdu).is_empty());
    }
    assert_eq!(flash(&mut unit), before);
}

#[test]
fn rule_7_a_new_id_or_baud_acts_after_a_reply_with_the_old_one() {
    let mut unit = unit();
    assert_eq!(ask(&mut unit, 0, "06 07 D0 00 15"), "06 07 D0 00 15");
    assert_eq!(ask(&mut unit, 0, "04 00 00 00 01"), "", "nobody is 12 any more");
    assert_eq!(ask_id(&mut unit, 0, 21, "03 07 D0 00 02"), "03 04 00 15 00 02");
    unit.act(0, Act::Restart).unwrap();
    assert_eq!(unit.unit_id(), 21);
    assert!(unit.hears(9600));
    assert_eq!(ask_id(&mut unit, 0, 21, "06 07 D1 00 00"), "06 07 D1 00 00");
    assert!(!unit.hears(9600) && unit.hears(2400));
    for bad in ["06 07 D0 00 00", "06 07 D0 00 F8", "06 07 D1 00 03", "06 00 01 00 04"] {
        assert_eq!(ask_id(&mut unit, 0, 21, bad), "86 03", "{bad}");
    }
}

#[test]
fn rule_8_refusals_have_their_codes_and_the_rest_is_silence() {
    let mut unit = unit();
    for (asked, answered) in [
        ("01 00 00 00 01", "81 01"),
        ("10 00 00 00 01 02 00 00", "90 01"),
        ("2B 0E 01 00", "AB 01"),
        ("02 00 06 00 01", "82 02"),
        ("02 00 05 00 02", "82 02"),
        ("04 00 0C 00 02", "84 02"),
        ("03 00 02 00 01", "83 02"),
        ("06 00 02 00 01", "86 02"),
        ("04 00 00 00 00", "84 03"),
        ("04 00 00 00 7E", "84 03"),
        ("04 00 00", "84 03"),
    ] {
        assert_eq!(ask(&mut unit, 0, asked), answered, "{asked}");
    }
    assert_eq!(ask_id(&mut unit, 0, 13, "04 00 00 00 01"), "", "another id");
    for silent in ["0C 04 00 00 00 0D 30 D3", "FD FD FD 00 00 E9 88", "FD FD FD 00 08 E8 4E", "0C", ""] {
        assert_eq!(unit.answer(0, &bytes(silent)), None, "{silent}");
    }
    assert_eq!(unit.answer(0, &[0x0C; 300]), None);
}

#[test]
fn rule_9_a_broadcast_writes_what_may_be_common_and_is_never_answered() {
    let mut unit = unit();
    let now = press(&mut unit, 0);
    for pdu in ["06 00 00 00 01", "06 07 D0 00 15", "06 00 01 00 03", "04 00 00 00 01", "01 00 00 00 01"] {
        assert_eq!(ask_id(&mut unit, now, 0, pdu), "");
    }
    assert!(latched(&unit, now) && unit.unit_id() == 12);
    assert_eq!(unit.register(now, Table::HoldingRegister, 1), Some(3));
}

#[test]
fn since_the_last_press_saturates_and_never_means_just_now() {
    let mut unit = unit();
    let since = |unit: &CallUnit, now| [input(unit, now, 7), input(unit, now, 8)];
    assert_eq!(since(&unit, SECOND), [0xFFFF, 0xFFFF], "never pressed");
    press(&mut unit, SECOND);
    // It counts when the contact has settled, 30 ms later.
    assert_eq!(since(&unit, SECOND + 70_030 * MS), [1, 4464]);
    assert_eq!(since(&unit, SECOND + 50 * 86_400 * SECOND), [0xFFFF, 0xFFFF], "49.7 days");
}

#[test]
fn a_test_can_make_it_tell_what_is_wrong_but_not_what_it_keeps_itself() {
    let mut unit = unit();
    unit.set(0, "battery_mv", &Value::Number(2650.0)).unwrap();
    assert_eq!((unit.register(0, Table::DiscreteInput, 2), input(&unit, 0, 9)), (Some(0), 2650));
    unit.set(0, "low_battery", &Value::Bool(true)).unwrap();
    assert_eq!((unit.register(0, Table::DiscreteInput, 2), input(&unit, 0, 9)), (Some(1), 2500));
    unit.set(0, "low_battery", &Value::Bool(false)).unwrap();
    assert_eq!(unit.register(0, Table::DiscreteInput, 2), Some(0));
    unit.set_raw(Table::InputRegister, 10, 4).unwrap();
    assert_eq!(input(&unit, 0, 10), 4, "supply low");
    assert!(unit.set_raw(Table::InputRegister, 10, 1).unwrap_err().contains("hold it"));
    assert!(unit.set(0, "latched", &Value::Bool(true)).unwrap_err().contains("press it"));
    assert!(unit.set(0, "lamp", &Value::Bool(true)).unwrap_err().contains("no point"));
}

#[test]
fn the_field_shows_the_lamp_that_the_gateway_moves() {
    let mut unit = unit();
    let now = press(&mut unit, 0);
    let shows = |unit: &mut CallUnit, now| unit.at(now).firmware.display();
    assert_eq!(shows(&mut unit, now), call_button::Display::Calling);
    ask(&mut unit, now, "06 00 00 00 01");
    ask(&mut unit, now, "06 00 01 00 03");
    assert_eq!(shows(&mut unit, now), call_button::Display::Coming);
}

#[test]
fn the_lamp_is_told_with_the_frame_that_moved_it() {
    let mut unit = unit();
    let now = press(&mut unit, SECOND);
    ask(&mut unit, now, "06 00 00 00 01");
    ask(&mut unit, now, "06 00 01 00 01");
    ask(&mut unit, now + SECOND, "06 00 01 00 02");
    let told = unit.shown(now + SECOND);
    let names: Vec<&str> = told.iter().map(|one| one.name).collect();
    assert_eq!(names, ["idle", "calling", "heard", "seen"]);
    // The press itself, not the moment at which somebody looked.
    assert!((SECOND..SECOND + 50 * MS).contains(&told[1].at), "{:?}", told[1]);
    assert_eq!(told[1].request, None);
    assert_eq!(told[2].request, Some(bytes("0C 06 00 01 00 01 18 D7")));
    assert_eq!(unit.shown(now + SECOND), []);
}
