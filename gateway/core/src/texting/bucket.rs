//! How many texts may leave: an operator shuts out who sends like a machine, so a flood must not spend what the
//! next emergency needs. Every stretch of time counts, not only whole minutes.
use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

/// At most `count` texts in any `per`; so many of them for new emergencies only.
struct Limit {
    count: usize,
    per: Duration,
    kept: usize,
}

/// A minute's as for the duty room's own modem; an hour's, so that a flapping detector in a long outage stays a
/// trickle.
const LIMITS: [Limit; 2] = [
    Limit { count: 20, per: Duration::from_secs(60), kept: 7 },
    Limit { count: 200, per: Duration::from_secs(60 * 60), kept: 100 },
];
const REMEMBERED: usize = 200;

/// What a text may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spends {
    /// Everything: somebody has not heard of this emergency at all.
    Reserve,
    /// What is left beside that: further cries, further tries, ends.
    Rest,
}

/// What left lately, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Bucket {
    sent: VecDeque<Instant>,
}

impl Bucket {
    /// Whether one more text keeps every limit.
    pub(super) fn has_room(&self, now: Instant, spends: Spends) -> bool {
        self.wait(now, spends).is_zero()
    }

    /// How long until there is room for a new emergency, if nothing else leaves.
    pub(super) fn room_in(&self, now: Instant) -> Duration {
        self.wait(now, Spends::Reserve)
    }

    fn wait(&self, now: Instant, spends: Spends) -> Duration {
        let waits = LIMITS.iter().filter_map(|limit| {
            let allowed = if spends == Spends::Reserve { limit.count } else { limit.count - limit.kept };
            // The text that must have left the stretch before the next may enter it.
            let leaving = self.sent.get(self.sent.len().checked_sub(allowed)?)?;
            Some(limit.per.saturating_sub(now.since(*leaving)))
        });
        waits.max().unwrap_or_default()
    }

    /// What was counted last has not left.
    pub(super) fn give_back(&mut self) {
        self.sent.pop_back();
    }

    /// Counts one text.
    pub(super) fn take(&mut self, now: Instant) {
        self.sent.push_back(now);
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn thirteen_others_then_seven_emergencies_then_nobody_for_the_rest_of_the_minute() {
        let mut bucket = Bucket::default();
        for n in 0..13 {
            assert!(bucket.has_room(ms(n), Spends::Rest));
            bucket.take(ms(n));
        }
        assert!(!bucket.has_room(ms(59_999), Spends::Rest));
        for n in 13..20 {
            assert!(bucket.has_room(ms(n), Spends::Reserve));
            bucket.take(ms(n));
        }
        assert!(!bucket.has_room(ms(59_999), Spends::Reserve));
        assert_eq!(bucket.room_in(ms(59_000)), Duration::from_secs(1));
        assert!(bucket.has_room(ms(60_000), Spends::Reserve));
        bucket.give_back();
        assert!(bucket.has_room(ms(59_999), Spends::Reserve), "what has not left spends nothing");
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_holds_more(asked in prop::collection::vec((0..20_000_u64, any::<bool>()), 1..600)) {
            let mut bucket = Bucket::default();
            let mut now = 0;
            let mut sent: Vec<(u64, bool)> = Vec::new();
            for (wait, is_emergency) in asked {
                now += wait;
                let spends = if is_emergency { Spends::Reserve } else { Spends::Rest };
                if bucket.has_room(ms(now), spends) {
                    bucket.take(ms(now));
                    sent.push((now, is_emergency));
                }
                for limit in &LIMITS {
                    let per = limit.per.as_millis() as u64;
                    let inside = sent.iter().filter(|(at, _)| now - at < per).count();
                    prop_assert!(inside <= limit.count);
                    let is_last_other = sent.last().is_some_and(|(at, emergency)| *at == now && !emergency);
                    prop_assert!(!is_last_other || inside <= limit.count - limit.kept);
                }
            }
        }
    }
}
