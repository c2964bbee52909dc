//! The four tables a device may keep its values in, and the function code that reads each.

use crate::{MAX_READ_BITS, MAX_READ_REGISTERS};

/// One of the four Modbus tables. Addresses in each are zero-based, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Bits that can be read (01) and written (05, 15).
    Coil,
    /// Bits that can only be read (02).
    DiscreteInput,
    /// Registers that can only be read (04).
    InputRegister,
    /// Registers that can be read (03) and written (06, 16).
    HoldingRegister,
}

impl Table {
    /// True for coils and discrete inputs.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::DiscreteInput)
    }

    /// The function code that reads this table.
    #[must_use]
    pub const fn read_function(self) -> u8 {
        match self {
            Self::Coil => 1,
            Self::DiscreteInput => 2,
            Self::HoldingRegister => 3,
            Self::InputRegister => 4,
        }
    }

    /// The table that a function code reads; `None` if it reads none.
    #[must_use]
    pub const fn from_read_function(function: u8) -> Option<Self> {
        match function {
            1 => Some(Self::Coil),
            2 => Some(Self::DiscreteInput),
            3 => Some(Self::HoldingRegister),
            4 => Some(Self::InputRegister),
            _ => None,
        }
    }

    /// Most bits or registers one read of this table may ask for.
    #[must_use]
    pub const fn max_read(self) -> u16 {
        if self.is_bits() { MAX_READ_BITS } else { MAX_READ_REGISTERS }
    }

    /// Bytes that `count` values of this table take in an answer.
    pub(crate) fn bytes_for(self, count: u16) -> usize {
        if self.is_bits() { usize::from(count).div_ceil(8) } else { usize::from(count) * 2 }
    }
}
