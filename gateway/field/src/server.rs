//! What the line needs of a simulated device, and how a device that is only a memory answers a frame.
//!
//! [`Server`] is the seam: a device made from a profile and the call unit's real firmware stand behind it
//! alike. Frames go in and out as on the wire, so each server checks its own CRC and unit id.
use modbus_wire::{Bits, ExceptionCode, MAX_RTU_FRAME, Registers, Request, Response, Table, server};
use shouwang_message::Value;

use crate::lamp::Shown;

/// Microseconds since the field was started.
pub type Micros = u64;

/// A device on a line. Everything is at the moment `now`, which never goes back.
pub trait Server: Send {
    /// Hears one frame, right or wrong, for itself or for others; `None` is silence.
    fn answer(&mut self, now: Micros, frame: &[u8]) -> Option<Vec<u8>>;
    /// The unit id it answers to at present.
    fn unit_id(&self) -> u8;
    /// Whether it understands this baud rate; it may have been told to use another.
    fn hears(&self, _baud: u32) -> bool {
        true
    }
    /// The baud rate it is set to, if that can be changed over the line.
    fn baud(&self) -> Option<u32> {
        None
    }
    /// Makes the point of this name read as `value`.
    ///
    /// # Errors
    /// The point does not exist, or cannot have this value; in words.
    fn set(&mut self, now: Micros, point: &str, value: &Value) -> Result<(), String>;
    /// Puts a raw word (0 or 1 in a bit table) into the device's memory.
    ///
    /// # Errors
    /// The device has nothing there; in words.
    fn set_raw(&mut self, table: Table, address: u16, word: u16) -> Result<(), String>;
    /// What a read of this address would bring.
    fn register(&self, now: Micros, table: Table, address: u16) -> Option<u16>;
    /// Something a person does to the device.
    ///
    /// # Errors
    /// The device has no such thing; in words.
    fn act(&mut self, now: Micros, act: Act) -> Result<(), String>;
    /// What its lamp and buzzer began to say since this was last asked; most devices have none.
    fn shown(&mut self, _now: Micros) -> Vec<Shown> {
        Vec::new()
    }
}

/// What a person can do to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Press the button and hold it for so long; 50 ms or more count.
    Press { held_ms: u32 },
    /// Use the local cancel input of a call unit.
    Cancel,
    /// Switch the device off and on.
    Restart,
}

/// Most values one write can carry, for the copy made of them.
type Words = Vec<u16>;

/// A device as a memory: what can be read and what can be written.
pub(crate) trait Memory {
    /// The unit id it answers to.
    fn id(&self) -> u8;
    fn speaks(&self, function: u8) -> bool;
    fn allows_count(&self, _table: Table, _count: u16) -> bool {
        true
    }
    /// One register, or 0 or 1 for a bit; `None` if there is nothing at this address.
    fn read(&self, now: Micros, table: Table, address: u16) -> Option<u16>;
    /// All the words or nothing.
    fn write(
        &mut self,
        now: Micros,
        table: Table,
        address: u16,
        words: &[u16],
        broadcast: bool,
    ) -> Result<(), ExceptionCode>;
}

/// Answers a frame from a memory, by the Modbus specification: exception 1 for a function the device does
/// not speak, 3 for a bad count, 2 for an address it does not have; silence for anything that is not a
/// frame, is for others, or is a broadcast.
pub(crate) fn answer_from(memory: &mut dyn Memory, now: Micros, frame: &[u8]) -> Option<Vec<u8>> {
    let (unit_id, request) = server::decode(frame).ok()?;
    let broadcast = unit_id == 0;
    if !broadcast && unit_id != memory.id() {
        return None;
    }
    let (function, outcome) = match &request {
        Err(error) if memory.speaks(error.function) => (error.function, Err(error.exception)),
        Err(error) => (error.function, Err(ExceptionCode::ILLEGAL_FUNCTION)),
        Ok(request) => (request.function(), carry_out(memory, now, request, broadcast)),
    };
    if broadcast {
        return None;
    }
    let mut out = [0; MAX_RTU_FRAME];
    let len = match (outcome, &request) {
        (Ok(words), Ok(request)) => reply(unit_id, request, &words, &mut out),
        (Err(code), _) => server::exception(unit_id, function, code, &mut out).ok(),
        (Ok(_), Err(_)) => None,
    };
    out.get(..len?).map(<[u8]>::to_vec)
}

/// The words read; none for a write.
fn carry_out(
    memory: &mut dyn Memory,
    now: Micros,
    request: &Request<'_>,
    broadcast: bool,
) -> Result<Words, ExceptionCode> {
    if !memory.speaks(request.function()) {
        return Err(ExceptionCode::ILLEGAL_FUNCTION);
    }
    let (table, address, words) = match *request {
        Request::Read { table, address, count } => {
            return read(memory, now, table, address, count);
        }
        Request::WriteCoil { address, on } => (Table::Coil, address, vec![u16::from(on)]),
        Request::WriteRegister { address, value } => (Table::HoldingRegister, address, vec![value]),
        Request::WriteCoils { address, bits } => (Table::Coil, address, bits.iter().map(u16::from).collect()),
        Request::WriteRegisters { address, registers } => {
            (Table::HoldingRegister, address, registers.iter().collect())
        }
    };
    memory.write(now, table, address, &words, broadcast).map(|()| Words::new())
}

fn read(
    memory: &dyn Memory,
    now: Micros,
    table: Table,
    address: u16,
    count: u16,
) -> Result<Words, ExceptionCode> {
    if !memory.allows_count(table, count) {
        return Err(ExceptionCode::ILLEGAL_DATA_VALUE);
    }
    (0..count)
        .map(|index| memory.read(now, table, address.checked_add(index)?))
        .collect::<Option<Words>>()
        .ok_or(ExceptionCode::ILLEGAL_DATA_ADDRESS)
}

fn reply(unit_id: u8, request: &Request<'_>, words: &[u16], out: &mut [u8]) -> Option<usize> {
    let bytes: Vec<u8>;
    let response = match request {
        Request::Read { table, count, .. } if table.is_bits() => {
            bytes = words.chunks(8).map(pack).collect();
            Response::Bits(Bits::new(&bytes, *count)?)
        }
        Request::Read { .. } => {
            bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            Response::Registers(Registers::from_bytes(&bytes)?)
        }
        write => Response::confirming(write)?,
    };
    server::answer(unit_id, request, &response, out).ok()
}

/// Up to eight bits, the first the lowest.
fn pack(bits: &[u16]) -> u8 {
    bits.iter().rev().fold(0, |byte, bit| (byte << 1) | u8::from(*bit != 0))
}
