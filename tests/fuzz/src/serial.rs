//! The call button's serial port: nothing but a valid write for this unit changes a register.
use call_button::{CallButton, Counters, Inputs, RamFlash, Settings, provision};
use modbus_wire::{Table, rtu};

const UNIT_ID: u8 = 12;
const PRESSES: u16 = 7;
const MS: u64 = 1_000;

/// The input is a list of frames, each behind its length.
pub(crate) fn run(data: &[u8]) {
    let mut unit = unit();
    let mut now = 0;
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first() {
        let (frame, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        // With another unit id what is valid here is another question.
        if unit.settings().unit_id() != UNIT_ID {
            unit = self::unit();
            now = 0;
        }
        hear(&mut unit, &mut now, frame);
    }
}

fn hear(unit: &mut CallButton<RamFlash<64>>, now: &mut u64, frame: &[u8]) {
    let before = registers(unit);
    for byte in frame {
        *now += MS;
        unit.received(*now, *byte);
    }
    let mut answers = 0;
    for _ in 0..20 {
        *now += 3 * MS;
        unit.tick(*now, Inputs::default());
        if let Some(answer) = unit.poll(*now) {
            assert!(rtu::decode(answer).is_ok_and(|(id, _)| id == UNIT_ID), "an answer that is none");
            answers += 1;
            unit.sent();
        }
    }
    assert!(answers <= usize::from(frame.first() == Some(&UNIT_ID)), "{answers} answers to {frame:02X?}");
    if !is_valid_write(frame) {
        assert_eq!(registers(unit), before, "changed by {frame:02X?}");
    }
}

fn unit() -> CallButton<RamFlash<64>> {
    let mut flash = RamFlash::new();
    let settings = Settings::default().with_unit_id(UNIT_ID.into()).expect("a unit id");
    let counters = Counters { presses: PRESSES, latched: true, open: true, ..Counters::default() };
    provision(&mut flash, settings, counters).expect("fresh flash");
    CallButton::start(flash, 1, 0)
}

/// Every register that does not follow the clock.
fn registers(unit: &CallButton<RamFlash<64>>) -> Vec<Option<u16>> {
    let bits = (0..6).map(|address| (Table::DiscreteInput, address));
    let inputs = (0..7).chain(9..11).map(|address| (Table::InputRegister, address));
    let holding = [0, 1, 0x07D0, 0x07D1].map(|address| (Table::HoldingRegister, address));
    bits.chain(inputs).chain(holding).map(|(table, address)| unit.register(0, table, address)).collect()
}

/// From the map's text (devices, section 9), not from the firmware.
fn is_valid_write(frame: &[u8]) -> bool {
    let [id, 6, address_high, address_low, value_high, value_low, ..] = *frame else { return false };
    if frame.len() != 8 || rtu::decode(frame).is_err() {
        return false;
    }
    let value = u16::from_be_bytes([value_high, value_low]);
    match (id, u16::from_be_bytes([address_high, address_low])) {
        (UNIT_ID, 0) => value == PRESSES,
        (UNIT_ID, 0x07D0) => (1..=247).contains(&value),
        (0 | UNIT_ID, 1) => value <= 3,
        (0 | UNIT_ID, 0x07D1) => value <= 2,
        _ => false,
    }
}
