//! One line: the shipped conversation at 9600 baud on a wire that takes its time, with the devices behind it.
use std::collections::VecDeque;

use modbus_wire::{Conversation, Framing, Step, Timing};
use shouwang_core::input::{AskFailure, AskId, Outcome};
use shouwang_core::output::Ask;

use super::chance::Chance;
use super::device::{Device, Manners};
use super::scenario::MS;
use super::translate;

/// One character at 9600 8N1, us.
const CHARACTER: u64 = 1_042;
/// A babbler says something about this often, us.
const BABBLE: u64 = 40 * MS;

pub(super) struct Line {
    pub(super) devices: Vec<Device>,
    conversation: Conversation,
    waiting: VecDeque<Ask>,
    asking: Option<Ask>,
    /// A frame of ours that the devices have heard by then, us.
    leaving: Option<(u64, Vec<u8>)>,
    /// What will have arrived when: beginning and end of each piece, us.
    arriving: Vec<(u64, u64, Vec<u8>)>,
    babble_at: u64,
    echoes: bool,
    /// The port is there; the cable behind it is whole.
    pub(super) is_open: bool,
    pub(super) is_whole: bool,
    /// Since when the port has been gone, us.
    pub(super) closed_since: Option<u64>,
    /// When its port or cable was last not well, us.
    pub(super) odd_until: u64,
    chance: Chance,
}

/// An ask that ended.
pub(super) struct Ended {
    pub(super) ask: Ask,
    pub(super) outcome: Outcome,
}

impl Line {
    pub(super) fn new(devices: Vec<Device>, echoes: bool, chance: Chance) -> Self {
        Self {
            devices,
            conversation: conversation(),
            waiting: VecDeque::new(),
            asking: None,
            leaving: None,
            arriving: Vec::new(),
            babble_at: u64::MAX,
            echoes,
            is_open: true,
            is_whole: true,
            closed_since: None,
            odd_until: 0,
            chance,
        }
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.waiting.push_back(ask);
    }

    /// The port is opened anew: nothing is remembered of what was asked. The wire and what is on it stay.
    pub(super) fn reopen(&mut self, now: u64) {
        self.waiting.clear();
        self.asking = None;
        self.conversation = conversation();
        self.conversation.reset(now);
    }

    /// Asks that are with the line now.
    pub(super) fn asks(&self) -> usize {
        self.waiting.len() + usize::from(self.asking.is_some())
    }

    pub(super) fn set_manners(&mut self, now: u64, number: u16, manners: Manners) {
        let Some(device) = self.devices.iter_mut().find(|device| device.shape.number == number) else {
            return;
        };
        if device.manners == Manners::Clash {
            device.clashed_until = now;
        }
        device.manners = manners;
        device.silent_since = (manners == Manners::Dead).then_some(now);
        device.odd_until = now;
        let babbles = self.devices.iter().any(|device| device.manners == Manners::Babbles);
        self.babble_at = if babbles { now } else { u64::MAX };
        if babbles {
            self.odd_until = now;
        }
    }

    /// Lets everything due happen; gives the asks that ended.
    pub(super) fn turn(&mut self, now: u64, ended: &mut Vec<Ended>) {
        self.bring(now);
        loop {
            if self.asking.is_none() && !self.begin(now, ended) {
                return;
            }
            match self.conversation.step(now) {
                Step::Send => self.send(now),
                Step::Done => {
                    let delay_us = self.conversation.reply_delay_us();
                    let outcome = translate::outcome(self.conversation.answer(), delay_us);
                    ended.extend(self.asking.take().map(|ask| Ended { ask, outcome }));
                }
                Step::Wait { .. } | Step::Idle => return,
            }
        }
    }

    /// When something will happen by itself.
    pub(super) fn next(&mut self, now: u64) -> u64 {
        let bytes = self.arriving.iter().map(|(_, end, _)| *end).min().unwrap_or(u64::MAX);
        let leaving = self.leaving.as_ref().map_or(u64::MAX, |(at, _)| *at);
        let step = match (&self.asking, self.conversation.step(now)) {
            (Some(_), Step::Wait { until }) => until,
            (Some(_), Step::Send | Step::Done) => now,
            (None, _) if !self.waiting.is_empty() => now,
            _ => u64::MAX,
        };
        bytes.min(leaving).min(step).min(self.babble_at)
    }

    /// What the devices hear, and what arrives from them.
    fn bring(&mut self, now: u64) {
        if let Some((at, frame)) = self.leaving.take_if(|(at, _)| *at <= now) {
            self.let_devices_hear(at, &frame);
        }
        if self.babble_at <= now {
            self.babble_at = now + self.chance.between(BABBLE / 2, BABBLE * 2);
            let noise: Vec<u8> = (0..self.chance.between(2, 20)).map(|_| self.chance.next() as u8).collect();
            self.put_on_wire(now, noise);
        }
        while let Some(place) = self.arriving.iter().position(|(_, end, _)| *end <= now) {
            let (_, end, bytes) = self.arriving.remove(place);
            if self.is_open {
                self.conversation.received(end, &bytes);
            }
        }
    }

    fn let_devices_hear(&mut self, at: u64, frame: &[u8]) {
        if !self.is_open {
            return;
        }
        if self.echoes {
            self.conversation.received(at, frame);
        }
        if !self.is_whole {
            return;
        }
        let mut answers = Vec::new();
        for device in &mut self.devices {
            answers.extend(device.hear(at, frame, &mut self.chance));
        }
        for (begins, bytes) in answers {
            self.put_on_wire(begins, bytes);
        }
    }

    /// Two that speak at once spoil each other; what is left of both arrives together.
    fn put_on_wire(&mut self, begins: u64, bytes: Vec<u8>) {
        let ends = begins + bytes.len() as u64 * CHARACTER;
        let meets = |(from, until, _): &(u64, u64, Vec<u8>)| *from < ends && begins < *until;
        let Some(place) = self.arriving.iter().position(meets) else {
            return self.arriving.push((begins, ends, bytes));
        };
        let (from, until, mut mixed) = self.arriving.remove(place);
        for (one, other) in mixed.iter_mut().zip(&bytes) {
            *one &= other.rotate_left(1);
        }
        mixed.extend(bytes.iter().skip(mixed.len()));
        self.arriving.push((from.min(begins), until.max(ends), mixed));
    }

    fn begin(&mut self, now: u64, ended: &mut Vec<Ended>) -> bool {
        let Some(ask) = self.waiting.pop_front() else { return false };
        let mut scratch = Vec::new();
        let wanted = modbus_wire::Ask {
            unit_id: ask.unit_id,
            request: translate::request(&ask.request, &mut scratch),
            first_byte_us: u32::try_from(ask.timeout.as_micros()).unwrap_or(u32::MAX),
        };
        match self.conversation.begin(now, &wanted) {
            Ok(()) => self.asking = Some(ask),
            Err(_) => ended.push(Ended { ask, outcome: Outcome::Failed(AskFailure::WrongAnswer) }),
        }
        true
    }

    fn send(&mut self, now: u64) {
        let frame = self.conversation.outgoing().to_vec();
        let sent = now + frame.len() as u64 * CHARACTER;
        self.conversation.sent(sent);
        self.leaving = Some((sent, frame));
    }
}

impl Ended {
    pub(super) fn id(&self) -> AskId {
        self.ask.id
    }
}

fn conversation() -> Conversation {
    Conversation::new(Framing::Rtu, Timing::serial(9600, 10))
}
