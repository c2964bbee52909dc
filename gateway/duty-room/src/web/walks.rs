//! The walk tests' part of the API: a person on watch answers an installer who wants to try devices in earnest.
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use shouwang_board::DeskStep;

use super::Desk;
use super::api::ask_desk;
use super::extract::Change;
use super::refusal::{Refusal, refusal};
use crate::accounts::changes::Asker;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    agreed: bool,
}

/// `POST /api/v1/walks/{id}`.
pub(super) async fn answer(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
    Change(Answer { agreed }): Change<Answer>,
) -> Result<Json<Value>, Refusal> {
    let walk = id.parse().map_err(|_| {
        refusal(StatusCode::NOT_FOUND, "unknown_walk", "没有这次走测", "There is no such walk test")
    })?;
    ask_desk(&desk, asker, DeskStep::Walk { walk, agreed }).await
}
