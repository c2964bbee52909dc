//! All the duty room's hands, no decisions: the broker, the disk and the pages around the pure board.
//!
//! [`start`] runs everything until [`Running::stop`]. Threads and sockets only carry inputs to the board in
//! `shouwang-board` and its outputs out again; `eventloop` is the one place where they meet.
#![forbid(unsafe_code)]

mod accounts;
pub mod backup;
mod certificate;
pub mod clock;
pub mod config;
mod eventloop;
pub mod format;
mod link;
mod lists;
pub mod logbook;
mod metrics;
pub mod notify;
mod photo;
mod records;
mod reload;
mod residents;
mod river_ladder;
mod river_picture;
mod series;
pub mod signing;
mod sounder;
mod stop;
mod store;
mod tickets;
mod tls;
pub mod uploads;
mod ways;
mod web;
mod wishes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shouwang_board::organisation::Person;
use shouwang_message::{AlarmId, Id, Timestamp};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

pub use accounts::recovery::{self, Issued, RecoverError};
pub use certificate::{About, Certificate};
pub use clock::Clock;
pub use config::{Broker, Config, ConfigError, Problem, Web};
pub use eventloop::HeardEvent;
pub use link::client_options;
pub use reload::Refused;
pub use wishes::{Unasked, Wish, Wishes, ask_to_reload};

use accounts::door::Door;
use eventloop::{Channels, Pulse};

/// A loop that does not turn for this long hangs: longer than any disk is waited for.
const HUNG_AFTER: Duration = Duration::from_secs(15);

/// Why a duty room could not start; each says what it was doing.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("another duty room already uses {0}: stop it, or give this one its own state_dir")]
    InUse(PathBuf),
    #[error("cannot use {path} as state_dir: {source}")]
    StateDir { path: PathBuf, source: std::io::Error },
    #[error("cannot open the store {path}: {source}")]
    Store { path: PathBuf, source: rusqlite::Error },
    #[error("{path} was written by a newer version (its format is {found}, this version knows {known})")]
    NewerStore { path: PathBuf, found: i64, known: i64 },
    #[error("cannot listen on {address}: {source}; choose another [web] listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Signing(#[from] signing::SigningError),
    #[error("cannot prepare TLS: {0}")]
    Tls(String),
    #[error("cannot open {0}")]
    Channel(String),
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Why a duty room did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error("the duty room did not stop within {0:?}; what was heard is on disk")]
    Slow(Duration),
    #[error("a part of the duty room failed: {0}")]
    Failed(String),
}

/// A running duty room. Dropping it stops it without waiting, as a kill would.
#[derive(Debug)]
pub struct Running {
    /// Where the pages are: the real port, also when the configuration said 0.
    pub web: SocketAddr,
    certificate: Option<certificate::Holder>,
    trusted_key: String,
    door: Door,
    clock: Clock,
    name: Id,
    persons: Vec<Person>,
    tickets: tickets::Tickets,
    heard: broadcast::Sender<Arc<HeardEvent>>,
    input: mpsc::Sender<eventloop::Message>,
    pulse: watch::Receiver<Pulse>,
    named: watch::Sender<Arc<web::Named>>,
    fixed: tokio::sync::Mutex<reload::Fixed>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    channels: notify::Tasks,
    store: Option<std::thread::JoinHandle<()>>,
    series: Option<std::thread::JoinHandle<()>>,
}

/// Starts a duty room: opens its store, listens, and connects to the broker for as long as it runs (a broker
/// that is away is tried again, it is no error here). Must be called within a tokio runtime.
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    let floor = shouwang_trust::Floor::of_the_build();
    // Read again at every connection; here so that a file that cannot be used is told at once.
    tls::transport(&config.broker, &floor).map_err(StartError::Tls)?;
    let lock = store::lock(&config.state_dir).await?;
    let store::Opened { store, kept, people } = store::Store::open(&config.state_dir)?;
    if let Some(newest) = store.newest_time() {
        floor.raise(newest.unix_ms());
    }
    let random = |error: getrandom::Error| StartError::Randomness(error.to_string());
    let seed = getrandom::u64().map_err(random)?;
    let run = getrandom::u64().map_err(random)?;
    let address = config.web.listen;
    let listen_failed = |source| StartError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen_failed)?;
    let web = listener.local_addr().map_err(listen_failed)?;

    let signer = signing::Signer::open(&config.name, &config.state_dir, config.command_key.as_deref())?;
    let trusted_key = signer.trusted_key();
    let wanted = certificate::Wanted {
        room: config.name.to_string(),
        hosts: own_names(&config.web),
        wall: clock.wall(),
    };
    let open = |certificate| certificate::Holder::open(certificate, &config.state_dir, wanted);
    let certificate = config.web.certificate.clone().map(open).transpose().map_err(StartError::Tls)?;

    let (stop, stopped) = stop::Stopped::channel();
    let (heard, _) = broadcast::channel(1_024);
    let (input, inputs) = mpsc::channel(1_024);
    let (to_store, transactions) = mpsc::channel(store::QUEUE);
    let door = Door::open(clock.clone(), people, &to_store).map_err(random)?;
    let (to_series, records) = mpsc::channel(series::QUEUE);
    let lost = series::Lost::default();
    let keeper = series::Keeper::open(&config.state_dir, clock.clone(), lost.clone())?;
    let (to_residents, wanted) = mpsc::channel(residents::QUEUE);
    let series = std::thread::Builder::new()
        .name("duty-room-series".into())
        .spawn(move || keeper.run(records))
        .map_err(StartError::Thread)?;
    let (stored, completions) = mpsc::channel(store::QUEUE);
    let (pulse, pulses) = watch::channel(Pulse::default());
    let outbox = link::Outbox::new(signer);

    let board =
        shouwang_board::Board::restore(reload::settings(&config), seed, clock.now(), clock.wall(), kept);
    let store_stopped = stopped.clone();
    let store = std::thread::Builder::new()
        .name("duty-room-store".into())
        .spawn(move || {
            let _lock = lock;
            store::run(store, transactions, &stored, &store_stopped);
        })
        .map_err(StartError::Thread)?;
    let mut tasks = Vec::new();
    tasks.push(tokio::spawn(link::run(
        link::Link::new(&config, floor),
        input.clone(),
        outbox.clone(),
        stopped.clone(),
    )));
    let means = notify::Means {
        clock: clock.clone(),
        page: config.web.public_url.clone(),
        state_dir: config.state_dir.clone(),
        inputs: input.clone(),
        heard: heard.clone(),
        stopped: stopped.clone(),
    };
    let telling = notify::Tasks::default();
    let mut notifier = notify::Notifier::new(means, telling.clone());
    notify::prepare(&config.channels)
        .and_then(|channels| notifier.change(&channels))
        .map_err(StartError::Channel)?;
    let told = input.clone();
    let told = move |became: Result<(), String>| {
        // With the loop's queue full it is told again in a few seconds.
        let trouble = became.err();
        let _ = told.try_send(eventloop::Message::Input(shouwang_board::Input::Sounded { trouble }));
    };
    let sounder =
        config.sounder.clone().map(|settings| sounder::Sounder::spawn(settings, clock.clone(), told));
    let sounder = sounder.transpose().map_err(StartError::Thread)?;
    let metrics = metrics::Metrics::new();
    let ways = config.web.public_url.clone().map(|page| ways::Ways {
        tickets: tickets::Tickets::new(&config.state_dir),
        clock: clock.clone(),
        made_by: config.name.to_string(),
        page,
        inputs: input.clone(),
    });
    let channels = Channels {
        inputs,
        completions,
        to_store,
        to_series,
        lost,
        to_residents,
        outbox,
        sounder,
        heard: heard.clone(),
        pulse,
        notifier,
        ways,
        metrics: metrics.clone(),
    };
    tasks.push(tokio::spawn(eventloop::run(board, clock.clone(), run, channels, stopped.clone())));
    tasks.push(tokio::spawn(residents::list_people(
        residents::Residents::new(&config.state_dir),
        clock.clone(),
        wanted,
        input.clone(),
        stopped.clone(),
    )));
    tasks.push(tokio::spawn(residents::forget_hourly(
        residents::Residents::new(&config.state_dir),
        clock.clone(),
        input.clone(),
        stopped.clone(),
    )));
    let about = certificate.as_ref().map(|certificate| certificate.current().about);
    let (named, names) = watch::channel(web::Named::of(&config));
    let (asked, pulsed) = (input.clone(), pulses.clone());
    let desk = web::Desk::new(&config, names, about, clock.clone(), asked, pulsed, door.clone(), metrics);
    if let Some(certificate) = certificate.clone() {
        tasks.push(tokio::spawn(certificate.watch(input.clone(), stopped.clone())));
    }
    tasks.push(tokio::spawn(web::serve(listener, desk, certificate.clone(), stopped)));
    if config.web.refuses_other_machines() && !web.ip().is_loopback() {
        tracing::warn!(%web, "without [web] certificate no other machine gets an answer: write certificate = \"generated\"");
    }
    tracing::info!(name = %config.name, %web, "duty room started");
    Ok(Running {
        web,
        certificate,
        trusted_key,
        door,
        clock,
        name: config.name.clone(),
        persons: config.organisation.persons.clone(),
        tickets: tickets::Tickets::new(&config.state_dir),
        heard,
        input,
        pulse: pulses,
        named,
        fixed: tokio::sync::Mutex::new(reload::Fixed::of(&config)),
        stop,
        tasks,
        channels: telling,
        store: Some(store),
        series: Some(series),
    })
}

/// What browsers may call it.
fn own_names(web: &Web) -> Vec<String> {
    let mut names = web.hosts.clone();
    let address = web.listen.ip();
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    names
}

impl Running {
    /// Where the pages are, as a browser's address without a path.
    pub fn address(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.web)
    }

    /// What gateways write into `[commands] trusted_keys` to believe this duty room's commands and no others.
    pub fn trusted_key(&self) -> &str {
        &self.trusted_key
    }

    /// What the pages' certificate says of itself; none without HTTPS.
    pub fn certificate(&self) -> Option<About> {
        self.certificate.as_ref().map(|certificate| certificate.current().about)
    }

    /// Every event right after its commit here, from the moment of this call on. A receiver that falls more
    /// than 1,024 events behind is told that it lagged.
    pub fn heard(&self) -> broadcast::Receiver<Arc<HeardEvent>> {
        self.heard.subscribe()
    }

    /// A link that signs an operator in and leads to `/`, for a demo and for tests: it works from this call on, until
    /// ten minutes after its first use. Without a call there is none.
    pub fn link(&self) -> String {
        format!("{}/login/{}", self.address(), self.door.show_link())
    }

    /// A standing page of this person's own, as a lead makes it, for a demo and for tests: the one before opens nothing
    /// any more. None if no such person is configured, or the disk makes none.
    pub async fn page_of(&self, person: &str) -> Option<String> {
        let person = self.persons.iter().find(|known| known.id.as_str() == person)?.id.to_string();
        let wall = self.clock.wall();
        let token = self.make_ticket(web::own_page(person, self.name.to_string(), wall), wall).await?;
        Some(format!("{}/mine/{token}", self.address()))
    }

    /// A link of one person to one case, as whoever is sent gets it; none if the disk makes none.
    pub async fn link_to(&self, case: AlarmId, person: &str) -> Option<String> {
        let wall = self.clock.wall();
        let wanted = ways::link_to(case, person.to_owned(), self.name.to_string(), wall);
        Some(format!("{}/link/{}", self.address(), self.make_ticket(wanted, wall).await?))
    }

    async fn make_ticket(&self, wanted: tickets::Wanted, wall: Timestamp) -> Option<String> {
        let tickets = self.tickets.clone();
        let making = tokio::task::spawn_blocking(move || tickets.make_only(&wanted, wall));
        Some(making.await.ok()?.ok()??.to_string())
    }

    /// Does one step of a case, as a person at a page would; none if the duty room ends.
    pub async fn ask_case(&self, asked: shouwang_board::CaseAsked) -> Option<shouwang_board::Outcome> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.input.send(eventloop::Message::CaseAsk { asked, answer }).await.ok()?;
        answered.await.ok()
    }

    /// The page and the code that make the first account; none once there is one. The code dies with its use, and
    /// with this run.
    pub fn setup(&self) -> Option<(String, String)> {
        Some((format!("{}/setup", self.address()), self.door.setup_code()?))
    }

    /// Every part lives, and the loop turned less than 15 s ago: whoever watches over this process need not end it. A
    /// broker that is away is no reason.
    pub fn is_alive(&self) -> bool {
        let silent_for = self.clock.now().since(self.pulse.borrow().turned);
        let store = self.store.as_ref().is_some_and(|store| !store.is_finished());
        let parts = !self.tasks.iter().any(JoinHandle::is_finished) && !self.channels.has_died();
        store && silent_for < HUNG_AFTER && parts
    }

    /// Whether the broker connection stands now.
    pub fn is_linked(&self) -> bool {
        self.pulse.borrow().linked
    }

    /// Stops: says goodbye to the broker, finishes what is being written, closes the store.
    pub async fn stop(mut self) -> Result<(), StopError> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let _ = self.stop.send(true);
        let mut tasks = std::mem::take(&mut self.tasks);
        tasks.extend(self.channels.take());
        let threads = [self.store.take(), self.series.take()];
        let ending = async {
            for task in tasks {
                task.await.map_err(|error| StopError::Failed(error.to_string()))?;
            }
            for thread in threads.into_iter().flatten() {
                let joined = tokio::task::spawn_blocking(move || thread.join()).await;
                if !matches!(joined, Ok(Ok(()))) {
                    return Err(StopError::Failed("a thread of the store panicked".into()));
                }
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, ending).await.unwrap_or(Err(StopError::Slow(PATIENCE)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        for task in self.tasks.iter().chain(&self.channels.take()) {
            task.abort();
        }
    }
}
