//! `demo`: the whole system on a simulated field, telling what happens as it happens, and answering its viewer's keys.
//!
//! Only the devices are simulated. The serial line is a pty paced at its baud rate, Modbus TCP, the disk, the
//! MQTT connection and the duty room are the real ones, and so is every decision. The gateway is a process of its own.
mod child;
mod count;
mod gateway;
mod keys;
mod ledger;
mod person;
mod setting;
mod stage;
mod story;
mod tell;
mod worker;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::Instant;
use shouwang_duty_room as duty_room;
use shouwang_field as field;
use shouwang_gateway::broker::Broker;
use shouwang_gateway::clock;
use tokio::sync::broadcast::error::RecvError;

use crate::arguments::Demo;
use crate::exit::{Code, Exit};
use crate::serve::{log, runtime};
use crate::signal::{self, Asked};
use keys::Keys;
use ledger::Ledger;
use person::Person;
use stage::{Act, Stage};
use story::{OVER, Step};
use tell::{Cause, Phone, Teller, Times};
use worker::Worker;

pub(crate) use gateway::gateway;

/// How often the story, the lamps and the simulated duty person are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The duty room goes on this long at most after the gateway said farewell, to hear all of it.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(crate) fn demo(wanted: Demo) -> Result<(), Exit> {
    log(tracing::level_filters::LevelFilter::ERROR);
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
    if let Some(page) = worker::page(&room).await {
        tell::phone(wanted.json, Phone::Own, &page)?;
    }

    let config = setting::write_gateway(&field, broker.address(), state.path())?;
    let gateway = setting::gateway(&config)?;
    // From here on a dropped `keys` is what makes the terminal as it was.
    let keys = Keys::listen();
    let teller = Teller::new(wanted.json, &gateway);
    teller.welcome(&field, broker.address(), keys.is_some())?;
    let person = Person::new(&gateway, broker.address());
    let (told, notices) = child::notices();
    let stage = Stage::new(field, broker, config, told)?;
    let mut show = Show {
        room,
        stage,
        person,
        worker: Worker::default(),
        teller,
        ledger: Ledger::default(),
        began: clock::now(),
        story: story::story().into(),
        counted: false,
        state: state.path(),
    };
    let by = show.go_on(keys, notices, ended(asked, wanted.seconds)).await?;
    show.end().await?;
    match by {
        Some(Asked::Interrupt) => Err(Exit::Said(Code::Interrupted)),
        _ => Ok(()),
    }
}

/// Everything that runs, and how far the story is.
struct Show<'a> {
    room: duty_room::Running,
    stage: Stage,
    person: Person,
    worker: Worker,
    teller: Teller,
    ledger: Ledger,
    began: Instant,
    story: VecDeque<Step>,
    counted: bool,
    state: &'a Path,
}

impl Show<'_> {
    async fn go_on(
        &mut self,
        keys: Option<Keys>,
        mut notices: tokio::sync::mpsc::Receiver<ledger::Notice>,
        ended: impl Future<Output = Option<Asked>>,
    ) -> Result<Option<Asked>, Exit> {
        let mut heard = self.room.heard();
        let mut ended = std::pin::pin!(ended);
        let mut look = tokio::time::interval(LOOK);
        let mut keys = keys;
        loop {
            let key = async {
                match &mut keys {
                    Some(keys) => keys.pressed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                by = &mut ended => return Ok(by),
                key = key => self.pressed(key).await?,
                _ = look.tick() => self.look().await?,
                notice = notices.recv() => {
                    if let Some(notice) = notice {
                        self.ledger.note(notice);
                        self.tell_heard()?;
                    }
                }
                event = heard.recv() => match event {
                    Ok(event) => {
                        // What brought it about comes first.
                        self.teller.lamps(&self.stage.field)?;
                        let now = clock::now();
                        self.person.hear(now, &event.event);
                        self.worker.hear(&event.event);
                        self.ledger.hear(now, event);
                        self.tell_heard()?;
                    }
                    Err(RecvError::Lagged(missed)) => self.teller.missed(missed)?,
                    Err(RecvError::Closed) => return Ok(None),
                },
            }
        }
    }

    fn tell_heard(&mut self) -> Result<(), Exit> {
        while let Some((event, way)) = self.ledger.next(clock::now()) {
            self.teller.event(&event.event, &way)?;
        }
        Ok(())
    }

    /// What is due by the clock.
    async fn look(&mut self) -> Result<(), Exit> {
        let now = clock::now();
        let played = now.since(self.began);
        while let Some(step) = self.story.pop_front_if(|step| step.at <= played) {
            if let Some(scene) = &step.scene {
                self.teller.scene(Cause::Story, scene)?;
            }
            self.act(Cause::Story, step.act).await?;
        }
        if let Some(done) = self.stage.look_after_gateway(now)? {
            self.teller.scene(Cause::Story, &done)?;
        }
        self.teller.lamps(&self.stage.field)?;
        if let Some(done) = self.person.act(now, &self.room).await {
            self.teller.person(&done)?;
        }
        if let Some(link) = self.worker.act(&self.room).await {
            tell::phone(self.teller.is_json(), Phone::Sent, &link)?;
        }
        if played >= OVER && !self.counted {
            self.counted = true;
            self.teller.count(&count::count(self.state)?, self.times(), false)?;
        }
        self.tell_heard()
    }

    async fn pressed(&mut self, key: u8) -> Result<(), Exit> {
        match self.stage.key(key) {
            Some(act) => self.act(Cause::Key, act).await,
            None => self.teller.legend(),
        }
    }

    async fn act(&mut self, cause: Cause, act: Act) -> Result<(), Exit> {
        match self.stage.act(clock::now(), act).await? {
            // The story's scene has said what a press is.
            Some(done) if cause == Cause::Key || act != Act::Press => self.teller.scene(cause, &done),
            _ => Ok(()),
        }
    }

    /// The gateway first, then the duty room when it has heard everything, and the count of both.
    async fn end(mut self) -> Result<(), Exit> {
        self.stage.stop_gateway().await?;
        let mut left = LAST_WORDS;
        let mut count = count::count(self.state)?;
        while count.heard < count.wire && !left.is_zero() {
            tokio::time::sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
            count = count::count(self.state)?;
        }
        let times = self.times();
        self.room.stop().await.map_err(|error| Exit::failed(&error))?;
        self.stage.stop().await;
        self.teller.count(&count, times, true)
    }

    fn times(&self) -> Times {
        Times { slowest: self.ledger.slowest(), broker_away: self.stage.broker_away(clock::now()) }
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
