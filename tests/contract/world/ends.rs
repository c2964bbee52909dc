//! The gateway's process with its disk, and the duty room at the other end.
use shouwang_core::engine::{Engine, Start};
use shouwang_core::input::{Input, StoreTrouble};
use shouwang_message::{Clock, CommandName, Instant, Timestamp};

use super::*;

impl World<'_> {
    pub(super) fn start_gateway(&mut self) {
        if self.engine.is_some() {
            return;
        }
        let wall = self.wall();
        let now = Instant::from_micros(self.now);
        let start = Start { now, wall, clock: Clock::Synced, seed: self.chance.next() };
        let restored = self.store.open();
        self.engine = Some(Engine::new(self.site.configuration(), restored, start));
        self.line.open(self.now);
        if self.port_is_open {
            self.give(Input::LineUp { line: 0 });
        }
        self.give(Input::Woke);
    }

    /// The disk keeps a beginning of what it was given; nobody hears of it.
    pub(super) fn kill_gateway(&mut self) {
        if self.engine.take().is_none() {
            return;
        }
        self.connection = None;
        while self.chance.percent(40)
            && let Some((_, events)) = self.store.sync()
        {
            let judged = self.truth.committed(&events, || self.store.recorded());
            self.judge(judged);
        }
        self.truth.gateway_died();
    }

    pub(super) fn synced(&mut self, refused: bool) {
        if refused {
            if let Some(commit) = self.store.refuse() {
                self.note(|| format!("commit {commit} was refused"));
                self.give(Input::CommitFailed { commit, why: StoreTrouble::Io });
            }
            return;
        }
        if let Some((commit, events)) = self.store.sync() {
            let judged = self.truth.committed(&events, || self.store.recorded());
            self.judge(judged);
            for event in &events {
                self.note(|| format!("on disk: {} {:?}", event.sequence, event.kind()));
            }
            self.give(Input::Committed { commit });
        }
    }

    pub(super) fn connected(&mut self, connection: u32) {
        if self.connection == Some(connection) {
            self.give(Input::Connected { connection });
            // The receipt is retained at the broker.
            self.says(Thing::Heard(connection));
        }
    }

    pub(super) fn duty_room_synced(&mut self) {
        if let Some(event) = self.duty_room.sync() {
            self.note(|| format!("heard up to {}", event.sequence));
            self.truth.heard(&event);
            if let Some(connection) = self.connection {
                self.says(Thing::Heard(connection));
            }
        }
    }

    /// The duty room says something, in order.
    pub(super) fn says(&mut self, thing: Thing) {
        self.down_at = self.down_at.max(self.now + self.chance.between(MS, 60 * MS));
        self.enter(self.down_at, thing);
    }

    pub(super) fn commanded(&mut self, name: CommandName, seen: Seen) {
        let alarm = seen.alarm;
        let at = self.wall();
        self.commands += 1;
        let payload = serde_json::json!({
            "txn": self.commands.to_string(), "alarm": alarm.to_string(), "occurrence": seen.occurrence,
            "by": "u-7", "at": at.to_string(), "nonce": format!("n-{}", self.commands),
            "expires": Timestamp::from_unix_ms(at.unix_ms() + 60_000).to_string(),
        });
        let is_open = |engine: &Engine| engine.alarms().any(|document| document.id == alarm);
        let was_open = self.engine.as_ref().is_some_and(is_open);
        self.note(|| format!("{name:?} arrives; the call is open: {was_open}"));
        if was_open {
            self.truth.person(name, seen.presses);
        }
        self.give(Input::Commanded { name, payload: payload.to_string(), signed_by: None, retained: false });
    }
}
