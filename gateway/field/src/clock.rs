//! The only place of this crate that reads a clock: time since the field was started, and the time of day that a
//! mobile network writes on what it carries.
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use shouwang_message::Timestamp;

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

#[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or_default())
}

pub(crate) const fn millis(ms: u32) -> Nanos {
    ms as Nanos * 1_000_000
}
