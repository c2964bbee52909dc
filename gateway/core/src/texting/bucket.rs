//! How many texts may leave: an operator shuts out who sends like a machine, so a flood must not spend what the
//! next emergency needs. Every stretch of time counts, not only whole minutes.
use alloc::collections::VecDeque;
use core::time::Duration;

use shouwang_message::Instant;

/// At most `count` texts in any `per`; so many of them for emergencies only.
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

/// What was sent lately, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    sent: VecDeque<Instant>,
}

impl Bucket {
    /// Whether one more text keeps every limit.
    pub(super) fn has_room(&self, now: Instant, is_emergency: bool) -> bool {
        LIMITS.iter().all(|limit| {
            let allowed = if is_emergency { limit.count } else { limit.count - limit.kept };
            // The text that must have left the stretch before the next may enter it.
            let leaving = self.sent.len().checked_sub(allowed).and_then(|place| self.sent.get(place));
            leaving.is_none_or(|at| now.since(*at) >= limit.per)
        })
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
            assert!(bucket.has_room(ms(n), false));
            bucket.take(ms(n));
        }
        assert!(!bucket.has_room(ms(59_999), false));
        for n in 13..20 {
            assert!(bucket.has_room(ms(n), true));
            bucket.take(ms(n));
        }
        assert!(!bucket.has_room(ms(59_999), true));
        assert!(bucket.has_room(ms(60_000), true));
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_holds_more(asked in prop::collection::vec((0..20_000_u64, any::<bool>()), 1..600)) {
            let mut bucket = Bucket::default();
            let mut now = 0;
            let mut sent: Vec<(u64, bool)> = Vec::new();
            for (wait, is_emergency) in asked {
                now += wait;
                if bucket.has_room(ms(now), is_emergency) {
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
