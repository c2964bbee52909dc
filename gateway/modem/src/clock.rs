//! The one place of this crate that reads a clock: steady time since the machine started.
use rustix::event::Timespec;
use rustix::time::{ClockId, clock_gettime};
use shouwang_message::Instant;

/// Never set back; time asleep is included.
pub(crate) fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Instant::from_micros(seconds * 1_000_000 + u64::try_from(time.tv_nsec / 1000).unwrap_or(0))
}

/// What a wait from `now` to `until` is to the kernel.
pub(crate) fn wait(now: Instant, until: Instant) -> Option<Timespec> {
    Timespec::try_from(until.since(now)).ok()
}
