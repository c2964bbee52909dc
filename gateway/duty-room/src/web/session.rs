//! Logging in, logging out, and who is logged in; and the first account of all.
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Browser, Change};
use super::refusal::Refusal;
use super::{Desk, Peer, guard};
use crate::accounts::log_in::Wanted;
use crate::accounts::sessions::{KEPT, Standing, Token};
use crate::accounts::{Person, Role};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    account: String,
    password: String,
}

/// `POST /api/v1/session`: account and password; the answer may take as long as earlier failures cost.
pub(super) async fn log_in(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Browser { is_encrypted }: Browser,
    Change(LogIn { account, password }): Change<LogIn>,
) -> Result<Response, Refusal> {
    let (token, person) = desk.inner.door.log_in(from, account.trim(), &password).await?;
    Ok(entered(&token, &person, is_encrypted))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetUp {
    code: String,
    id: String,
    name: String,
    password: String,
}

/// `POST /api/v1/setup`: the console's code makes the first account.
pub(super) async fn set_up(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Browser { is_encrypted }: Browser,
    Change(SetUp { code, id, name, password }): Change<SetUp>,
) -> Result<Response, Refusal> {
    let wanted = Wanted { id: id.trim().to_owned(), name, role: Role::Lead, password };
    let (token, person) = desk.inner.door.set_up(from, &code, wanted).await?;
    Ok(entered(&token, &person, is_encrypted))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recover {
    account: String,
    code: String,
    password: String,
}

/// `POST /api/v1/recovery`: the machine's code gives a lead a new password.
pub(super) async fn recover(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Browser { is_encrypted }: Browser,
    Change(Recover { account, code, password }): Change<Recover>,
) -> Result<Response, Refusal> {
    let typed = (account.trim(), code.as_str(), password.as_str());
    let (token, person) = desk.inner.door.recover(from, &desk.inner.recovery, typed).await?;
    Ok(entered(&token, &person, is_encrypted))
}

/// `GET /api/v1/session`: who I am, whether I may act, and what people are called.
pub(super) async fn who(
    State(desk): State<Desk>,
    Extension(person): Extension<Person>,
    Extension(standing): Extension<Standing>,
) -> Json<Value> {
    let names = desk.names().into_iter().map(|(id, name)| (id, name.into()));
    let people: serde_json::Map<String, Value> = names.collect();
    let expired = standing == Standing::Expired;
    Json(json!({ "account": shown(&person), "expired": expired, "people": people }))
}

/// `DELETE /api/v1/session`: the browser's sessions end.
pub(super) async fn log_out(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Browser { is_encrypted }: Browser,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let sessions = guard::sessions(&headers).map(str::to_owned).collect();
    desk.inner.door.log_out(from, sessions).await?;
    Ok(with_cookie(Json(json!({ "ok": true })).into_response(), &cookie("", 0, is_encrypted)))
}

pub(super) fn shown(person: &Person) -> Value {
    json!({ "id": person.id, "name": person.name, "role": person.role })
}

fn entered(token: &Token, person: &Person, is_encrypted: bool) -> Response {
    with_session(Json(json!({ "account": shown(person) })).into_response(), token, is_encrypted)
}

/// The answer with a new session for the browser.
pub(super) fn with_session(response: Response, token: &Token, is_encrypted: bool) -> Response {
    with_cookie(response, &cookie(&token.to_string(), KEPT.as_secs(), is_encrypted))
}

/// One that came by TLS never goes out in the clear.
fn cookie(value: &str, seconds: u64, is_encrypted: bool) -> String {
    let secure = if is_encrypted { "; Secure" } else { "" };
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", guard::COOKIE)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
