//! The way to the devices: one question at a time, at a setting of the line.
use std::ops::RangeInclusive;
use std::time::Duration;

use shouwang_core::plan::Block;
use shouwang_core::profile::{PollClass, Table};

use crate::Setting;

/// Modbus TCP: the gateway has no path to the device, or the device behind it did not answer (*Modbus
/// Application Protocol V1.1b3*, section 7, exceptions 10 and 11).
const NOBODY_THERE: RangeInclusive<u8> = 10..=11;

/// A line in an installer's hands.
pub trait Bus {
    /// Opens the line at this setting; what was open before is closed.
    ///
    /// # Errors
    /// It cannot be opened, or the installer asked to end.
    fn set(&mut self, setting: Setting) -> Result<(), Lost>;

    /// Asks, and waits for an answer as long as the question says.
    ///
    /// # Errors
    /// The line is gone, or the installer asked to end. Silence is no error.
    fn ask(&mut self, question: &Question) -> Result<Heard, Lost>;

    /// What went by at this setting without being an answer.
    fn traffic(&self) -> Traffic;

    /// Time since the line was first opened.
    fn elapsed(&self) -> Duration;
}

/// A read of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub unit_id: u8,
    pub table: Table,
    pub address: u16,
    /// Registers, or bits of a bit table.
    pub count: u16,
    /// From the end of the request to the answer's first byte.
    pub wait: Duration,
    /// The device was heard before: an answer that comes late could be taken for another question's, so it
    /// is waited out. While ids are tried one by one it cannot, for every answer names its id.
    pub known: bool,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Words(Vec<u16>, Duration),
    Bits(Vec<bool>, Duration),
    /// The device, or a converter in its place, refused with this code.
    Exception(u8, Duration),
    Silence,
    /// Something that is no valid frame, or not the size of an answer.
    Garbled,
    /// A valid frame of this other device, which is late.
    Other(u8),
}

/// Bytes that were nobody's answer, since the line was opened at this setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub stray_bytes: u32,
    pub own_echoes: u32,
}

/// Why the line cannot be asked any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    Line(String),
}

impl Question {
    /// What every id is asked first: one holding register, at address 0. Who knows neither the function nor
    /// the address refuses, and is found all the same.
    pub fn who(unit_id: u8, wait: Duration) -> Self {
        Self { unit_id, table: Table::HoldingRegister, address: 0, count: 1, wait, known: false }
    }

    pub fn block(&self) -> Block {
        Block {
            table: self.table,
            address: self.address,
            count: self.count,
            class: PollClass::Slow,
            points: vec![],
        }
    }
}

impl Heard {
    /// No device said this: nothing came, or a gateway on TCP says that nobody answers it.
    pub fn is_nobody(&self, setting: Setting) -> bool {
        match self {
            Self::Silence => true,
            Self::Exception(code, _) => is_gateways(setting, *code),
            Self::Words(..) | Self::Bits(..) | Self::Garbled | Self::Other(_) => false,
        }
    }

    /// From the end of the request to the answer's first byte.
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Self::Words(_, delay) | Self::Bits(_, delay) | Self::Exception(_, delay) => Some(*delay),
            Self::Silence | Self::Garbled | Self::Other(_) => None,
        }
    }

    /// How many characters an RTU answer of this content has; 0 if there was none.
    pub fn characters(&self) -> u32 {
        let content = match self {
            Self::Words(words, _) => words.len() * 2,
            Self::Bits(bits, _) => bits.len().div_ceil(8),
            Self::Exception(..) => 0,
            Self::Silence | Self::Garbled | Self::Other(_) => return 0,
        };
        u32::try_from(content).unwrap_or(u32::MAX).saturating_add(5)
    }
}

/// A gateway on TCP refuses with this code in the place of a device that does not answer it.
pub(crate) fn is_gateways(setting: Setting, code: u8) -> bool {
    matches!(setting, Setting::Tcp { .. }) && NOBODY_THERE.contains(&code)
}
