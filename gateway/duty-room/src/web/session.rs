//! Logging in, logging out, and who is logged in; and the first account of all.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{body_of, with_text};
use super::{Desk, Peer, guard};
use crate::accounts::log_in::Wanted;
use crate::accounts::sessions::{KEPT, Standing, Token};
use crate::accounts::{Person, Refused, Role};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    account: String,
    password: String,
}

/// `POST /api/v1/session`: account and password; the answer may take as long as earlier failures cost.
pub(super) async fn log_in(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body: LogIn = match body_of(&headers, body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    match desk.inner.door.log_in(peer.0, body.account.trim(), &body.password).await {
        Ok((token, person)) => entered(&token, &person),
        Err(refused) => told(&refused),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUp {
    code: String,
    id: String,
    name: String,
    password: String,
}

/// `POST /api/v1/setup`: the console's code makes the first account.
pub(super) async fn set_up(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let SetUp { code, id, name, password } = match body_of(&headers, body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let wanted = Wanted { id: id.trim().to_owned(), name, role: Role::Lead, password };
    match desk.inner.door.set_up(peer.0, &code, wanted).await {
        Ok((token, person)) => entered(&token, &person),
        Err(refused) => told(&refused),
    }
}

/// `GET /api/v1/session`: who I am, whether I may act, and what people are called.
pub(super) async fn who(
    State(desk): State<Desk>,
    Extension(person): Extension<Person>,
    Extension(standing): Extension<Standing>,
) -> Response {
    let people: serde_json::Map<String, Value> =
        desk.inner.door.people().into_iter().map(|person| (person.id, person.name.into())).collect();
    let expired = standing == Standing::Expired;
    Json(json!({ "account": shown(&person), "expired": expired, "people": people })).into_response()
}

/// `DELETE /api/v1/session`: the browser's sessions end.
pub(super) async fn log_out(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let sessions = guard::sessions(&headers).map(str::to_owned).collect();
    match desk.inner.door.log_out(peer.0, sessions).await {
        Ok(()) => with_cookie(Json(json!({ "ok": true })).into_response(), &cookie("", 0)),
        Err(refused) => told(&refused),
    }
}

pub(super) fn shown(person: &Person) -> Value {
    json!({ "id": person.id, "name": person.name, "role": person.role })
}

fn entered(token: &Token, person: &Person) -> Response {
    with_session(Json(json!({ "account": shown(person) })).into_response(), token)
}

/// The answer with a new session for the browser.
pub(super) fn with_session(response: Response, token: &Token) -> Response {
    with_cookie(response, &cookie(&token.to_string(), KEPT.as_secs()))
}

fn cookie(value: &str, seconds: u64) -> String {
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict", guard::COOKIE)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// A refusal about accounts, as the API says it.
pub(super) fn told(refused: &Refused) -> Response {
    let status = match refused.code {
        "wrong" => StatusCode::UNAUTHORIZED,
        "wrong_current" | "code" | "disabled" | "links_only" | "role" => StatusCode::FORBIDDEN,
        "unknown_account" => StatusCode::NOT_FOUND,
        "set_up" | "account_taken" | "accounts_full" | "last_lead" => StatusCode::CONFLICT,
        "busy" | "slow" | "stopping" | "hash" | "chance" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    with_text(status, refused.code, &refused.text)
}
