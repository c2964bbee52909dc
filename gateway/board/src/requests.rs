//! A person's request from the click to the gateway's word.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shouwang_message::{
    Acknowledged, AlarmChange, AlarmDocument, AlarmId, CommandError, CommandName, Instant, Reply, Text,
};

use crate::asking::{Asked, Pending, Request, objection};
use crate::board::{Board, Effect};
use crate::logbook::{LogLine, at_gateway};
use crate::row::{Row, RowKind};
use crate::trust::shown;
use crate::{GatewayName, Outcome, Output, bounds, kept};

impl Board {
    pub(crate) fn asked(&mut self, now: Instant, ticket: u64, asked: Asked) {
        if let Err(outcome) = self.accept(now, ticket, asked) {
            self.out.push(Output::Answer { ticket, outcome });
        }
    }

    /// Stores the request; the answer follows its commit. An outcome that needs no disk is given at once.
    pub(crate) fn accept(&mut self, now: Instant, ticket: u64, asked: Asked) -> Result<(), Outcome> {
        let id = asked.alarm;
        if self.has_cried_since(&asked) {
            let en = "It cried again since: look at it once more";
            return Err(refused("newer_cry", "该报警又响了一次,请再看一遍", en));
        }
        let Some(row) = self.find(id) else { return self.acknowledge_group(ticket, &asked) };
        let acknowledging = asked.request == Request::Acknowledge;
        if acknowledging && let Some(acknowledged) = self.acknowledger(id) {
            return Err(Outcome::AlreadyAcknowledged { acknowledged, row: self.item(row).into() });
        }
        if self.rows.get(&id).is_none_or(|row| row.finished && !row.waits_for_a_person()) {
            return Err(refused("finished", "该报警已结束", "This alarm is finished"));
        }
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        if row.is_drill() {
            return self.answer_drill(ticket, &asked);
        }
        if self.is_own_alarm(row) {
            return self.answer_own_alarm(ticket, &asked);
        }
        let Some(document) = row.alarm_document() else {
            if !acknowledging {
                return Err(refused("not_an_alarm", "故障和缺口只能确认", "This can only be acknowledged"));
            }
            self.log_request(&asked);
            self.acknowledge_here(&asked);
            self.effects.push(Effect::Answer { ticket, id });
            return Ok(());
        };
        if let Some((code, text)) = objection(&asked, document.class.is_life_safety(), self.wall) {
            return Err(Outcome::Refused { code, text });
        }
        let again = row.is_taken_back();
        let same = |pending: &Pending| {
            pending.alarm == id && pending.request.command() == asked.request.command() && !pending.confirmed
        };
        if !(acknowledging && again) && self.pending.values().any(same) {
            return Err(Outcome::Taken { row: self.item(row).into() });
        }
        if self.pending.len() >= bounds::REQUESTS {
            return Err(refused("busy", "待确认的请求过多", "Too many requests await their gateways"));
        }
        let (whom, device, occurrence) = (row.whom(), document.device.clone(), document.occurrence);
        self.log_request(&asked);
        if asked.request == Request::Silence {
            self.hush(now);
        }
        if acknowledging {
            self.accept_by_acknowledging(id, &asked.by, self.wall, &asked.from);
            if let Some(row) = self.rows.get_mut(&id) {
                row.acknowledged_here = Some(now);
            }
            self.outreach.touch(id);
            self.changed = true;
            if self.acknowledge_again(id, &asked.by) {
                self.effects.push(Effect::Answer { ticket, id });
                return Ok(());
            }
        }
        let txn = self.chance.token();
        let pending = Pending::new(now, self.wall, asked, &whom, &device, occurrence);
        let text = serde_json::to_string(&pending).unwrap_or_default();
        self.keep.push((kept::asked(&txn), Some(text)));
        self.effects.push(Effect::Asked { txn: txn.clone() });
        self.effects.push(Effect::Answer { ticket, id });
        self.pending.insert(txn, pending);
        self.outreach.touch(id);
        if let Some(row) = self.rows.get_mut(&id) {
            row.refused = None;
        }
        self.changed = true;
        Ok(())
    }

    /// A person who asks about a cry that is no longer the newest has not seen that one.
    fn has_cried_since(&self, asked: &Asked) -> bool {
        let about_a_cry = matches!(asked.request, Request::Acknowledge | Request::Reset);
        let newest = self.rows.get(&asked.alarm).and_then(|row| Some(row.alarm_document()?.occurrence));
        about_a_cry && asked.occurrence.zip(newest).is_some_and(|(seen, newest)| seen < newest)
    }

    pub(crate) fn log_request(&mut self, asked: &Asked) {
        let (old, new) = asked.request.change();
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: alloc::format!("alarm.{}", asked.request.command()),
            about: Some(asked.alarm.to_string()),
            old: old.map(Into::into),
            new: Some(new),
            note: asked.reason.clone(),
        });
    }

    /// What became of a request that was logged and did not come true.
    fn log_failure(&mut self, pending: &Pending, how: &str, note: Option<&str>) {
        let (thing, of_it) = match &pending.request {
            Request::Test { .. } | Request::Walk { .. } => ("device", Some(pending.device.to_string())),
            Request::Pause { rule, .. } => ("welfare", Some(rule.to_string())),
            _ => ("alarm", None),
        };
        self.log.push(LogLine {
            at: self.wall,
            by: pending.by.clone(),
            from: at_gateway(&pending.whom()),
            what: alloc::format!("{thing}.{}.{how}", pending.request.command()),
            about: of_it.is_none().then(|| pending.alarm.to_string()),
            old: None,
            new: of_it,
            note: note.map(shown),
        });
    }

    /// Who acknowledged it first, as far as is known here.
    pub(crate) fn acknowledger(&self, id: AlarmId) -> Option<Acknowledged> {
        let told = self.find(id)?.acknowledged().cloned();
        told.or_else(|| {
            self.pending.values().filter(|pending| pending.alarm == id).find_map(Pending::acknowledged)
        })
    }

    /// What is no alarm is acknowledged here only. A loss that was seen is done; a fault stays until it clears.
    pub(crate) fn acknowledge_here(&mut self, asked: &Asked) {
        let Some(row) = self.rows.get_mut(&asked.alarm) else { return };
        row.acknowledged = Some(Acknowledged { by: asked.by.clone(), at: self.wall });
        row.acknowledged_here = Some(self.now);
        self.changed = true;
        let row = row.clone();
        if matches!(row.kind, RowKind::Gap | RowKind::Note) || row.finished {
            self.close(row.id());
        } else {
            self.keep_if_kept(&row);
        }
    }

    /// Rows that are made anew by the next process are not kept, unless a person must see them.
    pub(crate) fn keep_if_kept(&mut self, row: &Row) {
        if row.must_be_seen() || (row.kind == RowKind::Fault && !row.made_here) {
            self.keep_row(row, false);
        }
    }

    /// Sends what is due and gives up what has expired.
    pub(crate) fn send_requests(&mut self, now: Instant) {
        let expired: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.give_up_at <= now)
            .map(|(txn, _)| txn.clone())
            .collect();
        for txn in expired {
            if let Some(pending) = self.forget(&txn) {
                self.log_failure(&pending, "expired", None);
                let text = Text::new(
                    "指令未得到网关确认,已过期",
                    "A request expired before its gateway confirmed it",
                );
                self.gap(&pending.whom(), "commands", 1, text);
            }
        }
        if !self.link_up {
            return;
        }
        let Self { pending, chance, out, .. } = self;
        for (txn, pending) in pending.iter_mut() {
            if let Some(command) = pending.send(now, txn, chance) {
                let name = pending.request.command();
                out.push(Output::PublishCommand { to: pending.whom(), name, command });
            }
        }
    }

    /// The gateway's answer to a request of ours.
    pub(crate) fn answered(&mut self, whom: &GatewayName, reply: Reply) {
        if reply.ok {
            return self.confirm(whom, &reply.txn);
        }
        if self.pending.get(&reply.txn).is_none_or(|pending| pending.whom() != *whom) {
            return;
        }
        let Some(pending) = self.forget(&reply.txn) else { return };
        let error = reply.error.unwrap_or_else(|| CommandError {
            code: "refused".into(),
            text: Text::new("网关拒绝", "The gateway refused"),
        });
        self.log_failure(&pending, "refused", Some(&error.code));
        if let Some(row) = self.rows.get_mut(&pending.alarm) {
            row.unknown |= error.code == "unknown_alarm" && row.kind == RowKind::Alarm;
            let unsaid = error.code == "newer_cry" && row.take_back_acknowledgement(pending.occurrence);
            row.refused = Some((pending.request.command(), error));
            if unsaid && !row.provisional() {
                let row = row.clone();
                self.keep_row(&row, false);
            }
        }
    }

    /// The gateway's log says yes: its alarm events, which say who and when, were before this. What they left
    /// undone was about a cry that the gateway no longer knew.
    pub(crate) fn confirmed_by_log(&mut self, whom: &GatewayName, txn: &str) {
        if self.pending.get(txn).is_some_and(|pending| pending.whom() == *whom) {
            self.forget(txn);
        }
    }

    /// The gateway said yes. An acknowledgement stays pending until its event shows who and when.
    fn confirm(&mut self, whom: &GatewayName, txn: &str) {
        let Some(pending) = self.pending.get_mut(txn).filter(|pending| pending.whom() == *whom) else {
            return;
        };
        pending.confirmed = true;
        if pending.request != Request::Acknowledge {
            self.forget(txn);
        }
    }

    /// An acknowledgement or a reset was for the cry that the person saw: a newer one is not answered by it.
    pub(crate) fn drop_outlived(&mut self, whom: &GatewayName, document: &AlarmDocument) {
        let outlived: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.alarm == document.id && pending.whom() == *whom)
            .filter(|(_, pending)| pending.is_outlived(document))
            .map(|(txn, _)| txn.clone())
            .collect();
        for txn in outlived {
            self.forget(&txn);
        }
    }

    /// An alarm's event ends the requests that it answers.
    pub(crate) fn settle_requests(
        &mut self,
        whom: &GatewayName,
        change: AlarmChange,
        document: &AlarmDocument,
    ) {
        self.drop_outlived(whom, document);
        // An event of an earlier cry answers nothing that was asked about a newer one, already shown.
        let settles = |pending: &Pending| match pending.request.command() {
            CommandName::Acknowledge | CommandName::Reset if pending.occurrence > document.occurrence => {
                false
            }
            CommandName::Acknowledge => document.acknowledged.is_some(),
            CommandName::Silence => change == AlarmChange::Silenced,
            CommandName::Shelve => change == AlarmChange::Shelved,
            CommandName::Unshelve => change == AlarmChange::Unshelved,
            CommandName::Reset => change == AlarmChange::Reset,
            CommandName::OutOfService => change == AlarmChange::OutOfService,
            _ => false,
        };
        let settled: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.alarm == document.id && pending.whom() == *whom)
            .filter(|(_, pending)| change == AlarmChange::Finished || settles(pending))
            .map(|(txn, _)| txn.clone())
            .collect();
        for txn in settled {
            self.forget(&txn);
        }
    }

    fn forget(&mut self, txn: &str) -> Option<Pending> {
        let pending = self.pending.remove(txn)?;
        self.outreach.touch(pending.alarm);
        self.keep.push((kept::asked(txn), None));
        self.changed = true;
        Some(pending)
    }
}

pub(crate) fn refused(code: &'static str, zh: &str, en: &str) -> Outcome {
    Outcome::Refused { code, text: Text::new(zh, en) }
}
