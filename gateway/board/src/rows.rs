//! The list's bookkeeping: alarms shown, replaced and finished, faults, counted losses, and their bounds.
mod own;
mod places;

use alloc::vec::Vec;

use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, FaultDocument, Instant, Text};

use crate::board::{Board, Effect};
use crate::planted::{self, Bug};
use crate::row::{Matter, Row, RowKind};
use crate::trust::Refusal;
use crate::{GatewayName, bounds, kept};

impl Board {
    /// Shows an alarm document that has not been heard as an event: provisional.
    pub(crate) fn show_alarm(&mut self, whom: &GatewayName, document: AlarmDocument) -> Result<(), Refusal> {
        let id = document.id;
        self.note_smoke(whom, &document);
        self.outreach.touch(id);
        let before = self.cry_before(id);
        let over = self.rows.get(&id).filter(|row| row.finished);
        if let Some(done) = over.or_else(|| self.finished.iter().find(|row| row.id() == id)) {
            // A leftover of what is finished; a retained document of a finished alarm is emptied soon.
            return if done.belongs_to(whom) { Ok(()) } else { Err(Refusal::Contradiction) };
        }
        if self.rows.get(&id).is_some_and(|row| row.belongs_to(whom) && document.revision > row.revision()) {
            self.drop_outlived(whom, &document);
        }
        match self.rows.get_mut(&id) {
            Some(row) if !row.belongs_to(whom) || row.kind != RowKind::Alarm => {
                return Err(Refusal::Contradiction);
            }
            Some(row) => {
                // What was told before it was on disk may have died with its process: the next one begins
                // where the disk ends, so what is on disk replaces it whatever the numbers say.
                let outdoes = row.is_unlogged() && (!document.unlogged || row.outlived);
                if document.revision > row.revision() || outdoes {
                    if !row.provisional() && row.differs_by_texts_only(&document) {
                        row.heard = Some(document.revision);
                    }
                    row.tell(document);
                    row.withdrawn = false;
                    row.unknown = false;
                    self.changed = true;
                }
            }
            None => {
                self.add(Row::alarm(whom, document));
            }
        }
        self.note_change(id, before);
        Ok(())
    }

    /// Takes an alarm event: its document replaces what was shown unless that is newer.
    pub(crate) fn take_alarm(&mut self, whom: &GatewayName, change: AlarmChange, document: &AlarmDocument) {
        let (id, revision) = (document.id, document.revision);
        self.note_smoke(whom, document);
        self.outreach.touch(id);
        let before = self.cry_before(id);
        self.settle_requests(whom, change, document);
        self.shift_hears(change, document);
        let finished = change == AlarmChange::Finished || document.is_finished();
        if self.rows.get(&id).is_some_and(|row| row.finished)
            || self.finished.iter().any(|row| row.id() == id)
        {
            if change == AlarmChange::Finished {
                self.take_last_word(whom, document);
            }
            return;
        }
        if let Some(row) = self.rows.get_mut(&id) {
            if !row.belongs_to(whom) || row.kind != RowKind::Alarm {
                return self.refuse(Refusal::Contradiction);
            }
            row.unknown = false;
            let is_last = change == AlarmChange::Finished || row.outlived;
            if revision >= row.revision() || is_last || planted::has(Bug::ShowsTheOlder) {
                row.tell(document.clone());
            } else if row.is_unlogged() {
                row.logged = Some(document.clone().into());
            }
        } else if !self.add(Row::alarm(whom, document.clone())) {
            return;
        }
        self.note_change(id, before);
        self.case_hears(whom, change, document);
        self.answering_hears(whom, change, document);
        let Some(row) = self.rows.get_mut(&id) else { return };
        let revision =
            if row.differs_by_texts_only(document) { row.revision().max(revision) } else { revision };
        row.finished = finished;
        let done = row.is_done();
        let mut kept_row = row.clone();
        kept_row.matter = Matter::Alarm(document.clone().into());
        kept_row.heard = Some(row.heard.unwrap_or_default().max(revision));
        if done {
            self.leave_case(&kept_row);
        }
        self.keep_row(&kept_row, done);
        self.effects.push(Effect::RowHeard { id, revision });
    }

    /// The `finished` of an alarm that an event before it had ended already: so it stays.
    fn take_last_word(&mut self, whom: &GatewayName, document: &AlarmDocument) {
        let (id, revision) = (document.id, document.revision);
        let Some(row) = self.row_mut(id) else { return };
        let is_newer = revision >= row.revision() || row.is_unlogged();
        if !row.belongs_to(whom) || row.kind != RowKind::Alarm || !is_newer {
            return;
        }
        row.tell(document.clone());
        self.case_hears(whom, AlarmChange::Finished, document);
        let Some(row) = self.find(id) else { return };
        let heard = Some(row.heard.unwrap_or_default().max(revision));
        let kept_row = Row { heard, ..row.clone() };
        self.keep_row(&kept_row, kept_row.is_done());
        self.effects.push(Effect::RowHeard { id, revision });
    }

    /// A new process of this gateway: what the one before told unlogged is in no log.
    pub(crate) fn end_unlogged(&mut self, whom: &GatewayName) {
        for row in self.rows.all_mut(|row| row.is_unlogged() && row.belongs_to(whom)) {
            if row.end_unlogged() {
                self.changed = true;
                self.outreach.touch(row.id());
            }
        }
    }

    /// The event is on disk: the row is no longer provisional, and leaves the open list if it is done.
    pub(crate) fn row_heard(&mut self, id: AlarmId, revision: u32) {
        let Some(row) = self.row_mut(id) else { return };
        row.heard = Some(row.heard.unwrap_or_default().max(revision));
        self.changed = true;
        self.leave_if_done(id);
    }

    /// Off the open list, once what ended it is on disk.
    pub(crate) fn leave_if_done(&mut self, id: AlarmId) {
        if self.rows.get(&id).is_some_and(|row| row.is_done() && !row.provisional())
            && let Some(row) = self.rows.remove(&id)
        {
            self.add_finished(row);
            self.changed = true;
            self.outreach.touch(id);
        }
    }

    /// The gateway emptied the retained document. A row whose finish was not heard stays.
    pub(crate) fn alarm_withdrawn(&mut self, whom: &GatewayName, id: AlarmId) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.belongs_to(whom)) {
            row.withdrawn = true;
        }
    }

    /// Everything this gateway has was heard: alarms that were shown, withdrawn and never logged are losses.
    pub(crate) fn drop_withdrawn(&mut self, whom: &GatewayName) {
        let gone: Vec<AlarmId> = self
            .rows
            .values()
            .filter(|row| row.withdrawn && !row.unknown && row.heard.is_none() && row.belongs_to(whom))
            .map(Row::id)
            .collect();
        for id in gone {
            self.rows.remove(&id);
            self.outreach.touch(id);
            let text = Text::new(
                "报警曾显示,但网关没有留下记录",
                "An alarm was shown that its gateway never logged",
            );
            self.gap(whom, "never_logged", 1, text);
        }
    }

    /// Alarms that the gateway does not know, though everything it has was heard: another log took the place
    /// of the one they were in, or they died with the gateway before they were logged. They end here, counted.
    pub(crate) fn close_unknown(&mut self, whom: &GatewayName) {
        let gone: Vec<AlarmId> =
            self.rows.values().filter(|row| row.unknown && row.belongs_to(whom)).map(Row::id).collect();
        for id in gone {
            let Some(row) = self.rows.remove(&id) else { continue };
            self.leave_case(&row);
            self.keep_row(&row, true);
            self.add_finished(row);
            self.outreach.touch(id);
            let text = Text::new(
                "网关已没有这条报警的记录,已移出列表,请到现场核实",
                "An alarm that its gateway no longer knows was taken off the list: check the place",
            );
            self.gap(whom, "unknown_alarm", 1, text);
        }
    }

    pub(crate) fn take_fault(&mut self, whom: &GatewayName, fault: &FaultDocument) {
        if self.finished.iter().any(|row| row.id() == fault.id) {
            return;
        }
        if self.rows.get(&fault.id).is_some_and(|row| !row.belongs_to(whom)) {
            return self.refuse(Refusal::Contradiction);
        }
        let mut row = Row::other(RowKind::Fault, whom, fault.clone());
        if let Some(before) = self.rows.get(&fault.id) {
            (row.after_alarm, row.acknowledged) = (before.after_alarm, before.acknowledged.clone());
        }
        self.judge_loss(whom, &mut row);
        if self.add(row) {
            if let Some(row) = self.rows.get(&fault.id) {
                let row = row.clone();
                self.keep_row(&row, false);
            }
            // What this fault explains needs no row of its own: look at once.
            if let Some(gateway) = self.gateways.get_mut(whom) {
                gateway.devices_at = Instant::default();
            }
        }
    }

    pub(crate) fn take_cleared_fault(&mut self, now: Instant, whom: &GatewayName, fault: &FaultDocument) {
        let Some(row) = self.rows.get_mut(&fault.id).filter(|row| row.belongs_to(whom)) else { return };
        row.matter = Matter::Other(fault.clone().into());
        row.finished = true;
        let row = row.clone();
        self.count_change(&row);
        self.keep_row(&row, row.is_done());
        self.effects.push(Effect::RowHeard { id: fault.id, revision: 0 });
        self.fault_is_over(now, whom, fault);
        self.outage_over(whom, fault);
    }

    /// A row made here is over.
    pub(crate) fn close(&mut self, id: AlarmId) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.end(self.wall);
        let row = row.clone();
        if let Some(fault) = row.fault_document() {
            self.outage_over(&row.whom(), fault);
        }
        self.count_change(&row);
        self.changed = true;
        self.keep_row(&row, row.is_done());
        if row.is_done() {
            self.rows.remove(&id);
            self.add_finished(row);
        }
        self.outreach.touch(id);
    }

    /// Adds a row; false at the bound, where only a live emergency still finds a place, by pushing out a row
    /// that is none. What has no place is on disk and counted here.
    pub(crate) fn add(&mut self, row: Row) -> bool {
        if self.rows.len() >= bounds::OPEN_ROWS + bounds::GAP_ROWS {
            let pushed_out = if row.is_live_emergency() {
                let order = |row: &&Row| row.order(self.is_acknowledged(row));
                let others = self.rows.values().filter(|row| !row.is_live_emergency());
                others.filter(|row| row.kind != RowKind::Gap).max_by_key(order).map(Row::id)
            } else {
                None
            };
            if let Some(id) = pushed_out {
                self.rows.remove(&id);
            }
            let own = self.own_name();
            let text = Text::new("打开的报警超过上限,部分未显示", "Too many open rows: some are not shown");
            self.gap(&own, "rows_not_shown", 1, text);
            if pushed_out.is_none() {
                return false;
            }
        }
        let known_at = match self.rows.get(&row.id()) {
            Some(known) => known.known_at,
            None => {
                self.count_change(&row);
                self.count_for_flood(&row);
                self.note_for_morning(&row);
                self.limits.touch(row.id());
                Some(self.wall)
            }
        };
        let taken_back = self.taken_back.get(&row.id()).cloned();
        self.rows.insert(row.id(), Row { taken_back, known_at, ..row });
        self.changed = true;
        true
    }

    pub(crate) fn add_finished(&mut self, row: Row) {
        self.forget_own_word(row.id());
        self.finished.push_back(Row { finished: true, ..row });
        if self.finished.len() > bounds::FINISHED_ROWS {
            self.finished.pop_front();
        }
    }

    pub(crate) fn keep_row(&mut self, row: &Row, finished: bool) {
        let id = row.id();
        // A drill ends with the process that plays it.
        if row.is_drill() {
            return;
        }
        let Ok(text) = serde_json::to_string(row) else { return };
        if finished {
            self.keep.push((kept::row(id), None));
            self.keep.push((kept::finished(id), Some(text)));
        } else {
            self.keep.push((kept::row(id), Some(text)));
        }
    }

    /// An open row, or a finished one that is still remembered.
    pub(crate) fn find(&self, id: AlarmId) -> Option<&Row> {
        self.rows.get(&id).or_else(|| self.finished.iter().find(|row| row.id() == id))
    }

    fn row_mut(&mut self, id: AlarmId) -> Option<&mut Row> {
        self.rows.get_mut(&id).or_else(|| self.finished.iter_mut().find(|row| row.id() == id))
    }
}
