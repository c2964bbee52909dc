//! 叫应: who must be told that the river comes, who has answered, and who has not. A page for the duty room and for a phone
//! at the door; names are on it only, for those on watch, and the logbook says who looked.
use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Html;
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{AnsweringStep, CallOutcome, CallTold, DeskStep, LogLine, Outcome};
use shouwang_message::{AlarmId, Timestamp};

use super::api::told;
use super::extract::{Change, are_short};
use super::paper::{Paper, page, time};
use super::refusal::{Refusal, not_found, too_slow, unreadable};
use super::village::{self, id_of};
use super::{Desk, access, from_disk, guard};
use crate::accounts::changes::Asker;
use crate::accounts::sessions::Standing;
use crate::clock::local;
use crate::eventloop::Message;
use crate::residents::{Hearing, Numbered};

/// One round, be it ended long ago.
async fn find(desk: &Desk, id: &str) -> Result<Value, Refusal> {
    let id: AlarmId = id.parse().map_err(|_| not_found())?;
    if let Some(round) = desk.ask(|answer| Message::Round { id, answer }).await? {
        return Ok(round);
    }
    let records = desk.inner.records.clone();
    let kept = from_disk(move || records.ended_round(id)).await.ok_or_else(unreadable)?;
    kept.and_then(|kept| shouwang_board::ended_round(&kept)).ok_or_else(not_found)
}

async fn ask(desk: &Desk, asker: Asker, step: AnsweringStep) -> Result<Json<Value>, Refusal> {
    let asked = shouwang_board::DeskAsked {
        from: asker.address(),
        by: asker.person.id,
        step: DeskStep::Answering(step),
    };
    match desk.ask(|answer| Message::DeskAsk { asked, answer }).await? {
        Outcome::Unknown => Err(not_found()),
        outcome => told(outcome),
    }
}

/// `GET /api/v1/rounds`: those that run and the newest that ended.
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    let rounds = desk.ask(|answer| Message::Rounds { answer }).await?;
    Ok(Json(json!({ "items": rounds })))
}

/// `GET /api/v1/rounds/{id}`: homes and cards, without names.
pub(super) async fn one(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    find(&desk, &id).await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    reason: String,
}

/// `POST /api/v1/stations/{id}/round`: begins one by hand; of one that runs the list is read again.
pub(super) async fn begin(
    State(desk): State<Desk>,
    asker: Asker,
    Path(station): Path<String>,
    Change(Reason { reason }): Change<Reason>,
) -> Result<Json<Value>, Refusal> {
    are_short([&reason])?;
    let station = id_of(&station)?;
    village::ask(&desk, asker, DeskStep::Answering(AnsweringStep::Begin { station, reason })).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Called {
    id: String,
    card: i64,
    outcome: CallOutcome,
    at: Timestamp,
    #[serde(default)]
    note: Option<String>,
}

/// `POST /api/v1/rounds/{id}/called`: what came of a call; the same id again is the same call.
pub(super) async fn called(
    State(desk): State<Desk>,
    asker: Asker,
    Path(round): Path<String>,
    Change(Called { id, card, outcome, at, note }): Change<Called>,
) -> Result<Json<Value>, Refusal> {
    are_short(&note)?;
    let round = round.parse().map_err(|_| not_found())?;
    let call = CallTold { id, card, outcome, at, note };
    ask(&desk, asker, AnsweringStep::Called { round, call }).await
}

/// `POST /api/v1/rounds/{id}/end`: by a lead, with people missing and a reason.
pub(super) async fn end(
    State(desk): State<Desk>,
    asker: Asker,
    Path(round): Path<String>,
    Change(Reason { reason }): Change<Reason>,
) -> Result<Json<Value>, Refusal> {
    are_short([&reason])?;
    let round = round.parse().map_err(|_| not_found())?;
    ask(&desk, asker, AnsweringStep::End { round, reason }).await
}

#[derive(Template)]
#[template(path = "answering.html")]
struct RoundsPage {
    paper: Paper,
    may_act: bool,
    script: String,
    stations: Vec<(String, String)>,
    rounds: Vec<Head>,
}

/// A round in a sentence.
struct Head {
    id: String,
    name: String,
    simulated: bool,
    why: String,
    began: String,
    people: u64,
    answered: u64,
    missing: u64,
    left_out: u64,
    is_listed: bool,
    is_late: bool,
    ended: Option<String>,
}

impl Head {
    fn of(round: &Value, paper: &Paper) -> Self {
        let word = |name: &str| round[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| round[name].as_u64().unwrap_or_default();
        let line = round["line"].as_str().map(|_| paper.word_of("line_", &round["line"]));
        let why = [line, round["reason"].as_str().map(str::to_owned)];
        let ended = round["ended"].is_object().then(|| {
            let ended = &round["ended"];
            let by = if ended["by"].is_string() {
                format!("{}:{}", paper.person(&ended["by"]), ended["reason"].as_str().unwrap_or_default())
            } else {
                paper.say("answering_all").to_owned()
            };
            format!("{} {by}", time(&ended["at"]))
        });
        Self {
            id: word("id"),
            name: word("name"),
            simulated: round["simulated"] == true,
            why: why.into_iter().flatten().collect::<Vec<_>>().join(" · "),
            began: if round["by_hand"] == true {
                format!("{} {}", time(&round["at"]), paper.person(&round["by"]))
            } else {
                format!("{} {}", time(&round["at"]), paper.say("answering_by_line"))
            },
            people: number("people"),
            answered: number("answered"),
            missing: number("missing"),
            left_out: number("left_out"),
            is_listed: round["listed"] == true,
            is_late: round["late"] == true,
            ended,
        }
    }
}

/// `/answering`: every round, and a way to begin one.
pub(super) async fn rounds(
    State(desk): State<Desk>,
    headers: HeaderMap,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let rounds = desk.ask(|answer| Message::Rounds { answer }).await?;
    let stations = desk.ask(|answer| Message::Stations { answer }).await?;
    let stations = stations.iter().map(|station| {
        let word = |name: &str| station[name].as_str().unwrap_or_default().to_owned();
        (word("id"), word("name"))
    });
    let (standing, person) = guard::standing(&desk, &headers);
    let may_act =
        standing == Standing::Valid && person.is_some_and(|person| access::WATCH.contains(&person.role));
    page(&RoundsPage {
        may_act,
        script: words_of_script(&paper),
        stations: stations.collect(),
        rounds: rounds.iter().map(|round| Head::of(round, &paper)).collect(),
        paper,
    })
}

#[derive(Template)]
#[template(path = "round.html")]
struct RoundPage {
    paper: Paper,
    head: Head,
    leads: bool,
    runs: bool,
    script: String,
    missing: Vec<Person>,
    answered: Vec<Person>,
    printed: String,
}

/// One home on the page; without a card that may still be kept there is no name.
struct Person {
    card: i64,
    home: String,
    name: String,
    phone: String,
    dial: String,
    traits: Vec<&'static str>,
    notes: String,
    /// Whom else to call: name, number.
    others: Vec<(String, String)>,
    outcome: String,
    knock: bool,
    calls: Vec<String>,
}

/// `/answering/{id}`: names in full; the logbook says who looked.
pub(super) async fn show(
    State(desk): State<Desk>,
    asker: Asker,
    Path(id): Path<String>,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let round = find(&desk, &id).await?;
    let homes: Vec<Value> = round["list"].as_array().cloned().unwrap_or_default();
    let numbers: Vec<i64> = homes.iter().filter_map(|home| home["card"].as_i64()).collect();
    let today = local(desk.inner.clock.wall(), "%Y-%m-%d");
    let residents = desk.inner.residents.clone();
    let cards = from_disk(move || residents.of_numbers(&numbers, &today)).await.ok_or_else(too_slow)?;
    let line = desk.inner.door.line(&asker.person.id, asker.from, "resident.round");
    desk.note(LogLine { about: Some(id), note: Some(homes.len().to_string()), ..line }).await?;
    let (mut missing, mut answered) = (Vec::new(), Vec::new());
    for home in &homes {
        let card = cards.iter().find(|(number, _)| home["card"] == *number);
        let person = Person::of(home, card, &paper);
        if home["settled"] == true { &mut answered } else { &mut missing }.push(person);
    }
    page(&RoundPage {
        head: Head::of(&round, &paper),
        leads: access::LEADS.contains(&asker.person.role),
        runs: round["ended"].is_null(),
        script: words_of_script(&paper),
        missing,
        answered,
        printed: local(desk.inner.clock.wall(), "%Y-%m-%d %H:%M"),
        paper,
    })
}

impl Person {
    fn of(home: &Value, card: Option<&Numbered>, paper: &Paper) -> Self {
        let card = card.map(|(_, card)| card);
        let outcome = if home["outcome"].is_string() {
            paper.word_of("call_", &home["outcome"])
        } else {
            paper.say("call_none").to_owned()
        };
        let calls = home["calls"].as_array().into_iter().flatten().map(|call| {
            let note = call["note"].as_str().map(|note| format!(" · {note}")).unwrap_or_default();
            let word = paper.word_of("call_", &call["outcome"]);
            format!("{} {word} · {}{note}", time(&call["at"]), paper.person(&call["by"]))
        });
        let text = |of: fn(&crate::residents::Resident) -> &str| card.map_or("", of).to_owned();
        let others = card.into_iter().flat_map(|card| {
            let holder = Some(&card.key_holder).filter(|holder| !holder.is_empty());
            card.contacts.iter().chain(holder).map(|one| (one.name.clone(), one.phone.clone()))
        });
        Self {
            card: home["card"].as_i64().unwrap_or_default(),
            home: home["home"].as_str().unwrap_or_default().to_owned(),
            name: card.map_or_else(|| paper.say("card_gone").to_owned(), |card| card.name.clone()),
            phone: text(|card| &card.phone),
            dial: dial(card.map_or("", |card| &card.phone)),
            traits: card.map(|card| traits(card, paper)).unwrap_or_default(),
            notes: text(|card| &card.notes),
            others: others.collect(),
            outcome,
            knock: home["knock"] == true,
            calls: calls.collect(),
        }
    }
}

/// What to know before one calls or goes there.
fn traits(card: &crate::residents::Resident, paper: &Paper) -> Vec<&'static str> {
    let mut traits = match card.hearing {
        Hearing::Deaf => vec![paper.say("deaf")],
        Hearing::Hard => vec![paper.say("hard")],
        Hearing::Good => vec![],
    };
    if !card.can_open {
        traits.push(paper.say("cannot_open"));
    }
    if card.oxygen {
        traits.push(paper.say("oxygen"));
    }
    traits
}

/// As a telephone takes it.
fn dial(phone: &str) -> String {
    phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

fn words_of_script(paper: &Paper) -> String {
    let names = ["waiting", "sent", "login", "no_network", "not_kept", "drop", "note_missing", "none"];
    paper.for_script("answering_say_", &names)
}
