//! The pages and the API: who may ask, how much, and in which words; every answer comes from the loop.
mod access;
mod accounts;
mod admission;
mod answering;
mod api;
mod boards;
mod cases;
mod charts;
mod clear;
mod couriers;
mod devices;
mod drill;
mod extract;
mod figures;
mod guard;
mod handover;
mod history;
mod hydrograph;
mod items;
mod links;
mod logbook;
#[cfg(test)]
mod matrix;
mod metrics;
mod mine;
mod months;
mod multipart;
mod openapi;
mod page;
mod paper;
mod patient;
mod print;
mod rating;
mod refusal;
mod reports;
mod residents;
mod river;
mod seats;
mod serve;
mod session;
mod shift;
mod sounder;
mod station_form;
mod stations;
mod stream;
mod village;
mod walks;
mod welfare;
mod words;
mod workers;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

pub(crate) use serve::serve;

use shouwang_board::organisation::Person;
use shouwang_board::{Input, LogLine};
use shouwang_message::Id;

use access::{DESK, LEADS, RECORDS, Route, WATCH, Who, delete, get, post};
use boards::{BoardCount, Boards};
use refusal::{Refusal, too_slow};
pub(crate) use workers::own_page;

use crate::accounts::door::Door;
use crate::accounts::recovery::Recovery;
use crate::clock::Clock;
use crate::eventloop::{Message, Pulse};
use crate::logbook::Reader;
use crate::metrics::Metrics;
use crate::photo::Photos;
use crate::records::Records;
use crate::residents::Residents;
use crate::series::Series;
use crate::tickets::Tickets;
use crate::{About, Config};

/// A request's body, bytes.
const BODY: usize = 64 * 1_024;
/// Live pages at a time.
const STREAMS: usize = 32;
/// An answer later than this is an answer that the disk or the loop is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A loop that did not turn for this long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// What every request may use.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Under which its own steps stand.
    name: Id,
    named: watch::Receiver<Arc<Named>>,
    hosts: Vec<String>,
    public_url: Option<String>,
    /// The pages are shown over TLS.
    is_encrypted: bool,
    /// Whether browsers may remember to come by TLS only: not while they have to ask people about a certificate made here.
    is_trusted: bool,
    /// In the clear only this machine is answered.
    refuses_other_machines: bool,
    clock: Clock,
    to_loop: mpsc::Sender<Message>,
    pulse: watch::Receiver<Pulse>,
    door: Door,
    streams: Arc<Semaphore>,
    boards: Boards,
    logbook: Reader,
    residents: Residents,
    records: Records,
    series: Series,
    photos: Photos,
    tickets: Tickets,
    /// Links that nobody has, by where they were asked from.
    guesses: std::sync::Mutex<admission::Guesses>,
    /// What people upload takes so much memory at most.
    upload_room: Arc<Semaphore>,
    /// One picture is read or drawn at a time.
    pictures: Semaphore,
    /// Public pages that are drawn at a time.
    drawings: Arc<Semaphore>,
    recovery: Recovery,
    metrics: Metrics,
    /// How many boards can sound, as the loop knows it.
    armed_told: AtomicU32,
}

/// What the configuration calls things and people; another one may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    title: String,
    persons: Vec<Person>,
}

impl Named {
    pub(crate) fn of(config: &Config) -> Arc<Self> {
        let (title, persons) = (config.title.clone(), config.organisation.persons.clone());
        Arc::new(Self { title, persons })
    }
}

/// Where a request comes from: the address at the other end of its connection.
#[derive(Clone, Copy, Debug)]
struct Peer(IpAddr);

impl Desk {
    /// What people are called, by the ids that stand in histories: this room itself, whom the configuration names, accounts.
    fn names(&self) -> BTreeMap<String, String> {
        let (inner, named) = (&self.inner, self.named());
        let own = (inner.name.to_string(), named.title.clone());
        let persons = named.persons.iter().map(|person| (person.id.to_string(), person.name.clone()));
        let accounts = inner.door.people().into_iter().map(|person| (person.id, person.name));
        [own].into_iter().chain(persons).chain(accounts).collect()
    }

    pub(crate) fn new(
        config: &Config,
        named: watch::Receiver<Arc<Named>>,
        certificate: Option<About>,
        clock: Clock,
        to_loop: mpsc::Sender<Message>,
        pulse: watch::Receiver<Pulse>,
        door: Door,
        metrics: Metrics,
    ) -> Self {
        let inner = Inner {
            name: config.name.clone(),
            named,
            hosts: config.web.hosts.clone(),
            public_url: config.web.public_url.clone(),
            is_encrypted: config.web.certificate.is_some(),
            is_trusted: certificate.is_some_and(|certificate| !certificate.is_self_signed),
            refuses_other_machines: config.web.refuses_other_machines(),
            clock,
            to_loop,
            pulse,
            door,
            streams: Arc::new(Semaphore::new(STREAMS)),
            boards: Boards::default(),
            logbook: Reader::new(&config.state_dir),
            residents: Residents::new(&config.state_dir),
            records: Records::new(&config.state_dir),
            series: Series::new(&config.state_dir),
            photos: Photos::new(&config.state_dir),
            tickets: Tickets::new(&config.state_dir),
            guesses: std::sync::Mutex::default(),
            upload_room: extract::upload_room(),
            pictures: Semaphore::new(1),
            drawings: Arc::new(Semaphore::new(river::DRAWINGS)),
            recovery: Recovery::new(&config.state_dir),
            metrics,
            armed_told: AtomicU32::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    fn named(&self) -> Arc<Named> {
        Arc::clone(&self.inner.named.borrow())
    }

    fn pulse(&self) -> Pulse {
        self.inner.pulse.borrow().clone()
    }

    /// The loop turned a moment ago: what the pages show is live.
    fn is_alive(&self) -> bool {
        self.inner.clock.now().since(self.pulse().turned) < HANGS_AFTER
    }

    /// What the loop answers; a change is on disk by then.
    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let message = message(answer);
        let asking = async {
            self.inner.to_loop.send(message).await.ok()?;
            answered.await.ok()
        };
        timeout(ANSWER_WITHIN, asking).await.ok().flatten().ok_or_else(too_slow)
    }

    /// Into the logbook; refused if the loop is gone.
    async fn note(&self, line: LogLine) -> Result<(), Refusal> {
        self.inner.to_loop.send(Message::Input(Input::Noted(line))).await.map_err(|_| too_slow())
    }

    fn boards(&self) -> BoardCount {
        self.inner.boards.count(self.inner.clock.now())
    }

    /// Writes the line about refused log-ins that is due.
    fn tell_refusals(&self) {
        // A full queue means that the loop is in trouble; alarms go first there.
        if let Ok(seat) = self.inner.to_loop.try_reserve()
            && let Some(line) = self.inner.door.refusals_due()
        {
            seat.send(Message::Input(Input::Noted(line)));
        }
    }

    /// Tells the loop how many boards can sound, if it knows otherwise.
    fn tell_boards(&self) -> BoardCount {
        let count = self.boards();
        let boards = count.armed;
        if self.inner.armed_told.load(Ordering::Relaxed) != boards {
            let message = Message::Input(Input::Armed { boards });
            // A full queue means that inputs wait: told again within a tick.
            if self.inner.to_loop.try_send(message).is_ok() {
                self.inner.armed_told.store(boards, Ordering::Relaxed);
            }
        }
        count
    }
}

/// Reads apart from those who answer, as a disk may take its time; none if it cannot be read.
async fn from_disk<T, E>(read: impl FnOnce() -> Result<T, E> + Send + 'static) -> Option<T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    tokio::task::spawn_blocking(read).await.ok()?.ok()
}

/// Every route, and whom it is for.
fn routes() -> Vec<Route> {
    vec![
        get("/", Who::Page(DESK), page::board),
        get("/wall", Who::Page(DESK), page::wall),
        get("/handover", Who::Page(RECORDS), handover::now),
        get("/handover/{id}", Who::Page(RECORDS), handover::signed),
        get("/figures", Who::Page(RECORDS), months::show),
        get("/answering", Who::Page(DESK), answering::rounds),
        get("/answering/{id}", Who::Act(WATCH), answering::show),
        get("/triage", Who::Page(DESK), couriers::show),
        get("/report/{token}", Who::Anybody, couriers::form),
        post("/report/{token}", Who::Anybody, couriers::tell),
        post("/report/{token}/{id}/photo", Who::Anybody, couriers::put_photo),
        get("/rate/{token}", Who::Anybody, rating::form),
        post("/rate/{token}", Who::Anybody, rating::rate),
        get("/stations/{id}", Who::Page(LEADS), station_form::show),
        get("/residents", Who::Act(LEADS), residents::list),
        get("/welfare", Who::Private(RECORDS), welfare::show),
        get("/river/worker.js", Who::Anybody, river::worker),
        get("/river/{station}", Who::Anybody, river::show),
        get("/river/{station}/readings.csv", Who::Anybody, river::csv),
        get("/link/{token}", Who::Anybody, links::show),
        post("/link/{token}/{act}", Who::Anybody, links::act),
        get("/mine/worker.js", Who::Anybody, river::worker),
        get("/mine/{token}", Who::Anybody, mine::show),
        post("/mine/{token}/report", Who::Anybody, mine::report),
        post("/mine/{token}/reports/{case}/photo", Who::Anybody, mine::put_photo),
        post("/mine/{token}/stations/{id}/readings", Who::Anybody, mine::read),
        post("/mine/{token}/cases/{id}/{act}", Who::Anybody, mine::act),
        get("/cases/{id}/print", Who::Page(DESK), print::case),
        get("/login", Who::Anybody, page::login),
        get("/login/{token}", Who::Anybody, page::enter),
        get("/setup", Who::Anybody, page::setup),
        get("/recover", Who::Anybody, page::recover),
        get("/accounts", Who::Page(DESK), page::accounts),
        get("/assets/{name}", Who::Anybody, page::asset),
        get("/healthz", Who::Anybody, api::healthz),
        get("/readyz", Who::Anybody, api::readyz),
        get("/metrics", Who::Local(DESK), metrics::metrics),
        get("/api/openapi.json", Who::Anybody, openapi::document),
        post("/api/v1/setup", Who::Anybody, session::set_up),
        post("/api/v1/recovery", Who::Anybody, session::recover),
        post("/api/v1/session", Who::Anybody, session::log_in),
        delete("/api/v1/session", Who::Anybody, session::log_out),
        get("/api/v1/session", Who::Look(DESK), session::who),
        get("/api/v1/accounts", Who::Act(LEADS), accounts::list),
        post("/api/v1/accounts", Who::Act(LEADS), accounts::add),
        post("/api/v1/accounts/{id}/{change}", Who::ByVerb(accounts::VERBS), accounts::change),
        get("/api/v1/pages", Who::Act(LEADS), workers::list),
        post("/api/v1/pages/{person}/{change}", Who::ByVerb(workers::VERBS), workers::change),
        get("/api/v1/alarms", Who::Look(DESK), api::list),
        post("/api/v1/alarms/{id}/{request}", Who::ByVerb(api::VERBS), api::ask),
        get("/api/v1/alarms/{id}/resident", Who::Act(WATCH), residents::masked),
        post("/api/v1/alarms/{id}/resident", Who::Act(WATCH), residents::open),
        post("/api/v1/residents", Who::Act(LEADS), residents::put),
        post("/api/v1/residents/{number}/remove", Who::Act(LEADS), residents::remove),
        get("/api/v1/residents.csv", Who::Act(LEADS), residents::export),
        post("/api/v1/residents/import", Who::Act(LEADS), residents::import),
        get("/api/v1/cases", Who::Look(DESK), cases::list),
        get("/api/v1/cases/{id}", Who::Look(DESK), cases::one),
        post("/api/v1/cases/{id}/{step}", Who::ByVerb(cases::VERBS), cases::step),
        get("/api/v1/cases/{id}/photos/{photo}", Who::Look(DESK), reports::show_photo),
        post("/api/v1/cases/{id}/photos", Who::Act(WATCH), reports::put_photo),
        post("/api/v1/reports", Who::Act(WATCH), reports::report),
        get("/api/v1/devices", Who::Look(DESK), devices::list),
        get("/api/v1/drill", Who::Look(RECORDS), drill::one),
        post("/api/v1/drill", Who::Act(access::LEADS), drill::start),
        post("/api/v1/drill/stop", Who::Act(access::LEADS), drill::stop),
        post("/api/v1/walks/{id}", Who::Act(WATCH), walks::answer),
        post("/api/v1/devices/{id}/test", Who::Act(access::TESTERS), devices::test),
        get("/api/v1/welfare", Who::Act(RECORDS), welfare::list),
        post("/api/v1/welfare/{rule}/pause", Who::Act(WATCH), welfare::pause),
        get("/api/v1/figures", Who::Look(RECORDS), figures::json),
        get("/api/v1/figures.csv", Who::Look(RECORDS), figures::csv),
        get("/api/v1/figures/devices.csv", Who::Look(RECORDS), figures::devices_csv),
        get("/api/v1/logbook", Who::Look(RECORDS), logbook::page),
        get("/api/v1/logbook.csv", Who::Look(RECORDS), logbook::csv),
        get("/api/v1/shift", Who::Look(DESK), shift::one),
        post("/api/v1/shift/{step}", Who::ByVerb(shift::VERBS), shift::step),
        post("/api/v1/handover", Who::Act(WATCH), handover::sign),
        post("/api/v1/sounder/silence", Who::Act(WATCH), sounder::silence),
        get("/api/v1/stations", Who::Look(DESK), stations::list),
        get("/api/v1/stations/{id}/readings", Who::Look(DESK), stations::readings),
        post("/api/v1/stations/{id}/readings", Who::Act(WATCH), stations::read),
        get("/api/v1/stations/{id}/readings/{reading}/photo", Who::Look(DESK), village::photo),
        post("/api/v1/stations/{id}/readings/{reading}/photo", Who::Act(WATCH), village::put_photo),
        post("/api/v1/stations/{id}/about", Who::Act(LEADS), village::about),
        get("/api/v1/stations/{id}/impacts.csv", Who::Look(DESK), village::impacts),
        post("/api/v1/stations/{id}/impacts", Who::Act(WATCH), village::put_impacts),
        get("/api/v1/stations/{id}/warning", Who::Act(WATCH), village::warning),
        get("/api/v1/stations/{id}/warning.png", Who::Look(DESK), village::picture),
        post("/api/v1/stations/{id}/warning", Who::Act(WATCH), village::forwarded),
        post("/api/v1/stations/{id}/round", Who::Act(WATCH), answering::begin),
        get("/api/v1/triage", Who::Look(DESK), couriers::queue),
        get("/api/v1/triage/{id}/photo", Who::Look(DESK), couriers::photo),
        post("/api/v1/triage/{id}/case", Who::Act(WATCH), couriers::accept),
        post("/api/v1/triage/{id}/dismiss", Who::Act(WATCH), couriers::dismiss),
        get("/api/v1/couriers", Who::Act(LEADS), couriers::list),
        post("/api/v1/couriers", Who::Act(LEADS), couriers::add),
        post("/api/v1/couriers/revoke", Who::Act(LEADS), couriers::revoke),
        post("/api/v1/cases/{id}/rating-link", Who::Act(WATCH), rating::link),
        get("/api/v1/rounds", Who::Look(DESK), answering::list),
        get("/api/v1/rounds/{id}", Who::Look(WATCH), answering::one),
        post("/api/v1/rounds/{id}/called", Who::Act(WATCH), answering::called),
        post("/api/v1/rounds/{id}/end", Who::Act(LEADS), answering::end),
        get("/api/v1/stream", Who::Look(DESK), stream::stream),
        post("/api/v1/boards/{page}", Who::Act(WATCH), boards::report),
    ]
}

fn router(desk: Desk) -> Router {
    access::routed(&desk, routes())
        .fallback(async || refusal::not_found())
        .method_not_allowed_fallback(async || refusal::method_not_allowed())
        .layer(from_fn_with_state(desk.clone(), guard::origin))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(guard::seated))
        .with_state(desk)
}
