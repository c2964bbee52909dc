//! A broker that is honest about receipts and nothing else: it takes its time, goes away, comes back
//! without a memory, and may lose what it had receipted but not yet delivered.
use std::collections::{BTreeMap, VecDeque};

use shouwang_core::output::Publication;

use super::chance::Chance;

/// What leaves the broker, and when.
#[derive(Debug)]
pub(super) enum Leaving {
    Accepted { connection: u32 },
    Refused { connection: u32 },
    Receipt { connection: u32, token: u64 },
    ToDutyRoom { topic: String, body: Vec<u8>, retained: bool },
    ToGateway { topic: String, body: Vec<u8>, retained: bool },
}

#[derive(Debug)]
pub(super) struct Broker {
    pub(super) is_up: bool,
    pub(super) gateway: Option<(u32, Publication)>,
    pub(super) duty_room_linked: bool,
    retained: BTreeMap<String, Vec<u8>>,
    leaving: VecDeque<(u64, Leaving)>,
    /// Loses one in so many percent of what it has receipted for the duty room.
    pub(super) forgets_percent: u64,
    delay_us: (u64, u64),
}

impl Broker {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let slow = chance.percent(30);
        Self {
            is_up: true,
            gateway: None,
            duty_room_linked: false,
            retained: BTreeMap::new(),
            leaving: VecDeque::new(),
            forgets_percent: 0,
            delay_us: if slow { (20_000, 400_000) } else { (500, 5_000) },
        }
    }

    /// Restarts without a memory.
    pub(super) fn forget(&mut self) {
        self.leaving.clear();
        self.retained.clear();
        self.gateway = None;
        self.duty_room_linked = false;
    }

    pub(super) fn connect(&mut self, now: u64, connection: u32, will: Publication, chance: &mut Chance) {
        let at = now + chance.between(1_000, 30_000);
        if self.is_up {
            self.gateway = Some((connection, will));
            self.push(at, Leaving::Accepted { connection });
            for (topic, body) in self.retained.clone() {
                if topic.contains("/heard/") {
                    self.push(at, Leaving::ToGateway { topic, body, retained: true });
                }
            }
        } else {
            self.push(at, Leaving::Refused { connection });
        }
    }

    /// The gateway's connection broke without a farewell: the will is told.
    pub(super) fn gateway_gone(&mut self, now: u64, chance: &mut Chance) {
        if let Some((_, will)) = self.gateway.take() {
            let topic = will.topic.to_string();
            self.spread(now, &topic, &will.body, true, chance);
        }
    }

    pub(super) fn link_duty_room(&mut self, now: u64) {
        self.duty_room_linked = true;
        for (topic, body) in self.retained.clone() {
            self.push(now + 1_000, Leaving::ToDutyRoom { topic, body, retained: true });
        }
    }

    pub(super) fn publish(
        &mut self,
        now: u64,
        connection: u32,
        token: Option<u64>,
        publication: &Publication,
        chance: &mut Chance,
    ) {
        if !self.is_up || self.gateway.as_ref().is_none_or(|(current, _)| *current != connection) {
            return;
        }
        let at = now + chance.between(self.delay_us.0, self.delay_us.1);
        if let Some(token) = token {
            self.push(at, Leaving::Receipt { connection, token });
        }
        if !chance.percent(self.forgets_percent) {
            self.spread(at, &publication.topic.to_string(), &publication.body, publication.retain, chance);
        }
    }

    /// The duty room publishes.
    pub(super) fn say(&mut self, now: u64, topic: String, body: Vec<u8>, retain: bool, chance: &mut Chance) {
        if !self.is_up || !self.duty_room_linked {
            return;
        }
        if retain {
            self.retained.insert(topic.clone(), body.clone());
        }
        let at = now + chance.between(self.delay_us.0, self.delay_us.1);
        if self.gateway.is_some() {
            self.push(at, Leaving::ToGateway { topic, body, retained: false });
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.leaving.front().map_or(u64::MAX, |(at, _)| *at)
    }

    pub(super) fn take(&mut self, now: u64) -> Option<Leaving> {
        self.leaving.pop_front_if(|(at, _)| *at <= now).map(|(_, leaving)| leaving)
    }

    fn spread(&mut self, now: u64, topic: &str, body: &[u8], retain: bool, chance: &mut Chance) {
        if retain {
            if body.is_empty() {
                self.retained.remove(topic);
            } else {
                self.retained.insert(topic.to_owned(), body.to_vec());
            }
        }
        if self.duty_room_linked {
            // Quality of service 1: now and then delivered twice.
            let twice = chance.percent(3);
            for _ in 0..=u8::from(twice) {
                let leaving =
                    Leaving::ToDutyRoom { topic: topic.to_owned(), body: body.to_vec(), retained: false };
                self.push(now + 1_000, leaving);
            }
        }
    }

    /// One connection delivers in order, so nothing overtakes what is already leaving.
    fn push(&mut self, at: u64, leaving: Leaving) {
        let at = self.leaving.back().map_or(at, |(last, _)| at.max(*last));
        self.leaving.push_back((at, leaving));
    }
}
