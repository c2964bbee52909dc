//! The gateway's own modem: texts out, answers in, and what is wrong with it, as the core's inputs.
//!
//! Unlike the other threads, the modem's may hang or end without ending the process: the lines, the siren and the
//! uplink go on, and what is wrong is told as a fault.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use shouwang_core::Instant;
use shouwang_core::configuration::PhoneIndex;
use shouwang_core::input::{Input, ModemTrouble, TextId};
use shouwang_message::Text;
use shouwang_modem::{Event, Modem, Number, OrderId, Settings, Trouble, Why};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::clock;
use crate::config;
use crate::watchdog::{HUNG_AFTER, Pulse};

/// A thread that has ended is started again this long after the last start.
const START_AGAIN: Duration = Duration::from_secs(60);
/// A thread that lives ends within this when it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// An order with this bit is a ring; without, a text by the core's own number.
const RING: u64 = 1 << 63;

/// The modem of a running gateway.
#[derive(Debug)]
pub struct Texter {
    port: Settings,
    numbers: Arc<[Number]>,
    inputs: mpsc::Sender<Input>,
    pulse: Pulse,
    modem: Option<Modem>,
    started_at: Instant,
    said: Arc<Mutex<Said>>,
    /// Its thread hangs or has ended, and that is told.
    is_gone: bool,
}

/// What is known of the thread that runs.
#[derive(Debug, Default)]
struct Said {
    /// What it said last of the modem; none until it has said anything.
    trouble: Option<Option<ModemTrouble>>,
    /// The text that it has and whose end it has not told.
    under_way: Option<TextId>,
}

impl Texter {
    /// Starts the modem's thread. That there is none is told as trouble, and is no reason not to start.
    pub fn start(modem: config::Modem, inputs: mpsc::Sender<Input>) -> Self {
        let mut texter = Self {
            port: modem.port,
            numbers: modem.numbers.into(),
            inputs,
            pulse: Pulse::default(),
            modem: None,
            started_at: clock::now(),
            said: Arc::default(),
            is_gone: false,
        };
        texter.spawn();
        texter
    }

    /// Hands a text to the modem; never waits. An answer comes at once only if it cannot be sent.
    pub fn text(&mut self, text: TextId, phone: PhoneIndex, words: String, rings: bool) -> Option<Input> {
        let failed = |zh: &str, en: &str| {
            Some(Input::TextFailed { text, why: Text::new(zh, en), may_have_left: false })
        };
        let (Some(modem), Some(number)) = (&self.modem, self.numbers.get(phone)) else {
            return failed("短信模块没有运行", "the modem is not running");
        };
        lock(&self.said).under_way = Some(text);
        if modem.has_ended() || modem.text(OrderId(text), number.clone(), words).is_err() {
            lock(&self.said).under_way = None;
            return failed("短信模块不接受", "the modem takes no more");
        }
        if rings {
            // Texts go first. A ring that finds no room is one of very many.
            let _ = modem.ring(OrderId(text | RING), number.clone());
        }
        None
    }

    /// Whether the thread still moves, and what the core should know when that changes. To be called every second.
    pub fn look(&mut self) -> Vec<Input> {
        let now = clock::now();
        let mut inputs = Vec::new();
        let has_ended = self.modem.as_ref().is_none_or(Modem::has_ended);
        if has_ended {
            let lost = lock(&self.said).under_way.take();
            inputs.extend(lost.map(|text| {
                let why = Text::new(
                    "短信模块的程序中断,可能已发出",
                    "the modem's thread ended; it may have been sent",
                );
                Input::TextFailed { text, why, may_have_left: true }
            }));
            if now.since(self.started_at) >= START_AGAIN {
                self.spawn();
            }
        }
        let said = lock(&self.said).trouble.clone();
        // A new thread is believed once it has said how its modem is.
        let is_silent = self.pulse.silent_for(now) >= HUNG_AFTER || (self.is_gone && said.is_none());
        let is_gone = has_ended || is_silent;
        if is_gone != self.is_gone {
            self.is_gone = is_gone;
            let trouble = if is_gone { Some(gone()) } else { said.flatten() };
            inputs.push(Input::ModemFound { trouble });
        }
        inputs
    }

    /// Ends the thread. One that hangs is left behind and ends with the process: nothing of it is wanted any more.
    pub async fn end(self) {
        let (ends, ended) = oneshot::channel::<()>();
        let joins = move || {
            drop(self);
            drop(ends);
        };
        if thread::Builder::new().name("modem-end".into()).spawn(joins).is_err()
            || timeout(ENDS_WITHIN, ended).await.is_err()
        {
            tracing::warn!("the modem's thread does not end; the process ends without it");
        }
    }

    fn spawn(&mut self) {
        self.started_at = clock::now();
        self.said = Arc::default();
        let (numbers, said) = (Arc::clone(&self.numbers), Arc::clone(&self.said));
        let inputs = self.inputs.clone();
        let told = move |event: Event| {
            if let Some(input) = became(event, &numbers) {
                lock(&said).note(&input);
                // A loop that has ended hears nothing more.
                let _ = inputs.blocking_send(input);
            }
        };
        let pulse = self.pulse.clone();
        pulse.beat();
        match Modem::spawn(self.port.clone(), move || pulse.beat(), told) {
            Ok(modem) => self.modem = Some(modem),
            Err(error) => {
                tracing::warn!(%error, "the modem's thread cannot be started; it is tried again");
                self.modem = None;
            }
        }
    }
}

impl Said {
    fn note(&mut self, input: &Input) {
        match input {
            Input::ModemFound { trouble } => self.trouble = Some(trouble.clone()),
            Input::TextSent { text } | Input::TextFailed { text, .. } => {
                self.under_way.take_if(|under_way| under_way == text);
            }
            _ => {}
        }
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> ModemTrouble {
    ModemTrouble {
        text: Text::new(
            "短信模块的程序停住了,请拔下模块再插上",
            "the modem's thread stands still; unplug the modem and plug it in again",
        ),
        sends: false,
    }
}

/// What the core must know of an event.
fn became(event: Event, numbers: &[Number]) -> Option<Input> {
    match event {
        Event::Sent { id } => Some(Input::TextSent { text: id.0 }),
        Event::Failed { id, why } if id.0 & RING == 0 => {
            let may_have_left = matches!(why, Why::Silent);
            Some(Input::TextFailed { text: id.0, why: why.text(), may_have_left })
        }
        Event::Failed { why, .. } => {
            tracing::warn!(why = %why.text().en, "a phone could not be rung");
            None
        }
        Event::Received { from, text, sent_at } => {
            let Some(phone) = numbers.iter().position(|number| number.is_same_phone(&from)) else {
                tracing::info!("a text from a number that is not configured was ignored");
                return None;
            };
            Some(Input::TextReceived { phone, words: text, sent_at })
        }
        Event::Troubled(trouble) => {
            let sends = matches!(trouble, Trouble::Deaf | Trouble::WeakSignal { .. });
            Some(Input::ModemFound { trouble: Some(ModemTrouble { text: trouble.text(), sends }) })
        }
        Event::Well => Some(Input::ModemFound { trouble: None }),
        Event::Delivered { id } => Some(Input::TextDelivered { text: id.0 }),
        Event::Undelivered { id, status } => {
            Some(Input::TextUndelivered { text: id.0, why: Why::Undelivered { status }.text() })
        }
        Event::Rang { .. } | Event::Signal { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn texter() -> (Texter, mpsc::Receiver<Input>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let port = Settings { path: directory.path().join("ttyMODEM"), baud: 115_200 };
        let (sender, inputs) = mpsc::channel(64);
        let numbers = vec!["13800138000".parse().unwrap()];
        (Texter::start(config::Modem { port, numbers }, sender), inputs, directory)
    }

    /// Looks every while until something is said.
    async fn news(texter: &mut Texter) -> Vec<Input> {
        let looks = async {
            loop {
                let inputs = texter.look();
                if !inputs.is_empty() {
                    return inputs;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, looks).await.expect("something to tell")
    }

    #[tokio::test]
    async fn a_thread_that_ends_gives_back_its_text_and_the_next_one_is_believed_once_it_speaks() {
        let (mut texter, _inputs, _directory) = texter();
        let ends = Arc::new(AtomicBool::new(false));
        let beats = {
            let ends = Arc::clone(&ends);
            move || assert!(!ends.load(Ordering::Relaxed), "a thread that ends, as it should")
        };
        texter.modem = Some(Modem::spawn(texter.port.clone(), beats, |_| {}).unwrap());
        assert_eq!(texter.text(7, 0, "请处置".into(), true), None);
        ends.store(true, Ordering::Relaxed);
        let told = news(&mut texter).await;
        let [
            Input::TextFailed { text: 7, may_have_left: true, .. },
            Input::ModemFound { trouble: Some(trouble) },
        ] = told.as_slice()
        else {
            panic!("not both: {told:?}")
        };
        assert_eq!(*trouble, gone());
        let why = texter.text(8, 0, "请处置".into(), true);
        assert!(matches!(why, Some(Input::TextFailed { text: 8, may_have_left: false, .. })), "{why:?}");
        texter.started_at = Instant::default();
        assert_eq!(texter.look(), [], "the new one has not said anything yet");
        let told = news(&mut texter).await;
        let [Input::ModemFound { trouble: Some(trouble) }] = told.as_slice() else { panic!("{told:?}") };
        assert!(trouble.text.en.contains("serial port"), "of itself: {trouble:?}");
        texter.end().await;
    }

    #[tokio::test]
    async fn a_thread_that_hangs_is_left_behind() {
        let (mut texter, _inputs, _directory) = texter();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        texter.modem = Some(Modem::spawn(texter.port.clone(), move || _ = held.recv(), |_| {}).unwrap());
        let begun = clock::now();
        texter.end().await;
        assert!(clock::now().since(begun) < ENDS_WITHIN * 2);
        drop(hold);
    }

    #[test]
    fn what_the_network_says_of_a_text_is_told_and_what_it_says_of_a_ring_is_not() {
        let undelivered = became(Event::Undelivered { id: OrderId(3), status: 0x46 }, &[]);
        let Some(Input::TextUndelivered { text: 3, why }) = undelivered else { panic!("{undelivered:?}") };
        assert!(why.en.contains("0x46"), "{why:?}");
        assert_eq!(became(Event::Delivered { id: OrderId(3) }, &[]), Some(Input::TextDelivered { text: 3 }));
        assert_eq!(became(Event::Failed { id: OrderId(3 | RING), why: Why::Silent }, &[]), None);
    }
}
