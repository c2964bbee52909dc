//! Who lives alone and is watched over: a page and two calls. A person on watch says that somebody is away or in
//! hospital, and until when; the gateway keeps that, and watches again by itself.
use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_board::{DeskStep, WelfareAsked};
use shouwang_message::{Id, Timestamp, WelfareReason};

use super::Desk;
use super::api::ask_desk;
use super::extract::Change;
use super::paper::{Paper, page, time};
use super::refusal::{Refusal, refusal};
use crate::accounts::changes::Asker;
use crate::clock::local;
use crate::eventloop::Message;

/// `GET /api/v1/welfare`.
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    let items = desk.ask(|answer| Message::Welfare { answer }).await?;
    Ok(Json(json!({ "items": items })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    /// Null: somebody is there again.
    until: Option<Timestamp>,
    reason: WelfareReason,
    /// Needed where several gateways have a rule of this name.
    gateway: Option<Id>,
}

/// `POST /api/v1/welfare/{rule}/pause`.
pub(super) async fn pause(
    State(desk): State<Desk>,
    asker: Asker,
    Path(rule): Path<String>,
    Change(Pause { until, reason, gateway }): Change<Pause>,
) -> Result<Json<Value>, Refusal> {
    let rule = rule.parse().map_err(|_| {
        let (zh, en) = ("没有这条平安守望规则", "There is no such no-activity rule");
        refusal(StatusCode::NOT_FOUND, "unknown_welfare", zh, en)
    })?;
    ask_desk(&desk, asker, DeskStep::PauseWelfare(WelfareAsked { rule, gateway, until, reason })).await
}

#[derive(Template)]
#[template(path = "welfare.html")]
struct WelfarePage {
    paper: Paper,
    rules: Vec<Rule>,
    /// What the field for the last day begins with.
    tomorrow: String,
}

struct Rule {
    id: String,
    gateway: String,
    name: String,
    place: String,
    sign: String,
    /// How it stands: a word, and the look of it.
    standing: String,
    look: &'static str,
    active_at: String,
    trickles: bool,
    /// 住院 · 至 12-01 08:00:00 · 王.
    pause: Option<String>,
    is_pending: bool,
}

const DAY_MS: i64 = 24 * 3_600_000;

/// `/welfare`.
pub(super) async fn show(State(desk): State<Desk>, paper: Paper) -> Result<Html<String>, Refusal> {
    let items = desk.ask(|answer| Message::Welfare { answer }).await?;
    let rules = items.iter().map(|item| rule(&paper, item)).collect();
    let wall = desk.inner.clock.wall();
    let tomorrow = local(Timestamp::from_unix_ms(wall.unix_ms() + DAY_MS), "%Y-%m-%dT%H:%M");
    page(&WelfarePage { rules, tomorrow, paper })
}

fn rule(paper: &Paper, item: &Value) -> Rule {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let is_known = item["is_known"] == true;
    let standing = if is_known { item["standing"].clone() } else { "unknown".into() };
    let pause = |pause: &Value| {
        let (reason, until) = (paper.word_of("welfare_", &pause["reason"]), time(&pause["until"]));
        format!("{reason} · {} {until} · {}", paper.say("until"), paper.person(&pause["by"]))
    };
    Rule {
        id: text("id"),
        gateway: text("gateway"),
        name: text("name"),
        place: text("place"),
        sign: paper.word_of("welfare_", &item["sign"]),
        look: match standing.as_str() {
            Some("quiet") => "bad",
            Some("watching") => "good",
            _ => "soft",
        },
        standing: paper.word_of("welfare_", &standing),
        active_at: time(&item["active_at"]),
        trickles: item["trickles"] == true,
        pause: item["pause"].is_object().then(|| pause(&item["pause"])),
        is_pending: item["pending"].is_object(),
    }
}
