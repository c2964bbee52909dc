//! A broker that keeps the letter of MQTT and nothing else: it takes its time, goes away, comes back without
//! a memory, loses what it had receipted, doubles, answers out of order, and has junk on its topics.
use std::collections::BTreeMap;

use shouwang_core::output::Publication;
use shouwang_message::{Leaf, LogId, Sequence, Topic};

use super::chance::Chance;
use super::scenario::{MS, SECOND};

/// How many kinds of leftovers [`Broker::junk`] knows.
pub(super) const JUNK_KINDS: u8 = 7;

/// What leaves the broker.
#[derive(Clone, Debug)]
pub(super) enum Leaving {
    Accepted {
        connection: u32,
    },
    Refused {
        connection: u32,
    },
    Receipt {
        connection: u32,
        token: u64,
    },
    ToDutyRoom {
        link: u32,
        topic: String,
        body: Vec<u8>,
        retained: bool,
    },
    ToGateway {
        connection: u32,
        topic: String,
        body: Vec<u8>,
        retained: bool,
    },
    /// The broker notices that a connection is dead.
    Buried {
        client: u64,
    },
}

/// The gateway as a client.
struct Client {
    number: u64,
    connection: u32,
    will: Publication,
    /// What it says reaches nobody.
    is_mute: bool,
}

pub(super) struct Broker {
    pub(super) is_up: bool,
    /// New connections of the gateway find nobody.
    pub(super) is_cut_off: bool,
    client: Option<Client>,
    /// Clients that are gone without the broker knowing it yet, with their wills.
    undead: Vec<Client>,
    clients: u64,
    /// The duty room's connection; none while it has none.
    pub(super) duty_room: Option<u32>,
    pub(super) retained: BTreeMap<String, Vec<u8>>,
    leaving: BTreeMap<(u64, u64), Leaving>,
    entries: u64,
    /// Messages of one connection do not overtake each other: when the last to each end leaves.
    to_gateway_at: u64,
    to_duty_room_at: u64,
    pub(super) loses_percent: u64,
    pub(super) doubles_percent: u64,
    pub(super) is_disorderly: bool,
    delay_us: (u64, u64),
    chance: Chance,
}

impl Broker {
    pub(super) fn new(slow: bool, chance: Chance) -> Self {
        Self {
            is_up: true,
            is_cut_off: false,
            client: None,
            undead: Vec::new(),
            clients: 0,
            duty_room: None,
            retained: BTreeMap::new(),
            leaving: BTreeMap::new(),
            entries: 0,
            to_gateway_at: 0,
            to_duty_room_at: 0,
            loses_percent: 0,
            doubles_percent: 0,
            is_disorderly: false,
            delay_us: if slow { (20 * MS, 400 * MS) } else { (MS / 2, 5 * MS) },
            chance,
        }
    }

    /// The gateway's connection, unless it is silently dead.
    pub(super) fn connection(&self) -> Option<u32> {
        self.client.as_ref().filter(|client| !client.is_mute).map(|client| client.connection)
    }

    /// Goes down. What was on its way is lost; what it kept only if it forgets.
    pub(super) fn go_down(&mut self, forgets: bool) {
        self.is_up = false;
        self.leaving.clear();
        self.client = None;
        self.undead.clear();
        self.duty_room = None;
        if forgets {
            self.retained.clear();
        }
    }

    pub(super) fn connect(&mut self, now: u64, connection: u32, will: Publication) {
        let at = now + self.chance.between(MS, 30 * MS);
        if !self.is_up || self.is_cut_off {
            return self.enter(at, Leaving::Refused { connection });
        }
        self.clients += 1;
        self.client = Some(Client { number: self.clients, connection, will, is_mute: false });
        self.to_gateway_at = at;
        self.enter(at, Leaving::Accepted { connection });
        for (topic, body) in self.retained.clone() {
            if topic.contains("/heard/") || topic.contains("/command/") {
                self.enter(at, Leaving::ToGateway { connection, topic, body, retained: true });
            }
        }
    }

    /// The gateway's connection is gone without a farewell. The broker says the will when it notices: at
    /// once, or if the connection was dead already, after its keep-alive.
    pub(super) fn gateway_gone(&mut self, now: u64) {
        let Some(client) = self.client.take() else { return };
        if client.is_mute {
            let at = now + self.chance.between(SECOND, 30 * SECOND);
            self.enter(at, Leaving::Buried { client: client.number });
            self.undead.push(client);
        } else {
            self.say_will(now, &client);
        }
    }

    /// It said goodbye.
    pub(super) fn gateway_left(&mut self) {
        self.client = None;
    }

    /// From now on nothing of this connection comes through, and nobody is told.
    pub(super) fn silence_connection(&mut self) {
        if let Some(client) = &mut self.client {
            client.is_mute = true;
        }
        self.leaving.retain(|_, leaving| {
            !matches!(leaving, Leaving::Receipt { .. } | Leaving::ToGateway { .. } | Leaving::Accepted { .. })
        });
    }

    pub(super) fn bury(&mut self, now: u64, number: u64) {
        if let Some(place) = self.undead.iter().position(|client| client.number == number) {
            let client = self.undead.remove(place);
            self.say_will(now, &client);
        }
    }

    pub(super) fn link_duty_room(&mut self, now: u64, link: u32) {
        self.duty_room = Some(link);
        self.to_duty_room_at = now + MS;
        for (topic, body) in self.retained.clone() {
            if !topic.contains("/heard/") && !topic.contains("/command/") {
                self.enter(now + MS, Leaving::ToDutyRoom { link, topic, body, retained: true });
            }
        }
    }

    /// The gateway publishes.
    pub(super) fn publish(
        &mut self,
        now: u64,
        connection: u32,
        token: Option<u64>,
        publication: &Publication,
    ) {
        let heard =
            self.client.as_ref().is_some_and(|client| client.connection == connection && !client.is_mute);
        if !self.is_up || !heard {
            return;
        }
        let at = now + self.delay();
        if let Some(token) = token {
            let receipt = Leaving::Receipt { connection, token };
            if self.is_disorderly {
                let later = at + self.chance.between(0, SECOND);
                self.enter(later, receipt);
            } else {
                self.to_gateway_at = self.to_gateway_at.max(at);
                self.enter(self.to_gateway_at, receipt);
            }
        }
        // What is lost for the duty room's connection is not what is kept for the next. A device's state has no
        // receipt of the duty room's own: a broker that loses one leaves it with the state before until then.
        let may_be_lost = !matches!(publication.topic.leaf, Leaf::DeviceState(_) | Leaf::Info | Leaf::State);
        let is_lost = may_be_lost && self.chance.percent(self.loses_percent);
        self.spread(at, &publication.topic.to_string(), &publication.body, publication.retain, is_lost);
    }

    /// The duty room publishes.
    pub(super) fn say(&mut self, now: u64, topic: &str, body: &[u8], retain: bool) {
        if !self.is_up || self.duty_room.is_none() {
            return;
        }
        if retain {
            self.retained.insert(topic.to_owned(), body.to_vec());
        }
        let Some(connection) = self.connection() else { return };
        self.to_gateway_at = self.to_gateway_at.max(now + self.delay());
        let copies = 1 + u8::from(self.chance.percent(self.doubles_percent));
        for _ in 0..copies {
            let (topic, body) = (topic.to_owned(), body.to_vec());
            self.enter(self.to_gateway_at, Leaving::ToGateway { connection, topic, body, retained: false });
        }
    }

    /// Something that does not belong there is on a topic, retained or not.
    pub(super) fn junk(&mut self, now: u64, kind: u8, newest: Sequence, command: Option<Vec<u8>>) {
        let base = "shouwang/v1/town/gw-1";
        let other = LogId::from_parts(9, 9);
        let (leaf, body) = match kind {
            0 => (
                "heard/duty-1",
                format!(r#"{{"log":"{other}","up_to":{newest},"armed":1,"at":"2026-11-22T00:00:00Z"}}"#),
            ),
            1 => ("heard/duty-1", "not a document".into()),
            2 => ("event", r#"{"specversion":"1.0"}"#.into()),
            3 => ("alarm/01ARZ3NDEKTSV4RRFFQ69G5FAV", "{}".into()),
            4 => ("device/device-20/state", r#"{"state":"purple"}"#.into()),
            5 => ("nonsense/of/somebody", "x".repeat(2_000)),
            _ => {
                let Some(body) = command else { return };
                let topic = format!("{base}/command/acknowledge");
                self.retained.insert(topic, body);
                return;
            }
        };
        let topic = format!("{base}/{leaf}");
        self.spread(now, &topic, body.as_bytes(), true, false);
        if let (0 | 1, Some(connection)) = (kind, self.connection()) {
            let body = body.into_bytes();
            self.enter(now + MS, Leaving::ToGateway { connection, topic, body, retained: false });
        }
    }

    /// The duty room's own newest word is what should be kept there again.
    pub(super) fn clean(&mut self) {
        self.retained.retain(|topic, _| {
            topic.parse::<Topic>().is_ok_and(|topic| !matches!(topic.leaf, Leaf::Command(_)))
        });
    }

    pub(super) fn next(&self) -> u64 {
        self.leaving.first_key_value().map_or(u64::MAX, |((at, _), _)| *at)
    }

    pub(super) fn take(&mut self, now: u64) -> Option<Leaving> {
        self.leaving.first_entry().filter(|first| first.key().0 <= now).map(|first| first.remove())
    }

    fn say_will(&mut self, now: u64, client: &Client) {
        let topic = client.will.topic.to_string();
        self.spread(now, &topic, &client.will.body.clone(), client.will.retain, false);
    }

    fn spread(&mut self, now: u64, topic: &str, body: &[u8], retain: bool, is_lost: bool) {
        if retain && body.is_empty() {
            self.retained.remove(topic);
        } else if retain {
            self.retained.insert(topic.to_owned(), body.to_vec());
        }
        let Some(link) = self.duty_room.filter(|_| !is_lost) else { return };
        self.to_duty_room_at = self.to_duty_room_at.max(now + MS);
        for _ in 0..1 + u8::from(self.chance.percent(self.doubles_percent)) {
            let (topic, body) = (topic.to_owned(), body.to_vec());
            self.enter(self.to_duty_room_at, Leaving::ToDutyRoom { link, topic, body, retained: false });
        }
    }

    fn delay(&mut self) -> u64 {
        self.chance.between(self.delay_us.0, self.delay_us.1)
    }

    fn enter(&mut self, at: u64, leaving: Leaving) {
        self.entries += 1;
        self.leaving.insert((at, self.entries), leaving);
    }
}
