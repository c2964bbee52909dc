//! Bytes and time become frames: silence of three and a half characters ends one.

use heapless::Vec;
use modbus_wire::{MAX_RTU_FRAME, Timing};

use crate::Micros;

/// An answer that would begin later than this after the end of its request is not given: the gateway has
/// stopped waiting, and the line belongs to somebody else (map version 1, rule 8).
pub(crate) const LATEST_ANSWER_US: Micros = 50_000;
/// Start, eight data bits, stop.
const BITS_PER_CHARACTER: u32 = 10;

#[derive(Debug)]
pub(crate) struct Framer {
    bytes: Vec<u8, MAX_RTU_FRAME>,
    /// Too long, or the receiver found an error in it.
    spoilt: bool,
    last_byte_at: Micros,
    silence_us: Micros,
}

impl Framer {
    pub(crate) fn new(baud: u32) -> Self {
        Self { bytes: Vec::new(), spoilt: false, last_byte_at: 0, silence_us: silence_us(baud) }
    }

    pub(crate) fn set_baud(&mut self, baud: u32) {
        self.silence_us = silence_us(baud);
        self.clear();
    }

    pub(crate) fn received(&mut self, now: Micros, byte: u8) {
        self.separate(now);
        if self.bytes.push(byte).is_err() {
            self.spoilt = true;
        }
    }

    /// The receiver saw something that is no byte: framing error, overrun.
    pub(crate) fn spoil(&mut self, now: Micros) {
        self.separate(now);
        self.spoilt = true;
    }

    /// The frame that has just ended, if it is worth reading. Call [`Framer::clear`] after it.
    pub(crate) fn ended(&mut self, now: Micros) -> Option<&[u8]> {
        if !self.is_silent(now) || (self.bytes.is_empty() && !self.spoilt) {
            return None;
        }
        if self.spoilt || now.saturating_sub(self.last_byte_at) >= LATEST_ANSWER_US {
            self.clear();
            return None;
        }
        Some(&self.bytes)
    }

    /// When the frame that is coming in will have ended if nothing more comes.
    pub(crate) fn ends_at(&self) -> Option<Micros> {
        let coming = !self.bytes.is_empty() || self.spoilt;
        coming.then(|| self.last_byte_at.saturating_add(self.silence_us))
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.spoilt = false;
    }

    fn is_silent(&self, now: Micros) -> bool {
        now.saturating_sub(self.last_byte_at) >= self.silence_us
    }

    /// After silence, what came before is another frame's.
    fn separate(&mut self, now: Micros) {
        if self.is_silent(now) {
            self.clear();
        }
        self.last_byte_at = now;
    }
}

fn silence_us(baud: u32) -> Micros {
    Timing::serial(baud, BITS_PER_CHARACTER).silence_us.into()
}
