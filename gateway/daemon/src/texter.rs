//! The gateway's own modem: texts out, answers in, and what is wrong with it, as the core's inputs.
//!
//! Unlike the other threads, the modem's may hang or end without ending the process: the lines, the siren and the
//! uplink go on, and what is wrong is told as a fault.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shouwang_core::Instant;
use shouwang_core::configuration::PhoneIndex;
use shouwang_core::input::{Input, ModemTrouble, TextId};
use shouwang_message::Text;
use shouwang_modem::{Event, Modem, Number, OrderId, Settings, Trouble};
use tokio::sync::mpsc;

use crate::clock;
use crate::config;
use crate::watchdog::{HUNG_AFTER, Pulse};

/// A thread that has ended is started again this long after the last start.
const START_AGAIN: Duration = Duration::from_secs(60);
/// An order with this bit is a ring; without, a text by the core's own number.
const RING: u64 = 1 << 63;

/// The modem of a running gateway. Dropping it ends its thread.
#[derive(Debug)]
pub struct Texter {
    port: Settings,
    numbers: Arc<[Number]>,
    inputs: mpsc::Sender<Input>,
    pulse: Pulse,
    modem: Option<Modem>,
    started_at: Instant,
    /// What the modem said last of itself.
    said: Arc<Mutex<Option<ModemTrouble>>>,
    /// Its thread hangs or has ended, and that is told.
    is_gone: bool,
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
        let failed = |zh: &str, en: &str| Some(Input::TextFailed { text, why: Text::new(zh, en) });
        let (Some(modem), Some(number)) = (&self.modem, self.numbers.get(phone)) else {
            return failed("短信模块没有运行", "the modem is not running");
        };
        if modem.has_ended() || modem.text(OrderId(text), number.clone(), words).is_err() {
            return failed("短信模块不接受", "the modem takes no more");
        }
        if rings {
            // Texts go first. A ring that finds no room is one of very many.
            let _ = modem.ring(OrderId(text | RING), number.clone());
        }
        None
    }

    /// Whether the thread still moves, and what the core should know when that changes. To be called every second.
    pub fn look(&mut self) -> Option<Input> {
        let now = clock::now();
        let has_ended = self.modem.as_ref().is_none_or(Modem::has_ended);
        if has_ended && now.since(self.started_at) >= START_AGAIN {
            self.spawn();
        }
        let is_gone = has_ended || self.pulse.silent_for(now) >= HUNG_AFTER;
        if is_gone == self.is_gone {
            return None;
        }
        self.is_gone = is_gone;
        let gone = || ModemTrouble {
            text: Text::new(
                "短信模块的程序停住了,请拔下模块再插上",
                "the modem's thread stands still; unplug the modem and plug it in again",
            ),
            sends: false,
        };
        let said = || self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(Input::ModemFound { trouble: if is_gone { Some(gone()) } else { said() } })
    }

    fn spawn(&mut self) {
        self.started_at = clock::now();
        let (numbers, said) = (Arc::clone(&self.numbers), Arc::clone(&self.said));
        let inputs = self.inputs.clone();
        let told = move |event: Event| {
            if let Some(input) = became(event, &numbers) {
                if let Input::ModemFound { trouble } = &input {
                    said.lock().unwrap_or_else(PoisonError::into_inner).clone_from(trouble);
                }
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

/// What the core must know of an event.
fn became(event: Event, numbers: &[Number]) -> Option<Input> {
    match event {
        Event::Sent { id } => Some(Input::TextSent { text: id.0 }),
        Event::Failed { id, why } if id.0 & RING == 0 => {
            Some(Input::TextFailed { text: id.0, why: why.text() })
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
        Event::Undelivered { id, status } => {
            tracing::warn!(text = id.0, status, "the network could not deliver a text that it had taken");
            None
        }
        Event::Delivered { .. } | Event::Rang { .. } | Event::Signal { .. } => None,
    }
}
