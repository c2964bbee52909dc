//! The words of the pages in the reader's language: one line a word, and as many words in either.
use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use serde::Deserialize;

use super::{Desk, guard};

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

/// A list of words in both languages, `name = text` a line.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) chinese: &'static str,
    pub(super) english: &'static str,
}

/// Of the pages that a script fills.
pub(super) const LIVE: Lists =
    Lists { chinese: include_str!("../../assets/zh.txt"), english: include_str!("../../assets/en.txt") };
/// Of the pages made here, on the screen and on paper.
pub(super) const PAPER: Lists = Lists {
    chinese: include_str!("../../assets/paper.zh.txt"),
    english: include_str!("../../assets/paper.en.txt"),
};

impl Lists {
    fn lines(&self, language: Language) -> impl Iterator<Item = (&'static str, &'static str)> {
        let words = if language == Language::Chinese { self.chinese } else { self.english };
        words.lines().filter_map(|line| line.split_once(" = "))
    }
}

/// One list in one language, and what people call this duty room.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) language: Language,
    words: BTreeMap<&'static str, &'static str>,
    pub(super) room: String,
}

/// Of the pages that a script fills.
impl FromRequestParts<Desk> for Words {
    type Rejection = QueryRejection;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, QueryRejection> {
        Ok(Self::new(&LIVE, Language::from_request_parts(parts, desk).await?, &desk.named().title))
    }
}

impl Words {
    pub(super) fn new(lists: &Lists, language: Language, room: &str) -> Self {
        Self { language, words: lists.lines(language).collect(), room: room.to_owned() }
    }

    /// As HTML's `lang` has it.
    pub(super) fn lang(&self) -> &'static str {
        match self.language {
            Language::Chinese => "zh-CN",
            Language::English => "en",
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&'static str> {
        self.words.get(name).copied()
    }

    /// The text of a word; a test holds that each name in a template has one.
    pub(super) fn say(&self, name: &str) -> &'static str {
        self.find(name).unwrap_or_default()
    }

    /// All of them, for a script.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(&self.words).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::{ASSETS, SCRIPT};
    use super::*;

    /// Each with the list that its words are in.
    const TEMPLATES: &[(&str, &Lists)] = &[
        (include_str!("../../templates/accounts.html"), &LIVE),
        (include_str!("../../templates/board.html"), &LIVE),
        (include_str!("../../templates/form.html"), &LIVE),
        (include_str!("../../templates/live.html"), &LIVE),
        (include_str!("../../templates/login.html"), &LIVE),
        (include_str!("../../templates/recover.html"), &LIVE),
        (include_str!("../../templates/setup.html"), &LIVE),
        (include_str!("../../templates/wall.html"), &LIVE),
        (include_str!("../../templates/answering.html"), &PAPER),
        (include_str!("../../templates/called.html"), &PAPER),
        (include_str!("../../templates/case.html"), &PAPER),
        (include_str!("../../templates/closed.html"), &PAPER),
        (include_str!("../../templates/link.html"), &PAPER),
        (include_str!("../../templates/mine.html"), &PAPER),
        (include_str!("../../templates/task.html"), &PAPER),
        (include_str!("../../templates/courier.html"), &PAPER),
        (include_str!("../../templates/figure_lines.html"), &PAPER),
        (include_str!("../../templates/figures.html"), &PAPER),
        (include_str!("../../templates/handover.html"), &PAPER),
        (include_str!("../../templates/page.html"), &PAPER),
        (include_str!("../../templates/paper.html"), &PAPER),
        (include_str!("../../templates/picture.html"), &PAPER),
        (include_str!("../../templates/rate.html"), &PAPER),
        (include_str!("../../templates/residents.html"), &PAPER),
        (include_str!("../../templates/river.html"), &PAPER),
        (include_str!("../../templates/round.html"), &PAPER),
        (include_str!("../../templates/sheet.html"), &PAPER),
        (include_str!("../../templates/station.html"), &PAPER),
        (include_str!("../../templates/triage.html"), &PAPER),
    ];

    fn names(lists: &Lists, language: Language) -> Vec<&'static str> {
        lists.lines(language).map(|(name, _)| name).collect()
    }

    #[test]
    fn both_languages_have_the_same_words_and_none_twice() {
        for lists in [LIVE, PAPER] {
            let chinese = names(&lists, Language::Chinese);
            assert_eq!(chinese, names(&lists, Language::English));
            for text in [lists.chinese, lists.english] {
                let lines = text.lines().filter(|line| !line.is_empty()).count();
                assert_eq!(lines, chinese.len(), "a line that is no word");
            }
            let mut sorted = chinese;
            sorted.sort_unstable();
            let twice: Vec<_> =
                sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            assert!(twice.is_empty(), "the later one would win: {twice:?}");
        }
    }

    /// The policy forbids them anyway; a page that needs them would not work.
    #[test]
    fn the_templates_have_their_words_and_nothing_inline() {
        for (template, lists) in TEMPLATES {
            let known = names(lists, Language::Chinese);
            for rest in template.split("say(\"").skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                assert!(known.contains(&name), "no words for {name:?}");
            }
            assert!(!template.contains("<style") && !template.contains(" style="), "the policy forbids it");
            let mut handlers = template.split(" on").skip(1);
            let is_handler = |rest: &str| rest.trim_start_matches(char::is_alphabetic).starts_with('=');
            assert!(!handlers.any(is_handler), "the policy forbids inline scripts");
            assert!(!template.contains("|safe"), "templates escape");
        }
    }

    #[test]
    fn the_scripts_have_their_words() {
        let known = names(&LIVE, Language::Chinese);
        for (file, _, text) in ASSETS.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            for rest in text.split("words.").skip(1) {
                let name: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                assert!(name == "js" || known.contains(&name.as_str()), "{file}: no words for {name:?}");
            }
        }
    }
}
