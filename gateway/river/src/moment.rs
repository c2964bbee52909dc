//! A moment in milliseconds of one clock: of the wall, where readings of several sources meet, or steady time.
use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Instant, Timestamp};

/// Milliseconds. Moments of two clocks must not be mixed; each caller uses one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(i64);

impl Moment {
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    pub const fn ms(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at.unix_ms())
    }
}

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        Self(i64::try_from(at.as_micros() / 1000).unwrap_or(i64::MAX))
    }
}
