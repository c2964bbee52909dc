//! A mobile modem as a channel: texts to persons, a ring after an emergency's, answers back to the board. When it is
//! tried again, and when given up, is decided in `shouwang-modem`.
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shouwang_board::Input;
use shouwang_message::Id;
use shouwang_modem::{Event, Modem, Number, OrderId, Rung, Settings, Trouble, Why};
use tokio::sync::{mpsc, oneshot};

use super::answer::Verdict;
use super::bucket::Limit;
use super::card;
use super::queue::{Parts, Rules, Sending, is_emergency};
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

/// An operator shuts out who sends like a machine; a third is kept for emergencies.
const LIMIT: Limit = Limit { count: 20, per: Duration::from_secs(60), kept: 7 };

pub(super) fn rules() -> Rules {
    Rules { limits: vec![LIMIT], parts: Parts::EachRecipient }
}

type Waiting = Arc<Mutex<BTreeMap<OrderId, oneshot::Sender<Verdict>>>>;

impl Line {
    /// Without `inputs` nobody is told what the modem hears and how it is.
    pub(super) fn start(
        channel: &Id,
        settings: &SmsModem,
        inputs: Option<mpsc::Sender<Message>>,
    ) -> io::Result<Self> {
        let waiting = Waiting::default();
        let (channel, answers) = (channel.clone(), Arc::clone(&waiting));
        let told = move |event: Event| {
            if let Some(input) = became(&channel, event, &answers)
                && let Some(inputs) = &inputs
            {
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
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
        if let Err(full) = self.modem.text(id, number.clone(), card::short(&sending.message)) {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
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
const NO_PHONE: &str = "没有可用的手机号 · no phone number to send to";

/// Who waits is told; the rest is for the board.
fn became(channel: &Id, event: Event, waiting: &Waiting) -> Option<Input> {
    let answer = |id: OrderId, verdict: Verdict| {
        let waits = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        // Whoever asked may have ended.
        waits.is_some_and(|waits| waits.send(verdict).is_ok())
    };
    match event {
        Event::Sent { id } => {
            answer(id, Verdict::Taken);
        }
        Event::Failed { id, why } => {
            let text = why.text();
            if !answer(id, refused(code(&why), &format!("{} · {}", text.zh, text.en))) {
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
            return Some(Input::Replied { phone: from.to_string(), text, sent_at });
        }
        Event::Troubled(trouble) => {
            let trouble = Some(trouble.text());
            return Some(Input::Troubled { channel: channel.clone(), trouble });
        }
        Event::Well => return Some(Input::Troubled { channel: channel.clone(), trouble: None }),
        Event::Undelivered { status, .. } => {
            tracing::warn!(%channel, status, "the network could not deliver a text that it had taken");
        }
        Event::Delivered { .. } | Event::Signal { .. } => {}
    }
    None
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
        Why::RingsAlready | Why::TooManyRings => "not-rung",
    }
}

#[cfg(test)]
mod tests {
    use shouwang_field::{EmulatedModem, OnAir};
    use shouwang_message::Timestamp;

    use super::super::queue::Message as Sent;
    use super::super::trial::notice;
    use super::*;

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
        let line = Line::start(&"sms".parse().unwrap(), &settings, Some(inputs)).unwrap();
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
