//! Resident cards over the API: masked in the case panel until somebody on watch opens them, which the logbook notes;
//! kept by the lead, one by one or out of a spreadsheet.
use askama::Template;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use serde_json::{Value, json};
use shouwang_board::{CallCard, LogLine, call_procedure};
use shouwang_message::{AlarmId, Class, Text, Timestamp};
use shouwang_paper::qr;

use super::extract::{Change, upload};
use super::paper::{Paper, page};
use super::refusal::{Refusal, mistake, refusal, too_slow, unknown_alarm};
use super::{Desk, from_disk};
use crate::accounts::changes::Asker;
use crate::clock::local;
use crate::eventloop::Message;
use crate::residents::{Contact, Hearing, Numbered, Put, Resident, masked_name, masked_phone, spreadsheet};

/// Bytes of a spreadsheet: more than all cards that there may be.
const SPREADSHEET: usize = 8 * 1_024 * 1_024;
/// A card that ends within so many days is marked.
const ENDS_SOON_MS: i64 = 30 * 24 * 3_600_000;

/// Into the logbook: who did what with the cards.
async fn note(
    desk: &Desk,
    asker: &Asker,
    what: &str,
    about: Option<String>,
    note: Option<String>,
) -> Result<(), Refusal> {
    desk.note(LogLine { about, note, ..desk.inner.door.line(&asker.person.id, asker.from, what) }).await
}

fn today(desk: &Desk) -> String {
    local(desk.inner.clock.wall(), "%Y-%m-%d")
}

/// The cards of an alarm's home, with its class.
async fn at_alarm(desk: &Desk, id: &str) -> Result<(AlarmId, Class, Vec<Numbered>), Refusal> {
    let id: AlarmId = id.parse().map_err(|_| unknown_alarm())?;
    let case = desk.ask(|answer| Message::Case { id, answer }).await?.ok_or_else(unknown_alarm)?;
    let class: Class = serde_json::from_value(case["class"].clone()).map_err(|_| unknown_alarm())?;
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
) -> Result<T, Refusal> {
    let told = || {
        reading().inspect_err(|error| tracing::error!(%error, "the resident cards cannot be read or written"))
    };
    from_disk(told).await.ok_or_else(too_slow)
}

/// What the case panel shows at once: how to behave there, names and numbers masked, and whom to call in which order.
pub(super) async fn masked(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let (_, class, cards) = at_alarm(&desk, &id).await?;
    Ok(panel(&desk, class, &cards, false))
}

/// The same in full, with codes for a telephone's camera; the logbook says who opened it.
pub(super) async fn open(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let (id, class, cards) = at_alarm(&desk, &id).await?;
    if let Some((_, first)) = cards.first() {
        note(&desk, &asker, "resident.open", Some(id.to_string()), Some(first.home())).await?;
    }
    Ok(panel(&desk, class, &cards, true))
}

fn panel(desk: &Desk, class: Class, cards: &[Numbered], full: bool) -> Json<Value> {
    let residents: Vec<Value> = cards.iter().map(|(_, card)| shown(desk, card, full)).collect();
    Json(json!({ "residents": residents, "procedure": procedure(class, cards) }))
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
    asker: Asker,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let cards = all(&desk).await?;
    note(&desk, &asker, "resident.list", None, Some(cards.len().to_string())).await?;
    let wall = desk.inner.clock.wall();
    let soon = local(Timestamp::from_unix_ms(wall.unix_ms() + ENDS_SOON_MS), "%Y-%m-%d");
    let cards = cards.into_iter().map(|(number, resident)| Card {
        number,
        home: resident.home(),
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
    page(&ResidentsPage { cards: cards.collect(), paper })
}

/// Every card that may still be kept.
async fn all(desk: &Desk) -> Result<Vec<Numbered>, Refusal> {
    let (residents, today) = (desk.inner.residents.clone(), today(desk));
    let cards = read(move || residents.all()).await?;
    Ok(cards.into_iter().filter(|(_, card)| card.keep_until >= today).collect())
}

/// `POST /api/v1/residents`: one card, new or in place of the one of the same home and name.
pub(super) async fn put(
    State(desk): State<Desk>,
    asker: Asker,
    Change(resident): Change<Resident>,
) -> Result<Json<Value>, Refusal> {
    if let Some((field, zh, en)) = resident.mistakes().first() {
        return Err(mistake("card", &format!("{field}:{zh}"), &format!("{field}: {en}")));
    }
    let home = resident.home();
    let put = keep(&desk, vec![resident]).await?;
    let what = if put.contains(&Put::Changed) { "resident.change" } else { "resident.add" };
    // It is kept, also if the loop is gone that would write so.
    let _ = note(&desk, &asker, what, Some(home), None).await;
    Ok(Json(json!({ "added": put.contains(&Put::Added) })))
}

async fn keep(desk: &Desk, cards: Vec<Resident>) -> Result<Vec<Put>, Refusal> {
    let residents = desk.inner.residents.clone();
    let put = read(move || residents.put(&cards)).await?;
    if put.contains(&Put::Full) {
        let en = "There is room for 20,000 cards";
        return Err(refusal(StatusCode::CONFLICT, "too_many", "最多 20000 张卡", en));
    }
    Ok(put)
}

/// `POST /api/v1/residents/{number}/remove`.
pub(super) async fn remove(
    State(desk): State<Desk>,
    asker: Asker,
    Path(number): Path<i64>,
) -> Result<Json<Value>, Refusal> {
    let residents = desk.inner.residents.clone();
    if !read(move || residents.remove(number)).await? {
        let (zh, en) = ("没有这张卡", "There is no such card");
        return Err(refusal(StatusCode::NOT_FOUND, "unknown_resident", zh, en));
    }
    let _ = note(&desk, &asker, "resident.remove", Some(number.to_string()), None).await;
    Ok(Json(json!({ "removed": number })))
}

/// `GET /api/v1/residents.csv`.
pub(super) async fn export(State(desk): State<Desk>, asker: Asker) -> Result<impl IntoResponse, Refusal> {
    let cards = all(&desk).await?;
    note(&desk, &asker, "resident.export", None, Some(cards.len().to_string())).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"residents.csv\""),
    ];
    Ok((headers, spreadsheet::write(cards.iter().map(|(_, card)| card))))
}

/// `POST /api/v1/residents/import`: a spreadsheet as `text/csv`; all of it or, with any mistake, nothing.
pub(super) async fn import(
    State(desk): State<Desk>,
    asker: Asker,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/csv")) {
        let (zh, en) = ("请使用 Content-Type: text/csv", "Send Content-Type: text/csv");
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", zh, en));
    }
    let bytes = upload(&desk, request, SPREADSHEET).await?;
    let read =
        tokio::task::spawn_blocking(move || spreadsheet::read(&bytes)).await.map_err(|_| too_slow())?;
    let cards = read.map_err(|mistakes| {
        let text = Text::new("文件有错,没有导入任何一行", "The file has mistakes; nothing of it was taken");
        let body = json!({ "error": { "code": "mistakes", "text": text, "mistakes": mistakes } });
        Refusal::with_body(StatusCode::UNPROCESSABLE_ENTITY, body)
    })?;
    let put = keep(&desk, cards).await?;
    let added = put.iter().filter(|put| **put == Put::Added).count();
    let changed = put.len() - added;
    let said = format!("added {added}, changed {changed}");
    let _ = note(&desk, &asker, "resident.import", None, Some(said)).await;
    Ok(Json(json!({ "added": added, "changed": changed })))
}
