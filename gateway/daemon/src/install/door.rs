//! Who may in: while the core holds the door open, whoever knows the PIN; from the page's own address only.
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest as _, Sha256};
use shouwang_core::engine::Sight;
use shouwang_message::Id;

use super::bench::Bench;
use super::page::{self, Closed, Enter};
use super::scan::Progress;
use super::visit::Kept;
use super::{Settings, pin};
use crate::clock;
use crate::control::Lenders;
use crate::installing::Counter;
use crate::silence_page::read_pin;
use crate::throttle::Throttle;
use crate::web::is_addressed;

/// Phones that are in at a time; the one that came first goes.
const VISITORS: usize = 16;
const NAME_CHARS: usize = 32;
const COOKIE: &str = "shouwang-install";

/// The door, and what is behind it.
#[derive(Debug)]
pub(super) struct Door {
    pin_file: PathBuf,
    /// What a browser calls it.
    hosts: Vec<String>,
    pub(super) counter: Counter,
    throttle: Mutex<Throttle>,
    visitors: Mutex<VecDeque<Visitor>>,
    pub(super) bench: Bench,
    pub(super) kept: Mutex<Kept>,
    /// Of the scans that are under way, by their lines.
    pub(super) progress: Mutex<BTreeMap<Id, Progress>>,
    pub(super) config_file: PathBuf,
    /// Who changes the configuration has it until the gateway follows or it is as it was.
    pub(super) writing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Visitor {
    /// Digest of the cookie: of digests nobody learns by the time a comparison takes.
    token: [u8; 32],
    name: String,
}

/// Somebody who is in, and the gateway as it was when they asked.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: String,
    pub(super) sight: Sight,
}

impl Door {
    pub(super) fn new(settings: &Settings, hosts: Vec<String>, counter: Counter, lenders: Lenders) -> Self {
        Self {
            pin_file: pin::file(&settings.state_dir),
            hosts,
            counter,
            throttle: Mutex::default(),
            visitors: Mutex::default(),
            bench: Bench::new(lenders, settings.profile_dirs.clone()),
            kept: Mutex::new(Kept::open(&settings.state_dir)),
            progress: Mutex::default(),
            config_file: settings.config_file.clone(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Lets a request in, or answers it.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Guest, Response> {
        let sight = self.open(headers).await?;
        let token = cookie(headers).map(|token| digest(&token));
        let visitors = lock(&self.visitors);
        let known = visitors.iter().find(|known| Some(known.token) == token).map(|known| known.name.clone());
        drop(visitors);
        match known {
            Some(name) => Ok(Guest { name, sight }),
            None => Err(page::html(StatusCode::OK, &Enter::of(&sight, ""))),
        }
    }

    /// The door is open, and the request came to its own address.
    async fn open(&self, headers: &HeaderMap) -> Result<Sight, Response> {
        if !is_addressed(&self.hosts, headers) {
            let words = "请用网关自己的地址打开 · open it by the gateway's own address\n";
            return Err((StatusCode::MISDIRECTED_REQUEST, words).into_response());
        }
        let Some(sight) = self.counter.look(None).await else { return Err(page::silent()) };
        match sight.open_s {
            0 => Err(page::html(StatusCode::FORBIDDEN, &Closed { name: sight.name })),
            _ => Ok(sight),
        }
    }

    /// Remembers a phone; gives its cookie.
    fn remember(&self, name: String) -> Option<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut visitors = lock(&self.visitors);
        if visitors.len() >= VISITORS {
            visitors.pop_front();
        }
        visitors.push_back(Visitor { token: digest(&token), name });
        Some(token)
    }
}

/// `POST /install/enter`: a name and the PIN.
pub(super) async fn enter(
    State(door): State<Arc<Door>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sight = match door.open(&headers).await {
        Ok(sight) => sight,
        Err(answer) => return answer,
    };
    if let Err(wait) = lock(&door.throttle).begin(clock::now(), from.ip()) {
        let seconds = wait.as_secs() + 1;
        let words = format!("试得太多,请等 {seconds} 秒 · too many tries, wait {seconds} s");
        let page = page::html(StatusCode::TOO_MANY_REQUESTS, &Enter::of(&sight, &words));
        return ([(header::RETRY_AFTER, seconds.to_string())], page).into_response();
    }
    let form = form(&body);
    let Ok(pin) = read_pin(&door.pin_file) else {
        let words = "PIN 文件不可用 · the PIN file cannot be used: see the gateway's log";
        return page::html(StatusCode::SERVICE_UNAVAILABLE, &Enter::of(&sight, words));
    };
    if Sha256::digest(field(&form, "pin")) != Sha256::digest(pin.as_bytes()) {
        tracing::info!(from = %from.ip(), "a wrong PIN on the installer's pages");
        return page::html(StatusCode::FORBIDDEN, &Enter::of(&sight, "PIN 不对 · wrong PIN"));
    }
    lock(&door.throttle).proved(from.ip());
    let name: String =
        field(&form, "name").chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect();
    if name.is_empty() {
        return page::html(StatusCode::UNPROCESSABLE_ENTITY, &Enter::of(&sight, "请填姓名 · say your name"));
    }
    tracing::info!(from = %from.ip(), "an installer is in");
    let Some(token) = door.remember(name) else { return page::silent() };
    let cookie = format!("{COOKIE}={token}; Path=/install; HttpOnly; SameSite=Strict; Max-Age=7200");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/install")).into_response()
}

/// `POST /install/leave`: this phone is done.
pub(super) async fn leave(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    if let Err(answer) = door.open(&headers).await {
        return answer;
    }
    if let Some(token) = cookie(&headers).map(|token| digest(&token)) {
        lock(&door.visitors).retain(|known| known.token != token);
    }
    Redirect::to("/install").into_response()
}

/// A form's fields in their order; what is none has none.
pub(super) fn form(body: &Bytes) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let uri = format!("/?{text}").parse::<Uri>().ok();
    uri.and_then(|uri| Query::try_from_uri(&uri).ok()).map(|Query(fields)| fields).unwrap_or_default()
}

/// One of them; empty if it is not there.
pub(super) fn field<'f>(fields: &'f [(String, String)], wanted: &str) -> &'f str {
    fields.iter().find(|(key, _)| key == wanted).map_or("", |(_, value)| value.trim())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token.to_owned())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
