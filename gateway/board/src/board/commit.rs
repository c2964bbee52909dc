//! Save, then speak: what one input changed goes to the disk as one transaction, and what becomes true with it waits
//! until it is there.
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;
use shouwang_message::{AlarmId, Instant, LogId, Priority, Sequence, Text};

use super::Board;
use crate::row::RowKind;
use crate::{GatewayName, Outcome, Output, Transaction, bounds, kept};

/// What becomes true once a transaction is on disk.
#[derive(Debug)]
pub(crate) enum Effect {
    Heard {
        whom: GatewayName,
        log: LogId,
        up_to: Sequence,
    },
    RowHeard {
        id: AlarmId,
        revision: u32,
    },
    Asked {
        txn: String,
    },
    Answer {
        ticket: u64,
        id: AlarmId,
    },
    ValueAnswer {
        ticket: u64,
        told: Value,
    },
    GroupAnswer {
        ticket: u64,
        id: AlarmId,
        member: AlarmId,
    },
    CaseAnswer {
        ticket: u64,
        id: AlarmId,
    },
    /// `about`: the sheet that was signed.
    ShiftAnswer {
        ticket: u64,
        about: Option<AlarmId>,
    },
    Concluded {
        id: AlarmId,
    },
}

#[derive(Debug)]
pub(super) struct InFlight {
    number: u64,
    events: usize,
    effects: Vec<Effect>,
}

impl Board {
    pub(super) fn hand_out(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        let log = core::mem::take(&mut self.log);
        if !self.events.is_empty() || !self.keep.is_empty() || !self.effects.is_empty() || !log.is_empty() {
            let events = core::mem::take(&mut self.events);
            if !events.is_empty() {
                self.counts.heard += events.len() as u64;
                let count = alloc::format!("{}", self.counts.heard);
                self.keep.push((kept::HEARD_COUNT.into(), Some(count)));
            }
            let number = self.next_transaction;
            self.next_transaction += 1;
            let effects = core::mem::take(&mut self.effects);
            self.in_flight.push_back(InFlight { number, events: events.len(), effects });
            let keep = core::mem::take(&mut self.keep);
            out.push(Output::Commit(Transaction { number, events, log, keep }));
        }
        out.append(&mut self.out);
        if core::mem::take(&mut self.changed) {
            out.push(Output::Changed);
        }
        out
    }

    pub(super) fn committed(&mut self, now: Instant, transaction: u64) {
        if let Some(id) = self.store_row.take() {
            self.close(id);
        }
        let mut spoken: Vec<GatewayName> = Vec::new();
        while self.in_flight.front().is_some_and(|first| first.number <= transaction) {
            let Some(first) = self.in_flight.pop_front() else { break };
            for effect in first.effects {
                match effect {
                    Effect::Heard { whom, log, up_to } => {
                        let gateway = self.gateways.get_mut(&whom);
                        if let Some(cursor) = gateway.and_then(|gateway| gateway.logs.get_mut(&log)) {
                            cursor.commit(up_to);
                        }
                        if !spoken.contains(&whom) {
                            spoken.push(whom);
                        }
                    }
                    Effect::RowHeard { id, revision } => self.row_heard(id, revision),
                    Effect::Asked { txn } => {
                        if let Some(pending) = self.pending.get_mut(&txn) {
                            pending.committed = true;
                            pending.hurry(now);
                        }
                    }
                    Effect::Answer { ticket, id } => {
                        let row = self.find(id).map(|row| self.item(row));
                        let outcome = row.map_or(Outcome::Unknown, |row| Outcome::Taken { row: row.into() });
                        self.out.push(Output::Answer { ticket, outcome });
                    }
                    Effect::ValueAnswer { ticket, told } => {
                        let outcome = Outcome::Taken { row: told.into() };
                        self.out.push(Output::Answer { ticket, outcome });
                    }
                    Effect::GroupAnswer { ticket, id, member } => {
                        let row = self.group_or_row(id, member);
                        let outcome = row.map_or(Outcome::Unknown, |row| Outcome::Taken { row: row.into() });
                        self.out.push(Output::Answer { ticket, outcome });
                    }
                    Effect::CaseAnswer { ticket, id } => {
                        let case = self.case(id);
                        let outcome =
                            case.map_or(Outcome::Unknown, |case| Outcome::CaseTaken { case: case.into() });
                        self.out.push(Output::Answer { ticket, outcome });
                    }
                    Effect::ShiftAnswer { ticket, about } => {
                        let shift = self.shift().into();
                        self.out
                            .push(Output::Answer { ticket, outcome: Outcome::ShiftTaken { shift, about } });
                    }
                    Effect::Concluded { id } => self.leave_if_done(id),
                }
            }
        }
        for whom in spoken {
            self.speak(&whom);
        }
    }

    pub(super) fn store_failing(&mut self) {
        if self.store_row.is_none() {
            let own = self.own_name();
            let text = Text::new(
                "值班室存储写入失败,正在重试",
                "The duty room cannot write to its disk and keeps trying",
            );
            self.store_row = self.own_row(RowKind::Fault, &own, "store_failing", Priority::Urgent, text);
        }
    }

    /// How many more events may be handed to the disk.
    pub(crate) fn room(&self) -> usize {
        let waiting: usize = self.in_flight.iter().map(|transaction| transaction.events.max(1)).sum();
        bounds::UNCOMMITTED.saturating_sub(waiting + self.events.len())
    }
}
