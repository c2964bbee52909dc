//! The cases' part of the API: what a person did about an alarm, one step a call. A repeated step answers who was
//! first; a step that cannot be is refused with a reason.
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use shouwang_board::{CallBack, CaseAsked, CaseStep, Conclusion, Outcome, Service};
use shouwang_message::AlarmId;

use super::access::WATCH;
use super::api::{ListQuery, state_of, told};
use super::extract::{Change, OwnAddress, are_short};
use super::links::with_links;
use super::refusal::{Refusal, mistake, refusal, too_slow};
use super::{Desk, from_disk, items};
use crate::accounts::Role;
use crate::accounts::changes::Asker;
use crate::eventloop::Message;

pub(super) async fn list(
    State(desk): State<Desk>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    let state = state_of(&query)?;
    let cases = desk.ask(|answer| Message::Cases { state, answer }).await?;
    Ok(items::answered(cases, "}".into()))
}

pub(super) async fn one(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    find(&desk, &id).await.map(Json)
}

/// One case, be it closed long ago.
pub(super) async fn find(desk: &Desk, id: &str) -> Result<Value, Refusal> {
    let id: AlarmId = id.parse().map_err(|_| unknown_case())?;
    if let Some(case) = desk.ask(|answer| Message::Case { id, answer }).await? {
        return Ok(case);
    }
    let logbook = desk.inner.logbook.clone();
    let closed = from_disk(move || logbook.closed_case(id)).await.ok_or_else(too_slow)?;
    closed.and_then(|case| shouwang_board::closed_case(&case)).ok_or_else(unknown_case)
}

/// The body of a step; which fields belong to it depends on the step.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
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
    needed: Option<u16>,
    people: Option<Vec<String>>,
    grid: Option<String>,
}

pub(super) async fn step(
    State(desk): State<Desk>,
    asker: Asker,
    own: OwnAddress,
    Path((id, verb)): Path<(String, String)>,
    Change(mut body): Change<Body>,
) -> Result<Json<Value>, Refusal> {
    let case: AlarmId = id.parse().map_err(|_| unknown_case())?;
    body.has_short_texts()?;
    body.people_of_its_grid(&desk);
    let step = body.step(&verb)?;
    let people: Vec<String> = match &step {
        CaseStep::Dispatch { to } => vec![to.clone()],
        CaseStep::Broadcast { to, .. } => to.clone(),
        _ => Vec::new(),
    };
    let made_by = asker.person.id.clone();
    let asked = CaseAsked {
        case,
        from: asker.address(),
        by: asker.person.id,
        note: body.note.filter(|note| !note.trim().is_empty()),
        call_back: body.call_back,
        occurrence: body.occurrence,
        step,
    };
    match desk.ask(|answer| Message::CaseAsk { asked, answer }).await? {
        Outcome::Unknown => Err(unknown_case()),
        outcome if people.is_empty() => told(outcome),
        outcome => with_links(&desk, &own, case, &people, &made_by, told(outcome)?).await,
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
    ("go-up", WATCH),
    ("report-in", WATCH),
    ("claim", WATCH),
    ("note", WATCH),
    ("called", WATCH),
    ("broadcast", WATCH),
];

impl Body {
    /// Everybody of a grid is asked, besides those who are named.
    fn people_of_its_grid(&mut self, desk: &Desk) {
        let Some(grid) = self.grid.take() else { return };
        let named = desk.named();
        let of = named
            .persons
            .iter()
            .filter(|person| person.of.as_ref().is_some_and(|of| of.as_str().eq_ignore_ascii_case(&grid)));
        self.people.get_or_insert_default().extend(of.map(|person| person.name.clone()));
    }

    fn has_short_texts(&self) -> Result<(), Refusal> {
        let single = [&self.note, &self.to, &self.person, &self.department].into_iter().flatten();
        are_short(single.chain(self.departments.iter().flatten()).chain(self.people.iter().flatten()))
    }

    fn departments(&mut self) -> Result<Vec<String>, Refusal> {
        let named = self.departments.take().unwrap_or_default().into_iter();
        named.map(|name| needed(Some(name), "departments_missing", "departments", "部门")).collect()
    }

    /// The step with what belongs to it; a field that says nothing there is a mistake.
    fn step(&mut self, verb: &str) -> Result<CaseStep, Refusal> {
        let step = match verb {
            "dispatch" => CaseStep::Dispatch { to: needed(self.to.take(), "to_missing", "to", "派给谁")? },
            "receive" => CaseStep::Receive { person: named(self.person.take()) },
            "arrive" => CaseStep::Arrive { person: named(self.person.take()) },
            "handle" => CaseStep::Handle {
                conclusion: self.conclusion.take().ok_or_else(|| {
                    mistake("conclusion_missing", "请填写结论 conclusion", "Give a `conclusion`")
                })?,
                of: self.of.take(),
            },
            "rate" => CaseStep::Rate {
                stars: self
                    .stars
                    .take()
                    .filter(|stars| (1..=5).contains(stars))
                    .ok_or_else(|| mistake("stars", "评分 stars 为 1 到 5", "`stars` is 1 to 5"))?,
            },
            "close" => CaseStep::Close { conclusion: self.conclusion.take(), of: self.of.take() },
            "whistle" => CaseStep::Whistle { departments: self.departments()? },
            "go-up" => CaseStep::GoUp { departments: self.departments()? },
            "report-in" => CaseStep::ReportIn {
                department: needed(self.department.take(), "department_missing", "department", "部门")?,
            },
            "claim" => CaseStep::Claim { person: named(self.person.take()) },
            "broadcast" => CaseStep::Broadcast {
                needed: self.needed.take().ok_or_else(|| {
                    mistake("needed", "请填写需要几人(needed)", "Say how many are `needed`")
                })?,
                to: self
                    .people
                    .take()
                    .unwrap_or_default()
                    .into_iter()
                    .map(|name| needed(Some(name), "people_missing", "people", "叫哪些人"))
                    .collect::<Result<_, _>>()?,
            },
            "accept" => CaseStep::Accept,
            "note" => CaseStep::Note,
            "called" => CaseStep::Called {
                service: self.service.take().ok_or_else(|| {
                    mistake("service_missing", "请填写 service:119 或 120", "`service` is 119 or 120")
                })?,
            },
            _ => return Err(mistake("step", "没有这一步", "There is no such step")),
        };
        let left = self.to.is_some()
            || self.person.is_some()
            || self.conclusion.is_some()
            || self.of.is_some()
            || self.stars.is_some()
            || self.departments.is_some()
            || self.department.is_some()
            || self.service.is_some()
            || self.needed.is_some()
            || self.people.is_some();
        if left {
            let en = "A field that does not belong to this step";
            return Err(mistake("field", "请求里有这一步用不到的字段", en));
        }
        Ok(step)
    }
}

fn named(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn needed(text: Option<String>, code: &str, field: &str, zh: &str) -> Result<String, Refusal> {
    named(text).ok_or_else(|| mistake(code, &format!("请填写{zh}({field})"), &format!("Say `{field}`")))
}

fn unknown_case() -> Refusal {
    refusal(StatusCode::NOT_FOUND, "unknown_case", "没有这条处置", "There is no such case")
}
