//! 流动哨兵: what couriers and others with a report-only link saw waits here until a person on duty makes a case of it or
//! says why not. It is no alarm: it is not in the list and does not sound; and nothing that waits is ever dropped.
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{AlarmId, Instant, Timestamp};

use crate::board::{Board, Effect};
use crate::case::{CaseAsked, CaseStep};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::report::{Report, ReportKind, report_case};
use crate::requests::refused;
use crate::stations::manual::{is_about_now, is_made_by_a_phone};
use crate::trust::shown;
use crate::{Asked, Outcome, Request, bounds, kept};

/// What may wait of one link, and what one link may send within [`WINDOW`]: a link that is passed around fills no queue.
const WAITING_OF_ONE: usize = 10;
const SENT_OF_ONE: usize = 6;
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// One thing that somebody with a report-only link saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Tip {
    /// Made by whoever sends it, 8 to 64 of `[A-Za-z0-9-]`: the same id of the same link is the same tip.
    pub id: String,
    pub words: String,
    /// Where, in words.
    pub place: String,
    /// Latitude and longitude, degrees, as the phone says.
    pub spot: Option<(f64, f64)>,
    /// By the phone's clock.
    pub at: Timestamp,
}

/// What is asked about the queue.
#[derive(Clone, Debug, PartialEq)]
pub enum TriageStep {
    /// By whoever holds the link.
    Tell(Tip),
    /// The picture of a tip that waits; the hands keep it under this name.
    Photo { tip: AlarmId, photo: String },
    /// A person on duty makes a case of it; what they leave out is as it was told.
    Accept { tip: AlarmId, kind: ReportKind, place: Option<String>, grid: Option<String>, is_dangerous: bool },
    /// Or says why it is none.
    Dismiss { tip: AlarmId, reason: String },
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    id: AlarmId,
    /// Whose link.
    by: String,
    sent: String,
    words: String,
    place: String,
    spot: Option<(f64, f64)>,
    at: Timestamp,
    received_at: Timestamp,
    photo: Option<String>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    id: AlarmId,
    /// Whose link.
    link: String,
    place: String,
    /// Account id.
    by: String,
    at: Timestamp,
    /// Why it is no case; none if it is one, under the same id.
    reason: Option<String>,
}

impl Board {
    /// What waits, oldest first, and what was decided, newest first.
    pub fn triage(&self) -> Value {
        let decided: Value = self.decided.iter().rev().map(|one| json!(one)).collect();
        json!({ "waiting": self.waiting.values().map(|one| json!(one)).collect::<Value>(), "decided": decided })
    }

    pub(crate) fn triage_asked(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        step: &TriageStep,
    ) -> Result<(), Outcome> {
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let told = match step {
            TriageStep::Tell(tip) => self.take_tip(asked, tip)?,
            TriageStep::Photo { tip, photo } => self.tip_has_photo(asked, *tip, photo)?,
            TriageStep::Accept { tip, kind, place, grid, is_dangerous } => {
                let (place, grid) = (place.as_deref(), grid.clone());
                return self.tip_is_a_case(ticket, asked, *tip, (*kind, place, grid, *is_dangerous));
            }
            TriageStep::Dismiss { tip, reason } => self.tip_is_none(asked, *tip, reason)?,
        };
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }

    /// What whoever sent it may know.
    fn known_tip(&self, id: AlarmId) -> Option<Value> {
        let decided = self.decided.iter().find(|one| one.id == id);
        let state = match decided {
            Some(one) if one.reason.is_some() => "dismissed",
            Some(_) => "case",
            None if self.waiting.contains_key(&id) => "waiting",
            None => return None,
        };
        Some(json!({ "id": id, "state": state, "repeated": true }))
    }

    fn take_tip(&mut self, asked: &DeskAsked, tip: &Tip) -> Result<Value, Outcome> {
        is_made_by_a_phone(&tip.id)?;
        is_about_now(tip.at, self.wall)?;
        let id = report_case(&asked.by, &tip.id, tip.at);
        if let Some(known) = self.known_tip(id) {
            return Ok(known);
        }
        let (words, place) = (shown(tip.words.trim()), shown(tip.place.trim()));
        if place.is_empty() {
            return Err(refused("place_missing", "请写地点", "Say where it is"));
        }
        self.may_tell(&asked.by)?;
        let waiting = Waiting {
            id,
            by: asked.by.clone(),
            sent: tip.id.clone(),
            words,
            place,
            spot: tip.spot,
            at: tip.at.min(self.wall),
            received_at: self.wall,
            photo: None,
        };
        self.log_tip(id, asked, "triage.tell", Some(waiting.place.clone()), Some(waiting.words.clone()));
        self.tip_times.entry(asked.by.clone()).or_default().push_back(self.now);
        self.waiting.insert(id, waiting);
        self.keep_tip(id);
        Ok(json!({ "id": id, "state": "waiting", "repeated": false }))
    }

    /// At a bound the sender is told to ring, or to send it later: what waits stays.
    fn may_tell(&mut self, by: &str) -> Result<(), Outcome> {
        let now = self.now;
        let is_fresh = |at: &Instant| now.since(*at) < WINDOW;
        self.tip_times.retain(|_, times| times.back().is_some_and(is_fresh));
        let lately = self
            .tip_times
            .get(by)
            .map_or(0, |times: &VecDeque<Instant>| times.iter().filter(|at| is_fresh(at)).count());
        let own = self.waiting.values().filter(|one| one.by == by).count();
        if lately >= SENT_OF_ONE || own >= WAITING_OF_ONE {
            let en = "Too much came by this link: it is sent again later; ring the duty desk if it is urgent";
            return Err(refused("slow_down", "这个链接上报过多,稍后再发;紧急请打电话", en));
        }
        if self.waiting.len() >= bounds::TIPS {
            let en =
                "Too much waits to be looked at: it is sent again later; ring the duty desk if it is urgent";
            return Err(refused("busy", "待核上报已满,稍后再发;紧急请打电话", en));
        }
        Ok(())
    }

    fn tip_has_photo(&mut self, asked: &DeskAsked, id: AlarmId, photo: &str) -> Result<Value, Outcome> {
        let waiting = self.waiting.get_mut(&id).filter(|one| one.by == asked.by).ok_or(Outcome::Unknown)?;
        // The first one counts, also of two that come at once.
        let is_first = *waiting.photo.get_or_insert_with(|| photo.into()) == photo;
        self.keep_tip(id);
        Ok(json!({ "id": id, "state": "waiting", "repeated": !is_first }))
    }

    /// Whoever makes a case of it has seen it: it is acknowledged too. The case has the tip's id.
    fn tip_is_a_case(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        id: AlarmId,
        (kind, place, grid, is_dangerous): (ReportKind, Option<&str>, Option<String>, bool),
    ) -> Result<(), Outcome> {
        let tip = self.undecided(id)?.clone();
        let place = place.map(str::trim).filter(|place| !place.is_empty());
        let report = Report {
            id: tip.sent.clone(),
            kind,
            words: tip.words.clone(),
            place: place.map_or_else(|| tip.place.clone(), String::from),
            grid,
            spot: tip.spot,
            is_dangerous,
            at: tip.at,
        };
        let sender = DeskAsked { by: tip.by.clone(), ..asked.clone() };
        self.take_report(ticket, &sender, &report)?;
        let request = Request::Acknowledge;
        let (by, from) = (asked.by.clone(), asked.from.clone());
        let seen = Asked { alarm: id, by, from, reason: None, occurrence: None, request };
        self.acknowledge_own_alarm(id, &seen);
        if let Some(photo) = tip.photo.clone() {
            self.photo_of_tip(asked, id, photo);
        }
        self.decide(asked, &tip, "triage.case", None);
        Ok(())
    }

    fn photo_of_tip(&mut self, asked: &DeskAsked, id: AlarmId, photo: String) {
        let Some(mut case) = self.find_case(id) else { return };
        let revision = case.revision;
        let step = CaseStep::Photo { photo };
        let (by, from) = (asked.by.clone(), asked.from.clone());
        let asked = CaseAsked { case: id, by, from, note: None, call_back: None, occurrence: None, step };
        if case.take(&asked, self.wall).is_ok() {
            self.log_steps(&case, revision, &asked.from);
            self.put_case(case);
        }
    }

    fn tip_is_none(&mut self, asked: &DeskAsked, id: AlarmId, reason: &str) -> Result<Value, Outcome> {
        let tip = self.undecided(id)?.clone();
        let reason = shown(reason.trim());
        if reason.is_empty() {
            return Err(refused("reason_missing", "请填写原因", "Give a reason"));
        }
        self.decide(asked, &tip, "triage.dismiss", Some(reason));
        Ok(json!({ "id": id, "state": "dismissed", "repeated": false, "photo": tip.photo }))
    }

    /// One that waits; of one that was decided, who decided.
    fn undecided(&self, id: AlarmId) -> Result<&Waiting, Outcome> {
        if let Some(one) = self.decided.iter().find(|one| one.id == id) {
            let zh = alloc::format!("已由 {} 处理过", one.by);
            let en = alloc::format!("Decided by {} before", one.by);
            return Err(refused("decided", &zh, &en));
        }
        self.waiting.get(&id).ok_or(Outcome::Unknown)
    }

    fn decide(&mut self, asked: &DeskAsked, tip: &Waiting, what: &str, reason: Option<String>) {
        let id = tip.id;
        self.log_tip(id, asked, what, Some(tip.place.clone()), reason.clone());
        self.waiting.remove(&id);
        self.keep_tip(id);
        let (link, place, by) = (tip.by.clone(), tip.place.clone(), asked.by.clone());
        let decided = Decided { id, link, place, by, at: self.wall, reason };
        self.keep.push((kept::decided(id), serde_json::to_string(&decided).ok()));
        self.decided.push_back(decided);
        if self.decided.len() > bounds::DECIDED_TIPS
            && let Some(oldest) = self.decided.pop_front()
        {
            self.keep.push((kept::decided(oldest.id), None));
        }
    }

    fn keep_tip(&mut self, id: AlarmId) {
        self.changed = true;
        let text = self.waiting.get(&id).and_then(|waiting| serde_json::to_string(waiting).ok());
        self.keep.push((kept::tip(id), text));
    }

    fn log_tip(
        &mut self,
        id: AlarmId,
        asked: &DeskAsked,
        what: &str,
        new: Option<String>,
        note: Option<String>,
    ) {
        let (by, from) = (asked.by.clone(), asked.from.clone());
        let (about, note) = (Some(id.to_string()), note.filter(|note| !note.is_empty()));
        self.log.push(LogLine { at: self.wall, by, from, what: what.into(), about, old: None, new, note });
    }

    pub(crate) fn remember_tip(&mut self, value: &str) -> Option<()> {
        let tip: Waiting = serde_json::from_str(value).ok()?;
        self.waiting.insert(tip.id, tip);
        Some(())
    }

    pub(crate) fn remember_decided(&mut self, value: &str) -> Option<()> {
        self.decided.push_back(serde_json::from_str(value).ok()?);
        Some(())
    }
}
