//! What a person asks of this room itself, not of a gateway: to take an acknowledgement back, to put a device to the test, to
//! drill.
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Acknowledged, AlarmId, Id, Timestamp};

use crate::answering::AnsweringStep;
use crate::board::{Board, Effect};
use crate::drill::DrillStep;
use crate::logbook::LogLine;
use crate::report::Report;
use crate::requests::refused;
use crate::row::Row;
use crate::stations::Forwarded;
use crate::testing::DeviceTest;
use crate::triage::TriageStep;
use crate::welfare::WelfareAsked;
use crate::{About, Impact, Outcome, Output, Request, kept};

/// So long a person may say that the key was pressed for another row.
const TAKEN_BACK_WITHIN: Duration = Duration::from_secs(10);
/// Acknowledgements that were taken back, of alarms that are not over.
const TAKEN_BACK: usize = 1_000;

/// A person's request to the board.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskAsked {
    /// Account id.
    pub by: String,
    /// The network address it came from.
    pub from: String,
    pub step: DeskStep,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskStep {
    /// 撤销: the acknowledgement of this row, within 10 s.
    TakeBack {
        alarm: AlarmId,
    },
    /// 测试: a device is tested, so that what it says is no alarm.
    Test(DeviceTest),
    /// 走测: an installer at a gateway may begin the walk test of this id, or not.
    Walk {
        walk: AlarmId,
        agreed: bool,
    },
    /// 外出, 住院: nobody is expected to be active there for a while.
    PauseWelfare(WelfareAsked),
    /// 演练: alarms are played here by this script.
    StartDrill(Vec<DrillStep>),
    StopDrill,
    /// What the village knows of its station, without the ladder of impacts.
    PutAbout {
        station: Id,
        about: About,
    },
    /// 群预警 went to a group.
    Forwarded {
        station: Id,
        told: Forwarded,
    },
    /// What couriers saw.
    Triage(TriageStep),
    /// 叫应.
    Answering(AnsweringStep),
    /// The ladder of impacts.
    PutImpacts {
        station: Id,
        impacts: Vec<Impact>,
    },
    /// 上报: what a person saw.
    Report(Report),
}

/// An acknowledgement that does not count here. No command takes one back at a gateway: its document goes on to say
/// that somebody acknowledged, and this room goes on to ask for a person until one has acknowledged again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TakenBack {
    by: String,
    at: Timestamp,
    /// The cry that was acknowledged: a newer one asks anew anyway.
    occurrence: u32,
    /// Who acknowledged since.
    pub(crate) again: Option<Acknowledged>,
}

impl Row {
    /// The word of this room on who acknowledged, where it is not the gateway's.
    pub(crate) fn own_word(&self) -> Option<&TakenBack> {
        let occurrence = self.alarm_document()?.occurrence;
        self.taken_back.as_ref().filter(|taken| taken.occurrence == occurrence)
    }

    /// An acknowledgement was taken back, and nobody has acknowledged since.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.own_word().is_some_and(|taken| taken.again.is_none())
    }
}

impl Board {
    pub(crate) fn desk_asked(&mut self, ticket: u64, asked: &DeskAsked) {
        let taken = match &asked.step {
            DeskStep::TakeBack { alarm } => self.take_back(ticket, asked, *alarm),
            DeskStep::StartDrill(script) => self.start_drill(ticket, asked, script),
            DeskStep::PutAbout { station, about } => self.put_about(ticket, asked, station, about),
            DeskStep::Forwarded { station, told } => self.forwarded(ticket, asked, station, told),
            DeskStep::PutImpacts { station, impacts } => self.put_impacts(ticket, asked, station, impacts),
            DeskStep::Triage(step) => self.triage_asked(ticket, asked, step),
            DeskStep::Answering(step) => self.answering_asked(ticket, asked, step),
            DeskStep::StopDrill => self.stop_drill(ticket, asked),
            DeskStep::Walk { walk, agreed } => self.answer_walk(ticket, asked, *walk, *agreed),
            DeskStep::Test(test) => self.test_device(ticket, asked, test),
            DeskStep::PauseWelfare(wish) => self.pause_welfare(ticket, asked, wish),
            DeskStep::Report(report) => self.take_report(ticket, asked, report),
        };
        if let Err(outcome) = taken {
            self.out.push(Output::Answer { ticket, outcome });
        }
    }

    fn take_back(&mut self, ticket: u64, asked: &DeskAsked, alarm: AlarmId) -> Result<(), Outcome> {
        let rows = self.rows_told_by(alarm);
        if rows.is_empty() {
            let known = self.finished.iter().any(|row| row.id() == alarm);
            return Err(if known {
                refused("finished", "该报警已结束", "This alarm is finished")
            } else {
                Outcome::Unknown
            });
        }
        let is_seen = |id: &AlarmId| self.rows.get(id).is_some_and(|row| self.is_acknowledged(row));
        let seen: Vec<AlarmId> = rows.into_iter().filter(is_seen).collect();
        let Some(member) = seen.first().copied() else {
            return Err(refused("not_acknowledged", "该报警还没有确认", "Nobody has acknowledged it"));
        };
        let is_fresh = |id: &AlarmId| {
            let at = self.rows.get(id).and_then(|row| row.acknowledged_here);
            at.is_some_and(|at| self.now.since(at) <= TAKEN_BACK_WITHIN)
        };
        let fresh: Vec<AlarmId> = seen.into_iter().filter(is_fresh).collect();
        if fresh.is_empty() {
            return Err(refused(
                "too_late",
                "确认已超过 10 秒,不能撤销",
                "It was acknowledged more than 10 s ago",
            ));
        }
        if self.room() == 0 || self.taken_back.len() + fresh.len() > TAKEN_BACK {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        for id in fresh {
            self.acknowledgement_does_not_count(id, &asked.by, &asked.from);
        }
        self.effects.push(Effect::GroupAnswer { ticket, id: alarm, member });
        Ok(())
    }

    /// From now on this row asks for a person again.
    pub(crate) fn acknowledgement_does_not_count(&mut self, id: AlarmId, by: &str, from: &str) {
        let wall = self.wall;
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.acknowledged_here = None;
        if let Some(occurrence) = row.alarm_document().map(|document| document.occurrence) {
            self.put_own_word(id, TakenBack { by: by.into(), at: wall, occurrence, again: None });
            let mine = self.pending.iter_mut().filter(|(_, pending)| pending.alarm == id);
            for (txn, pending) in mine.filter(|(_, pending)| pending.request == Request::Acknowledge) {
                pending.is_taken_back = true;
                self.keep.push((kept::asked(txn), serde_json::to_string(pending).ok()));
            }
        } else {
            row.acknowledged = None;
            let row = row.clone();
            self.keep_if_kept(&row);
        }
        self.log.push(LogLine {
            at: wall,
            by: by.into(),
            from: from.into(),
            what: "alarm.take-back".into(),
            about: Some(alloc::format!("{id}")),
            old: Some("acknowledged".into()),
            new: Some("unacknowledged".into()),
            note: None,
        });
        self.drill_is_unanswered(id);
        self.outreach.touch(id);
        self.changed = true;
    }

    /// Acknowledged once more after it was taken back. True if the gateway need not hear of it: it has heard already,
    /// or is about to.
    pub(crate) fn acknowledge_again(&mut self, id: AlarmId, by: &str) -> bool {
        let Some(row) = self.rows.get(&id).filter(|row| row.is_taken_back()) else { return false };
        let Some(taken) = row.own_word().cloned() else { return false };
        let told =
            row.finished || row.alarm_document().is_some_and(|document| document.acknowledged.is_some());
        let again = Some(Acknowledged { by: by.into(), at: self.wall });
        self.put_own_word(id, TakenBack { again, ..taken });
        let row = self.rows.get(&id).cloned();
        if let Some(row) = row.filter(|row| row.is_done() && !row.provisional()) {
            self.keep_row(&row, true);
            self.effects.push(Effect::Concluded { id });
        }
        let under_way =
            |pending: &crate::asking::Pending| pending.alarm == id && pending.request == Request::Acknowledge;
        told || self.pending.values().any(under_way)
    }

    fn put_own_word(&mut self, id: AlarmId, taken: TakenBack) {
        self.keep.push((kept::taken_back(id), serde_json::to_string(&taken).ok()));
        if let Some(row) = self.rows.get_mut(&id) {
            row.taken_back = Some(taken.clone());
        }
        self.taken_back.insert(id, taken);
    }

    /// The row has left the list.
    pub(crate) fn forget_own_word(&mut self, id: AlarmId) {
        if self.taken_back.remove(&id).is_some() {
            self.keep.push((kept::taken_back(id), None));
        }
    }
}
