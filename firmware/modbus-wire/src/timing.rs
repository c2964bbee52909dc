//! How long to wait for what, on a serial line and on a stream.

use crate::MAX_RTU_FRAME;

/// Microseconds on the caller's monotonic clock.
pub type Micros = u64;

/// How frames are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Unit id and CRC: RS-485, or a converter that carries RTU frames over TCP.
    Rtu,
    /// MBAP header: Modbus TCP.
    Tcp,
}

/// A line's waiting times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// RTU: the line must have been silent this long before we speak.
    pub silence_us: u32,
    /// An answer that has begun may pause this long. Much more than the specification's 1.5 characters,
    /// because USB adapters and networks deliver in pieces.
    pub gap_us: u32,
    /// RTU: how long after a time-out an answer to it may still arrive.
    pub late_window_us: u32,
}

/// A USB adapter holds bytes back for up to 16 ms (FTDI's default latency timer), and then some.
const USB_GAP_US: u32 = 20_000;
/// A device that missed its time-out is given this long, and the time its longest answer takes.
const LATE_SERIAL_US: u32 = 500_000;
/// A network may deliver a frame in pieces: one retransmission (200 ms at least on Linux) fits in twice.
const STREAM_GAP_US: u32 = 500_000;
/// A converter's own time-out is usually a second or less.
const LATE_STREAM_US: u32 = 1_000_000;
/// Above 19200 baud the specification fixes the silence (Modbus over Serial Line V1.02, 2.5.1.1).
const FIXED_SILENCE_US: u32 = 1_750;

impl Timing {
    /// A serial line. `bits_per_character` counts start, data, parity and stop bits: 10 for 8N1, 11 for 8E1.
    /// A baud rate of 0 counts as 1.
    #[must_use]
    pub fn serial(baud: u32, bits_per_character: u32) -> Self {
        let baud = u64::from(baud.max(1));
        let characters_us = |halves: u64| {
            let us = (halves * u64::from(bits_per_character) * 1_000_000).div_ceil(2 * baud);
            u32::try_from(us).unwrap_or(u32::MAX)
        };
        let silence_us = if baud > 19_200 { FIXED_SILENCE_US } else { characters_us(7) };
        let longest_frame_us = characters_us(2 * MAX_RTU_FRAME as u64);
        Self {
            silence_us,
            gap_us: silence_us.saturating_add(USB_GAP_US),
            late_window_us: longest_frame_us.saturating_add(LATE_SERIAL_US),
        }
    }

    /// A TCP connection, carrying either framing: no silence to keep.
    #[must_use]
    pub const fn stream() -> Self {
        Self { silence_us: 0, gap_us: STREAM_GAP_US, late_window_us: LATE_STREAM_US }
    }

    /// Upper bound of the time `characters` take on the wire; 0 on a stream.
    pub(crate) fn characters_us(&self, characters: usize) -> Micros {
        (u64::from(self.silence_us) * 2).div_ceil(7) * characters as u64
    }
}
