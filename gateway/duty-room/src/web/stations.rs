//! River stations over the API: which there are and their colours, their readings, and what a person read off the staff.
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{Outcome, ReadingAsked, Sample};
use shouwang_message::{Id, Timestamp};

use super::api::told;
use super::extract::Change;
use super::refusal::{Refusal, mistake, refusal, unreadable};
use super::{Desk, from_disk};
use crate::accounts::changes::Asker;
use crate::eventloop::Message;

/// Readings of one answer at most, and days of one question.
const ITEMS: usize = 5_000;
const DAYS: i64 = 31;
const DAY_MS: i64 = 24 * 3_600_000;

/// `GET /api/v1/stations`: id, name, newest reading, colour.
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    let stations = desk.ask(|answer| Message::Stations { answer }).await?;
    Ok(Json(json!({ "items": stations })))
}

pub(super) fn unknown_station() -> Refusal {
    refusal(StatusCode::NOT_FOUND, "unknown_station", "没有这个站点", "There is no such station")
}

/// The station of this id as the board has it, also one that was closed.
pub(super) async fn station_of(desk: &Desk, id: &str) -> Result<(Id, Value), Refusal> {
    let id: Id = id.parse().map_err(|_| unknown_station())?;
    let asked = id.clone();
    let station = desk.ask(|answer| Message::Station { id: asked, answer }).await?;
    Ok((id, station.ok_or_else(unknown_station)?))
}

#[derive(Debug, Deserialize)]
pub(super) struct ReadingsQuery {
    source: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// `GET /api/v1/stations/{id}/readings?source=sensor|manual&from=&to=`: oldest first; of more than 5,000 the newest, and
/// in `next` the `to` that asks for those before.
pub(super) async fn readings(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(query): Query<ReadingsQuery>,
) -> Result<Json<Value>, Refusal> {
    let (id, _) = station_of(&desk, &id).await?;
    let (wants_sensor, wants_manual) = match query.source.as_deref() {
        None => (true, true),
        Some("sensor") => (true, false),
        Some("manual") => (false, true),
        Some(_) => {
            return Err(mistake("source", "source 只能是 sensor 或 manual", "`source` is sensor or manual"));
        }
    };
    let to = query.to.unwrap_or_else(|| later(desk.inner.clock.wall(), 1));
    let from = query.from.unwrap_or_else(|| later(to, if wants_sensor { -2 } else { -DAYS }));
    if from > to || to.unix_ms() - from.unix_ms() > DAYS * DAY_MS {
        let en = "`from` is before `to`, by 31 days at most";
        return Err(mistake("span", "from 应早于 to,最多 31 天", en));
    }
    let (series, records) = (desk.inner.series.clone(), desk.inner.records.clone());
    let reading = move || {
        let mut items: Vec<Value> = Vec::new();
        if wants_sensor {
            items.extend(series.between(id.as_str(), from, to)?.iter().map(sensor_item));
        }
        if wants_manual {
            let manual = records.manual_readings(id.as_str(), from, to)?;
            items.extend(manual.iter().map(shouwang_board::ManualReading::item));
        }
        items.sort_by(|one, other| one["at"].as_str().cmp(&other["at"].as_str()));
        Ok::<_, rusqlite::Error>(items)
    };
    let mut items = from_disk(reading).await.ok_or_else(unreadable)?;
    let left_out = items.len().saturating_sub(ITEMS);
    items.drain(..left_out);
    let next = (left_out > 0).then(|| items.first().map(|first| first["at"].clone()));
    Ok(Json(json!({ "items": items, "next": next })))
}

fn later(at: Timestamp, days: i64) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms() + days * DAY_MS)
}

fn sensor_item(sample: &Sample) -> Value {
    json!({ "at": sample.at, "stage_m": sample.stage_m, "quality": sample.quality, "source": "sensor" })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    id: String,
    stage_m: f64,
    at: Timestamp,
}

/// `POST /api/v1/stations/{id}/readings`: 201, and 200 for one that is here already.
pub(super) async fn read(
    State(desk): State<Desk>,
    asker: Asker,
    Path(station): Path<String>,
    Change(reading): Change<Reading>,
) -> Result<Response, Refusal> {
    let from = asker.address();
    take(&desk, &station, asker.person.id, from, reading).await
}

/// What somebody read at a station is taken, once.
pub(super) async fn take(
    desk: &Desk,
    station: &str,
    by: String,
    from: String,
    Reading { id, stage_m, at }: Reading,
) -> Result<Response, Refusal> {
    let station: Id = station.parse().map_err(|_| unknown_station())?;
    let (records, looked_for) = (desk.inner.records.clone(), id.clone());
    let on_disk = from_disk(move || records.manual_reading(&looked_for)).await.ok_or_else(unreadable)?;
    let asked = ReadingAsked { station, id, stage_m, at, by, from, on_disk };
    let outcome = desk.ask(|answer| Message::ReadingAsk { asked, answer }).await?;
    if outcome == Outcome::Unknown {
        return Err(unknown_station());
    }
    let Json(item) = told(outcome)?;
    let status = if item["repeated"] == true { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(item)).into_response())
}
