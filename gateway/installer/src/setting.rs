//! How a line speaks.
use std::fmt;
use std::time::Duration;

use shouwang_core::configuration::LineKind;
use shouwang_core::profile::Parity;

/// A serial line's speed and frame, with 8 data bits; or a TCP line, which has neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Serial { baud: u32, parity: Parity, stop_bits: u8 },
    Tcp { rtu_frames: bool },
}

/// The settings that a pass tries one after the other.
pub type Settings = Vec<Setting>;

impl Setting {
    /// 8 data bits, no parity, one stop bit: what nearly every device leaves its factory with.
    pub fn usual(baud: u32) -> Self {
        Self::Serial { baud, parity: Parity::None, stop_bits: 1 }
    }

    /// A serial line's speed.
    pub fn baud(self) -> Option<u32> {
        match self {
            Self::Serial { baud, .. } => Some(baud),
            Self::Tcp { .. } => None,
        }
    }

    /// The line's kind, as the core counts its times.
    pub fn kind(self) -> LineKind {
        match self {
            Self::Serial { baud, parity, stop_bits } => {
                LineKind::Serial { baud, bits: 9 + u8::from(parity != Parity::None) + stop_bits }
            }
            Self::Tcp { rtu_frames } => LineKind::Tcp { rtu_frames },
        }
    }

    /// What an unused unit id costs: a request of eight characters, and `wait` in vain. The silence before the
    /// next request is part of that wait.
    pub fn silent(self, wait: Duration) -> Duration {
        self.kind().character() * 8 + wait.max(self.silence())
    }

    /// A request of eight characters, an answer of so many, and the silence before the next request. The
    /// device's own time is not in it.
    pub fn exchange(self, answer: u32) -> Duration {
        self.kind().character() * (8 + answer) + self.silence()
    }

    /// 3.5 characters and never under 1.75 ms, as *Modbus over Serial Line V1.02*, 2.5.1.1, fixes it above
    /// 19,200 baud.
    fn silence(self) -> Duration {
        match self {
            Self::Serial { .. } => (self.kind().character() * 7 / 2).max(Duration::from_micros(1750)),
            Self::Tcp { .. } => Duration::ZERO,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { baud, parity, stop_bits } => {
                let parity = match parity {
                    Parity::None => 'N',
                    Parity::Even => 'E',
                    Parity::Odd => 'O',
                };
                write!(f, "{baud} 8{parity}{stop_bits}")
            }
            Self::Tcp { rtu_frames: false } => f.write_str("tcp"),
            Self::Tcp { rtu_frames: true } => f.write_str("tcp rtu"),
        }
    }
}
