//! The pages that a script fills: frames in the reader's language, and what they load. Scripts make text nodes only.
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::extract::Browser;
use super::paper::page;
use super::refusal::{Refusal, not_found};
use super::session::with_session;
use super::words::Words;
use super::{Desk, Peer};
use crate::accounts::GUEST;

/// What pages load besides themselves: name, content type, text.
pub(super) const ASSETS: &[(&str, &str, &str)] = &[
    ("answering.js", SCRIPT, include_str!("../../assets/answering.js")),
    ("asking.js", SCRIPT, include_str!("../../assets/asking.js")),
    ("accounts.js", SCRIPT, include_str!("../../assets/accounts.js")),
    ("board.js", SCRIPT, include_str!("../../assets/board.js")),
    ("call.js", SCRIPT, include_str!("../../assets/call.js")),
    ("courier.js", SCRIPT, include_str!("../../assets/courier.js")),
    ("card.js", SCRIPT, include_str!("../../assets/card.js")),
    ("case.js", SCRIPT, include_str!("../../assets/case.js")),
    ("exercise.js", SCRIPT, include_str!("../../assets/exercise.js")),
    ("handover.js", SCRIPT, include_str!("../../assets/handover.js")),
    ("forms.js", SCRIPT, include_str!("../../assets/forms.js")),
    ("live.js", SCRIPT, include_str!("../../assets/live.js")),
    ("login.js", SCRIPT, include_str!("../../assets/login.js")),
    ("neighbours.js", SCRIPT, include_str!("../../assets/neighbours.js")),
    ("old.js", SCRIPT, include_str!("../../assets/old.js")),
    ("rate.js", SCRIPT, include_str!("../../assets/rate.js")),
    ("print.js", SCRIPT, include_str!("../../assets/print.js")),
    ("recover.js", SCRIPT, include_str!("../../assets/recover.js")),
    ("residents.js", SCRIPT, include_str!("../../assets/residents.js")),
    ("welfare.js", SCRIPT, include_str!("../../assets/welfare.js")),
    ("people.js", SCRIPT, include_str!("../../assets/people.js")),
    ("mine.js", SCRIPT, include_str!("../../assets/mine.js")),
    ("outbox.js", SCRIPT, include_str!("../../assets/outbox.js")),
    ("phone.js", SCRIPT, include_str!("../../assets/phone.js")),
    ("river.js", SCRIPT, include_str!("../../assets/river.js")),
    ("rows.js", SCRIPT, include_str!("../../assets/rows.js")),
    ("shift.js", SCRIPT, include_str!("../../assets/shift.js")),
    ("sending.js", SCRIPT, include_str!("../../assets/sending.js")),
    ("setup.js", SCRIPT, include_str!("../../assets/setup.js")),
    ("walks.js", SCRIPT, include_str!("../../assets/walks.js")),
    ("sound.js", SCRIPT, include_str!("../../assets/sound.js")),
    ("speech.js", SCRIPT, include_str!("../../assets/speech.js")),
    ("station.js", SCRIPT, include_str!("../../assets/station.js")),
    ("teams.js", SCRIPT, include_str!("../../assets/teams.js")),
    ("workers.js", SCRIPT, include_str!("../../assets/workers.js")),
    ("triage.js", SCRIPT, include_str!("../../assets/triage.js")),
    ("ticker.js", SCRIPT, include_str!("../../assets/ticker.js")),
    ("wall.js", SCRIPT, include_str!("../../assets/wall.js")),
    ("watch.js", SCRIPT, include_str!("../../assets/watch.js")),
    ("words.js", SCRIPT, include_str!("../../assets/words.js")),
    ("answering.css", STYLE, include_str!("../../assets/answering.css")),
    ("board.css", STYLE, include_str!("../../assets/board.css")),
    ("paper.css", STYLE, include_str!("../../assets/paper.css")),
    ("forms.css", STYLE, include_str!("../../assets/forms.css")),
    ("river.css", STYLE, include_str!("../../assets/river.css")),
    ("worker.css", STYLE, include_str!("../../assets/worker.css")),
    ("wall.css", STYLE, include_str!("../../assets/wall.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
];
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

#[derive(Template)]
#[template(path = "board.html")]
struct Board {
    words: Words,
}

pub(super) async fn board(words: Words) -> Result<Html<String>, Refusal> {
    page(&Board { words })
}

#[derive(Template)]
#[template(path = "wall.html")]
struct Wall {
    words: Words,
}

/// The same list for a screen on the wall: no buttons, large, names masked.
pub(super) async fn wall(words: Words) -> Result<Html<String>, Refusal> {
    page(&Wall { words })
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    words: Words,
}

pub(super) async fn login(words: Words) -> Result<Html<String>, Refusal> {
    page(&Login { words })
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetUp {
    words: Words,
}

/// Where the first account is made; the API refuses as soon as there is one.
pub(super) async fn setup(State(desk): State<Desk>, words: Words) -> Result<Response, Refusal> {
    if desk.inner.door.setup_code().is_none() {
        return Ok(see_other("/login"));
    }
    page(&SetUp { words }).map(IntoResponse::into_response)
}

#[derive(Template)]
#[template(path = "recover.html")]
struct Recover {
    words: Words,
}

/// The way back in, by a code that is made on the machine.
pub(super) async fn recover(words: Words) -> Result<Html<String>, Refusal> {
    page(&Recover { words })
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct Accounts {
    words: Words,
}

/// One's own password, and for leads everybody's account.
pub(super) async fn accounts(words: Words) -> Result<Html<String>, Refusal> {
    page(&Accounts { words })
}

/// The login link: a session for whoever holds it, then the board.
pub(super) async fn enter(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Browser { is_encrypted }: Browser,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let Some(session) = desk.inner.door.enter(&token) else {
        return Ok(see_other("/login"));
    };
    desk.note(desk.inner.door.line(GUEST, from, "login")).await?;
    Ok(with_session(see_other("/"), &session, is_encrypted))
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<impl IntoResponse, Refusal> {
    let (_, kind, text) = ASSETS.iter().find(|(known, _, _)| *known == name).ok_or_else(not_found)?;
    Ok(([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")], *text))
}

fn see_other(place: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::super::words::{LIVE, Language};
    use super::*;

    #[test]
    fn a_page_escapes_what_this_room_is_called_and_carries_its_words() {
        let board = Board { words: Words::new(&LIVE, Language::English, "<q>") }.render().unwrap();
        assert!(board.contains("<title>&#60;q&#62;</title>") && !board.contains("<q>"), "{board}");
        assert!(board.contains("<html lang=\"en\" data-words=\"{&#34;"), "{board}");
    }

    /// The policy forbids it anyway; a script that needs it would not work.
    #[test]
    fn no_script_makes_markup() {
        for (file, _, text) in ASSETS.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(markup), "{file} has {markup}");
            }
            assert!(text.lines().count() <= 400, "{file} is too long to read");
        }
    }
}
