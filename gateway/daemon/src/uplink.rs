//! The hands for MQTT: connects, publishes and listens exactly as the core orders, and decides nothing.
//!
//! Every connection is a new client with a clean session: an MQTT library's own memory across
//! reconnections loses what it accepted, so the core's outbox is the only session store. A second
//! client, `<gateway>-commands`, listens for commands and the duty rooms' receipts while the first is up.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shouwang_core::input::{Disconnect, Input};
use shouwang_core::output::Publication;
use shouwang_message::{Id, Timestamp};
use shouwang_trust::Floor;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Broker, TrustedKeys};

mod listener;
mod publisher;
mod transport;

use publisher::Order;
pub use transport::TransportError;

/// Orders that may wait for one connection. The core keeps at most 90 publications in flight; what
/// comes on top is telemetry. A connection that is this far behind is dropped.
const ORDERS: usize = 1024;
/// A clean end waits this long for the last receipts, and as long again for the broker to take it.
const END_LIMIT: Duration = Duration::from_secs(1);

/// One gateway's way to its broker. All methods return at once; what came of them arrives as [`Input`]s.
/// Dropping it cuts the connection, so that the broker sends the will.
#[derive(Debug)]
pub struct Uplink {
    link: Arc<Link>,
    current: Option<Current>,
}

/// What both clients of all connections share.
#[derive(Debug)]
struct Link {
    site: Id,
    gateway: Id,
    broker: Broker,
    keys: TrustedKeys,
    /// The least that certificates are judged by.
    floor: Floor,
    tell: mpsc::Sender<Input>,
    ignored: AtomicU64,
}

#[derive(Debug)]
struct Current {
    connection: u32,
    /// None once the connection was told to end, or was found too far behind.
    orders: Option<mpsc::Sender<Order>>,
    task: JoinHandle<()>,
}

/// Options of another client of the same broker, for whoever looks whether the way there is free. Its id must be
/// nobody else's: the broker ends an older connection of the same id. Certificates are judged at the time of `newest`,
/// the newest record on disk, if this machine's clock is behind it.
pub fn client_options(
    broker: &Broker,
    client: &str,
    newest: Option<Timestamp>,
) -> Result<rumqttc::MqttOptions, TransportError> {
    let floor = Floor::of_the_build();
    newest.into_iter().for_each(|newest| floor.raise(newest.unix_ms()));
    transport::options_as(client, broker, &floor)
}

impl Uplink {
    /// Checks that the certificates and the password can be read now; they are read again at every
    /// connection, so that they can be renewed under a running gateway. Certificates are judged as of `floor` or
    /// later. `tell` is the event loop.
    pub fn new(
        site: Id,
        gateway: Id,
        broker: Broker,
        keys: TrustedKeys,
        floor: Floor,
        tell: mpsc::Sender<Input>,
    ) -> Result<Self, TransportError> {
        let link = Link { site, gateway, broker, keys, floor, tell, ignored: AtomicU64::new(0) };
        transport::options(&link, "")?;
        Ok(Self { link: Arc::new(link), current: None })
    }

    /// Drops the current connection, if any, and makes a new one with this will. Answers with
    /// `Connected`, or within some 5 s with `Disconnected`. Must be called within a tokio runtime.
    pub fn connect(&mut self, connection: u32, will: Publication) {
        self.cut();
        let (orders, ordered) = mpsc::channel(ORDERS);
        let task = tokio::spawn(supervise(Arc::clone(&self.link), connection, will, ordered));
        self.current = Some(Current { connection, orders: Some(orders), task });
    }

    /// Publishes on this connection; ignored if it is not the current one. With a token, the broker's
    /// PUBACK comes back as `Receipted`.
    pub fn publish(&mut self, connection: u32, token: Option<u64>, publication: Publication) {
        self.order(connection, Order::Publish { token, publication });
    }

    /// Cuts the connection without a word, so that the broker sends the will. There is no answer.
    pub fn drop_connection(&mut self, connection: u32) {
        if self.current.as_ref().is_some_and(|current| current.connection == connection) {
            self.cut();
        }
    }

    /// Ends the connection cleanly behind all that was ordered before, so that no will is sent;
    /// answers with `Disconnected` when it is gone, at the latest after 2 s.
    pub fn disconnect(&mut self, connection: u32) {
        self.order(connection, Order::End);
        if let Some(current) = &mut self.current {
            current.orders = current.orders.take().filter(|_| current.connection != connection);
        }
    }

    /// Waits for the end of a connection that was told to end; any other is cut, so that the broker sends
    /// the will. Takes at most as long as [`Uplink::disconnect`] does.
    pub async fn finish(mut self) {
        if let Some(current) = self.current.as_mut().filter(|current| current.orders.is_none())
            && let Err(error) = (&mut current.task).await
        {
            tracing::debug!(%error, "the connection's task did not end by itself");
        }
    }

    /// Messages on our topics that were none of ours: too long, unreadable, or not for this gateway.
    pub fn ignored(&self) -> u64 {
        self.link.ignored.load(Ordering::Relaxed)
    }

    fn order(&mut self, connection: u32, order: Order) {
        let Some(current) = self.current.as_mut().filter(|current| current.connection == connection) else {
            return;
        };
        let Some(orders) = &current.orders else { return };
        if orders.try_send(order).is_err() {
            // The task sees its orders end without a word, cuts the connection and tells it as lost.
            tracing::warn!(connection, "the broker takes messages too slowly; the connection is dropped");
            current.orders = None;
        }
    }

    fn cut(&mut self) {
        if let Some(current) = self.current.take() {
            current.task.abort();
        }
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Link {
    async fn tell(&self, input: Input) {
        if self.tell.send(input).await.is_err() {
            tracing::debug!("the event loop has ended before its uplink");
        }
    }

    /// Counts a message that is dropped, and says why.
    fn ignore(&self, topic: &str, why: &str) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
        let topic: String = topic.chars().take(128).collect();
        tracing::info!(topic, why, "a message was ignored");
    }
}

/// Runs one connection to its end and tells it, also if the MQTT library panics.
async fn supervise(link: Arc<Link>, connection: u32, will: Publication, orders: mpsc::Receiver<Order>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(publisher::run(Arc::clone(&link), connection, will, orders));
    let why = match tasks.join_next().await {
        Some(Ok(why)) => why,
        Some(Err(error)) => {
            tracing::error!(connection, %error, "the MQTT client stopped unexpectedly");
            Disconnect::Lost
        }
        None => Disconnect::Lost,
    };
    link.tell(Input::Disconnected { connection, why }).await;
}
