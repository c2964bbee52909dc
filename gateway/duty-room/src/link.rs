//! The broker: one client per connection, subscriptions before anything else, arrivals handed to the loop,
//! receipts and commands sent with a few outstanding. What to say and when to say it again is the board's.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS,
    SubscribeFilter, SubscribeReasonCode,
};
use shouwang_board::{GatewayName, Input};
use shouwang_message::{Command, CommandName, HeardDocument, Id, Leaf, Topic, to_bytes, topic};
use shouwang_trust::Floor;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::eventloop::Message;
use crate::signing::Signer;
use crate::stop::Stopped;
use crate::{Broker, Config, tls};

/// What a duty room listens to, below `shouwang/v1/+/+/`.
const LEAVES: [&str; 9] = [
    "state",
    "info",
    "heartbeat",
    "event",
    "device/+/state",
    "alarm/+",
    "reply/+",
    "device/+/values",
    "history",
];
/// Publishes without a receipt at a time.
const OUTSTANDING: usize = 32;
/// Commands that wait for the broker; the oldest goes, the board sends it again.
const WAITING_COMMANDS: usize = 1_000;
/// Without a receipt for this long the connection is worthless.
const RECEIPT_WITHIN: Duration = Duration::from_secs(15);
/// Longer than anything of ours, so that one oversized retained message cannot lock us out.
const LONGEST_IN: usize = 8 * 1_024 * 1_024;
const LONGEST_OUT: usize = 1_024 * 1_024;
const FIRST_RETRY_MS: u64 = 300;
const LAST_RETRY_MS: u64 = 5_000;
/// After refused credentials: trying harder does not help.
const REFUSED_RETRY: Duration = Duration::from_secs(60);

/// What is to be published: the newest receipt per gateway, and commands in order. Survives connections.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    inner: Arc<(Mutex<Waiting>, Notify)>,
    signer: Arc<Signer>,
}

#[derive(Debug, Default)]
struct Waiting {
    heard: BTreeMap<GatewayName, HeardDocument>,
    commands: VecDeque<(GatewayName, CommandName, Command)>,
}

impl Outbox {
    /// Commands go out signed by `signer`.
    pub(crate) fn new(signer: Signer) -> Self {
        Self { inner: Arc::default(), signer: Arc::new(signer) }
    }

    pub(crate) fn heard(&self, to: GatewayName, document: HeardDocument) {
        self.with(|waiting| waiting.heard.insert(to, document));
        self.inner.1.notify_one();
    }

    pub(crate) fn command(&self, to: GatewayName, name: CommandName, command: Command) {
        let command = self.signer.signed(command);
        self.with(|waiting| {
            waiting.commands.push_back((to, name, command));
            if waiting.commands.len() > WAITING_COMMANDS {
                waiting.commands.pop_front();
            }
        });
        self.inner.1.notify_one();
    }

    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.inner.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next thing to publish; receipts of gateways in `busy` wait for their predecessor's receipt.
    fn next(&self, busy: &VecDeque<(Option<u16>, Sent)>, room: &Id) -> Option<(Topic, bool, Vec<u8>, Sent)> {
        self.with(|waiting| {
            let free = |to: &&GatewayName| {
                !busy.iter().any(|(_, sent)| matches!(sent, Sent::Heard(name) if name == *to))
            };
            if let Some(to) = waiting.heard.keys().find(free).cloned() {
                let document = waiting.heard.remove(&to)?;
                let topic = Topic::new(&to.site, &to.gateway, Leaf::Heard(room.clone()));
                return Some((topic, true, to_bytes(&document), Sent::Heard(to)));
            }
            let (to, name, command) = waiting.commands.pop_front()?;
            let topic = Topic::new(&to.site, &to.gateway, Leaf::Command(name));
            Some((topic, false, to_bytes(&command), Sent::Command))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Heard(GatewayName),
    Command,
}

/// How to reach the broker.
pub(crate) struct Link {
    name: Id,
    broker: Broker,
    /// The least that certificates are judged by.
    floor: Floor,
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    Stopped,
    Refused(String),
    Broken(String),
}

impl Link {
    pub(crate) fn new(config: &Config, floor: Floor) -> Self {
        Self { name: config.name.clone(), broker: config.broker.clone(), floor }
    }

    /// Reads the certificates anew.
    fn client(&self) -> Result<(AsyncClient, EventLoop), String> {
        // The same client id every time: a new connection ends a half-open old one.
        let id = format!("shouwang-{}", self.name);
        let mut options = options(&id, &self.broker, &self.floor)?;
        options
            .set_clean_session(true)
            .set_keep_alive(Duration::from_secs(10))
            .set_max_packet_size(LONGEST_IN, LONGEST_OUT)
            .set_inflight(100);
        let (client, mut events) = AsyncClient::new(options, 2 * OUTSTANDING);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        Ok((client, events))
    }
}

/// Options of another client of the same broker, for whoever looks whether the way there is free. Its id must be
/// nobody else's: the broker ends an older connection of the same id.
pub fn client_options(broker: &Broker, client: &str) -> Result<MqttOptions, String> {
    options(client, broker, &Floor::of_the_build())
}

fn options(client: &str, broker: &Broker, floor: &Floor) -> Result<MqttOptions, String> {
    let mut options = MqttOptions::new(client, broker.host.as_str(), broker.port);
    options.set_transport(tls::transport(broker, floor)?);
    if let Some(username) = &broker.username {
        let password = broker.password.as_ref().map_or("", |secret| secret.reveal());
        options.set_credentials(username, password);
    }
    Ok(options)
}

/// Keeps a connection until the duty room stops.
pub(crate) async fn run(link: Link, to_loop: mpsc::Sender<Message>, outbox: Outbox, mut stopped: Stopped) {
    let broker = format!("{}:{}", link.broker.host, link.broker.port);
    let (mut tries, mut said) = (0_u32, None::<String>);
    loop {
        let mut was_up = false;
        let end = connection(&link, &to_loop, &outbox, &mut stopped, &mut was_up).await;
        if was_up {
            (tries, said) = (0, None);
        }
        if to_loop.send(Message::Input(Input::LinkDown)).await.is_err() {
            return;
        }
        let wait = match end {
            End::Stopped => return,
            End::Refused(why) => {
                tracing::error!(%why, "the broker refuses us: check [broker]: username and password_file, or client_certificate");
                REFUSED_RETRY
            }
            End::Broken(why) => {
                // The same, every few seconds for hours, would drown all else in the log.
                if said.as_ref() == Some(&why) {
                    tracing::debug!(broker, %why, "no connection to the broker");
                } else {
                    tracing::warn!(
                        broker,
                        %why,
                        "no connection to the broker; it is tried again until there is one, and shouwang doctor looks for \
                         the cause"
                    );
                    said = Some(why);
                }
                back_off(tries)
            }
        };
        tries = tries.saturating_add(1);
        if timeout(wait, stopped.wait()).await.is_ok() {
            return;
        }
    }
}

/// Doubling from 0.3 s to 5 s, with up to a third of jitter so that many do not knock at once.
fn back_off(tries: u32) -> Duration {
    let base = FIRST_RETRY_MS.saturating_mul(1 << tries.min(10)).min(LAST_RETRY_MS);
    let jitter = getrandom::u64().unwrap_or_default() % (base / 3 + 1);
    Duration::from_millis(base - base / 6 + jitter).min(Duration::from_millis(LAST_RETRY_MS))
}

/// One connection from its CONNECT to its end. The event loop polls in a task of its own, because a poll
/// must not be cancelled half-way.
async fn connection(
    link: &Link,
    to_loop: &mpsc::Sender<Message>,
    outbox: &Outbox,
    stopped: &mut Stopped,
    was_up: &mut bool,
) -> End {
    let (client, mut events) = match link.client() {
        Ok(made) => made,
        Err(why) => return End::Broken(why),
    };
    let (polled, mut arrivals) = mpsc::channel(256);
    let poll = tokio::spawn(async move {
        loop {
            let event = events.poll().await;
            let last = event.is_err();
            if polled.send(event).await.is_err() || last {
                return;
            }
        }
    });
    // Publishes in the order given to the client; the packet id is known once it went out.
    let mut outstanding: VecDeque<(Option<u16>, Sent)> = VecDeque::new();
    let end = loop {
        if *was_up {
            send(&client, outbox, &mut outstanding, &link.name);
        }
        let receipt_missing = async {
            if outstanding.is_empty() && *was_up {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(RECEIPT_WITHIN).await;
        };
        let event = tokio::select! {
            event = arrivals.recv() => event,
            () = outbox.inner.1.notified() => continue,
            () = receipt_missing => break End::Broken("no answer from the broker for 15 s".into()),
            () = stopped.wait() => {
                // A clean goodbye: best effort, the broker notices anyway.
                let _ = client.try_disconnect();
                while let Ok(Some(Ok(_))) = timeout(Duration::from_millis(300), arrivals.recv()).await {}
                break End::Stopped;
            }
        };
        match event {
            None => break End::Broken("the client ended".into()),
            Some(Err(error)) => break ended(&error, link.broker.tls.is_none() && !*was_up),
            Some(Ok(event)) => match incoming(&client, event, to_loop, &mut outstanding).await {
                Ok(up) => *was_up |= up,
                Err(end) => break end,
            },
        }
    };
    poll.abort();
    end
}

/// `unheard_plain`: nothing was heard yet on a connection without TLS.
fn ended(error: &ConnectionError, unheard_plain: bool) -> End {
    if let Some(trouble) = shouwang_trust::trouble(error) {
        let why = format!("{} · {}: {error}", trouble.text.zh, trouble.text.en);
        return if trouble.refused { End::Refused(why) } else { End::Broken(why) };
    }
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => End::Refused(error.to_string()),
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) if unheard_plain => {
            let text = shouwang_trust::of_plain();
            End::Broken(format!("{} · {}: {error}", text.zh, text.en))
        }
        _ => End::Broken(error.to_string()),
    }
}

/// Takes one thing from the wire; true when the subscriptions stand.
async fn incoming(
    client: &AsyncClient,
    event: Event,
    to_loop: &mpsc::Sender<Message>,
    outstanding: &mut VecDeque<(Option<u16>, Sent)>,
) -> Result<bool, End> {
    match event {
        Event::Incoming(Packet::ConnAck(_)) => {
            let filters = LEAVES
                .map(|leaf| SubscribeFilter::new(format!("{}/+/+/{leaf}", topic::ROOT), QoS::AtLeastOnce));
            client.try_subscribe_many(filters).map_err(|error| End::Broken(error.to_string()))?;
        }
        Event::Incoming(Packet::SubAck(answer)) => {
            if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                let why =
                    "the broker refuses our subscriptions: its access list must allow shouwang/v1/+/+/#";
                return Err(End::Refused(why.into()));
            }
            pass_on(to_loop, Input::LinkUp).await?;
            return Ok(true);
        }
        Event::Incoming(Packet::Publish(message)) => {
            let arrived = Input::Arrived {
                topic: message.topic,
                payload: message.payload.to_vec(),
                retained: message.retain,
            };
            pass_on(to_loop, arrived).await?;
        }
        Event::Outgoing(Outgoing::Publish(id)) => {
            if let Some((packet, _)) = outstanding.iter_mut().find(|(packet, _)| packet.is_none()) {
                *packet = Some(id);
            }
        }
        Event::Incoming(Packet::PubAck(receipt)) => {
            outstanding.retain(|(packet, _)| *packet != Some(receipt.pkid));
        }
        _ => {}
    }
    Ok(false)
}

async fn pass_on(to_loop: &mpsc::Sender<Message>, input: Input) -> Result<(), End> {
    to_loop.send(Message::Input(input)).await.map_err(|_| End::Stopped)
}

fn send(client: &AsyncClient, outbox: &Outbox, outstanding: &mut VecDeque<(Option<u16>, Sent)>, room: &Id) {
    while outstanding.len() < OUTSTANDING
        && let Some((topic, retained, payload, sent)) = outbox.next(outstanding, room)
    {
        // The client's queue is twice as long as what may be outstanding; if it is gone, so is the connection.
        if client.try_publish(topic.to_string(), QoS::AtLeastOnce, retained, payload).is_ok() {
            outstanding.push_back((None, sent));
        }
    }
}
