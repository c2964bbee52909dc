//! What pages made on the server share: words in the reader's language, local time, and rows as people read them.
//! Templates escape everything; what is on paper is the same as what is on the screen.
use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Html;
use serde_json::Value;

use super::Desk;
use super::rating::RESIDENT;
use super::refusal::{Refusal, refusal};
use super::words::{Language, PAPER, Words};
use crate::accounts::GUEST;
use crate::clock::local;

/// The words of one language, with how it writes places and people.
#[derive(Debug)]
pub(super) struct Paper {
    words: Words,
    /// What people call this duty room.
    pub(super) room: String,
    names: BTreeMap<String, String>,
}

impl FromRequestParts<Desk> for Paper {
    type Rejection = QueryRejection;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, QueryRejection> {
        Ok(Self::new(desk, Language::from_request_parts(parts, desk).await?))
    }
}

impl Paper {
    fn new(desk: &Desk, language: Language) -> Self {
        let mut names = desk.names();
        let guest = if language == Language::Chinese { "值班员" } else { "Operator" };
        names.insert(GUEST.to_owned(), guest.to_owned());
        let room = desk.named().title.clone();
        Self { words: Words::new(&PAPER, language, &room), room, names }
    }

    pub(super) fn lang(&self) -> &'static str {
        self.words.lang()
    }

    pub(super) fn say(&self, name: &str) -> &'static str {
        self.words.say(name)
    }

    /// Words for a script, by their names without this prefix.
    pub(super) fn for_script(&self, prefix: &str, names: &[&str]) -> String {
        let words = names.iter().map(|name| (*name, self.say(&format!("{prefix}{name}"))));
        serde_json::to_string(&words.collect::<BTreeMap<_, _>>()).unwrap_or_default()
    }

    /// A word made of a prefix and a value from a document, or the value itself if it has none.
    pub(super) fn word_of(&self, prefix: &str, value: &Value) -> String {
        let value = value.as_str().unwrap_or_default();
        self.words.find(&format!("{prefix}{value}")).unwrap_or(value).to_owned()
    }

    /// `{"zh":..,"en":..}` in the reader's language.
    pub(super) fn text(&self, text: &Value) -> String {
        let (first, other) =
            if self.words.language == Language::Chinese { ("zh", "en") } else { ("en", "zh") };
        let said = text[first].as_str().filter(|said| !said.is_empty()).or_else(|| text[other].as_str());
        said.unwrap_or_default().to_owned()
    }

    /// An account as people call them.
    pub(super) fn person(&self, id: &Value) -> String {
        let id = id.as_str().unwrap_or_default();
        match id.split_once(':') {
            Some(("courier", name)) => format!("{name}({})", self.say("by_courier")),
            _ if id == RESIDENT => self.say("by_resident").to_owned(),
            _ => self.names.get(id).cloned().unwrap_or_else(|| id.to_owned()),
        }
    }

    pub(super) fn people(&self, ids: &Value) -> String {
        let ids = ids.as_array().into_iter().flatten();
        ids.map(|id| self.person(id)).collect::<Vec<_>>().join("、")
    }

    pub(super) fn row(&self, item: &Value) -> Row {
        Row {
            look: if item["kind"] == "alarm" {
                item["priority"].as_str().unwrap_or_default()
            } else {
                "fault"
            }
            .to_owned(),
            word: if item["kind"] == "alarm" {
                self.word_of("", &item["priority"])
            } else {
                self.say("fault").to_owned()
            },
            place: place_of(item),
            what: self.text(&item["text"]),
            at: time(&item["raised_at"]),
            note: self.note_of(item),
        }
    }

    /// Who saw it, until when it is put aside and why, how many were lost, how far its case is.
    fn note_of(&self, item: &Value) -> String {
        let mut notes = Vec::new();
        for aside in [&item["shelved"], &item["out_of_service"]].into_iter().filter(|aside| aside.is_object())
        {
            let (by, until) = (self.person(&aside["by"]), time(&aside["until"]));
            notes.push(format!(
                "{} {until} · {} · {by}",
                self.say("until"),
                aside["reason"].as_str().unwrap_or_default()
            ));
        }
        if item["acknowledged"].is_object() {
            let (by, at) = (self.person(&item["acknowledged"]["by"]), time(&item["acknowledged"]["at"]));
            notes.push(format!("{by} {at} {}", self.say("acknowledged")));
        }
        if item["kind"] == "alarm" {
            if item["active"] == false {
                notes.push(self.say("cleared").to_owned());
            }
            notes.push(self.word_of("case_", &item["case"]));
        }
        let count = item["count"].as_u64().unwrap_or(1).max(item["occurrence"].as_u64().unwrap_or(1));
        if count > 1 {
            notes.push(format!("×{count}"));
        }
        notes.join(" · ")
    }
}

/// One row of a table on paper.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) look: String,
    pub(super) word: String,
    pub(super) place: String,
    pub(super) what: String,
    pub(super) at: String,
    pub(super) note: String,
}

/// 3号楼2单元402, or what else says where it is.
pub(super) fn place_of(item: &Value) -> String {
    let place = &item["place"];
    if let Some(name) = place["name"].as_str().filter(|name| !name.is_empty()) {
        return name.to_owned();
    }
    let parts = ["building", "entrance", "room"].iter().filter_map(|part| place[*part].as_str());
    let parts = parts.collect::<Vec<_>>().join("-");
    let other = [&item["device"], &item["gateway_name"], &item["gateway"]];
    if parts.is_empty() {
        other.iter().find_map(|name| name.as_str()).unwrap_or_default().to_owned()
    } else {
        parts
    }
}

/// Of a document's time: `11-22 15:52:07`, local.
pub(super) fn time(at: &Value) -> String {
    at.as_str().and_then(|at| at.parse().ok()).map(|at| local(at, "%m-%d %H:%M:%S")).unwrap_or_default()
}

/// A page from a template.
pub(super) fn page(made: &impl askama::Template) -> Result<Html<String>, Refusal> {
    made.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page could not be made");
        refusal(StatusCode::INTERNAL_SERVER_ERROR, "page", "页面生成失败", "The page could not be made")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local() {
        assert_eq!(time(&"2026-11-22T17:52:07.412Z".into()), "11-23 01:52:07");
        assert_eq!(time(&Value::Null), "");
    }
}
