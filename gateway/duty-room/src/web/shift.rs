//! The shift's part of the API: who is on duty, their notes, the key that the two-hour line and 查岗 ask for.
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::Value;
use shouwang_board::{Outcome, ShiftAsked, ShiftStep};
use shouwang_message::AlarmId;

use super::Desk;
use super::access::{LEADS, WATCH};
use super::api::told;
use super::extract::{Change, LONGEST_TEXT};
use super::refusal::{Refusal, mistake};
use crate::accounts::Role;
use crate::accounts::changes::Asker;
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
pub(super) async fn one(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    desk.ask(|answer| Message::Shift { answer }).await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Of a note.
    text: Option<String>,
    /// Which place was looked at, of which sheet.
    outage: Option<AlarmId>,
    place: Option<usize>,
}

/// `POST /api/v1/shift/{step}`.
pub(super) async fn step(
    State(desk): State<Desk>,
    asker: Asker,
    Path(verb): Path<String>,
    Change(body): Change<Body>,
) -> Result<Json<Value>, Refusal> {
    let step = match verb.as_str() {
        "begin" => ShiftStep::Begin,
        "leave" => ShiftStep::Leave,
        "see-line" => ShiftStep::SeeLine,
        "call-roll" => ShiftStep::CallRoll,
        "answer-roll" => ShiftStep::AnswerRoll,
        "looked-at" => match (body.outage, body.place) {
            (Some(outage), Some(place)) => ShiftStep::LookedAt { outage, place },
            _ => return Err(mistake("place", "请填写 outage 和 place", "Say which: `outage` and `place`")),
        },
        _ => match body.text.as_deref().map(str::trim) {
            Some(text) if (1..=LONGEST_TEXT).contains(&text.chars().count()) => {
                ShiftStep::Note { text: text.to_owned() }
            }
            _ => {
                let en = "Give a `text` of 1 to 200 characters";
                return Err(mistake("text", "请写 1 到 200 字的备注 text", en));
            }
        },
    };
    told(ask(&desk, asker, step).await?)
}

/// What came of a request about the shift.
pub(super) async fn ask(desk: &Desk, asker: Asker, step: ShiftStep) -> Result<Outcome, Refusal> {
    let asked = ShiftAsked { from: asker.address(), by: asker.person.id, step };
    desk.ask(|answer| Message::ShiftAsk { asked, answer }).await
}
