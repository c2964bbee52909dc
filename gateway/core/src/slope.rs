//! The least-squares slope of a quantity over a window of time, in bounded memory.
use alloc::collections::VecDeque;
use core::time::Duration;

use shouwang_message::Instant;

use crate::decode::round_to;

/// Readings closer together than a part of the window are left out, so this many always suffice.
const MOST: u32 = 60;
const FEWEST: usize = 3;

#[derive(Clone, Debug)]
pub(crate) struct Slope {
    window: Duration,
    readings: VecDeque<(Instant, f64)>,
}

impl Slope {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, readings: VecDeque::new() }
    }

    /// Takes a good reading; false if it came too soon after the last one to count.
    pub(crate) fn add(&mut self, now: Instant, value: f64) -> bool {
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

    /// Units per hour, rounded to four decimals; none with fewer than three readings, or while they
    /// span less than half the window.
    pub(crate) fn per_hour(&self) -> Option<f64> {
        let (first, origin) = *self.readings.front()?;
        let (last, _) = *self.readings.back()?;
        if self.readings.len() < FEWEST || last.since(first) < self.window / 2 {
            return None;
        }
        let count = self.readings.len() as f64;
        let (mut t, mut v, mut tt, mut tv) = (0.0, 0.0, 0.0, 0.0);
        for (at, value) in &self.readings {
            let hours = at.since(first).as_micros() as f64 / 3_600_000_000.0;
            let value = value - origin;
            t += hours;
            v += value;
            tt += hours * hours;
            tv += hours * value;
        }
        let spread = count * tt - t * t;
        let slope = (count * tv - t * v) / spread;
        slope.is_finite().then(|| round_to(slope, 4))
    }
}
