//! Refused log-ins for the logbook: the first soon, those that follow within a minute as a count, so that guessing
//! fills no book.
use std::time::Duration;

use shouwang_message::Instant;

/// One line at most in so long.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Refusals not yet told.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    told_at: Option<Instant>,
    untold: Option<Refused>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) count: u32,
    /// The newest one's account, as far as there is one, and address.
    pub(crate) account: Option<String>,
    pub(crate) from: String,
}

impl Refusals {
    pub(crate) fn note(&mut self, account: Option<String>, from: String) {
        let count = self.untold.as_ref().map_or(0, |untold| untold.count).saturating_add(1);
        self.untold = Some(Refused { count, account, from });
    }

    /// What must be written now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Refused> {
        if self.told_at.is_some_and(|at| now.since(at) < LINE_EVERY) {
            return None;
        }
        let refused = self.untold.take()?;
        self.told_at = Some(now);
        Some(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_guesses_are_a_line_a_minute() {
        let mut refusals = Refusals::default();
        let mut told = Vec::new();
        for second in 0..180 {
            let now = Instant::default() + Duration::from_secs(1_000 + second);
            for _ in 0..5 {
                refusals.note(Some("lead".into()), "10.0.0.1".into());
                told.extend(refusals.take(now).map(|refused| refused.count));
            }
        }
        assert_eq!(told, [1, 300, 300]);
        let end = Instant::default() + Duration::from_secs(1_180);
        assert_eq!(refusals.take(end).map(|refused| refused.count), Some(299), "none is left out");
        assert_eq!(refusals.take(end + LINE_EVERY), None);
    }
}
