//! The devices' part of the API: all of them, or the two nearest to an alarm, each with its newest readings and
//! whether those may be shown as the present.
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::Desk;
use super::api::{ask_loop, too_slow, unknown_alarm};
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
