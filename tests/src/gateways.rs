//! Gateways as far as MQTT sees them: each with a connection of its own, publishing what it is given in order and
//! remembering what the duty room has heard and when. For benchmarks of a duty room by itself.
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::{Client, Connection, Event as Told, Incoming, MqttOptions, QoS};
use shouwang_message::{
    Event, GatewayState, HeardDocument, Heartbeat, StateDocument, StoreHealth, Timestamp, from_bytes,
    to_bytes,
};

use crate::{Mosquitto, clock, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// `gw-0`, `gw-1`.. of the site `heping`. Dropping them cuts their connections.
pub struct Gateways {
    gateways: Vec<Gateway>,
}

struct Gateway {
    client: Client,
    heard: Arc<Heard>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    up: AtomicBool,
    /// How far it was heard, and when that came.
    receipts: Mutex<Vec<(u64, Instant)>>,
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.gateways.iter().map(|gateway| &gateway.heard)).finish()
    }
}

impl Gateways {
    pub fn connect(broker: &Mosquitto, count: usize) -> Self {
        let gateways: Vec<_> = (0..count).map(|n| Gateway::connect(broker, n)).collect();
        wait_until(LIMIT, "all gateways should be connected", || {
            gateways.iter().all(|gateway| gateway.heard.up.load(Ordering::Relaxed))
        });
        Self { gateways }
    }

    /// Publishes an event of this gateway, QoS 1.
    pub fn say(&self, gateway: usize, event: &Event) {
        let Some(one) = self.gateways.get(gateway) else { return };
        let topic = format!("shouwang/v1/heping/gw-{gateway}/event");
        one.client.publish(topic, QoS::AtLeastOnce, false, to_bytes(event)).expect("its client runs");
    }

    /// How far this gateway was heard.
    pub fn heard(&self, gateway: usize) -> u64 {
        let receipts = self.gateways.get(gateway).map(|one| one.heard.lock());
        receipts.and_then(|receipts| receipts.last().map(|(up_to, _)| *up_to)).unwrap_or_default()
    }

    /// When this gateway knew that the event of this number was heard.
    pub fn heard_at(&self, gateway: usize, sequence: u64) -> Option<Instant> {
        let receipts = self.gateways.get(gateway)?.heard.lock();
        receipts.iter().find(|(up_to, _)| *up_to >= sequence).map(|(_, at)| *at)
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Instant)>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    fn connect(broker: &Mosquitto, n: usize) -> Self {
        let mut options = MqttOptions::new(format!("gw-{n}"), "127.0.0.1", broker.port());
        options.set_keep_alive(Duration::from_secs(30)).set_inflight(100);
        let (client, connection) = Client::new(options, 10_000);
        let root = format!("shouwang/v1/heping/gw-{n}");
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        let state = StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at };
        client.subscribe(format!("{root}/heard/+"), QoS::AtLeastOnce).expect("its client runs");
        client
            .publish(format!("{root}/state"), QoS::AtLeastOnce, true, to_bytes(&state))
            .expect("its client runs");
        let heard = Arc::new(Heard::default());
        let (theirs, asking) = (Arc::clone(&heard), client.clone());
        let thread = std::thread::spawn(move || listen(connection, &asking, &root, &theirs));
        Self { client, heard, thread: Some(thread) }
    }
}

fn listen(mut connection: Connection, client: &Client, root: &str, heard: &Heard) {
    let mut beat_at = clock::now();
    for told in connection.iter() {
        let now = clock::now();
        match told {
            Ok(Told::Incoming(Incoming::SubAck(_))) => heard.up.store(true, Ordering::Relaxed),
            Ok(Told::Incoming(Incoming::Publish(message))) => {
                if let Ok(document) = from_bytes::<HeardDocument>(&message.payload) {
                    heard.lock().push((document.up_to, now));
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
        if now >= beat_at {
            beat_at = now + Duration::from_secs(10);
            // Without a sign of life it would be taken for lost.
            let _ = client.try_publish(format!("{root}/heartbeat"), QoS::AtMostOnce, false, heartbeat());
        }
    }
}

fn heartbeat() -> Vec<u8> {
    to_bytes(&Heartbeat {
        at: Timestamp::from_unix_ms(1_800_000_000_000),
        clock: shouwang_message::Clock::Synced,
        boot: 1,
        sequence: 0,
        heard: std::collections::BTreeMap::new(),
        outbox: shouwang_message::OutboxHealth { unheard: 0, oldest_s: 0 },
        lines: Vec::new(),
        store: StoreHealth::Ok,
    })
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
