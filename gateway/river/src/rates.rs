//! How fast a river rises: least squares over ten minutes, an hour and three; and whether it does at all.
use alloc::vec::Vec;
use core::time::Duration;

use crate::{Fit, Moment, Recent};

/// The windows, shortest first.
const WINDOWS: [Duration; 3] =
    [Duration::from_secs(600), Duration::from_secs(3600), Duration::from_secs(3 * 3600)];
/// Rising, steady and falling are told from so many readings.
const NEWEST: usize = 5;
/// At least so far apart: over a few minutes any river is steady.
const APART: Duration = Duration::from_secs(240);
/// What a straight line does not explain by half is waves.
const LEAST_R_SQUARED: f64 = 0.5;
/// A river that moved less than the centimetre a gauge resolves has not moved.
const STEADY_M: f64 = 0.01;

/// A rate of rise over one window; none with fewer than three good readings, or while they span less than half
/// of it: nobody knows what was before.
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
            WINDOWS.map(|window| Rate { window, fit: fit(recent, now, window) });
        Self { ten_minutes, hour, three_hours }
    }
}

fn fit(recent: &Recent, now: Moment, window: Duration) -> Option<Fit> {
    let good = || recent.good_within(now, window);
    let ((first, _), (last, _)) = (good().next()?, good().next_back()?);
    if last.since(first) < window / 2 { None } else { Fit::through(good()) }
}

/// What the last five good readings that are four minutes apart say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Rising,
    Steady,
    Falling,
}

impl Trend {
    /// None with fewer than three good readings.
    pub fn of(recent: &Recent, now: Moment) -> Option<Self> {
        let mut newest: Vec<(Moment, f64)> = Vec::new();
        for reading in recent.good_within(now, Duration::MAX).rev() {
            if newest.last().is_none_or(|(later, _)| later.since(reading.0) >= APART) {
                newest.push(reading);
            }
            if newest.len() >= NEWEST {
                break;
            }
        }
        let fit = Fit::through(newest.iter().copied())?;
        let (last, first) = (newest.first()?.0, newest.last()?.0);
        let moved_m = fit.per_hour * last.since(first).as_secs_f64() / 3600.0;
        if fit.r_squared < LEAST_R_SQUARED {
            return Some(Self::Steady);
        }
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
