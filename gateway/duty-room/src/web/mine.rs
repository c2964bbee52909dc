//! `/mine/{token}`: a grid worker's own page, without an account: what they are sent to, what they report, and the staffs
//! they read. It stands until the lead takes it back; what is reported without a network waits in the phone.
use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shouwang_board::ReportKind;
use shouwang_board::organisation::Person;
use shouwang_message::{AlarmId, Timestamp};

use super::admission::{Closed, admitted};
use super::extract::{Change, Unread, upload};
use super::links::{Acting, Task, closed, task_of, with_forms};
use super::multipart::{Part, parts};
use super::paper::{Paper, page};
use super::refusal::{Refusal, not_found};
use super::reports::{Body, add_photo, take, taken, words_on};
use super::stations::{self, Reading};
use super::{Desk, Peer, cases, guard};
use crate::eventloop::Message;
use crate::photo;
use crate::tickets::Purpose;

/// Bytes of a form beside its picture.
const FIELDS: usize = 64 * 1_024;

#[derive(Template)]
#[template(path = "mine.html")]
struct MinePage {
    paper: Paper,
    person: String,
    path: String,
    /// When this page was made, for a phone without a network.
    saved: String,
    tasks: Vec<Task>,
    kinds: Vec<(&'static str, String)>,
    stations: Vec<(String, String)>,
    /// Of the form that a phone without scripts sends: pressed twice, it is one report.
    id: String,
    at: String,
    is_sent: bool,
    script: String,
}

/// Whose page this is.
async fn owner(desk: &Desk, from: std::net::IpAddr, token: &str) -> Result<Person, Closed> {
    let ticket = admitted(desk, from, token, Purpose::Mine).await?;
    let named = desk.named();
    let person = named.persons.iter().find(|person| person.id.as_str() == ticket.person);
    person.cloned().ok_or_else(|| {
        let en = "You are not on this duty room's list of people any more: ring the duty desk";
        Closed::new(StatusCode::GONE, "gone", "名单里已没有您,请联系值班室", en)
    })
}

/// `GET /mine/{token}`.
pub(super) async fn show(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    paper: Paper,
    request: Request,
) -> Response {
    let made = match owner(&desk, from, &token).await {
        Ok(person) => made(&desk, &token, paper, person, request.uri().query()).await,
        Err(why) => return closed(paper, &why, None),
    };
    made.unwrap_or_else(IntoResponse::into_response)
}

async fn made(
    desk: &Desk,
    token: &str,
    paper: Paper,
    person: Person,
    query: Option<&str>,
) -> Result<Response, Refusal> {
    let path = format!("/mine/{token}");
    let names = vec![person.id.to_string(), person.name.clone()];
    let cases = desk.ask(|answer| Message::CasesOf { names, answer }).await?;
    let own = [person.id.as_str(), person.name.as_str()];
    let task = |case: &Value| {
        let id = case["id"].as_str().unwrap_or_default();
        task_of(&paper, case, &own, format!("{path}/cases/{id}"))
    };
    let tasks: Vec<Task> = cases.iter().map(task).collect();
    let stations = desk.ask(|answer| Message::Stations { answer }).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let wall = desk.inner.clock.wall();
    let words = [
        "waiting",
        "sent",
        "no_network",
        "not_kept",
        "drop",
        "photo_refused",
        "place_missing",
        "bad_number",
        "read_sent",
    ];
    let script: serde_json::Map<String, Value> =
        words.iter().map(|word| ((*word).to_owned(), json!(paper.say(&format!("mine_{word}"))))).collect();
    let kinds = ReportKind::ALL.iter().map(|kind| (kind.as_str(), paper.said(&kind.words()).to_owned()));
    let id = getrandom::u64().map(|chance| format!("form-{chance:016x}")).unwrap_or_default();
    let answer = page(&MinePage {
        person: person.name.clone(),
        saved: crate::clock::local(wall, "%H:%M"),
        tasks,
        kinds: kinds.collect(),
        stations: stations.iter().map(|one| (text(&one["id"]), text(&one["name"]))).collect(),
        id,
        at: wall.to_string(),
        is_sent: query.is_some_and(|query| query.contains("sent")),
        script: json!(script).to_string(),
        path,
        paper,
    })?;
    Ok(with_forms(answer))
}

/// `POST /mine/{token}/report`: as JSON from the page's script, 201 and 200 with the case; or as a form, with its picture.
pub(super) async fn report(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    paper: Paper,
    request: Request,
) -> Response {
    let kind = guard::text(request.headers(), &header::CONTENT_TYPE).unwrap_or_default().to_owned();
    let person = owner(&desk, from, &token).await;
    if !kind.starts_with("multipart/") {
        let taking = async {
            let person = person?;
            let body: Body = Unread::whole(request).await?.read()?;
            take(&desk, person.id.to_string(), format!("mine {from}"), in_grid_of(&person, body)).await
        };
        return taking.await.unwrap_or_else(|refusal: Refusal| refusal.into_response());
    }
    let back = format!("/mine/{token}");
    let taking = async { from_form(&desk, person?, from, &kind, request).await };
    match taking.await {
        Ok(()) => with_forms((StatusCode::SEE_OTHER, [(header::LOCATION, format!("{back}?sent"))])),
        Err(why) => {
            let is_over = why.status == StatusCode::GONE;
            closed(paper, &why, (!is_over).then_some(back))
        }
    }
}

/// What people of a grid see is in their grid, unless they say otherwise.
fn in_grid_of(person: &Person, body: Body) -> Body {
    let grid = body.grid.or_else(|| person.of.as_ref().map(ToString::to_string));
    Body { grid, ..body }
}

async fn from_form(
    desk: &Desk,
    person: Person,
    from: std::net::IpAddr,
    kind: &str,
    request: Request,
) -> Result<(), Closed> {
    let body = upload(desk, request, photo::LARGEST + FIELDS).await?;
    let fields = parts(kind, &body).ok_or_else(|| {
        let en = "The form did not arrive whole: send it again";
        Closed::new(StatusCode::BAD_REQUEST, "form", "表单没有传完整,请再按一次", en)
    })?;
    let text = |name: &str| text_of(&fields, name);
    let kind = ReportKind::ALL.into_iter().find(|kind| kind.as_str() == text("kind"));
    let report = Body {
        id: text("id"),
        kind: kind.unwrap_or(ReportKind::Other),
        words: text("words"),
        place: text("place"),
        grid: None,
        lat: None,
        lon: None,
        danger: !text("danger").is_empty(),
        at: text("at").parse().unwrap_or_else(|_| desk.inner.clock.wall()),
    };
    let who = (person.id.to_string(), format!("mine {from}"));
    let (case, _) = taken(desk, who.0.clone(), who.1.clone(), in_grid_of(&person, report)).await?;
    let picture = fields.iter().find(|part| part.name == "photo" && !part.bytes.is_empty());
    let id = case["id"].as_str().and_then(|id| id.parse::<AlarmId>().ok());
    if let Some((picture, id)) = picture.zip(id) {
        let lines = words_on(desk, &case, &person.name);
        add_photo(desk, id, who, body.part(picture.bytes), lines).await?;
    }
    Ok(())
}

fn text_of(fields: &[Part<'_>], name: &str) -> String {
    let part = fields.iter().find(|part| part.name == name);
    part.and_then(|part| std::str::from_utf8(part.bytes).ok()).unwrap_or_default().trim().to_owned()
}

/// `POST /mine/{token}/reports/{case}/photo`: the picture of one's own report; a JPEG or PNG of at most 8 MiB.
pub(super) async fn put_photo(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path((token, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let person = owner(&desk, from, &token).await?;
    let case = cases::find(&desk, &id).await?;
    let is_own = case["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|step| step["step"] == "report" && step["by"] == person.id.as_str());
    let id: AlarmId = id.parse().map_err(|_| not_found())?;
    if !is_own {
        return Err(not_found());
    }
    let bytes = upload(&desk, request, photo::LARGEST).await?;
    let lines = words_on(&desk, &case, &person.name);
    let photo = add_photo(&desk, id, (person.id.to_string(), format!("mine {from}")), bytes, lines).await?;
    Ok((StatusCode::CREATED, axum::Json(json!({ "photo": photo }))).into_response())
}

/// `POST /mine/{token}/stations/{id}/readings`: what they read off a staff.
pub(super) async fn read(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path((token, station)): Path<(String, String)>,
    Change(reading): Change<Reading>,
) -> Result<Response, Refusal> {
    let person = owner(&desk, from, &token).await?;
    stations::take(&desk, &station, person.id.to_string(), format!("mine {from}"), reading).await
}

/// `POST /mine/{token}/cases/{id}/{act}`: one of the buttons of one's own tasks.
pub(super) async fn act(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path((token, id, verb)): Path<(String, String, String)>,
    paper: Paper,
    request: Request,
) -> Response {
    let back = format!("/mine/{token}");
    let doing = async {
        let person = owner(&desk, from, &token).await?;
        let case = cases::find(&desk, &id).await?;
        let not_sent = || {
            let en = "You were not sent to this one";
            Closed::new(StatusCode::NOT_FOUND, "not_sent", "这件事没有派给您", en)
        };
        let sent_as = sent_as(&case, &person).ok_or_else(not_sent)?;
        let id: AlarmId = id.parse().map_err(|_| not_sent())?;
        let acting = Acting { person: sent_as, name: person.name, from: format!("mine {from}") };
        acting.does(&desk, id, &case, &verb, request).await
    };
    match doing.await {
        Ok(()) => with_forms((StatusCode::SEE_OTHER, [(header::LOCATION, back)])),
        Err(why) => {
            let is_over = why.status == StatusCode::GONE;
            closed(paper, &why, (!is_over).then_some(back))
        }
    }
}

/// The name under which a person was sent, or asked.
fn sent_as(case: &Value, person: &Person) -> Option<String> {
    let own = [person.id.as_str(), person.name.as_str()];
    let asked = case["broadcast"]["asked"].as_array();
    let mut named = case["dispatched"].as_array().into_iter().chain(asked).flatten();
    named.find_map(|one| one["name"].as_str().filter(|name| own.contains(name))).map(str::to_owned)
}

/// Until when a personal page stands, if nobody takes it back: a year.
pub(super) fn ends(wall: Timestamp) -> Timestamp {
    Timestamp::from_unix_ms(wall.unix_ms() + 365 * 24 * 3_600_000)
}
