//! Between the core's words and Modbus frames: what to ask, and what the answer was. Nothing is decided.
use modbus_wire::{Answer, Failure, Registers, Response};
use shouwang_core::input::{AskFailure, Outcome};
use shouwang_core::output::Request;
use shouwang_core::profile::Table;

/// The core's request as a frame's content; `scratch` holds the words of a multiple write.
pub(crate) fn request<'a>(request: &Request, scratch: &'a mut Vec<u8>) -> modbus_wire::Request<'a> {
    match request {
        Request::Read { table, address, count } => {
            modbus_wire::Request::Read { table: wire_table(*table), address: *address, count: *count }
        }
        Request::WriteCoil { address, on } => modbus_wire::Request::WriteCoil { address: *address, on: *on },
        Request::WriteRegister { address, value } => {
            modbus_wire::Request::WriteRegister { address: *address, value: *value }
        }
        Request::WriteRegisters { address, values } => {
            scratch.clear();
            scratch.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            match Registers::from_bytes(scratch) {
                Some(registers) => modbus_wire::Request::WriteRegisters { address: *address, registers },
                // Two bytes a word are always whole words.
                None => unreachable!("an odd number of bytes from whole words"),
            }
        }
    }
}

/// What came of the ask, in the core's words.
pub(crate) fn outcome(answer: Result<Answer<'_>, Failure>, delay_us: Option<u32>) -> Outcome {
    let delay_us = delay_us.unwrap_or(0);
    match answer.map(|answer| answer.response) {
        Ok(Response::Registers(registers)) => {
            Outcome::Registers { words: registers.iter().collect(), delay_us }
        }
        Ok(Response::Bits(bits)) => Outcome::Bits { bits: bits.iter().collect(), delay_us },
        Ok(Response::Exception(code)) => Outcome::Exception { code: code.0, delay_us },
        Ok(_) => Outcome::Written { delay_us },
        Err(Failure::Timeout) => Outcome::Failed(AskFailure::Timeout),
        Err(Failure::Crc | Failure::Truncated) => Outcome::Failed(AskFailure::Crc),
        Err(Failure::WrongUnitId(_)) => Outcome::Failed(AskFailure::WrongUnitId),
        Err(Failure::WrongFunction(_) | Failure::WrongLength | Failure::EchoMismatch) => {
            Outcome::Failed(AskFailure::WrongAnswer)
        }
        Err(Failure::Stream) => Outcome::Failed(AskFailure::LineDown),
    }
}

pub(crate) fn wire_table(table: Table) -> modbus_wire::Table {
    match table {
        Table::Coil => modbus_wire::Table::Coil,
        Table::DiscreteInput => modbus_wire::Table::DiscreteInput,
        Table::InputRegister => modbus_wire::Table::InputRegister,
        Table::HoldingRegister => modbus_wire::Table::HoldingRegister,
    }
}
