//! The board's page: a frame in the reader's language; its script fills it with text nodes only.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::refusal::{Refusal, not_found};
use super::session::with_session;
use super::{Desk, Peer, guard};
use crate::accounts::GUEST;

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

pub(super) async fn board(State(desk): State<Desk>, language: Language) -> Html<String> {
    shown(&desk, language, BOARD)
}

/// The same list for a screen on the wall: no buttons, large, names masked.
pub(super) async fn wall(State(desk): State<Desk>, language: Language) -> Html<String> {
    shown(&desk, language, WALL)
}

pub(super) async fn login(State(desk): State<Desk>, language: Language) -> Html<String> {
    shown(&desk, language, LOGIN)
}

/// Where the first account is made; the API refuses as soon as there is one.
pub(super) async fn setup(State(desk): State<Desk>, language: Language) -> Response {
    if desk.inner.door.setup_code().is_none() {
        return see_other("/login");
    }
    shown(&desk, language, SETUP).into_response()
}

/// One's own password, and for leads everybody's account.
pub(super) async fn accounts(State(desk): State<Desk>, language: Language) -> Html<String> {
    shown(&desk, language, ACCOUNTS)
}

fn shown(desk: &Desk, language: Language, page: &str) -> Html<String> {
    Html(fill(page, language, &desk.inner.title))
}

/// The login link: a session for whoever holds it, then the board.
pub(super) async fn enter(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let Some(session) = desk.inner.door.enter(&token) else {
        return Ok(see_other("/login"));
    };
    desk.note(desk.inner.door.line(GUEST, from, "login")).await?;
    Ok(with_session(see_other("/"), &session))
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<impl IntoResponse, Refusal> {
    let (_, kind, text) = ASSETS.iter().find(|(known, _, _)| *known == name).ok_or_else(not_found)?;
    Ok(([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")], *text))
}

fn see_other(place: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// Chinese unless asked for English, by the address or as the browser's first language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

#[derive(Debug, Deserialize)]
struct LanguageQuery {
    lang: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Language {
    type Rejection = QueryRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, QueryRejection> {
        let Query(query) = Query::<LanguageQuery>::from_request_parts(parts, state).await?;
        let asked = query.lang.as_deref().or_else(|| guard::text(&parts.headers, &header::ACCEPT_LANGUAGE));
        let is_english = asked.is_some_and(|asked| asked.trim_start().to_ascii_lowercase().starts_with("en"));
        Ok(if is_english { Self::English } else { Self::Chinese })
    }
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
