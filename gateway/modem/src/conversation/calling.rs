//! Ringing a phone. Nothing is said on the line: the ringing wakes, the text says why.
use std::time::Duration;

use shouwang_message::Instant;

use super::command::{Command, Ending, ends_call};
use super::event::{Event, OrderId, Rung, Why};
use super::{Conversation, Order};

/// A voice box takes over after about 30 s.
const RING_FOR: Duration = Duration::from_secs(25);
/// A call that a text waits for is ended after this: long enough to wake somebody.
const RING_LEAST: Duration = Duration::from_secs(10);
/// Whoever took the call hears nothing; it is ended soon.
const HOLD_FOR: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The call under way.
#[derive(Debug)]
pub(super) struct Call {
    id: OrderId,
    since: Instant,
    hang_up_at: Instant,
    look_at: Instant,
    state: State,
    /// The modem lists a call of ours; renewed by each look.
    is_listed: bool,
    /// The network's words when it ended the call.
    ended: Option<String>,
    is_hanging_up: bool,
}

/// What is known of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialled,
    Rings,
    Answered,
    /// The modem does not list its calls.
    Unknown,
}

impl Call {
    pub(super) fn next(&self, a_text_waits: bool) -> Instant {
        self.look_at.min(self.ends_at(a_text_waits))
    }

    fn ends_at(&self, a_text_waits: bool) -> Instant {
        if a_text_waits { self.hang_up_at.min(self.since + RING_LEAST) } else { self.hang_up_at }
    }
}

impl Conversation {
    pub(super) fn begin_call(&mut self, now: Instant, order: &Order) {
        self.call = Some(Call {
            id: order.id,
            since: now,
            hang_up_at: now + RING_FOR,
            look_at: now,
            state: State::Dialled,
            is_listed: false,
            ended: None,
            is_hanging_up: false,
        });
        self.ask(now, Command::Dial, &format!("ATD{};", order.to));
    }

    /// Looks, or hangs up, when it is time.
    pub(super) fn go_on_calling(&mut self, now: Instant) -> bool {
        let a_text_waits = self.a_text_waits();
        let Some(call) = &mut self.call else { return false };
        let command = if call.ended.is_some() || now >= call.ends_at(a_text_waits) {
            call.is_hanging_up = true;
            Command::HangUp
        } else if now >= call.look_at {
            (call.look_at, call.is_listed) = (now + LOOK_EVERY, false);
            Command::Calls
        } else {
            return false;
        };
        self.ask(now, command, command.words());
        true
    }

    pub(super) fn call_ended(&mut self, now: Instant, command: Command, ending: Ending) {
        let Some(call) = &mut self.call else { return };
        match (command, ending) {
            (Command::Dial, Ending::Ok) => call.hang_up_at = now + RING_FOR,
            (Command::Dial, Ending::Refused(words)) => self.end_call(&words),
            (Command::Calls, Ending::Ok) if !call.is_listed && call.state != State::Unknown => {
                call.ended.get_or_insert_with(|| "NO CARRIER".into());
            }
            (Command::Calls, Ending::Refused(_)) => {
                (call.state, call.look_at) = (State::Unknown, Instant::NEVER);
            }
            (Command::HangUp, Ending::Refused(_)) => {
                self.ask(now, Command::HangUpOld, Command::HangUpOld.words());
            }
            (Command::HangUp | Command::HangUpOld, _) => self.end_call("NO CARRIER"),
            _ => {}
        }
    }

    /// `+CLCC: id,direction,state,mode,...`
    pub(super) fn note_call_state(&mut self, now: Instant, line: &str) {
        let Some(call) = &mut self.call else { return };
        let Some(rest) = line.strip_prefix("+CLCC:") else { return };
        let mut numbers = rest.split(',').map(|part| part.trim().parse::<u8>().ok());
        let (_, direction, state, mode) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
        // A voice call that came from us.
        if direction != Some(Some(0)) || mode != Some(Some(0)) {
            return;
        }
        call.is_listed = true;
        match state.flatten() {
            Some(0) if call.state != State::Answered => {
                call.state = State::Answered;
                call.hang_up_at = call.hang_up_at.min(now + HOLD_FOR);
            }
            Some(3) if call.state == State::Dialled => call.state = State::Rings,
            _ => {}
        }
    }

    /// The network ends a call with a line of its own.
    pub(super) fn note_end_of_call(&mut self, line: &str) {
        if let Some(call) = &mut self.call
            && ends_call(line)
        {
            call.ended.get_or_insert_with(|| line.to_owned());
        }
    }

    /// The call is over; with these words if it is not known how.
    pub(super) fn end_call(&mut self, words: &str) {
        let Some(call) = self.call.take() else { return };
        let rang = |how| Event::Rang { id: call.id, how };
        let event = match call.state {
            State::Answered => rang(Rung::Answered),
            State::Rings => rang(Rung::Unanswered),
            State::Unknown if call.ended.is_none() && call.is_hanging_up => rang(Rung::Unknown),
            State::Dialled | State::Unknown => {
                let words = call.ended.unwrap_or_else(|| words.to_owned());
                Event::Failed { id: call.id, why: Why::NotReached(words) }
            }
        };
        self.tell(event);
    }
}
