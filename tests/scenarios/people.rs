//! What people do: through the board as the page does, or with a command of their own making.
use shouwang_board::{Asked, Input as BoardInput, Request};
use shouwang_message::{AlarmId, Command, CommandName, CommandPayload, Leaf, Timestamp, to_bytes};

use crate::stage::Stage;

/// Minutes in the unit of timestamps.
const MINUTE_MS: i64 = 60_000;

impl Stage {
    /// A person asks this of the alarm with this letter, on the board's page.
    pub(crate) fn asks(&mut self, by: &str, letter: char, request: Request) {
        self.asks_because(by, letter, request, None);
    }

    pub(crate) fn asks_because(&mut self, by: &str, letter: char, request: Request, reason: Option<&str>) {
        self.tickets += 1;
        let asked = Asked {
            alarm: self.alarm(letter),
            by: by.into(),
            from: "192.0.2.7".into(),
            reason: reason.map(Into::into),
            occurrence: None,
            request,
        };
        self.tell_board(BoardInput::Asked { ticket: self.tickets, asked });
    }

    pub(crate) fn acknowledges(&mut self, by: &str, letter: char) {
        self.asks(by, letter, Request::Acknowledge);
    }

    pub(crate) fn resets(&mut self, by: &str, letter: char) {
        self.asks(by, letter, Request::Reset);
    }

    pub(crate) fn alarm(&self, letter: char) -> AlarmId {
        self.tape.names.alarm(letter).unwrap_or_else(|| panic!("the story has no alarm {letter}"))
    }

    /// The duty room's time, so many minutes from now.
    pub(crate) fn in_minutes(&self, minutes: i64) -> Timestamp {
        Timestamp::from_unix_ms(self.duty_room_wall().unix_ms() + minutes * MINUTE_MS)
    }

    /// A sound payload, for the story to change.
    pub(crate) fn payload(&mut self, by: &str) -> CommandPayload {
        self.tickets += 1;
        let (txn, nonce) = (format!("txn-{}", self.tickets), format!("nonce-{}", self.tickets));
        CommandPayload::new(txn, by.into(), self.duty_room_wall(), self.in_minutes(10), nonce)
    }

    /// Publishes a command as it is, unsigned.
    pub(crate) fn commands(&mut self, name: CommandName, payload: &CommandPayload) {
        self.publishes(name, payload, None, false);
    }

    pub(crate) fn publishes(
        &mut self,
        name: CommandName,
        payload: &CommandPayload,
        key: Option<&str>,
        retain: bool,
    ) {
        let payload = String::from_utf8(to_bytes(payload)).unwrap_or_else(|_| panic!("JSON is UTF-8"));
        let command = Command { payload, key: key.map(Into::into), signature: None };
        let topic = self.topic(Leaf::Command(name));
        self.broker.say(self.now, topic, to_bytes(&command), retain);
    }
}
