//! The drill's part of the API: a script that is played here, stopped, and read as a table of who acknowledged when.
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use shouwang_board::{DeskStep, DrillStep};
use shouwang_message::Id;

use super::Desk;
use super::api::ask_desk;
use super::extract::{Change, Nothing, are_short};
use super::refusal::Refusal;
use crate::accounts::changes::Asker;
use crate::eventloop::Message;

/// `GET /api/v1/drill`.
pub(super) async fn one(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    desk.ask(|answer| Message::Drill { answer }).await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
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

/// `POST /api/v1/drill`.
pub(super) async fn start(
    State(desk): State<Desk>,
    asker: Asker,
    Change(Script { script }): Change<Script>,
) -> Result<Json<Value>, Refusal> {
    are_short(script.iter().map(|line| &line.condition))?;
    let steps = script.into_iter().map(|Line { after_s, device, condition }| DrillStep {
        after_s,
        device,
        condition,
    });
    ask_desk(&desk, asker, DeskStep::StartDrill(steps.collect())).await
}

/// `POST /api/v1/drill/stop`.
pub(super) async fn stop(
    State(desk): State<Desk>,
    asker: Asker,
    _: Change<Nothing>,
) -> Result<Json<Value>, Refusal> {
    ask_desk(&desk, asker, DeskStep::StopDrill).await
}
