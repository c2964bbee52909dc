//! The drill's part of the API: a script that is played here, stopped, and read as a table of who acknowledged when.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shouwang_board::{DeskAsked, DeskStep, DrillStep};
use shouwang_message::Id;
use tokio::sync::oneshot;

use super::api::{LONGEST_TEXT, ask_loop, body_of, desk_asked, refusal, too_slow};
use super::{Desk, Peer};
use crate::accounts::Person;
use crate::eventloop::Message;

/// `GET /api/v1/drill`.
pub(super) async fn one(State(desk): State<Desk>) -> Response {
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::Drill { answer }, answered).await {
        Some(drill) => Json(drill).into_response(),
        None => too_slow(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    script: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Seconds since the drill began.
    after_s: u32,
    device: Id,
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /api/v1/drill`.
pub(super) async fn start(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let script: Script = match body_of(&headers, body) {
        Ok(script) => script,
        Err(refused) => return *refused,
    };
    if script.script.iter().any(|line| line.condition.chars().count() > LONGEST_TEXT) {
        let (zh, en) = ("文字最长 200 字", "A text has at most 200 characters");
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "too_long_text", zh, en);
    }
    let steps = script.script.into_iter().map(|line| DrillStep {
        after_s: line.after_s,
        device: line.device,
        condition: line.condition,
    });
    let step = DeskStep::StartDrill(steps.collect());
    desk_asked(&desk, DeskAsked { by: person.id, from: peer.to_string(), step }).await
}

/// `POST /api/v1/drill/stop`.
pub(super) async fn stop(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = body_of::<Nothing>(&headers, body) {
        return *refused;
    }
    let asked = DeskAsked { by: person.id, from: peer.to_string(), step: DeskStep::StopDrill };
    desk_asked(&desk, asked).await
}
