//! Modbus on the wire: frames in and out, and one client's conversation on one line.
//!
//! Frames, no meanings; bytes and time are arguments; nothing is allocated and nothing here can panic on
//! what the wire brings. The gateway, the simulated field and the firmware all speak through this crate.
//!
//! Limits and layouts follow the *Modbus Application Protocol Specification V1.1b3* and the *Modbus over
//! Serial Line Specification V1.02*.
#![no_std]
#![forbid(unsafe_code)]

/// Whether a bug is planted: the simulation proves that it would be caught. Always false in what ships.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(planted)]
        {
            crate::planted::has(crate::planted::Bug::$bug)
        }
        #[cfg(not(planted))]
        {
            false
        }
    }};
}

mod buffer;
mod conversation;
mod error;
mod exception;
mod expected;
mod late;
#[cfg(planted)]
pub mod planted;
mod request;
mod response;
pub mod rtu;
pub mod server;
mod table;
pub mod tcp;
mod timing;
mod view;

pub use conversation::{Answer, Ask, Conversation, Counts, Failure, Step};
pub use error::{EncodeError, FrameError, Mismatch, RequestError};
pub use exception::ExceptionCode;
pub use request::Request;
pub use response::Response;
pub use table::Table;
pub use timing::{Framing, Micros, Timing};
pub use view::{Bits, Registers};

/// Longest protocol data unit: function code and data, in bytes.
pub const MAX_PDU: usize = 253;
/// Longest RTU frame: unit id, PDU and CRC, in bytes.
pub const MAX_RTU_FRAME: usize = 256;
/// Longest TCP frame: MBAP header and PDU, in bytes.
pub const MAX_TCP_FRAME: usize = 260;
/// Most registers one read may ask for.
pub const MAX_READ_REGISTERS: u16 = 125;
/// Most coils or discrete inputs one read may ask for.
pub const MAX_READ_BITS: u16 = 2000;
/// Most registers one write may carry.
pub const MAX_WRITE_REGISTERS: u16 = 123;
/// Most coils one write may carry.
pub const MAX_WRITE_BITS: u16 = 1968;
