//! What a unit keeps when the power is gone: its settings, its counters and whether it is calling.

use crate::ring::{Found, Payload, Ring};
use crate::{Flash, FlashError, Settings};

const SETTINGS_PAGE: usize = 0;
const COUNTERS_PAGE: usize = 2;
const KIND: u8 = 1;
const LATCHED: u8 = 1;
const OPEN: u8 = 2;

/// What presses leave behind. All counters wrap from 65535 to 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub presses: u16,
    pub cancels: u16,
    pub boots: u16,
    /// A press that the gateway has not written back.
    pub latched: bool,
    /// There has been a call since the unit was last cancelled; whether it is finished only HR 1 tells, and
    /// that is not kept.
    pub open: bool,
}

impl Counters {
    fn to_payload(self) -> Payload {
        let [p0, p1] = self.presses.to_le_bytes();
        let [c0, c1] = self.cancels.to_le_bytes();
        let [b0, b1] = self.boots.to_le_bytes();
        let flags = if self.latched { LATCHED } else { 0 } | if self.open { OPEN } else { 0 };
        [KIND, flags, p0, p1, c0, c1, b0, b1]
    }

    fn from_payload(payload: Payload) -> Option<Self> {
        let [KIND, flags, p0, p1, c0, c1, b0, b1] = payload else { return None };
        Some(Self {
            presses: u16::from_le_bytes([p0, p1]),
            cancels: u16::from_le_bytes([c0, c1]),
            boots: u16::from_le_bytes([b0, b1]),
            latched: flags & LATCHED != 0,
            open: flags & OPEN != 0,
        })
    }
}

/// The unit's memory, open for writing.
#[derive(Debug)]
pub(crate) struct Kept<F> {
    flash: F,
    settings: Ring,
    counters: Ring,
}

/// What was there at the start. Counters and settings that were never written are the default ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    /// Something was there and cannot be read any more.
    pub(crate) lost: bool,
    /// No settings have been written yet.
    pub(crate) blank: bool,
}

impl<F: Flash> Kept<F> {
    pub(crate) fn open(flash: F) -> (Self, Loaded) {
        let (settings_ring, settings) = Ring::open(&flash, SETTINGS_PAGE);
        let (counters_ring, counters) = Ring::open(&flash, COUNTERS_PAGE);
        let (settings, settings_lost) = decoded(settings, Settings::from_payload);
        let (counters, counters_lost) = decoded(counters, Counters::from_payload);
        let loaded = Loaded {
            settings: settings.unwrap_or_default(),
            counters: counters.unwrap_or_default(),
            lost: settings_lost || counters_lost,
            blank: settings.is_none() && !settings_lost,
        };
        (Self { flash, settings: settings_ring, counters: counters_ring }, loaded)
    }

    pub(crate) fn save_settings(&mut self, settings: Settings) -> Result<(), FlashError> {
        self.settings.append(&mut self.flash, settings.to_payload())
    }

    pub(crate) fn save_counters(&mut self, counters: Counters) -> Result<(), FlashError> {
        self.counters.append(&mut self.flash, counters.to_payload())
    }

    /// Erases one page ahead if one is full, which takes up to 40 ms.
    pub(crate) fn turn_ahead(&mut self) {
        let _ = self.counters.turn_ahead(&mut self.flash) || self.settings.turn_ahead(&mut self.flash);
    }

    pub(crate) fn flash(&self) -> &F {
        &self.flash
    }

    pub(crate) fn into_flash(self) -> F {
        self.flash
    }
}

/// Gives a unit its settings and counters before it is started: at the factory, or for a test.
///
/// # Errors
/// The flash did not take them.
pub fn provision<F: Flash>(flash: &mut F, settings: Settings, counters: Counters) -> Result<(), FlashError> {
    let (mut kept, _) = Kept::open(flash);
    kept.save_settings(settings)?;
    kept.save_counters(counters)
}

fn decoded<T>(found: Found, decode: impl Fn(Payload) -> Option<T>) -> (Option<T>, bool) {
    match found {
        Found::Blank => (None, false),
        Found::Lost => (None, true),
        Found::Newest(payload) => {
            let value = decode(payload);
            let lost = value.is_none();
            (value, lost)
        }
    }
}
