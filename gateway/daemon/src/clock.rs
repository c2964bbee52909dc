//! The one place that reads clocks: time since the machine started for every decision, and the wall clock
//! with what is known of its worth for the stamps that people read.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::Timespec;
use rustix::time::{ClockId, clock_gettime};
use shouwang_core::{Clock, Instant, Timestamp};

/// A wall clock before this was never set: 2026-11-01, when this program did not exist yet.
const NOT_BEFORE_UNIX_MS: i64 = 1_793_491_200_000;

/// Microseconds since the machine started, time asleep included; never set back. The same for all threads.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Instant::from_micros(seconds * 1_000_000 + u64::try_from(time.tv_nsec / 1000).unwrap_or(0))
}

/// The wall clock, and how far it can be trusted. Only systemd-timesyncd is recognised as its keeper; without
/// it the clock counts as running free. It opens no connection and takes microseconds.
pub fn wall() -> (Timestamp, Clock) {
    let unix_ms = unix_ms();
    (Timestamp::from_unix_ms(unix_ms), trust(unix_ms, shouwang_trust::clock::is_synchronised()))
}

/// Asked of the C library rather than of the kernel, so that a test can put a wrong clock in between.
#[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
fn unix_ms() -> i64 {
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    SystemTime::now().duration_since(UNIX_EPOCH).map_or_else(|before| -ms(before.duration()), ms)
}

fn trust(unix_ms: i64, synchronised: bool) -> Clock {
    match (unix_ms < NOT_BEFORE_UNIX_MS, synchronised) {
        (true, _) => Clock::Unset,
        (false, true) => Clock::Synced,
        (false, false) => Clock::Held,
    }
}

/// What a wait from `now` to `deadline` is to the kernel; none for ever.
pub(crate) fn wait(now: Instant, deadline: Instant) -> Option<Timespec> {
    if deadline == Instant::NEVER {
        return None;
    }
    Timespec::try_from(deadline.since(now).min(Duration::from_secs(3600))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_the_wall_clock_is_judged() {
        let earlier = now();
        assert!(now() >= earlier);
        assert_eq!(trust(0, true), Clock::Unset);
        assert_eq!(trust(NOT_BEFORE_UNIX_MS, false), Clock::Held);
        assert_eq!(trust(NOT_BEFORE_UNIX_MS, true), Clock::Synced);
        assert_eq!(Timestamp::from_unix_ms(NOT_BEFORE_UNIX_MS).to_string(), "2026-11-01T00:00:00.000Z");
    }
}
