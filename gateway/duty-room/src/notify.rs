//! Waking people: robots of groups, SMS and voice providers, other programs, and a modem of our own. What is said and to
//! whom is the board's; when it is sent, joined or tried again is `queue`'s; here it is sent, each channel on its
//! own, so that none waits for another.
mod answer;
mod bucket;
mod card;
mod carrier;
mod dingtalk;
mod feishu;
mod http;
mod queue;
mod signed;
mod sms_http;
mod sms_modem;
#[cfg(test)]
mod tests;
mod trial;
mod webhook;
mod wecom;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use shouwang_board::{DeliveryResult, Input, Notice};
use shouwang_message::{Id, Timestamp};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::channels::{Address, Channel, ChannelKind};
use crate::eventloop::{HeardEvent, Message};
use crate::stop::Stopped;
use answer::Verdict;
use carrier::Carrier;
use http::{Client, Trust, Unreached};
use queue::{Became, Queue, Rules, Sending};

pub use trial::{Tested, test};

/// Notices on their way to a channel's queue.
const MAILBOX: usize = 1_024;

/// Takes notices to their channels and brings the results back as [`Input::Told`].
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    mailboxes: BTreeMap<Id, mpsc::Sender<Notice>>,
    clock: Clock,
}

/// What every channel is given.
#[derive(Clone, Debug)]
pub(crate) struct Means<'a> {
    pub(crate) clock: Clock,
    /// Where the board is for those outside, without the last slash.
    pub(crate) page: Option<&'a str>,
    pub(crate) state_dir: &'a Path,
    pub(crate) inputs: mpsc::Sender<Message>,
    pub(crate) heard: broadcast::Sender<Arc<HeardEvent>>,
    pub(crate) stopped: Stopped,
}

impl Notifier {
    /// Starts every channel. Must be called within a tokio runtime; the error says which channel cannot be.
    pub(crate) fn start(
        channels: &[Channel],
        means: &Means<'_>,
    ) -> Result<(Self, Vec<JoinHandle<()>>), String> {
        let mut mailboxes = BTreeMap::new();
        let mut tasks = Vec::new();
        let mut trust = Trust::default();
        for channel in channels {
            let unusable = |why: String| format!("channel {}: {why}", channel.id);
            let mut client = |address| client(address, channel, &mut trust).map_err(unusable);
            let (inputs, stopped) = (means.inputs.clone(), means.stopped.clone());
            let clock = means.clock.clone();
            tasks.push(match &channel.kind {
                ChannelKind::Service(service) => {
                    let carrier = Carrier::new(service.clone(), client(service.address())?, means.page);
                    let (mailbox, notices) = mpsc::channel(MAILBOX);
                    mailboxes.insert(channel.id.clone(), mailbox);
                    tokio::spawn(run(Hands::Http(carrier), clock, notices, inputs, stopped))
                }
                ChannelKind::Modem(modem) => {
                    let told = Some((inputs.clone(), clock.clone()));
                    let line = sms_modem::Line::start(&channel.id, modem, told);
                    let line = line.map_err(|error| unusable(error.to_string()))?;
                    let (mailbox, notices) = mpsc::channel(MAILBOX);
                    mailboxes.insert(channel.id.clone(), mailbox);
                    tokio::spawn(run(Hands::Modem(line), clock, notices, inputs, stopped))
                }
                ChannelKind::Webhook { url, secret } => {
                    let (id, state_dir) = (channel.id.to_string(), means.state_dir.into());
                    let (url, secret, client) = (url.clone(), secret.clone(), client(url)?);
                    let webhook = webhook::Webhook { id, url, secret, client, state_dir, clock };
                    tokio::spawn(webhook::run(webhook, means.heard.subscribe(), inputs, stopped))
                }
            });
        }
        Ok((Self { mailboxes, clock: means.clock.clone() }, tasks))
    }

    /// Never waits. An error is the notice's result: no channel has this name, or it is overwhelmed.
    pub(crate) fn tell(&self, notice: Notice) -> Result<(), DeliveryResult> {
        let failed = |code: &str, text: String| {
            Err(DeliveryResult::Failed { code: code.into(), text, at: self.clock.wall() })
        };
        let Some(mailbox) = self.mailboxes.get(&notice.channel) else {
            let text = format!("没有这个外呼通道 · no channel of messages is called {}", notice.channel);
            return failed("no_channel", text);
        };
        match mailbox.try_send(notice) {
            Ok(()) => Ok(()),
            Err(_) => failed("queue_full", "通道积压已满 · the channel is overwhelmed".into()),
        }
    }
}

fn client(address: &Address, channel: &Channel, trust: &mut Trust) -> Result<Client, String> {
    Client::new(address.clone(), trust, channel.ca_file.as_deref())
}

/// What carries one channel's messages.
#[derive(Debug)]
enum Hands {
    Http(Carrier),
    Modem(sms_modem::Line),
}

impl Hands {
    fn rules(&self) -> Rules {
        match self {
            Self::Http(carrier) => carrier.rules(),
            Self::Modem(_) => sms_modem::rules(),
        }
    }

    async fn carry(&self, sending: &Sending, wall: Timestamp) -> Verdict {
        match self {
            Self::Http(carrier) => carrier.carry(sending, wall).await,
            Self::Modem(line) => line.carry(sending).await,
        }
    }
}

/// One channel until the duty room stops.
async fn run(
    hands: Hands,
    clock: Clock,
    mut notices: mpsc::Receiver<Notice>,
    inputs: mpsc::Sender<Message>,
    mut stopped: Stopped,
) {
    let (mut queue, hands) = (Queue::new(hands.rules()), &hands);
    let mut under_way: FuturesUnordered<BoxFuture<'_, (u64, Verdict)>> = FuturesUnordered::new();
    loop {
        let now = clock.now();
        while let Some(sending) = queue.next(now) {
            let wall = clock.wall();
            under_way.push(Box::pin(async move { (sending.number, hands.carry(&sending, wall).await) }));
        }
        for (ticket, became) in queue.became() {
            let result = result(became, &clock);
            if inputs.send(Message::Input(Input::Told { ticket, result })).await.is_err() {
                return;
            }
        }
        let wait = queue.next_deadline(now).map(|at| at.since(now).max(Duration::from_millis(1)));
        tokio::select! {
            biased;
            () = stopped.wait() => return,
            Some((number, verdict)) = under_way.next() => queue.done(clock.now(), number, verdict),
            notice = notices.recv() => {
                let Some(notice) = notice else { return };
                queue.push(clock.now(), notice);
                while let Ok(notice) = notices.try_recv() {
                    queue.push(clock.now(), notice);
                }
            }
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

fn result(became: Became, clock: &Clock) -> DeliveryResult {
    match became {
        Became::Delivered => DeliveryResult::Delivered { at: clock.wall() },
        Became::Digested => DeliveryResult::Digested,
        Became::Failed { code, text } => DeliveryResult::Failed { code, text, at: clock.wall() },
    }
}

/// The words for who did not answer, without its path.
fn unreached(why: Unreached, address: &Address) -> Verdict {
    let ((zh, en), code) = (why.words(), why.code().into());
    let text = format!("{zh} · {en} ({})", address.shown());
    match why {
        Unreached::Request => Verdict::Refused { code, text },
        _ => Verdict::Again { code, text, after: None },
    }
}
