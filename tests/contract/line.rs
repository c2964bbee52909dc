//! The gateway's end of the line: the shipped conversation at 9600 baud.
use std::collections::VecDeque;

use modbus_wire::{Conversation, Framing, Step, Timing};
use shouwang_core::input::{AskFailure, AskId, Outcome};
use shouwang_core::output::Ask;

use crate::translate;

/// One character at 9600 8N1, us.
pub(crate) const CHARACTER: u64 = 1_042;

pub(crate) struct Line {
    conversation: Conversation,
    waiting: VecDeque<Ask>,
    asking: Option<Ask>,
}

/// What the line does next.
pub(crate) enum Turn {
    /// This frame goes out now.
    Sends(Vec<u8>),
    Ended(AskId, Outcome),
    /// Nothing before then.
    Rests(u64),
}

impl Line {
    pub(crate) fn new() -> Self {
        Self { conversation: conversation(), waiting: VecDeque::new(), asking: None }
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.waiting.push_back(ask);
    }

    /// The port is opened anew; nothing is remembered of what was asked.
    pub(crate) fn open(&mut self, now: u64) {
        *self = Self::new();
        self.conversation.reset(now);
    }

    pub(crate) fn received(&mut self, now: u64, bytes: &[u8]) {
        self.conversation.received(now, bytes);
    }

    pub(crate) fn turn(&mut self, now: u64) -> Turn {
        if self.asking.is_none() && !self.begin(now) {
            return Turn::Rests(u64::MAX);
        }
        match self.conversation.step(now) {
            Step::Send => {
                let frame = self.conversation.outgoing().to_vec();
                self.conversation.sent(now + frame.len() as u64 * CHARACTER);
                Turn::Sends(frame)
            }
            Step::Done => {
                let delay_us = self.conversation.reply_delay_us();
                let outcome = translate::outcome(self.conversation.answer(), delay_us);
                match self.asking.take() {
                    Some(ask) => Turn::Ended(ask.id, outcome),
                    None => Turn::Rests(u64::MAX),
                }
            }
            Step::Wait { until } => Turn::Rests(until),
            Step::Idle => Turn::Rests(u64::MAX),
        }
    }

    /// The port is gone: what was asked ends so.
    pub(crate) fn close(&mut self) -> Vec<(AskId, Outcome)> {
        let asks = self.asking.take().into_iter().chain(std::mem::take(&mut self.waiting));
        asks.map(|ask| (ask.id, Outcome::Failed(AskFailure::LineDown))).collect()
    }

    fn begin(&mut self, now: u64) -> bool {
        let Some(ask) = self.waiting.pop_front() else { return false };
        let mut scratch = Vec::new();
        let wanted = modbus_wire::Ask {
            unit_id: ask.unit_id,
            request: translate::request(&ask.request, &mut scratch),
            first_byte_us: u32::try_from(ask.timeout.as_micros()).unwrap_or(u32::MAX),
        };
        if let Err(error) = self.conversation.begin(now, &wanted) {
            panic!("the engine asked for what no frame can hold: {error:?}");
        }
        self.asking = Some(ask);
        true
    }
}

fn conversation() -> Conversation {
    Conversation::new(Framing::Rtu, Timing::serial(9600, 10))
}
