//! A pulse counter read from time to time: what it grew by, over its wrap and over its own restart.
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// No bucket tips and no household meter pulses faster: more in the time is no growth, but a counter that began anew.
const FASTEST_PER_S: u64 = 20;
/// What may have come at once, or in the time that a reading takes.
const AT_ONCE: u64 = 200;

/// Up to which count everything was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counter {
    count: Option<u32>,
}

impl Counter {
    /// Pulses since the last reading, which was so long ago. A counter that starts anew is counted from 0; where even
    /// that cannot be, from here. What came between its last reading and its restart is not known to anybody.
    pub(crate) fn take(&mut self, count: u32, bits: u8, since: Duration) -> u32 {
        let Some(known) = self.count.replace(count) else { return 0 };
        let mask = if bits >= 32 { u32::MAX } else { (1u32 << bits) - 1 };
        let growth = count.wrapping_sub(known) & mask;
        let most = since.as_secs().saturating_add(1).saturating_mul(FASTEST_PER_S).saturating_add(AT_ONCE);
        let can_be = |pulses: u32| u64::from(pulses) <= most && pulses <= mask >> 1;
        if can_be(growth) {
            growth
        } else if can_be(count) {
            count
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn it_grows_wraps_and_starts_anew() {
        let mut counter = Counter::default();
        let steps = [
            (500, 0, "what was before is nobody's"),
            (507, 7, "grown"),
            (507, 0, "not grown"),
            (3, 3, "started anew"),
            (65_000, 0, "another counter"),
            (65_530, 530, "grown"),
            (4, 10, "wrapped"),
        ];
        for (count, grown, why) in steps {
            assert_eq!(counter.take(count, 16, MINUTE), grown, "{why}");
        }
        let mut wide = Counter::default();
        wide.take(u32::MAX, 32, MINUTE);
        assert_eq!(wide.take(9, 32, MINUTE), 10);
    }

    proptest::proptest! {
        /// Over any wraps, what is added up is what pulsed, as long as it is read often enough.
        #[test]
        fn nothing_is_lost_or_made_up(start in proptest::num::u32::ANY, pulses in proptest::collection::vec(0_u32..1_000, 0..200)) {
            for bits in [16, 32] {
                let mask = if bits == 16 { 0xFFFF } else { u32::MAX };
                let mut counter = Counter::default();
                let mut at = start & mask;
                counter.take(at, bits, MINUTE);
                let mut sum = 0;
                for grown in &pulses {
                    at = at.wrapping_add(*grown) & mask;
                    sum += counter.take(at, bits, MINUTE);
                }
                proptest::prop_assert_eq!(sum, pulses.iter().sum::<u32>());
            }
        }
    }
}
