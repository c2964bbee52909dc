//! Resident cards over the API: masked in the case panel until somebody on watch opens them, which the logbook notes;
//! kept by the lead, one by one or out of a spreadsheet.
use askama::Template;
use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shouwang_board::{CallCard, Input, LogLine, call_procedure};
use shouwang_message::{AlarmId, Class, Text};
use tokio::sync::oneshot;

use super::api::{ask_loop, body_of, refusal, too_slow, with_text};
use super::page::PageQuery;
use super::paper::{Paper, page};
use super::qr::qr;
use super::{Desk, Peer};
use crate::accounts::Person;
use crate::clock::local;
use crate::eventloop::Message;
use crate::residents::{Contact, Hearing, Numbered, Put, Resident, masked_name, masked_phone, spreadsheet};

/// Bytes of a spreadsheet: more than all cards that there may be.
const SPREADSHEET: usize = 8 * 1_024 * 1_024;
/// A card that ends within so many days is marked.
const ENDS_SOON_MS: i64 = 30 * 24 * 3_600_000;

/// Who does what from where.
struct By {
    person: String,
    peer: Peer,
}

impl By {
    fn line(&self, desk: &Desk, what: &str, about: Option<String>, note: Option<String>) -> LogLine {
        LogLine {
            at: desk.inner.clock.wall(),
            by: self.person.clone(),
            from: self.peer.to_string(),
            what: what.into(),
            about,
            old: None,
            new: None,
            note,
        }
    }

    /// Into the logbook; false if the loop is gone.
    async fn noted(&self, desk: &Desk, what: &str, about: Option<String>, note: Option<String>) -> bool {
        let line = self.line(desk, what, about, note);
        desk.inner.to_loop.send(Message::Input(Input::Noted(line))).await.is_ok()
    }
}

fn today(desk: &Desk) -> String {
    local(desk.inner.clock.wall(), "%Y-%m-%d")
}

/// The cards of an alarm's home, with its class.
async fn at_alarm(desk: &Desk, id: &str) -> Result<(AlarmId, Class, Vec<Numbered>), Box<Response>> {
    let unknown = || {
        Box::new(refusal(StatusCode::NOT_FOUND, "unknown_alarm", "没有这条报警", "There is no such alarm"))
    };
    let id: AlarmId = id.parse().map_err(|_| unknown())?;
    let (answer, answered) = oneshot::channel();
    let case =
        ask_loop(desk, Message::Case { id, answer }, answered).await.ok_or_else(|| Box::new(too_slow()))?;
    let case = case.ok_or_else(unknown)?;
    let class: Class = serde_json::from_value(case["class"].clone()).map_err(|_| unknown())?;
    let part = |name: &str| case["place"][name].as_str().unwrap_or_default().to_owned();
    let (building, entrance, room) = (part("building"), part("entrance"), part("room"));
    if room.is_empty() {
        return Ok((id, class, Vec::new()));
    }
    let (residents, today) = (desk.inner.residents.clone(), today(desk));
    let cards = read(move || residents.at(&building, &entrance, &room, &today)).await?;
    Ok((id, class, cards))
}

async fn read<T: Send + 'static>(
    reading: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Box<Response>> {
    match tokio::task::spawn_blocking(reading).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            tracing::error!(%error, "the resident cards cannot be read or written");
            Err(Box::new(too_slow()))
        }
        Err(_) => Err(Box::new(too_slow())),
    }
}

/// What the case panel shows at once: how to behave there, names and numbers masked, and whom to call in which order.
pub(super) async fn masked(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    let (_, class, cards) = match at_alarm(&desk, &id).await {
        Ok(found) => found,
        Err(refused) => return *refused,
    };
    let residents: Vec<Value> = cards.iter().map(|(_, card)| shown(&desk, card, false)).collect();
    Json(json!({ "residents": residents, "procedure": procedure(class, &cards) })).into_response()
}

/// The same in full, with codes for a telephone's camera; the logbook says who opened it.
pub(super) async fn open(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path(id): Path<String>,
) -> Response {
    let (id, class, cards) = match at_alarm(&desk, &id).await {
        Ok(found) => found,
        Err(refused) => return *refused,
    };
    let by = By { person: person.id, peer };
    if !cards.is_empty()
        && !by.noted(&desk, "resident.open", Some(id.to_string()), cards.first().map(home_of)).await
    {
        return too_slow();
    }
    let residents: Vec<Value> = cards.iter().map(|(_, card)| shown(&desk, card, true)).collect();
    Json(json!({ "residents": residents, "procedure": procedure(class, &cards) })).into_response()
}

/// The first card decides: it is the one who pressed, as far as anybody knows.
fn procedure(class: Class, cards: &[Numbered]) -> Value {
    let card = cards.first().map(|(_, card)| CallCard {
        resident: !card.phone.is_empty() && card.hearing != Hearing::Deaf,
        contacts: card.contacts.len(),
        key_holder: !card.key_holder.is_empty(),
    });
    json!(call_procedure(class, card.unwrap_or_default()))
}

fn shown(desk: &Desk, card: &Resident, full: bool) -> Value {
    let contact = |contact: &Contact| {
        if full {
            let number: String = contact.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
            let code = (!number.is_empty()).then(|| qr(&format!("tel:{number}"))).flatten();
            json!({ "name": contact.name, "phone": contact.phone, "qr": code })
        } else {
            json!({ "name": masked_name(&contact.name), "phone": masked_phone(&contact.phone) })
        }
    };
    let own = Contact { name: card.name.clone(), phone: card.phone.clone() };
    let year: Option<u16> = local(desk.inner.clock.wall(), "%Y").parse().ok();
    let age = card.born.and_then(|born| year?.checked_sub(born));
    json!({
        "person": contact(&own), "age": age, "hearing": card.hearing, "can_open": card.can_open,
        "dialect": card.dialect, "oxygen": card.oxygen, "notes": card.notes,
        "key_holder": (!card.key_holder.is_empty()).then(|| contact(&card.key_holder)),
        "contacts": card.contacts.iter().map(contact).collect::<Vec<_>>(),
    })
}

fn home_of((_, card): &Numbered) -> String {
    home(card)
}

/// 3-2-402.
fn home(card: &Resident) -> String {
    let parts = [&card.building, &card.entrance, &card.room];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("-")
}

/// The lead's page.
#[derive(Template)]
#[template(path = "residents.html")]
struct ResidentsPage {
    paper: Paper,
    cards: Vec<Card>,
}

struct Card {
    number: i64,
    home: String,
    resident: Resident,
    /// For the form that changes it.
    json: String,
    contacts: String,
    ends_soon: bool,
}

/// `/residents`: every card in full; the logbook says who looked.
pub(super) async fn list(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let cards = match all(&desk).await {
        Ok(cards) => cards,
        Err(refused) => return *refused,
    };
    let by = By { person: person.id, peer };
    if !by.noted(&desk, "resident.list", None, Some(cards.len().to_string())).await {
        return too_slow();
    }
    let wall = desk.inner.clock.wall();
    let soon = local(shouwang_message::Timestamp::from_unix_ms(wall.unix_ms() + ENDS_SOON_MS), "%Y-%m-%d");
    let cards = cards.into_iter().map(|(number, resident)| Card {
        number,
        home: home(&resident),
        json: serde_json::to_string(&resident).unwrap_or_default(),
        contacts: resident
            .contacts
            .iter()
            .map(|one| format!("{} {}", one.name, one.phone))
            .collect::<Vec<_>>()
            .join("、"),
        ends_soon: resident.keep_until < soon,
        resident,
    });
    page(&ResidentsPage { cards: cards.collect(), paper: Paper::new(&desk, &query, &headers) })
}

/// Every card that may still be kept.
async fn all(desk: &Desk) -> Result<Vec<Numbered>, Box<Response>> {
    let (residents, today) = (desk.inner.residents.clone(), today(desk));
    let cards = read(move || residents.all()).await?;
    Ok(cards.into_iter().filter(|(_, card)| card.keep_until >= today).collect())
}

/// `POST /api/v1/residents`: one card, new or in place of the one of the same home and name.
pub(super) async fn put(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let resident: Resident = match body_of(&headers, body) {
        Ok(resident) => resident,
        Err(refused) => return *refused,
    };
    if let Some((field, zh, en)) = resident.mistakes().first() {
        let text = Text::new(format!("{field}:{zh}"), format!("{field}: {en}"));
        return with_text(StatusCode::UNPROCESSABLE_ENTITY, "card", &text);
    }
    let by = By { person: person.id, peer };
    match keep(&desk, vec![resident.clone()]).await {
        Ok(put) => {
            let what = if put.contains(&Put::Changed) { "resident.change" } else { "resident.add" };
            by.noted(&desk, what, Some(home(&resident)), None).await;
            Json(json!({ "added": put.contains(&Put::Added) })).into_response()
        }
        Err(refused) => *refused,
    }
}

async fn keep(desk: &Desk, cards: Vec<Resident>) -> Result<Vec<Put>, Box<Response>> {
    let residents = desk.inner.residents.clone();
    let put = read(move || residents.put(&cards)).await?;
    if put.contains(&Put::Full) {
        let (zh, en) = ("最多 20000 张卡", "There is room for 20,000 cards");
        return Err(Box::new(refusal(StatusCode::CONFLICT, "too_many", zh, en)));
    }
    Ok(put)
}

/// `POST /api/v1/residents/{number}/remove`.
pub(super) async fn remove(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    Path(number): Path<i64>,
) -> Response {
    let residents = desk.inner.residents.clone();
    match read(move || residents.remove(number)).await {
        Ok(true) => {
            By { person: person.id, peer }
                .noted(&desk, "resident.remove", Some(number.to_string()), None)
                .await;
            Json(json!({ "removed": number })).into_response()
        }
        Ok(false) => {
            refusal(StatusCode::NOT_FOUND, "unknown_resident", "没有这张卡", "There is no such card")
        }
        Err(refused) => *refused,
    }
}

/// `GET /api/v1/residents.csv`.
pub(super) async fn export(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
) -> Response {
    let cards = match all(&desk).await {
        Ok(cards) => cards,
        Err(refused) => return *refused,
    };
    let by = By { person: person.id, peer };
    if !by.noted(&desk, "resident.export", None, Some(cards.len().to_string())).await {
        return too_slow();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"residents.csv\""),
    ];
    (headers, spreadsheet::write(cards.iter().map(|(_, card)| card))).into_response()
}

/// `POST /api/v1/residents/import`: a spreadsheet as `text/csv`; all of it or, with any mistake, nothing.
pub(super) async fn import(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    request: Request,
) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/csv")) {
        let (zh, en) = ("请使用 Content-Type: text/csv", "Send Content-Type: text/csv");
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", zh, en);
    }
    let Ok(bytes) = to_bytes(request.into_body(), SPREADSHEET).await else {
        let (zh, en) = ("文件过长或中断", "The file is too long or broken");
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "body", zh, en);
    };
    let cards = match tokio::task::spawn_blocking(move || spreadsheet::read(&bytes)).await {
        Ok(Ok(cards)) => cards,
        Ok(Err(mistakes)) => {
            let text =
                Text::new("文件有错,没有导入任何一行", "The file has mistakes; nothing of it was taken");
            let body = json!({ "error": { "code": "mistakes", "text": text, "mistakes": mistakes } });
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response();
        }
        Err(_) => return too_slow(),
    };
    match keep(&desk, cards).await {
        Ok(put) => {
            let added = put.iter().filter(|put| **put == Put::Added).count();
            let changed = put.len() - added;
            let by = By { person: person.id, peer };
            by.noted(&desk, "resident.import", None, Some(format!("added {added}, changed {changed}"))).await;
            Json(json!({ "added": added, "changed": changed })).into_response()
        }
        Err(refused) => *refused,
    }
}
