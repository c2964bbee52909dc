//! No-activity rules in the engine: readings go to their vigils; what those say becomes an alarm by day, and never
//! while a person said that nobody is there. How each rule stands is in the state of the device that it watches.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    Clock, CommandPayload, Instant, Leaf, Timestamp, Value, WelfareDocument, WelfarePause, WelfareReason,
    WelfareStanding, from_bytes, to_bytes,
};

use super::Engine;
use super::judging::Raise;
use crate::alarm::Refusal;
use crate::configuration::{Configuration, DeviceIndex};
use crate::decode::round_to;
use crate::meter::counter_bits;
use crate::reading::Reading;
use crate::vigil::{Seen, Vigil};
use crate::welfare::{Sign, WelfareSettings};

/// Nobody is away for longer without somebody saying so again.
const PAUSED_AT_MOST: Duration = Duration::from_secs(90 * 24 * 3600);
/// A rule without a reading for this long knows nothing.
const UNKNOWN_AFTER: Duration = Duration::from_secs(120);
/// What was seen is kept as often; a first sign after quiet is kept at once.
const KEPT_EVERY: Duration = Duration::from_secs(300);
/// That somebody is active is told at most this often.
const TOLD_EVERY: Duration = Duration::from_secs(1800);

/// One rule as the engine knows it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    kept: Kept,
    read: Option<Instant>,
    kept_at: Option<Instant>,
    /// The disk knows of a sign in the slot that is not full.
    is_sign_kept: bool,
    told: Option<(WelfareDocument, Instant)>,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    vigil: Vigil,
    #[serde(default)]
    pause: Option<WelfarePause>,
}

pub(super) fn watches(configuration: &Configuration) -> Vec<Watch> {
    configuration.welfare.iter().map(|_| Watch::default()).collect()
}

impl Engine {
    pub(super) fn restore_watch(&mut self, id: &str, value: &[u8]) {
        let place = self.configuration.welfare.iter().position(|rule| rule.id.as_str() == id);
        let kept = from_bytes::<Kept>(value);
        if let (Some(watch), Ok(kept)) = (place.and_then(|it| self.watches.get_mut(it)), kept) {
            watch.kept = Kept { vigil: kept.vigil.restored(), ..kept };
        }
    }

    /// Another configuration: a rule that asks the same goes on, and a person's word stands in any case.
    pub(super) fn change_watches(&mut self, now: Instant, old: &Configuration) {
        let new = self.configuration.clone();
        let mut before = core::mem::take(&mut self.watches);
        for rule in &new.welfare {
            let known = old.welfare.iter().position(|known| known.id == rule.id);
            let watch =
                known.and_then(|place| before.get_mut(place)).map(core::mem::take).unwrap_or_default();
            let asks_the_same = known.and_then(|place| old.welfare.get(place)).is_some_and(|known| {
                let of = |all: &Configuration, rule: &WelfareSettings| {
                    let device = all.devices.get(rule.device)?;
                    let point = device.profile.points.get(rule.point)?;
                    Some((device.id.clone(), point.name.clone(), rule.sign, rule.window))
                };
                of(old, known) == of(&new, rule)
            });
            self.watches.push(if asks_the_same {
                watch
            } else {
                Watch { kept: Kept { pause: watch.kept.pause, ..Kept::default() }, ..Watch::default() }
            });
        }
        for gone in old.welfare.iter().filter(|known| new.welfare.iter().all(|rule| rule.id != known.id)) {
            self.stage.keep(now, key(gone), None);
        }
        for index in 0..self.watches.len() {
            self.keep_watch(now, index);
        }
        for device in 0..self.devices.len() {
            self.tell_welfare(now, device);
        }
    }

    /// A point was read, or could not be.
    pub(super) fn welfare_read(&mut self, now: Instant, device: DeviceIndex, point: usize) {
        let configuration = self.configuration.clone();
        for (index, rule) in configuration.welfare.iter().enumerate() {
            if (rule.device, rule.point) == (device, point)
                && let Some(seen) = self.seen(rule)
            {
                self.watched(now, index, rule, seen);
            }
        }
    }

    /// What a good reading shows. A doubtful one shows nothing, as if it were missing.
    fn seen(&self, rule: &WelfareSettings) -> Option<Seen> {
        let settings = self.configuration.devices.get(rule.device)?;
        let entry = self.devices.get(rule.device)?;
        match entry.decoder.reading(&settings.profile, rule.point) {
            Reading::Good(Value::Bool(state)) => Some(Seen::State(state)),
            Reading::Good(Value::Number(_)) => {
                let bits = counter_bits(&settings.profile, rule.point)?;
                Some(Seen::Count { count: entry.decoder.raw(rule.point)?, bits })
            }
            _ => None,
        }
    }

    fn watched(&mut self, now: Instant, index: usize, rule: &WelfareSettings, seen: Seen) {
        let wall = (self.wall.clock() != Clock::Unset).then(|| self.wall.timestamp(now));
        let Some(watch) = self.watches.get_mut(index) else { return };
        if watch.ends_pause(wall) {
            self.keep_watch(now, index);
        }
        let Some(watch) = self.watches.get_mut(index) else { return };
        watch.read = Some(now);
        let is_sign = watch.kept.vigil.take(now, wall, (rule.sign, rule.window), seen);
        let is_due = watch.kept_at.is_none_or(|kept| now.since(kept) >= KEPT_EVERY);
        if is_due || (is_sign && !watch.is_sign_kept) {
            self.keep_watch(now, index);
        }
        self.judge_welfare(now, index, rule, wall);
        self.tell_welfare(now, rule.device);
    }

    fn judge_welfare(&mut self, now: Instant, index: usize, rule: &WelfareSettings, wall: Option<Timestamp>) {
        let Some(watch) = self.watches.get(index) else { return };
        let vigil = &watch.kept.vigil;
        let (signs, since, name) = (vigil.signs(rule.sign), vigil.since_quiet(), rule.condition_name());
        let Some(settings) = self.configuration.devices.get(rule.device) else { return };
        let Some(condition) = settings.condition(&name) else { return };
        let is_open = self.alarms.of(&settings.id, &name).is_some_and(|alarm| alarm.document.active);
        let is_day = wall.is_some_and(|wall| rule.day.is_at(wall));
        let is_quiet = vigil.is_full() && signs < rule.least;
        if is_open && since >= rule.least {
            self.clear(now, rule.device, condition, Some(rule.amount(since)));
        } else if !is_open && is_quiet && is_day && watch.kept.pause.is_none() {
            let (limit, value) = (rule.amount(rule.least).as_number(), Some(rule.amount(signs)));
            if let Some(watch) = self.watches.get_mut(index) {
                watch.kept.vigil.is_called_quiet();
            }
            self.keep_watch(now, index);
            self.raise(now, Raise { device: rule.device, condition, value, limit, times: 1 });
        }
    }

    fn keep_watch(&mut self, now: Instant, index: usize) {
        let Some(rule) = self.configuration.welfare.get(index) else { return };
        let Some(watch) = self.watches.get_mut(index) else { return };
        watch.kept_at = Some(now);
        watch.is_sign_kept = watch.kept.vigil.has_sign_in_slot();
        self.stage.keep(now, key(rule), Some(to_bytes(&watch.kept)));
    }

    /// A person says that nobody is there until then, or that somebody is there again.
    pub(super) fn pause_welfare(&mut self, now: Instant, payload: &CommandPayload) -> Result<(), Refusal> {
        let id = payload.welfare.as_ref().ok_or(Refusal::UnknownWelfare)?;
        let configuration = self.configuration.clone();
        let mut rules = configuration.welfare.iter().enumerate();
        let (index, rule) = rules.find(|(_, rule)| rule.id == *id).ok_or(Refusal::UnknownWelfare)?;
        let pause = match payload.until {
            None => None,
            Some(until) => {
                let reason = payload.reason.as_deref().and_then(WelfareReason::parse);
                let reason = reason.ok_or(Refusal::NeedsAwayOrHospital)?;
                let length = until.unix_ms().saturating_sub(payload.at.unix_ms());
                if length <= 0 {
                    return Err(Refusal::NeedsUntil);
                }
                if u128::try_from(length).is_ok_and(|length| length > PAUSED_AT_MOST.as_millis()) {
                    return Err(Refusal::PausedTooLong);
                }
                Some(WelfarePause { by: payload.by.clone(), reason, until })
            }
        };
        let is_pause = pause.is_some();
        if let Some(watch) = self.watches.get_mut(index) {
            watch.kept.pause = pause;
            watch.kept.vigil.begin_anew();
        }
        self.keep_watch(now, index);
        let settings = configuration.devices.get(rule.device);
        let condition = settings.and_then(|settings| settings.condition(&rule.condition_name()));
        if let Some(condition) = condition.filter(|_| is_pause) {
            // A named person knows where they are: that is what the alarm asked for.
            self.clear(now, rule.device, condition, None);
        }
        self.tell_welfare(now, rule.device);
        Ok(())
    }

    /// What changes without a reading: a pause that is over, a point that is read no more.
    pub(super) fn supervise_welfare(&mut self, now: Instant) {
        let wall = (self.wall.clock() != Clock::Unset).then(|| self.wall.timestamp(now));
        for index in 0..self.watches.len() {
            if self.watches.get_mut(index).is_some_and(|watch| watch.ends_pause(wall)) {
                self.keep_watch(now, index);
            }
        }
        let configuration = self.configuration.clone();
        let mut told = None;
        for rule in &configuration.welfare {
            if told.replace(rule.device) != Some(rule.device) {
                self.tell_welfare(now, rule.device);
            }
        }
    }

    /// The rules that watch this device, as its state tells them.
    pub(super) fn welfare_of(&self, now: Instant, device: DeviceIndex) -> Vec<WelfareDocument> {
        let rules = self.configuration.welfare.iter().zip(&self.watches);
        let of_it = rules.filter(|(rule, _)| rule.device == device);
        of_it.map(|(rule, watch)| self.welfare_document(now, rule, watch)).collect()
    }

    fn welfare_document(&self, now: Instant, rule: &WelfareSettings, watch: &Watch) -> WelfareDocument {
        let Kept { vigil, pause } = &watch.kept;
        let device = self.configuration.devices.get(rule.device);
        let alarm = device.and_then(|device| self.alarms.of(&device.id, &rule.condition_name()));
        let is_read = watch.read.is_some_and(|read| now.since(read) < UNKNOWN_AFTER);
        let standing = if pause.is_some() {
            WelfareStanding::Paused
        } else if alarm.is_some_and(|alarm| alarm.document.active) {
            WelfareStanding::Quiet
        } else if self.wall.clock() == Clock::Unset {
            WelfareStanding::ClockUnset
        } else if !is_read {
            WelfareStanding::Unknown
        } else if vigil.is_full() {
            WelfareStanding::Watching
        } else {
            WelfareStanding::Learning
        };
        WelfareDocument {
            id: rule.id.clone(),
            name: rule.name.clone(),
            sign: rule.sign,
            standing,
            window_s: u32::try_from(rule.window.as_secs()).unwrap_or(u32::MAX),
            active_at: vigil.active_at,
            trickles: rule.sign == Sign::Water && vigil.trickle() > 0,
            pause: pause.clone(),
        }
    }

    /// Tells the device's state anew if a rule of it stands otherwise than was told.
    fn tell_welfare(&mut self, now: Instant, device: DeviceIndex) {
        let mut is_news = false;
        let rules: Vec<usize> = self.rules_of(device).collect();
        for index in rules {
            let Some((rule, watch)) = self.configuration.welfare.get(index).zip(self.watches.get(index))
            else {
                continue;
            };
            let document = self.welfare_document(now, rule, watch);
            let is_told = watch.told.as_ref().is_some_and(|(told, at)| {
                let same = WelfareDocument { active_at: document.active_at, ..told.clone() } == document;
                let is_fresh = told.active_at == document.active_at || now.since(*at) < TOLD_EVERY;
                same && is_fresh
            });
            if !is_told {
                is_news = true;
                if let Some(watch) = self.watches.get_mut(index) {
                    watch.told = Some((document, now));
                }
            }
        }
        let welfare = self.welfare_of(now, device);
        let Some(entry) = self.devices.get_mut(device) else { return };
        let known = entry.state_document().map_or(0, |document| document.welfare.len());
        if !is_news && known == welfare.len() {
            return;
        }
        let id = entry.id().clone();
        let Some(body) = entry.set_welfare(welfare).map(to_bytes) else { return };
        self.stage.document(now, Leaf::DeviceState(id), body);
        self.keep_device(now, device);
    }

    fn rules_of(&self, device: DeviceIndex) -> impl Iterator<Item = usize> {
        let rules = self.configuration.welfare.iter().enumerate();
        rules.filter(move |(_, rule)| rule.device == device).map(|(index, _)| index)
    }
}

impl Watch {
    /// A pause whose time is over ends, and the watch begins anew: the quiet of an empty flat says nothing.
    fn ends_pause(&mut self, wall: Option<Timestamp>) -> bool {
        let is_over = self.kept.pause.as_ref().zip(wall).is_some_and(|(pause, wall)| pause.until <= wall);
        if is_over {
            self.kept.pause = None;
            self.kept.vigil.begin_anew();
        }
        is_over
    }
}

impl WelfareSettings {
    /// Signs as people read them: m3 of water, or how often.
    fn amount(&self, signs: u32) -> Value {
        let amount = self.per_pulse.map_or(f64::from(signs), |m3| round_to(f64::from(signs) * m3, 4));
        Value::Number(amount)
    }

    pub(super) fn unit(&self) -> Option<&'static str> {
        self.per_pulse.map(|_| "m3")
    }
}

fn key(rule: &WelfareSettings) -> String {
    format!("welfare/{}", rule.id)
}
