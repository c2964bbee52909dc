//! 叫应: when a river's line says that people must leave, or by hand, everybody in the homes near the river is called until
//! they have answered. A round ends when all have, or when a lead says why not; who has not answered is never forgotten.
mod round;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Value, json};
use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, Class, Id, Instant, Mode, Priority, Text};
use shouwang_river::Line;

use crate::board::{Board, Effect};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::row::{Row, RowKind};
use crate::stations::manual::is_made_by_a_phone;
use crate::trust::shown;
use crate::{GatewayName, Outcome, Output, bounds, kept};

pub(crate) use round::Round;
use round::{Call, Ended};
pub use round::{CallOutcome, CallTold, Home, ended_round};

/// Orange, red, and the order to leave.
const CALLED_AT: [Line; 3] = [Line::Guarantee, Line::Record, Line::Evacuate];
/// A list that the disk did not give is asked for again after this.
const LIST_AGAIN: Duration = Duration::from_secs(30);
/// Three calls are made within this (a county water bureau's published practice).
const LATE_AFTER: Duration = Duration::from_secs(5 * 60);

/// What a person asks about 叫应.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnsweringStep {
    /// By hand, with a reason; of one that runs the list is read again.
    Begin { station: Id, reason: String },
    /// What came of a call.
    Called { round: AlarmId, call: CallTold },
    /// A lead ends it though people are missing.
    End { round: AlarmId, reason: String },
}

impl Board {
    /// The rounds that run, and the newest that ended; the newest first, without their lists.
    pub fn rounds(&self) -> Vec<Value> {
        let ended = self.ended_rounds.iter().rev();
        self.rounds.values().rev().chain(ended).map(Round::summary).collect()
    }

    /// One of them with its list, if it is remembered.
    pub fn round(&self, id: AlarmId) -> Option<Value> {
        let ended = || self.ended_rounds.iter().find(|round| round.id == id);
        self.rounds.get(&id).or_else(ended).map(Round::item)
    }

    /// An alarm came or came back: the lines at which people must leave begin a round.
    pub(crate) fn answering_hears(&mut self, whom: &GatewayName, change: AlarmChange, alarm: &AlarmDocument) {
        let is_cry = matches!(change, AlarmChange::Raised | AlarmChange::Repeated) && alarm.active;
        let is_meant = matches!(alarm.mode, Mode::Live | Mode::Simulated);
        let line = Line::of_condition(&alarm.condition).filter(|line| CALLED_AT.contains(line));
        let Some(line) = line.filter(|_| is_cry && is_meant && alarm.class == Class::WaterLevel) else {
            return;
        };
        let Some(station) = self.station_of_alarm(whom, &alarm.device) else { return };
        let cry = (alarm.id, alarm.occurrence);
        if self.rounds.values().chain(&self.ended_rounds).any(|round| round.alarms.contains(&cry)) {
            return;
        }
        if let Some(id) = self.running_round(&station) {
            let Some(round) = self.rounds.get_mut(&id) else { return };
            round.alarms.push(cry);
            let known = round.line.as_deref().and_then(Line::from_name);
            round.line = known.max(Some(line)).map(|line| line.name().into());
            return self.keep_round(id);
        }
        let own = self.settings.name.to_string();
        let id = self.begin_round(&station, &own, None);
        let Some(round) = id.and_then(|id| self.rounds.get_mut(&id)) else { return };
        round.line = Some(line.name().into());
        round.alarms.push(cry);
        round.simulated |= alarm.mode == Mode::Simulated;
        let id = round.id;
        self.keep_round(id);
        self.log_round(id, (&own, "board"), "answering.begin", Some(line.name().into()), None);
    }

    fn station_of_alarm(&self, whom: &GatewayName, device: &Id) -> Option<Id> {
        if *whom == self.own_name() {
            return self.stations.contains_key(device).then(|| device.clone());
        }
        let is_its = |station: &&crate::stations::Station| {
            station.whom() == *whom && station.info.device.as_ref() == Some(device)
        };
        self.stations.values().find(is_its).map(|station| station.info.id.clone())
    }

    fn running_round(&self, station: &Id) -> Option<AlarmId> {
        self.rounds.values().find(|round| round.station == *station).map(|round| round.id)
    }

    /// None where nobody has written down which homes are near the river.
    fn begin_round(&mut self, station: &Id, by: &str, reason: Option<String>) -> Option<AlarmId> {
        let known = self.stations.get(station).filter(|known| !known.about.homes.is_empty())?;
        let (name, simulated) = (known.info.name.clone(), self.is_simulated(known));
        let id = self.new_id();
        let round = Round {
            id,
            station: station.clone(),
            name,
            simulated,
            line: None,
            at: self.wall,
            by: by.into(),
            reason,
            alarms: Vec::new(),
            people: Vec::new(),
            left_out: 0,
            is_listed: false,
            ended: None,
            is_late: false,
            list_at: self.now,
            late_at: self.now + LATE_AFTER,
            late_row: None,
        };
        self.rounds.insert(id, round);
        Some(id)
    }

    /// The residents' cards of these homes were read; none if they could not be.
    pub(crate) fn people_listed(&mut self, id: AlarmId, homes: Option<&[Home]>) {
        let Some(round) = self.rounds.get_mut(&id) else { return };
        let Some(homes) = homes else { return };
        round.list(homes, bounds::CALLED);
        round.list_at = Instant::NEVER;
        let count = round.people.len().to_string();
        self.keep_round(id);
        let own = self.settings.name.to_string();
        self.log_round(id, (&own, "board"), "answering.list", Some(count), None);
        self.end_if_done(id);
    }

    pub(crate) fn answering_asked(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        step: &AnsweringStep,
    ) -> Result<(), Outcome> {
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let (id, repeated) = match step {
            AnsweringStep::Begin { station, reason } => (self.begin_by_hand(asked, station, reason)?, false),
            AnsweringStep::Called { round, call } => (*round, self.called_told(asked, *round, call)?),
            AnsweringStep::End { round, reason } => (*round, self.end_by_lead(asked, *round, reason)?),
        };
        let mut told = self.round(id).ok_or(Outcome::Unknown)?;
        if let Some(fields) = told.as_object_mut() {
            fields.insert("repeated".into(), json!(repeated));
        }
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }

    fn begin_by_hand(&mut self, asked: &DeskAsked, station: &Id, reason: &str) -> Result<AlarmId, Outcome> {
        let known = self.stations.get(station).ok_or(Outcome::Unknown)?;
        if known.about.homes.is_empty() {
            let en = "Nobody has written down which homes are near the river: a lead does so on the station's form";
            return Err(refused("no_homes", "本站没有填写要叫应的楼栋,请班长先在站点资料里填写", en));
        }
        let reason = shown(reason.trim());
        if let Some(id) = self.running_round(station) {
            if let Some(round) = self.rounds.get_mut(&id) {
                round.list_at = self.now;
            }
            return Ok(id);
        }
        if reason.is_empty() {
            return Err(refused("reason_missing", "请填写原因", "Give a reason"));
        }
        let alarm = self.station_now(self.now, station).and_then(|now| now.alarm);
        let cry = alarm.and_then(|id| Some((id, self.rows.get(&id)?.alarm_document()?.occurrence)));
        let id = self.begin_round(station, &asked.by, Some(reason.clone())).ok_or(Outcome::Unknown)?;
        if let Some(round) = self.rounds.get_mut(&id) {
            round.alarms.extend(cry);
        }
        self.keep_round(id);
        self.log_round(id, (&asked.by, &asked.from), "answering.begin", None, Some(reason));
        Ok(id)
    }

    /// True if it was told before.
    fn called_told(&mut self, asked: &DeskAsked, id: AlarmId, told: &CallTold) -> Result<bool, Outcome> {
        is_made_by_a_phone(&told.id)?;
        let note = told.note.as_deref().map(|note| shown(note.trim())).filter(|note| !note.is_empty());
        if note.is_none() && told.outcome == CallOutcome::Away {
            let en = "Say who knows where they are, and where: `note`";
            return Err(refused("note_missing", "请写明人在哪里、谁说的", en));
        }
        let wall = self.wall;
        let call = Call {
            id: told.id.clone(),
            outcome: told.outcome,
            by: asked.by.clone(),
            at: told.at.min(wall),
            note: note.clone(),
        };
        let round = self.round_mut(id).ok_or(Outcome::Unknown)?;
        let home = round.home_of(told.card).map(String::from);
        let en = "This card is not in the round's list";
        let home = home.ok_or_else(|| refused("not_listed", "名单里没有这一户", en))?;
        let is_new = round.take(told.card, call).unwrap_or_default();
        if is_new {
            let new = alloc::format!("{home} {}", told.outcome.as_str());
            self.log_round(id, (&asked.by, &asked.from), "answering.called", Some(new), note);
            self.open_again_if_missing(id);
            self.keep_round(id);
            self.end_if_done(id);
        }
        Ok(!is_new)
    }

    fn end_by_lead(&mut self, asked: &DeskAsked, id: AlarmId, reason: &str) -> Result<bool, Outcome> {
        let reason = shown(reason.trim());
        if reason.is_empty() {
            return Err(refused("reason_missing", "请填写原因", "Give a reason"));
        }
        if self.ended_rounds.iter().any(|round| round.id == id) {
            return Ok(true);
        }
        let missing = self.rounds.get(&id).ok_or(Outcome::Unknown)?.missing();
        let missing = alloc::format!("{missing} unanswered");
        self.log_round(id, (&asked.by, &asked.from), "answering.end", Some(missing), Some(reason.clone()));
        self.end_round(id, Ended { at: self.wall, by: Some(asked.by.clone()), reason: Some(reason) });
        Ok(false)
    }

    fn end_if_done(&mut self, id: AlarmId) {
        if self.rounds.get(&id).is_some_and(Round::is_done) {
            let own = self.settings.name.to_string();
            self.log_round(id, (&own, "board"), "answering.end", Some("0 unanswered".into()), None);
            self.end_round(id, Ended { at: self.wall, by: None, reason: None });
        }
    }

    fn end_round(&mut self, id: AlarmId, ended: Ended) {
        let Some(mut round) = self.rounds.remove(&id) else { return };
        if let Some(row) = round.late_row.take() {
            self.close(row);
        }
        round.ended = Some(ended);
        self.keep.push((kept::round(id), None));
        self.ended_rounds.push_back(round);
        self.keep_round(id);
        if self.ended_rounds.len() > bounds::ENDED_ROUNDS {
            self.ended_rounds.pop_front();
        }
    }

    /// What ended because everybody had answered goes on if that was a mistake; unless another round runs there.
    fn open_again_if_missing(&mut self, id: AlarmId) {
        let is_its = |round: &Round| round.id == id;
        let Some(place) = self.ended_rounds.iter().position(is_its) else { return };
        let goes_on = self.ended_rounds.get(place).is_some_and(|round| {
            let is_own = round.ended.as_ref().is_some_and(|ended| ended.by.is_none());
            is_own && !round.is_done() && self.running_round(&round.station).is_none()
        });
        let Some(mut round) = goes_on.then(|| self.ended_rounds.remove(place)).flatten() else { return };
        round.ended = None;
        (round.list_at, round.late_at) = (Instant::NEVER, self.now);
        self.keep.push((kept::ended_round_key(id), None));
        self.rounds.insert(id, round);
    }

    fn round_mut(&mut self, id: AlarmId) -> Option<&mut Round> {
        let ended = self.ended_rounds.iter_mut().find(|round| round.id == id);
        self.rounds.get_mut(&id).or(ended)
    }

    fn keep_round(&mut self, id: AlarmId) {
        self.changed = true;
        let Some(round) = self.round_mut(id) else { return };
        let key = if round.ended.is_some() { kept::ended_round_key(id) } else { kept::round(id) };
        let text = serde_json::to_string(round).ok();
        self.keep.push((key, text));
    }

    fn log_round(
        &mut self,
        id: AlarmId,
        (by, from): (&str, &str),
        what: &str,
        new: Option<String>,
        note: Option<String>,
    ) {
        let Some((station, alarm)) = self
            .round_mut(id)
            .map(|round| (round.station.clone(), round.alarms.first().map(|(alarm, _)| alarm.to_string())))
        else {
            return;
        };
        let new = new.map_or_else(|| station.to_string(), |new| alloc::format!("{station} {new}"));
        let (by, from, what) = (by.into(), from.into(), what.into());
        let line = LogLine { at: self.wall, by, from, what, about: alarm, old: None, new: Some(new), note };
        self.log.push(line);
    }

    pub(crate) fn remember_round(&mut self, value: &str) -> Option<()> {
        let mut round: Round = serde_json::from_str(value).ok()?;
        if round.ended.is_some() {
            self.ended_rounds.push_back(round);
            return Some(());
        }
        round.list_at = if round.is_listed { Instant::NEVER } else { self.now };
        round.late_at = if round.is_late { self.now } else { self.now + LATE_AFTER };
        self.rounds.insert(round.id, round);
        Some(())
    }

    pub(crate) fn next_round_deadline(&self) -> Instant {
        let next = self.rounds.values().map(|round| round.list_at.min(round.late_at));
        next.min().unwrap_or(Instant::NEVER)
    }

    /// Asks for lists that are not here, and says where people have not answered in time.
    pub(crate) fn look_at_rounds(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (id, round) in &mut self.rounds {
            if round.list_at <= now {
                round.list_at = now + LIST_AGAIN;
                let station = self.stations.get(&round.station);
                let homes = station.map(|station| station.about.homes.clone()).unwrap_or_default();
                self.out.push(Output::ListPeople { round: *id, homes });
            }
            if round.late_at <= now {
                round.late_at = Instant::NEVER;
                late.push((*id, round.name.clone()));
            }
        }
        for (id, name) in late {
            self.round_is_late(id, &name);
        }
    }

    fn round_is_late(&mut self, id: AlarmId, name: &str) {
        let zh = alloc::format!("{name}:叫应 5 分钟后仍有人未应");
        let en = alloc::format!("{name}: people have not answered after 5 min");
        let own = self.own_name();
        let row =
            self.own_row(RowKind::Fault, &own, "people_unanswered", Priority::Urgent, Text::new(zh, en));
        if let Some(round) = self.rounds.get_mut(&id) {
            round.late_row = row;
            round.is_late = true;
        }
        self.keep_round(id);
    }

    /// For the alarm's row: how far the calling is.
    pub(crate) fn answering_item(&self, row: &Row) -> Option<Value> {
        let is_its = |round: &&Round| round.alarms.iter().any(|(alarm, _)| *alarm == row.id());
        let round = self.rounds.values().chain(self.ended_rounds.iter().rev()).find(is_its)?;
        let missing = round.missing();
        Some(json!({ "round": round.id, "people": round.people.len(),
            "answered": round.people.len() - missing, "missing": missing,
            "ended": round.ended.is_some() }))
    }
}
