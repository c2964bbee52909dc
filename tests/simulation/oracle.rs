//! What must be true, judged by the field's own truth, by what was durable and by what was said; none of the
//! shipped decisions is used to judge them. The numbers are those of the design's list of twelve.
mod care;
mod life;
mod reading;
mod telling;
mod waking;

pub(super) use care::{Care, Causes, Health};
pub(super) use life::Life;
pub(super) use reading::{Reading, is_told_in_time, was_true};
pub(super) use telling::Telling;
pub(super) use waking::Waking;

use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub check: &'static str,
    pub what: String,
    /// Simulated seconds since the start.
    pub at_s: u64,
}

/// The same before it is known when.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) check: &'static str,
    pub(super) what: String,
}

pub(super) type Verdict = Result<(), Broken>;

pub(super) fn broken(check: &'static str, what: impl Into<String>) -> Verdict {
    Err(Broken { check, what: what.into() })
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} s: {}", self.check, self.at_s, self.what)
    }
}
