//! The wall clock as the core knows it: an offset from steady time, and how far to trust it.
//!
//! It stamps what people read. No decision waits for it.
use serde::{Deserialize, Serialize};
use shouwang_message::{Clock, Instant, Timestamp};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Wall {
    offset_ms: i64,
    clock: Clock,
}

/// The wall clock moved by more than this against steady time: worth an event (degraded modes).
const STEP_MS: i64 = 2_000;

/// A change of the clock that people should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) step_ms: i64,
}

impl Wall {
    pub(crate) fn new(now: Instant, wall: Timestamp, clock: Clock) -> Self {
        Self { offset_ms: wall.unix_ms() - steady_ms(now), clock }
    }

    pub(crate) fn set(&mut self, now: Instant, wall: Timestamp, clock: Clock) -> Option<Step> {
        let step_ms = wall.unix_ms() - self.timestamp(now).unix_ms();
        let changed = clock != self.clock;
        *self = Self::new(now, wall, clock);
        (changed || step_ms.abs() > STEP_MS).then_some(Step { step_ms })
    }

    pub(crate) fn timestamp(&self, now: Instant) -> Timestamp {
        Timestamp::from_unix_ms(self.offset_ms.saturating_add(steady_ms(now)))
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }
}

fn steady_ms(now: Instant) -> i64 {
    i64::try_from(now.as_micros() / 1000).unwrap_or(i64::MAX)
}
