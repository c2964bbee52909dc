//! Reports over the API: what a caller told the desk becomes a case; and the pictures of a case.
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shouwang_board::{CaseAsked, CaseStep, DeskAsked, DeskStep, Outcome, Report, ReportKind, report_case};
use shouwang_message::{AlarmId, Timestamp};

use super::api::told;
use super::extract::{Change, Upload, are_short, upload};
use super::paper::place_of;
use super::refusal::{Refusal, not_found, too_slow};
use super::village::no_photo;
use super::{Desk, cases, from_disk};
use crate::accounts::changes::Asker;
use crate::clock::local;
use crate::eventloop::Message;
use crate::photo;

/// What a person saw, as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Made by the sender: the same id is the same report.
    pub(super) id: String,
    pub(super) kind: ReportKind,
    #[serde(default)]
    pub(super) words: String,
    pub(super) place: String,
    #[serde(default)]
    pub(super) grid: Option<String>,
    #[serde(default)]
    pub(super) lat: Option<f64>,
    #[serde(default)]
    pub(super) lon: Option<f64>,
    #[serde(default)]
    pub(super) danger: bool,
    pub(super) at: Timestamp,
}

/// `POST /api/v1/reports`: 201 with its case, and 200 for one that is here already.
pub(super) async fn report(
    State(desk): State<Desk>,
    asker: Asker,
    Change(body): Change<Body>,
) -> Result<Response, Refusal> {
    let from = asker.address();
    take(&desk, asker.person.id, from, body).await
}

/// A report of this person becomes a case, once.
pub(super) async fn take(desk: &Desk, by: String, from: String, body: Body) -> Result<Response, Refusal> {
    let (case, is_new) = taken(desk, by, from, body).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(case)).into_response())
}

/// The same with its case, and whether it is new.
pub(super) async fn taken(
    desk: &Desk,
    by: String,
    from: String,
    body: Body,
) -> Result<(Value, bool), Refusal> {
    are_short([&body.words, &body.place].into_iter().chain(&body.grid))?;
    let is_place = |lat: &f64, lon: &f64| lat.abs() <= 90.0 && lon.abs() <= 180.0;
    let spot = body.lat.zip(body.lon).filter(|(lat, lon)| is_place(lat, lon));
    let id = report_case(&by, &body.id, body.at);
    let logbook = desk.inner.logbook.clone();
    // One that was closed long ago is on disk only.
    let closed = from_disk(move || logbook.closed_case(id)).await.ok_or_else(too_slow)?;
    if let Some(case) = closed.and_then(|case| shouwang_board::closed_case(&case)) {
        return Ok((case, false));
    }
    let step = DeskStep::Report(Report {
        id: body.id,
        kind: body.kind,
        words: body.words,
        place: body.place,
        grid: body.grid,
        spot,
        is_dangerous: body.danger,
        at: body.at,
    });
    let asked = DeskAsked { by, from, step };
    let outcome = desk.ask(|answer| Message::DeskAsk { asked, answer }).await?;
    let is_new = matches!(outcome, Outcome::CaseTaken { .. });
    told(outcome).map(|Json(case)| (case, is_new))
}

/// `POST /api/v1/cases/{id}/photos`: a JPEG or PNG of at most 8 MiB, as somebody sent it to the desk.
pub(super) async fn put_photo(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let found = cases::find(&desk, &id).await?;
    let case: AlarmId = id.parse().map_err(|_| not_found())?;
    let bytes = upload(&desk, request, photo::LARGEST).await?;
    let lines = words_on(&desk, &found, &asker.person.name);
    let who = (asker.person.id.clone(), asker.address());
    let photo = add_photo(&desk, case, who, bytes, lines).await?;
    Ok((StatusCode::CREATED, Json(json!({ "photo": photo }))).into_response())
}

/// What is burnt into a picture of a case: where, when it came and by whom.
pub(super) fn words_on(desk: &Desk, case: &Value, name: &str) -> Vec<String> {
    let at = local(desk.inner.clock.wall(), "%Y-%m-%d %H:%M:%S");
    vec![place_of(case), format!("{at} · {name}")]
}

/// A picture becomes part of a case, with these words burnt in; the same picture twice is one. Its name.
pub(super) async fn add_photo(
    desk: &Desk,
    case: AlarmId,
    (by, from): (String, String),
    upload: Upload,
    lines: Vec<String>,
) -> Result<String, Refusal> {
    let Kept { photo, is_new } = keep_photo(desk, case, upload, lines).await?;
    let step = CaseStep::Photo { photo: photo.clone() };
    let asked = CaseAsked { case, by, from, note: None, call_back: None, occurrence: None, step };
    match told(desk.ask(|answer| Message::CaseAsk { asked, answer }).await?) {
        Ok(_) => Ok(photo),
        Err(refusal) => {
            // What the case does not take would fill the disk for everybody.
            if is_new {
                forget_photo(desk, photo).await;
            }
            Err(refusal)
        }
    }
}

/// A picture that lies on the disk.
pub(super) struct Kept {
    pub(super) photo: String,
    /// It was not there before.
    pub(super) is_new: bool,
}

pub(super) async fn forget_photo(desk: &Desk, photo: String) {
    let photos = desk.inner.photos.clone();
    let _ = tokio::task::spawn_blocking(move || photos.forget(&photo)).await;
}

/// A picture on disk, with these words burnt in.
pub(super) async fn keep_photo(
    desk: &Desk,
    of: AlarmId,
    upload: Upload,
    lines: Vec<String>,
) -> Result<Kept, Refusal> {
    let digest = Sha256::digest(&*upload);
    let photo = digest.iter().take(8).fold(format!("{of}-"), |name, byte| name + &format!("{byte:02x}"));
    let photos = desk.inner.photos.clone();
    let is_new = !photos.has(&photo);
    if is_new {
        // One at a time: a picture takes memory while it is read.
        let _turn = desk.inner.pictures.acquire().await.map_err(|_| too_slow())?;
        let name = photo.clone();
        let kept = tokio::task::spawn_blocking(move || photos.keep(&name, &upload, &lines)).await;
        kept.map_err(|_| too_slow())?.map_err(no_photo)?;
    }
    Ok(Kept { photo, is_new })
}

/// `GET /api/v1/cases/{id}/photos/{photo}`.
pub(super) async fn show_photo(
    State(desk): State<Desk>,
    Path((case, photo)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let case = cases::find(&desk, &case).await?;
    if !case["photos"].as_array().is_some_and(|photos| photos.iter().any(|known| *known == photo)) {
        return Err(not_found());
    }
    let photos = desk.inner.photos.clone();
    let read = tokio::task::spawn_blocking(move || photos.read(&photo)).await.ok().flatten();
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], read.ok_or_else(not_found)?).into_response())
}
