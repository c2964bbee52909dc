//! The event loop: the one place where lines, store, uplink, clock and core meet.
//!
//! It takes one input after the other, gives it to the core with the time, and carries out what the core
//! orders. It decides nothing.
mod orders;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shouwang_core::Instant;
use shouwang_core::engine::{Engine, Start};
use shouwang_core::input::{Input, StoreTrouble};
use shouwang_core::output::Output;
use shouwang_message::{Id, StoreHealth};
use shouwang_trust::Floor;
use tokio::sync::{mpsc, watch};

use crate::broker::{Broker, BrokerError};
use crate::clock;
use crate::config::{Config, Link};
use crate::control::{self, Control, Lenders};
use crate::install::{self, InstallPages};
use crate::installing::{Counter, Wish};
use crate::line::WireTap;
use crate::lines::{Lines, NoThread};
use crate::metrics::Metrics;
use crate::recorder::{DEFAULT_LIMIT, Header, Recorder, RecordingError};
use crate::recordings::{self, Recordings};
use crate::reload::{self, Fixed, Reading};
use crate::silence_page::{self, SilencePage};
use crate::store::{FILE_NAME, Store, StoreError, StoreHandle};
use crate::systemd::Notifier;
use crate::texter::Texter;
use crate::uplink::{TransportError, Uplink};
use crate::watchdog::{Alive, Cause, HUNG_AFTER, Pulse, START_WITHIN, Watchdog};
use crate::web::{Health, Scrape, Web, WebError};

/// Inputs that may wait; beyond it the threads that bring them wait.
const INPUTS: usize = 4096;
/// Inputs taken in one turn before the clock and the stop signal are looked at again.
const INPUTS_A_TURN: usize = 256;
/// Readers of the metrics that may wait.
const SCRAPES: usize = 4;
/// How often the wall clock is compared, and the health page told that the loop turns.
const TICK: Duration = Duration::from_secs(1);

/// What a run may be asked for besides its configuration.
#[derive(Default)]
pub struct Options {
    /// Record everything that goes into the core here.
    pub record: Option<PathBuf>,
    /// Sees the bytes of every exchange.
    pub tap: WireTap,
    /// Sees every input and output.
    pub watcher: Option<Watcher>,
    /// Brings somebody's wish at the box that the configuration be read anew.
    pub reloads: Option<mpsc::Receiver<()>>,
    /// Each begins a recording, or ends the one that runs.
    pub recordings: Option<mpsc::Receiver<()>>,
}

/// Is shown every input before the core takes it, and every output before it is carried out.
pub type Watcher = Box<dyn FnMut(Instant, Moment<'_>) + Send>;

/// What a [`Watcher`] is shown.
#[derive(Debug)]
pub enum Moment<'a> {
    Input(&'a Input),
    Output(&'a Output),
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("starting the watchdog: {0}")]
    Watchdog(io::Error),
    #[error("starting the thread of line {line}: {source}")]
    Line { line: String, source: io::Error },
    #[error(
        "the database was damaged and has been put aside, or is not the one that this run began without; the next start goes on with what is there, and tells a gap"
    )]
    Corrupt,
    #[error("taking a seed from the system: {0}")]
    Chance(getrandom::Error),
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Runs one gateway until `stop` is ready; then it commits what is open, says `stopped`, and ends. Must be
/// called within a tokio runtime.
pub async fn run(config: Config, options: Options, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let (sender, mut inputs) = mpsc::channel(INPUTS);
    let notifier = Notifier::from_environment().map(Arc::new);
    let watchdog = Watchdog::start(&config.state_dir, notifier.clone()).map_err(RunError::Watchdog)?;
    let starting = watchdog.watch("starting", None, START_WITHIN);
    starting.beat();
    let embedded = match config.embedded_broker {
        Some(listen) => Some(Broker::start(listen).await?),
        None => None,
    };
    let mut options = options;
    let reloads = options.reloads.take();
    let (record, asked) = mpsc::channel(1);
    let recordings = recordings::Wishes { signals: options.recordings.take(), asked };
    let (mut gateway, health) = Gateway::start(config, options, &sender, watchdog)?;
    gateway.notifier.clone_from(&notifier);
    let (scrape, scrapes) = mpsc::channel(SCRAPES);
    let web = match gateway.web {
        Some(listen) => {
            let install = gateway.install.as_ref().map(|install| install.listening.listen);
            Some(Web::serve(listen, health, scrape, install, clock::now).await?)
        }
        None => None,
    };
    let _silence_page = gateway.silence_page.take().map(|page| SilencePage::start(page, sender.clone()));
    let (counter, wishes) = Counter::new(sender.clone());
    let _control = lend(gateway.control.take(), gateway.lines.lenders(), counter.clone(), record).await;
    let _install_pages = gateway
        .install
        .take()
        .map(|settings| InstallPages::start(settings, counter, gateway.lines.lenders()));
    let turning = turn_the_runtime(gateway.watchdog.watch("runtime", None, HUNG_AFTER));
    gateway.tell_the_last_end();
    gateway.give(Input::Woke);
    starting.rest();
    if let Some(notifier) = &notifier {
        notifier.ready();
    }
    let ended = || {
        let broker = embedded.as_ref().is_some_and(Broker::has_ended).then_some("embedded broker");
        broker.or(web.as_ref().is_some_and(Web::has_ended).then_some("health page"))
    };
    let askers = Askers { scrapes, wishes, reloads, recordings };
    gateway.turn_until_stopped(&mut inputs, askers, stop, ended).await;
    gateway.watchdog.expect_the_end();
    if let Some(notifier) = &notifier {
        notifier.stopping();
    }
    turning.abort();
    // Threads that wait for room to tell something must be let go before they are joined.
    drop(inputs);
    let Gateway { lines, store, recordings, uplink, texter, corrupt, watchdog: _watchdog, .. } = gateway;
    uplink.finish().await;
    let finished = tokio::task::spawn_blocking(move || {
        store.finish();
        recordings.finish(clock::now());
        drop(lines);
    });
    if finished.await.is_err() {
        tracing::error!("ending the gateway's threads failed; what was committed is on disk");
    }
    if let Some(texter) = texter {
        texter.end().await;
    }
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    if corrupt { Err(RunError::Corrupt) } else { Ok(()) }
}

/// Installers can do without it, so a gateway that cannot have it watches all the same.
async fn lend(
    path: Option<PathBuf>,
    lenders: Lenders,
    counter: Counter,
    record: mpsc::Sender<recordings::Wish>,
) -> Option<Control> {
    // systemd names the folder that it made for the service.
    let path = path
        .or_else(|| Some(PathBuf::from(std::env::var_os("RUNTIME_DIRECTORY")?).join(control::FILE_NAME)))?;
    match Control::serve(&path, lenders, counter, record).await {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no control socket: installers must stop this gateway to use a line");
            None
        }
    }
}

/// Shows that the workers turn on which the uplink and the health page run.
fn turn_the_runtime(pulse: Pulse) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            pulse.beat();
        }
    })
}

/// Waits for the next wish; for ever if nobody can have one.
async fn wanted(reloads: &mut Option<mpsc::Receiver<()>>) {
    let wish = match reloads {
        Some(wishes) => wishes.recv().await,
        None => None,
    };
    if wish.is_none() {
        std::future::pending::<()>().await;
    }
}

/// What a thread was asked and has not answered: while there is any, it must show life.
struct Outstanding {
    pulse: Pulse,
    count: usize,
}

impl Outstanding {
    fn asked(&mut self) {
        // An older one that is not answered must not be excused by a newer one.
        if self.count == 0 {
            self.pulse.beat();
        }
        self.count += 1;
    }

    fn answered(&mut self) {
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            self.pulse.rest();
        } else {
            self.pulse.beat();
        }
    }
}

/// Who asks something of the loop besides the hands.
struct Askers {
    scrapes: mpsc::Receiver<Scrape>,
    wishes: mpsc::Receiver<Wish>,
    reloads: Option<mpsc::Receiver<()>>,
    recordings: recordings::Wishes,
}

/// The core and its hands.
struct Gateway {
    watchdog: Watchdog,
    /// The signs of life of this loop, and of the store's threads, which rest while nothing is asked of them.
    turns: Pulse,
    writes: Outstanding,
    reads: Outstanding,
    _alive: Alive,
    /// Why the process before this one ended, until it is told.
    last_end: Option<PathBuf>,
    engine: Engine,
    metrics: Metrics,
    lines: Lines,
    fixed: Fixed,
    reading: Reading,
    /// The lines of what the core is asked to put in force, while it is asked.
    lines_to_be: Vec<(Id, Link)>,
    notifier: Option<Arc<Notifier>>,
    store: StoreHandle,
    uplink: Uplink,
    texter: Option<Texter>,
    recordings: Recordings,
    watcher: Option<Watcher>,
    health: watch::Sender<Health>,
    web: Option<std::net::SocketAddr>,
    silence_page: Option<silence_page::Settings>,
    install: Option<install::Settings>,
    control: Option<PathBuf>,
    /// Answers of hands that had one at once.
    at_once: VecDeque<Input>,
    polled: bool,
    stopped: bool,
    /// The database cannot be gone on with; only a new start can.
    corrupt: bool,
    /// The connection that was ended because the gateway ends.
    farewell: Option<u32>,
}

impl Gateway {
    fn start(
        config: Config,
        options: Options,
        sender: &mpsc::Sender<Input>,
        watchdog: Watchdog,
    ) -> Result<(Self, watch::Receiver<Health>), RunError> {
        let (wall, quality) = clock::wall();
        let start = Start {
            now: clock::now(),
            wall,
            clock: quality,
            seed: getrandom::u64().map_err(RunError::Chance)?,
        };
        let (store, restored) = Store::open_or_wait(&config.state_dir.join(FILE_NAME), wall)?;
        let store_writes = !store.is_awaited();
        let recorder = match &options.record {
            Some(path) => {
                let header = Header::new(&config.core, restored.clone(), start);
                Some(Recorder::create(path, &header, DEFAULT_LIMIT)?)
            }
            None => None,
        };
        let recordings = Recordings::new(&config.state_dir, &config.core.version, recorder);
        let install = config.install.clone().map(|listening| install::Settings::of(&config, listening));
        let fixed = Fixed::of(&config);
        let (site, id) = (config.core.site.clone(), config.core.gateway.clone());
        let floor = Floor::of_the_build();
        if let Some(newest) = store.newest_time() {
            floor.raise(newest.unix_ms());
        }
        let uplink = Uplink::new(site, id, config.broker, config.keys, floor, sender.clone())?;
        let turns = watchdog.watch("event loop", None, HUNG_AFTER);
        let writes = watchdog.watch("store", Some("store-writer"), HUNG_AFTER);
        let reads = watchdog.watch("log reader", Some("store-reader"), HUNG_AFTER);
        let told = sender.clone();
        // A loop that has ended hears nothing more; then nothing is lost by saying it in vain.
        let tell = move |input| drop(told.blocking_send(input));
        let store = StoreHandle::spawn(store, [writes.alive(), reads.alive()], tell)?;
        let mut lines = Lines::new(options.tap.clone(), sender.clone());
        let names: Vec<_> = config.core.lines.iter().map(|line| line.name.clone()).collect();
        let opened = names.iter().cloned().zip(config.links).map(|(name, link)| (name, link, None));
        lines
            .change(opened, &watchdog)
            .map_err(|NoThread { line, source }| RunError::Line { line: line.to_string(), source })?;
        let texter = config.modem.map(|modem| Texter::start(modem, sender.clone()));
        tracing::info!(gateway = %config.core.gateway, boot = restored.boot, log = %restored.log, "gateway started");
        let metrics = Metrics::new(names);
        let engine = Engine::new(config.core, restored.into(), start);
        let (health, seen) =
            watch::channel(Health { turned_at: start.now, store_writes, broker_connected: false });
        let gateway = Self {
            _alive: turns.alive(),
            watchdog,
            turns,
            writes: Outstanding { pulse: writes, count: 0 },
            reads: Outstanding { pulse: reads, count: 0 },
            last_end: None,
            engine,
            metrics,
            lines,
            fixed,
            reading: Reading::default(),
            lines_to_be: Vec::new(),
            notifier: None,
            store,
            uplink,
            texter,
            recordings,
            watcher: options.watcher,
            health,
            web: config.web,
            silence_page: config.silence_page,
            install,
            control: config.control,
            at_once: VecDeque::new(),
            polled: false,
            stopped: false,
            corrupt: false,
            farewell: None,
        };
        Ok((gateway, seen))
    }

    async fn turn_until_stopped(
        &mut self,
        inputs: &mut mpsc::Receiver<Input>,
        askers: Askers,
        stop: impl Future<Output = ()>,
        ended: impl Fn() -> Option<&'static str>,
    ) {
        let Askers { mut scrapes, mut wishes, mut reloads, mut recordings } = askers;
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        let mut tick = tokio::time::interval(TICK);
        while !self.stopped {
            self.turns.beat();
            let now = clock::now();
            let wait = self.engine.next_deadline().since(now);
            tokio::select! {
                () = &mut stop, if !stopping => {
                    stopping = true;
                    self.give(Input::Stopping);
                }
                _ = tick.tick() => {
                    let (wall, clock) = clock::wall();
                    self.give(Input::ClockSet { wall, clock });
                    self.look_at_texter();
                    self.recordings.look(clock::now());
                    self.tell_health();
                    self.watch_the_watchdog(ended());
                }
                input = inputs.recv() => self.take_all(input, inputs),
                Some(answer) = scrapes.recv() => {
                    // Who asked may have given up.
                    let _ = answer.send(self.metrics.text(&self.engine.measures(clock::now())));
                }
                Some(wish) = wishes.recv() => self.serve_installer(wish),
                wish = recordings.next() => self.record_on_demand(wish),
                () = wanted(&mut reloads) => self.give(Input::ReloadWanted),
                read = self.reading.ended() => match reload::judge(read, &self.fixed) {
                    Ok(loaded) => self.configure(loaded),
                    Err(why) => self.give(Input::NotConfigured { why }),
                },
                () = tokio::time::sleep(wait) => self.give(Input::Woke),
            }
        }
    }

    fn serve_installer(&mut self, wish: Wish) {
        if let Some(step) = wish.step {
            self.give(Input::Walked(step));
        }
        // Who asked may have given up.
        let _ = wish.answer.send(self.engine.sight(clock::now(), wish.device.as_ref()));
    }

    fn take_all(&mut self, first: Option<Input>, inputs: &mut mpsc::Receiver<Input>) {
        let mut next = first;
        let mut room = INPUTS_A_TURN;
        while let Some(input) = next {
            if let Some(input) = self.lines.placed(input) {
                self.check_store_after_first_poll(&input);
                self.give(input);
            }
            room -= 1;
            next = if room == 0 { None } else { inputs.try_recv().ok() };
        }
    }

    /// Gives one input, and every answer that comes at once, to the core.
    fn give(&mut self, input: Input) {
        self.at_once.push_back(input);
        while let Some(input) = self.at_once.pop_front() {
            let now = clock::now();
            self.recordings.record(now, &input);
            if let Some(watcher) = &mut self.watcher {
                watcher(now, Moment::Input(&input));
            }
            self.report(&input);
            self.note_life(&input);
            if let Input::Answered { line, outcome, .. } = &input {
                self.metrics.answered(*line, outcome);
            }
            if let Input::CommitFailed { why: StoreTrouble::Corrupt, .. } = input {
                (self.corrupt, self.stopped) = (true, true);
            }
            let outputs: Vec<Output> = self.engine.handle(now, input).collect();
            self.carry_out(now, outputs);
        }
    }

    /// Every page of the database is looked at once a start, but not before the first device was asked.
    fn check_store_after_first_poll(&mut self, input: &Input) {
        if !self.polled && matches!(input, Input::Answered { .. }) {
            self.polled = true;
            self.store.quick_check();
        }
    }

    /// What an operator reading the journal should see of an input.
    fn report(&self, input: &Input) {
        match input {
            Input::LineUp { line } => tracing::info!(line = self.metrics.line(*line), "line is open"),
            Input::LineDown { line, why } => {
                tracing::warn!(line = self.metrics.line(*line), %why, "line is down");
            }
            Input::CommitFailed { why, .. } => {
                tracing::error!(?why, "the store could not commit; it is tried again");
            }
            Input::Connected { connection } => tracing::info!(connection, "connected to the broker"),
            Input::Disconnected { connection, .. } if self.farewell == Some(*connection) => {
                tracing::info!(connection, "disconnected from the broker");
            }
            Input::Disconnected { connection, why } => {
                tracing::warn!(connection, ?why, "no connection to the broker");
            }
            Input::Commanded { name, .. } => tracing::info!(%name, "command received"),
            Input::TextSent { text } => tracing::info!(text, "the network has taken a text"),
            Input::TextFailed { text, why, .. } => tracing::warn!(text, why = %why.en, "a text was not sent"),
            Input::TextUndelivered { text, why } => tracing::warn!(text, why = %why.en, "a text is lost"),
            Input::ModemFound { trouble: Some(trouble) } => {
                tracing::warn!(trouble = %trouble.text.en, "the modem is not well");
            }
            Input::ModemFound { trouble: None } => tracing::info!("the modem is well"),
            _ => {}
        }
    }

    fn record_on_demand(&mut self, wish: Option<recordings::Wish>) {
        let moment = (clock::now(), clock::wall().0);
        match wish {
            // Who asked may have given up; the recording ends by itself.
            Some(recordings::Wish { minutes, answer }) => {
                let _ = answer.send(self.recordings.begin(&self.engine, moment, minutes));
            }
            None => self.recordings.toggle(&self.engine, moment),
        }
    }

    fn look_at_texter(&mut self) {
        let inputs = self.texter.as_mut().map(Texter::look).unwrap_or_default();
        for input in inputs {
            self.give(input);
        }
    }

    /// Every order to the store is answered once.
    fn note_life(&mut self, input: &Input) {
        match input {
            Input::Committed { .. } => {
                self.writes.answered();
                if let Some(directory) = self.last_end.take() {
                    Cause::forget(&directory);
                }
            }
            Input::CommitFailed { .. } => self.writes.answered(),
            Input::Fetched { .. } => self.reads.answered(),
            _ => {}
        }
    }

    /// If the process before this one had to end itself, somebody should know why.
    fn tell_the_last_end(&mut self) {
        let directory = self.watchdog.directory().to_owned();
        if let Some(Cause { part, hung_ms }) = Cause::of_the_last_end(&directory) {
            tracing::warn!(%part, hung_ms, "restarted: the process before ended itself");
            self.last_end = Some(directory);
            self.give(Input::Restarted { part, hung_ms });
        }
    }

    fn watch_the_watchdog(&self, ended: Option<&str>) {
        let blind = self.watchdog.is_blind().then_some("watchdog");
        if let Some(part) = blind.or(ended) {
            self.watchdog.end_because(Cause { part: part.to_owned(), hung_ms: None });
        }
    }

    fn tell_health(&self) {
        let now = clock::now();
        let health = Health {
            turned_at: now,
            store_writes: self.engine.store_health(now) == StoreHealth::Ok,
            broker_connected: self.engine.is_connected(),
        };
        self.health.send_replace(health);
    }
}
