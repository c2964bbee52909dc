//! Bugs planted on purpose, one at a time, to prove that the simulation would notice them.
//!
//! Only builds with `--cfg planted` contain them, in the very code paths that ship.

/// Each is a mistake that other alarm servers really make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An event is receipted before it is on our disk.
    HearsBeforeCommit,
    /// An event with an old time counts as heard before.
    TellsApartByTime,
    /// A hole in the sequence is stepped over without asking.
    JumpsAtOnce,
    /// An event replaces what a newer document has shown.
    ShowsTheOlder,
    /// The will of a connection before the present one counts.
    BelievesOldWill,
    /// A person's request is not sent any more after a restart.
    LosesRequests,
    /// After a restart whoever was yet to be woken sleeps on.
    ForgetsToWake,
}

/// Whether this bug is switched on; constant `false` in every build but a planted one.
#[cfg(not(planted))]
#[inline(always)]
pub(crate) fn has(_: Bug) -> bool {
    false
}

#[cfg(planted)]
mod switch {
    use super::Bug;
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

    static PLANTED: AtomicU8 = AtomicU8::new(u8::MAX);

    /// Switches one bug on in this process, or all off.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(u8::MAX, |bug| bug as u8), Relaxed);
    }

    pub(crate) fn has(bug: Bug) -> bool {
        PLANTED.load(Relaxed) == bug as u8
    }
}
#[cfg(planted)]
pub(crate) use switch::has;
#[cfg(planted)]
pub use switch::plant;
