//! 评单: the resident's word on how it went, 1 to 5, by a link without an account after the case is handled. One rating a
//! case; looking changes nothing, and a second one is told what the first was.
use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{CaseAsked, CaseStep, LogLine, Outcome};
use shouwang_message::{AlarmId, Text, Timestamp};

use super::admission::{Closed, admitted};
use super::api::told;
use super::couriers::no_room;
use super::extract::{Change, Nothing, OwnAddress, are_short};
use super::paper::{Paper, page, place_of, time};
use super::refusal::{Refusal, mistake, refusal, too_slow};
use super::{Desk, Peer, cases, from_disk};
use crate::accounts::changes::Asker;
use crate::eventloop::Message;
use crate::tickets::{Purpose, Wanted};
use shouwang_paper::qr;

/// A resident may take a week.
const OPEN_MS: i64 = 7 * 24 * 3_600_000;
/// Who rates, where a ticket has a person and the logbook an account.
pub(super) const RESIDENT: &str = "resident";

/// `POST /api/v1/cases/{id}/rating-link`: a link and its code, told once; one made before opens nothing any more.
pub(super) async fn link(
    State(desk): State<Desk>,
    asker: Asker,
    OwnAddress(own): OwnAddress,
    Path(id): Path<String>,
    Change(Nothing {}): Change<Nothing>,
) -> Result<Json<Value>, Refusal> {
    let case = cases::find(&desk, &id).await?;
    match case["state"].as_str() {
        Some("handled") => {}
        Some("rated" | "closed") => {
            let (zh, en) = ("已评过或已销号", "It is rated or closed already");
            return Err(refusal(StatusCode::CONFLICT, "rated", zh, en));
        }
        _ => {
            return Err(refusal(
                StatusCode::CONFLICT,
                "not_handled",
                "办结后才能评",
                "Handle the case first",
            ));
        }
    }
    let wall = desk.inner.clock.wall();
    let ends = Timestamp::from_unix_ms(wall.unix_ms() + OPEN_MS);
    let wanted = Wanted {
        purpose: Purpose::Rate,
        person: RESIDENT.into(),
        about: id.clone(),
        made_by: asker.person.id.clone(),
        ends,
    };
    let (tickets, about) = (desk.inner.tickets.clone(), id.clone());
    let made = from_disk(move || {
        tickets.revoke(Purpose::Rate, RESIDENT, &about, wall)?;
        tickets.make(&wanted, wall)
    });
    let token = made.await.ok_or_else(too_slow)?.ok_or_else(no_room)?;
    let line = desk.inner.door.line(&asker.person.id, asker.from, "case.rating_link");
    let _ = desk.note(LogLine { about: Some(id), ..line }).await;
    let url = format!("{own}/rate/{token}");
    Ok(Json(json!({ "url": url, "qr": qr(&url), "ends": ends })))
}

#[derive(Template)]
#[template(path = "rate.html")]
struct RatePage {
    paper: Paper,
    token: String,
    script: String,
    /// Why nothing can be rated, or that it was.
    said: Option<String>,
    what: String,
    handled: String,
}

/// `/rate/{token}`.
pub(super) async fn form(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    paper: Paper,
) -> Result<Response, Refusal> {
    let script = paper.for_script("rate_say_", &["thanks", "choose", "no_network"]);
    let mut made = RatePage { token, script, said: None, what: String::new(), handled: String::new(), paper };
    let status = match admitted(&desk, from, &made.token, Purpose::Rate).await {
        Ok(ticket) => {
            let case = cases::find(&desk, &ticket.about).await?;
            made.what = format!("{} {}", place_of(&case), made.paper.text(&case["text"]));
            made.handled = time(&case["handled"]["at"]);
            made.said = rated(&case).map(|text| made.paper.text(&json!(text)));
            StatusCode::OK
        }
        Err(Closed { status, text, .. }) => {
            made.said = Some(made.paper.text(&json!(text)));
            status
        }
    };
    Ok((status, page(&made)?).into_response())
}

/// What there is to say where a case takes no rating.
fn rated(case: &Value) -> Option<Text> {
    match (case["stars"].as_u64(), case["state"].as_str()) {
        (Some(stars), _) => {
            let (zh, en) = (format!("已评 {stars} 星,谢谢"), format!("Rated {stars} of 5, thank you"));
            Some(Text::new(zh, en))
        }
        (None, Some("handled")) => None,
        (None, Some("closed")) => Some(Text::new("已销号,不能再评", "It is closed and can be rated no more")),
        (None, _) => Some(Text::new("还没有办结,请稍后再评", "It is not handled yet: come back later")),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rating {
    stars: u8,
    #[serde(default)]
    words: Option<String>,
}

/// `POST /rate/{token}`.
pub(super) async fn rate(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    Change(Rating { stars, words }): Change<Rating>,
) -> Result<Json<Value>, Refusal> {
    let ticket = admitted(&desk, from, &token, Purpose::Rate).await?;
    are_short(&words)?;
    if !(1..=5).contains(&stars) {
        return Err(mistake("stars", "评分为 1 到 5", "`stars` is 1 to 5"));
    }
    let case: AlarmId = ticket.about.parse().map_err(|_| super::refusal::not_found())?;
    let note = words.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty());
    let asked = CaseAsked {
        case,
        by: RESIDENT.into(),
        from: from.to_string(),
        note,
        call_back: None,
        occurrence: None,
        step: CaseStep::Rate { stars },
    };
    match desk.ask(|answer| Message::CaseAsk { asked, answer }).await? {
        Outcome::Unknown => {
            let (zh, en) = ("已销号,不能再评", "It is closed and can be rated no more");
            Err(refusal(StatusCode::CONFLICT, "closed", zh, en))
        }
        Outcome::CaseAlready { case, .. } => {
            let text = rated(&case).unwrap_or_else(|| Text::new("已评过", "Rated before"));
            Err(Refusal::new(StatusCode::CONFLICT, "rated", &text))
        }
        outcome => {
            let Json(case) = told(outcome)?;
            Ok(Json(json!({ "stars": case["stars"] })))
        }
    }
}
