//! From a sensor's raw readings to a stage: the median of a burst, with what does not belong to it left out.
//!
//! Waves go up and down within seconds, a spike comes alone, and a river does neither: a reading that is
//! faster than 40 cm a minute, or more than three standard deviations off, waits until three such agree.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Flag, Flags, Moment};

/// What a station can have, and how its readings are filtered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Lowest and highest stage that can be, m.
    pub range_m: (f64, f64),
    /// A stage is the median of this many readings, 3 to 9.
    pub median: usize,
    /// Unchanged for this long is stuck, by itself.
    pub flat_after: Duration,
    /// Unchanged for this long is stuck while another station moves.
    pub flat_while_others_move: Duration,
}

impl Default for Limits {
    /// Any range; the median of five; a day, or six hours while others move (rules.md, section 3).
    fn default() -> Self {
        Self {
            range_m: (f64::MIN, f64::MAX),
            median: 5,
            flat_after: Duration::from_secs(24 * 3600),
            flat_while_others_move: Duration::from_secs(6 * 3600),
        }
    }
}

/// No river that a gauge follows rises faster, m a minute (GB/T 11828, rules.md section 1).
const FASTEST_M_PER_MIN: f64 = 0.40;
/// What counts as rough whatever the scatter, and what a real rise may add to it, m and m a minute.
const NEAR_M: f64 = 0.05;
const USUAL_M_PER_MIN: f64 = 0.10;
/// What was read before belongs to another burst.
const LONGEST_BURST: Duration = Duration::from_secs(600);
/// So many that agree are real.
const AGREEING: usize = 3;
/// A burst that scatters more than this, m, is rough water.
const ROUGH_M: f64 = 0.15;
/// Less than this is no movement, m: a gauge's last digit.
const STILL_M: f64 = 0.0005;

/// One sensor's newest raw readings: at most nine, and three suspects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waves {
    limits: Limits,
    burst: VecDeque<(Moment, f64)>,
    suspects: Vec<(Moment, f64)>,
    /// Since when which value has stood.
    still: Option<(Moment, f64)>,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filtered {
    /// The burst's median; for one that is rejected its own value; none until the burst is full.
    pub stage_m: Option<f64>,
    /// The burst's standard deviation, m.
    pub sigma_m: f64,
    pub flags: Flags,
}

impl Waves {
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { median: limits.median.clamp(3, 9), ..limits };
        Self { limits, burst: VecDeque::new(), suspects: Vec::new(), still: None }
    }

    /// A reading in metres above the datum. `others_move`: another station near by has moved for hours.
    pub fn take(&mut self, at: Moment, value_m: f64, others_move: bool) -> Filtered {
        if !value_m.is_finite() {
            return Filtered { stage_m: None, sigma_m: 0.0, flags: Flags::NONE.with(Flag::Limit) };
        }
        let (low, high) = self.limits.range_m;
        if value_m < low || value_m > high {
            let flags = Flags::NONE.with(Flag::Limit);
            return Filtered { stage_m: Some(value_m), sigma_m: 0.0, flags };
        }
        while self.burst.front().is_some_and(|(then, _)| at.since(*then) > LONGEST_BURST) {
            self.burst.pop_front();
        }
        let flat = self.is_flat(at, value_m, others_move);
        if let Some(flag) = self.suspicion(at, value_m)
            && !self.agrees(at, value_m)
        {
            return Filtered { stage_m: Some(value_m), sigma_m: 0.0, flags: Flags::NONE.with(flag) };
        }
        self.admit(at, value_m);
        let (stage_m, sigma_m) = self.burst();
        let mut flags = Flags::NONE;
        if flat {
            flags = flags.with(Flag::Flat);
        }
        if sigma_m > ROUGH_M {
            flags = flags.with(Flag::Sigma);
        }
        Filtered { stage_m, sigma_m, flags }
    }

    /// For how long the readings have stood still.
    pub fn still_for(&self, now: Moment) -> Duration {
        self.still.map_or(Duration::ZERO, |(since, _)| now.since(since))
    }

    fn is_flat(&mut self, at: Moment, value_m: f64, others_move: bool) -> bool {
        let stands = self.still.filter(|(_, stood_m)| distance(*stood_m, value_m) < STILL_M);
        let (since, _) = *self.still.insert(stands.unwrap_or((at, value_m)));
        let Limits { flat_after, flat_while_others_move, .. } = self.limits;
        at.since(since) >= if others_move { flat_while_others_move.min(flat_after) } else { flat_after }
    }

    /// Why it does not belong to the burst.
    fn suspicion(&self, at: Moment, value_m: f64) -> Option<Flag> {
        let (last, _) = *self.burst.back()?;
        // A burst that is not full yet knows neither its middle nor its scatter.
        if self.burst.len() < self.limits.median {
            return None;
        }
        let (middle_m, sigma_m) = self.burst();
        let off_m = distance(middle_m?, value_m);
        let minutes = at.since(last).as_secs_f64() / 60.0;
        let rough_m = NEAR_M.max(3.0 * sigma_m);
        if off_m > rough_m + FASTEST_M_PER_MIN * minutes {
            Some(Flag::Rate)
        } else if off_m > rough_m + USUAL_M_PER_MIN * minutes {
            Some(Flag::Outlier)
        } else {
            None
        }
    }

    /// The third of those that were rejected and are near each other: the river has really moved.
    fn agrees(&mut self, at: Moment, value_m: f64) -> bool {
        let near = |(then, other_m): &(Moment, f64)| {
            let minutes = at.since(*then).as_secs_f64() / 60.0;
            distance(*other_m, value_m) <= NEAR_M + FASTEST_M_PER_MIN * minutes
        };
        if !self.suspects.iter().all(near) {
            self.suspects.clear();
        }
        self.suspects.push((at, value_m));
        if self.suspects.len() < AGREEING {
            return false;
        }
        self.burst.clear();
        self.suspects.pop();
        let agreeing = core::mem::take(&mut self.suspects);
        self.burst.extend(agreeing);
        true
    }

    fn admit(&mut self, at: Moment, value_m: f64) {
        self.suspects.clear();
        while self.burst.len() >= self.limits.median {
            self.burst.pop_front();
        }
        self.burst.push_back((at, value_m));
    }

    /// The median, once there are enough (three that agreed suffice), and the standard deviation.
    fn burst(&self) -> (Option<f64>, f64) {
        if self.burst.len() < AGREEING {
            return (None, 0.0);
        }
        let mut sorted: Vec<f64> = self.burst.iter().map(|(_, value_m)| *value_m).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let variance = sorted.iter().map(|value_m| (value_m - mean) * (value_m - mean)).sum::<f64>() / n;
        (sorted.get(sorted.len() / 2).copied(), square_root(variance))
    }
}

fn distance(one: f64, other: f64) -> f64 {
    if one > other { one - other } else { other - one }
}

/// By Newton's method: there is no mathematical library here. Exact to more digits than a gauge has.
fn square_root(square: f64) -> f64 {
    if square <= 1e-12 {
        return 0.0;
    }
    let start = if square > 1.0 { square } else { 1.0 };
    (0..40).fold(start, |root, _| f64::midpoint(root, square / root))
}
