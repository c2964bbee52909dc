//! The harness's clock: tests of real programs are about real time, and read it here only.
use std::time::{Duration, Instant, SystemTime};

use shouwang_message::Timestamp;

/// Now, on the steady clock.
#[expect(clippy::disallowed_methods, reason = "the one place where the harness reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets `pause` go by. For looking again at something that another process does, and for stories in which
/// time itself is the subject ("the broker is away for 20 s"); never in the hope that something has
/// happened by then.
#[expect(clippy::disallowed_methods, reason = "other processes cannot be waited for in any other way")]
pub fn pause(pause: Duration) {
    std::thread::sleep(pause);
}

/// The wall clock as the contract writes it, for the times in commands and receipts.
#[expect(clippy::disallowed_methods, reason = "people's times are wall-clock times")]
pub fn wall() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(0))
}
