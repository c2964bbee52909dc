//! When the engine itself was away: a loop that hung, a process that was stopped. Nobody who was not asked and
//! not listened to meanwhile is to blame for that time.
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

/// The engine runs at least every 500 ms; not run for this long, it was away.
const AWAY: Duration = Duration::from_secs(2);
/// What waited while it was away has been taken by then.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// The last time that the engine was away. Earlier ones do not count: one that is away again and again must
/// still come to a verdict.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Absence {
    last_run: Instant,
    from: Instant,
    until: Instant,
}

impl Absence {
    /// None yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { last_run: now, from: now, until: now }
    }

    /// The engine runs at this moment; how long it was away before, if it was.
    pub(super) fn runs(&mut self, now: Instant) -> Option<Duration> {
        let away = now.since(self.last_run);
        let was_away = away >= AWAY;
        if was_away {
            (self.from, self.until) = (self.last_run, now);
        }
        self.last_run = now;
        was_away.then_some(away)
    }

    /// How much of the time since then the engine was there to see.
    pub(super) fn seen_since(&self, now: Instant, since: Instant) -> Duration {
        let away = self.until.since(self.from.max(since));
        now.since(since).saturating_sub(away)
    }

    /// Just back: answers may still wait behind what is looked at now.
    pub(super) fn is_catching_up(&self, now: Instant) -> bool {
        self.from < self.until && now.since(self.until) < CATCHING_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    #[test]
    fn time_away_is_nobodys_silence() {
        let mut absence = Absence::new(at(0));
        for ms in [0, 500, 1_000, 2_499, 2_500, 8_500, 9_000] {
            let away = absence.runs(at(ms));
            assert_eq!(away, (ms == 8_500).then_some(Duration::from_secs(6)));
        }
        let seen = |since: u64| absence.seen_since(at(9_000), at(since)).as_millis();
        assert_eq!((seen(0), seen(1_000), seen(2_500)), (3_000, 2_000, 500));
        assert_eq!((seen(4_000), seen(8_500), seen(8_900), seen(9_000)), (500, 500, 100, 0));
        assert!(absence.is_catching_up(at(9_499)) && !absence.is_catching_up(at(9_500)));
    }

    #[test]
    fn one_that_was_never_away_has_seen_all() {
        let mut absence = Absence::new(at(0));
        assert_eq!(absence.runs(at(1_999)), None);
        assert_eq!(absence.seen_since(at(2_000), at(0)), Duration::from_secs(2));
        assert!(!absence.is_catching_up(at(10)));
    }

    #[test]
    fn away_again_and_again_still_ends_in_a_verdict() {
        let mut absence = Absence::new(at(0));
        // Every 5 s, 3 s away.
        for round in 0..4 {
            let _ = absence.runs(at(round * 5_000 + 2_000));
            let _ = absence.runs(at(round * 5_000 + 5_000));
        }
        assert!(absence.seen_since(at(20_000), at(0)) >= Duration::from_secs(17));
    }
}
