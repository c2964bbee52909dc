//! Points 1 and 6: what a frame said is what the gateway holds, and what it holds was so in the field.
use std::collections::BTreeMap;

use shouwang_core::engine::Engine;
use shouwang_core::input::Outcome;
use shouwang_core::output::{Ask, Request};
use shouwang_core::profile::Table;
use shouwang_message::{AlarmChange, AlarmDocument};

use super::{Verdict, broken};
use crate::simulation::device::{Device, Manners};
use crate::simulation::scenario::SECOND;
use crate::simulation::site::{self, LEVEL, LEVEL_LIMIT, SMOKE};

/// A change may be told this long after the truth was so: a fair number of polls, retries and a slow disk.
const STALE: u64 = 10 * SECOND;
/// A device that answers, on a line that is well, is read so often that its alarm is known within this,
/// whoever else is dead.
const LATE: u64 = 3 * SECOND;
/// A process that has just started asks who is there first.
const START: u64 = 8 * SECOND;
/// One that was lost is probed at least so often, and then takes its turn.
const RETURN: u64 = 32 * SECOND;

#[derive(Debug, Default)]
pub(in crate::simulation) struct Reading {
    /// What the last good frame of this process said, by device and condition.
    said: BTreeMap<(u16, &'static str), bool>,
}

impl Reading {
    /// A new process knows nothing of the frames before.
    pub(in crate::simulation) fn start(&mut self) {
        self.said.clear();
    }

    /// What a frame says about conditions, if it says anything new.
    pub(in crate::simulation) fn frame(
        &mut self,
        number: u16,
        ask: &Ask,
        outcome: &Outcome,
    ) -> Vec<(&'static str, bool)> {
        let (
            Request::Read { table: Table::HoldingRegister, address, count },
            Outcome::Registers { words, .. },
        ) = (&ask.request, outcome)
        else {
            return Vec::new();
        };
        let mut news = Vec::new();
        let word = |register: u16| {
            let place = register.checked_sub(*address).filter(|place| place < count)?;
            words.get(usize::from(place)).copied()
        };
        for (condition, says) in [
            ("smoke", word(SMOKE).filter(|word| *word < 2).map(|word| word == 1)),
            ("level", word(LEVEL).map(|word| word >= LEVEL_LIMIT)),
        ] {
            if let Some(active) = says
                && self.said.insert((number, condition), active) != Some(active)
            {
                news.push((condition, active));
            }
        }
        news
    }

    /// The engine has taken that frame.
    pub(in crate::simulation) fn taken(
        &self,
        number: u16,
        news: &[(&'static str, bool)],
        engine: &Engine,
    ) -> Verdict {
        let device = site::device_id(number);
        for (condition, active) in news {
            let holds = |alarm: &&AlarmDocument| {
                alarm.device == device && alarm.condition == *condition && alarm.active
            };
            if engine.alarms().any(|alarm| holds(&alarm)) != *active {
                let what = format!("a frame said that {condition} of {device} is {active}");
                return broken("every-transition", what);
            }
        }
        Ok(())
    }
}

/// A transition that is about to be committed must have been true lately, but for how long it waited.
pub(in crate::simulation) fn was_true(
    now: u64,
    change: AlarmChange,
    document: &AlarmDocument,
    device: &Device,
    waited: u64,
) -> Verdict {
    let window = STALE + waited;
    let active = match change {
        AlarmChange::Raised | AlarmChange::Repeated => true,
        AlarmChange::Cleared => false,
        _ => return Ok(()),
    };
    let Some(truth) = device.truth(&document.condition) else { return Ok(()) };
    let has_double = device.manners == Manners::Clash || device.clashed_until + window >= now;
    if has_double || truth.was(active, now, window) {
        return Ok(());
    }
    let check = if active { "raised-is-true" } else { "cleared-is-true" };
    broken(check, format!("{} of {}", document.condition, document.device))
}

/// An alarm that has been true for long, of a device that is well, on a line that is well, must be told.
pub(in crate::simulation) fn is_told_in_time(
    now: u64,
    device: &Device,
    line_well_since: u64,
    process_well_since: u64,
    is_active: impl Fn(&str) -> bool,
) -> Verdict {
    let returned = if device.odd_until + line_well_since > 0 {
        device.odd_until.max(line_well_since) + RETURN
    } else {
        0
    };
    if device.manners != Manners::Good || returned > now || process_well_since + START > now {
        return Ok(());
    }
    for condition in ["smoke", "level"] {
        let Some(truth) = device.truth(condition) else { continue };
        if truth.since + LATE <= now && is_active(condition) != truth.active {
            let number = device.shape.number;
            let what = format!(
                "{condition} of device-{number} has been {} for {} ms",
                truth.active,
                (now - truth.since) / 1000
            );
            return broken("alarm-in-time", what);
        }
    }
    Ok(())
}
