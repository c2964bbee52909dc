//! The shift's part of the API: who is on duty, their notes, the key that the two-hour line and 查岗 ask for.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shouwang_board::{Outcome, ShiftAsked, ShiftStep};
use shouwang_message::AlarmId;
use tokio::sync::oneshot;

use super::access::{LEADS, WATCH};
use super::api::{LONGEST_TEXT, ask_loop, body_of, refusal, told, too_slow};
use super::{Desk, Peer};
use crate::accounts::{Person, Role};
use crate::eventloop::Message;

/// What may be done about the shift, and by whom. Two persons sign the hand-over: it has a route of its own.
pub(super) const VERBS: &[(&str, &[Role])] = &[
    ("begin", WATCH),
    ("leave", WATCH),
    ("see-line", WATCH),
    ("note", WATCH),
    ("call-roll", LEADS),
    ("answer-roll", WATCH),
    ("looked-at", WATCH),
];

/// `GET /api/v1/shift`.
pub(super) async fn one(State(desk): State<Desk>) -> Response {
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::Shift { answer }, answered).await {
        Some(shift) => Json(shift).into_response(),
        None => too_slow(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Of a note.
    text: Option<String>,
    /// Which place was looked at, of which sheet.
    outage: Option<AlarmId>,
    place: Option<usize>,
}

/// `POST /api/v1/shift/{step}`.
pub(super) async fn step(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path(verb): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body: Body = match body_of(&headers, body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let step = match verb.as_str() {
        "begin" => ShiftStep::Begin,
        "leave" => ShiftStep::Leave,
        "see-line" => ShiftStep::SeeLine,
        "call-roll" => ShiftStep::CallRoll,
        "answer-roll" => ShiftStep::AnswerRoll,
        "looked-at" => match (body.outage, body.place) {
            (Some(outage), Some(place)) => ShiftStep::LookedAt { outage, place },
            _ => {
                let (zh, en) = ("请填写 outage 和 place", "Say which: `outage` and `place`");
                return refusal(StatusCode::UNPROCESSABLE_ENTITY, "place", zh, en);
            }
        },
        _ => match body.text.as_deref().map(str::trim) {
            Some(text) if (1..=LONGEST_TEXT).contains(&text.chars().count()) => {
                ShiftStep::Note { text: text.to_owned() }
            }
            _ => {
                let (zh, en) = ("请写 1 到 200 字的备注 text", "Give a `text` of 1 to 200 characters");
                return refusal(StatusCode::UNPROCESSABLE_ENTITY, "text", zh, en);
            }
        },
    };
    let asked = ShiftAsked { by: person.id, from: peer.to_string(), step };
    match ask(&desk, asked).await {
        Some(outcome) => told(outcome),
        None => too_slow(),
    }
}

/// What came of a request about the shift; none if nothing was written in time.
pub(super) async fn ask(desk: &Desk, asked: ShiftAsked) -> Option<Outcome> {
    let (answer, answered) = oneshot::channel();
    ask_loop(desk, Message::ShiftAsk { asked, answer }, answered).await
}
