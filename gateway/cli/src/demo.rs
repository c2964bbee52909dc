//! `demo`: the whole system in one process, on a simulated field, telling what happens as it happens.
//!
//! Only the devices are simulated. The serial line is a pty paced at its baud rate, Modbus TCP, the disk, the
//! MQTT connection and the duty room are the real ones, and so is every decision.
mod ledger;
mod person;
mod setting;
mod tell;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_duty_room as duty_room;
use shouwang_field as field;
use shouwang_gateway::broker::Broker;
use shouwang_gateway::clock;
use shouwang_gateway::eventloop::{self, Moment, Options};
use shouwang_gateway::line::WireTap;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use crate::arguments::Demo;
use crate::exit::{Code, Exit};
use crate::serve::{log, runtime};
use crate::signal::{self, Asked};
use ledger::Ledger;
use person::Person;
use tell::Teller;

/// How often the lamps and the simulated duty person are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The duty room goes on this long after the gateway said farewell, to hear it.
const LAST_WORDS: Duration = Duration::from_millis(300);

pub(crate) fn demo(wanted: Demo) -> Result<(), Exit> {
    log("warn");
    runtime()?.block_on(play(wanted))
}

async fn play(wanted: Demo) -> Result<(), Exit> {
    let asked = signal::asked().map_err(|error| Exit::failed(&error))?;
    let state = State::make(wanted.state.as_deref())?;

    let field = field::FieldConfig::from_toml(include_str!("demo/field.toml"), "demo/field.toml")
        .and_then(|config| field::start(&config, &Catalog::shipped()))
        .map_err(|error| Exit::failed(&error))?;
    let loopback = ([127, 0, 0, 1], 0).into();
    let broker = Broker::start(loopback).await.map_err(|error| Exit::failed(&error))?;
    let rooms = setting::duty_room(wanted.listen, broker.address(), state.path())?;
    let room =
        duty_room::start(rooms, duty_room::Clock::system()).await.map_err(|error| Exit::failed(&error))?;
    tell::link(wanted.json, &room.link())?;

    let gateway = setting::gateway(&field, broker.address(), state.path())?;
    let teller = Teller::new(wanted.json, &gateway);
    let mut person = Person::new(&gateway, broker.address());
    teller.welcome(&field, broker.address())?;
    let tap = WireTap::new();
    let ledger = Arc::new(Mutex::new(Ledger::new(&gateway, tap.listen())));
    let writing = Arc::clone(&ledger);
    let watcher = move |now, moment: Moment<'_>| {
        writing.lock().unwrap_or_else(PoisonError::into_inner).note(now, &moment);
    };
    let mut heard = room.heard();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = Options { tap, watcher: Some(Box::new(watcher)), ..Options::default() };
    let running = tokio::spawn(eventloop::run(gateway, options, async move {
        // Dropped or sent: both mean the end.
        let _ = stopped.await;
    }));

    let mut end = std::pin::pin!(ended(asked, wanted.seconds));
    let mut look = tokio::time::interval(LOOK);
    let by = loop {
        tokio::select! {
            by = &mut end => break by,
            _ = look.tick() => {
                teller.lamps(&field)?;
                if let Some(done) = person.act(clock::now()) {
                    teller.person(&done)?;
                }
            }
            event = heard.recv() => match event {
                Ok(event) => {
                    // What brought it about comes first.
                    teller.lamps(&field)?;
                    let now = clock::now();
                    person.hear(now, &event.event);
                    let line = ledger.lock().unwrap_or_else(PoisonError::into_inner).heard(now, &event.event);
                    teller.event(&event.event, &line)?;
                }
                Err(RecvError::Lagged(missed)) => teller.missed(missed)?,
                Err(RecvError::Closed) => break None,
            },
        }
    };
    drop(stop);
    let ran = running.await.map_err(|error| Exit::failed(&error))?;
    tokio::time::sleep(LAST_WORDS).await;
    room.stop().await.map_err(|error| Exit::failed(&error))?;
    broker.stop().await;
    field.stop();
    ran.map_err(|error| Exit::failed(&error))?;
    let count = ledger.lock().unwrap_or_else(PoisonError::into_inner).count();
    teller.goodbye(&count)?;
    match by {
        Some(Asked::Interrupt) => Err(Exit::Said(Code::Interrupted)),
        _ => Ok(()),
    }
}

/// Who ended it: a person, or nobody when the time was over.
async fn ended(asked: impl Future<Output = Asked>, seconds: Option<u64>) -> Option<Asked> {
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        by = asked => Some(by),
        () = over => None,
    }
}

/// Where the two databases are: kept where the user said, else removed at the end.
enum State {
    Kept(PathBuf),
    Passing(tempfile::TempDir),
}

impl State {
    fn make(wanted: Option<&Path>) -> Result<Self, Exit> {
        match wanted {
            Some(dir) => std::fs::create_dir_all(dir).map(|()| Self::Kept(dir.to_owned())),
            None => tempfile::Builder::new().prefix("shouwang-demo-").tempdir().map(Self::Passing),
        }
        .map_err(|error| {
            let dir = wanted.map_or_else(std::env::temp_dir, Path::to_owned);
            Exit::Because(Code::Failed, format!("making the demo's folder {}: {error}", dir.display()))
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Passing(dir) => dir.path(),
        }
    }
}
