//! The pages as they are drawn: whatever comes from outside is escaped by the template. The first shows how the box is.
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use shouwang_core::engine::Sight;
use shouwang_message::{Clock, StoreHealth};

use super::door::{Door, Guest};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Nobody asked for it at the box.
#[derive(Template)]
#[template(path = "closed.html")]
pub(super) struct Closed {
    pub(super) name: String,
}

/// The door is open: who comes in says the PIN.
#[derive(Template)]
#[template(path = "enter.html")]
pub(super) struct Enter {
    name: String,
    minutes: u64,
    words: String,
}

/// Step 1: how the box is.
#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    name: String,
    by: String,
    minutes: u64,
    version: String,
    checks: Vec<Check>,
    devices: usize,
    proven: usize,
    walking: bool,
}

struct Check {
    good: bool,
    what: &'static str,
    how: String,
}

impl Enter {
    pub(super) fn of(sight: &Sight, words: &str) -> Self {
        Self { name: sight.name.clone(), minutes: minutes(sight), words: words.to_owned() }
    }
}

/// `GET /install`.
pub(super) async fn home(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.admit(&headers).await {
        Ok(Guest { name: by, sight }) => html(StatusCode::OK, &Home::of(&sight, by)),
        Err(answer) => answer,
    }
}

pub(super) async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("../../assets/install.js"))
}

pub(super) async fn upload() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("../../assets/upload.js"))
}

pub(super) async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("../../assets/install.css"))
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text)
}

impl Home {
    fn of(sight: &Sight, by: String) -> Self {
        Self {
            name: sight.name.clone(),
            by,
            minutes: minutes(sight),
            version: sight.version.clone(),
            checks: checks(sight),
            devices: sight.devices.len(),
            proven: sight.devices.iter().filter(|device| device.proven_at.is_some()).count(),
            walking: sight.walk.as_ref().is_some_and(|walk| walk.ended_at.is_none()),
        }
    }
}

fn checks(sight: &Sight) -> Vec<Check> {
    let store = match sight.store {
        StoreHealth::Ok => "正常 · ok",
        StoreHealth::Slow => "太慢 · slow",
        StoreHealth::Failing => "写不进 · failing",
    };
    let clock = match sight.clock {
        Clock::Synced => "已校准 · set".to_owned(),
        Clock::Held => "曾校准,现在自走 · set before, running free".to_owned(),
        Clock::Unset => "从未校准:检查网络和 NTP · never set: look at the network and NTP".to_owned(),
    };
    let broker = match (sight.is_connected, sight.unheard) {
        (true, 0) => "已连接,都已送达值班室 · connected, all heard".to_owned(),
        (true, waiting) => format!("已连接,{waiting} 条值班室还没收到 · connected, {waiting} not heard yet"),
        (false, _) => {
            "连不上:检查 4G/网线和 [uplink] · not connected: look at the network and [uplink]".to_owned()
        }
    };
    let lines = sight.lines.iter().map(|line| {
        let how = match (line.is_up, line.lost) {
            (false, _) => "打不开或断了 · down".to_owned(),
            (true, 0) => "正常 · up".to_owned(),
            (true, lost) => format!("{lost} 台失联 · {lost} lost"),
        };
        Check { good: line.is_up && line.lost == 0, what: "线路 Line", how: format!("{}:{how}", line.name) }
    });
    let first = [
        Check { good: sight.store == StoreHealth::Ok, what: "存储 Store", how: store.to_owned() },
        Check { good: sight.clock != Clock::Unset, what: "时钟 Clock", how: clock },
        Check { good: sight.is_connected && sight.unheard == 0, what: "上行 Broker", how: broker },
    ];
    first.into_iter().chain(lines).collect()
}

pub(super) fn minutes(sight: &Sight) -> u64 {
    sight.open_s.div_ceil(60)
}

/// A page, for this moment and this address alone.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    let Ok(text) = page.render() else { return silent() };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` a browser says `Origin: null` of our own form, which is a stranger's.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, Html(text)).into_response()
}

/// The event loop stands still; the watchdog is about to act.
pub(super) fn silent() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "网关没有应答,稍后再试 · the gateway does not answer, try again soon\n")
        .into_response()
}
