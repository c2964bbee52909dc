//! The readings of three hours, in the order of their times whatever order they came in.
use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Flags, Moment};

/// The longest window that anything is read from.
const KEPT: Duration = Duration::from_secs(3 * 60 * 60);
/// A reading every 30 s for three hours, and people's between them.
const MOST: usize = 512;

/// At most 512 readings of three hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    readings: BTreeMap<Moment, (f64, Flags)>,
}

impl Recent {
    /// Takes a reading, also one that is back-filled. A doubled one changes nothing; of two that differ for one
    /// moment the higher stays; one older than three hours before the newest is left out.
    pub fn take(&mut self, at: Moment, stage_m: f64, flags: Flags) {
        if !stage_m.is_finite() {
            return;
        }
        let entry = self.readings.entry(at).or_insert((stage_m, flags));
        if stage_m.total_cmp(&entry.0).then(flags.cmp(&entry.1)).is_gt() {
            *entry = (stage_m, flags);
        }
        while let (Some((oldest, _)), Some((newest, _))) =
            (self.readings.first_key_value(), self.readings.last_key_value())
            && (self.readings.len() > MOST || newest.since(*oldest) > KEPT)
        {
            self.readings.pop_first();
        }
    }

    /// The newest reading, flagged or not.
    pub fn newest(&self) -> Option<(Moment, f64, Flags)> {
        self.readings.last_key_value().map(|(at, (stage_m, flags))| (*at, *stage_m, *flags))
    }

    /// The good ones of the last `window` before `now`, oldest first.
    pub fn good_within(
        &self,
        now: Moment,
        window: Duration,
    ) -> impl DoubleEndedIterator<Item = (Moment, f64)> {
        let within = self.readings.range(..=now).filter(move |(at, _)| now.since(**at) <= window);
        within.filter(|(_, (_, flags))| flags.is_empty()).map(|(at, (stage_m, _))| (*at, *stage_m))
    }
}
