//! Cooking smoke: where a person has just found that it was nothing else, the same detector only speaks for ten minutes.
//! A neighbour, or smoke that is still there after that, sounds in full; the third time in a week it hangs in the wrong
//! place.
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{AlarmDocument, AlarmId, Class, Id, Instant, Mode, Place, Text, Timestamp};

use crate::board::Board;
use crate::case::{Case, Conclusion};
use crate::logbook::LogLine;
use crate::row::Row;
use crate::{GatewayName, kept};

/// So long the detector only speaks.
const SPEAKS_FOR: Duration = Duration::from_secs(600);
/// As many times in a week: it must be moved.
const TIMES: usize = 3;
const WEEK_MS: i64 = 7 * 24 * 3_600_000;
/// Detectors remembered; beyond it a further one sounds in full.
const REMEMBERED: usize = 2_000;

/// By detector.
pub(crate) type Kitchens = BTreeMap<(GatewayName, Id), Kitchen>;

#[derive(Debug, Default)]
pub(crate) struct Kitchen {
    /// It only speaks until then. A restart forgets that: it sounds.
    until: Option<(Instant, Timestamp)>,
    /// When cooking smoke was found there, on the clock on the wall: it must last a week.
    times: Vec<Timestamp>,
}

impl Board {
    /// A person has found that it was cooking smoke.
    pub(crate) fn note_cooking(&mut self, case: &Case) {
        let about = &case.about;
        if case.conclusion != Some(Conclusion::Cooking) || about.mode != Mode::Live {
            return;
        }
        let whom = GatewayName { site: about.site.clone(), gateway: about.gateway.clone() };
        let key = (whom.clone(), about.device.clone());
        if self.kitchens.len() >= REMEMBERED && !self.kitchens.contains_key(&key) {
            return;
        }
        let wall = self.wall;
        let speaks_ms = i64::try_from(SPEAKS_FOR.as_millis()).unwrap_or_default();
        let kitchen = self.kitchens.entry(key).or_default();
        kitchen.until = Some((self.now + SPEAKS_FOR, Timestamp::from_unix_ms(wall.unix_ms() + speaks_ms)));
        kitchen.times.retain(|at| (wall.unix_ms() - at.unix_ms()).abs() < WEEK_MS);
        kitchen.times.push(wall);
        let is_often = kitchen.times.len() >= TIMES;
        if is_often {
            kitchen.times.clear();
        }
        let times = serde_json::to_string(&kitchen.times).ok().filter(|_| !is_often);
        self.keep.push((kept::cooking(&whom, &about.device), times));
        if is_often {
            self.order_move(&whom, &about.device, about.place.clone(), case.id());
        }
        self.changed = true;
    }

    fn order_move(&mut self, whom: &GatewayName, device: &Id, place: Place, case: AlarmId) {
        let text = Text::new(
            "7 天内 3 次油烟误报:请安排移装或更换烟感",
            "Cooking smoke three times in a week: have this detector moved",
        );
        self.note(whom, Some(device), place, "move_sensor", text);
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "board".into(),
            what: "device.move_sensor".into(),
            about: Some(case.to_string()),
            old: None,
            new: Some(device.to_string()),
            note: None,
        });
    }

    pub(crate) fn remember_cooking(&mut self, key: &str, value: &str) -> Option<()> {
        let mut parts = key.split('/');
        let whom = GatewayName { site: parts.next()?.parse().ok()?, gateway: parts.next()?.parse().ok()? };
        let times = serde_json::from_str(value).ok()?;
        self.kitchens.insert((whom, parts.next()?.parse().ok()?), Kitchen { until: None, times });
        Some(())
    }

    pub(crate) fn next_cooking_deadline(&self) -> Instant {
        let ends = self.kitchens.values().filter_map(|kitchen| kitchen.until);
        ends.map(|(until, _)| until).min().unwrap_or(Instant::NEVER)
    }

    /// Ten minutes are over: smoke that is still there is no cooking, whoever said so.
    pub(crate) fn look_at_cooking(&mut self, now: Instant) {
        if self.next_cooking_deadline() > now {
            return;
        }
        let mut over = Vec::new();
        for (key, kitchen) in &mut self.kitchens {
            if kitchen.until.is_some_and(|(until, _)| until <= now) {
                kitchen.until = None;
                over.push(key.clone());
            }
        }
        self.kitchens.retain(|_, kitchen| kitchen.until.is_some() || !kitchen.times.is_empty());
        self.changed = true;
        let smokes = |row: &&Row| {
            let document = row.alarm_document().filter(|document| document.active && !row.finished);
            document.is_some_and(|document| {
                is_smoke(document) && over.contains(&(row.whom(), document.device.clone()))
            })
        };
        let still: Vec<Row> = self.rows.values().filter(smokes).cloned().collect();
        let own = self.settings.name.to_string();
        for row in still {
            if self.is_acknowledged(&row) {
                self.acknowledgement_does_not_count(row.id(), &own, "board");
            }
            if let Some(document) = row.alarm_document() {
                self.open_case_again(row.id(), document.occurrence, &own);
            }
        }
    }

    /// Until when this alarm only speaks: its detector saw cooking smoke a moment ago, and nobody near it cries.
    pub(crate) fn speaks_until(&self, row: &Row) -> Option<Timestamp> {
        let document = row.alarm_document().filter(|document| is_smoke(document))?;
        let kitchen = self.kitchens.get(&(row.whom(), document.device.clone()))?;
        let (_, until) = kitchen.until.filter(|(until, _)| self.now < *until)?;
        let near = self.rows.values().filter(|other| other.site == row.site && !other.finished);
        let mut near = near.filter_map(|other| Some((other, other.alarm_document()?)));
        let cries = near.any(|(other, near)| {
            let is_other = near.device != document.device || other.gateway != row.gateway;
            let is_grave =
                matches!(near.class, Class::Smoke | Class::Gas | Class::Co) && near.mode == Mode::Live;
            is_other && is_grave && near.active && is_next_door(&near.place, &document.place)
        });
        (!cries).then_some(until)
    }
}

fn is_smoke(document: &AlarmDocument) -> bool {
    document.class == Class::Smoke && document.mode == Mode::Live
}

/// In the same entrance of the same building; where a building has no entrances, in the building.
fn is_next_door(one: &Place, other: &Place) -> bool {
    one.building.is_some() && one.building == other.building && one.entrance == other.entrance
}
