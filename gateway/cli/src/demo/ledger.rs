//! What the transcript needs to know of each event: the bytes that brought it, and how long it took.
use std::collections::BTreeMap;
use std::time::Duration;

use shouwang_core::Instant;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_gateway::config::Config;
use shouwang_gateway::eventloop::Moment;
use shouwang_gateway::line::Exchange;
use shouwang_message::{Event, EventData, Sequence};
use tokio::sync::broadcast::Receiver;

/// Events whose hearing is awaited; a demo has a few dozen.
const AWAITED: usize = 1024;

/// Follows events from the wire to the duty room.
#[derive(Debug)]
pub(super) struct Ledger {
    devices: Vec<String>,
    exchanges: Receiver<Exchange>,
    /// The newest answered exchange of each device.
    newest: BTreeMap<usize, Exchange>,
    awaited: BTreeMap<Sequence, Awaited>,
    committed: u64,
    heard: u64,
    alarms_heard: u64,
    slowest_alarm: Duration,
}

#[derive(Debug)]
struct Awaited {
    /// When the bytes had arrived, or the gateway decided it without any.
    since: Instant,
    exchange: Option<Exchange>,
    committed_at: Option<Instant>,
}

/// One event's way, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) exchange: Option<Exchange>,
    /// From the answer's last byte to the commit, and to the duty room's own commit.
    pub(super) committed: Option<Duration>,
    pub(super) heard: Option<Duration>,
}

/// The balance at the end.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) committed: u64,
    pub(super) heard: u64,
    pub(super) alarms_heard: u64,
    pub(super) slowest_alarm: Duration,
}

impl Ledger {
    pub(super) fn new(gateway: &Config, exchanges: Receiver<Exchange>) -> Self {
        Self {
            devices: gateway.core.devices.iter().map(|device| device.id.to_string()).collect(),
            exchanges,
            newest: BTreeMap::new(),
            awaited: BTreeMap::new(),
            committed: 0,
            heard: 0,
            alarms_heard: 0,
            slowest_alarm: Duration::ZERO,
        }
    }

    pub(super) fn note(&mut self, now: Instant, moment: &Moment<'_>) {
        match moment {
            Moment::Input(Input::Answered { .. }) => self.read_exchanges(),
            Moment::Input(Input::Committed { .. }) => {
                for awaited in self.awaited.values_mut() {
                    awaited.committed_at.get_or_insert(now);
                }
            }
            Moment::Output(Output::Commit(commit)) => {
                for event in &commit.events {
                    self.await_event(now, event.sequence, &event.body);
                }
            }
            _ => {}
        }
    }

    pub(super) fn heard(&mut self, now: Instant, event: &Event) -> Way {
        self.heard += 1;
        let Some(awaited) = self.awaited.remove(&event.sequence) else { return Way::default() };
        let took = now.since(awaited.since);
        if let EventData::Alarm(..) = event.data {
            self.alarms_heard += 1;
            self.slowest_alarm = self.slowest_alarm.max(took);
        }
        Way {
            exchange: awaited.exchange,
            committed: awaited.committed_at.map(|at| at.since(awaited.since)),
            heard: Some(took),
        }
    }

    pub(super) fn count(&self) -> Count {
        let Self { committed, heard, alarms_heard, slowest_alarm, .. } = *self;
        Count { committed, heard, alarms_heard, slowest_alarm }
    }

    fn read_exchanges(&mut self) {
        loop {
            match self.exchanges.try_recv() {
                Ok(exchange) if exchange.answer.is_empty() => {}
                Ok(exchange) => drop(self.newest.insert(exchange.device, exchange)),
                Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return,
            }
        }
    }

    fn await_event(&mut self, now: Instant, sequence: Sequence, body: &[u8]) {
        self.committed += 1;
        if self.awaited.len() >= AWAITED {
            self.awaited.pop_first();
        }
        let event: Option<Event> = shouwang_message::from_bytes(body).ok();
        let device = event.as_ref().and_then(|event| self.devices.iter().position(|id| *id == event.subject));
        // Only what a reading decides has bytes that brought it.
        let read =
            matches!(event.map(|event| event.data), Some(EventData::Alarm(change, _)) if is_judged(change));
        let exchange = device.filter(|_| read).and_then(|device| self.newest.get(&device)).cloned();
        let since = exchange.as_ref().map_or(now, |exchange| exchange.at);
        self.awaited.insert(sequence, Awaited { since, exchange, committed_at: None });
    }
}

fn is_judged(change: shouwang_message::AlarmChange) -> bool {
    use shouwang_message::AlarmChange::{Cleared, Raised, Repeated};
    matches!(change, Raised | Repeated | Cleared)
}
