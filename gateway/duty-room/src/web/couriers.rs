//! 流动哨兵: a link that can only report, for couriers, bus drivers, shopkeepers; and the queue in which what they saw waits
//! for a person on duty. Nothing that comes by such a link reaches the list of alarms by itself.
use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{DeskAsked, DeskStep, Outcome, ReportKind, Tip, TriageStep, report_case};
use shouwang_message::{AlarmId, Timestamp};

use super::admission::admitted;
use super::api::told;
use super::extract::{Change, OwnAddress, are_short, upload};
use super::paper::{Paper, page, time};
use super::refusal::{Refusal, mistake, not_found, refusal, too_slow, unreadable};
use super::reports::{Kept, forget_photo, keep_photo};
use super::{Desk, Peer, access, from_disk, guard};
use crate::accounts::changes::Asker;
use crate::accounts::sessions::Standing;
use crate::clock::local;
use crate::eventloop::Message;
use crate::photo;
use crate::tickets::{Purpose, Ticket, Wanted};
use shouwang_paper::qr;

/// A link stands for a year; a lead takes it back at any time.
const STANDS_MS: i64 = 365 * 24 * 3_600_000;
/// Characters of a link's name.
const LONGEST_NAME: usize = 40;

/// Under whose name the board has what comes by this link: an account has no such name.
fn sender(ticket: &Ticket) -> String {
    format!("courier:{}", ticket.person)
}

async fn ask(desk: &Desk, by: String, from: String, step: TriageStep) -> Result<Outcome, Refusal> {
    let asked = DeskAsked { by, from, step: DeskStep::Triage(step) };
    desk.ask(|answer| Message::DeskAsk { asked, answer }).await
}

#[derive(Template)]
#[template(path = "courier.html")]
struct CourierPage {
    paper: Paper,
    token: String,
    script: String,
    /// Why this link opens nothing.
    closed: Option<String>,
}

/// `/report/{token}`: a form and nothing else. It changes nothing.
pub(super) async fn form(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    paper: Paper,
) -> Result<Response, Refusal> {
    let found = admitted(&desk, from, &token, Purpose::Courier).await;
    let status = found.as_ref().map_or_else(|closed| closed.status, |_| StatusCode::OK);
    let closed = found.err().map(|closed| paper.text(&json!(closed.text)));
    let names = ["waiting", "sent", "login", "no_network", "not_kept", "drop", "photo_refused", "known"];
    let script = paper.for_script("courier_say_", &names);
    let made = page(&CourierPage { paper, token, script, closed })?;
    Ok((status, made).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    id: String,
    #[serde(default)]
    words: String,
    place: String,
    #[serde(default)]
    lat: Option<f64>,
    #[serde(default)]
    lon: Option<f64>,
    at: Timestamp,
}

fn spot(lat: Option<f64>, lon: Option<f64>) -> Option<(f64, f64)> {
    lat.zip(lon).filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0)
}

/// `POST /report/{token}`: 201, and 200 for one that is here already.
pub(super) async fn tell(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    Change(Told { id, words, place, lat, lon, at }): Change<Told>,
) -> Result<Response, Refusal> {
    let ticket = admitted(&desk, from, &token, Purpose::Courier).await?;
    are_short([&words, &place])?;
    let tip = Tip { id, words, place, spot: spot(lat, lon), at };
    let Json(taken) = told(ask(&desk, sender(&ticket), from.to_string(), TriageStep::Tell(tip)).await?)?;
    let status = if taken["repeated"] == true { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(taken)).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Where {
    at: Timestamp,
    lat: Option<f64>,
    lon: Option<f64>,
}

/// `POST /report/{token}/{id}/photo?at=&lat=&lon=`: a JPEG or PNG of at most 8 MiB of a tip that waits; the first one counts.
pub(super) async fn put_photo(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path((token, id)): Path<(String, String)>,
    Query(Where { at, lat, lon }): Query<Where>,
    request: Request,
) -> Result<Response, Refusal> {
    let ticket = admitted(&desk, from, &token, Purpose::Courier).await?;
    let by = sender(&ticket);
    let tip = report_case(&by, &id, at);
    let queue = desk.ask(|answer| Message::Triage { answer }).await?;
    let one = waiting(&queue, tip).ok_or_else(not_found)?;
    if one["photo"].is_string() {
        return Ok((StatusCode::OK, Json(json!({ "id": tip, "repeated": true }))).into_response());
    }
    let bytes = upload(&desk, request, photo::LARGEST).await?;
    let place =
        spot(lat, lon).map_or_else(String::new, |(lat, lon)| format!(" · 手机定位 {lat:.5}, {lon:.5}"));
    let seen = local(at, "%Y-%m-%d %H:%M:%S");
    let lines = vec![one["place"].as_str().unwrap_or_default().to_owned(), format!("{seen}{place}")];
    let Kept { photo, is_new } = keep_photo(&desk, tip, bytes, lines).await?;
    let step = TriageStep::Photo { tip, photo: photo.clone() };
    let became = match ask(&desk, by, from.to_string(), step).await? {
        Outcome::Unknown => Err(not_found()),
        outcome => told(outcome),
    };
    // Another one was faster, or a person has decided: what nobody looks at would only fill the disk.
    let is_taken = became.as_ref().is_ok_and(|Json(became)| became["repeated"] != true);
    if is_new && !is_taken {
        forget_photo(&desk, photo).await;
    }
    Ok((StatusCode::CREATED, became?).into_response())
}

fn waiting(queue: &Value, tip: AlarmId) -> Option<&Value> {
    let tip = tip.to_string();
    queue["waiting"].as_array()?.iter().find(|one| one["id"] == tip)
}

/// `GET /api/v1/triage`.
pub(super) async fn queue(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    desk.ask(|answer| Message::Triage { answer }).await.map(Json)
}

/// `GET /api/v1/triage/{id}/photo`: of one that waits.
pub(super) async fn photo(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id: AlarmId = id.parse().map_err(|_| not_found())?;
    let queue = desk.ask(|answer| Message::Triage { answer }).await?;
    let name = waiting(&queue, id).and_then(|one| one["photo"].as_str()).ok_or_else(not_found)?.to_owned();
    let photos = desk.inner.photos.clone();
    let read = tokio::task::spawn_blocking(move || photos.read(&name)).await.ok().flatten();
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], read.ok_or_else(not_found)?).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    kind: ReportKind,
    #[serde(default)]
    place: Option<String>,
    #[serde(default)]
    grid: Option<String>,
    #[serde(default)]
    danger: bool,
}

/// `POST /api/v1/triage/{id}/case`: its case, under the same id.
pub(super) async fn accept(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
    Change(Accepted { kind, place, grid, danger }): Change<Accepted>,
) -> Result<Json<Value>, Refusal> {
    are_short(place.iter().chain(&grid))?;
    let tip = id.parse().map_err(|_| not_found())?;
    let grid = grid.filter(|grid| !grid.trim().is_empty());
    let step = TriageStep::Accept { tip, kind, place, grid, is_dangerous: danger };
    match ask(&desk, asker.person.id.clone(), asker.address(), step).await? {
        Outcome::Unknown => Err(not_found()),
        outcome => told(outcome),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    reason: String,
}

/// `POST /api/v1/triage/{id}/dismiss`: its picture goes too.
pub(super) async fn dismiss(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
    Change(Reason { reason }): Change<Reason>,
) -> Result<Json<Value>, Refusal> {
    are_short([&reason])?;
    let tip = id.parse().map_err(|_| not_found())?;
    let step = TriageStep::Dismiss { tip, reason };
    let Json(done) = match ask(&desk, asker.person.id.clone(), asker.address(), step).await? {
        Outcome::Unknown => return Err(not_found()),
        outcome => told(outcome)?,
    };
    if let Some(photo) = done["photo"].as_str().map(str::to_owned) {
        forget_photo(&desk, photo).await;
    }
    Ok(Json(json!({ "id": done["id"], "state": done["state"] })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

/// `POST /api/v1/couriers`: a new link of this name; it is told once, as nobody can read it off the disk.
pub(super) async fn add(
    State(desk): State<Desk>,
    asker: Asker,
    OwnAddress(own): OwnAddress,
    Change(Named { name }): Change<Named>,
) -> Result<Json<Value>, Refusal> {
    let name = shouwang_board::shown(name.trim());
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(mistake("name", "名称 1 到 40 字", "A name of 1 to 40 characters"));
    }
    let wall = desk.inner.clock.wall();
    let wanted = Wanted {
        purpose: Purpose::Courier,
        person: name.clone(),
        about: String::new(),
        made_by: asker.person.id.clone(),
        ends: Timestamp::from_unix_ms(wall.unix_ms() + STANDS_MS),
    };
    let (tickets, ends) = (desk.inner.tickets.clone(), wanted.ends);
    let token = from_disk(move || tickets.make(&wanted, wall)).await.ok_or_else(too_slow)?;
    let token = token.ok_or_else(no_room)?;
    let line = desk.inner.door.line(&asker.person.id, asker.from, "courier.link");
    let _ = desk.note(shouwang_board::LogLine { new: Some(name.clone()), ..line }).await;
    let url = format!("{own}/report/{token}");
    Ok(Json(json!({ "name": name, "url": url, "qr": qr(&url), "ends": ends })))
}

/// Too many links are on disk.
pub(super) fn no_room() -> Refusal {
    let (zh, en) = ("链接过多,请先停用一些", "Too many links: take some back first");
    refusal(StatusCode::CONFLICT, "too_many", zh, en)
}

/// `GET /api/v1/couriers`: the names of the links that stand.
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "items": standing(&desk).await? })))
}

async fn standing(desk: &Desk) -> Result<Vec<Value>, Refusal> {
    let (tickets, wall) = (desk.inner.tickets.clone(), desk.inner.clock.wall());
    let found = from_disk(move || tickets.standing(Purpose::Courier)).await.ok_or_else(unreadable)?;
    let found = found.iter().filter(|ticket| ticket.over(wall).is_none());
    Ok(found
        .map(|one| json!({ "name": one.person, "made": one.made, "by": one.made_by, "ends": one.ends }))
        .collect())
}

/// `POST /api/v1/couriers/revoke`: every link of this name opens nothing from now on.
pub(super) async fn revoke(
    State(desk): State<Desk>,
    asker: Asker,
    Change(Named { name }): Change<Named>,
) -> Result<Json<Value>, Refusal> {
    let (tickets, wall, of) = (desk.inner.tickets.clone(), desk.inner.clock.wall(), name.clone());
    let count = from_disk(move || tickets.revoke(Purpose::Courier, &of, "", wall)).await;
    let count = count.ok_or_else(too_slow)?;
    if count == 0 {
        return Err(not_found());
    }
    let line = desk.inner.door.line(&asker.person.id, asker.from, "courier.revoke");
    let _ = desk.note(shouwang_board::LogLine { new: Some(name.clone()), ..line }).await;
    Ok(Json(json!({ "name": name, "revoked": count })))
}

#[derive(Template)]
#[template(path = "triage.html")]
struct TriagePage {
    paper: Paper,
    may_act: bool,
    leads: bool,
    script: String,
    waiting: Vec<Seen>,
    decided: Vec<(String, String, String)>,
    kinds: Vec<(&'static str, String)>,
    links: Vec<(String, String)>,
}

/// One tip that waits, for people.
struct Seen {
    id: String,
    at: String,
    place: String,
    words: String,
    link: String,
    spot: Option<String>,
    photo: bool,
}

/// `/triage`.
pub(super) async fn show(
    State(desk): State<Desk>,
    headers: HeaderMap,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let queue = desk.ask(|answer| Message::Triage { answer }).await?;
    let (standing_now, person) = guard::standing(&desk, &headers);
    let role = person.filter(|_| standing_now == Standing::Valid).map(|person| person.role);
    let leads = role.is_some_and(|role| access::LEADS.contains(&role));
    let links = if leads { standing(&desk).await? } else { Vec::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let waiting = queue["waiting"].as_array().into_iter().flatten().map(|one| Seen {
        id: text(&one["id"]),
        at: time(&one["at"]),
        place: text(&one["place"]),
        words: text(&one["words"]),
        link: text(&one["by"]).trim_start_matches("courier:").to_owned(),
        spot: one["spot"]
            .as_array()
            .map(|spot| spot.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
        photo: one["photo"].is_string(),
    });
    let decided = queue["decided"].as_array().into_iter().flatten().take(20).map(|one| {
        let what = one["reason"].as_str().unwrap_or_else(|| paper.say("triage_is_case")).to_owned();
        (time(&one["at"]), text(&one["place"]), format!("{what} · {}", paper.person(&one["by"])))
    });
    let kinds = ReportKind::ALL.into_iter().map(|kind| (kind.as_str(), paper.text(&json!(kind.words()))));
    page(&TriagePage {
        may_act: role.is_some_and(|role| access::WATCH.contains(&role)),
        leads,
        script: paper.for_script("triage_say_", &["done", "no_answer", "once"]),
        waiting: waiting.collect(),
        decided: decided.collect(),
        kinds: kinds.collect(),
        links: links.iter().map(|one| (text(&one["name"]), time(&one["made"]))).collect(),
        paper,
    })
}
