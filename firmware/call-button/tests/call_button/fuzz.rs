//! Anything on the line: no panic, and no register changed by what is not a valid write for this unit.

use call_button::{CallButton, Counters, Inputs, Settings, provision};
use modbus_wire::{Table, rtu};
use proptest::prelude::*;

use crate::world::{Chance, MS, Memory, framed};

fn unit() -> CallButton<Memory> {
    let mut flash = Memory::new();
    let counters = Counters { presses: 7, latched: true, open: true, ..Counters::default() };
    provision(&mut flash, Settings::default().with_unit_id(12).unwrap(), counters).unwrap();
    CallButton::start(flash, 1, 0)
}

/// Every register that does not follow the clock.
fn registers(unit: &CallButton<Memory>) -> Vec<Option<u16>> {
    let bits = (0..6).map(|address| (Table::DiscreteInput, address));
    let inputs = (0..7).chain(9..11).map(|address| (Table::InputRegister, address));
    let holding = [0, 1, 0x07D0, 0x07D1].map(|address| (Table::HoldingRegister, address));
    bits.chain(inputs).chain(holding).map(|(table, address)| unit.register(0, table, address)).collect()
}

/// Written again, from the map's text and not from the firmware: may this frame change a register of unit 12?
fn is_valid_write(frame: &[u8], presses: u16) -> bool {
    let Some((body, crc)) = frame.split_last_chunk::<2>() else { return false };
    if frame.len() != 8 || rtu::crc(body) != u16::from_le_bytes(*crc) || body[1] != 6 {
        return false;
    }
    let address = u16::from_be_bytes([body[2], body[3]]);
    let value = u16::from_be_bytes([body[4], body[5]]);
    match (body[0], address) {
        (12, 0) => value == presses,
        (12, 0x07D0) => (1..=247).contains(&value),
        (0 | 12, 1) => value <= 3,
        (0 | 12, 0x07D1) => value <= 2,
        _ => false,
    }
}

/// Frames that come close to meaning something.
fn likely_frame() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![4 => Just(12_u8), 1 => Just(0), 1 => any::<u8>()];
    let function = prop_oneof![3 => Just(6_u8), 1 => Just(3), 1 => Just(16), 1 => any::<u8>()];
    let address = prop_oneof![Just(0_u16), Just(1), Just(0x07D0), Just(0x07D1), any::<u16>()];
    let value = prop_oneof![0_u16..9, Just(247), Just(248), any::<u16>()];
    (id, function, address, value, proptest::collection::vec(any::<u8>(), 0..4), any::<u8>()).prop_map(
        |(id, function, address, value, more, spoil)| {
            let mut pdu = vec![function];
            pdu.extend(address.to_be_bytes());
            pdu.extend(value.to_be_bytes());
            if spoil % 4 == 0 {
                pdu.extend(more);
            }
            let mut frame = framed(id, &pdu);
            if spoil % 8 == 1 {
                let at = usize::from(spoil) % frame.len();
                frame[at] ^= 1 << (spoil % 7);
            }
            frame
        },
    )
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => likely_frame(), 1 => proptest::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn only_a_valid_write_for_this_unit_changes_a_register(frames in proptest::collection::vec(any_frame(), 1..20)) {
        let mut unit = unit();
        let mut now = 0;
        for frame in frames {
            // Another unit id makes the oracle's address stale: begin anew.
            if unit.settings().unit_id() != 12 {
                break;
            }
            let before = registers(&unit);
            let flash = unit.flash().clone();
            let mut answers = 0;
            for byte in &frame {
                now += 200;
                unit.received(now, *byte);
            }
            for _ in 0..30 {
                now += MS;
                unit.tick(now, Inputs::default());
                if let Some(answer) = unit.poll(now) {
                    prop_assert!(rtu::decode(answer).is_ok_and(|(id, _)| id == 12));
                    answers += 1;
                    unit.sent();
                }
            }
            prop_assert!(answers <= 1);
            if !is_valid_write(&frame, 7) {
                prop_assert_eq!(&registers(&unit), &before, "{:02X?}", frame);
                prop_assert_eq!(unit.flash(), &flash);
            }
            if frame.first() != Some(&12) {
                prop_assert_eq!(answers, 0);
            }
        }
    }

    #[test]
    fn bytes_ticks_and_time_in_any_order_never_panic(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>(), prop_oneof![0_u64..5_000, any::<u64>()]), 0..400),
    ) {
        let mut unit = unit();
        let mut now = 0_u64;
        for (what, byte, later) in steps {
            now = now.saturating_add(later);
            match what % 8 {
                0..=2 => unit.received(now, byte),
                3 | 4 => {
                    let inputs = Inputs {
                        button: byte & 1 == 1,
                        cancel: byte & 2 == 2,
                        tamper: byte & 4 == 4,
                        supply_low: byte & 8 == 8,
                        battery_mv: (byte & 16 == 16).then_some(u16::from(byte) * 20),
                        ..Inputs::default()
                    };
                    unit.tick(now, inputs);
                }
                5 => drop(unit.poll(now).map(<[u8]>::len)),
                6 => unit.sent(),
                _ => unit.spoilt(now),
            }
            let _ = (unit.lamp(now), unit.buzzer(now), unit.is_alive());
        }
    }
}

/// One frame on the line, likely or not, and the 50 ms after it.
fn random_frame(unit: &mut CallButton<Memory>, now: &mut u64, chance: &mut Chance) {
    let mut frame = match chance.below(8) {
        0 => (0..chance.below(300)).map(|_| chance.next() as u8).collect(),
        _ => {
            let id = [12, 12, 12, 0, 13, 255][chance.below(6)];
            let function = [6, 6, 6, 2, 3, 4, 16, chance.next() as u8][chance.below(8)];
            let address = [0, 1, 0x07D0, 0x07D1, chance.next() as u16][chance.below(5)];
            let value = [7, chance.below(9) as u16, chance.next() as u16][chance.below(3)];
            // Our own id stays: the oracle is about unit 12.
            let value = if address == 0x07D0 { value | 0x0100 } else { value };
            let mut pdu = vec![function];
            pdu.extend(u16::to_be_bytes(address));
            pdu.extend(value.to_be_bytes());
            pdu.truncate(5 - chance.below(40) / 36);
            framed(id, &pdu)
        }
    };
    if chance.below(8) == 0 && !frame.is_empty() {
        let at = chance.below(frame.len());
        frame[at] ^= 1 << chance.below(8);
    }
    let before = registers(unit);
    for byte in &frame {
        *now += 200;
        unit.received(*now, *byte);
    }
    for _ in 0..2 {
        *now += 20 * MS;
        unit.tick(*now, Inputs::default());
        if unit.poll(*now).is_some() {
            unit.sent();
        }
    }
    if !is_valid_write(&frame, 7) {
        assert_eq!(registers(unit), before, "{frame:02X?}");
    }
}

fn random_frames(count: u64) {
    let (mut chance, mut unit, mut now) = (Chance(count), unit(), 0);
    for _ in 0..count {
        random_frame(&mut unit, &mut now, &mut chance);
    }
}

#[test]
fn twenty_thousand_random_frames() {
    random_frames(20_000);
}

#[test]
#[ignore = "takes minutes: for the long tests, in release"]
fn ten_million_random_frames() {
    random_frames(10_000_000);
}
