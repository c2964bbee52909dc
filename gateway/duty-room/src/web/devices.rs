//! The devices' part of the API: all of them, or the two nearest to an alarm, each with its newest readings and
//! whether those may be shown as the present; and a device put to the test.
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{DeskStep, DeviceTest};
use shouwang_message::Id;

use super::Desk;
use super::api::ask_desk;
use super::extract::{Change, are_short};
use super::refusal::{Refusal, refusal, unknown_alarm};
use crate::accounts::changes::Asker;
use crate::eventloop::Message;

#[derive(Debug, Deserialize)]
pub(super) struct DevicesQuery {
    /// An alarm's id.
    near: Option<String>,
}

/// `GET /api/v1/devices` and `?near=ALARM`.
pub(super) async fn list(
    State(desk): State<Desk>,
    Query(query): Query<DevicesQuery>,
) -> Result<Json<Value>, Refusal> {
    let near = query.near.map(|near| near.parse()).transpose().map_err(|_| unknown_alarm())?;
    let items = desk.ask(|answer| Message::Devices { near, answer }).await?.ok_or_else(unknown_alarm)?;
    Ok(Json(json!({ "items": items })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// 0 ends it.
    minutes: u16,
    /// Needed where several gateways have a device of this name.
    gateway: Option<Id>,
    reason: Option<String>,
}

/// `POST /api/v1/devices/{id}/test`.
pub(super) async fn test(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
    Change(Test { minutes, gateway, reason }): Change<Test>,
) -> Result<Json<Value>, Refusal> {
    are_short(&reason)?;
    let device = id.parse().map_err(|_| {
        refusal(StatusCode::NOT_FOUND, "unknown_device", "没有这个设备", "There is no such device")
    })?;
    ask_desk(&desk, asker, DeskStep::Test(DeviceTest { device, gateway, minutes, reason })).await
}
