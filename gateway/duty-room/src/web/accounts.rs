//! The accounts as a lead keeps them: who there is, a new one, a new password, out and in again.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{DESK, LEADS};
use super::api::body_of;
use super::session::{shown, told};
use super::{Desk, Peer};
use crate::accounts::changes::Asker;
use crate::accounts::log_in::Wanted;
use crate::accounts::{Person, Role};

/// What may be done to an account, and by whom; another's password is a lead's to set.
pub(super) const VERBS: &[(&str, &[Role])] = &[("password", DESK), ("disable", LEADS), ("enable", LEADS)];

fn item(person: &Person, disabled: bool) -> Value {
    let mut item = shown(person);
    item["disabled"] = disabled.into();
    item
}

/// `GET /api/v1/accounts`
pub(super) async fn list(State(desk): State<Desk>) -> Response {
    let items: Vec<Value> =
        desk.inner.door.accounts().iter().map(|(person, disabled)| item(person, *disabled)).collect();
    Json(json!({ "items": items })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    id: String,
    name: String,
    role: Role,
    password: String,
}

/// `POST /api/v1/accounts`
pub(super) async fn add(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let New { id, name, role, password } = match body_of(&headers, body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let wanted = Wanted { id: id.trim().to_owned(), name, role, password };
    match desk.inner.door.add(&Asker { person, from: peer.0 }, wanted).await {
        Ok(account) => (StatusCode::CREATED, Json(item(&account.person(), account.disabled))).into_response(),
        Err(refused) => told(&refused),
    }
}

/// The body of a change; `disable` and `enable` need nothing in it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    password: Option<String>,
    /// The password that the asker has now, to change their own.
    current: Option<String>,
}

/// `POST /api/v1/accounts/{id}/password|disable|enable`
pub(super) async fn change(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path((id, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Change { password, current } = match body_of(&headers, body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let asker = Asker { person, from: peer.0 };
    let door = &desk.inner.door;
    let changed = match verb.as_str() {
        "disable" => door.disable(&asker, &id).await,
        "enable" => door.enable(&asker, &id).await,
        _ => door.set_password(&asker, &id, current.as_deref(), &password.unwrap_or_default()).await,
    };
    match changed {
        Ok(account) => Json(item(&account.person(), account.disabled)).into_response(),
        Err(refused) => told(&refused),
    }
}
