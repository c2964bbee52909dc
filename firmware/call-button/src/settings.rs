//! How the unit is reached: its unit id and its baud rate.

use crate::ring::Payload;

/// Baud rates by their code in the register.
pub const BAUD_RATES: [u32; 3] = [2400, 4800, 9600];
const KIND: u8 = 1;

/// Unit id and baud rate. Serial format is always 8 data bits, no parity, 1 stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    unit_id: u8,
    baud_code: u8,
}

impl Default for Settings {
    /// Unit id 1, 9600 baud.
    fn default() -> Self {
        Self { unit_id: 1, baud_code: 2 }
    }
}

impl Settings {
    #[must_use]
    pub const fn unit_id(&self) -> u8 {
        self.unit_id
    }

    #[must_use]
    pub fn baud(&self) -> u32 {
        BAUD_RATES.get(usize::from(self.baud_code)).copied().unwrap_or(9600)
    }

    #[must_use]
    pub const fn baud_code(&self) -> u8 {
        self.baud_code
    }

    /// `None` unless it is 1-247.
    #[must_use]
    pub fn with_unit_id(self, unit_id: u16) -> Option<Self> {
        let unit_id = u8::try_from(unit_id).ok().filter(|id| matches!(id, 1..=247))?;
        Some(Self { unit_id, ..self })
    }

    /// `None` unless it is 0-2.
    #[must_use]
    pub fn with_baud_code(self, code: u16) -> Option<Self> {
        let baud_code = u8::try_from(code).ok().filter(|code| usize::from(*code) < BAUD_RATES.len())?;
        Some(Self { baud_code, ..self })
    }

    pub(crate) fn to_payload(self) -> Payload {
        [KIND, self.unit_id, self.baud_code, 0, 0, 0, 0, 0]
    }

    pub(crate) fn from_payload(payload: Payload) -> Option<Self> {
        match payload {
            [KIND, unit_id, baud_code, 0, 0, 0, 0, 0] => {
                Self::default().with_unit_id(unit_id.into())?.with_baud_code(baud_code.into())
            }
            _ => None,
        }
    }
}
