//! The board's page: a frame in the reader's language; its script fills it with text nodes only.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use shouwang_board::{Input, LogLine};

use super::api::too_slow;
use super::session::with_session;
use super::{Desk, Peer, guard};
use crate::accounts::GUEST;
use crate::eventloop::Message;

/// What pages load besides themselves: name, content type, text.
const ASSETS: &[(&str, &str, &str)] = &[
    ("asking.js", SCRIPT, include_str!("../../assets/asking.js")),
    ("accounts.js", SCRIPT, include_str!("../../assets/accounts.js")),
    ("board.js", SCRIPT, include_str!("../../assets/board.js")),
    ("call.js", SCRIPT, include_str!("../../assets/call.js")),
    ("card.js", SCRIPT, include_str!("../../assets/card.js")),
    ("case.js", SCRIPT, include_str!("../../assets/case.js")),
    ("handover.js", SCRIPT, include_str!("../../assets/handover.js")),
    ("forms.js", SCRIPT, include_str!("../../assets/forms.js")),
    ("live.js", SCRIPT, include_str!("../../assets/live.js")),
    ("login.js", SCRIPT, include_str!("../../assets/login.js")),
    ("neighbours.js", SCRIPT, include_str!("../../assets/neighbours.js")),
    ("old.js", SCRIPT, include_str!("../../assets/old.js")),
    ("print.js", SCRIPT, include_str!("../../assets/print.js")),
    ("residents.js", SCRIPT, include_str!("../../assets/residents.js")),
    ("people.js", SCRIPT, include_str!("../../assets/people.js")),
    ("rows.js", SCRIPT, include_str!("../../assets/rows.js")),
    ("shift.js", SCRIPT, include_str!("../../assets/shift.js")),
    ("setup.js", SCRIPT, include_str!("../../assets/setup.js")),
    ("sound.js", SCRIPT, include_str!("../../assets/sound.js")),
    ("speech.js", SCRIPT, include_str!("../../assets/speech.js")),
    ("ticker.js", SCRIPT, include_str!("../../assets/ticker.js")),
    ("wall.js", SCRIPT, include_str!("../../assets/wall.js")),
    ("watch.js", SCRIPT, include_str!("../../assets/watch.js")),
    ("words.js", SCRIPT, include_str!("../../assets/words.js")),
    ("board.css", STYLE, include_str!("../../assets/board.css")),
    ("paper.css", STYLE, include_str!("../../assets/paper.css")),
    ("forms.css", STYLE, include_str!("../../assets/forms.css")),
    ("wall.css", STYLE, include_str!("../../assets/wall.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const BOARD: &str = include_str!("../../assets/board.html");
const WALL: &str = include_str!("../../assets/wall.html");
const LOGIN: &str = include_str!("../../assets/login.html");
const SETUP: &str = include_str!("../../assets/setup.html");
const ACCOUNTS: &str = include_str!("../../assets/accounts.html");
const CHINESE: &str = include_str!("../../assets/zh.txt");
const ENGLISH: &str = include_str!("../../assets/en.txt");

#[derive(Debug, Deserialize)]
pub(super) struct PageQuery {
    lang: Option<String>,
}

pub(super) async fn board(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    shown(&desk, &query, &headers, BOARD)
}

/// The same list for a screen on the wall: no buttons, large, names masked.
pub(super) async fn wall(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    shown(&desk, &query, &headers, WALL)
}

fn shown(desk: &Desk, query: &PageQuery, headers: &HeaderMap, page: &str) -> Response {
    Html(fill(page, language(query, headers), &desk.inner.title)).into_response()
}

pub(super) async fn login(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    shown(&desk, &query, &headers, LOGIN)
}

/// Where the first account is made; the API refuses as soon as there is one.
pub(super) async fn setup(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    if desk.inner.door.setup_code().is_none() {
        return see_other("/login");
    }
    shown(&desk, &query, &headers, SETUP)
}

/// One's own password, and for leads everybody's account.
pub(super) async fn accounts(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    shown(&desk, &query, &headers, ACCOUNTS)
}

/// The login link: a session for whoever holds it, then the board.
pub(super) async fn enter(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    Path(token): Path<String>,
) -> Response {
    let Some(session) = desk.inner.door.enter(&token) else {
        return see_other("/login");
    };
    let line = LogLine {
        at: desk.inner.clock.wall(),
        by: GUEST.into(),
        from: peer.to_string(),
        what: "login".into(),
        about: None,
        old: None,
        new: None,
        note: None,
    };
    if desk.inner.to_loop.send(Message::Input(Input::Noted(line))).await.is_err() {
        return too_slow();
    }
    with_session(see_other("/"), &session)
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, text)) => {
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")], *text).into_response()
        }
        None => super::api::not_found(axum::http::Method::GET).await,
    }
}

fn see_other(place: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// Chinese unless asked for English, by the address or as the browser's first language.
pub(super) fn language(query: &PageQuery, headers: &HeaderMap) -> Language {
    let asked = query.lang.as_deref().or_else(|| guard::text(headers, &header::ACCEPT_LANGUAGE));
    if asked.is_some_and(|asked| asked.trim_start().to_ascii_lowercase().starts_with("en")) {
        Language::English
    } else {
        Language::Chinese
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

impl Language {
    /// As `lang` has it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }
}

/// Puts the words of a language into a page: `{name}` is replaced by the escaped text of that line, and
/// `{script_words}` by all of them as JSON.
fn fill(page: &str, language: Language, title: &str) -> String {
    let words = match language {
        Language::Chinese => CHINESE,
        Language::English => ENGLISH,
    };
    let mut filled = page.replace("{lang}", language.code());
    let lines = || words.lines().filter_map(|line| line.split_once(" = "));
    for (name, text) in lines() {
        filled = filled.replace(&format!("{{{name}}}"), &escape(text));
    }
    let all: BTreeMap<&str, &str> = lines().collect();
    let all = serde_json::to_string(&all).unwrap_or_default();
    filled.replace("{script_words}", &escape(&all)).replace("{title}", &escape(title))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_every_word() {
        for language in [Language::Chinese, Language::English] {
            for page in [BOARD, WALL, LOGIN, SETUP, ACCOUNTS] {
                let page = page.replace("{script_words}", "");
                let filled = fill(&page, language, "<q>");
                assert!(!filled.contains('{'), "{filled}");
                assert!(filled.contains("&#60;q&#62;") && !filled.contains("<q>"));
            }
        }
    }

    #[test]
    fn both_languages_have_every_word_of_the_scripts() {
        let names = |words: &'static str| {
            let lines = words.lines().filter(|line| !line.is_empty());
            lines.map(|line| line.split_once(" = ").map(|(name, _)| name)).collect::<Option<Vec<_>>>()
        };
        let (chinese, english) = (names(CHINESE).unwrap(), names(ENGLISH).unwrap());
        assert_eq!(chinese, english);
        let mut names = chinese.clone();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert!(twice.is_empty(), "the later one would win: {twice:?}");
        for (file, kind, text) in ASSETS {
            for rest in text.split("words.").skip(1).filter(|_| *kind == SCRIPT) {
                let name: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                assert!(name == "js" || chinese.contains(&name.as_str()), "{file}: no words for {name:?}");
            }
        }
    }

    /// The policy forbids them anyway; a page that needs them would not work.
    #[test]
    fn no_page_has_inline_script_or_style_and_no_script_makes_markup() {
        for page in [BOARD, WALL, LOGIN, SETUP, ACCOUNTS] {
            assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" on"), "{page}");
        }
        for (file, _, text) in ASSETS.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(markup), "{file} has {markup}");
            }
            assert!(text.lines().count() <= 400, "{file} is too long to read");
        }
    }
}
