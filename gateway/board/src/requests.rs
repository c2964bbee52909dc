//! A person's request from the click to the gateway's word.
use alloc::string::String;
use alloc::vec::Vec;

use shouwang_message::{
    Acknowledged, AlarmChange, AlarmDocument, CommandError, CommandName, Instant, Reply, Text,
};

use crate::asking::{Asked, Pending, Request, objection};
use crate::board::{Board, Effect};
use crate::row::RowKind;
use crate::{GatewayName, Outcome, Output, bounds, kept};

impl Board {
    pub(crate) fn asked(&mut self, now: Instant, ticket: u64, asked: Asked) {
        if let Err(outcome) = self.accept(now, ticket, asked) {
            self.out.push(Output::Answer { ticket, outcome });
        }
    }

    /// Stores the request; the answer follows its commit. An outcome that needs no disk is given at once.
    fn accept(&mut self, now: Instant, ticket: u64, asked: Asked) -> Result<(), Outcome> {
        let id = asked.alarm;
        let row = self.find(id).ok_or(Outcome::Unknown)?;
        let acknowledging = asked.request == Request::Acknowledge;
        if acknowledging && let Some(acknowledged) = self.acknowledger(id) {
            return Err(Outcome::AlreadyAcknowledged { acknowledged, row: self.item(row).into() });
        }
        if !self.rows.contains_key(&id) {
            return Err(refused("finished", "该报警已结束", "This alarm is finished"));
        }
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let Some(document) = row.alarm_document() else {
            if !acknowledging {
                return Err(refused("not_an_alarm", "故障和缺口只能确认", "This can only be acknowledged"));
            }
            self.acknowledge_here(&asked);
            self.effects.push(Effect::Answer { ticket, id });
            return Ok(());
        };
        if let Some((code, text)) = objection(&asked, document.class.is_life_safety(), self.wall) {
            return Err(Outcome::Refused { code, text });
        }
        let same = |pending: &Pending| {
            pending.alarm == id && pending.request.command() == asked.request.command() && !pending.confirmed
        };
        if self.pending.values().any(same) {
            return Err(Outcome::Taken { row: self.item(row).into() });
        }
        if self.pending.len() >= bounds::REQUESTS {
            return Err(refused("busy", "待确认的请求过多", "Too many requests await their gateways"));
        }
        let (whom, device) = (row.whom(), document.device.clone());
        let txn = self.chance.token();
        let pending = Pending::new(now, self.wall, asked, &whom, &device);
        let text = serde_json::to_string(&pending).unwrap_or_default();
        self.keep.push((kept::asked(&txn), Some(text)));
        self.effects.push(Effect::Asked { txn: txn.clone() });
        self.effects.push(Effect::Answer { ticket, id });
        self.pending.insert(txn, pending);
        if let Some(row) = self.rows.get_mut(&id) {
            row.refused = None;
        }
        self.changed = true;
        Ok(())
    }

    /// Who acknowledged it first, as far as is known here.
    fn acknowledger(&self, id: shouwang_message::AlarmId) -> Option<Acknowledged> {
        let told = self.find(id)?.acknowledged().cloned();
        told.or_else(|| {
            self.pending.values().filter(|pending| pending.alarm == id).find_map(Pending::acknowledged)
        })
    }

    /// What is no alarm is acknowledged here only. A loss that was seen is done; a fault stays until it clears.
    fn acknowledge_here(&mut self, asked: &Asked) {
        let Some(row) = self.rows.get_mut(&asked.alarm) else { return };
        row.acknowledged = Some(Acknowledged { by: asked.by.clone(), at: self.wall });
        self.changed = true;
        let row = row.clone();
        if row.kind == RowKind::Gap {
            self.close(row.id());
        } else if row.kind == RowKind::Fault {
            self.keep_row(&row, false);
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
        if let Some(row) = self.rows.get_mut(&pending.alarm) {
            row.refused = Some((pending.request.command(), error));
        }
    }

    /// The gateway said yes. An acknowledgement stays pending until its event shows who and when.
    pub(crate) fn confirm(&mut self, whom: &GatewayName, txn: &str) {
        let Some(pending) = self.pending.get_mut(txn).filter(|pending| pending.whom() == *whom) else {
            return;
        };
        pending.confirmed = true;
        if pending.request != Request::Acknowledge {
            self.forget(txn);
        }
    }

    /// An alarm's event ends the requests that it answers.
    pub(crate) fn settle_requests(
        &mut self,
        whom: &GatewayName,
        change: AlarmChange,
        document: &AlarmDocument,
    ) {
        let settles = |name: CommandName| match name {
            // A second cry asks for a new acknowledgement: the one on its way was for the first.
            CommandName::Acknowledge => document.acknowledged.is_some() || change == AlarmChange::Repeated,
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
            .filter(|(_, pending)| change == AlarmChange::Finished || settles(pending.request.command()))
            .map(|(txn, _)| txn.clone())
            .collect();
        for txn in settled {
            self.forget(&txn);
        }
    }

    fn forget(&mut self, txn: &str) -> Option<Pending> {
        let pending = self.pending.remove(txn)?;
        self.keep.push((kept::asked(txn), None));
        self.changed = true;
        Some(pending)
    }
}

fn refused(code: &'static str, zh: &str, en: &str) -> Outcome {
    Outcome::Refused { code, text: Text::new(zh, en) }
}
