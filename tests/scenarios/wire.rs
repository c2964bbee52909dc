//! The line: the shipped conversation at 9600 baud, with the devices behind it.
use std::collections::{BTreeMap, VecDeque};

use modbus_wire::{Conversation, Framing, Step, Timing};
use shouwang_core::input::{AskFailure, Outcome};
use shouwang_core::output::Ask;

use crate::devices::Device;
use crate::translate;

/// One character at 9600 8N1, us.
const CHARACTER: u64 = 1_042;

pub(crate) struct Wire {
    pub(crate) devices: Vec<Device>,
    pub(crate) is_up: bool,
    /// The thread that asks is stuck: nothing goes out, nothing ends.
    pub(crate) is_stuck: bool,
    /// What was asked, by unit id.
    pub(crate) asked: BTreeMap<u8, u32>,
    conversation: Conversation,
    waiting: VecDeque<Ask>,
    asking: Option<Ask>,
    sent: Vec<u8>,
    answer: Option<Vec<u8>>,
    /// Bytes on their way: when the last of them has come, us.
    arriving: VecDeque<(u64, Vec<u8>)>,
}

/// One ask that ended.
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    pub(crate) outcome: Outcome,
    /// The frame that went out; empty if it never did.
    pub(crate) sent: Vec<u8>,
    /// What a device put on the line for it.
    pub(crate) answer: Option<Vec<u8>>,
}

impl Wire {
    pub(crate) fn new(devices: Vec<Device>) -> Self {
        Self {
            devices,
            is_up: true,
            is_stuck: false,
            asked: BTreeMap::new(),
            conversation: conversation(),
            waiting: VecDeque::new(),
            asking: None,
            sent: Vec::new(),
            answer: None,
            arriving: VecDeque::new(),
        }
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.waiting.push_back(ask);
    }

    /// The gateway's end is gone, with everything it had asked.
    pub(crate) fn abandon(&mut self, now: u64) {
        self.waiting.clear();
        self.asking = None;
        self.conversation = conversation();
        self.conversation.reset(now);
    }

    /// Lets everything happen that is due; gives the asks that ended.
    pub(crate) fn turn(&mut self, now: u64) -> Vec<Exchange> {
        let mut ended = Vec::new();
        for device in &mut self.devices {
            device.turn(now);
        }
        while let Some((at, bytes)) = self.arriving.pop_front_if(|(at, _)| *at <= now) {
            if self.is_up {
                self.conversation.received(at, &bytes);
            }
        }
        loop {
            if self.is_stuck || self.asking.is_none() && !self.begin(now) {
                return ended;
            }
            match self.conversation.step(now) {
                Step::Send => self.send(now),
                Step::Done => ended.extend(self.end()),
                Step::Wait { .. } | Step::Idle => return ended,
            }
        }
    }

    /// When something will happen by itself, us.
    pub(crate) fn next(&mut self, now: u64) -> u64 {
        let devices = self.devices.iter().map(Device::next).min().unwrap_or(u64::MAX);
        let bytes = self.arriving.front().map_or(u64::MAX, |(at, _)| *at);
        let step = match (&self.asking, self.conversation.step(now)) {
            _ if self.is_stuck => u64::MAX,
            (Some(_), Step::Wait { until }) => until,
            (Some(_), Step::Send | Step::Done) => now,
            (None, _) if !self.waiting.is_empty() => now,
            _ => u64::MAX,
        };
        devices.min(bytes).min(step)
    }

    fn begin(&mut self, now: u64) -> bool {
        let Some(ask) = self.waiting.pop_front() else { return false };
        *self.asked.entry(ask.unit_id).or_default() += 1;
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
        self.sent.clear();
        self.answer = None;
        true
    }

    fn send(&mut self, now: u64) {
        self.sent = self.conversation.outgoing().to_vec();
        let sent_at = now + self.sent.len() as u64 * CHARACTER;
        self.conversation.sent(sent_at);
        if !self.is_up {
            return;
        }
        for device in &mut self.devices {
            if let Some((bytes, delay)) = device.answer(sent_at, &self.sent) {
                let ends = sent_at + delay + bytes.len() as u64 * CHARACTER;
                self.answer = Some(bytes.clone());
                self.arriving.push_back((ends, bytes));
            }
        }
    }

    fn end(&mut self) -> Option<Exchange> {
        let ask = self.asking.take()?;
        let delay_us = self.conversation.reply_delay_us();
        let outcome = if self.is_up {
            translate::outcome(self.conversation.answer(), delay_us)
        } else {
            Outcome::Failed(AskFailure::LineDown)
        };
        let (sent, answer) = (std::mem::take(&mut self.sent), self.answer.take());
        Some(Exchange { ask, outcome, sent, answer })
    }
}

fn conversation() -> Conversation {
    Conversation::new(Framing::Rtu, Timing::serial(9600, 10))
}
