//! `/handover`: what the next shift must know, to be read, printed and signed by two; and each signed sheet as it was,
//! with its hash and the logbook's line that holds it.
use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{LogbookEnd, Outcome, ShiftAsked, ShiftStep};
use shouwang_message::AlarmId;
use tokio::sync::oneshot;

use super::api::{LONGEST_TEXT, ask_loop, body_of, refusal, told, too_slow};
use super::page::PageQuery;
use super::paper::{Paper, Row, page, time};
use super::{Desk, Peer, session, shift};
use crate::accounts::{Person, Refused};
use crate::eventloop::Message;
use crate::logbook::SheetProof;

/// The sheet, and below it what only the page that signs has.
#[derive(Template)]
#[template(path = "handover.html")]
struct HandoverPage {
    paper: Paper,
    sheet: Sheet,
    /// Emergencies that nobody acknowledged.
    blocked: Vec<Row>,
    /// Who may leave with the one who signs, by account id and name.
    others: Vec<(String, String)>,
    /// Who signs as the one who goes: account id and name; none if this person is not on duty.
    giver: Option<(String, String)>,
    /// Both sign with their passwords: there are accounts.
    passwords: bool,
    /// The one who goes has a password of their own.
    own_password: bool,
    /// The newest signed sheets: where, when, who to whom.
    signed: Vec<(String, String, String)>,
    proof: Option<Proof>,
}

/// What a sheet says, ready to be written down.
struct Sheet {
    number: String,
    began: String,
    until: String,
    on_duty: Vec<String>,
    left: Vec<String>,
    /// Alarms, emergencies, acknowledged.
    counts: [String; 3],
    slowest: String,
    coverage: String,
    gateways: String,
    open_cases: String,
    parts: Vec<Part>,
    outages: Vec<Outage>,
    notes: Vec<(String, String, String)>,
    from: String,
    to: String,
    leaving: String,
}

/// What was lost for a time, and what it did not watch.
struct Outage {
    id: String,
    /// From when to when, and what.
    title: String,
    /// Place, and who looked when; empty while nobody did.
    boxes: Vec<(String, String)>,
}

/// One table of it.
struct Part {
    title: &'static str,
    rows: Vec<Row>,
    /// Rows that found no place.
    more: u64,
}

/// What proves a signed sheet.
struct Proof {
    /// Both signed with their passwords.
    passwords: bool,
    sha256: String,
    /// Where the logbook ended before it.
    before: String,
    /// The line that holds it, and that line's hash.
    line: String,
}

impl Sheet {
    fn new(paper: &Paper, sheet: &Value) -> Self {
        let figures = &sheet["figures"];
        let count = |value: &Value| value.as_u64().unwrap_or_default().to_string();
        let duty = |one: &Value| format!("{} {}", paper.person(&one["by"]), time(&one["since"]));
        let slowest = figures["slowest_ms"].as_i64().map(|ms| {
            let what = paper.text(&figures["slowest"][1]);
            format!("{}.{} s({what})", ms / 1_000, ms % 1_000 / 100)
        });
        let hours = |minutes: &Value| {
            let minutes = minutes.as_u64().unwrap_or_default();
            format!("{}:{:02}", minutes / 60, minutes % 60)
        };
        let coverage = &sheet["coverage"];
        let left = sheet["left"].as_array().into_iter().flatten();
        Self {
            number: count(&sheet["number"]),
            began: time(&sheet["began"]),
            until: time(&sheet["at"]),
            on_duty: sheet["on_duty"].as_array().into_iter().flatten().map(duty).collect(),
            left: left.map(|one| format!("{}–{}", duty(one), time(&one["until"]))).collect(),
            counts: ["alarms", "emergencies", "acknowledged"].map(|name| count(&figures[name])),
            slowest: slowest.unwrap_or_else(|| "—".to_owned()),
            coverage: format!(
                "{} {} · {} {}",
                paper.say("nobody_for"),
                hours(&coverage["none_min"]),
                paper.say("one_for"),
                hours(&coverage["single_min"])
            ),
            gateways: format!(
                "{}/{}",
                count(&sheet["gateways"]["present"]),
                count(&sheet["gateways"]["all"])
            ),
            open_cases: count(&sheet["open_cases"]),
            parts: PARTS.iter().map(|name| Part::new(paper, name, &sheet["rows"][*name])).collect(),
            outages: sheet["outages"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| Outage::new(paper, one))
                .collect(),
            notes: sheet["notes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|note| (time(&note["at"]), paper.person(&note["by"]), word(&note["text"])))
                .collect(),
            from: paper.person(&sheet["from"]),
            to: paper.person(&sheet["to"]),
            leaving: paper.people(&sheet["leaving"]),
        }
    }
}

const PARTS: &[&str] = &["alarms", "shelved", "out_of_service", "faults", "lost", "gaps"];

impl Part {
    fn new(paper: &Paper, name: &str, part: &Value) -> Self {
        let rows = part["items"].as_array().into_iter().flatten().map(|item| paper.row(item)).collect();
        let title = paper.say(&format!("part_{name}"));
        Self { title, rows, more: part["more"].as_u64().unwrap_or_default() }
    }
}

impl Outage {
    fn new(paper: &Paper, outage: &Value) -> Self {
        let which = [&outage["gateway"], &outage["line"], &outage["device"]];
        let which: Vec<&str> = which.into_iter().filter_map(Value::as_str).collect();
        let (from, to) = (time(&outage["from"]), time(&outage["to"]));
        let times = outage["times"].as_u64().filter(|times| *times > 1);
        let times = times.map(|times| format!(" ×{times}")).unwrap_or_default();
        let looked = |one: &Value| match one["by"].is_string() {
            true => format!("{} {}", paper.person(&one["by"]), time(&one["at"])),
            false => String::new(),
        };
        Self {
            id: word(&outage["id"]),
            title: format!("{from} – {to}{times} · {} · {}", paper.text(&outage["text"]), which.join(" ")),
            boxes: outage["boxes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| (word(&one["place"]), looked(one)))
                .collect(),
        }
    }
}

fn word(text: &Value) -> String {
    text.as_str().unwrap_or_default().to_owned()
}

/// The sheet as it would be signed now.
pub(super) async fn now(
    State(desk): State<Desk>,
    Extension(person): Extension<Person>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let (answer, answered) = oneshot::channel();
    let Some(sheet) = ask_loop(&desk, Message::Handover { answer }, answered).await else {
        return too_slow();
    };
    let (answer, answered) = oneshot::channel();
    let Some(shift) = ask_loop(&desk, Message::Shift { answer }, answered).await else { return too_slow() };
    let paper = Paper::new(&desk, &query, &headers);
    let on_duty: Vec<(String, String)> = sheet["on_duty"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| (word(&one["by"]), paper.person(&one["by"])))
        .collect();
    let signed = shift["sheets"].as_array().into_iter().flatten().map(|head| {
        let who = format!("{} → {}", paper.person(&head["from"]), paper.person(&head["to"]));
        (word(&head["id"]), time(&head["at"]), who)
    });
    page(&HandoverPage {
        sheet: Sheet::new(&paper, &sheet),
        blocked: sheet["blocked"].as_array().into_iter().flatten().map(|item| paper.row(item)).collect(),
        giver: on_duty.iter().find(|(id, _)| *id == person.id).cloned(),
        others: on_duty.into_iter().filter(|(id, _)| *id != person.id).collect(),
        passwords: !desk.inner.door.people().is_empty(),
        own_password: has_password(&desk, &person),
        signed: signed.collect(),
        proof: None,
        paper,
    })
}

/// A signed sheet, with what proves it.
pub(super) async fn signed(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let Ok(id) = id.parse::<AlarmId>() else { return unknown_sheet() };
    let logbook = desk.inner.logbook.clone();
    let found = match tokio::task::spawn_blocking(move || logbook.sheet(id)).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => return too_slow(),
    };
    let Some((text, proof)) = found else { return unknown_sheet() };
    let Ok(sheet) = serde_json::from_str::<Value>(&text) else { return unknown_sheet() };
    let paper = Paper::new(&desk, &query, &headers);
    let end = &sheet["logbook"];
    let proof = Proof {
        passwords: sheet["proven"] == true,
        before: format!("{} · {}", end["number"], word(&end["hash"])),
        line: match &proof {
            SheetProof::Held { line, hash, .. } => format!("{line} · {hash}"),
            SheetProof::Missing { .. } => paper.say("no_line").to_owned(),
        },
        sha256: proof.sha256().to_owned(),
    };
    page(&HandoverPage {
        sheet: Sheet::new(&paper, &sheet),
        blocked: Vec::new(),
        giver: None,
        others: Vec::new(),
        passwords: false,
        own_password: false,
        signed: Vec::new(),
        proof: Some(proof),
        paper,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signing {
    /// Of the one who is logged in; needed where there are accounts.
    #[serde(default)]
    password: String,
    /// Who takes over: account id, and their password.
    to: String,
    #[serde(default)]
    to_password: String,
    /// Others who leave with the one who signs.
    #[serde(default)]
    leaving: Vec<String>,
}

/// `POST /api/v1/handover`: both have signed.
pub(super) async fn sign(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let signing: Signing = match body_of(&headers, body) {
        Ok(signing) => signing,
        Err(refused) => return *refused,
    };
    let to = signing.to.trim().to_owned();
    if to.is_empty() || to.chars().count() > LONGEST_TEXT {
        let (zh, en) = ("请填写接班人 to", "Say who takes over: `to`");
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "to_missing", zh, en);
    }
    let proven = match prove(&desk, peer, &person, &to, &signing).await {
        Ok(proven) => proven,
        Err(refused) => return *refused,
    };
    let logbook = desk.inner.logbook.clone();
    let head = match tokio::task::spawn_blocking(move || logbook.before(0, 0)).await {
        Ok(Ok((_, head))) => head,
        Ok(Err(_)) | Err(_) => return too_slow(),
    };
    let logbook = LogbookEnd { number: head.number, hash: head.hash };
    let step = ShiftStep::HandOver { to, leaving: signing.leaving, proven, logbook };
    let asked = ShiftAsked { by: person.id, from: peer.to_string(), step };
    match shift::ask(&desk, asked).await {
        Some(Outcome::ShiftTaken { about: Some(sheet), .. }) => {
            Json(json!({ "sheet": sheet })).into_response()
        }
        Some(outcome) => told(outcome),
        None => too_slow(),
    }
}

/// Whether both proved by their passwords who they are. A room without accounts, as in the demo, has names only, and
/// its sheets say so; the one who came by the demo's link has no password.
async fn prove(
    desk: &Desk,
    peer: Peer,
    person: &Person,
    to: &str,
    signing: &Signing,
) -> Result<bool, Box<Response>> {
    if desk.inner.door.people().is_empty() {
        return Ok(false);
    }
    let refused = |refused: Refused| Box::new(session::told(&refused));
    let is_known = has_password(desk, person);
    if is_known {
        desk.inner.door.sign(peer.0, &person.id, &signing.password).await.map_err(refused)?;
    }
    desk.inner.door.sign(peer.0, to, &signing.to_password).await.map_err(refused)?;
    Ok(is_known)
}

/// The one who came by the demo's link has no account, whatever name it goes by.
fn has_password(desk: &Desk, person: &Person) -> bool {
    desk.inner.door.people().iter().any(|known| known.id == person.id)
}

fn unknown_sheet() -> Response {
    refusal(StatusCode::NOT_FOUND, "unknown_sheet", "没有这张交接班表", "There is no such hand-over sheet")
}
