//! `/handover`: what the next shift must know, to be read, printed and signed by two; and each signed sheet as it was,
//! with its hash and the logbook's line that holds it.
use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{LogbookEnd, Outcome, ShiftStep};
use shouwang_message::AlarmId;

use super::api::told;
use super::extract::{Change, LONGEST_TEXT};
use super::paper::{Paper, Row, page, time};
use super::refusal::{Refusal, mistake, refusal, too_slow};
use super::{Desk, from_disk, shift};
use crate::accounts::Person;
use crate::accounts::changes::Asker;
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
    Asker { person, .. }: Asker,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let sheet = desk.ask(|answer| Message::Handover { answer }).await?;
    let shift = desk.ask(|answer| Message::Shift { answer }).await?;
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
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let id: AlarmId = id.parse().map_err(|_| unknown_sheet())?;
    let logbook = desk.inner.logbook.clone();
    let found = from_disk(move || logbook.sheet(id)).await.ok_or_else(too_slow)?;
    let (text, proof) = found.ok_or_else(unknown_sheet)?;
    let sheet: Value = serde_json::from_str(&text).map_err(|_| unknown_sheet())?;
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
pub(super) struct Signing {
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
    asker: Asker,
    Change(signing): Change<Signing>,
) -> Result<Json<Value>, Refusal> {
    let to = signing.to.trim().to_owned();
    if to.is_empty() || to.chars().count() > LONGEST_TEXT {
        return Err(mistake("to_missing", "请填写接班人 to", "Say who takes over: `to`"));
    }
    let proven = prove(&desk, &asker, &to, &signing).await?;
    let logbook = desk.inner.logbook.clone();
    let (_, head) = from_disk(move || logbook.before(0, 0)).await.ok_or_else(too_slow)?;
    let logbook = LogbookEnd { number: head.number, hash: head.hash };
    let step = ShiftStep::HandOver { to, leaving: signing.leaving, proven, logbook };
    match shift::ask(&desk, asker, step).await? {
        Outcome::ShiftTaken { about: Some(sheet), .. } => Ok(Json(json!({ "sheet": sheet }))),
        outcome => told(outcome),
    }
}

/// Whether both proved by their passwords who they are. A room without accounts, as in the demo, has names only, and
/// its sheets say so; the one who came by the demo's link has no password.
async fn prove(desk: &Desk, asker: &Asker, to: &str, signing: &Signing) -> Result<bool, Refusal> {
    let Asker { person, from } = asker;
    let door = &desk.inner.door;
    if door.people().is_empty() {
        return Ok(false);
    }
    let is_known = has_password(desk, person);
    if is_known {
        door.sign(*from, &person.id, &signing.password).await?;
    }
    door.sign(*from, to, &signing.to_password).await?;
    Ok(is_known)
}

/// The one who came by the demo's link has no account, whatever name it goes by.
fn has_password(desk: &Desk, person: &Person) -> bool {
    desk.inner.door.people().iter().any(|known| known.id == person.id)
}

fn unknown_sheet() -> Refusal {
    refusal(StatusCode::NOT_FOUND, "unknown_sheet", "没有这张交接班表", "There is no such hand-over sheet")
}
