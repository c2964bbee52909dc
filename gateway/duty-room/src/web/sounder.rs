//! The siren on the desk, from a page: quiet for a minute. It is no acknowledgement, and ends at the next emergency.
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use shouwang_board::Input;

use super::Desk;
use super::extract::{Change, Nothing};
use super::refusal::{Refusal, too_slow};
use crate::accounts::changes::Asker;
use crate::eventloop::Message;

/// `POST /api/v1/sounder/silence`
pub(super) async fn silence(
    State(desk): State<Desk>,
    asker: Asker,
    _: Change<Nothing>,
) -> Result<Json<Value>, Refusal> {
    let hushed = Input::Hushed { from: asker.address(), by: asker.person.id };
    desk.inner.to_loop.try_send(Message::Input(hushed)).map_err(|_| too_slow())?;
    Ok(Json(json!({ "silent_s": 60 })))
}
