//! `demo-gateway`: the gateway as `shouwang run` runs it, with a line on standard output for every event that it
//! has committed: the bytes that brought it and when. It ends when its standard input does.
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use shouwang_core::Instant;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_gateway::eventloop::{self, Moment, Options};
use shouwang_gateway::line::{Exchange, WireTap};
use shouwang_message::{AlarmChange, Event, EventData, Sequence};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::oneshot;

use super::ledger::{Notice, hex};
use super::setting;
use crate::exit::Exit;
use crate::print;
use crate::serve::{log, runtime};

pub(crate) fn gateway(config: &Path) -> Result<(), Exit> {
    log(tracing::level_filters::LevelFilter::ERROR);
    let config = setting::gateway(config)?;
    let tap = WireTap::new();
    let mut notes = Notes {
        devices: config.core.devices.iter().map(|device| device.id.to_string()).collect(),
        exchanges: tap.listen(),
        newest: BTreeMap::new(),
        open: Vec::new(),
    };
    let watcher = move |now, moment: Moment<'_>| notes.note(now, &moment);
    let options = Options { tap, watcher: Some(Box::new(watcher)), ..Options::default() };
    let (closed, closing) = oneshot::channel();
    let waiting = move || {
        // Whatever ends the reading, the demo is not there any more.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = closed.send(());
    };
    std::thread::Builder::new()
        .name("demo-end".into())
        .spawn(waiting)
        .map_err(|error| Exit::failed(&error))?;
    let stop = async move {
        let _ = closing.await;
    };
    runtime()?.block_on(eventloop::run(config, options, stop)).map_err(|error| Exit::failed(&error))
}

/// Follows events from the wire to the disk.
struct Notes {
    devices: Vec<String>,
    exchanges: Receiver<Exchange>,
    /// The newest answered exchange of each device.
    newest: BTreeMap<usize, Exchange>,
    /// Of the commit under way.
    open: Vec<Notice>,
}

impl Notes {
    fn note(&mut self, now: Instant, moment: &Moment<'_>) {
        match moment {
            Moment::Input(Input::Answered { .. }) => self.read_exchanges(),
            Moment::Input(Input::Committed { .. }) => {
                for notice in self.open.drain(..) {
                    // A demo that is gone ends this process by its closed pipe soon.
                    let _ = print::line(&Notice { committed: now, ..notice }.to_json());
                }
            }
            Moment::Output(Output::Commit(commit)) => {
                for event in &commit.events {
                    let notice = self.begin(now, event.sequence, &event.body);
                    self.open.push(notice);
                }
            }
            _ => {}
        }
    }

    fn read_exchanges(&mut self) {
        loop {
            match self.exchanges.try_recv() {
                Ok(exchange) if exchange.answer.is_empty() => {}
                Ok(exchange) => drop(self.newest.insert(exchange.device, exchange)),
                Err(TryRecvError::Lagged(_)) => {}
                Err(_) => return,
            }
        }
    }

    fn begin(&self, now: Instant, sequence: Sequence, body: &[u8]) -> Notice {
        let event: Option<Event> = shouwang_message::from_bytes(body).ok();
        let device = event.as_ref().and_then(|event| self.devices.iter().position(|id| *id == event.subject));
        // Only what a reading decides has bytes that brought it.
        let read =
            matches!(event.map(|event| event.data), Some(EventData::Alarm(change, _)) if is_judged(change));
        let exchange = device.filter(|_| read).and_then(|device| self.newest.get(&device));
        Notice {
            sequence,
            since: exchange.map_or(now, |exchange| exchange.at),
            committed: now,
            bytes: exchange.map(|exchange| (hex(&exchange.request), hex(&exchange.answer))),
        }
    }
}

fn is_judged(change: AlarmChange) -> bool {
    matches!(change, AlarmChange::Raised | AlarmChange::Repeated | AlarmChange::Cleared)
}
