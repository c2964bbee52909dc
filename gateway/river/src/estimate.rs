//! When the next line would be reached at this rate: an estimate, never a forecast, and mostly none.
use core::time::Duration;

use shouwang_message::Clock;

use crate::{Fit, Line, Lines, Moment, Recent};

const WINDOW: Duration = Duration::from_secs(3600);
const FEWEST: usize = 5;
const LEAST_R_SQUARED: f64 = 0.9;
const LONGEST: Duration = Duration::from_secs(6 * 3600);
const STEP_S: f64 = 600.0;

/// At the rate of the last hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub line: Line,
    pub level_m: f64,
    /// Rounded to ten minutes, at least ten.
    pub after: Duration,
}

/// The time to the next line above the newest good reading. None unless there are five good readings in the
/// hour before `now`, a straight line explains 90 % of them, they rise, less than six hours are left, and the
/// clock is set.
pub fn estimate(lines: &Lines, recent: &Recent, now: Moment, clock: Clock) -> Option<Estimate> {
    let good = || recent.good_within(now, WINDOW);
    let fit = Fit::through(good())?;
    if clock == Clock::Unset || fit.count < FEWEST || fit.r_squared < LEAST_R_SQUARED || fit.per_hour <= 0.0 {
        return None;
    }
    let (_, stage_m) = good().next_back()?;
    let (line, level_m) = lines.next_above(stage_m)?;
    let seconds = (level_m - stage_m) / fit.per_hour * 3600.0;
    if seconds >= LONGEST.as_secs_f64() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and six hours")]
    let steps = (seconds / STEP_S + 0.5) as u64;
    Some(Estimate { line, level_m, after: Duration::from_secs(steps.max(1) * 600) })
}
