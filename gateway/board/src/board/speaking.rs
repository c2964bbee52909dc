//! What the board says to its gateways: how far they were heard, what is missing, and that the link is back.
use alloc::vec::Vec;

use shouwang_message::{CommandName, HeardDocument, Instant, LogId, Sequence, Text};

use super::{Board, LINK_DOWN_SHOWN_AFTER};
use crate::asking::resend;
use crate::ladder::CATCHES_UP_WITHIN;
use crate::planted::{self, Bug};
use crate::{GatewayName, Output};

impl Board {
    pub(super) fn link_is_up(&mut self, now: Instant) {
        self.link_up = true;
        self.changed = true;
        self.link_row_at = Instant::NEVER;
        if let Some(id) = self.link_row.take() {
            self.close(id);
        }
        for gateway in self.gateways.values_mut() {
            gateway.watch.link(Some(now));
            gateway.catches_up_until = now + CATCHES_UP_WITHIN;
            for device in gateway.devices.values_mut() {
                device.live = false;
            }
            // What was published while we were away is known to the gateway only.
            if let Some(cursor) = gateway.current.and_then(|log| gateway.logs.get_mut(&log)) {
                cursor.missing(now);
            }
        }
        for pending in self.pending.values_mut() {
            pending.hurry(now);
        }
        self.speak_to_all();
    }

    pub(super) fn link_is_down(&mut self, now: Instant) {
        if self.link_up {
            self.link_row_at = now + LINK_DOWN_SHOWN_AFTER;
        }
        self.link_up = false;
        self.changed = true;
        for gateway in self.gateways.values_mut() {
            gateway.watch.link(None);
        }
    }

    /// Publishes how far a gateway was heard; only what is on our disk counts.
    pub(crate) fn speak(&mut self, whom: &GatewayName) {
        if !self.link_up {
            return;
        }
        let Some(gateway) = self.gateways.get(whom) else { return };
        let Some(log) = gateway.current else { return };
        let Some(cursor) = gateway.logs.get(&log) else { return };
        let document = HeardDocument {
            log,
            up_to: if planted::has(Bug::HearsBeforeCommit) { cursor.taken() } else { cursor.committed() },
            armed: self.armed,
            at: self.wall,
        };
        self.out.push(Output::PublishHeard { to: whom.clone(), document });
    }

    pub(super) fn speak_to_all(&mut self) {
        let names: Vec<GatewayName> = self.gateways.keys().cloned().collect();
        for whom in names {
            self.speak(&whom);
        }
    }

    /// Asks for what is missing, jumps over what is gone.
    pub(super) fn repair(&mut self, now: Instant, whom: &GatewayName) {
        let room = self.room();
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        let askable = self.link_up && gateway.may_answer();
        let logs: Vec<LogId> = gateway.logs.keys().copied().collect();
        for log in logs {
            let Some(cursor) = self.gateways.get_mut(whom).and_then(|gateway| gateway.logs.get_mut(&log))
            else {
                continue;
            };
            let jumped = cursor.jump(now, room);
            let show = cursor.gap_to_show(now);
            let from = if askable { cursor.resend_from(now) } else { None };
            if let Some((jump, events)) = jumped {
                let text = Text::new(
                    alloc::format!("历史缺口:第 {} 至 {} 条记录已不在网关上", jump.from, jump.to),
                    alloc::format!("Events {} to {} are gone from the gateway", jump.from, jump.to),
                );
                self.gap(whom, "events_gone", jump.to - jump.from + 1, text);
                self.take(now, whom, log, events);
            }
            if show {
                let text = Text::new("有记录尚未补发,正在索取", "Events are missing and are being asked for");
                self.gap(whom, "events_missing", 1, text);
            }
            if let Some(from) = from {
                self.ask_resend(whom, log, from);
            }
        }
    }

    fn ask_resend(&mut self, whom: &GatewayName, log: LogId, from: Sequence) {
        let txn = self.chance.token();
        let command = resend(self.wall, &self.settings.name, whom, &txn, from, &mut self.chance);
        if let Some(gateway) = self.gateways.get_mut(whom) {
            gateway.resends.push_back((txn, log));
            if gateway.resends.len() > 8 {
                gateway.resends.pop_front();
            }
        }
        self.out.push(Output::PublishCommand { to: whom.clone(), name: CommandName::Resend, command });
    }
}
