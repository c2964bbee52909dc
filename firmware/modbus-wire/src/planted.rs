//! Bugs that can be planted on purpose, to prove that the simulation catches them. Compiled only with
//! `--cfg planted`; nothing that ships contains them.

use core::sync::atomic::{AtomicU8, Ordering};

/// A bug in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Asks again after a time-out without draining the line or waiting out a late answer.
    NoDrainAfterTimeout = 1,
    /// Takes any frame with a matching CRC and unit id for the answer.
    MatchByUnitIdOnly = 2,
    /// Takes a frame whatever its CRC says.
    IgnoresCrc = 3,
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants one bug in this process, or none.
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
}

pub(crate) fn has(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}
