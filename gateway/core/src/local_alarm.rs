//! When the box itself must sound, because the people who should act do not.
//!
//! An emergency that no duty room has heard, or that nobody has acknowledged, sounds here: ten minutes, then
//! one in five, so that nobody cuts the siren's wire. Whoever silences it silences what sounds now: another
//! emergency, or a further cry, sounds again. Steady time only.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmId, Instant};

use crate::configuration::LocalAlarmSettings;

/// So long without a pause, and then [`SOUND_AGAIN`] at the end of every [`SOUND_EVERY`] (the design's
/// duty-room page, section 12).
const SOUND_AT_FIRST: Duration = Duration::from_secs(10 * 60);
const SOUND_EVERY: Duration = Duration::from_secs(5 * 60);
const SOUND_AGAIN: Duration = Duration::from_secs(60);

/// Everything that waits for people. One entry at most for each open alarm.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LocalAlarm {
    waiting: BTreeMap<AlarmId, Waiting>,
    /// When it began to sound, or was last joined by another alarm.
    sounding_since: Option<Instant>,
}

/// An emergency that nobody has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cry {
    pub(crate) alarm: AlarmId,
    pub(crate) occurrence: u32,
    /// A duty room has the newest cry.
    pub(crate) is_heard: bool,
}

/// What became of one alarm here, as it is kept over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// It waits, and does not sound.
    #[default]
    Waits,
    /// It sounds because nobody hears it.
    Unheard,
    /// It sounds because nobody has acknowledged it.
    Unacknowledged,
    Silenced,
}

/// What one look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) sounds: bool,
    /// Alarms whose step is another than before; none for one that waits no more.
    pub(crate) changes: Vec<(AlarmId, Option<Step>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    occurrence: u32,
    since: Instant,
    unheard_since: Option<Instant>,
    /// What it was when the process last ended: that much of the waiting is done.
    before: Step,
    step: Step,
    /// Somebody wanted quiet; ends with a further cry.
    is_silenced: bool,
}

impl LocalAlarm {
    /// What was kept of one alarm.
    pub(crate) fn restore(&mut self, now: Instant, alarm: AlarmId, occurrence: u32, step: Step) {
        let waiting = Waiting { before: step, step, ..Waiting::new(now, occurrence) };
        self.waiting.insert(alarm, Waiting { is_silenced: step == Step::Silenced, ..waiting });
    }

    /// Looks at everything that waits now. To be called twice a second or more often.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        settings: &LocalAlarmSettings,
        cries: impl Iterator<Item = Cry>,
    ) -> Look {
        let mut look = Look::default();
        let mut old = core::mem::take(&mut self.waiting);
        let mut has_joined = false;
        for cry in cries {
            let known = old.remove(&cry.alarm);
            let mut waiting = known.unwrap_or_else(|| Waiting::new(now, cry.occurrence));
            let step = waiting.take(now, settings, cry);
            has_joined |= step.sounds() && !waiting.step.sounds();
            if waiting.step != step {
                look.changes.push((cry.alarm, Some(step)));
            }
            waiting.step = step;
            self.waiting.insert(cry.alarm, waiting);
        }
        let over = old.into_iter().filter(|(_, waiting)| waiting.step != Step::Waits);
        look.changes.extend(over.map(|(alarm, _)| (alarm, None)));
        let is_due = self.waiting.values().any(|waiting| waiting.step.sounds());
        let since = if has_joined { None } else { self.sounding_since };
        self.sounding_since = is_due.then(|| since.unwrap_or(now));
        look.sounds = self.sounding_since.is_some_and(|since| is_on(now.since(since)));
        look
    }

    /// What sounds, or is due and pauses: what somebody at the box means by asking for quiet.
    pub(crate) fn sounding(&self) -> Vec<AlarmId> {
        let sounding = self.waiting.iter().filter(|(_, waiting)| waiting.step.sounds());
        sounding.map(|(alarm, _)| *alarm).collect()
    }

    /// Somebody wants this one quiet, if it sounds: what is not due yet has disturbed nobody.
    pub(crate) fn silence(&mut self, alarm: AlarmId) {
        if let Some(waiting) = self.waiting.get_mut(&alarm) {
            waiting.is_silenced |= waiting.step.sounds();
        }
    }
}

impl Waiting {
    fn new(now: Instant, occurrence: u32) -> Self {
        Self {
            occurrence,
            since: now,
            unheard_since: None,
            before: Step::Waits,
            step: Step::Waits,
            is_silenced: false,
        }
    }

    fn take(&mut self, now: Instant, settings: &LocalAlarmSettings, cry: Cry) -> Step {
        if cry.occurrence != self.occurrence {
            self.occurrence = cry.occurrence;
            self.is_silenced = false;
        }
        if cry.is_heard {
            self.unheard_since = None;
            if self.before == Step::Unheard {
                self.before = Step::Waits;
            }
        } else {
            self.unheard_since.get_or_insert(now);
        }
        let is_unheard = self.before == Step::Unheard
            || self.unheard_since.is_some_and(|since| now.since(since) >= settings.unheard);
        let is_unacknowledged =
            self.before == Step::Unacknowledged || now.since(self.since) >= settings.unacknowledged;
        match (self.is_silenced, is_unheard, is_unacknowledged) {
            (true, ..) => Step::Silenced,
            (false, true, _) => Step::Unheard,
            (false, false, true) => Step::Unacknowledged,
            (false, false, false) => Step::Waits,
        }
    }
}

impl Step {
    pub(crate) fn sounds(self) -> bool {
        matches!(self, Self::Unheard | Self::Unacknowledged)
    }

    /// As it is kept; nothing is kept of one that only waits.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Waits => None,
            Self::Unheard => Some("unheard"),
            Self::Unacknowledged => Some("unacknowledged"),
            Self::Silenced => Some("silenced"),
        }
    }

    pub(crate) fn parse(word: &[u8]) -> Self {
        let steps = [Self::Unheard, Self::Unacknowledged, Self::Silenced];
        let same = |step: &Self| step.word().is_some_and(|known| known.as_bytes() == word);
        steps.into_iter().find(same).unwrap_or_default()
    }
}

/// Ten minutes, then one in five.
fn is_on(sounding: Duration) -> bool {
    match sounding.checked_sub(SOUND_AT_FIRST) {
        None => true,
        Some(after) => {
            let place = after.as_micros() % SOUND_EVERY.as_micros();
            place >= (SOUND_EVERY - SOUND_AGAIN).as_micros()
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const SETTINGS: LocalAlarmSettings = LocalAlarmSettings {
        unheard: Duration::from_secs(30),
        unacknowledged: Duration::from_secs(180),
        output: 0,
        no_contact: None,
        silence: None,
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn id(number: u128) -> AlarmId {
        AlarmId::from_parts(1, number)
    }

    fn cry(number: u128, occurrence: u32, is_heard: bool) -> Cry {
        Cry { alarm: id(number), occurrence, is_heard }
    }

    #[test]
    fn what_nobody_hears_sounds_after_its_time_and_is_released_when_heard() {
        let mut local = LocalAlarm::default();
        let mut sounds =
            |seconds, is_heard| local.look(at(seconds), &SETTINGS, [cry(1, 1, is_heard)].into_iter()).sounds;
        assert_eq!([sounds(100, false), sounds(129, false), sounds(130, false)], [false, false, true]);
        assert!(!sounds(131, true), "a duty room has it now");
        assert!(!sounds(279, true) && sounds(280, true), "and nobody acknowledges it");
        assert!(!local.look(at(281), &SETTINGS, [].into_iter()).sounds, "acknowledged");
    }

    #[test]
    fn ten_minutes_then_one_in_five() {
        let minutes = |minutes: u64| is_on(Duration::from_secs(60 * minutes));
        let on: Vec<u64> = (0..26).filter(|minute| minutes(*minute)).collect();
        assert_eq!(on, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 19, 24]);
    }

    #[test]
    fn silence_holds_for_what_sounded_and_for_nothing_else() {
        let mut local = LocalAlarm::default();
        let first = [cry(1, 1, false)];
        local.look(at(0), &SETTINGS, first.into_iter());
        local.silence(id(1));
        assert!(local.look(at(30), &SETTINGS, first.into_iter()).sounds, "it was not due when silenced");
        assert_eq!(local.sounding(), vec![id(1)]);
        local.silence(id(1));
        assert!(!local.look(at(31), &SETTINGS, first.into_iter()).sounds);
        let both = [cry(1, 1, false), cry(2, 1, false)];
        assert!(!local.look(at(40), &SETTINGS, both.into_iter()).sounds);
        assert!(local.look(at(70), &SETTINGS, both.into_iter()).sounds, "another one");
        local.silence(id(2));
        assert!(!local.look(at(71), &SETTINGS, both.into_iter()).sounds);
        let again = [cry(1, 2, false), cry(2, 1, false)];
        assert!(local.look(at(72), &SETTINGS, again.into_iter()).sounds, "a second cry is not silent");
    }

    #[test]
    fn a_restart_takes_up_where_it_was() {
        let restored = |step, is_heard| {
            let mut local = LocalAlarm::default();
            local.restore(at(5), id(1), 1, step);
            local.look(at(5), &SETTINGS, [cry(1, 1, is_heard)].into_iter()).sounds
        };
        assert!(restored(Step::Unheard, false) && !restored(Step::Unheard, true));
        assert!(restored(Step::Unacknowledged, true));
        assert!(!restored(Step::Silenced, false) && !restored(Step::Waits, false));
        for step in [Step::Unheard, Step::Unacknowledged, Step::Silenced] {
            assert_eq!(step.word().map(|word| Step::parse(word.as_bytes())), Some(step));
        }
    }

    #[test]
    fn every_change_is_told_once_so_that_it_can_be_kept() {
        let mut local = LocalAlarm::default();
        let mut changes =
            |seconds, cries: &[Cry]| local.look(at(seconds), &SETTINGS, cries.iter().copied()).changes;
        let one = [cry(1, 1, false)];
        assert_eq!(changes(0, &one), vec![]);
        assert_eq!(changes(30, &one), vec![(id(1), Some(Step::Unheard))]);
        assert_eq!(changes(31, &one), vec![]);
        assert_eq!(changes(32, &[]), vec![(id(1), None)]);
    }
}
