//! What a village says of its station, as a form for leads: neighbours, datum, whom to call, and the ladder of impacts as
//! rows or out of a spreadsheet.
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Html;
use shouwang_message::Id;

use super::Desk;
use super::paper::{Paper, page};
use super::refusal::Refusal;
use super::stations::unknown_station;
use super::village::id_of;
use crate::clock::local;
use crate::eventloop::Message;

/// Empty rows below those that there are.
const MORE_ROWS: usize = 3;

#[derive(Template)]
#[template(path = "station.html")]
struct StationPage {
    paper: Paper,
    id: Id,
    name: String,
    datum: String,
    /// The other stations: id, name, whether it is the one upstream, and downstream.
    others: Vec<Other>,
    datum_checked: String,
    grid: String,
    phone: String,
    village: String,
    homes: String,
    /// Stage and words.
    impacts: Vec<(String, String)>,
    script: String,
}

struct Other {
    id: String,
    name: String,
    is_upstream: bool,
    is_downstream: bool,
}

/// `/stations/{id}`.
pub(super) async fn show(
    State(desk): State<Desk>,
    Path(station): Path<String>,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let id = id_of(&station)?;
    let asked = id.clone();
    let now =
        desk.ask(|answer| Message::StationNow { id: asked, answer }).await?.ok_or_else(unknown_station)?;
    let stations = desk.ask(|answer| Message::Stations { answer }).await?;
    let about = &now.about;
    let is = |neighbour: &Option<Id>, other: &str| neighbour.as_ref().is_some_and(|id| id.as_str() == other);
    let others = stations.iter().filter_map(|station| {
        let other = station["id"].as_str().filter(|other| *other != id.as_str())?;
        Some(Other {
            id: other.to_owned(),
            name: station["name"].as_str().unwrap_or_default().to_owned(),
            is_upstream: is(&about.upstream, other),
            is_downstream: is(&about.downstream, other),
        })
    });
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let impacts = about.impacts.iter().map(|impact| (format!("{:.2}", impact.stage_m), impact.text.clone()));
    let empty = std::iter::repeat_n((String::new(), String::new()), MORE_ROWS);
    page(&StationPage {
        name: now.info.name.clone(),
        datum: now.info.datum.clone(),
        others: others.collect(),
        datum_checked: about.datum_checked.map(|at| local(at, "%Y-%m-%d")).unwrap_or_default(),
        grid: text(&about.grid),
        phone: text(&about.phone),
        village: text(&about.village),
        homes: about.homes.join(", "),
        impacts: impacts.chain(empty).collect(),
        script: paper.for_script("station_say_", &["saved", "no_answer"]),
        id,
        paper,
    })
}
