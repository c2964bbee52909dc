//! What a client may ask: the PDU of functions 1-6, 15 and 16, in and out.

use crate::buffer::Writer;
use crate::{
    Bits, EncodeError, ExceptionCode, MAX_WRITE_BITS, MAX_WRITE_REGISTERS, Registers, RequestError, Table,
};

const COIL_ON: u16 = 0xFF00;
const COIL_OFF: u16 = 0x0000;

/// One request. Addresses are zero-based, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Read `count` values of one table (functions 1-4).
    Read { table: Table, address: u16, count: u16 },
    /// Switch one coil (function 5).
    WriteCoil { address: u16, on: bool },
    /// Write one holding register (function 6).
    WriteRegister { address: u16, value: u16 },
    /// Switch coils in a row (function 15).
    WriteCoils { address: u16, bits: Bits<'a> },
    /// Write holding registers in a row (function 16).
    WriteRegisters { address: u16, registers: Registers<'a> },
}

impl<'a> Request<'a> {
    /// Writes the PDU and returns its length.
    ///
    /// # Errors
    /// `Count` or `Address` if no device could carry the request out, `NoRoom` if `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        self.check()?;
        let pdu = Writer::new(out).byte(self.function());
        match *self {
            Self::Read { address, count, .. } => pdu.word(address).word(count),
            Self::WriteCoil { address, on } => pdu.word(address).word(coil(on)),
            Self::WriteRegister { address, value } => pdu.word(address).word(value),
            Self::WriteCoils { address, ref bits } => {
                pdu.word(address).word(self.count()).byte(length_byte(bits.as_bytes())).bits(bits)
            }
            Self::WriteRegisters { address, registers } => pdu
                .word(address)
                .word(self.count())
                .byte(length_byte(registers.as_bytes()))
                .bytes(registers.as_bytes()),
        }
        .finish()
    }

    /// Reads a PDU as a server must: whatever comes out can be answered.
    ///
    /// # Errors
    /// The function and the exception to answer with: 1 for a function not spoken here, 3 for a wrong
    /// length, count or coil value, 2 for an address range that ends beyond 65535.
    pub fn decode(pdu: &'a [u8]) -> Result<Self, RequestError> {
        let Some((&function, data)) = pdu.split_first() else {
            return Err(RequestError { function: 0, exception: ExceptionCode::ILLEGAL_FUNCTION });
        };
        let refuse = |exception| RequestError { function, exception };
        if !matches!(function, 1..=6 | 15 | 16) {
            return Err(refuse(ExceptionCode::ILLEGAL_FUNCTION));
        }
        let request = Self::parse(function, data).ok_or(refuse(ExceptionCode::ILLEGAL_DATA_VALUE))?;
        match request.check() {
            Ok(()) => Ok(request),
            Err(EncodeError::Address) => Err(refuse(ExceptionCode::ILLEGAL_DATA_ADDRESS)),
            Err(_) => Err(refuse(ExceptionCode::ILLEGAL_DATA_VALUE)),
        }
    }

    /// The function code.
    #[must_use]
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => table.read_function(),
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
        }
    }

    /// The first address asked for.
    #[must_use]
    pub const fn address(&self) -> u16 {
        match *self {
            Self::Read { address, .. }
            | Self::WriteCoil { address, .. }
            | Self::WriteRegister { address, .. }
            | Self::WriteCoils { address, .. }
            | Self::WriteRegisters { address, .. } => address,
        }
    }

    /// How many values are asked for or written.
    #[must_use]
    pub fn count(&self) -> u16 {
        match self {
            Self::Read { count, .. } => *count,
            Self::WriteCoil { .. } | Self::WriteRegister { .. } => 1,
            Self::WriteCoils { bits, .. } => bits.count(),
            Self::WriteRegisters { registers, .. } => u16::try_from(registers.len()).unwrap_or(u16::MAX),
        }
    }

    /// Length in bytes of the PDU that answers this request, unless it is an exception (2 bytes).
    #[must_use]
    pub fn response_pdu_len(&self) -> usize {
        match self {
            Self::Read { table, count, .. } => 2 + table.bytes_for(*count),
            _ => 5,
        }
    }

    fn parse(function: u8, data: &'a [u8]) -> Option<Self> {
        let (address, data) = take_word(data)?;
        let (word, data) = take_word(data)?;
        if let Some(table) = Table::from_read_function(function) {
            return data.is_empty().then_some(Self::Read { table, address, count: word });
        }
        match (function, word) {
            (5, COIL_ON) if data.is_empty() => Some(Self::WriteCoil { address, on: true }),
            (5, COIL_OFF) if data.is_empty() => Some(Self::WriteCoil { address, on: false }),
            (6, value) if data.is_empty() => Some(Self::WriteRegister { address, value }),
            (15, count) => Some(Self::WriteCoils { address, bits: Bits::new(counted(data)?, count)? }),
            (16, count) => {
                let registers = Registers::from_bytes(counted(data)?)?;
                (registers.len() == usize::from(count)).then_some(Self::WriteRegisters { address, registers })
            }
            _ => None,
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        let (count, most) = match self {
            Self::Read { table, count, .. } => (*count, table.max_read()),
            Self::WriteCoil { .. } | Self::WriteRegister { .. } => (1, 1),
            Self::WriteCoils { .. } => (self.count(), MAX_WRITE_BITS),
            Self::WriteRegisters { .. } => (self.count(), MAX_WRITE_REGISTERS),
        };
        if count == 0 || count > most {
            return Err(EncodeError::Count);
        }
        match self.address().checked_add(count - 1) {
            Some(_) => Ok(()),
            None => Err(EncodeError::Address),
        }
    }
}

/// What function 5 writes for on and off.
pub(crate) const fn coil(on: bool) -> u16 {
    if on { COIL_ON } else { COIL_OFF }
}

/// A byte count; what it counts was checked to be at most 250 bytes.
pub(crate) fn length_byte(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).unwrap_or(u8::MAX)
}

/// The bytes behind a byte count, if it counts exactly them.
pub(crate) fn counted(data: &[u8]) -> Option<&[u8]> {
    let (&count, bytes) = data.split_first()?;
    (bytes.len() == usize::from(count)).then_some(bytes)
}

pub(crate) fn take_word(data: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = data.split_first_chunk()?;
    Some((u16::from_be_bytes(*word), rest))
}
