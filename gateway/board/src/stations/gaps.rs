//! Where a station's graph has nothing to draw: a gap stays a gap, and says from when to when.
use alloc::vec::Vec;

use shouwang_message::{Quality, Timestamp};

use super::Sample;

/// Shorter ones are the jitter of two samples, ms.
const SHORTEST_MS: i64 = 10 * 60_000;

/// From the last good reading before to the first one after, oldest first; `to` ends one that is not over. Readings are in
/// the order of their times. Two intervals without a reading are a gap.
pub fn gaps(samples: &[Sample], to: Timestamp, interval_s: u32) -> Vec<(Timestamp, Timestamp)> {
    let longest_ms = (i64::from(interval_s) * 2_000).max(SHORTEST_MS);
    let drawn = samples.iter().filter(|sample| sample.stage_m.is_some() && sample.quality != Quality::Bad);
    let mut times: Vec<Timestamp> = drawn.map(|sample| sample.at).collect();
    if !times.is_empty() {
        times.push(to);
    }
    let pairs = times.windows(2).filter_map(|pair| match pair {
        [before, after] => Some((*before, *after)),
        _ => None,
    });
    pairs.filter(|(before, after)| after.unix_ms() - before.unix_ms() > longest_ms).collect()
}
