//! The siren on the desk, from a page: quiet for a minute. It is no acknowledgement, and ends at the next emergency.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::api::{body_of, too_slow};
use super::{Desk, Peer};
use crate::accounts::Person;
use crate::eventloop::Message;

/// Nothing needs to be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

/// `POST /api/v1/sounder/silence`
pub(super) async fn silence(
    State(desk): State<Desk>,
    Extension(person): Extension<Person>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = body_of::<Body>(&headers, body) {
        return *refused;
    }
    let input = shouwang_board::Input::Hushed { by: person.id, from: peer.to_string() };
    match desk.inner.to_loop.try_send(Message::Input(input)) {
        Ok(()) => Json(json!({ "silent_s": 60 })).into_response(),
        Err(_) => too_slow(),
    }
}
