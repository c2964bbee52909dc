//! The only file that reads clocks: steady time for decisions, wall-clock time for people.
#![expect(clippy::disallowed_methods, reason = "this is where clocks are read")]

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shouwang_message::{Instant, Timestamp};

/// China's time is eight hours ahead of UTC all year.
const LOCAL_HOURS: i8 = 8;

/// Steady time counted from this clock's making, and the system's wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    start: std::time::Instant,
    /// How far the wall clock is ahead of the system's.
    ahead: Duration,
}

impl Clock {
    pub fn system() -> Self {
        Self { start: std::time::Instant::now(), ahead: Duration::ZERO }
    }

    /// The system's clock, but the local time is now this hour (0 to 23) of its day: day and night are shown
    /// differently, and a test must not depend on when it runs.
    #[must_use]
    pub fn at_hour(hour: u8) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let clock = Self::system();
        let now = (clock.wall().unix_ms() + i64::from(LOCAL_HOURS) * 3_600_000).rem_euclid(DAY_MS);
        let ahead = (i64::from(hour) * 3_600_000 - now).rem_euclid(DAY_MS);
        Self { ahead: Duration::from_millis(ahead.unsigned_abs()), ..clock }
    }

    /// Steady time; differences between two values are true durations.
    pub fn now(&self) -> Instant {
        // Starts at an hour, so that "30 s ago" exists from the beginning.
        let since = self.start.elapsed() + Duration::from_secs(3_600);
        Instant::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// UTC as the system believes.
    pub fn wall(&self) -> Timestamp {
        let since = (SystemTime::now() + self.ahead).duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or_default())
    }
}

/// Local time for people to read, in this form of `strftime`.
pub fn local(at: Timestamp, form: &str) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(LOCAL_HOURS));
    let at = jiff::Timestamp::from_millisecond(at.unix_ms()).map(|at| at.to_zoned(zone));
    at.map(|at| at.strftime(form).to_string()).unwrap_or_default()
}

/// The day for people that this moment is in: its first moment and the next day's.
pub(crate) fn local_day(at: Timestamp) -> Range<Timestamp> {
    const DAY_MS: i64 = 86_400_000;
    let ahead_ms = i64::from(LOCAL_HOURS) * 3_600_000;
    let start_ms = (at.unix_ms() + ahead_ms).div_euclid(DAY_MS) * DAY_MS - ahead_ms;
    Timestamp::from_unix_ms(start_ms)..Timestamp::from_unix_ms(start_ms + DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::{Clock, Timestamp, local, local_day};

    #[test]
    fn a_day_begins_and_ends_where_its_date_does() {
        for hour in 0..24 {
            let at = Clock::at_hour(hour).wall();
            let (day, date) = (local_day(at), |ms: i64| local(Timestamp::from_unix_ms(ms), "%Y-%m-%d"));
            let (start, end) = (day.start.unix_ms(), day.end.unix_ms());
            assert!(day.contains(&at));
            assert_eq!((date(start), date(end - 1)), (date(at.unix_ms()), date(at.unix_ms())));
            assert!(date(start - 1) != date(start) && date(end) != date(start));
        }
    }

    #[test]
    fn a_clock_at_an_hour_reads_that_hour_in_china() {
        for hour in 0..24 {
            assert_eq!(local(Clock::at_hour(hour).wall(), "%H"), format!("{hour:02}"));
        }
    }
}
