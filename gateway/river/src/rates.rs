//! How fast a river rises: least squares over ten minutes, an hour and three; and whether it does at all.
use core::time::Duration;

use crate::{Fit, Moment, Recent};

/// The windows, shortest first.
const WINDOWS: [Duration; 3] =
    [Duration::from_secs(600), Duration::from_secs(3600), Duration::from_secs(3 * 3600)];
/// Rising, steady and falling are told from so many readings.
const NEWEST: usize = 5;
/// A river that moved less than the centimetre a gauge resolves has not moved.
const STEADY_M: f64 = 0.01;

/// A rate of rise over one window; none with fewer than three good readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub window: Duration,
    pub fit: Option<Fit>,
}

impl Rate {
    /// How much the stage rose over the window by this rate, m; negative if it fell.
    pub fn rise_m(&self) -> Option<f64> {
        self.fit.map(|fit| fit.per_hour * self.window.as_secs_f64() / 3600.0)
    }
}

/// Over 10 min, 1 h and 3 h.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub ten_minutes: Rate,
    pub hour: Rate,
    pub three_hours: Rate,
}

impl Rates {
    pub fn of(recent: &Recent, now: Moment) -> Self {
        let [ten_minutes, hour, three_hours] =
            WINDOWS.map(|window| Rate { window, fit: Fit::through(recent.good_within(now, window)) });
        Self { ten_minutes, hour, three_hours }
    }
}

/// What the last five good readings of three hours say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Rising,
    Steady,
    Falling,
}

impl Trend {
    /// None with fewer than three good readings.
    pub fn of(recent: &Recent, now: Moment) -> Option<Self> {
        let newest = || recent.good_within(now, Duration::MAX).rev().take(NEWEST);
        let fit = Fit::through(newest())?;
        let (last, first) = (newest().next()?.0, newest().last()?.0);
        let moved_m = fit.per_hour * last.since(first).as_secs_f64() / 3600.0;
        // Half a tenth of a millimetre of grace for decimals that binary numbers cannot hold.
        Some(if moved_m > STEADY_M - 5e-5 {
            Self::Rising
        } else if moved_m < 5e-5 - STEADY_M {
            Self::Falling
        } else {
            Self::Steady
        })
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Steady => "steady",
            Self::Falling => "falling",
        }
    }
}
