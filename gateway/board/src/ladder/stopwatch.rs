//! Time that passes for an alarm, kept over restarts.
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

/// Steady time that has passed, also over a restart.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stopwatch {
    /// Up to `since`.
    pub(super) ms: u64,
    pub(super) is_running: bool,
    #[serde(skip)]
    pub(super) since: Instant,
}

impl Stopwatch {
    pub(super) fn started(now: Instant, from: Duration) -> Self {
        Self { ms: ms(from), is_running: true, since: now }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        let running = if self.is_running { now.since(self.since) } else { Duration::ZERO };
        Duration::from_millis(self.ms).saturating_add(running)
    }

    /// The same, counted from now on.
    pub(super) fn at(&self, now: Instant) -> Self {
        Self { ms: ms(self.elapsed(now)), is_running: self.is_running, since: now }
    }

    /// When it shows so much; now if it does already, never while it stands.
    pub(super) fn reaches(&self, now: Instant, wanted: Duration) -> Instant {
        let left = wanted.saturating_sub(self.elapsed(now));
        match (left.is_zero(), self.is_running) {
            (true, _) => now,
            (false, true) => now + left,
            (false, false) => Instant::NEVER,
        }
    }
}

/// Whole milliseconds.
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
