//! The pages and the API: who may ask, how much, and in which words; every answer comes from the loop.
mod api;
mod guard;
mod page;
mod serve;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::{Semaphore, mpsc, watch};

pub(crate) use serve::serve;

use crate::Config;
use crate::clock::Clock;
use crate::eventloop::{Message, Pulse};
use crate::login::Logins;

/// A request's body, bytes.
const BODY: usize = 64 * 1_024;
/// Live pages at a time.
const STREAMS: usize = 32;
/// A loop that did not turn for this long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// What every request may use.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    title: String,
    hosts: Vec<String>,
    clock: Clock,
    to_loop: mpsc::Sender<Message>,
    pulse: watch::Receiver<Pulse>,
    logins: Logins,
    streams: Arc<Semaphore>,
    armed: AtomicU32,
}

impl Desk {
    pub(crate) fn new(
        config: &Config,
        clock: Clock,
        to_loop: mpsc::Sender<Message>,
        pulse: watch::Receiver<Pulse>,
        logins: Logins,
    ) -> Self {
        let inner = Inner {
            title: config.title.clone(),
            hosts: config.web.hosts.clone(),
            clock,
            to_loop,
            pulse,
            logins,
            streams: Arc::new(Semaphore::new(STREAMS)),
            armed: AtomicU32::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    fn pulse(&self) -> Pulse {
        self.inner.pulse.borrow().clone()
    }

    /// The loop turned a moment ago: what the pages show is live.
    fn is_alive(&self) -> bool {
        self.inner.clock.now().since(self.pulse().turned) < HANGS_AFTER
    }

    /// A board that can sound came or went.
    fn arm(&self, change: i32) {
        let before = self.inner.armed.fetch_add(change.cast_unsigned(), Ordering::Relaxed);
        let boards = before.wrapping_add(change.cast_unsigned());
        // A full queue means that inputs wait; the next change tells the number anyway.
        let _ = self.inner.to_loop.try_send(Message::Input(shouwang_board::Input::Armed { boards }));
    }
}

fn router(desk: Desk) -> Router {
    let api = Router::new()
        .route("/api/v1/alarms", get(api::list))
        .route("/api/v1/alarms/{id}/{request}", post(api::ask))
        .route("/api/v1/stream", get(stream::stream))
        .layer(from_fn_with_state(desk.clone(), guard::session));
    Router::new()
        .merge(api)
        .route("/", get(page::board))
        .route("/login", get(page::login))
        .route("/login/{token}", get(page::enter))
        .route("/assets/{name}", get(page::asset))
        .route("/healthz", get(api::healthz))
        .route("/readyz", get(api::readyz))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(from_fn_with_state(desk.clone(), guard::origin))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(desk)
}
