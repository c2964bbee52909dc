//! A reading: a point's value at a moment, or the named reason there is none. Absence is data.
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::{PointValue, Quality, Value};
use shouwang_river::Flag;

use crate::input::AskFailure;

/// What one poll says about one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    Good(Value),
    /// There is a value, but something speaks against trusting it: it may raise, never clear.
    Uncertain(Value, NoData),
    Bad(NoData),
}

/// What a block read brought: one word a register, or one bit a coil or input, from the block's address on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raw {
    Words(Vec<u16>),
    Bits(Vec<bool>),
}

/// Why there is no value, or none to be trusted. The words are the contract's `why`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NoData {
    /// Nothing has been asked yet since the start.
    NotYet,
    Timeout,
    Crc,
    /// The device refused with this Modbus exception code.
    Exception(u8),
    WrongUnitId,
    /// A valid frame of another shape than asked for.
    WrongAnswer,
    LineDown,
    OutOfRange,
    /// The device's own word for "no value".
    ErrorValue,
    /// The device says that it does not have this quantity.
    NotSupported,
    /// IEEE 754 NaN: a sensor error.
    NotANumber,
    /// IEEE 754 infinity: over or under range.
    Infinite,
    /// A status bit of the device says that this point is not to be trusted.
    Status,
    Warmup,
    Stuck,
    RateImpossible,
    /// The frozen unit, decimals or scale differ from what the device says now.
    ConfigMismatch,
    /// Another model answers at this unit id.
    WrongIdentity,
    Inhibited,
    Test,
    Simulated,
    /// What speaks against a level, by what its station's readings were before.
    Flagged(Flag),
}

impl From<AskFailure> for NoData {
    fn from(failure: AskFailure) -> Self {
        match failure {
            AskFailure::Timeout => Self::Timeout,
            AskFailure::Crc => Self::Crc,
            AskFailure::WrongUnitId => Self::WrongUnitId,
            AskFailure::WrongAnswer => Self::WrongAnswer,
            AskFailure::LineDown => Self::LineDown,
        }
    }
}

impl NoData {
    pub fn word(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NotYet => "not_yet",
            Self::Timeout => "timeout",
            Self::Crc => "crc",
            Self::Exception(code) => return Cow::Owned(format!("exception({code})")),
            Self::WrongUnitId => "wrong_unit_id",
            Self::WrongAnswer => "wrong_answer",
            Self::LineDown => "line_down",
            Self::OutOfRange => "out_of_range",
            Self::ErrorValue => "error_value",
            Self::NotSupported => "not_supported",
            Self::NotANumber => "not_a_number",
            Self::Infinite => "infinite",
            Self::Status => "status",
            Self::Warmup => "warmup",
            Self::Stuck => "stuck",
            Self::RateImpossible => "rate_impossible",
            Self::ConfigMismatch => "config_mismatch",
            Self::WrongIdentity => "wrong_identity",
            Self::Inhibited => "inhibited",
            Self::Test => "test",
            Self::Simulated => "simulated",
            Self::Flagged(flag) => flag.word(),
        })
    }
}

impl Reading {
    pub fn quality(&self) -> Quality {
        match self {
            Self::Good(_) => Quality::Good,
            Self::Uncertain(..) => Quality::Uncertain,
            Self::Bad(_) => Quality::Bad,
        }
    }

    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Good(value) | Self::Uncertain(value, _) => Some(value),
            Self::Bad(_) => None,
        }
    }

    pub fn why(&self) -> Option<NoData> {
        match self {
            Self::Good(_) => None,
            Self::Uncertain(_, why) | Self::Bad(why) => Some(*why),
        }
    }

    /// As the `/values` document tells it.
    pub fn to_point_value(&self, unit: Option<&str>) -> PointValue {
        PointValue {
            value: self.value().cloned(),
            unit: unit.filter(|_| self.value().is_some()).map(Into::into),
            quality: self.quality(),
            why: self.why().map(|why| why.word().into_owned()),
        }
    }
}
