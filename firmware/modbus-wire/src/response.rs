//! What a device may answer. A response only means something next to its request, so both directions take it.

use crate::buffer::Writer;
use crate::request::{coil, counted, length_byte, take_word};
use crate::{Bits, EncodeError, ExceptionCode, MAX_PDU, Mismatch, Registers, Request, Table};

/// One response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// Coils or discrete inputs, as many as were asked for.
    Bits(Bits<'a>),
    /// Registers, as many as were asked for.
    Registers(Registers<'a>),
    /// A coil was switched.
    WroteCoil { address: u16, on: bool },
    /// A register was written.
    WroteRegister { address: u16, value: u16 },
    /// Coils in a row were switched.
    WroteCoils { address: u16, count: u16 },
    /// Registers in a row were written.
    WroteRegisters { address: u16, count: u16 },
    /// The device refuses.
    Exception(ExceptionCode),
}

impl<'a> Response<'a> {
    /// The response that confirms a write; `None` for a read.
    #[must_use]
    pub fn confirming(request: &Request<'_>) -> Option<Response<'static>> {
        let count = request.count();
        match *request {
            Request::Read { .. } => None,
            Request::WriteCoil { address, on } => Some(Response::WroteCoil { address, on }),
            Request::WriteRegister { address, value } => Some(Response::WroteRegister { address, value }),
            Request::WriteCoils { address, .. } => Some(Response::WroteCoils { address, count }),
            Request::WriteRegisters { address, .. } => Some(Response::WroteRegisters { address, count }),
        }
    }

    /// Writes the PDU that answers `request` and returns its length.
    ///
    /// # Errors
    /// `NotAnAnswer` if `request` cannot have this response, `NoRoom` if `out` is too short.
    pub fn encode(&self, request: &Request<'_>, out: &mut [u8]) -> Result<usize, EncodeError> {
        let function = request.function();
        if !self.answers(request) {
            return Err(EncodeError::NotAnAnswer);
        }
        let pdu = Writer::new(out);
        match *self {
            Self::Exception(code) => pdu.bytes(&code.pdu(function)),
            Self::Bits(ref bits) => pdu.byte(function).byte(length_byte(bits.as_bytes())).bits(bits),
            Self::Registers(registers) => {
                pdu.byte(function).byte(length_byte(registers.as_bytes())).bytes(registers.as_bytes())
            }
            Self::WroteCoil { address, on } => pdu.byte(function).word(address).word(coil(on)),
            Self::WroteRegister { address, value } => pdu.byte(function).word(address).word(value),
            Self::WroteCoils { address, count } | Self::WroteRegisters { address, count } => {
                pdu.byte(function).word(address).word(count)
            }
        }
        .finish()
    }

    /// Reads a PDU as the answer to `request`. Function, size, byte count and the echo of a write must all
    /// match; nothing is guessed.
    ///
    /// # Errors
    /// What did not match.
    pub fn decode(request: &Request<'_>, pdu: &'a [u8]) -> Result<Self, Mismatch> {
        let (&function, data) = pdu.split_first().ok_or(Mismatch::Length)?;
        if function == request.function() | 0x80 {
            return match data {
                [code] => Ok(Self::Exception(ExceptionCode(*code))),
                _ => Err(Mismatch::Length),
            };
        }
        if function != request.function() {
            return Err(Mismatch::Function(function));
        }
        if pdu.len() != request.response_pdu_len() || pdu.len() > MAX_PDU {
            return Err(Mismatch::Length);
        }
        match *request {
            Request::Read { table, count, .. } => Self::values(table, count, data).ok_or(Mismatch::Length),
            _ => Self::confirmation(request, data).ok_or(Mismatch::Echo),
        }
    }

    /// The planted bug's reading of somebody else's answer: whatever fits.
    #[cfg(planted)]
    pub(crate) fn decode_loosely(request: &Request<'_>, pdu: &'a [u8]) -> Option<Self> {
        let (&function, data) = pdu.split_first()?;
        match *request {
            _ if function & 0x80 != 0 => data.first().map(|code| Self::Exception(ExceptionCode(*code))),
            Request::Read { table, count, .. } => {
                let bytes = data.get(1..=table.bytes_for(count))?;
                if table.is_bits() {
                    Bits::new(bytes, count).map(Self::Bits)
                } else {
                    Registers::from_bytes(bytes).map(Self::Registers)
                }
            }
            _ => Self::confirming(request),
        }
    }

    fn values(table: Table, count: u16, data: &'a [u8]) -> Option<Self> {
        let bytes = counted(data)?;
        if table.is_bits() {
            Bits::new(bytes, count).map(Self::Bits)
        } else {
            Registers::from_bytes(bytes).map(Self::Registers)
        }
    }

    fn confirmation(request: &Request<'_>, data: &[u8]) -> Option<Self> {
        let (address, data) = take_word(data)?;
        let (word, _) = take_word(data)?;
        let written = match *request {
            Request::WriteCoil { on, .. } => coil(on),
            Request::WriteRegister { value, .. } => value,
            _ => request.count(),
        };
        (address == request.address() && word == written).then(|| Self::confirming(request)).flatten()
    }

    fn answers(&self, request: &Request<'_>) -> bool {
        match (self, request) {
            (Self::Exception(_), _) => true,
            (Self::Bits(bits), Request::Read { table, count, .. }) => {
                table.is_bits() && bits.count() == *count && *count <= table.max_read()
            }
            (Self::Registers(registers), Request::Read { table, count, .. }) => {
                !table.is_bits() && registers.len() == usize::from(*count) && *count <= table.max_read()
            }
            _ => Self::confirming(request) == Some(*self),
        }
    }
}
