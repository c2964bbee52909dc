//! What an installer brings and leaves: the imported list, photos, and the names under the visit.
use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use shouwang_installer::{SiteDevice, read_site};
use shouwang_message::Id;

use super::door::{Door, Guest, field, form, lock};
use super::entry::quoted;
use super::page::{self, html};
use super::visit::{Planned, ROLES, Signature};

/// Rows kept of a list: what one gateway can watch.
const PLAN_MOST: usize = 4_000;
const NAME_CHARS: usize = 32;

/// Step 8.
#[derive(Template)]
#[template(path = "sign.html")]
struct Page {
    name: String,
    by: String,
    minutes: u64,
    words: String,
    devices: usize,
    /// What is still open.
    open: Vec<String>,
    signatures: Vec<(String, String, String)>,
    roles: Vec<(&'static str, &'static str)>,
}

/// `POST /install/list`: a site's CSV as its body.
pub(super) async fn list(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(answer) = door.admit(&headers).await {
        return answer;
    }
    let rows = match read_site(&body, &door.bench.candidates()) {
        Ok(rows) => rows,
        Err(mistakes) => {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            return (StatusCode::UNPROCESSABLE_ENTITY, all.join("\n")).into_response();
        }
    };
    let plan = rows.into_iter().take(PLAN_MOST).map(|row| Planned {
        more: of_the_unit(&row),
        id: row.id,
        line: row.line,
        unit_id: row.unit_id,
        profile: row.profile,
        place: row.place,
    });
    let kept = lock(&door.kept).change(|visit| visit.plan = plan.collect());
    answered(kept)
}

/// As keys of the configuration.
fn of_the_unit(row: &SiteDevice) -> Vec<(String, String)> {
    let SiteDevice { installed, serial_no, code, .. } = row;
    let code = code.map(|code| code.to_string());
    let words =
        [("datum", &installed.datum), ("unit", &installed.unit), ("serial_no", serial_no), ("code", &code)];
    let words = words.into_iter().filter_map(|(key, word)| Some((key, quoted(word.as_ref()?))));
    let day = installed.installed.clone().map(|day| ("installed", day));
    let numbers = [
        ("datum_m", installed.datum_m),
        ("dry_offset_m", installed.dry_offset_m),
        ("mounting_height_m", installed.mounting_height_m),
    ];
    let numbers = numbers.into_iter().filter_map(|(key, number)| Some((key, format!("{:?}", number?))));
    words.chain(numbers).chain(day).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// `POST /install/photo?device=`: a JPEG picture as its body.
pub(super) async fn put_photo(
    State(door): State<Arc<Door>>,
    Query(asked): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let Some(device) = watched(&guest, &asked) else { return StatusCode::NOT_FOUND.into_response() };
    if !body.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "只收 JPEG 照片 · only JPEG pictures").into_response();
    }
    answered(lock(&door.kept).keep_photo(&device, &body))
}

/// `GET /install/photo?device=`.
pub(super) async fn photo(
    State(door): State<Arc<Door>>,
    Query(asked): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let file = watched(&guest, &asked).map(|device| lock(&door.kept).photo(&device));
    match file.and_then(|file| std::fs::read(file).ok()) {
        Some(bytes) => ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")], bytes)
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Only of devices that there are: their ids are names of files.
fn watched(guest: &Guest, asked: &[(String, String)]) -> Option<Id> {
    let device = field(asked, "device").parse::<Id>().ok()?;
    guest.sight.devices.iter().any(|known| known.id == device).then_some(device)
}

fn answered(kept: std::io::Result<()>) -> Response {
    match kept {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INSUFFICIENT_STORAGE, error.to_string()).into_response(),
    }
}

/// `GET /install/sign`.
pub(super) async fn show(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.admit(&headers).await {
        Ok(guest) => html(StatusCode::OK, &Page::of(&door, guest, String::new())),
        Err(answer) => answer,
    }
}

/// `POST /install/sign`: `role` and `name`; or `undo`, which takes the newest one back.
pub(super) async fn sign(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let fields = form(&body);
    let kept = if field(&fields, "undo").is_empty() {
        let name = field(&fields, "name").trim().chars().filter(|one| !one.is_control()).take(NAME_CHARS);
        let name: String = name.collect();
        let role = ROLES.iter().find(|(role, _)| *role == field(&fields, "role"));
        let (Some((role, _)), false) = (role, name.is_empty()) else {
            let words = "请选身份并填姓名 · say who signs".to_owned();
            return html(StatusCode::UNPROCESSABLE_ENTITY, &Page::of(&door, guest, words));
        };
        let signature = Signature { name, role: (*role).to_owned(), at: guest.sight.at };
        lock(&door.kept).change(|visit| visit.signatures.push(signature))
    } else {
        lock(&door.kept).change(|visit| drop(visit.signatures.pop()))
    };
    match kept {
        Ok(()) => Redirect::to("/install/sign").into_response(),
        Err(error) => html(StatusCode::INSUFFICIENT_STORAGE, &Page::of(&door, guest, error.to_string())),
    }
}

impl Page {
    fn of(door: &Door, guest: Guest, words: String) -> Self {
        let Guest { name: by, sight } = guest;
        let kept = lock(&door.kept);
        let open = sight.devices.iter().filter_map(|device| {
            let called = device.place.name.clone().unwrap_or_else(|| device.id.to_string());
            let mut lacks = Vec::new();
            if device.proven_at.is_none() {
                lacks.push("没走测 no walk test");
            }
            if !kept.photo(&device.id).exists() {
                lacks.push("没照片 no photo");
            }
            (!lacks.is_empty()).then(|| format!("{called}:{}", lacks.join(",")))
        });
        let signed =
            kept.visit().signatures.iter().map(|signature| {
                (signature.said().to_owned(), signature.name.clone(), signature.at.to_string())
            });
        Self {
            name: sight.name.clone(),
            by,
            minutes: page::minutes(&sight),
            words,
            devices: sight.devices.len(),
            open: open.collect(),
            signatures: signed.collect(),
            roles: ROLES.to_vec(),
        }
    }
}
