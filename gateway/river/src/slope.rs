//! The least-squares slope of a quantity over a window of time, in bounded memory.
use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;

/// Readings closer together than a part of the window are left out, so this many always suffice.
const MOST: u32 = 60;
const FEWEST: usize = 3;

/// A straight line through readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Units of the quantity per hour.
    pub per_hour: f64,
    /// How much of the readings' variance the line explains, 0 to 1; 1 for a level that does not move.
    pub r_squared: f64,
    /// How many readings it was laid through.
    pub count: usize,
}

impl Fit {
    /// None with fewer than three readings, or while all are of one moment.
    pub fn through(readings: impl IntoIterator<Item = (Moment, f64)>) -> Option<Self> {
        let mut readings = readings.into_iter().peekable();
        let (first, origin) = *readings.peek()?;
        let (mut count, mut t, mut v, mut tt, mut tv, mut vv) = (0_usize, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (at, value) in readings {
            let hours = at.ms().saturating_sub(first.ms()) as f64 / 3_600_000.0;
            let value = value - origin;
            count += 1;
            t += hours;
            v += value;
            tt += hours * hours;
            tv += hours * value;
            vv += value * value;
        }
        let n = count as f64;
        let (spread, both, scatter) = (n * tt - t * t, n * tv - t * v, n * vv - v * v);
        let per_hour = both / spread;
        if count < FEWEST || spread <= 0.0 || !per_hour.is_finite() {
            return None;
        }
        // Below a hundredth of a millimetre there is nothing to explain.
        let explained = both * both / (spread * scatter);
        let r_squared = if scatter <= n * n * 1e-10 { 1.0 } else { explained.clamp(0.0, 1.0) };
        Some(Self { per_hour, r_squared, count })
    }
}

/// Readings as they come, and their slope: for a condition on the rate of rise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slope {
    window: Duration,
    readings: VecDeque<(Moment, f64)>,
}

impl Slope {
    pub fn new(window: Duration) -> Self {
        Self { window, readings: VecDeque::new() }
    }

    /// Takes a good reading; false if it came too soon after the last one to count.
    pub fn add(&mut self, now: Moment, value: f64) -> bool {
        if let Some((last, _)) = self.readings.back()
            && (now.since(*last) < self.window / MOST || now <= *last)
        {
            return false;
        }
        while self.readings.front().is_some_and(|(at, _)| now.since(*at) > self.window) {
            self.readings.pop_front();
        }
        self.readings.push_back((now, value));
        true
    }

    /// None with fewer than three readings, or while they span less than half the window.
    pub fn fit(&self) -> Option<Fit> {
        let (first, _) = *self.readings.front()?;
        let (last, _) = *self.readings.back()?;
        if last.since(first) < self.window / 2 {
            return None;
        }
        Fit::through(self.readings.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(readings: &[(i64, f64)]) -> Option<Fit> {
        Fit::through(readings.iter().map(|(minute, value)| (Moment::from_ms(minute * 60_000), *value)))
    }

    #[test]
    fn a_steady_rise_is_its_own_line() {
        let fit = minutes(&[(0, 3.0), (20, 3.06), (40, 3.12), (60, 3.18)]).unwrap();
        assert!((fit.per_hour - 0.18).abs() < 1e-9 && fit.r_squared > 0.999_999, "{fit:?}");
    }

    #[test]
    fn scatter_is_not_explained() {
        let fit = minutes(&[(0, 3.0), (20, 3.2), (40, 3.0), (60, 3.2)]).unwrap();
        assert!(fit.r_squared < 0.3, "{fit:?}");
    }

    #[test]
    fn a_level_that_stands_is_explained_and_two_readings_are_none() {
        assert_eq!(minutes(&[(0, 3.0), (5, 3.0), (10, 3.0)]).unwrap().r_squared, 1.0);
        assert_eq!(minutes(&[(0, 3.0), (5, 3.1)]), None);
        assert_eq!(minutes(&[(5, 3.0), (5, 3.1), (5, 3.2)]), None);
    }
}
