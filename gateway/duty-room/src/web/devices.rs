//! The devices' part of the API: all of them, or the two nearest to an alarm, each with its newest readings and
//! whether those may be shown as the present; and a device put to the test.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use shouwang_board::{DeskAsked, DeskStep, DeviceTest};
use shouwang_message::Id;
use tokio::sync::oneshot;

use super::api::{LONGEST_TEXT, ask_loop, body_of, desk_asked, refusal, too_slow, unknown_alarm};
use super::{Desk, Peer};
use crate::accounts::Person;
use crate::eventloop::Message;

#[derive(Debug, Deserialize)]
pub(super) struct DevicesQuery {
    /// An alarm's id.
    near: Option<String>,
}

/// `GET /api/v1/devices` and `?near=ALARM`.
pub(super) async fn list(State(desk): State<Desk>, Query(query): Query<DevicesQuery>) -> Response {
    let near = match query.near.map(|near| near.parse()).transpose() {
        Ok(near) => near,
        Err(_) => return unknown_alarm(),
    };
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::Devices { near, answer }, answered).await {
        Some(Some(items)) => Json(json!({ "items": items })).into_response(),
        Some(None) => unknown_alarm(),
        None => too_slow(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    /// 0 ends it.
    minutes: u16,
    /// Needed where several gateways have a device of this name.
    gateway: Option<Id>,
    reason: Option<String>,
}

/// `POST /api/v1/devices/{id}/test`.
pub(super) async fn test(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Test { minutes, gateway, reason } = match body_of(&headers, body) {
        Ok(test) => test,
        Err(refused) => return *refused,
    };
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_TEXT) {
        let (zh, en) = ("文字最长 200 字", "A text has at most 200 characters");
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "too_long_text", zh, en);
    }
    let Ok(device) = id.parse() else {
        return refusal(StatusCode::NOT_FOUND, "unknown_device", "没有这个设备", "There is no such device");
    };
    let step = DeskStep::Test(DeviceTest { device, gateway, minutes, reason });
    desk_asked(&desk, DeskAsked { by: person.id, from: peer.to_string(), step }).await
}
