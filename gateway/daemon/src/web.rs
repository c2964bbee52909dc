//! What a supervisor asks over HTTP: is the gateway alive, is it ready, how is it in numbers (`/metrics`).
//!
//! `/healthz` answers 200 while the event loop turns, `/readyz` while the store also writes and the
//! broker is connected; otherwise both answer 503. The body says what is wrong.
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::serve::Listener;
use shouwang_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

/// The event loop publishes its state at least once a second, so this long without is a standstill.
const STANDSTILL: Duration = Duration::from_secs(10);
/// A scrape is answered within this, or not at all.
const SCRAPED_WITHIN: Duration = Duration::from_secs(5);
/// The newer form is also the older one, but for words in comments: who asks for it gets its name.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Connections at a time (S15), and how long each may take altogether, so that none holds its place.
const CONNECTIONS: usize = 64;
/// Of one address; this machine, where a proxy or a supervisor may sit, has no own bound.
const CONNECTIONS_PER_ADDRESS: usize = 8;
/// Bytes that a connection may send altogether: a few requests with headers of 8 KiB.
const MOST_SENT: usize = 32 * 1024;
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// What the event loop says about itself, each time it turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// When the loop last turned.
    pub turned_at: Instant,
    /// The last commit succeeded, or none has been needed.
    pub store_writes: bool,
    pub broker_connected: bool,
}

/// Somebody wants to read the metrics: answered with all of them as text.
pub type Scrape = oneshot::Sender<String>;

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Seen<Now> {
    health: watch::Receiver<Health>,
    scrapes: mpsc::Sender<Scrape>,
    /// Where the installer's pages are.
    install: Option<SocketAddr>,
    now: Now,
}

impl Web {
    /// Listens on this address (port 0: any free one), and says where the installer's pages are. `now` reads the clock
    /// that stamps [`Health::turned_at`]. The error names the address.
    pub async fn serve<Now>(
        listen: SocketAddr,
        health: watch::Receiver<Health>,
        scrapes: mpsc::Sender<Scrape>,
        install: Option<SocketAddr>,
        now: Now,
    ) -> Result<Self, WebError>
    where
        Now: Fn() -> Instant + Clone + Send + Sync + 'static,
    {
        Self::serve_for(listen, Seen { health, scrapes, install, now }, CONNECTION_LIMIT).await
    }

    async fn serve_for<Now>(listen: SocketAddr, seen: Seen<Now>, limit: Duration) -> Result<Self, WebError>
    where
        Now: Fn() -> Instant + Clone + Send + Sync + 'static,
    {
        let failed = |source| WebError { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let routes = Router::new()
            .route("/healthz", get(healthz::<Now>))
            .route("/readyz", get(readyz::<Now>))
            .route("/metrics", get(metrics::<Now>))
            .route("/install", get(install::<Now>))
            .with_state(seen);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(Bounded::new(listener, limit), routes).await {
                tracing::warn!(%error, "the health page ended");
            }
        });
        Ok(Self { address, task })
    }

    /// It ended by itself, which it never should.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listening on {listen} for [web]: {source}; choose another listen address or port")]
pub struct WebError {
    listen: SocketAddr,
    source: io::Error,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn healthz<Now: Fn() -> Instant>(State(seen): State<Seen<Now>>) -> (StatusCode, &'static str) {
    seen.answer(false)
}

async fn readyz<Now: Fn() -> Instant>(State(seen): State<Seen<Now>>) -> (StatusCode, &'static str) {
    seen.answer(true)
}

/// The installer's pages have an address of their own, on the network of the installer's phone.
async fn install<Now: Fn() -> Instant>(State(seen): State<Seen<Now>>) -> Response {
    match seen.install {
        Some(listen) => Redirect::temporary(&format!("http://{listen}/install")).into_response(),
        None => {
            let words = "安装页没有配置:在 gateway.toml 里写 [install] listen · not configured: set [install] listen\n";
            (StatusCode::NOT_FOUND, words).into_response()
        }
    }
}

/// The event loop's own answer: while it stands still there is none, and a scrape that fails says so.
async fn metrics<Now: Fn() -> Instant>(State(seen): State<Seen<Now>>, headers: HeaderMap) -> Response {
    let (answer, answered) = oneshot::channel();
    let asking = async {
        seen.scrapes.send(answer).await.ok()?;
        answered.await.ok()
    };
    let Some(text) = timeout(SCRAPED_WITHIN, asking).await.ok().flatten() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the event loop does not answer\n").into_response();
    };
    let asked = headers.get(header::ACCEPT).and_then(|asked| asked.to_str().ok()).unwrap_or_default();
    let kind = if asked.contains("application/openmetrics-text") { OPEN_METRICS } else { PLAIN };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

impl<Now: Fn() -> Instant> Seen<Now> {
    fn answer(&self, ready: bool) -> (StatusCode, &'static str) {
        let health = *self.health.borrow();
        let wrong = if (self.now)().since(health.turned_at) > STANDSTILL {
            "the event loop stands still\n"
        } else if ready && !health.store_writes {
            "the store does not write\n"
        } else if ready && !health.broker_connected {
            "no connection to the broker\n"
        } else {
            return (StatusCode::OK, "ok\n");
        };
        (StatusCode::SERVICE_UNAVAILABLE, wrong)
    }
}

/// An address as browsers write it: the usual port is left out.
pub(crate) fn hosts(address: SocketAddr) -> Vec<String> {
    let whole = address.to_string();
    let short = whole.strip_suffix(":80").map(str::to_owned);
    short.into_iter().chain([whole]).collect()
}

/// Asked by one of these names, and not from a page of somebody else's.
pub(crate) fn is_addressed(hosts: &[String], headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = |host: &str| hosts.iter().any(|own| own == host);
    let is_ours = |origin: &str| origin.strip_prefix("http://").is_some_and(is_own);
    let origin = headers.contains_key(header::ORIGIN);
    text(header::HOST).is_some_and(is_own) && (!origin || text(header::ORIGIN).is_some_and(is_ours))
}

/// Accepts while there is a place, and ends every connection in time.
pub(crate) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    from: Addresses,
    limit: Duration,
    most_sent: usize,
}

/// How many connections each address has.
type Addresses = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

pub(crate) struct Visit {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    sent: usize,
    most_sent: usize,
    from: IpAddr,
    addresses: Addresses,
    _place: OwnedSemaphorePermit,
}

impl Bounded {
    /// `limit` is how long a connection may take altogether.
    pub(crate) fn new(listener: TcpListener, limit: Duration) -> Self {
        let (places, from) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::default());
        Self { listener, places, from, limit, most_sent: MOST_SENT }
    }

    /// A connection may send so many bytes altogether.
    pub(crate) fn with_most_sent(self, most_sent: usize) -> Self {
        Self { most_sent, ..self }
    }
}

impl Listener for Bounded {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        // The semaphore is never closed; if it were, nobody would be let in.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return std::future::pending().await;
        };
        let (stream, address) = loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if self.has_room(address.ip().to_canonical()) {
                break (stream, address);
            }
        };
        let (from, addresses) = (address.ip().to_canonical(), Arc::clone(&self.from));
        let until = Box::pin(sleep(self.limit));
        let most_sent = self.most_sent;
        (Visit { stream, until, sent: 0, most_sent, from, addresses, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Bounded {
    /// Takes one of the places of an address.
    fn has_room(&self, address: IpAddr) -> bool {
        let mut addresses = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        let own = addresses.entry(address).or_default();
        if *own >= CONNECTIONS_PER_ADDRESS && !address.is_loopback() {
            return false;
        }
        *own += 1;
        true
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = addresses.get_mut(&self.from) {
            *own -= 1;
            if *own == 0 {
                addresses.remove(&self.from);
            }
        }
    }
}

impl Visit {
    fn in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Visit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.sent += buffer.filled().len() - before;
        if self.sent > self.most_sent {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too much was sent")));
        }
        polled
    }
}

impl AsyncWrite for Visit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        format!("{} {}", head.split(' ').nth(1).unwrap(), body.trim())
    }

    #[tokio::test]
    async fn health_follows_the_loop_and_readiness_the_store_and_the_broker() {
        let good = Health { turned_at: Instant::from_micros(0), store_writes: true, broker_connected: true };
        let (turn, health) = watch::channel(good);
        let clock = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&clock);
        let now = move || Instant::from_micros(now.load(Ordering::Relaxed));
        let (scrapes, mut scraped) = mpsc::channel::<Scrape>(1);
        let web = Web::serve("127.0.0.1:0".parse().unwrap(), health, scrapes, None, now).await.unwrap();
        let at = web.address();
        let loops =
            async { scraped.recv().await.unwrap().send("shouwang_gap_total 0\n# EOF\n".into()).unwrap() };
        let (text, ()) = tokio::join!(get(at, "/metrics"), loops);
        assert_eq!(text, "200 shouwang_gap_total 0\n# EOF");
        drop(scraped);
        assert_eq!(get(at, "/metrics").await, "503 the event loop does not answer");
        assert_eq!(get(at, "/healthz").await, "200 ok");
        assert_eq!(
            get(at, "/install").await.get(..3),
            Some("404"),
            "without [install] there are no such pages"
        );
        assert_eq!(get(at, "/readyz").await, "200 ok");
        turn.send(Health { broker_connected: false, ..good }).unwrap();
        assert_eq!(get(at, "/healthz").await, "200 ok");
        assert_eq!(get(at, "/readyz").await, "503 no connection to the broker");
        turn.send(Health { store_writes: false, ..good }).unwrap();
        assert_eq!(get(at, "/readyz").await, "503 the store does not write");
        clock.store(10_000_001, Ordering::Relaxed);
        assert_eq!(get(at, "/healthz").await, "503 the event loop stands still");
        assert_eq!(get(at, "/else").await.get(..3), Some("404"));
    }

    #[test]
    fn on_port_80_browsers_leave_the_port_out() {
        let is_addressed = |listen: &str, host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
            is_addressed(&hosts(listen.parse().unwrap()), &headers)
        };
        let usual = "192.168.1.9:80";
        assert!(is_addressed(usual, "192.168.1.9", None));
        assert!(is_addressed(usual, "192.168.1.9", Some("http://192.168.1.9")));
        assert!(is_addressed(usual, "192.168.1.9:80", Some("http://192.168.1.9:80")));
        assert!(is_addressed("[fd00::9]:80", "[fd00::9]", Some("http://[fd00::9]")));
        assert!(!is_addressed(usual, "192.168.1.9", Some("https://192.168.1.9")));
        assert!(!is_addressed(usual, "192.168.1.9", Some("null")));
        assert!(!is_addressed("192.168.1.9:8080", "192.168.1.9", None));
        assert!(!is_addressed("192.168.1.9:8080", "192.168.1.9:80", None));
    }

    #[tokio::test]
    async fn silent_visitors_are_shown_out_and_others_get_in() {
        let good = Health { turned_at: Instant::from_micros(0), store_writes: true, broker_connected: true };
        let (_turn, health) = watch::channel(good);
        let now = || Instant::from_micros(0);
        let limit = Duration::from_millis(50);
        let seen = Seen { health, scrapes: mpsc::channel(1).0, install: None, now };
        let web = Web::serve_for("127.0.0.1:0".parse().unwrap(), seen, limit).await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS + 10 {
            silent.push(TcpStream::connect(web.address()).await.unwrap());
        }
        assert_eq!(get(web.address(), "/healthz").await, "200 ok");
    }

    #[tokio::test]
    async fn whoever_sends_too_much_is_cut_and_one_address_takes_no_more_than_its_share() {
        let good = Health { turned_at: Instant::from_micros(0), store_writes: true, broker_connected: true };
        let (_turn, health) = watch::channel(good);
        let now = || Instant::from_micros(0);
        let seen = Seen { health, scrapes: mpsc::channel(1).0, install: None, now };
        let web = Web::serve_for("127.0.0.1:0".parse().unwrap(), seen, CONNECTION_LIMIT).await.unwrap();
        for head in [
            "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
            "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n",
        ] {
            let mut greedy = TcpStream::connect(web.address()).await.unwrap();
            let sending = async {
                greedy.write_all(head.as_bytes()).await?;
                for _ in 0..1_000 {
                    greedy.write_all(&[b'x'; 1_024]).await?;
                    tokio::task::yield_now().await;
                }
                greedy.read_to_end(&mut Vec::new()).await
            };
            // Cut, by a reset while it still sends or by the end of the answer.
            let _ = timeout(Duration::from_secs(5), sending).await.expect("it is cut");
        }
        assert_eq!(get(web.address(), "/healthz").await, "200 ok");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bounded = Bounded::new(listener, CONNECTION_LIMIT);
        let (far, other, near) =
            (IpAddr::from([192, 0, 2, 7]), IpAddr::from([192, 0, 2, 8]), IpAddr::from([127, 0, 0, 1]));
        let taken = |address| (0..20).filter(|_| bounded.has_room(address)).count();
        assert_eq!(
            (taken(far), taken(other), taken(near)),
            (CONNECTIONS_PER_ADDRESS, CONNECTIONS_PER_ADDRESS, 20)
        );
    }
}
