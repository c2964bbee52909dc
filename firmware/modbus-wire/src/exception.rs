//! The exception codes a device may refuse a request with.

use core::fmt;

/// An exception code exactly as it was on the wire; any number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExceptionCode(pub u8);

impl ExceptionCode {
    pub const ILLEGAL_FUNCTION: Self = Self(1);
    pub const ILLEGAL_DATA_ADDRESS: Self = Self(2);
    pub const ILLEGAL_DATA_VALUE: Self = Self(3);
    pub const SERVER_DEVICE_FAILURE: Self = Self(4);
    pub const ACKNOWLEDGE: Self = Self(5);
    pub const SERVER_DEVICE_BUSY: Self = Self(6);
    pub const MEMORY_PARITY_ERROR: Self = Self(8);
    pub const GATEWAY_PATH_UNAVAILABLE: Self = Self(10);
    pub const GATEWAY_TARGET_NO_RESPONSE: Self = Self(11);

    /// The specification's name; `None` for a number it does not name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ILLEGAL_FUNCTION => "illegal function",
            Self::ILLEGAL_DATA_ADDRESS => "illegal data address",
            Self::ILLEGAL_DATA_VALUE => "illegal data value",
            Self::SERVER_DEVICE_FAILURE => "server device failure",
            Self::ACKNOWLEDGE => "acknowledge",
            Self::SERVER_DEVICE_BUSY => "server device busy",
            Self::MEMORY_PARITY_ERROR => "memory parity error",
            Self::GATEWAY_PATH_UNAVAILABLE => "gateway path unavailable",
            Self::GATEWAY_TARGET_NO_RESPONSE => "gateway target device failed to respond",
            _ => return None,
        })
    }

    /// The PDU that refuses `function` with this code.
    #[must_use]
    pub const fn pdu(self, function: u8) -> [u8; 2] {
        [function | 0x80, self.0]
    }
}

impl fmt::Display for ExceptionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "exception {} ({name})", self.0),
            None => write!(f, "exception {}", self.0),
        }
    }
}
