//! How often a channel may be used: so many sends in any stretch of time, some of them kept for emergencies.
//! The times are arguments; every stretch counts, not only whole minutes.
use std::collections::VecDeque;
use std::time::Duration;

use shouwang_message::Instant;

/// At most `count` sends in any `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) count: usize,
    pub(crate) per: Duration,
    /// Of them for emergencies only; less than `count`.
    pub(crate) kept: usize,
}

/// What was sent lately, held against every limit at once.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    limits: Vec<Limit>,
    /// Oldest first; no more than the largest limit counts.
    sent: VecDeque<Instant>,
}

impl Bucket {
    pub(crate) fn new(limits: &[Limit]) -> Self {
        Self { limits: limits.to_vec(), sent: VecDeque::new() }
    }

    /// The first moment, not before `now`, at which one more send keeps every limit.
    pub(crate) fn free_at(&self, now: Instant, emergency: bool) -> Instant {
        let free_at = |limit: &Limit| {
            let allowed = if emergency { limit.count } else { limit.count.saturating_sub(limit.kept) }.max(1);
            // The send that must have left the stretch before the next may enter it.
            let leaving = self.sent.len().checked_sub(allowed).and_then(|place| self.sent.get(place));
            leaving.map_or(now, |at| (*at + limit.per).max(now))
        };
        self.limits.iter().map(free_at).max().unwrap_or(now)
    }

    /// Counts one send.
    pub(crate) fn take(&mut self, now: Instant) {
        self.sent.push_back(now);
        let longest = self.limits.iter().map(|limit| limit.count).max().unwrap_or(0);
        while self.sent.len() > longest {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const WECOM: Limit = Limit { count: 18, per: MINUTE, kept: 6 };

    fn ms(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn twelve_ordinary_ones_then_six_emergencies_then_nobody_for_the_rest_of_the_minute() {
        let mut bucket = Bucket::new(&[WECOM]);
        for n in 0..12 {
            assert_eq!(bucket.free_at(ms(n * 100), false), ms(n * 100));
            bucket.take(ms(n * 100));
        }
        assert_eq!(bucket.free_at(ms(2_000), false), ms(60_000));
        for n in 20..26 {
            assert_eq!(bucket.free_at(ms(n * 100), true), ms(n * 100));
            bucket.take(ms(n * 100));
        }
        assert_eq!(bucket.free_at(ms(3_000), true), ms(60_000));
        // What emergencies used, the others wait for: the first six and the six of the reserve.
        assert_eq!(bucket.free_at(ms(60_050), true), ms(60_050));
        assert_eq!(bucket.free_at(ms(60_050), false), ms(60_600));
    }

    #[test]
    fn two_limits_hold_at_once() {
        let second = Limit { count: 4, per: Duration::from_secs(1), kept: 1 };
        let mut bucket = Bucket::new(&[second, Limit { count: 90, per: MINUTE, kept: 30 }]);
        let (mut now, mut sent) = (ms(0), 0);
        while now < ms(60_000) {
            now = bucket.free_at(now, true);
            if now < ms(60_000) {
                bucket.take(now);
                sent += 1;
            }
        }
        assert_eq!(sent, 90);
        assert_eq!(now, ms(60_000));
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_holds_more(
            limits in prop::collection::vec((1..20_usize, 1..90_u64, 0..20_usize), 1..3),
            asked in prop::collection::vec((0..9_000_u64, any::<bool>()), 1..200),
        ) {
            let limits: Vec<Limit> = limits
                .into_iter()
                .map(|(count, s, kept)| Limit { count, per: Duration::from_secs(s), kept: kept.min(count - 1) })
                .collect();
            let mut bucket = Bucket::new(&limits);
            let mut now = ms(5_000);
            let mut sent: Vec<(Instant, bool)> = Vec::new();
            for (wait, emergency) in asked {
                now = bucket.free_at(now + Duration::from_millis(wait), emergency);
                bucket.take(now);
                sent.push((now, emergency));
                for limit in &limits {
                    let inside: Vec<_> = sent.iter().filter(|(at, _)| now.since(*at) < limit.per).collect();
                    prop_assert!(inside.len() <= limit.count);
                    prop_assert!(emergency || inside.len() <= limit.count - limit.kept);
                }
            }
        }
    }
}
