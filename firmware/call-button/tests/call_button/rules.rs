//! The numbered rules of map version 1 that are not about presses or power.

use call_button::{Counters, Display, Settings};
use modbus_wire::Table;

use crate::world::{bytes, framed, hex, world, world_after};

/// Rule 6: which of these touch the flash, seen as a change of its contents.
#[test]
fn rule_6_reads_and_repeated_writes_never_write_flash() {
    let mut world = world();
    world.press(100);
    assert_eq!(world.echo(1), "06 00 00 00 01");
    let flash = world.unit.flash().clone();
    for pdu in [
        "02 00 00 00 06",
        "03 00 00 00 02",
        "03 07 D0 00 02",
        "04 00 00 00 0D",
        "06 00 00 00 01",
        "06 00 00 00 07",
        "06 00 01 00 03",
        "06 00 01 00 00",
        "06 07 D0 00 0C",
        "06 07 D1 00 02",
        "06 07 D0 01 00",
    ] {
        world.ask(pdu);
        world.run(50);
        assert_eq!(world.unit.flash(), &flash, "{pdu}");
    }
    world.ask("06 07 D1 00 01");
    assert_ne!(world.unit.flash(), &flash, "a change is kept");
}

#[test]
fn rule_7_a_new_unit_id_is_stored_before_the_answer_and_acts_after_it() {
    let mut world = world();
    let request = framed(12, &bytes("06 07 D0 00 21"));
    assert_eq!(world.unit.request(world.now, &request), Some(&request[..]), "answered by the old id");
    let mut reset_now = crate::world::World::start(world.unit.flash().clone());
    assert_eq!(reset_now.unit.settings().unit_id(), 33, "stored before the answer");
    assert_eq!(reset_now.ask_at(33, "03 07 D0 00 01"), "03 02 00 21");
    assert_eq!(world.unit.settings().unit_id(), 12, "the answer is still going out");
    world.unit.sent();
    assert_eq!(world.ask_at(12, "03 07 D0 00 01"), "");
    assert_eq!(world.ask_at(33, "03 07 D0 00 01"), "03 02 00 21");
}

#[test]
fn rule_7_a_new_baud_rate_acts_after_the_answer() {
    let mut world = world();
    let request = framed(12, &bytes("06 07 D1 00 00"));
    assert!(world.unit.request(world.now, &request).is_some());
    assert_eq!(world.unit.settings().baud(), 9600);
    world.unit.sent();
    assert_eq!(world.unit.settings().baud(), 2400);
    assert_eq!(world.restart().unit.settings().baud(), 2400);
}

#[test]
fn rule_8_all_256_functions() {
    let mut world = world();
    for function in 0..=255_u8 {
        let answer = world.ask(&format!("{function:02X} 00 00 00 01"));
        match function {
            2 => assert_eq!(answer, "02 01 00"),
            3 => assert_eq!(answer, "03 02 00 00"),
            4 => assert_eq!(answer, "04 02 00 01"),
            6 => assert_eq!(answer, "86 03", "an echo of 1 when nothing was pressed"),
            other => assert_eq!(answer, format!("{:02X} 01", other | 0x80)),
        }
    }
}

#[test]
fn rule_8_addresses_counts_and_values() {
    let mut world = world();
    for (pdu, answer) in [
        ("02 00 00 00 06", "02 01 00"),
        ("02 00 05 00 01", "02 01 00"),
        ("02 00 06 00 01", "82 02"),
        ("02 00 00 00 07", "82 02"),
        ("02 00 00 00 00", "82 03"),
        ("02 00 00 07 D1", "82 03"),
        ("02 FF FF 00 01", "82 02"),
        ("02 FF FF 00 02", "82 02"),
        ("03 00 00 00 02", "03 04 00 00 00 00"),
        ("03 00 00 00 03", "83 02"),
        ("03 07 D0 00 02", "03 04 00 0C 00 02"),
        ("03 07 CF 00 02", "83 02"),
        ("03 07 D2 00 01", "83 02"),
        ("04 00 0C 00 01", "04 02 00 00"),
        ("04 00 0D 00 01", "84 02"),
        ("04 00 00 00 0E", "84 02"),
        ("04 00 00 00 7D", "84 02"),
        ("04 00 00 00 7E", "84 03"),
        ("04 00 00 00", "84 03"),
        ("04 00 00 00 01 00", "84 03"),
        ("06 00 00 00 00", "06 00 00 00 00"),
        ("06 00 00 00 05", "86 03"),
        ("06 00 01 00 04", "86 03"),
        ("06 00 01 01 00", "86 03"),
        ("06 00 02 00 00", "86 02"),
        ("06 07 D0 00 00", "86 03"),
        ("06 07 D0 00 F8", "86 03"),
        ("06 07 D0 01 0C", "86 03"),
        ("06 07 D1 00 03", "86 03"),
        ("06 07 D2 00 00", "86 02"),
        ("10 00 00 00 01 02 00 00", "90 01"),
        ("05 00 00 FF 00", "85 01"),
        ("05 00 00 12 34", "85 01"),
    ] {
        assert_eq!(world.ask(pdu), answer, "{pdu}");
    }
}

#[test]
fn rule_8_silence_for_what_is_not_for_this_unit_or_not_a_frame() {
    let mut world = world();
    assert_eq!(world.ask_at(13, "04 00 00 00 01"), "");
    assert_eq!(world.ask_at(255, "04 00 00 00 01"), "");
    assert_eq!(world.frame("0C 04 00 00 00 0D 30 D3"), "", "bad CRC");
    assert_eq!(world.frame("0C 04 00"), "");
    assert_eq!(world.frame(""), "");
    let search = bytes("FD FD FD 02 0C");
    let crc = modbus_wire::rtu::crc(&search).to_le_bytes();
    assert_eq!(world.frame(&hex(&[&search[..], &crc].concat())), "", "the maker's search frame");
    let mut long = vec![0; 300];
    long[0] = 12;
    long[1] = 4;
    let crc = modbus_wire::rtu::crc(&long[..298]).to_le_bytes();
    long[298..].copy_from_slice(&crc);
    assert_eq!(world.frame(&hex(&long)), "", "longer than any frame");
}

#[test]
fn rule_9_a_broadcast_writes_and_is_never_answered() {
    let mut world = world();
    world.press(100);
    assert_eq!(world.ask_at(0, "06 00 00 00 01"), "");
    assert!(world.latched(), "an echo for everybody is for nobody");
    assert_eq!(world.ask_at(0, "06 07 D0 00 07"), "");
    assert_eq!(world.unit.settings().unit_id(), 12);
    assert_eq!(world.ask_at(0, "06 00 01 00 03"), "");
    assert_eq!(world.holding(1), 3);
    assert_eq!(world.ask_at(0, "06 07 D1 00 00"), "");
    assert_eq!(world.unit.settings().baud(), 2400, "nothing is answered, so it acts at once");
    for nonsense in ["06 00 01 00 09", "06 01 01 00 00", "04 00 00 00 01", "63 00"] {
        assert_eq!(world.ask_at(0, nonsense), "");
    }
}

#[test]
fn settings_keep_what_they_were_given() {
    let settings = Settings::default();
    assert_eq!((settings.unit_id(), settings.baud()), (1, 9600));
    assert!(settings.with_unit_id(0).is_none() && settings.with_unit_id(248).is_none());
    assert!(settings.with_baud_code(3).is_none());
}

#[test]
fn battery_tamper_test_mode_and_supply_are_told() {
    let mut world = world();
    assert_eq!(world.input(9), 0xFFFF, "no battery");
    world.inputs.battery_mv = Some(2950);
    world.run(1);
    assert_eq!(world.input(9), 2950);
    assert!(!world.bit(2));
    for (mv, low) in [(2601, false), (2599, true), (2690, true), (2701, false)] {
        world.inputs.battery_mv = Some(mv);
        world.run(1);
        assert_eq!(world.bit(2), low, "{mv} mV");
    }
    world.inputs.tamper = true;
    world.inputs.test_mode = true;
    world.inputs.supply_low = true;
    world.run(1);
    assert_eq!([2, 3, 4, 5].map(|bit| world.bit(bit)), [false, true, true, true]);
    assert_eq!(world.input(10), 0b100);
    assert_eq!(world.display(), Display::Fault);
}

#[test]
fn every_start_is_counted_and_the_uptime_begins_again() {
    let mut world = world_after(Counters { boots: 65535, ..Counters::default() });
    assert_eq!(world.input(6), 0);
    world.run(3000);
    assert_eq!((world.input(11), world.input(12)), (0, 3));
    let world = world.restart();
    assert_eq!((world.input(6), world.input(12)), (1, 0));
    assert_eq!(world.unit.register(0, Table::InputRegister, 3), Some(0xE240));
    assert_eq!(world.unit.register(0, Table::InputRegister, 2), Some(1));
}
