//! The time by which certificates are judged: the clock's, but never before this program was built or its own newest
//! record was written. A box that wakes up in 1970 neither refuses a good certificate nor takes an expired one.
#![expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// When the source of this program was committed, seconds since 1970; written by `build.rs`.
const BUILT_UNIX_S: i64 = seconds(env!("SHOUWANG_BUILT_UNIX_S"));
/// A record from later than this after the build is a clock's mistake: no program runs unchanged for ten years. Else
/// one wrong day would refuse every certificate for ever.
const BELIEVED_S: i64 = 10 * 365 * 86_400;
/// systemd-timesyncd makes this file when it has set the clock from the network.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// Whether the system's clock was set from the network since the machine started.
pub fn is_synchronised() -> bool {
    Path::new(SYNCHRONISED).exists()
}

/// The earliest time that can be now. Copies share what is known.
#[derive(Clone, Debug)]
pub struct Floor {
    unix_s: Arc<AtomicI64>,
}

impl Floor {
    /// When this program was built.
    pub fn of_the_build() -> Self {
        Self { unix_s: Arc::new(AtomicI64::new(BUILT_UNIX_S)) }
    }

    /// The newest of our own records is from this moment: it cannot be earlier now. What is over ten years after the
    /// build is not believed.
    pub fn raise(&self, recorded_unix_ms: i64) {
        let recorded = recorded_unix_ms.div_euclid(1_000);
        if recorded <= BUILT_UNIX_S.saturating_add(BELIEVED_S) {
            self.unix_s.fetch_max(recorded, Ordering::Relaxed);
        }
    }

    /// Seconds since 1970.
    pub fn unix_s(&self) -> i64 {
        self.unix_s.load(Ordering::Relaxed)
    }

    /// The time to judge by. A clock that was set from the network is right against older records too: those of a
    /// day on which it was wrong must not refuse certificates for years.
    fn judge(&self, clock_unix_s: i64, synchronised: bool) -> i64 {
        if synchronised && clock_unix_s >= BUILT_UNIX_S {
            return clock_unix_s;
        }
        clock_unix_s.max(self.unix_s())
    }
}

impl TimeProvider for Floor {
    fn current_time(&self) -> Option<UnixTime> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let judged = self.judge(i64::try_from(clock).unwrap_or(i64::MAX), is_synchronised());
        Some(UnixTime::since_unix_epoch(Duration::from_secs(judged.max(0).unsigned_abs())))
    }
}

/// Digits only; anything else does not compile, because it is read while compiling.
const fn seconds(text: &str) -> i64 {
    let (bytes, mut at, mut value) = (text.as_bytes(), 0, 0_i64);
    while at < bytes.len() {
        assert!(bytes[at].is_ascii_digit(), "SHOUWANG_BUILT_UNIX_S is a number of seconds");
        value = value * 10 + (bytes[at] - b'0') as i64;
        at += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_S: i64 = 365 * 86_400;

    #[test]
    fn a_box_that_wakes_up_in_1970_judges_by_its_build_then_by_its_records() {
        let floor = Floor::of_the_build();
        assert_eq!(floor.judge(0, false), BUILT_UNIX_S);
        assert_eq!(floor.judge(-5, false), BUILT_UNIX_S);
        floor.raise((BUILT_UNIX_S + YEAR_S) * 1_000 + 999);
        assert_eq!(floor.judge(0, false), BUILT_UNIX_S + YEAR_S);
        floor.raise(0);
        assert_eq!(
            floor.judge(BUILT_UNIX_S, false),
            BUILT_UNIX_S + YEAR_S,
            "an older record takes nothing back"
        );
        assert_eq!(floor.judge(BUILT_UNIX_S + 2 * YEAR_S, false), BUILT_UNIX_S + 2 * YEAR_S);
    }

    #[test]
    fn one_wrong_day_does_not_refuse_every_certificate_for_years() {
        let floor = Floor::of_the_build();
        floor.raise((BUILT_UNIX_S + 73 * YEAR_S) * 1_000);
        floor.raise(i64::MAX);
        assert_eq!(floor.unix_s(), BUILT_UNIX_S, "2099 is not believed");
        floor.raise((BUILT_UNIX_S + 4 * YEAR_S) * 1_000);
        assert_eq!(
            floor.judge(BUILT_UNIX_S + YEAR_S, true),
            BUILT_UNIX_S + YEAR_S,
            "the network knows better"
        );
        assert_eq!(floor.judge(0, true), BUILT_UNIX_S + 4 * YEAR_S, "but not that it is 1970");
    }

    #[test]
    fn the_build_is_after_the_program_was_written_and_copies_know_the_same() {
        const { assert!(BUILT_UNIX_S >= 1_793_491_200) };
        let floor = Floor::of_the_build();
        let copy = floor.clone();
        floor.raise((BUILT_UNIX_S + 60) * 1_000);
        assert_eq!(copy.unix_s(), BUILT_UNIX_S + 60);
    }
}
