//! The board's page: a frame in the reader's language; its script fills it with text nodes only.
use std::fmt::Write as _;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::{Desk, guard};
use crate::login::SESSION;

const SCRIPT: &str = include_str!("../../assets/board.js");
const STYLE: &str = include_str!("../../assets/board.css");
const ICON: &str = include_str!("../../assets/icon.svg");
const BOARD: &str = include_str!("../../assets/board.html");
const LOGIN: &str = include_str!("../../assets/login.html");
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
    if !guard::has_session(&desk, &headers) {
        return see_other("/login");
    }
    Html(fill(BOARD, language(&query, &headers), &desk.inner.title)).into_response()
}

pub(super) async fn login(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    Html(fill(LOGIN, language(&query, &headers), &desk.inner.title)).into_response()
}

/// The login link: a session for whoever holds it, then the board.
pub(super) async fn enter(State(desk): State<Desk>, Path(token): Path<String>) -> Response {
    let Some(session) = desk.inner.logins.enter(desk.inner.clock.now(), &token) else {
        return see_other("/login");
    };
    let cookie = format!(
        "{}={session}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict",
        guard::COOKIE,
        SESSION.as_secs()
    );
    let mut response = see_other("/");
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "board.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "board.css" => ("text/css; charset=utf-8", STYLE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return super::api::not_found(axum::http::Method::GET).await,
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn see_other(place: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// Chinese unless asked for English, by the address or as the browser's first language.
fn language(query: &PageQuery, headers: &HeaderMap) -> Language {
    let asked = query.lang.as_deref().or_else(|| guard::text(headers, &header::ACCEPT_LANGUAGE));
    if asked.is_some_and(|asked| asked.trim_start().to_ascii_lowercase().starts_with("en")) {
        Language::English
    } else {
        Language::Chinese
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Chinese,
    English,
}

/// Puts the words of a language into a page: `{name}` is replaced by the escaped text of that line.
fn fill(page: &str, language: Language, title: &str) -> String {
    let (code, words) = match language {
        Language::Chinese => ("zh-CN", CHINESE),
        Language::English => ("en", ENGLISH),
    };
    let mut filled = page.replace("{lang}", code);
    for line in words.lines() {
        if let Some((name, text)) = line.split_once(" = ") {
            filled = filled.replace(&format!("{{{name}}}"), &escape(text));
        }
    }
    filled.replace("{title}", &escape(title))
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
            for page in [BOARD, LOGIN] {
                let filled = fill(page, language, "<i>");
                let unfilled = |c: char| !matches!(c, '&' | '"');
                assert!(!filled.split('{').skip(1).any(|rest| rest.starts_with(unfilled)), "{filled}");
                assert!(filled.contains("&#60;i&#62;") && !filled.contains("<i>"));
            }
        }
    }

    /// The words that the script looks up by name.
    fn script_words(language: &str) -> serde_json::Map<String, serde_json::Value> {
        let words =
            language.lines().find_map(|line| line.strip_prefix("script_words = ")).unwrap_or_default();
        serde_json::from_str(words).unwrap_or_default()
    }

    #[test]
    fn both_languages_have_every_word_of_the_script() {
        let (chinese, english) = (script_words(CHINESE), script_words(ENGLISH));
        assert!(chinese.keys().eq(english.keys()), "{chinese:?} {english:?}");
        for rest in SCRIPT.split("words.").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(chinese.contains_key(&name), "no words for {name:?}");
        }
        assert_eq!(chinese["explained"], "已由更高一级报警说明");
        assert_eq!(english["explained"], "explained by a higher alarm");
    }

    #[test]
    fn what_a_higher_alarm_explains_is_muted_marked_and_neither_counted_nor_sounded() {
        let function = |name: &str| {
            let from = SCRIPT.split(&format!("function {name}(")).nth(1).unwrap_or_default();
            from.split("\n}\n").next().unwrap_or_default()
        };
        assert!(function("isCounted").contains("return !item.acknowledged && !item.explained;"));
        assert!(function("draw").contains("lookOf(item) === look && isCounted(item)"));
        assert!(function("flagsOf").contains("if (item.explained) flags.push(words.explained);"));
        assert!(function("makeRow").contains(r#"if (item.explained) row.classList.add("explained");"#));
        let crying = SCRIPT.split("const crying").nth(1).and_then(|rest| rest.split(';').next());
        assert!(crying.is_some_and(|crying| crying.contains("isCounted(item)")));
        assert!(STYLE.contains("tr.explained td"));
    }
}
