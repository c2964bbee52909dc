//! One line: the shipped conversation on a wire that takes its time, with the devices behind it.
use std::collections::VecDeque;

use modbus_wire::{Conversation, Framing, Step, Timing};
use shouwang_core::input::Outcome;
use shouwang_core::output::Ask;

use super::chance::Chance;
use super::devices::Device;
use super::translate;

/// One character at 9600 8N1, us.
const CHARACTER: u64 = 1_042;

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) devices: Vec<Device>,
    conversation: Conversation,
    waiting: VecDeque<Ask>,
    asking: Option<Ask>,
    /// Bytes that will arrive: when the last of them has, us.
    arriving: Vec<(u64, Vec<u8>)>,
    pub(super) is_up: bool,
}

impl Wire {
    pub(super) fn new(devices: Vec<Device>) -> Self {
        let timing = Timing::serial(9600, 10);
        let conversation = Conversation::new(Framing::Rtu, timing);
        Self {
            devices,
            conversation,
            waiting: VecDeque::new(),
            asking: None,
            arriving: Vec::new(),
            is_up: true,
        }
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.waiting.push_back(ask);
    }

    /// The gateway's process is gone; the wire and what is on it are not.
    pub(super) fn abandon(&mut self, now: u64) {
        self.waiting.clear();
        self.asking = None;
        self.conversation = Conversation::new(Framing::Rtu, Timing::serial(9600, 10));
        self.conversation.reset(now);
    }

    /// Lets everything due happen; gives the asks that ended.
    pub(super) fn turn(&mut self, now: u64, chance: &mut Chance) -> Vec<(u64, Outcome)> {
        let mut ended = Vec::new();
        let due = |(at, _): &(u64, Vec<u8>)| *at <= now;
        self.arriving.sort_by_key(|(at, _)| *at);
        while self.arriving.first().is_some_and(due) {
            let (at, bytes) = self.arriving.remove(0);
            if self.is_up {
                self.conversation.received(at, &bytes);
            }
        }
        loop {
            if self.asking.is_none() && !self.begin(now, &mut ended) {
                return ended;
            }
            match self.conversation.step(now) {
                Step::Send => self.send(now, chance),
                Step::Done => {
                    let outcome =
                        translate::outcome(self.conversation.answer(), self.conversation.reply_delay_us());
                    ended.extend(self.asking.take().map(|ask| (ask.id, outcome)));
                }
                Step::Wait { .. } | Step::Idle => return ended,
            }
        }
    }

    /// When something will happen by itself.
    pub(super) fn next(&mut self, now: u64) -> u64 {
        let bytes = self.arriving.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
        let step = match (&self.asking, self.conversation.step(now)) {
            (Some(_), Step::Wait { until }) => until,
            (Some(_), Step::Send | Step::Done) => now,
            (None, _) if !self.waiting.is_empty() => now,
            _ => u64::MAX,
        };
        bytes.min(step)
    }

    fn begin(&mut self, now: u64, ended: &mut Vec<(u64, Outcome)>) -> bool {
        let Some(ask) = self.waiting.pop_front() else { return false };
        let mut scratch = Vec::new();
        let wire_ask = modbus_wire::Ask {
            unit_id: ask.unit_id,
            request: translate::request(&ask.request, &mut scratch),
            first_byte_us: u32::try_from(ask.timeout.as_micros()).unwrap_or(u32::MAX),
        };
        match self.conversation.begin(now, &wire_ask) {
            Ok(()) => self.asking = Some(ask),
            Err(_) => ended.push((ask.id, Outcome::Failed(shouwang_core::input::AskFailure::WrongAnswer))),
        }
        true
    }

    fn send(&mut self, now: u64, chance: &mut Chance) {
        let frame = self.conversation.outgoing().to_vec();
        let sent = now + frame.len() as u64 * CHARACTER;
        self.conversation.sent(sent);
        if !self.is_up {
            return;
        }
        for device in &self.devices {
            if let Some((bytes, delay)) = device.answer(&frame, chance) {
                let ends = sent + delay + bytes.len() as u64 * CHARACTER;
                self.arriving.push((ends, bytes));
            }
        }
    }
}
