//! The API under `/api/v1/`: JSON in, JSON out, refusals in two languages.
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{Asked, DeskAsked, DeskStep, ListState, Outcome, Request};
use shouwang_message::{AlarmId, CommandName, Timestamp};

use super::access::{LEADS, WATCH};
use super::extract::{Nothing, Unread, are_short};
use super::refusal::{Refusal, mistake, not_found, unknown_alarm};
use super::{Desk, history, items};
use crate::accounts::Role;
use crate::accounts::changes::Asker;
use crate::eventloop::Message;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    state: Option<String>,
    since: Option<String>,
    #[serde(flatten)]
    past: history::PastQuery,
}

pub(super) fn state_of(query: &ListQuery) -> Result<ListState, Refusal> {
    match query.state.as_deref() {
        None | Some("open") => Ok(ListState::Open),
        Some("all") => Ok(ListState::All),
        Some(_) => Err(mistake("state", "state 只能是 open 或 all", "`state` is open or all")),
    }
}

/// `?state=open|all&since=VERSION`: all rows, or of the open ones those that changed since an earlier answer's
/// `version`, in the order of the list, with the row before each (`after`) and what left the list (`gone`).
pub(super) async fn list(
    State(desk): State<Desk>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    let state = state_of(&query)?;
    if query.past.is_asked() {
        return history::list(&desk, query.past).await.map(IntoResponse::into_response);
    }
    // What is no version of ours is answered with everything.
    let since = query.since.and_then(|since| since.parse().ok());
    desk.ask(|answer| Message::List { state, since, answer }).await.map(items::list)
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

/// `POST alarms/{id}/{request}`.
pub(super) async fn ask(
    State(desk): State<Desk>,
    asker: Asker,
    Path((id, request)): Path<(String, String)>,
    body: Unread,
) -> Result<Json<Value>, Refusal> {
    if request == "take-back" {
        return take_back(&desk, asker, &id, &body).await;
    }
    let name = CommandName::parse(&request).ok_or_else(not_found)?;
    let body: Body = body.read()?;
    are_short([&body.reason, &body.second].into_iter().flatten())?;
    let alarm = alarm_of(&id)?;
    let request = with_details(name, &body)?;
    let asked = Asked {
        alarm,
        from: asker.address(),
        by: asker.person.id,
        reason: body.reason,
        occurrence: body.occurrence,
        request,
    };
    told(desk.ask(|answer| Message::Ask { asked, answer }).await?)
}

/// The acknowledgement of a moment ago was for another row.
async fn take_back(desk: &Desk, asker: Asker, id: &str, body: &Unread) -> Result<Json<Value>, Refusal> {
    let Nothing {} = body.read()?;
    ask_desk(desk, asker, DeskStep::TakeBack { alarm: alarm_of(id)? }).await
}

fn alarm_of(id: &str) -> Result<AlarmId, Refusal> {
    id.parse().map_err(|_| unknown_alarm())
}

/// What came of a request to the board itself.
pub(super) async fn ask_desk(desk: &Desk, asker: Asker, step: DeskStep) -> Result<Json<Value>, Refusal> {
    let asked = DeskAsked { from: asker.address(), by: asker.person.id, step };
    told(desk.ask(|answer| Message::DeskAsk { asked, answer }).await?)
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

fn with_details(name: CommandName, body: &Body) -> Result<Request, Refusal> {
    let needs_until = || {
        body.until.ok_or_else(|| mistake("until_missing", "请填写截止时间 until", "Say until when: `until`"))
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

pub(super) fn told(outcome: Outcome) -> Result<Json<Value>, Refusal> {
    let with = |mut document: Value, field: &str, value: Value| {
        if let Some(fields) = document.as_object_mut() {
            fields.insert(field.into(), value);
        }
        Json(document)
    };
    Ok(match outcome {
        Outcome::Taken { row } => Json(*row),
        Outcome::AlreadyAcknowledged { acknowledged, row } => {
            with(*row, "already_acknowledged", json!(acknowledged))
        }
        Outcome::CaseTaken { case } => Json(*case),
        Outcome::CaseAlready { case, already } => with(*case, "already", *already),
        Outcome::ShiftTaken { shift, about } => with(*shift, "sheet", json!(about)),
        Outcome::Unknown => return Err(unknown_alarm()),
        Outcome::Refused { code, text } => {
            return Err(Refusal::new(status_of(code), code, &text));
        }
    })
}

/// The status of what the board refuses.
pub(super) fn status_of(code: &str) -> StatusCode {
    match code {
        "busy" => StatusCode::SERVICE_UNAVAILABLE,
        "slow_down" => StatusCode::TOO_MANY_REQUESTS,
        "finished" | "drill_runs" | "no_drill" | "too_late" | "one_by_one" | "not_an_alarm" | "newer_cry"
        | "not_accepted" | "not_acknowledged" | "not_dispatched" | "not_handled" | "not_called"
        | "concluded" | "conclusion_stands" | "on_site_missing" | "closed" | "too_many" | "not_on_duty"
        | "not_relieved" | "same_person" | "nobody_on_duty" | "emergency_waiting" | "id_taken" | "full"
        | "not_asked" | "decided" => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
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
