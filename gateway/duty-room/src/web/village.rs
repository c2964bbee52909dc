//! What a village says of its river station: the ladder of impacts as a spreadsheet, the neighbours, when the datum was
//! checked; and what it tells its groups.
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::stations::Forwarded;
use shouwang_board::{About, DeskAsked, DeskStep, Outcome};
use shouwang_message::{Id, Text};
use shouwang_paper::glyphs;

use super::api::told;
use super::extract::{Change, upload};
use super::refusal::{Refusal, mistake, not_found, refusal, too_slow};
use super::river::seen;
use super::stations::unknown_station;
use super::{Desk, guard};
use crate::accounts::changes::Asker;
use crate::eventloop::Message;
use crate::{photo, river_ladder, river_picture};

/// Bytes of a ladder.
const SPREADSHEET: usize = 64 * 1_024;

pub(super) async fn ask(desk: &Desk, asker: Asker, step: DeskStep) -> Result<Json<Value>, Refusal> {
    let asked = DeskAsked { from: asker.address(), by: asker.person.id, step };
    let outcome = desk.ask(|answer| Message::DeskAsk { asked, answer }).await?;
    if outcome == Outcome::Unknown { Err(unknown_station()) } else { told(outcome) }
}

pub(super) fn id_of(station: &str) -> Result<Id, Refusal> {
    station.parse().map_err(|_| unknown_station())
}

/// `POST /api/v1/stations/{id}/about`: all of it, the ladder of impacts excepted.
pub(super) async fn about(
    State(desk): State<Desk>,
    asker: Asker,
    Path(station): Path<String>,
    Change(about): Change<About>,
) -> Result<Json<Value>, Refusal> {
    ask(&desk, asker, DeskStep::PutAbout { station: id_of(&station)?, about }).await
}

/// `GET /api/v1/stations/{id}/impacts.csv`.
pub(super) async fn impacts(
    State(desk): State<Desk>,
    Path(station): Path<String>,
) -> Result<Response, Refusal> {
    let id = id_of(&station)?;
    let now = desk.ask(|answer| Message::StationNow { id, answer }).await?.ok_or_else(unknown_station)?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"impacts.csv\""),
    ];
    Ok((headers, river_ladder::write(&now.about.impacts)).into_response())
}

/// `POST /api/v1/stations/{id}/impacts`: a spreadsheet as `text/csv` in place of the ladder that was there; all of it or,
/// with any mistake, nothing.
pub(super) async fn put_impacts(
    State(desk): State<Desk>,
    asker: Asker,
    Path(station): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let station = id_of(&station)?;
    let kind = guard::text(request.headers(), &header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.starts_with("text/csv")) {
        let (zh, en) = ("请使用 Content-Type: text/csv", "Send Content-Type: text/csv");
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", zh, en));
    }
    let bytes = upload(&desk, request, SPREADSHEET).await?;
    let impacts = river_ladder::read(&bytes).map_err(|mistakes| {
        let text = Text::new("文件有错,没有改动影响阶梯", "The file has mistakes; the ladder is as it was");
        let body = json!({ "error": { "code": "mistakes", "text": text, "mistakes": mistakes } });
        Refusal::with_body(StatusCode::UNPROCESSABLE_ENTITY, body)
    })?;
    ask(&desk, asker, DeskStep::PutImpacts { station, impacts }).await
}

fn too_long() -> Refusal {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "body", "文件过大", "The file is too large")
}

#[derive(Debug, Deserialize)]
pub(super) struct Where {
    lat: Option<f64>,
    lon: Option<f64>,
}

/// `POST /api/v1/stations/{id}/readings/{reading}/photo?lat=&lon=`: a JPEG or PNG of at most 8 MiB; 201, and 200 if this
/// reading has one.
pub(super) async fn put_photo(
    State(desk): State<Desk>,
    asker: Asker,
    Path((station, reading)): Path<(String, String)>,
    Query(place): Query<Where>,
    request: Request,
) -> Result<Response, Refusal> {
    let station = id_of(&station)?;
    let (records, looked_for) = (desk.inner.records.clone(), reading.clone());
    let kept = super::from_disk(move || records.manual_reading(&looked_for)).await;
    let kept = kept.ok_or_else(super::refusal::unreadable)?;
    let known: Option<shouwang_board::ManualReading> = kept
        .and_then(|kept| serde_json::from_str(&kept).ok())
        .filter(|known: &shouwang_board::ManualReading| known.station == station);
    let known = known.ok_or_else(not_found)?;
    let photos = desk.inner.photos.clone();
    if photos.has(&known.id) {
        return Ok((StatusCode::OK, Json(json!({ "id": known.id, "repeated": true }))).into_response());
    }
    let declared =
        guard::text(request.headers(), &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if declared.is_some_and(|declared: usize| declared > photo::LARGEST) {
        return Err(too_long());
    }
    let bytes = upload(&desk, request, photo::LARGEST).await?;
    let now =
        desk.ask(|answer| Message::StationNow { id: station, answer }).await?.ok_or_else(unknown_station)?;
    let lines = words_on_photo(&now.info.name, &known, &place);
    // One at a time: a picture takes memory while it is read.
    let _turn = desk.inner.pictures.acquire().await.map_err(|_| too_slow())?;
    let id = known.id.clone();
    let kept = tokio::task::spawn_blocking(move || photos.keep(&known.id, &bytes, &lines)).await;
    let taken = kept.map_err(|_| too_slow())?.map_err(no_photo)?;
    let line = desk.inner.door.line(&asker.person.id, asker.from, "reading.photo");
    let _ = desk.note(shouwang_board::LogLine { new: Some(id.clone()), ..line }).await;
    let (zh, en) = glyphs::MISSING;
    let text = (!taken.stamped).then(|| Text::new(zh, en));
    let told = json!({ "id": id, "bytes": taken.bytes, "stamped": taken.stamped, "text": text });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

fn words_on_photo(name: &str, reading: &shouwang_board::ManualReading, place: &Where) -> Vec<String> {
    let at = crate::clock::local(reading.at, "%Y-%m-%d %H:%M:%S");
    let is_place = |lat: f64, lon: f64| lat.abs() <= 90.0 && lon.abs() <= 180.0;
    let place = match (place.lat, place.lon) {
        (Some(lat), Some(lon)) if is_place(lat, lon) => format!("手机定位 {lat:.5}, {lon:.5}"),
        _ => "手机没有给出位置".to_owned(),
    };
    vec![format!("{name} 水尺 {:.2} 米", reading.stage_m), format!("{at} · {place}")]
}

pub(super) fn no_photo(why: photo::NoPhoto) -> Refusal {
    match why {
        photo::NoPhoto::NotAPicture => {
            let en = "This is no JPEG or PNG picture, or it is broken: take the photo again";
            refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_a_picture",
                "不是 JPEG 或 PNG 图片,或已损坏,请重拍",
                en,
            )
        }
        photo::NoPhoto::TooManyPixels => mistake(
            "too_many_pixels",
            "图片像素过多(超过 5000 万),请用普通模式重拍",
            "Over 50 million pixels: take it with the camera's usual setting",
        ),
        photo::NoPhoto::Full => refusal(
            StatusCode::CONFLICT,
            "too_many",
            "照片已满 5000 张,请班长导出并清理",
            "5,000 photos are kept: the lead must move some away",
        ),
        photo::NoPhoto::Disk => super::refusal::unreadable(),
    }
}

/// `GET /api/v1/stations/{id}/readings/{reading}/photo`.
pub(super) async fn photo(
    State(desk): State<Desk>,
    Path((station, reading)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    super::stations::station_of(&desk, &station).await?;
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !(8..=64).contains(&reading.len()) || !reading.chars().all(is_id) {
        return Err(not_found());
    }
    let photos = desk.inner.photos.clone();
    let read = tokio::task::spawn_blocking(move || photos.read(&reading)).await.ok().flatten();
    let jpeg = read.ok_or_else(not_found)?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Issued {
    issued: Option<String>,
}

/// `GET /api/v1/stations/{id}/warning?issued=`: the text for the village's groups, and where its picture is.
pub(super) async fn warning(
    State(desk): State<Desk>,
    Path(station): Path<String>,
    Query(Issued { issued }): Query<Issued>,
) -> Result<Json<Value>, Refusal> {
    let (id, seen) = seen(&desk, &station).await?;
    let recent = seen.recent();
    let issued = issued.as_deref().map(str::trim).filter(|number| !number.is_empty());
    let text = seen.telling(&recent).warning(seen.now.colour, issued, &seen.now.about);
    Ok(Json(json!({ "text": text, "picture": format!("/api/v1/stations/{id}/warning.png") })))
}

/// `GET /api/v1/stations/{id}/warning.png`: the graph of a day, with the sentence in words where there is a font.
pub(super) async fn picture(
    State(desk): State<Desk>,
    Path(station): Path<String>,
) -> Result<Response, Refusal> {
    let (_, seen) = seen(&desk, &station).await?;
    let _turn = desk.inner.pictures.acquire().await.map_err(|_| too_slow())?;
    let drawn = tokio::task::spawn_blocking(move || {
        let recent = seen.recent();
        let sentence = seen.telling(&recent).sentence();
        river_picture::png(&seen.now, &seen.samples, &seen.manual, seen.wall, &sentence.text.zh)
    });
    let png = drawn.await.ok().flatten().ok_or_else(too_slow)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    text: String,
    to: String,
    #[serde(default)]
    issued: Option<String>,
}

/// `POST /api/v1/stations/{id}/warning`: a person forwarded this text to that group.
pub(super) async fn forwarded(
    State(desk): State<Desk>,
    asker: Asker,
    Path(station): Path<String>,
    Change(Told { text, to, issued }): Change<Told>,
) -> Result<Json<Value>, Refusal> {
    let told = Forwarded { text, to, issued };
    ask(&desk, asker, DeskStep::Forwarded { station: id_of(&station)?, told }).await
}
