//! A subscriber that keeps everything a gateway says, with the moment it arrived.
//!
//! It has a session at the broker, so what is published while it reconnects is not missed; events are told
//! apart by their id, as a duty room does. On request it answers as one: it says what it has heard.
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::{Client, Connection, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;
use shouwang_message::HeardDocument;

use crate::configuration::{GATEWAY, SITE};
use crate::{Mosquitto, clock, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to connect: well below a gateway's, so that the listener is there first.
const RECONNECT: Duration = Duration::from_millis(5);
const LARGEST_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Each listener has a session of its own.
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    pub at: Instant,
    /// What comes after `shouwang/v1/{site}/{gateway}/`.
    pub leaf: String,
    pub retained: bool,
    pub payload: Vec<u8>,
}

/// One event of the log, the first time it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub json: Value,
}

/// The subscriber. Dropping it ends it.
pub struct Listener {
    client: Client,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    messages: Mutex<Vec<Message>>,
    subscriptions: AtomicU32,
    stop: AtomicBool,
}

impl Listener {
    /// Hears everything below the gateway's root.
    pub fn start(broker: &Mosquitto) -> Self {
        Self::start_with(broker, None)
    }

    /// The same, and publishes `/heard/{duty_room}` for the events it has, as a duty room would.
    pub fn start_hearing(broker: &Mosquitto, duty_room: &str) -> Self {
        Self::start_with(broker, Some(duty_room.to_owned()))
    }

    fn start_with(broker: &Mosquitto, duty_room: Option<String>) -> Self {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut options = MqttOptions::new(format!("listener-{number}"), "127.0.0.1", broker.port());
        options.set_clean_session(false);
        options.set_keep_alive(Duration::from_secs(10));
        options.set_max_packet_size(LARGEST_MESSAGE_BYTES, LARGEST_MESSAGE_BYTES);
        let (client, connection) = Client::new(options, 1000);
        let shared = Arc::new(Shared::default());
        let (theirs, asking) = (Arc::clone(&shared), client.clone());
        let thread = std::thread::spawn(move || listen(connection, &asking, &theirs, duty_room.as_deref()));
        let listener = Self { client, shared, thread: Some(thread) };
        wait_until(LIMIT, "the listener should be subscribed", || listener.subscriptions() > 0);
        listener
    }

    /// Publishes on a topic below the gateway's root, QoS 1.
    pub fn publish(&self, leaf: &str, retain: bool, payload: impl Into<Vec<u8>>) {
        let topic = format!("{}{leaf}", prefix());
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload.into()).expect("the listener runs");
    }

    /// Everything so far, in order of arrival.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().clone()
    }

    /// The newest message on a topic below the gateway's root, as JSON.
    pub fn newest(&self, leaf: &str) -> Option<Value> {
        let messages = self.lock();
        let newest = messages.iter().rev().find(|message| message.leaf == leaf)?;
        serde_json::from_slice(&newest.payload).ok()
    }

    /// Every event once, in the order in which each first arrived.
    pub fn events(&self) -> Vec<Heard> {
        let mut events: Vec<Heard> = Vec::new();
        for message in self.lock().iter().filter(|message| message.leaf == "event") {
            let json: Value = serde_json::from_slice(&message.payload).expect("an event is JSON");
            if events.iter().all(|known| known.json["id"] != json["id"]) {
                events.push(Heard { at: message.at, json });
            }
        }
        events
    }

    /// The events of one type, such as `shouwang.alarm.raised.v1`.
    pub fn events_of(&self, kind: &str) -> Vec<Heard> {
        self.events().into_iter().filter(|event| event.kind() == kind).collect()
    }

    /// Waits for the first event of this type about this subject.
    pub fn wait_for_event(&self, limit: Duration, kind: &str, subject: &str) -> Heard {
        wait_for(limit, &format!("{kind} of {subject} should arrive; {}", self.summary()), || {
            self.events_of(kind).into_iter().find(|event| event.subject() == subject)
        })
    }

    /// Waits until the newest `/state` says this.
    pub fn wait_for_state(&self, limit: Duration, state: &str) {
        wait_until(limit, &format!("the gateway's state should be {state}"), || {
            self.newest("state").is_some_and(|document| document["state"] == state)
        });
    }

    /// Waits until this device's state says this.
    pub fn wait_for_device(&self, limit: Duration, device: &str, state: &str) {
        wait_until(limit, &format!("device {device} should be {state}"), || {
            self.newest(&format!("device/{device}/state")).is_some_and(|document| document["state"] == state)
        });
    }

    /// How often it was subscribed, so how often it connected.
    pub fn subscriptions(&self) -> u32 {
        self.shared.subscriptions.load(Ordering::Acquire)
    }

    fn summary(&self) -> String {
        let kinds: Vec<String> =
            self.events().iter().map(|e| format!("{} {}", e.kind(), e.subject())).collect();
        format!("before waiting there were {} events: {}", kinds.len(), kinds.join(", "))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        self.shared.messages.lock().expect("the listener's thread does not panic")
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Heard {
    pub fn kind(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }

    pub fn subject(&self) -> &str {
        self.json["subject"].as_str().unwrap_or_default()
    }

    pub fn sequence(&self) -> u64 {
        self.json["sequence"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Fails only if the thread has ended already.
        let _ = self.client.try_disconnect();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn prefix() -> String {
    format!("{}/{SITE}/{GATEWAY}/", shouwang_message::topic::ROOT)
}

fn listen(mut connection: Connection, client: &Client, shared: &Shared, duty_room: Option<&str>) {
    let prefix = prefix();
    let mut hearing = Hearing::default();
    while !shared.stop.load(Ordering::Acquire) {
        let publish = match connection.recv() {
            Ok(Ok(Event::Incoming(Incoming::ConnAck(_)))) => {
                let _ = client.try_subscribe(format!("{prefix}#"), QoS::AtLeastOnce);
                continue;
            }
            Ok(Ok(Event::Incoming(Incoming::SubAck(_)))) => {
                shared.subscriptions.fetch_add(1, Ordering::AcqRel);
                continue;
            }
            Ok(Ok(Event::Incoming(Incoming::Publish(publish)))) => publish,
            Ok(Err(_)) => {
                clock::pause(RECONNECT);
                continue;
            }
            _ => continue,
        };
        let Some(leaf) = publish.topic.strip_prefix(&prefix) else { continue };
        let message = Message {
            at: clock::now(),
            leaf: leaf.to_owned(),
            retained: publish.retain,
            payload: publish.payload.to_vec(),
        };
        if let (Some(duty_room), "event", false) = (duty_room, leaf, publish.retain)
            && let Some(heard) = hearing.hear(&message.payload)
        {
            let _ = client.try_publish(
                format!("{prefix}heard/{duty_room}"),
                QoS::AtLeastOnce,
                true,
                shouwang_message::to_bytes(&heard),
            );
        }
        let mut messages = shared.messages.lock().expect("tests only read");
        messages.push(message);
    }
}

/// What a duty room would say it has heard: everything up to the first gap.
#[derive(Debug, Default)]
struct Hearing {
    up_to: u64,
}

impl Hearing {
    fn hear(&mut self, payload: &[u8]) -> Option<HeardDocument> {
        let event: Value = serde_json::from_slice(payload).ok()?;
        let sequence: u64 = event["sequence"].as_str()?.parse().ok()?;
        let log = event["id"].as_str()?.split('/').nth(1)?.parse().ok()?;
        if sequence == self.up_to + 1 {
            self.up_to = sequence;
        }
        Some(HeardDocument { log, up_to: self.up_to, armed: 1, at: clock::wall() })
    }
}
