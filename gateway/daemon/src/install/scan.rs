//! The scan on the phone: begun here, it goes on at the box; what it found is kept with the visit.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use shouwang_core::engine::{DeviceSeen, Sight};
use shouwang_installer::{Candidate, News, Setting, Settings, Wanted, scan};
use shouwang_message::{Id, Timestamp};

use super::bench::{Busy, Taken, Task};
use super::door::{Door, Guest, field, form, lock};
use super::page::{self, html};
use super::setting;
use super::visit::{Found, Scanned, Visit};

/// How long a device may take to begin its answer; the slowest known take longer, and show as late.
const WAIT: Duration = Duration::from_millis(100);
/// Profiles shown for a device.
const FITS: usize = 6;

/// A scan that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    by: String,
    left_s: u64,
    done: u64,
}

/// Step 2.
#[derive(Template)]
#[template(path = "scan.html")]
struct Page {
    name: String,
    by: String,
    minutes: u64,
    words: String,
    /// The scans that are under way.
    running: Vec<String>,
    lines: Vec<Line>,
    planned: usize,
}

struct Line {
    name: String,
    holder: Option<String>,
    said: String,
    found: Vec<Row>,
    /// How it speaks by itself.
    own: String,
    /// Other settings to scan it at.
    settings: Vec<(String, String)>,
}

struct Row {
    unit_id: u8,
    /// Another setting than the line's own, as in a link and in words.
    at: Option<(String, String)>,
    reply: String,
    /// The device it is, if it is watched already.
    known: Option<String>,
    fits: String,
    conflict: bool,
}

/// `GET /install/scan`.
pub(super) async fn show(State(door): State<Arc<Door>>, headers: HeaderMap) -> Response {
    match door.admit(&headers).await {
        Ok(guest) => html(StatusCode::OK, &Page::of(&door, guest, String::new())),
        Err(answer) => answer,
    }
}

/// `POST /install/scan`: `line`; `far` for all unit ids; `setting` for another than the line's own.
pub(super) async fn begin(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let form = form(&body);
    let Ok(line) = field(&form, "line").parse::<Id>() else {
        return html(StatusCode::UNPROCESSABLE_ENTITY, &Page::of(&door, guest, unknown_line()));
    };
    match door.bench.take(&guest.sight, &line, &guest.name, Task::Work).await {
        Ok(taken) => {
            let Some(settings) = setting::chosen(field(&form, "setting"), taken.setting()) else {
                let words = "没有这种波特率和校验 · there is no such setting".to_owned();
                return html(StatusCode::UNPROCESSABLE_ENTITY, &Page::of(&door, guest, words));
            };
            let most = if field(&form, "far").is_empty() { 32 } else { 247 };
            let (by, at) = (guest.name, guest.sight.at);
            lock(&door.progress).insert(line.clone(), Progress { by: by.clone(), left_s: 0, done: 0 });
            let wanted = Wanted { units: Some(1..=most), settings };
            tokio::task::spawn_blocking(move || search(&door, taken, &wanted, Scanning { line, by, at }));
            Redirect::to("/install/scan").into_response()
        }
        Err(busy) => html(StatusCode::CONFLICT, &Page::of(&door, guest, said(&busy))),
    }
}

pub(super) fn said(busy: &Busy) -> String {
    match busy {
        Busy::Unknown => unknown_line(),
        Busy::By(name) => format!("{name} 正在用这条线 · {name} is on this line"),
    }
}

fn unknown_line() -> String {
    "没有这条线路 · there is no such line".to_owned()
}

struct Scanning {
    line: Id,
    by: String,
    at: Timestamp,
}

/// On a thread of its own: each question waits for its turn on the line.
fn search(door: &Door, mut taken: Taken, wanted: &Wanted, scanning: Scanning) {
    let Scanning { line, by, at } = scanning;
    let candidates: Vec<Candidate> = door.bench.candidates();
    let own = taken.setting();
    let progress: &Mutex<BTreeMap<Id, Progress>> = &door.progress;
    let report = scan(&mut taken, wanted, WAIT, &candidates, &mut |news| {
        if let News::Asked { left, of, .. } = news {
            let part = left.as_millis() * 100 / of.as_millis().max(1);
            let done = 100_u64.saturating_sub(u64::try_from(part).unwrap_or(100));
            lock(progress).insert(line.clone(), Progress { by: by.clone(), left_s: left.as_secs(), done });
        }
    });
    let found = report.devices.iter().map(|device| Found {
        unit_id: device.unit_id,
        at: named_beside(own, device.setting),
        reply_ms: device.reply.map(|reply| u64::try_from(reply.as_millis()).unwrap_or(u64::MAX)),
        fits: device.fits.iter().take(FITS).map(|fit| (fit.profile.clone(), fit.agreed, fit.asked)).collect(),
        conflict: device.doubts.iter().any(|doubt| doubt.is_conflict()),
        was: None,
    });
    let ended = report.ended.map(|lost| lost.to_string());
    let mut scanned = Scanned { by, at, found: found.collect(), ended };
    let kept = lock(&door.kept).change(|visit| {
        let before = visit.scans.remove(&line).map(|scanned| scanned.found).unwrap_or_default();
        scanned.found.extend(elsewhere(before, own, &wanted.settings));
        visit.scans.insert(line.clone(), scanned);
    });
    if let Err(error) = kept {
        tracing::warn!(%error, "what a scan found could not be kept");
    }
    lock(progress).remove(&line);
    drop(taken);
}

/// The setting's name, unless it is the line's own.
fn named_beside(own: Setting, setting: Setting) -> Option<String> {
    (setting != own).then(|| setting::name(setting))
}

/// What an earlier scan found at settings that were not tried now.
fn elsewhere(before: Vec<Found>, own: Setting, tried: &Settings) -> impl Iterator<Item = Found> {
    let tried: Vec<Option<String>> = tried.iter().map(|setting| named_beside(own, *setting)).collect();
    before.into_iter().filter(move |found| !tried.contains(&found.at))
}

impl Page {
    fn of(door: &Door, guest: Guest, words: String) -> Self {
        let Guest { name: by, sight } = guest;
        let progress = lock(&door.progress);
        // A search that came to no end holds no line.
        let held = progress.iter().filter(|(line, _)| door.bench.holder(line).is_some());
        let running = held.map(|(line, Progress { by, left_s, done })| {
            format!("{by} 正在扫描 {line}:{done} %,约剩 {left_s} 秒 · {left_s} s left")
        });
        let running = running.collect();
        let kept = lock(&door.kept);
        let visit = kept.visit();
        let lines = sight.lines.iter().map(|line| row_of(door, &sight, visit, &line.name));
        Self {
            name: sight.name.clone(),
            by,
            minutes: page::minutes(&sight),
            words,
            running,
            lines: lines.collect(),
            planned: visit.plan.len(),
        }
    }
}

fn row_of(door: &Door, sight: &Sight, visit: &Visit, line: &Id) -> Line {
    let scanned = visit.scans.get(line);
    let found = scanned.iter().flat_map(|scanned| &scanned.found).map(|found| {
        let is_it = |known: &&DeviceSeen| known.line == *line && known.unit_id == found.unit_id;
        let known = sight.devices.iter().filter(|_| found.at.is_none()).find(is_it);
        let at = found.at.as_deref().and_then(setting::named);
        Row {
            unit_id: found.unit_id,
            at: at.map(|at| (setting::name(at), at.to_string())),
            reply: found.reply_ms.map_or("–".to_owned(), |reply| format!("{reply} ms")),
            known: known.map(|known| known.place.name.clone().unwrap_or_else(|| known.id.to_string())),
            fits: match found.fits.first() {
                Some((profile, agreed, asked)) => format!("{profile} {agreed}/{asked}"),
                None => "型号不明 · unknown model".to_owned(),
            },
            conflict: found.conflict,
        }
    });
    let said = match scanned {
        None => "还没扫描 · not scanned yet".to_owned(),
        Some(Scanned { ended: Some(why), .. }) => why.clone(),
        Some(Scanned { by, found, .. }) if found.is_empty() => {
            format!("{by}:没有设备应答,检查接线和供电 · nobody answered: look at wires and power")
        }
        Some(Scanned { by, found, .. }) => {
            format!("{by}:{} 台应答 · {} answered", found.len(), found.len())
        }
    };
    let own = door.bench.setting(sight, line);
    Line {
        name: line.to_string(),
        holder: door.bench.holder(line),
        said,
        found: found.collect(),
        own: own.map(|own| own.to_string()).unwrap_or_default(),
        settings: own.map(setting::choices).unwrap_or_default(),
    }
}
