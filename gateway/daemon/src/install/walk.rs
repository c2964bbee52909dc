//! The walk test on the phone: which devices, the duty room's answer, and each row as it turns green.
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use shouwang_core::engine::Sight;
use shouwang_core::walk::{ROWS_MOST, WalkState, WalkStep};
use shouwang_message::{DeviceState, Id};

use super::door::{Door, Guest, field, form};
use super::page::{self, html};
use crate::installing::WalkTold;

/// Step 7.
#[derive(Template)]
#[template(path = "walk.html")]
struct Page {
    name: String,
    by: String,
    minutes: u64,
    /// A walk is on, or was: its rows are drawn by the script as they change.
    has_walk: bool,
    is_open: bool,
    devices: Vec<Choice>,
    most: usize,
    words: String,
}

struct Choice {
    id: String,
    called: String,
    title: String,
    how: String,
    wanted: bool,
}

/// `GET /install/walk`.
pub(super) async fn show(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.admit(&headers).await {
        Ok(guest) => html(StatusCode::OK, &Page::of(guest, String::new())),
        Err(answer) => answer,
    }
}

/// `GET /install/walk.json`: as it is now.
pub(super) async fn told(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.admit(&headers).await {
        Ok(guest) => Json(WalkTold::of(guest.sight, false)).into_response(),
        Err(answer) => answer,
    }
}

/// `POST /install/walk`: `step` is ask (with a `device` each), again (with one), finish or abort.
pub(super) async fn step(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let form = form(&body);
    let devices: Vec<Id> = form
        .iter()
        .filter(|(key, _)| key == "device")
        .filter_map(|(_, device)| device.parse().ok())
        .take(ROWS_MOST + 1)
        .collect();
    let wanted = field(&form, "step");
    let step = match (wanted, devices.first()) {
        ("ask", _) => WalkStep::Ask { by: guest.name.clone(), devices },
        ("again", Some(device)) => WalkStep::Again { device: device.clone() },
        ("finish", _) => WalkStep::Finish,
        ("abort", _) => WalkStep::Abort,
        _ => return Redirect::to("/install/walk").into_response(),
    };
    let Some(sight) = door.counter.walk(step).await else { return page::silent() };
    match &sight.refused {
        None => Redirect::to("/install/walk").into_response(),
        Some(why) => {
            let words = format!("{} · {}", why.zh, why.en);
            html(StatusCode::CONFLICT, &Page::of(Guest { sight, ..guest }, words))
        }
    }
}

impl Page {
    fn of(guest: Guest, words: String) -> Self {
        let Guest { name: by, sight } = guest;
        let walk = sight.walk.as_ref();
        let is_open = walk.is_some_and(|walk| matches!(walk.state, WalkState::Asked | WalkState::Accepted));
        Self {
            name: sight.name.clone(),
            by,
            minutes: page::minutes(&sight),
            has_walk: walk.is_some(),
            is_open,
            devices: choices(&sight),
            most: ROWS_MOST,
            words,
        }
    }
}

/// What has proven nothing yet is ticked.
fn choices(sight: &Sight) -> Vec<Choice> {
    let mut left = ROWS_MOST;
    let choice = |device: &shouwang_core::engine::DeviceSeen| {
        let answers = matches!(device.state, Some(DeviceState::Online | DeviceState::Test));
        let wanted = answers && device.proven_at.is_none() && left > 0;
        left -= usize::from(wanted);
        let how = match (answers, &device.proven_at) {
            (false, _) => "没有应答 · does not answer".to_owned(),
            (true, Some(at)) => format!("已通过 · proven {at}"),
            (true, None) => "未走测 · not proven".to_owned(),
        };
        Choice {
            id: device.id.to_string(),
            called: device.place.name.clone().unwrap_or_else(|| device.id.to_string()),
            title: format!("{} {}", device.title.zh, device.title.en),
            how,
            wanted,
        }
    };
    sight.devices.iter().map(choice).collect()
}
