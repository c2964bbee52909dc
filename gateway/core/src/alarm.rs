//! An alarm remembers a judgement until people are done with it.
//!
//! Two axes that never mix: is the source active, and has a named person acknowledged it. Overlays
//! (shelved, suppressed, out of service) hide, they never clear. A further cry on an unfinished alarm asks
//! for a new acknowledgement. There is one unfinished alarm at most for a device and condition, so their
//! number is bounded by the configuration.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    Acknowledged, AlarmChange, AlarmDocument, AlarmId, Class, Clock, Id, Instant, Mode, OutOfService, Place,
    Priority, Sequence, Shelved, Suppressed, Text, Texted, Timestamp, Value,
};

use crate::planted::{self, Bug};

/// One person may shelve for this long (requirement R22).
pub(crate) const SHELVE_BY_ONE: Duration = Duration::from_secs(60 * 60);
/// Two persons may shelve, or take a device out of service, for this long.
pub(crate) const SHELVE_BY_TWO: Duration = Duration::from_secs(24 * 60 * 60);

/// One unfinished alarm, as it survives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub document: AlarmDocument,
    /// The event that told the newest cry; heard up to here, a duty room has it.
    pub cry: Sequence,
    /// Somebody said that they are coming, since the newest cry.
    pub coming: bool,
    /// When the shelving ends; steady time is not kept over a restart.
    #[serde(skip)]
    shelved_until: Option<Instant>,
}

/// What a new alarm is made of.
#[derive(Clone, Debug)]
pub(crate) struct Cry<'a> {
    pub(crate) gateway: &'a Id,
    pub(crate) device: &'a Id,
    pub(crate) condition: &'a str,
    pub(crate) class: Class,
    pub(crate) priority: Priority,
    pub(crate) mode: Mode,
    pub(crate) latched: bool,
    pub(crate) out_of_service: Option<OutOfService>,
    pub(crate) value: Option<Value>,
    pub(crate) limit: Option<f64>,
    pub(crate) unit: Option<&'a str>,
    pub(crate) place: &'a Place,
    pub(crate) text: &'a Text,
    /// How often it was cried: presses of a button, otherwise 1.
    pub(crate) times: u32,
}

/// Why a person's wish was not carried out; the words are the contract's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownAlarm,
    UnknownDevice,
    UnknownOutput,
    NeedsOnOrOff,
    OverAnHour,
    NeverShelved,
    NeedsReason,
    NeedsUntil,
    NeedsSecondPerson,
    TooLong,
    NotShelved,
    NotNormal,
    NotAcknowledged,
    NotLatched,
    NotACall,
    NewerCry,
    UnknownWelfare,
    NeedsAwayOrHospital,
    PausedTooLong,
}

impl Alarm {
    pub(crate) fn raise(id: AlarmId, at: Timestamp, clock: Clock, cry: Cry<'_>) -> Self {
        Self {
            document: AlarmDocument {
                mode: cry.mode,
                latched: cry.latched,
                out_of_service: cry.out_of_service,
                occurrence: cry.times.max(1),
                clock,
                value: cry.value,
                limit: cry.limit,
                unit: cry.unit.map(String::from),
                place: cry.place.clone(),
                text: cry.text.clone(),
                ..AlarmDocument::new(
                    id,
                    cry.gateway.clone(),
                    cry.device.clone(),
                    cry.condition.to_string(),
                    cry.class,
                    cry.priority,
                    at,
                )
            },
            cry: 0,
            coming: false,
            shelved_until: None,
        }
    }

    /// The condition came back, or the button was pressed again. A cry in earnest makes a test's alarm earnest,
    /// and never the other way round.
    pub(crate) fn repeat(
        &mut self,
        mode: Mode,
        latched: bool,
        value: Option<Value>,
        times: u32,
    ) -> AlarmChange {
        let document = &mut self.document;
        if mode == Mode::Live {
            document.mode = mode;
        }
        document.active = true;
        document.cleared_at = None;
        document.latched = latched;
        document.acknowledged = None;
        document.occurrence = document.occurrence.saturating_add(times.max(1));
        document.value = value;
        self.coming = false;
        self.changed(AlarmChange::Repeated)
    }

    /// The network has taken a text of this for this person's phone, lastly at this time. No event tells it: the log
    /// says what became of the world and of people's answers, and who was texted is in the document of all of these.
    pub(crate) fn was_texted(&mut self, to: &Id, at: Timestamp) {
        let known = self.document.texted.iter_mut().find(|texted| texted.to == to.as_str());
        match known {
            Some(texted) => texted.at = at,
            None => self.document.texted.push(Texted { to: to.to_string(), at }),
        }
        self.document.revision = self.document.revision.saturating_add(1);
    }

    /// The network could not deliver it after all. False if it is not known that it was taken.
    pub(crate) fn was_not_texted(&mut self, to: &Id) -> bool {
        let known = self.document.texted.len();
        self.document.texted.retain(|texted| texted.to != to.as_str());
        let is_change = known != self.document.texted.len();
        self.document.revision = self.document.revision.saturating_add(u32::from(is_change));
        is_change
    }

    /// The source is normal again. `None` if it was already.
    pub(crate) fn clear(&mut self, at: Timestamp, value: Option<Value>) -> Option<AlarmChange> {
        if !self.document.active {
            return None;
        }
        self.document.active = false;
        self.document.cleared_at = Some(at);
        self.document.value = value;
        Some(self.changed(AlarmChange::Cleared))
    }

    /// A named person saw it. `None` if somebody did before: the first name stays.
    pub(crate) fn acknowledge(&mut self, by: &str, at: Timestamp) -> Option<AlarmChange> {
        if self.document.acknowledged.is_some() {
            return None;
        }
        self.document.acknowledged = Some(Acknowledged { by: by.to_string(), at });
        Some(self.changed(AlarmChange::Acknowledged))
    }

    pub(crate) fn silence(&mut self) -> AlarmChange {
        self.changed(AlarmChange::Silenced)
    }

    /// Somebody is on the way to the person who called.
    pub(crate) fn set_coming(&mut self) -> Result<(), Refusal> {
        if self.document.class != Class::Call {
            return Err(Refusal::NotACall);
        }
        self.coming = true;
        Ok(())
    }

    /// A person ends a latched alarm, once the source is normal and it was acknowledged. A call has no
    /// source that turns normal by itself: the person's reset is what ends it. So it is with an alarm whose
    /// source is no longer watched, because its device was taken out of the configuration.
    pub(crate) fn reset(&mut self, at: Timestamp, is_watched: bool) -> Result<AlarmChange, Refusal> {
        let document = &mut self.document;
        if !document.latched && is_watched {
            return Err(Refusal::NotLatched);
        }
        if document.acknowledged.is_none() {
            return Err(Refusal::NotAcknowledged);
        }
        if document.active && document.class != Class::Call && is_watched {
            return Err(Refusal::NotNormal);
        }
        document.active = false;
        document.cleared_at = document.cleared_at.or(Some(at));
        document.latched = false;
        Ok(self.changed(AlarmChange::Reset))
    }

    pub(crate) fn shelve(
        &mut self,
        now: Instant,
        at: Timestamp,
        wish: &Shelving<'_>,
    ) -> Result<AlarmChange, Refusal> {
        if self.document.class.is_life_safety() {
            return Err(Refusal::NeverShelved);
        }
        let length = wish.length(at)?;
        let (Some(until), Some(reason)) = (wish.until, wish.reason) else { return Err(Refusal::NeedsReason) };
        self.document.shelved = Some(Shelved { by: wish.by.to_string(), until, reason: reason.to_string() });
        self.shelved_until = Some(now + length);
        Ok(self.changed(AlarmChange::Shelved))
    }

    pub(crate) fn unshelve(&mut self) -> Result<AlarmChange, Refusal> {
        self.document.shelved.take().ok_or(Refusal::NotShelved)?;
        self.shelved_until = None;
        Ok(self.changed(AlarmChange::Unshelved))
    }

    /// Another alarm explains it, or no longer does. `None` if nothing changes.
    pub(crate) fn suppress(&mut self, by: Option<AlarmId>) -> Option<AlarmChange> {
        if self.document.suppressed.as_ref().map(|suppressed| suppressed.by) == by {
            return None;
        }
        self.document.suppressed = by.map(|by| Suppressed { by });
        Some(self.changed(AlarmChange::Suppressed))
    }

    pub(crate) fn set_out_of_service(&mut self, overlay: Option<OutOfService>) -> AlarmChange {
        self.document.out_of_service = overlay;
        self.changed(AlarmChange::OutOfService)
    }

    pub(crate) fn finish(&mut self) -> AlarmChange {
        self.changed(AlarmChange::Finished)
    }

    /// After a restart: what is left of a shelving by the wall clock if it can be trusted, else nothing.
    pub(crate) fn resume(&mut self, now: Instant, wall: Timestamp, clock: Clock) {
        if let Some(shelved) = &self.document.shelved {
            let left_ms = if clock == Clock::Unset { 0 } else { shelved.until.unix_ms() - wall.unix_ms() };
            let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)).min(SHELVE_BY_TWO);
            self.shelved_until = Some(now + left).filter(|_| !planted::has(Bug::ShelvesForEver));
        }
    }

    pub(crate) fn shelved_until(&self) -> Option<Instant> {
        self.shelved_until
    }

    fn changed(&mut self, change: AlarmChange) -> AlarmChange {
        self.document.revision = self.document.revision.saturating_add(1);
        change
    }
}

/// A wish to put something aside: who, until when, why, and the second person if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shelving<'a> {
    pub(crate) by: &'a str,
    pub(crate) second: Option<&'a str>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) reason: Option<&'a str>,
}

impl Shelving<'_> {
    /// How long, if it is allowed. `at` is when the person asked, by the same clock as `until`, so a
    /// gateway whose own clock is wrong still grants the right length.
    pub(crate) fn length(&self, at: Timestamp) -> Result<Duration, Refusal> {
        if self.reason.is_none_or(|reason| reason.trim().is_empty()) {
            return Err(Refusal::NeedsReason);
        }
        let until = self.until.ok_or(Refusal::NeedsUntil)?;
        let length_ms = u64::try_from(until.unix_ms() - at.unix_ms()).map_err(|_| Refusal::NeedsUntil)?;
        let length = Duration::from_millis(length_ms);
        let two = self.second.is_some_and(|second| !second.is_empty() && second != self.by);
        match (length <= SHELVE_BY_ONE, length <= SHELVE_BY_TWO, two) {
            (true, _, _) | (_, true, true) => Ok(length),
            (_, true, false) => Err(Refusal::NeedsSecondPerson),
            _ => Err(Refusal::TooLong),
        }
    }
}

/// All unfinished alarms of a gateway.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Alarms {
    #[serde(with = "snapshot")]
    open: BTreeMap<AlarmId, Alarm>,
    #[serde(with = "crate::snapshot::pairs")]
    by_source: BTreeMap<(Id, String), AlarmId>,
}

/// With the steady times that are not kept over a restart.
mod snapshot {
    use alloc::vec::Vec;

    use super::*;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        open: &BTreeMap<AlarmId, Alarm>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(open.values().map(|alarm| (alarm, alarm.shelved_until)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<AlarmId, Alarm>, D::Error> {
        let read = Vec::<(Alarm, Option<Instant>)>::deserialize(from)?;
        let whole = read.into_iter().map(|(alarm, shelved_until)| Alarm { shelved_until, ..alarm });
        Ok(whole.map(|alarm| (alarm.document.id, alarm)).collect())
    }
}

impl Alarms {
    pub(crate) fn insert(&mut self, alarm: Alarm) {
        let document = &alarm.document;
        self.by_source.insert((document.device.clone(), document.condition.clone()), document.id);
        self.open.insert(document.id, alarm);
    }

    pub(crate) fn get(&self, id: AlarmId) -> Option<&Alarm> {
        self.open.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: AlarmId) -> Option<&mut Alarm> {
        self.open.get_mut(&id)
    }

    pub(crate) fn of(&self, device: &Id, condition: &str) -> Option<&Alarm> {
        self.open.get(self.by_source.get(&(device.clone(), condition.to_string()))?)
    }

    pub(crate) fn remove(&mut self, id: AlarmId) {
        if let Some(alarm) = self.open.remove(&id) {
            self.by_source.remove(&(alarm.document.device, alarm.document.condition));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.open.values()
    }

    /// The ids of the open alarms of one device.
    pub(crate) fn of_device<'a>(&'a self, device: &'a Id) -> impl Iterator<Item = AlarmId> + 'a {
        self.iter().filter(move |alarm| alarm.document.device == *device).map(|alarm| alarm.document.id)
    }
}

impl Refusal {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::UnknownAlarm => "unknown_alarm",
            Self::UnknownDevice => "unknown_device",
            Self::UnknownOutput => "unknown_output",
            Self::NeedsOnOrOff => "needs_on_or_off",
            Self::OverAnHour => "too_long",
            Self::NeverShelved => "never_shelved",
            Self::NeedsReason => "needs_reason",
            Self::NeedsUntil => "needs_until",
            Self::NeedsSecondPerson => "needs_second_person",
            Self::TooLong => "too_long",
            Self::NotShelved => "not_shelved",
            Self::NotNormal => "not_normal",
            Self::NotAcknowledged => "not_acknowledged",
            Self::NotLatched => "not_latched",
            Self::NotACall => "not_a_call",
            Self::NewerCry => "newer_cry",
            Self::UnknownWelfare => "unknown_welfare",
            Self::NeedsAwayOrHospital => "needs_away_or_hospital",
            Self::PausedTooLong => "too_long",
        }
    }

    pub(crate) fn text(self) -> Text {
        let (zh, en) = match self {
            Self::UnknownAlarm => ("没有这条报警,或已结束", "no such open alarm"),
            Self::UnknownDevice => ("没有这个设备", "no such device"),
            Self::UnknownOutput => ("没有这个输出", "no such output"),
            Self::NeedsOnOrOff => ("必须写明开还是关", "on or off is needed"),
            Self::OverAnHour => ("最长 60 分钟", "60 minutes at most"),
            Self::NeverShelved => {
                ("烟感、燃气、一氧化碳和呼叫不能搁置", "smoke, gas, CO and calls are never shelved")
            }
            Self::NeedsReason => ("必须写明原因", "a reason is needed"),
            Self::NeedsUntil => ("必须写明到什么时候", "an end time in the future is needed"),
            Self::NeedsSecondPerson => ("超过 60 分钟须两人同意", "over 60 minutes needs a second person"),
            Self::TooLong => ("最长 24 小时", "24 hours at most"),
            Self::NotShelved => ("没有被搁置", "it is not shelved"),
            Self::NotNormal => ("现场尚未恢复正常", "the source is not normal yet"),
            Self::NotAcknowledged => ("还没有人确认", "nobody has acknowledged it yet"),
            Self::NotLatched => ("不需要复位", "there is nothing to reset"),
            Self::NotACall => ("不是呼叫", "it is not a call"),
            Self::NewerCry => ("之后又有新的报警或呼叫", "it was cried again since it was seen"),
            Self::UnknownWelfare => ("没有这条平安守望规则", "no such no-activity rule"),
            Self::NeedsAwayOrHospital => ("必须写明外出还是住院", "away or hospital is needed as the reason"),
            Self::PausedTooLong => ("最长 90 天", "90 days at most"),
        };
        Text::new(zh, en)
    }
}
