//! The workshop: one factory-fresh device after the other gets the unit id that the site plans for it.
//!
//! A person plugs in and out; here is who is waited for, and when the next one may come.
use std::time::Duration;

use shouwang_core::profile::Profile;

use crate::set_unit_id::is_silent;
use crate::{
    Bus, Candidate, Change, Heard, Lost, Question, Refused, Setting, Writing, check_unit_id, finish_unit_id,
    has_recipe, set_unit_id,
};

/// One device of the plan.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    pub candidate: &'a Candidate,
    /// `from` is the factory's unit id; the same as `to` where nothing is written, see [`Job::is_checked_only`].
    pub change: Change,
    /// An earlier attempt ended somewhere between its first write and its proof.
    pub begun: bool,
}

/// How a device came to its unit id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provided {
    Set,
    /// An earlier attempt had written it; it was brought to its end.
    Finished,
    /// It has this id from its switches or from its factory: nothing was written.
    Checked,
}

/// Contacts bounce while a plug goes in.
const SETTLES: Duration = Duration::from_millis(300);
/// Between two looks at an empty bench.
const LOOK: Duration = Duration::from_millis(150);
/// A person needs a moment to take one of two devices off.
const AGAIN: Duration = Duration::from_millis(500);
/// Who is plugged in answers within this, or at the next look.
const WAIT: Duration = Duration::from_millis(100);

/// The unit id and setting that this model leaves its factory with; 1 at 9600 8N1 where its profile does not say.
pub fn factory(profile: &Profile) -> (u8, Setting) {
    profile.serial.map_or((1, Setting::usual(9600)), |serial| {
        let (baud, parity, stop_bits) = (serial.baud, serial.parity, serial.stop_bits);
        (serial.unit_id, Setting::Serial { baud, parity, stop_bits })
    })
}

impl<'a> Job<'a> {
    /// `from` is where the device answers before; a model without a recipe is set by its switches, so it comes
    /// with its new id.
    pub fn new(candidate: &'a Candidate, change: Change, begun: bool) -> Self {
        let from = if has_recipe(&candidate.profile) { change.from } else { change.to };
        Self { candidate, change: Change { from, ..change }, begun }
    }

    pub fn is_checked_only(&self) -> bool {
        self.change.from == self.change.to
    }
}

/// Waits until somebody is plugged in.
///
/// # Errors
/// The line is gone, or the installer asked to end.
pub fn await_device(bus: &mut impl Writing, job: &Job<'_>) -> Result<(), Lost> {
    bus.set(job.change.setting)?;
    while !(is_there(bus, job.change.from, job.change.setting)?
        || job.begun && is_there(bus, job.change.to, job.change.setting)?)
    {
        bus.rest(LOOK)?;
    }
    bus.rest(SETTLES)
}

/// Gives the device its unit id, and proves it.
///
/// # Errors
/// Why not; before the first write nothing is changed.
pub fn provide(
    bus: &mut impl Writing,
    job: &Job<'_>,
    restart: impl FnMut() -> Result<(), Lost>,
) -> Result<Provided, Refused> {
    if job.is_checked_only() {
        return check_unit_id(bus, job.candidate, job.change).map(|()| Provided::Checked);
    }
    if job.begun && is_silent(bus, job.change.from, job.change.setting)? {
        return finish_unit_id(bus, job.candidate, job.change, restart).map(|()| Provided::Finished);
    }
    set_unit_id(bus, job.candidate, job.change, restart).map(|()| Provided::Set)
}

/// Waits until it is worth trying again: a device that was written to and failed is to be taken off first, anything
/// else is tried again, as nothing is written before it is sure.
///
/// # Errors
/// As [`await_device`].
pub fn await_remedy(bus: &mut impl Writing, job: &Job<'_>, refused: &Refused) -> Result<(), Lost> {
    bus.rest(AGAIN)?;
    while !refused.is_before_writing() && !is_silent(bus, job.change.from, job.change.setting)? {
        bus.rest(LOOK)?;
    }
    Ok(())
}

/// Waits until the device that was only checked has left: the next one may come with the same id.
///
/// # Errors
/// As [`await_device`].
pub fn await_removal(bus: &mut impl Writing, job: &Job<'_>) -> Result<(), Lost> {
    while job.is_checked_only() && !is_silent(bus, job.change.to, job.change.setting)? {
        bus.rest(LOOK)?;
    }
    Ok(())
}

fn is_there(bus: &mut impl Bus, unit_id: u8, setting: Setting) -> Result<bool, Lost> {
    let heard = bus.ask(&Question { known: true, ..Question::who(unit_id, WAIT) })?;
    Ok(!heard.is_nobody(setting) && !matches!(heard, Heard::Other(_)))
}
