//! 处置单: one case on one sheet of A4, with everything that was done and a code that leads back to it.
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Html;
use serde_json::Value;
use shouwang_paper::{Qr, qr};

use super::extract::OwnAddress;
use super::paper::{Paper, page, place_of, time};
use super::refusal::Refusal;
use super::{Desk, cases};
use crate::clock::local;

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    paper: Paper,
    code: Option<Qr>,
    id: String,
    look: String,
    priority: String,
    mode: String,
    place: String,
    what: String,
    device: String,
    grid: String,
    state: String,
    conclusion: String,
    call_back: String,
    /// What the resident said: stars, if they did.
    rated: String,
    /// The four firsts: heard of, accepted, on site, handled.
    firsts: [(&'static str, String); 4],
    sent: Vec<(String, String)>,
    steps: Vec<(String, String, String)>,
    earlier: u64,
    printed: String,
}

/// `/cases/{id}/print`.
pub(super) async fn case(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    paper: Paper,
    OwnAddress(own): OwnAddress,
) -> Result<Html<String>, Refusal> {
    let case = cases::find(&desk, &id).await?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let stamp = |stamp: &Value| match stamp.is_object() {
        true => {
            let who = stamp["person"].as_str().map_or_else(|| paper.person(&stamp["by"]), str::to_owned);
            format!("{} {who}", time(&stamp["at"]))
        }
        false => String::new(),
    };
    let sent = case["dispatched"].as_array().into_iter().flatten().map(|sent| {
        let answered =
            if sent["answered"].is_object() { time(&sent["answered"]["at"]) } else { "—".to_owned() };
        let text =
            format!("{} {} · {} {answered}", paper.say("sent"), time(&sent["at"]), paper.say("received"));
        (word(&sent["name"]), text)
    });
    let steps = case["steps"].as_array().into_iter().flatten().map(|step| {
        let mut what = vec![paper.word_of("step_", &step["step"])];
        if step["detail"].is_string() {
            let list = match step["step"].as_str() {
                Some("call_back") => "back_",
                Some("supervise") => "overdue_",
                _ => "conclusion_",
            };
            what.push(paper.word_of(list, &step["detail"]));
        }
        if step["note"].is_string() {
            what.push(word(&step["note"]));
        }
        (time(&step["at"]), what.join(" · "), paper.person(&step["by"]))
    });
    let mode = &case["mode"];
    let address = format!("{own}/cases/{}/print", word(&case["id"]));
    page(&CasePage {
        code: qr(&address),
        id: word(&case["id"]),
        look: word(&case["priority"]),
        priority: paper.word_of("", &case["priority"]),
        mode: if mode == "live" { String::new() } else { paper.word_of("mode_", mode) },
        place: place_of(&case),
        what: paper.text(&case["text"]),
        device: word(&case["device"]),
        grid: word(&case["place"]["grid"]),
        state: paper.word_of("case_", &case["state"]),
        conclusion: paper.word_of("conclusion_", &case["conclusion"]),
        call_back: if case["call_back"].is_object() {
            format!("{} {}", paper.word_of("back_", &case["call_back"]["result"]), stamp(&case["call_back"]))
        } else {
            String::new()
        },
        rated: case["stars"].as_u64().map(stars).unwrap_or_default(),
        firsts: [
            (paper.say("first_raised"), time(&case["raised_at"])),
            (paper.say("first_accepted"), stamp(&case["accepted"])),
            (paper.say("first_on_site"), stamp(&case["on_site"])),
            (paper.say("first_handled"), stamp(&case["handled"])),
        ],
        sent: sent.collect(),
        steps: steps.collect(),
        earlier: case["earlier_steps"].as_u64().unwrap_or_default(),
        printed: local(desk.inner.clock.wall(), "%Y-%m-%d %H:%M"),
        paper,
    })
}

/// ★★★★☆
fn stars(stars: u64) -> String {
    (1..=5).map(|star| if star <= stars { '★' } else { '☆' }).collect()
}
