//! The accounts as a lead keeps them: who there is, a new one, a new password, out and in again.
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use super::access::{DESK, LEADS};
use super::extract::Change;
use super::refusal::Refusal;
use super::session::shown;
use crate::accounts::changes::Asker;
use crate::accounts::log_in::Wanted;
use crate::accounts::{Account, Person, Role};

/// What may be done to an account, and by whom; another's password is a lead's to set.
pub(super) const VERBS: &[(&str, &[Role])] = &[("password", DESK), ("disable", LEADS), ("enable", LEADS)];

fn item(person: &Person, disabled: bool) -> Value {
    let mut item = shown(person);
    item["disabled"] = disabled.into();
    item
}

/// `GET /api/v1/accounts`
pub(super) async fn list(State(desk): State<Desk>) -> Json<Value> {
    let items: Vec<Value> =
        desk.inner.door.accounts().iter().map(|(person, disabled)| item(person, *disabled)).collect();
    Json(json!({ "items": items }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    id: String,
    name: String,
    role: Role,
    password: String,
}

/// `POST /api/v1/accounts`
pub(super) async fn add(
    State(desk): State<Desk>,
    asker: Asker,
    Change(New { id, name, role, password }): Change<New>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let wanted = Wanted { id: id.trim().to_owned(), name, role, password };
    let account = desk.inner.door.add(&asker, wanted).await?;
    Ok((StatusCode::CREATED, told(&account)))
}

/// The body of a change; `disable` and `enable` need nothing in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passwords {
    password: Option<String>,
    /// The password that the asker has now, to change their own.
    current: Option<String>,
}

/// `POST /api/v1/accounts/{id}/password|disable|enable`
pub(super) async fn change(
    State(desk): State<Desk>,
    asker: Asker,
    Path((id, verb)): Path<(String, String)>,
    Change(Passwords { password, current }): Change<Passwords>,
) -> Result<Json<Value>, Refusal> {
    let door = &desk.inner.door;
    let account = match verb.as_str() {
        "disable" => door.disable(&asker, &id).await?,
        "enable" => door.enable(&asker, &id).await?,
        _ => door.set_password(&asker, &id, current.as_deref(), &password.unwrap_or_default()).await?,
    };
    Ok(told(&account))
}

fn told(account: &Account) -> Json<Value> {
    Json(item(&account.person(), account.disabled))
}
