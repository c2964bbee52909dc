//! Bugs planted on purpose, one at a time, to prove that the simulation would notice them.
//!
//! Only builds with `--cfg planted` contain them, in the very code paths that ship.

/// Each is a mistake that other gateways really make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An event is forgotten at the broker's receipt instead of at the duty room's.
    ClosesOnReceipt,
    /// A time-out is counted on the wall clock.
    WallClockTimeout,
    /// A missing reading is taken for a normal one.
    MissingReadingClears,
    /// A start continues with the last number that the one before had used.
    ReusesSequence,
    /// What was handed to the disk counts as being there.
    SpeaksBeforeCommit,
    /// A commit that failed is not tried again.
    ForgetsFailedCommit,
    /// Open alarms are not taken over from before the start.
    ForgetsActiveAtStart,
    /// A disk that hangs holds an alarm back.
    AlarmWaitsForDisk,
    /// Who acknowledges an alarm ends it, though its cause still holds.
    AcknowledgeDeletes,
    /// The retained document of a finished alarm is never taken away.
    LeavesFinished,
    /// What was told on the last connection is not told again on the next.
    TrustsBrokerMemory,
    /// A connection that brings no receipts any more is kept.
    NeverStuck,
    /// Values are told before alarms, as many as there are.
    TelemetryFirst,
    /// A receipt is counted in 16 bits.
    SequenceWraps,
    /// A receipt for another log counts for this one.
    HearsAnyLog,
    /// A command that the broker kept is carried out at every connection.
    ObeysRetained,
    /// An acknowledgement also answers the cry that came after it.
    AnswersNewerCry,
    /// A press is given back to its unit before it is on disk.
    EchoBeforeCommit,
    /// The lamp says that somebody has heard before anybody has.
    LampBeforeHeard,
    /// A press counter that wraps is taken for a new beginning.
    CountWraps,
    /// An unknown unit's first count is taken for settled, latched or not.
    AdoptsAtOnce,
    /// A device that does not answer any more is nobody's concern.
    LossUntold,
    /// Devices that do not answer are asked as often as the others.
    AsksTheDead,
    /// A shelving that a restart interrupts never ends.
    ShelvesForEver,
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
