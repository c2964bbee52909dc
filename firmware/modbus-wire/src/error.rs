//! What can be wrong with a frame, on the way out and on the way in.

use core::{error::Error, fmt};

use crate::ExceptionCode;

/// Why a request or a response cannot be put into bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The buffer is too short, or the PDU is longer than a frame can carry.
    NoRoom,
    /// No value at all, or more than one frame can carry.
    Count,
    /// The last value would lie beyond address 65535.
    Address,
    /// Unit id 0 is broadcast: nobody answers, so a conversation never uses it.
    UnitId,
    /// The response is not one that this request can have.
    NotAnAnswer,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "encoding a Modbus frame: it does not fit; give a buffer of 260 bytes",
            Self::Count => {
                "encoding a Modbus frame: no value or too many; a read takes 1-125 registers or 1-2000 bits, \
                 a write 1-123 registers or 1-1968 coils"
            }
            Self::Address => {
                "encoding a Modbus request: it reaches beyond address 65535; ask for fewer values"
            }
            Self::UnitId => "asking a Modbus device: unit id 0 is broadcast and nobody answers; use 1-247",
            Self::NotAnAnswer => "encoding a Modbus response: it does not belong to this request",
        })
    }
}

impl Error for EncodeError {}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter or longer than any frame (RTU: 4-256 bytes; TCP: a length field outside 2-254).
    Length,
    /// RTU: the checksum does not match.
    Crc,
    /// TCP: the protocol field is not 0, so this is not Modbus.
    Protocol,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "reading a Modbus frame: no frame has this length; check baud rate and framing",
            Self::Crc => "reading a Modbus frame: the CRC does not match; check wiring, baud rate and parity",
            Self::Protocol => "reading a Modbus TCP frame: the protocol is not 0; is this a Modbus server?",
        })
    }
}

impl Error for FrameError {}

/// A request that no server may carry out, and the exception it must answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The function that was asked for; 0 if the PDU was empty.
    pub function: u8,
    /// What the server must answer.
    pub exception: ExceptionCode,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reading a Modbus request of function {}: answer with {}", self.function, self.exception)
    }
}

impl Error for RequestError {}

/// Why a PDU is not the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another function than the one asked for.
    Function(u8),
    /// Another size, or a byte count that does not fit what was asked for.
    Length,
    /// A write answered with another address, value or count than was written.
    Echo,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => {
                write!(f, "reading a Modbus answer: function {function} was not asked for")
            }
            Self::Length => f.write_str("reading a Modbus answer: it has another size than was asked for"),
            Self::Echo => f.write_str("reading a Modbus answer: it confirms another write than ours"),
        }
    }
}

impl Error for Mismatch {}
