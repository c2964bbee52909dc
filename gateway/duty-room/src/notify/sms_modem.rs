//! A mobile modem as a channel: texts to persons, a ring after an emergency's, answers back to the board. When it is
//! tried again, and when given up, is decided in `shouwang-modem`.
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shouwang_board::{DeliveryResult, Input};
use shouwang_message::{Id, Timestamp};
use shouwang_modem::{Event, Modem, Number, OrderId, Rung, Settings, Trouble, Why};
use tokio::sync::{mpsc, oneshot};

use super::answer::Verdict;
use super::bucket::Limit;
use super::card;
use super::queue::{Parts, Rules, Sending, is_emergency};
use crate::clock::Clock;
use crate::config::channels::SmsModem;
use crate::eventloop::Message;

/// A modem at work. When it is dropped, its thread ends within a moment.
#[derive(Debug)]
pub(super) struct Line {
    modem: Modem,
    rings: bool,
    next_order: AtomicU64,
    waiting: Waiting,
}

/// Who waits for what became of a text, and what may yet become of those that the network took.
#[derive(Debug, Default)]
struct Orders {
    waiting: BTreeMap<OrderId, oneshot::Sender<Verdict>>,
    /// With the tickets of what they told, oldest first.
    taken: VecDeque<(OrderId, Vec<u64>)>,
}

/// As many texts as the modem awaits reports of.
const TAKEN_MOST: usize = 64;

/// An operator shuts out who sends like a machine; a third is kept for emergencies.
const LIMIT: Limit = Limit { count: 20, per: Duration::from_secs(60), kept: 7 };

pub(super) fn rules() -> Rules {
    Rules { limits: vec![LIMIT], parts: Parts::EachRecipient }
}

type Waiting = Arc<Mutex<Orders>>;

impl Line {
    /// Without `inputs` nobody is told what the modem hears and how it is.
    pub(super) fn start(
        channel: &Id,
        settings: &SmsModem,
        inputs: Option<(mpsc::Sender<Message>, Clock)>,
    ) -> io::Result<Self> {
        let waiting = Waiting::default();
        let (channel, answers) = (channel.clone(), Arc::clone(&waiting));
        let told = move |event: Event| {
            let became = became(&channel, event, &answers);
            let Some((inputs, clock)) = &inputs else { return };
            for input in became.inputs(clock.wall()) {
                // A loop that has ended hears nothing more.
                let _ = inputs.blocking_send(Message::Input(input));
            }
        };
        let port = Settings { path: settings.path.clone(), baud: settings.baud };
        let modem = Modem::spawn(port, || {}, told)?;
        Ok(Self { modem, rings: settings.ring_emergencies, next_order: AtomicU64::new(1), waiting })
    }

    /// Sends one text and waits until the network has it, or it is given up.
    pub(super) async fn carry(&self, sending: &Sending) -> Verdict {
        let Some(notice) = sending.message.notices().last() else { return refused("no-phone", NO_PHONE) };
        let phone = notice.to.get(sending.part).and_then(|to| to.phone.as_deref());
        let Some(number) = phone.and_then(|phone| phone.parse::<Number>().ok()) else {
            return refused("no-phone", NO_PHONE);
        };
        let (answer, answered) = oneshot::channel();
        let id = self.order();
        let tickets = sending.message.notices().iter().map(|notice| notice.ticket).collect();
        lock(&self.waiting).add(id, answer, tickets);
        if let Err(full) = self.modem.text(id, number.clone(), card::short(&sending.message)) {
            lock(&self.waiting).waiting.remove(&id);
            return refused("modem-full", &format!("短信模块积压已满 · {full}"));
        }
        if self.rings && sending.message.notices().iter().any(|notice| is_emergency(notice)) {
            // Texts go first. A ring that finds no room is one of very many.
            let _ = self.modem.ring(self.order(), number);
        }
        answered.await.unwrap_or_else(|_| refused("modem-ended", "短信模块已停止 · the modem has ended"))
    }

    fn order(&self) -> OrderId {
        OrderId(self.next_order.fetch_add(1, Ordering::Relaxed))
    }
}

/// The code for a modem that is not there, or silent.
pub(super) const UNREACHED: &str = "modem-unreached";
/// The network had taken it.
const UNDELIVERED: &str = "undelivered";
const NO_PHONE: &str = "没有可用的手机号 · no phone number to send to";

impl Orders {
    fn add(&mut self, id: OrderId, answer: oneshot::Sender<Verdict>, tickets: Vec<u64>) {
        self.waiting.insert(id, answer);
        if self.taken.len() >= TAKEN_MOST {
            self.taken.pop_front();
        }
        self.taken.push_back((id, tickets));
    }

    /// Whether somebody waited for it, and still does.
    fn answer(&mut self, id: OrderId, verdict: Verdict) -> bool {
        self.waiting.remove(&id).is_some_and(|waits| waits.send(verdict).is_ok())
    }

    fn tickets(&mut self, id: OrderId) -> Vec<u64> {
        let place = self.taken.iter().position(|(taken, _)| *taken == id);
        place.and_then(|place| self.taken.remove(place)).map(|(_, tickets)| tickets).unwrap_or_default()
    }
}

fn lock(orders: &Mutex<Orders>) -> MutexGuard<'_, Orders> {
    orders.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the board should hear of an event.
#[derive(Debug, PartialEq)]
enum News {
    None,
    Input(Box<Input>),
    /// What was told under these tickets was not told after all.
    Lost {
        tickets: Vec<u64>,
        text: String,
    },
}

impl News {
    fn inputs(self, at: Timestamp) -> Vec<Input> {
        match self {
            Self::None => Vec::new(),
            Self::Input(input) => vec![*input],
            Self::Lost { tickets, text } => {
                let code = UNDELIVERED.to_owned();
                let result = DeliveryResult::Failed { code, text, at };
                tickets.into_iter().map(|ticket| Input::Told { ticket, result: result.clone() }).collect()
            }
        }
    }
}

/// Who waits is told; the rest is for the board.
fn became(channel: &Id, event: Event, orders: &Mutex<Orders>) -> News {
    match event {
        Event::Sent { id } => {
            lock(orders).answer(id, Verdict::Taken);
        }
        Event::Failed { id, why } => {
            let text = why.text();
            lock(orders).tickets(id);
            if !lock(orders).answer(id, refused(code(&why), &format!("{} · {}", text.zh, text.en))) {
                tracing::warn!(%channel, why = %text.en, "a phone could not be rung");
            }
        }
        Event::Rang { how, .. } => {
            let how = match how {
                Rung::Answered => "answered",
                Rung::Unanswered => "nobody answered",
                Rung::Unknown => "the modem does not say whether it rang",
            };
            tracing::info!(%channel, how, "a phone was rung");
        }
        Event::Received { from, text, sent_at } => {
            return News::Input(Box::new(Input::Replied { phone: from.to_string(), text, sent_at }));
        }
        Event::Troubled(trouble) => {
            let trouble = Some(trouble.text());
            return News::Input(Box::new(Input::Troubled { channel: channel.clone(), trouble }));
        }
        Event::Well => {
            return News::Input(Box::new(Input::Troubled { channel: channel.clone(), trouble: None }));
        }
        Event::Undelivered { id, status } => {
            tracing::warn!(%channel, status, "the network could not deliver a text that it had taken");
            let (tickets, text) = (lock(orders).tickets(id), Why::Undelivered { status }.text());
            return News::Lost { tickets, text: format!("{} · {}", text.zh, text.en) };
        }
        Event::Delivered { id } => drop(lock(orders).tickets(id)),
        Event::Signal { .. } => {}
    }
    News::None
}

fn refused(code: &str, text: &str) -> Verdict {
    Verdict::Refused { code: code.into(), text: text.into() }
}

fn code(why: &Why) -> &'static str {
    match why {
        Why::NotReady(Some(Trouble::Port(_) | Trouble::Silent), _) => UNREACHED,
        Why::NotReady(..) => "modem-not-ready",
        Why::Refused(_) => "modem-refused",
        Why::Silent => "modem-silent",
        Why::TooLong => "too-long",
        Why::NotReached(_) => "not-reached",
        Why::Undelivered { .. } => UNDELIVERED,
        Why::RingsAlready | Why::TooManyRings => "not-rung",
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Message as Sent;
    use super::super::trial::notice;
    use super::*;
    use shouwang_field::{EmulatedModem, OnAir};

    const PATIENCE: Duration = Duration::from_secs(20);
    const PHONE: &str = "+8613800138000";

    fn sending(priority: shouwang_message::Priority) -> Sending {
        let notice = notice(&"sms".parse().unwrap(), Some(PHONE), Timestamp::from_unix_ms(1_800_000_000_000));
        let message = Sent::Single(Arc::new(shouwang_board::Notice { priority, ..notice }));
        Sending { number: 1, message, part: 0, missed: 0 }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_emergency_is_texted_and_rung_and_its_answer_reaches_the_board() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ttyMODEM");
        let emulated = EmulatedModem::start(&path).unwrap();
        emulated.change(|manners| manners.has_sim = false);
        let settings = SmsModem { path, baud: 115_200, ring_emergencies: true, own_number: None };
        let (inputs, mut heard) = mpsc::channel(16);
        let line = Line::start(&"sms".parse().unwrap(), &settings, Some((inputs, Clock::system()))).unwrap();
        let mut next = async || match tokio::time::timeout(PATIENCE, heard.recv()).await {
            Ok(Some(Message::Input(input))) => input,
            other => panic!("nothing for the board: {other:?}"),
        };
        let Input::Troubled { trouble: Some(trouble), .. } = next().await else {
            panic!("no trouble is told")
        };
        assert!(trouble.zh.contains("SIM"), "{trouble:?}");
        emulated.change(|manners| manners.has_sim = true);
        assert_eq!(line.carry(&sending(shouwang_message::Priority::Emergency)).await, Verdict::Taken);
        let text = "【测试】【值班室】外呼通道测试,收到即正常,不需处置".to_owned();
        let expected = OnAir::Text { to: PHONE.into(), text, part: None };
        assert_eq!(emulated.on_air(PATIENCE), Some(expected));
        assert_eq!(emulated.on_air(PATIENCE), Some(OnAir::Ringing { to: PHONE.into() }));
        assert!(matches!(next().await, Input::Troubled { trouble: None, .. }));
        emulated.receive("13800138000", "1");
        let Input::Replied { phone, text, sent_at: Some(_) } = next().await else {
            panic!("no answer is told")
        };
        assert_eq!((phone.as_str(), text.as_str()), ("13800138000", "1"));
    }

    #[test]
    fn what_the_network_gives_up_was_not_told_after_all() {
        let (channel, orders): (Id, _) = ("sms".parse().unwrap(), Mutex::<Orders>::default());
        let (answer, mut answered) = oneshot::channel();
        lock(&orders).add(OrderId(1), answer, vec![41, 42]);
        assert_eq!(became(&channel, Event::Sent { id: OrderId(1) }, &orders), News::None);
        assert_eq!(answered.try_recv(), Ok(Verdict::Taken));
        let lost = became(&channel, Event::Undelivered { id: OrderId(1), status: 0x46 }, &orders);
        let mut tickets = Vec::new();
        for input in lost.inputs(Timestamp::from_unix_ms(0)) {
            let Input::Told { ticket, result: DeliveryResult::Failed { code, .. } } = input else {
                panic!("{input:?}")
            };
            tickets.push((ticket, code));
        }
        assert_eq!(tickets, [(41, UNDELIVERED.to_owned()), (42, UNDELIVERED.to_owned())]);
        for id in 2..200 {
            lock(&orders).add(OrderId(id), oneshot::channel().0, vec![id]);
        }
        assert_eq!(lock(&orders).taken.len(), TAKEN_MOST);
    }

    #[tokio::test]
    async fn who_has_no_phone_is_no_reason_to_wait() {
        let settings = SmsModem {
            path: "/nonexistent/tty".into(),
            baud: 115_200,
            ring_emergencies: false,
            own_number: None,
        };
        let line = Line::start(&"sms".parse().unwrap(), &settings, None).unwrap();
        let nobody = Sending { part: 1, ..sending(shouwang_message::Priority::Ordinary) };
        assert_eq!(line.carry(&nobody).await, refused("no-phone", NO_PHONE));
    }
}
