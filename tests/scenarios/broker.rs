//! A broker that simply delivers, keeps what is retained, and goes away when the story says so.
use std::collections::{BTreeMap, VecDeque};

use shouwang_core::output::Publication;

/// A message takes this long from one client to another, us.
const DELIVERY: u64 = 2_000;
/// A connection takes this long, us.
const CONNECTING: u64 = 10_000;

/// What leaves the broker.
pub(crate) enum Leaving {
    Accepted { connection: u32 },
    Unreachable { connection: u32 },
    Receipt { connection: u32, token: u64 },
    ToDutyRoom { topic: String, body: Vec<u8>, retained: bool },
    ToGateway { topic: String, body: Vec<u8>, retained: bool },
}

pub(crate) struct Broker {
    pub(crate) is_up: bool,
    /// Takes messages and delivers them, but its receipts never come.
    pub(crate) is_mute: bool,
    /// The gateway's connection and its will.
    pub(crate) gateway: Option<(u32, Publication)>,
    duty_room_is_linked: bool,
    retained: BTreeMap<String, Vec<u8>>,
    leaving: VecDeque<(u64, Leaving)>,
}

impl Broker {
    pub(crate) fn new() -> Self {
        Self {
            is_up: true,
            is_mute: false,
            gateway: None,
            duty_room_is_linked: false,
            retained: BTreeMap::new(),
            leaving: VecDeque::new(),
        }
    }

    pub(crate) fn connect(&mut self, now: u64, connection: u32, will: Publication) {
        let at = now + CONNECTING;
        if !self.is_up {
            return self.push(at, Leaving::Unreachable { connection });
        }
        self.gateway = Some((connection, will));
        self.push(at, Leaving::Accepted { connection });
        for (topic, body) in self.retained.clone() {
            if topic.contains("/heard/") || topic.contains("/command/") {
                self.push(at, Leaving::ToGateway { topic, body, retained: true });
            }
        }
    }

    /// The gateway's connection broke without a farewell: its will is told.
    pub(crate) fn gateway_gone(&mut self, now: u64) {
        if let Some((_, will)) = self.gateway.take() {
            self.spread(now, will.topic.to_string(), will.body, true);
        }
    }

    pub(crate) fn link_duty_room(&mut self, now: u64, is_linked: bool) {
        self.duty_room_is_linked = is_linked;
        if is_linked {
            for (topic, body) in self.retained.clone() {
                self.push(now + DELIVERY, Leaving::ToDutyRoom { topic, body, retained: true });
            }
        }
    }

    pub(crate) fn publish(
        &mut self,
        now: u64,
        connection: u32,
        token: Option<u64>,
        publication: Publication,
    ) {
        if !self.is_up || self.gateway.as_ref().is_none_or(|(current, _)| *current != connection) {
            return;
        }
        if let Some(token) = token.filter(|_| !self.is_mute) {
            self.push(now + DELIVERY, Leaving::Receipt { connection, token });
        }
        self.spread(now, publication.topic.to_string(), publication.body, publication.retain);
    }

    /// The duty room, or somebody else, publishes to the gateway.
    pub(crate) fn say(&mut self, now: u64, topic: String, body: Vec<u8>, retain: bool) {
        if !self.is_up {
            return;
        }
        if retain {
            self.retained.insert(topic.clone(), body.clone());
        }
        if self.gateway.is_some() {
            self.push(now + DELIVERY, Leaving::ToGateway { topic, body, retained: false });
        }
    }

    pub(crate) fn retained(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.retained.iter().map(|(topic, body)| (topic.as_str(), body.as_slice()))
    }

    pub(crate) fn next(&self) -> u64 {
        self.leaving.front().map_or(u64::MAX, |(at, _)| *at)
    }

    pub(crate) fn take(&mut self, now: u64) -> Option<Leaving> {
        self.leaving.pop_front_if(|(at, _)| *at <= now).map(|(_, leaving)| leaving)
    }

    fn spread(&mut self, now: u64, topic: String, body: Vec<u8>, retain: bool) {
        if retain && body.is_empty() {
            self.retained.remove(&topic);
        } else if retain {
            self.retained.insert(topic.clone(), body.clone());
        }
        if self.duty_room_is_linked {
            self.push(now + DELIVERY, Leaving::ToDutyRoom { topic, body, retained: false });
        }
    }

    /// One connection delivers in order.
    fn push(&mut self, at: u64, leaving: Leaving) {
        let at = self.leaving.back().map_or(at, |(last, _)| at.max(*last));
        self.leaving.push_back((at, leaving));
    }
}
