//! A story as a person reads it: keys, the wire where it says something new, events, lamps, in order of time.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use serde_json::Value;
use shouwang_tests::{Listener, clock};

use crate::bus::{Bus, Exchange};

const WRITE: u8 = 6;

/// What the story itself did and saw.
#[derive(Debug)]
pub(crate) struct Transcript {
    title: &'static str,
    began: Instant,
    lines: Vec<(Instant, String)>,
}

impl Transcript {
    pub(crate) fn of(title: &'static str) -> Self {
        Self { title, began: clock::now(), lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, what: &str, text: &str) {
        self.lines.push((clock::now(), format!("{what:<8} {text}")));
    }

    /// Everything together, a line each: seconds since the story began, who, what.
    pub(crate) fn tell(&self, bus: &Bus, listener: &Listener) -> String {
        let mut lines = self.lines.clone();
        lines.extend(wire(&bus.exchanges()));
        lines.extend(events(listener));
        lines.sort_by_key(|(at, _)| *at);
        let mut text = format!("-- {}\n", self.title);
        for (at, line) in lines {
            let since = at.saturating_duration_since(self.began).as_secs_f64();
            let _ = writeln!(text, "{since:9.3} {line}");
        }
        text
    }
}

/// All writes, and the reads that brought something else than the one before.
fn wire(exchanges: &[Exchange]) -> Vec<(Instant, String)> {
    let mut known: BTreeMap<(u8, u8), Vec<u8>> = BTreeMap::new();
    let mut lines = Vec::new();
    for Exchange { at, request, answer } in exchanges {
        let Some([unit_id, function]) = request.first_chunk() else { continue };
        let Some(answer) = answer else {
            if *function == WRITE {
                lines.push((*at, format!("wire     > {} < nothing", hex(request))));
            }
            continue;
        };
        let news = match function {
            // Bits; and of the registers those that count, not those that run.
            2 => answer.get(3..4),
            4 => answer.get(7..15),
            _ => None,
        };
        if let Some(news) = news
            && known.insert((*unit_id, *function), news.to_vec()).as_deref() == Some(news)
        {
            continue;
        }
        lines.push((*at, format!("wire     > {} < {}", hex(request), hex(answer))));
    }
    lines
}

fn events(listener: &Listener) -> Vec<(Instant, String)> {
    let mut lines = Vec::new();
    for event in listener.events() {
        let Some(change) = event.kind().strip_prefix("shouwang.alarm.") else { continue };
        let alarm = &event.json["data"];
        let age = alarm["value"].as_f64().filter(|_| matches!(change, "raised.v1" | "repeated.v1"));
        let age = age.map_or(String::new(), |age_s| format!(", pressed {age_s} s ago"));
        let seen = match &alarm["acknowledged"] {
            Value::Null => "unacknowledged".to_owned(),
            by => format!("acknowledged by {}", by["by"].as_str().unwrap_or_default()),
        };
        let (sequence, subject, count) = (event.sequence(), event.subject(), &alarm["occurrence"]);
        let text = format!("event    {sequence} alarm.{change} {subject}: count {count}{age}, {seen}");
        lines.push((event.at, text));
    }
    let mut heard = Value::Null;
    for message in listener.messages().iter().filter(|message| message.leaf.starts_with("heard/")) {
        let document: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        if document["up_to"] != heard {
            heard = document["up_to"].clone();
            lines.push((message.at, format!("heard    duty-1 has everything up to {heard}")));
        }
    }
    lines
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}
