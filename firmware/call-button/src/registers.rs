//! The register map, version 1: one table that reads and writes go through and that prints its own
//! documentation (`REGISTERS.md`; a test keeps the two alike).

use core::fmt;

use modbus_wire::Table;

/// In input register 0.
pub const MAP_VERSION: u16 = 1;
/// In input register 1: a one-button call unit.
pub const DEVICE_CLASS: u16 = 1;

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Pressed,
    Latched,
    LowBattery,
    Tamper,
    TestMode,
    HardwareFault,
    MapVersion,
    DeviceClass,
    Serial,
    PressCount,
    CancelCount,
    BootCount,
    SincePress,
    Battery,
    Faults,
    Uptime,
    Echo,
    Indicator,
    UnitId,
    Baud,
}

/// One line of the map.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    pub table: Table,
    /// Zero-based, as on the wire.
    pub address: u16,
    /// Two registers hold 32 bits, the high half first.
    pub words: u16,
    pub field: Field,
    pub meaning: &'static str,
}

const fn bit(address: u16, field: Field, meaning: &'static str) -> Register {
    Register { table: Table::DiscreteInput, address, words: 1, field, meaning }
}

const fn input(address: u16, words: u16, field: Field, meaning: &'static str) -> Register {
    Register { table: Table::InputRegister, address, words, field, meaning }
}

const fn holding(address: u16, field: Field, meaning: &'static str) -> Register {
    Register { table: Table::HoldingRegister, address, words: 1, field, meaning }
}

/// Everything that can be read; the holding registers can be written.
pub const MAP: &[Register] = &[
    bit(0, Field::Pressed, "the button is pressed now (debounced)"),
    bit(
        1,
        Field::Latched,
        "call latched: set by a press, cleared by a matching press echo or a local cancel",
    ),
    bit(2, Field::LowBattery, "battery low"),
    bit(3, Field::Tamper, "the housing is open"),
    bit(4, Field::TestMode, "test mode"),
    bit(5, Field::HardwareFault, "hardware fault: any fault bit, or the board's own check"),
    input(0, 1, Field::MapVersion, "map version, 1"),
    input(1, 1, Field::DeviceClass, "device class, 1: a one-button call unit"),
    input(2, 2, Field::Serial, "serial number"),
    input(4, 1, Field::PressCount, "presses, wraps"),
    input(5, 1, Field::CancelCount, "local cancels, wraps"),
    input(6, 1, Field::BootCount, "starts, wraps"),
    input(7, 2, Field::SincePress, "ms since the last press; 0xFFFFFFFF: longer, or none since the start"),
    input(9, 1, Field::Battery, "battery in mV; 0xFFFF: no battery"),
    input(
        10,
        1,
        Field::Faults,
        "fault bits: 0 button held more than 30 s, 1 flash write failed, 2 supply low, 3 settings lost",
    ),
    input(11, 2, Field::Uptime, "seconds since the start"),
    holding(0, Field::Echo, "press echo: the press count that the gateway has committed"),
    holding(
        1,
        Field::Indicator,
        "indicator: 0 finished, 1 a duty room has it, 2 a person has seen it, 3 somebody is coming",
    ),
    holding(0x07D0, Field::UnitId, "unit id, 1-247; acts after the answer"),
    holding(0x07D1, Field::Baud, "baud rate: 0 = 2400, 1 = 4800, 2 = 9600; acts after the answer"),
];

/// What is at this address, and which of its words.
pub(crate) fn at(table: Table, address: u16) -> Option<(Field, u16)> {
    MAP.iter()
        .filter(|one| one.table == table)
        .find_map(|one| {
            let word = address.checked_sub(one.address).filter(|word| *word < one.words)?;
            Some((one, word))
        })
        .map(|(one, word)| (one.field, word))
}

/// The documentation of the map.
///
/// # Errors
/// Those of `out`.
pub fn write_markdown(out: &mut impl fmt::Write) -> fmt::Result {
    out.write_str(
        "# One-button call unit: registers (map version 1)\n\n\
         Addresses are zero-based, as on the wire. 9600 baud 8N1 and unit id 1 until set otherwise.\n\
         Functions 2, 3, 4 and 6; 32 bits are two registers, the high half first.\n\n\
         | Table | Address | Access | Meaning |\n|---|---|---|---|\n",
    )?;
    for one in MAP {
        let (table, access) = match one.table {
            Table::DiscreteInput => ("discrete input", "read (2)"),
            Table::InputRegister => ("input register", "read (4)"),
            Table::HoldingRegister => ("holding register", "read (3), write (6)"),
            Table::Coil => ("coil", ""),
        };
        write!(out, "| {table} | ")?;
        match (one.address, one.words) {
            (address @ 256.., _) => write!(out, "0x{address:04X}")?,
            (address, 1) => write!(out, "{address}")?,
            (address, words) => write!(out, "{address}-{}", address + words - 1)?,
        }
        writeln!(out, " | {access} | {} |", one.meaning)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use super::*;

    #[test]
    fn no_two_lines_claim_one_address() {
        for (index, one) in MAP.iter().enumerate() {
            for other in &MAP[index + 1..] {
                let apart =
                    one.address + one.words <= other.address || other.address + other.words <= one.address;
                assert!(one.table != other.table || apart, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn registers_md_is_what_the_table_says() {
        let mut text = String::new();
        write_markdown(&mut text).unwrap();
        let kept = include_str!("../REGISTERS.md");
        assert!(kept == text, "put this into firmware/call-button/REGISTERS.md:\n{text}");
    }
}
