//! The two times: steady time that every decision uses, and wall-clock time as people read it.
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Steady time in whole microseconds since an arbitrary start. It never steps; all decisions use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant {
    micros: u64,
}

impl Instant {
    /// Later than every moment that happens.
    pub const NEVER: Self = Self { micros: u64::MAX };

    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// How long ago `earlier` was; zero if it is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self { micros: self.micros.saturating_add(micros) }
    }
}

/// UTC with milliseconds, written `2026-11-22T07:52:07.412Z`. Years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

/// How far a gateway's wall clock can be trusted when it stamped something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Set by a time source and kept by it.
    Synced,
    /// Was synchronised once, runs free since (for example after the network went).
    Held,
    /// Never set since power-on; its times only order events within one boot.
    Unset,
}

impl Timestamp {
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX_UNIX_MS: i64 = 253_402_300_799_999;

    /// Clamped to 1970..=9999, the range every reader of ours can format.
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms: unix_ms.clamp(0, Self::MAX_UNIX_MS) }
    }

    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.unix_ms).map_err(|_| fmt::Error)?;
        write!(f, "{at:.3}")
    }
}

impl core::str::FromStr for Timestamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let at: jiff::Timestamp = text.parse().map_err(|_| {
            format!(
                "expected a time like 2026-11-22T07:52:07.412Z, not {:?}",
                text.chars().take(40).collect::<String>()
            )
        })?;
        Ok(Self::from_unix_ms(at.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
