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
mod prepared;
mod queue;
mod signed;
mod sms_http;
mod sms_modem;
mod tasks;
#[cfg(test)]
mod tests;
mod trial;
mod webhook;
mod wecom;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use shouwang_board::{DeliveryResult, Input, Notice};
use shouwang_message::{Id, Timestamp};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::channels::{Address, Channel, ChannelKind};
use crate::eventloop::{HeardEvent, Message};
use crate::stop::Stopped;
use answer::Verdict;
use carrier::Carrier;
use http::{Client, Trust, Unreached};
pub(crate) use prepared::{Prepared, prepare};
use queue::{Became, Queue, Rules, Sending};

pub(crate) use tasks::Tasks;
pub use trial::{Tested, test};

/// Notices on their way to a channel's queue.
const MAILBOX: usize = 1_024;

/// Takes notices to their channels and brings the results back as [`Input::Told`].
#[derive(Debug)]
pub(crate) struct Notifier {
    channels: BTreeMap<Id, Working>,
    tasks: Tasks,
    means: Means,
}

/// A channel that works, as it was prepared. Dropping it lets it end.
#[derive(Debug)]
struct Working {
    channel: Channel,
    ca: Option<Vec<u8>>,
    reached: Reached,
}

/// How a channel is given its work; dropping it says that no more comes.
#[derive(Debug)]
enum Reached {
    Notices(mpsc::Sender<Notice>),
    /// It reads by itself what there is to tell.
    Reads {
        _until_dropped: watch::Sender<bool>,
    },
}

/// What every channel is given.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) clock: Clock,
    /// Where the board is for those outside, without the last slash.
    pub(crate) page: Option<String>,
    pub(crate) state_dir: PathBuf,
    pub(crate) inputs: mpsc::Sender<Message>,
    pub(crate) heard: broadcast::Sender<Arc<HeardEvent>>,
    pub(crate) stopped: Stopped,
}

impl Notifier {
    pub(crate) fn new(means: Means, tasks: Tasks) -> Self {
        Self { channels: BTreeMap::new(), tasks, means }
    }

    /// These are the channels from now on. One that is as it was works on undisturbed; one that changed, or goes, first
    /// tells what it was given. Must be called within a tokio runtime; after an error nothing is changed.
    pub(crate) fn change(&mut self, prepared: &[Prepared]) -> Result<(), String> {
        let mut before = std::mem::take(&mut self.channels);
        let mut begun = Vec::new();
        for prepared in prepared {
            let id = &prepared.channel.id;
            if before.get(id).is_some_and(|known| known.is(prepared)) {
                continue;
            }
            match self.begin(prepared) {
                Ok(started) => begun.push((id.clone(), started)),
                Err(why) => {
                    self.channels = before;
                    return Err(format!("channel {id}: {why}"));
                }
            }
        }
        for prepared in prepared {
            let id = &prepared.channel.id;
            if before.get(id).is_some_and(|known| known.is(prepared))
                && let Some(known) = before.remove(id)
            {
                self.channels.insert(id.clone(), known);
            }
        }
        self.tasks.leave(before.keys());
        for (id, (working, task)) in begun {
            self.tasks.add(id.clone(), task);
            self.channels.insert(id, working);
        }
        Ok(())
    }

    fn begin(&self, prepared: &Prepared) -> Result<(Working, JoinHandle<()>), String> {
        let Means { clock, inputs, stopped, .. } = self.means.clone();
        let Prepared { channel, ca, client } = prepared;
        let no_client = || "it has no address".to_owned();
        let with_notices = |hands: Hands| {
            let (mailbox, notices) = mpsc::channel(MAILBOX);
            (
                Reached::Notices(mailbox),
                tokio::spawn(run(hands, clock.clone(), notices, inputs.clone(), stopped.clone())),
            )
        };
        let (reached, task) = match &channel.kind {
            ChannelKind::Service(service) => {
                let client = client.clone().ok_or_else(no_client)?;
                with_notices(Hands::Http(Carrier::new(service.clone(), client, self.means.page.as_deref())))
            }
            ChannelKind::Modem(modem) => {
                let told = Some((inputs.clone(), clock.clone()));
                let line = sms_modem::Line::start(&channel.id, modem, told);
                with_notices(Hands::Modem(line.map_err(|error| error.to_string())?))
            }
            ChannelKind::Webhook { url, secret } => {
                let webhook = webhook::Webhook {
                    id: channel.id.to_string(),
                    url: url.clone(),
                    secret: secret.clone(),
                    client: client.clone().ok_or_else(no_client)?,
                    state_dir: self.means.state_dir.clone(),
                    clock: clock.clone(),
                };
                let (until_dropped, mut dropped) = Stopped::channel();
                let telling =
                    webhook::run(webhook, self.means.heard.subscribe(), inputs.clone(), stopped.clone());
                let task = tokio::spawn(async move {
                    tokio::select! {
                        () = dropped.wait() => {}
                        () = telling => {}
                    }
                });
                (Reached::Reads { _until_dropped: until_dropped }, task)
            }
        };
        Ok((Working { channel: channel.clone(), ca: ca.clone(), reached }, task))
    }

    /// For those who have something to write first.
    pub(crate) fn mailbox(&self, channel: &Id) -> Mailbox {
        let notices = self.channels.get(channel).and_then(|working| match &working.reached {
            Reached::Notices(notices) => Some(notices.clone()),
            Reached::Reads { .. } => None,
        });
        Mailbox { notices, clock: self.means.clock.clone() }
    }

    /// As [`Mailbox::tell`].
    pub(crate) fn tell(&self, notice: Notice) -> Result<(), DeliveryResult> {
        self.mailbox(&notice.channel).tell(notice)
    }
}

impl Working {
    /// Nothing about it would be different.
    fn is(&self, prepared: &Prepared) -> bool {
        self.channel == prepared.channel && self.ca == prepared.ca
    }
}

/// The way to one channel.
#[derive(Debug)]
pub(crate) struct Mailbox {
    notices: Option<mpsc::Sender<Notice>>,
    clock: Clock,
}

impl Mailbox {
    /// Never waits. An error is the notice's result: no channel has this name, or it is overwhelmed.
    pub(crate) fn tell(&self, notice: Notice) -> Result<(), DeliveryResult> {
        let failed = |code: &str, text: String| {
            Err(DeliveryResult::Failed { code: code.into(), text, at: self.clock.wall() })
        };
        let Some(mailbox) = &self.notices else {
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

/// One channel until the duty room stops; or, if no more comes, until all that came was told.
async fn run(
    hands: Hands,
    clock: Clock,
    mut notices: mpsc::Receiver<Notice>,
    inputs: mpsc::Sender<Message>,
    mut stopped: Stopped,
) {
    let (mut queue, hands) = (Queue::new(hands.rules()), &hands);
    let mut is_over = false;
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
        if is_over && under_way.is_empty() && queue.is_empty() {
            return;
        }
        let wait = queue.next_deadline(now).map(|at| at.since(now).max(Duration::from_millis(1)));
        tokio::select! {
            biased;
            () = stopped.wait() => return,
            Some((number, verdict)) = under_way.next() => queue.done(clock.now(), number, verdict),
            notice = notices.recv(), if !is_over => {
                let Some(notice) = notice else {
                    is_over = true;
                    continue;
                };
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
