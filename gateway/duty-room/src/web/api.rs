//! The API under `/api/v1/`: JSON in, JSON out, refusals in two languages.
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::{self, HeaderMap};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use shouwang_board::{Asked, DeskAsked, DeskStep, ListState, Outcome, Request};
use shouwang_message::{AlarmId, CommandName, Text, Timestamp};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::access::{LEADS, WATCH};
use super::{Desk, Peer, guard, items};
use crate::accounts::{Person, Role};
use crate::eventloop::Message;

/// An answer later than this is an answer that the disk or the loop is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Characters of a reason or a person's name.
pub(super) const LONGEST_TEXT: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    state: Option<String>,
    since: Option<String>,
    #[serde(flatten)]
    pub(super) past: super::history::PastQuery,
}

pub(super) fn state_of(query: &ListQuery) -> Result<ListState, Box<Response>> {
    match query.state.as_deref() {
        None | Some("open") => Ok(ListState::Open),
        Some("all") => Ok(ListState::All),
        Some(_) => Err(Box::new(refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            "state",
            "state 只能是 open 或 all",
            "`state` is open or all",
        ))),
    }
}

/// `?state=open|all&since=VERSION`: all rows, or of the open ones those that changed since an earlier answer's
/// `version`, in the order of the list, with the row before each (`after`) and what left the list (`gone`).
pub(super) async fn list(State(desk): State<Desk>, Query(query): Query<ListQuery>) -> Response {
    let state = match state_of(&query) {
        Ok(state) => state,
        Err(refused) => return *refused,
    };
    if query.past.is_asked() {
        return super::history::list(&desk, query.past).await;
    }
    // What is no version of ours is answered with everything.
    let since = query.since.and_then(|since| since.parse().ok());
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::List { state, since, answer }, answered).await {
        Some(answer) => items::list(answer),
        None => too_slow(),
    }
}

/// The body of a change; which fields are needed depends on the request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    reason: Option<String>,
    until: Option<Timestamp>,
    second: Option<String>,
    /// The cry that the person saw: what they say is not for a newer one.
    occurrence: Option<u32>,
}

pub(super) async fn ask(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path((id, request)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if request == "take-back" {
        return take_back(&desk, &peer, person, &id, &headers, body).await;
    }
    let Some(name) = CommandName::parse(&request) else { return not_found(Method::POST).await };
    let body = match body_of(&headers, body).and_then(with_short_texts) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let Ok(alarm) = id.parse::<AlarmId>() else { return unknown_alarm() };
    let request = match with_details(name, &body) {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    let seen = body.occurrence;
    let asked = Asked { alarm, by: person.id, from: peer.to_string(), reason: body.reason, request };
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::Ask { asked, seen, answer }, answered).await {
        Some(outcome) => told(outcome),
        None => too_slow(),
    }
}

/// `POST alarms/{id}/take-back`: the acknowledgement of a moment ago was for another row.
async fn take_back(
    desk: &Desk,
    peer: &Peer,
    person: Person,
    id: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = body_of::<Nothing>(headers, body) {
        return *refused;
    }
    let Ok(alarm) = id.parse() else { return unknown_alarm() };
    let step = DeskStep::TakeBack { alarm };
    desk_asked(desk, DeskAsked { by: person.id, from: peer.to_string(), step }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What came of a request to the board itself.
pub(super) async fn desk_asked(desk: &Desk, asked: DeskAsked) -> Response {
    let (answer, answered) = oneshot::channel();
    match ask_loop(desk, Message::DeskAsk { asked, answer }, answered).await {
        Some(outcome) => told(outcome),
        None => too_slow(),
    }
}

/// What may be asked about an alarm, and by whom.
pub(super) const VERBS: &[(&str, &[Role])] = &[
    ("acknowledge", WATCH),
    ("take-back", WATCH),
    ("silence", WATCH),
    ("shelve", WATCH),
    ("unshelve", WATCH),
    ("reset", WATCH),
    ("out-of-service", LEADS),
];

/// The JSON of a change.
pub(super) fn body_of<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Box<Response>> {
    let kind = guard::text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Box::new(refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            "请使用 Content-Type: application/json",
            "Send Content-Type: application/json",
        )));
    }
    let bytes = body.map_err(|rejection| {
        Box::new(refusal(rejection.status(), "body", "请求内容过长或中断", "The body is too long or broken"))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        let text = Text::new(format!("JSON 无效:{error}"), format!("Not the JSON expected here: {error}"));
        Box::new(with_text(status, "json", &text))
    })
}

fn with_short_texts(body: Body) -> Result<Body, Box<Response>> {
    let too_long = |text: &Option<String>| text.as_ref().is_some_and(|t| t.chars().count() > LONGEST_TEXT);
    if too_long(&body.reason) || too_long(&body.second) {
        return Err(Box::new(refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_long_text",
            "文字最长 200 字",
            "A text has at most 200 characters",
        )));
    }
    Ok(body)
}

fn with_details(name: CommandName, body: &Body) -> Result<Request, Box<Response>> {
    let needs_until = || {
        body.until.ok_or_else(|| {
            Box::new(refusal(
                StatusCode::UNPROCESSABLE_ENTITY,
                "until_missing",
                "请填写截止时间 until",
                "Say until when: `until`",
            ))
        })
    };
    Ok(match name {
        CommandName::Silence => Request::Silence,
        CommandName::Unshelve => Request::Unshelve,
        CommandName::Reset => Request::Reset,
        CommandName::Shelve => Request::Shelve { until: needs_until()?, second: body.second.clone() },
        CommandName::OutOfService => {
            Request::OutOfService { until: needs_until()?, second: body.second.clone() }
        }
        _ => Request::Acknowledge,
    })
}

pub(super) fn told(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Taken { row } => Json(*row).into_response(),
        Outcome::AlreadyAcknowledged { acknowledged, mut row } => {
            if let Some(fields) = row.as_object_mut() {
                fields.insert("already_acknowledged".into(), json!(acknowledged));
            }
            Json(*row).into_response()
        }
        Outcome::CaseTaken { case } => Json(*case).into_response(),
        Outcome::CaseAlready { mut case, already } => {
            if let Some(fields) = case.as_object_mut() {
                fields.insert("already".into(), *already);
            }
            Json(*case).into_response()
        }
        Outcome::ShiftTaken { mut shift, about } => {
            if let Some(fields) = shift.as_object_mut() {
                fields.insert("sheet".into(), json!(about));
            }
            Json(*shift).into_response()
        }
        Outcome::Unknown => unknown_alarm(),
        Outcome::Refused { code, text } => {
            let status = match code {
                "busy" => StatusCode::SERVICE_UNAVAILABLE,
                "finished" | "drill_runs" | "no_drill" | "too_late" | "one_by_one" | "not_an_alarm"
                | "newer_cry" | "not_accepted" | "not_acknowledged" | "not_dispatched" | "not_handled"
                | "not_called" | "concluded" | "conclusion_stands" | "on_site_missing" | "closed"
                | "too_many" | "not_on_duty" | "not_relieved" | "same_person" | "nobody_on_duty"
                | "emergency_waiting" => StatusCode::CONFLICT,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            with_text(status, code, &text)
        }
    }
}

pub(super) async fn ask_loop<T>(desk: &Desk, message: Message, answered: oneshot::Receiver<T>) -> Option<T> {
    let asking = async {
        desk.inner.to_loop.send(message).await.ok()?;
        answered.await.ok()
    };
    timeout(ANSWER_WITHIN, asking).await.ok().flatten()
}

/// The loop turns.
pub(super) async fn healthz(State(desk): State<Desk>) -> Response {
    let alive = desk.is_alive();
    let status = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let store = if desk.pulse().store_failing { "failing" } else { "ok" };
    (status, Json(json!({ "ok": alive, "store": store }))).into_response()
}

/// The store writes and the broker is connected.
pub(super) async fn readyz(State(desk): State<Desk>) -> Response {
    let pulse = desk.pulse();
    let ready = desk.is_alive() && pulse.linked && !pulse.store_failing;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let store = if pulse.store_failing { "failing" } else { "ok" };
    let broker = if pulse.linked { "connected" } else { "disconnected" };
    (status, Json(json!({ "ok": ready, "store": store, "broker": broker }))).into_response()
}

pub(super) async fn not_found(_: Method) -> Response {
    refusal(StatusCode::NOT_FOUND, "not_found", "没有这个地址", "There is nothing here")
}

pub(super) async fn method_not_allowed() -> Response {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "不支持这种请求方式;报警不能删除",
        "This method is not offered here; no alarm can be deleted",
    )
}

pub(super) fn unknown_alarm() -> Response {
    refusal(StatusCode::NOT_FOUND, "unknown_alarm", "没有这条报警", "There is no such alarm")
}

pub(super) fn too_slow() -> Response {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "slow",
        "值班室 5 秒内没有写完,请查看列表",
        "Not written to disk within 5 s: look at the list before you try again",
    )
}

pub(super) fn refusal(status: StatusCode, code: &str, zh: &str, en: &str) -> Response {
    with_text(status, code, &Text::new(zh, en))
}

pub(super) fn with_text(status: StatusCode, code: &str, text: &Text) -> Response {
    (status, Json(json!({ "error": { "code": code, "text": text } }))).into_response()
}
