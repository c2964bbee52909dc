//! The silencing page: whoever stands at the siren and knows the PIN quiets it from a phone.
//!
//! It listens on one address of this machine, shows nothing about anybody, and asks the core for what the button asks.
use std::convert::Infallible;
use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use sha2::{Digest as _, Sha256};
use shouwang_core::input::Input;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::clock;
use crate::throttle::Throttle;
use crate::web::{Bounded, hosts, is_addressed};

/// The address may not be there yet when the box starts; the gateway does not wait for it.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);
const BODY_BYTES: usize = 256;
const PIN_FILE_BYTES: u64 = 64;
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 6..=12;

/// Where it listens, and the file with the PIN, which is read at every try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub listen: SocketAddr,
    pub pin_file: PathBuf,
}

/// Why a file holds no PIN to be used.
#[derive(Debug, thiserror::Error)]
pub enum BadPin {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error("a PIN has 6 to 12 digits and nothing else")]
    NotDigits,
    #[error("this PIN is the first that anybody tries")]
    TooEasy,
}

/// A running page; it ends when this is dropped.
#[derive(Debug)]
pub struct SilencePage {
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Door {
    pin_file: PathBuf,
    /// What a browser calls it.
    hosts: Vec<String>,
    throttle: Arc<Mutex<Throttle>>,
    inputs: mpsc::Sender<Input>,
}

impl SilencePage {
    /// Listens as soon as the address is there, and goes on trying until then.
    pub fn start(settings: Settings, inputs: mpsc::Sender<Input>) -> Self {
        let task = tokio::spawn(async move {
            loop {
                match TcpListener::bind(settings.listen).await {
                    Ok(listener) => serve(listener, settings.pin_file.clone(), inputs.clone()).await,
                    Err(error) => {
                        tracing::warn!(listen = %settings.listen, %error, "the silencing page is not there yet");
                    }
                }
                sleep(LISTEN_AGAIN).await;
            }
        });
        Self { task }
    }
}

impl Drop for SilencePage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The PIN in this file.
///
/// # Errors
/// There is none, or it is too easy.
pub fn read_pin(path: &Path) -> Result<String, BadPin> {
    let mut text = String::new();
    fs::File::open(path)?.take(PIN_FILE_BYTES).read_to_string(&mut text)?;
    let pin = text.trim();
    if !PIN_DIGITS.contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadPin::NotDigits);
    }
    let steps: Vec<i16> =
        pin.bytes().zip(pin.bytes().skip(1)).map(|(one, next)| i16::from(next) - i16::from(one)).collect();
    if [0, 1, -1].iter().any(|step| steps.iter().all(|found| found == step)) {
        return Err(BadPin::TooEasy);
    }
    Ok(pin.to_owned())
}

async fn serve(listener: TcpListener, pin_file: PathBuf, inputs: mpsc::Sender<Input>) {
    let Ok(address) = listener.local_addr() else { return };
    tracing::info!(%address, "the silencing page is there");
    let door = Door { pin_file, hosts: hosts(address), throttle: Arc::default(), inputs };
    let routes = Router::new()
        .route("/", get(show).post(silence))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(door);
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let bounded = Bounded::new(listener, CONNECTION_LIMIT).tap_io(|_| {});
    let ended: Result<(), io::Error> = axum::serve(bounded, service).await;
    if let Err(error) = ended {
        tracing::warn!(%error, "the silencing page ended; it is started again");
    }
}

async fn show(State(door): State<Door>, headers: HeaderMap) -> Result<Response, Infallible> {
    Ok(if is_addressed(&door.hosts, &headers) { page(StatusCode::OK, "") } else { misdirected() })
}

async fn silence(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Infallible> {
    if !is_addressed(&door.hosts, &headers) {
        return Ok(misdirected());
    }
    let begun = door.throttle().begin(clock::now(), from.ip());
    if let Err(wait) = begun {
        let seconds = wait.as_secs() + 1;
        let words = format!("试得太多,请等 {seconds} 秒 · too many tries, wait {seconds} s");
        return Ok((
            [(header::RETRY_AFTER, seconds.to_string())],
            page(StatusCode::TOO_MANY_REQUESTS, &words),
        )
            .into_response());
    }
    let pin = match read_pin(&door.pin_file) {
        Ok(pin) => pin,
        Err(error) => {
            tracing::warn!(%error, path = %door.pin_file.display(), "the silencing page has no PIN");
            let words = "PIN 文件不可用,请按现场的消音按钮 · the PIN file cannot be used; press the button";
            return Ok(page(StatusCode::SERVICE_UNAVAILABLE, words));
        }
    };
    let said = body.strip_prefix(b"pin=").unwrap_or_default();
    // Of digests nobody learns by the time a comparison takes.
    if Sha256::digest(said) != Sha256::digest(pin.as_bytes()) {
        tracing::info!(from = %from.ip(), "a wrong PIN on the silencing page");
        return Ok(page(StatusCode::FORBIDDEN, "PIN 不对 · wrong PIN"));
    }
    door.throttle().proved(from.ip());
    tracing::info!(from = %from.ip(), "silenced by the page");
    // A loop that has ended sounds nothing either.
    let _ = door.inputs.send(Input::QuietWanted).await;
    Ok(page(StatusCode::OK, "已消音;新的报警照样会响 · silenced; a new alarm sounds again"))
}

impl Door {
    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn misdirected() -> Response {
    (StatusCode::MISDIRECTED_REQUEST, "请用网关自己的地址打开 · open it by the gateway's own address\n")
        .into_response()
}

fn page(status: StatusCode, words: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>消音</title>\
         <h1>消音 · Silence</h1><p role=\"status\"><strong>{words}</strong></p>\
         <form method=\"post\"><label>PIN <input name=\"pin\" type=\"password\" inputmode=\"numeric\" \
         autocomplete=\"off\" required></label> <button>消音 · Silence</button></form>\
         <p>只让现在响的安静,不等于确认。 · It quiets what sounds now and acknowledges nothing.</p></html>"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` a browser says `Origin: null` of our own form, which is a stranger's.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    struct House {
        address: SocketAddr,
        inputs: mpsc::Receiver<Input>,
        directory: tempfile::TempDir,
    }

    async fn house() -> House {
        let directory = tempfile::tempdir().unwrap();
        let pin_file = directory.path().join("pin");
        fs::write(&pin_file, "240917\n").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, inputs) = mpsc::channel(4);
        tokio::spawn(serve(listener, pin_file, sender));
        House { address, inputs, directory }
    }

    impl House {
        async fn ask(&self, method: &str, more: &str, body: &str) -> String {
            self.ask_as(&self.address.to_string(), method, more, body).await
        }

        async fn ask_as(&self, host: &str, method: &str, more: &str, body: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let length = body.len();
            let request = format!(
                "{method} / HTTP/1.1\r\nHost: {host}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer.strip_prefix("HTTP/1.1 ").unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn the_pin_silences_and_nothing_else_does() {
        let mut house = house().await;
        let shown = house.ask("GET", "", "").await;
        assert!(shown.starts_with("200") && shown.contains("default-src 'none'"), "{shown}");
        for wrong in ["pin=240918", "pin=", "240917"] {
            assert!(house.ask("POST", "", wrong).await.starts_with("403"), "{wrong}");
        }
        assert!(house.inputs.try_recv().is_err());
        let soon = house.ask("POST", "", "pin=240917").await;
        assert!(soon.starts_with("429") && soon.contains("retry-after: "), "{soon}");
        clock_ticks().await;
        assert!(house.ask("POST", "", "pin=240917").await.starts_with("200"));
        assert_eq!(house.inputs.recv().await, Some(Input::QuietWanted));
        assert!(house.ask("POST", "", &"9".repeat(300)).await.starts_with("413"));
    }

    #[tokio::test]
    async fn a_page_of_somebody_elses_cannot_press_it_and_no_pin_is_no_open_door() {
        let mut house = house().await;
        let own = format!("Origin: http://{}\r\n", house.address);
        let foreign = house.ask("POST", "Origin: http://evil.example\r\n", "pin=240917").await;
        assert!(foreign.starts_with("421"), "{foreign}");
        assert!(house.ask_as("evil.example", "POST", "", "pin=240917").await.starts_with("421"));
        fs::write(house.directory.path().join("pin"), "").unwrap();
        assert!(house.ask("POST", &own, "pin=").await.starts_with("503"));
        assert!(house.inputs.try_recv().is_err());
        fs::write(house.directory.path().join("pin"), "240917").unwrap();
        assert!(house.ask("POST", &own, "pin=240917").await.starts_with("200"));
        assert_eq!(house.inputs.recv().await, Some(Input::QuietWanted));
    }

    #[test]
    fn a_pin_that_anybody_tries_first_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pin");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            read_pin(&file)
        };
        assert_eq!(read(" 240917\n").unwrap(), "240917");
        for easy in ["000000", "123456", "987654321"] {
            assert!(matches!(read(easy), Err(BadPin::TooEasy)), "{easy}");
        }
        for bad in ["", "12345", "24091a", "2409172409172"] {
            assert!(matches!(read(bad), Err(BadPin::NotDigits)), "{bad}");
        }
    }

    /// Until the first wait is over.
    async fn clock_ticks() {
        sleep(Duration::from_millis(1_050)).await;
    }
}
