//! The cases' part of the API: what a person did about an alarm, one step a call. A repeated step answers who was
//! first; a step that cannot be is refused with a reason.
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use shouwang_board::{CallBack, CaseAsked, CaseStep, Conclusion, Service};
use shouwang_message::{AlarmId, Text};
use tokio::sync::oneshot;

use super::access::WATCH;
use super::api::{LONGEST_TEXT, ListQuery, ask_loop, body_of, refusal, state_of, told, too_slow, with_text};
use super::{Desk, Peer, items};
use crate::accounts::{Person, Role};
use crate::eventloop::Message;

pub(super) async fn list(State(desk): State<Desk>, Query(query): Query<ListQuery>) -> Response {
    let state = match state_of(&query) {
        Ok(state) => state,
        Err(refused) => return *refused,
    };
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::Cases { state, answer }, answered).await {
        Some(cases) => items::answered(cases, "}".into()),
        None => too_slow(),
    }
}

pub(super) async fn one(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    match find(&desk, &id).await {
        Ok(case) => Json(case).into_response(),
        Err(refused) => *refused,
    }
}

/// One case, be it closed long ago.
pub(super) async fn find(desk: &Desk, id: &str) -> Result<Value, Box<Response>> {
    let id: AlarmId = id.parse().map_err(|_| Box::new(unknown_case()))?;
    let (answer, answered) = oneshot::channel();
    match ask_loop(desk, Message::Case { id, answer }, answered).await {
        Some(Some(case)) => return Ok(case),
        Some(None) => {}
        None => return Err(Box::new(too_slow())),
    }
    let logbook = desk.inner.logbook.clone();
    match tokio::task::spawn_blocking(move || logbook.closed_case(id)).await {
        Ok(Ok(Some(case))) => shouwang_board::closed_case(&case).ok_or_else(|| Box::new(unknown_case())),
        Ok(Ok(None)) => Err(Box::new(unknown_case())),
        Ok(Err(_)) | Err(_) => Err(Box::new(too_slow())),
    }
}

/// The body of a step; which fields belong to it depends on the step.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The person's words; a reason where one is needed.
    #[serde(alias = "reason")]
    note: Option<String>,
    call_back: Option<CallBack>,
    /// The cry that the person saw: no conclusion is for a newer one.
    occurrence: Option<u32>,
    to: Option<String>,
    person: Option<String>,
    conclusion: Option<Conclusion>,
    of: Option<AlarmId>,
    stars: Option<u8>,
    departments: Option<Vec<String>>,
    department: Option<String>,
    service: Option<Service>,
}

pub(super) async fn step(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path((id, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let mut body: Body = match body_of(&headers, body) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let Ok(case) = id.parse::<AlarmId>() else { return unknown_case() };
    let step = match body.has_short_texts().and_then(|()| body.step(&verb)) {
        Ok(step) => step,
        Err((code, text)) => return with_text(StatusCode::UNPROCESSABLE_ENTITY, code, &text),
    };
    let asked = CaseAsked {
        case,
        by: person.id,
        from: peer.to_string(),
        note: body.note.filter(|note| !note.trim().is_empty()),
        call_back: body.call_back,
        occurrence: body.occurrence,
        step,
    };
    let (answer, answered) = oneshot::channel();
    match ask_loop(&desk, Message::CaseAsk { asked, answer }, answered).await {
        Some(shouwang_board::Outcome::Unknown) => unknown_case(),
        Some(outcome) => told(outcome),
        None => too_slow(),
    }
}

/// The steps of a case, and whose they are.
pub(super) const VERBS: &[(&str, &[Role])] = &[
    ("accept", WATCH),
    ("dispatch", WATCH),
    ("receive", WATCH),
    ("arrive", WATCH),
    ("handle", WATCH),
    ("rate", WATCH),
    ("close", WATCH),
    ("whistle", WATCH),
    ("report-in", WATCH),
    ("claim", WATCH),
    ("note", WATCH),
    ("called", WATCH),
];

type Wrong = (&'static str, Text);

impl Body {
    fn has_short_texts(&self) -> Result<(), Wrong> {
        let single = [&self.note, &self.to, &self.person, &self.department].into_iter().flatten();
        let all = single.chain(self.departments.iter().flatten());
        let too_long = all.into_iter().any(|text| text.chars().count() > LONGEST_TEXT);
        if too_long {
            return Err(("too_long_text", Text::new("文字最长 200 字", "A text has at most 200 characters")));
        }
        Ok(())
    }

    /// The step with what belongs to it; a field that says nothing there is a mistake.
    fn step(&mut self, verb: &str) -> Result<CaseStep, Wrong> {
        let step = match verb {
            "dispatch" => CaseStep::Dispatch { to: needed(self.to.take(), "to_missing", "to", "派给谁")? },
            "receive" => CaseStep::Receive { person: named(self.person.take()) },
            "arrive" => CaseStep::Arrive { person: named(self.person.take()) },
            "handle" => CaseStep::Handle {
                conclusion: self.conclusion.take().ok_or_else(|| {
                    ("conclusion_missing", Text::new("请填写结论 conclusion", "Give a `conclusion`"))
                })?,
                of: self.of.take(),
            },
            "rate" => CaseStep::Rate {
                stars: self
                    .stars
                    .take()
                    .filter(|stars| (1..=5).contains(stars))
                    .ok_or_else(|| ("stars", Text::new("评分 stars 为 1 到 5", "`stars` is 1 to 5")))?,
            },
            "close" => CaseStep::Close { conclusion: self.conclusion.take(), of: self.of.take() },
            "whistle" => CaseStep::Whistle {
                departments: self
                    .departments
                    .take()
                    .unwrap_or_default()
                    .into_iter()
                    .map(|name| needed(Some(name), "departments_missing", "departments", "部门"))
                    .collect::<Result<_, _>>()?,
            },
            "report-in" => CaseStep::ReportIn {
                department: needed(self.department.take(), "department_missing", "department", "部门")?,
            },
            "claim" => CaseStep::Claim { person: named(self.person.take()) },
            "accept" => CaseStep::Accept,
            "note" => CaseStep::Note,
            "called" => CaseStep::Called {
                service: self.service.take().ok_or_else(|| {
                    ("service_missing", Text::new("请填写 service:119 或 120", "`service` is 119 or 120"))
                })?,
            },
            _ => return Err(("step", Text::new("没有这一步", "There is no such step"))),
        };
        let left = self.to.is_some()
            || self.person.is_some()
            || self.conclusion.is_some()
            || self.of.is_some()
            || self.stars.is_some()
            || self.departments.is_some()
            || self.department.is_some()
            || self.service.is_some();
        if left {
            let text = Text::new("请求里有这一步用不到的字段", "A field that does not belong to this step");
            return Err(("field", text));
        }
        Ok(step)
    }
}

fn named(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn needed(text: Option<String>, code: &'static str, field: &str, zh: &str) -> Result<String, Wrong> {
    let missing = || (code, Text::new(format!("请填写{zh}({field})"), format!("Say `{field}`")));
    named(text).ok_or_else(missing)
}

fn unknown_case() -> Response {
    refusal(StatusCode::NOT_FOUND, "unknown_case", "没有这条处置", "There is no such case")
}
