//! The cases on the board: each alarm has one, new until somebody does something about it; what is done is kept,
//! logged and answered after its commit.
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;

use serde_json::{Value, json};
use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, Text, Timestamp};

use crate::board::{Board, Effect, ListState};
use crate::case::{Case, CaseAsked, CaseState, Conclusion, Done, Objection};
use crate::case_item::{Alarm, case_item};
use crate::ladder::{DELIVERIES, Delivery};
use crate::logbook::{LogLine, at_gateway};
use crate::requests::refused;
use crate::row::{Row, RowKind};
use crate::trust::shown;
use crate::{GatewayName, Outcome, Output, bounds, kept};

/// Of one person, as their page has them.
const CASES_OF_ONE: usize = 50;

impl Board {
    /// The cases that are not closed, and for [`ListState::All`] the newest closed ones; oldest alarm first.
    pub fn cases(&self, state: ListState) -> Vec<Value> {
        let mut cases = Vec::new();
        self.each_case(state, &mut |case| cases.push(case));
        cases
    }

    /// The same, one by one: ten thousand at once are a lot of memory.
    pub fn each_case(&self, state: ListState, take: &mut dyn FnMut(Value)) {
        let untouched = self.rows.values().filter(|row| row.kind == RowKind::Alarm && !self.has_case(row));
        let open: BTreeSet<AlarmId> = self.cases.keys().copied().chain(untouched.map(Row::id)).collect();
        for case in open.into_iter().filter_map(|id| self.find_case(id)) {
            take(self.case_item(&case));
        }
        if state == ListState::All {
            self.closed.iter().rev().for_each(|case| take(self.case_item(case)));
        }
    }

    /// One case as the list has it; none if there is no such alarm here, or its case was closed long ago.
    pub fn case(&self, id: AlarmId) -> Option<Value> {
        self.find_case(id).map(|case| self.case_item(&case))
    }

    /// The cases that are not closed in which a person was sent or asked, under any of these names; the newest first.
    pub fn cases_of(&self, names: &[&str]) -> Vec<Value> {
        let is_meant = |name: &str| names.contains(&name);
        let of = self.cases.values().rev().filter(|case| {
            case.dispatched.iter().any(|sent| is_meant(&sent.name))
                || case.broadcast.iter().flat_map(|task| &task.asked).any(|helper| is_meant(&helper.name))
        });
        of.take(CASES_OF_ONE).map(|case| self.case_item(case)).collect()
    }

    pub(crate) fn case_asked(&mut self, ticket: u64, asked: &CaseAsked) {
        if let Err(outcome) = self.step(ticket, asked) {
            self.out.push(Output::Answer { ticket, outcome });
        }
    }

    /// Stores the step; the answer follows its commit. An outcome that needs no disk is given at once.
    pub(crate) fn step(&mut self, ticket: u64, asked: &CaseAsked) -> Result<(), Outcome> {
        let id = asked.case;
        if self.find(id).is_some_and(|row| row.concluded) && self.known_case(id).is_none() {
            return Err(refused("closed", "该处置已销号", "This case is closed"));
        }
        if self.find_case(id).is_none() {
            return Err(Outcome::Unknown);
        }
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        self.sent_for_a_report(asked);
        let mut case = self.find_case(id).ok_or(Outcome::Unknown)?;
        let (was_concluded, was_new) = (case.is_concluded(), case.state == CaseState::New);
        let revision = case.revision;
        let taken = case.take(asked, self.wall).map_err(into_outcome)?;
        if let Some(already) = taken {
            let case = Box::new(self.case_item(&case));
            let already = json!({ "step": already.step, "by": already.stamp.by, "at": already.stamp.at,
                "person": already.stamp.person, "text": already_words(already.step) });
            return Err(Outcome::CaseAlready { case, already: Box::new(already) });
        }
        if case.is_concluded() && !was_concluded {
            self.may_conclude(&case, asked).map_err(into_outcome)?;
        }
        self.log_steps(&case, revision, &asked.from);
        if !was_concluded {
            self.note_cooking(&case);
        }
        let is_over = case.is_concluded() && !was_concluded;
        let is_accepted = was_new && case.state > CaseState::New;
        self.put_case(case);
        if is_over {
            self.report_is_over(id);
        } else if is_accepted {
            self.take_its_way(id);
        }
        self.effects.push(Effect::CaseAnswer { ticket, id });
        Ok(())
    }

    /// A conclusion is about a cry that a person has seen: the newest one, acknowledged.
    fn may_conclude(&self, case: &Case, asked: &CaseAsked) -> Result<(), Objection> {
        let row = self.rows.get(&asked.case);
        let shown = row.and_then(|row| Some(row.alarm_document()?.occurrence));
        let newest = shown.unwrap_or_default().max(case.occurrence);
        if asked.occurrence.is_some_and(|seen| seen < newest) {
            let text = Text::new("该报警又响了一次,请再看一遍", "It cried again since: look at it once more");
            return Err(("newer_cry", text));
        }
        if row.is_some_and(|row| !self.is_acknowledged(row)) {
            return Err(("not_acknowledged", Text::new("请先确认报警", "Acknowledge the alarm first")));
        }
        Ok(())
    }

    /// A person acknowledged an alarm: one key, two facts.
    pub(crate) fn accept_by_acknowledging(&mut self, id: AlarmId, by: &str, at: Timestamp, from: &str) {
        let Some(mut case) = self.find_case(id) else { return };
        let revision = case.revision;
        if case.acknowledged(&shown(by), at) {
            self.log_steps(&case, revision, from);
            self.put_case(case);
            self.take_its_way(id);
        }
    }

    /// What an alarm's event means for its case: a newer cry opens it again, an acknowledgement given elsewhere
    /// accepts it, and an alarm that leaves the list leaves an open case behind.
    pub(crate) fn case_hears(&mut self, whom: &GatewayName, change: AlarmChange, document: &AlarmDocument) {
        let id = document.id;
        let Some(row) = self.rows.get(&id) else { return };
        match self.known_case(id) {
            Some(case) if case.occurrence < document.occurrence => {
                let (mut case, revision) = (case.clone(), case.revision);
                case.cried_again(document.occurrence, whom.gateway.as_str(), self.wall);
                self.log_steps(&case, revision, &at_gateway(whom));
                self.put_case(case);
            }
            // Closed so long ago that only the disk has it.
            None if row.concluded && change == AlarmChange::Repeated => {
                self.put_case(Case::new(whom, document));
            }
            _ => {}
        }
        if let Some(acknowledged) = &document.acknowledged
            && self.known_case(id).is_none_or(|case| case.state == CaseState::New)
        {
            self.accept_by_acknowledging(id, &acknowledged.by, acknowledged.at, &at_gateway(whom));
        }
    }

    /// What was concluded is not so: the alarm goes on.
    pub(crate) fn open_case_again(&mut self, id: AlarmId, occurrence: u32, by: &str) {
        let Some(mut case) = self.known_case(id).filter(|case| case.is_concluded()).cloned() else { return };
        let revision = case.revision;
        case.cried_again(occurrence, by, self.wall);
        self.log_steps(&case, revision, "board");
        self.put_case(case);
    }

    /// The case of an alarm whose row is about to leave stays.
    pub(crate) fn leave_case(&mut self, row: &Row) {
        if let Some(document) = row.alarm_document()
            && !self.has_case(row)
        {
            self.put_case(Case::new(&row.whom(), document));
        }
    }

    /// `new`, `accepted`.. and the conclusion, for the alarm's row.
    pub(crate) fn case_words(&self, row: &Row) -> (CaseState, Option<Conclusion>) {
        let closed = || self.closed.iter().find(|case| row.concluded && case.id() == row.id());
        match self.cases.get(&row.id()).or_else(closed) {
            Some(case) => (case.state, case.conclusion),
            None if row.concluded => (CaseState::Closed, None),
            None => (CaseState::New, None),
        }
    }

    /// What was told outside the room about an alarm that is over stays with its case.
    pub(crate) fn leave_deliveries(&mut self, id: AlarmId, told: Vec<Delivery>) {
        let Some(mut case) = self.known_case(id).cloned() else { return };
        case.deliveries.extend(told);
        let over = case.deliveries.len().saturating_sub(DELIVERIES);
        case.deliveries.drain(..over);
        self.put_case(case);
    }

    /// How often the case of this row changed: part of the list's hash.
    pub(crate) fn case_revision(&self, row: &Row) -> u32 {
        let gone = if row.concluded { u32::MAX } else { 0 };
        self.cases.get(&row.id()).map_or(gone, |case| case.revision)
    }

    pub(crate) fn remember_case(&mut self, case: Case) {
        if case.is_closed() {
            self.closed.push_back(case);
            if self.closed.len() > bounds::CLOSED_CASES {
                self.closed.pop_front();
            }
        } else {
            self.cases.insert(case.id(), case);
        }
    }

    /// Rows know whether they were concluded even if that was not kept with them.
    pub(crate) fn match_cases_to_rows(&mut self) {
        for case in self.cases.values().chain(&self.closed) {
            if let Some(row) = self.rows.get_mut(&case.id()) {
                row.concluded = case.is_concluded();
            }
        }
    }

    fn has_case(&self, row: &Row) -> bool {
        row.concluded || self.cases.contains_key(&row.id())
    }

    /// The case if anything was done about the alarm, and it is remembered.
    fn known_case(&self, id: AlarmId) -> Option<&Case> {
        self.cases.get(&id).or_else(|| self.closed.iter().find(|case| case.id() == id))
    }

    /// The case as it is; a new one if nothing was done about the alarm yet.
    pub(crate) fn find_case(&self, id: AlarmId) -> Option<Case> {
        self.known_case(id).cloned().or_else(|| {
            let row = self.find(id).filter(|row| !row.concluded)?;
            let mut case = Case::new(&row.whom(), row.alarm_document()?);
            self.set_limits(&mut case);
            Some(case)
        })
    }

    pub(crate) fn put_case(&mut self, mut case: Case) {
        let id = case.id();
        self.set_limits(&mut case);
        self.limits.touch(id);
        self.changed = true;
        self.outreach.touch(id);
        self.keep_case(&case);
        let concluded = case.is_concluded();
        self.closed.retain(|closed| closed.id() != id);
        self.cases.remove(&id);
        self.make_room_for_case();
        self.remember_case(case);
        if let Some(row) = self.rows.get_mut(&id)
            && row.concluded != concluded
        {
            row.concluded = concluded;
            let mut row = row.clone();
            let done = row.is_done();
            // Of a row that is ahead of its events the disk has what they said; the one that ended it is on its way.
            if done || !row.provisional() {
                row.heard = Some(row.revision());
                self.keep_row(&row, done);
                self.effects.push(Effect::Concluded { id });
            }
        }
    }

    fn keep_case(&mut self, case: &Case) {
        let id = case.id();
        let Ok(text) = serde_json::to_string(case) else { return };
        if case.is_closed() {
            self.keep.push((kept::case(id), None));
            self.keep.push((kept::closed(id), Some(text)));
        } else {
            if self.closed.iter().any(|closed| closed.id() == id) {
                self.keep.push((kept::closed(id), None));
            }
            self.keep.push((kept::case(id), Some(text)));
        }
    }

    /// At the bound the oldest case whose alarm is over makes room; it stays on disk, and that is counted.
    fn make_room_for_case(&mut self) {
        if self.cases.len() < bounds::OPEN_CASES {
            return;
        }
        let over = self.cases.keys().find(|id| !self.rows.contains_key(id)).copied();
        if let Some(id) = over.or_else(|| self.cases.keys().next().copied()) {
            self.cases.remove(&id);
            let own = self.own_name();
            let text =
                Text::new("未结案的处置超过上限,部分未显示", "Too many open cases: some are not shown");
            self.gap(&own, "cases_not_shown", 1, text);
        }
    }

    /// The logbook's lines for the steps since `revision`.
    pub(crate) fn log_steps(&mut self, case: &Case, revision: u32, from: &str) {
        let fresh = usize::try_from(case.revision - revision).unwrap_or(usize::MAX);
        let before = case.steps.len().saturating_sub(fresh);
        for done in case.steps.iter().skip(before) {
            self.log.push(line(case.id(), done, from));
        }
    }

    fn case_item(&self, case: &Case) -> Value {
        let row = self.find(case.id());
        let alarm = row.and_then(|row| {
            let document = row.alarm_document()?;
            Some(Alarm {
                active: document.active,
                acknowledged: self.is_acknowledged(row),
                finished: row.finished,
                occurrence: document.occurrence,
            })
        });
        case_item(case, alarm.as_ref(), self.deliveries(case.id(), &case.deliveries))
    }
}

fn line(id: AlarmId, done: &Done, from: &str) -> LogLine {
    let new = match &done.detail {
        Some(detail) => alloc::format!("{} ({detail})", done.new.as_str()),
        None => done.new.as_str().to_string(),
    };
    LogLine {
        at: done.at,
        by: done.by.clone(),
        from: from.to_string(),
        what: alloc::format!("case.{}", done.step),
        about: Some(id.to_string()),
        old: Some(done.old.as_str().to_string()),
        new: Some(new),
        note: done.note.clone(),
    }
}

/// What whoever comes second is told.
pub(crate) fn already_words(step: &str) -> Text {
    match step {
        "claim" => Text::new("已有人认领", "Somebody is going already"),
        "go-up" => Text::new("已转大循环", "It has gone up already"),
        "report-in" => Text::new("该部门已报到", "This department has reported in"),
        "report" => Text::new("已收到过这次上报", "This report was here before"),
        _ => Text::new("已有人做过", "Somebody did it before"),
    }
}

fn into_outcome((code, text): Objection) -> Outcome {
    Outcome::Refused { code, text }
}
