//! The only place of this crate that reads a clock: time since the field was started.
use std::time::Instant;

/// Nanoseconds since the field was started. At 115200 baud a character takes 86.8 us, so microseconds
/// would add up to an error.
pub(crate) type Nanos = u64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Nanos {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

pub(crate) const fn millis(ms: u32) -> Nanos {
    ms as Nanos * 1_000_000
}
