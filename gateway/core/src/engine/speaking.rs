//! The uplink's side of a turn: connected, receipted, heard, and the farewell at the end.
use alloc::string::ToString;
use alloc::vec::Vec;

use shouwang_message::{Id, Instant, Leaf, Sequence};

use super::{Engine, Stopping, alarm_key, heard_key, telling};
use crate::output::Output;
use crate::planted::{self, Bug};
use crate::uplink::Receipt;

impl Engine {
    pub(super) fn connected(&mut self, now: Instant, connection: u32) {
        let ready = telling::state(
            shouwang_message::GatewayState::Ready,
            self.boot,
            connection,
            self.wall.timestamp(now),
        );
        self.session.retain(Leaf::State, ready);
        let at = self.session_time(now);
        if self.session.connected(at, connection, &self.outbox) {
            self.last_up = now;
            self.next_heartbeat = now;
        }
    }

    pub(super) fn receipted(&mut self, now: Instant, connection: u32, token: u64) {
        let at = self.session_time(now);
        let Some(receipt) = self.session.receipted(at, connection, token) else { return };
        if let Receipt::History(number) = receipt {
            self.history_told(now, number);
        }
        if let Receipt::Document(told) = &receipt
            && let Leaf::Alarm(id) = told.leaf
        {
            self.walk_receipted(now, id);
        }
        if let Some(sequence) = receipt.closes() {
            let hearers = self.configuration.uplink.hearers.clone();
            for hearer in
                hearers.iter().chain(hearers.is_empty().then_some(&self.configuration.gateway.clone()))
            {
                self.heard(now, hearer, sequence);
            }
        }
        if let Receipt::Document(told) = receipt
            && told.emptied
            && let Leaf::Alarm(id) = told.leaf
            && self.finished.remove(&id)
        {
            self.stage.keep(now, alarm_key(id), None);
        }
    }

    pub(super) fn heard(&mut self, now: Instant, duty_room: &Id, up_to: Sequence) {
        if !self.outbox.set_heard(duty_room, up_to) {
            return;
        }
        self.walk_heard(now, up_to);
        let at = self.session_time(now);
        self.session.heard(at);
        self.unheard_any_since = None;
        self.stage.keep(now, heard_key(duty_room), Some(up_to.to_string().into_bytes()));
        self.stage.heard_up_to(now, self.outbox.heard_by_all());
        self.update_lamps(now);
    }

    pub(super) fn say_farewell(&mut self, now: Instant) {
        match self.stopping {
            Some(Stopping::Saving(until)) if self.stage.is_empty() || now >= until => {
                let connection = self.session.connection();
                let stopped = shouwang_message::GatewayState::Stopped;
                let body = telling::state(stopped, self.boot, connection, self.wall.timestamp(now));
                self.session.retain(Leaf::State, body);
                self.stopping = Some(Stopping::Saying(until));
                let at = self.session_time(now);
                self.session.poll(at, &self.outbox, |_| Vec::new(), &mut self.outputs);
            }
            Some(Stopping::Saying(until))
                if !self.session.is_up() || self.session.is_quiet() || now >= until =>
            {
                self.session.end(&mut self.outputs);
                self.outputs.push_back(Output::Stopped);
                self.stopping = Some(Stopping::Done);
            }
            _ => {}
        }
    }

    /// The time by which the uplink's patience is measured: steady time.
    pub(super) fn session_time(&self, now: Instant) -> Instant {
        if planted::has(Bug::WallClockTimeout) {
            let ms = u64::try_from(self.wall.timestamp(now).unix_ms()).unwrap_or(0);
            return Instant::from_micros(ms * 1000);
        }
        now
    }
}
