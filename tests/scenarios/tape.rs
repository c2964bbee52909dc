//! The transcript: one line a happening, and nothing that only repeats what was said before.
use std::collections::BTreeMap;

use serde_json::Value as Json;
use shouwang_core::input::{AskFailure, Outcome};
use shouwang_core::output::Publication;
use shouwang_message::{
    AlarmDocument, AlarmId, DeviceStateDocument, Event, HistoryDocument, Leaf, PointValue, Quality, Reply,
    StateDocument, ValuesDocument, from_bytes,
};

use crate::names::{self, Names};
use crate::wire::Exchange;

/// Points of a call unit that run with the clock, and the words of its input registers that hold them.
const RUNNING_POINTS: [&str; 2] = ["since_press_ms", "uptime_s"];
const RUNNING_WORDS: [usize; 4] = [7, 8, 11, 12];

#[derive(Default)]
pub(crate) struct Tape {
    pub(crate) names: Names,
    pub(crate) shows_heartbeats: bool,
    /// Only what was judged: events, flagged values and what the story notes itself.
    pub(crate) shows_judgements_only: bool,
    /// Nothing is written while the stage settles.
    pub(crate) is_off: bool,
    /// The moment that the transcript calls 0, us.
    origin: u64,
    lines: Vec<String>,
    exchanges: BTreeMap<Vec<u8>, Seen>,
    values: BTreeMap<String, BTreeMap<String, PointValue>>,
    board: BTreeMap<AlarmId, String>,
    lamps: BTreeMap<String, String>,
    /// What was last said of each device's state.
    states: BTreeMap<String, String>,
}

/// The last exchange of one request.
struct Seen {
    answer: Option<Vec<u8>>,
    /// It was written down because it was new, so the next one is too: twice the same says that it stays.
    was_new: bool,
}

impl Tape {
    pub(crate) fn begin(&mut self, now: u64) {
        self.origin = now;
        self.is_off = false;
    }

    pub(crate) fn headline(&mut self, now: u64, text: &str) {
        self.lines.push(format!("{:9.3} -- {text}", self.seconds(now)));
    }

    pub(crate) fn note(&mut self, now: u64, kind: &str, text: &str) {
        let is_hidden = self.shows_judgements_only
            && match kind {
                "commit" | "river" | "gateway" => false,
                "publish" => {
                    let is_flag = text.contains("/values") && text.contains("uncertain");
                    let is_welfare = text.contains("/state") && text.contains(", ");
                    !(is_flag || is_welfare)
                }
                "command" => false,
                _ => true,
            };
        if !self.is_off && !is_hidden {
            self.lines.push(format!("{:9.3}    {kind:<8} {text}", self.seconds(now)));
        }
    }

    pub(crate) fn exchange(&mut self, now: u64, exchange: &Exchange) {
        if exchange.sent.is_empty() {
            return;
        }
        let answer = exchange.answer.as_ref().map(|answer| without_running(&exchange.sent, answer));
        let is_write = exchange.sent.get(1).is_some_and(|function| *function > 4);
        let seen = self.exchanges.get(&exchange.sent);
        let is_first = seen.is_none();
        let is_new = seen.is_none_or(|seen| seen.answer != answer);
        let follows = seen.is_some_and(|seen| seen.was_new);
        if is_new || is_write || follows {
            let came = match (&exchange.answer, &exchange.outcome) {
                (Some(answer), Outcome::Failed(failure)) => format!("{} ({failure:?})", hex(answer)),
                (Some(answer), _) => hex(answer),
                (None, Outcome::Failed(AskFailure::Timeout)) => "nothing".to_owned(),
                (None, outcome) => format!("nothing ({outcome:?})"),
            };
            self.note(now, "wire", &format!("> {} < {came}", hex(&exchange.sent)));
        }
        // The first exchange of a kind needs no second one to be believed.
        self.exchanges.insert(exchange.sent.clone(), Seen { answer, was_new: is_new && !is_first });
    }

    pub(crate) fn committed(&mut self, now: u64, body: &[u8]) {
        if let Some(text) = self.event(body) {
            self.note(now, "commit", &text);
        }
    }

    pub(crate) fn published(&mut self, now: u64, publication: &Publication) {
        let body = publication.body.as_slice();
        let text = match &publication.topic.leaf {
            Leaf::Event => match from_bytes::<Event>(body) {
                Ok(event) => format!("event {}", event.sequence),
                Err(error) => panic!("an event that cannot be read: {error}"),
            },
            Leaf::Alarm(id) if body.is_empty() => format!("alarm/{} (emptied)", self.names.of(*id)),
            Leaf::Alarm(id) => {
                let document = read::<AlarmDocument>(body);
                format!("alarm/{}: {}", self.names.of(*id), self.names.document(&document))
            }
            Leaf::DeviceValues(device) if body.is_empty() => format!("device/{device}/values (emptied)"),
            Leaf::DeviceValues(device) => match self.changed_values(device.as_str(), body) {
                Some(values) => format!("device/{device}/values {values}"),
                None => return,
            },
            Leaf::DeviceState(device) if body.is_empty() => format!("device/{device}/state (emptied)"),
            Leaf::DeviceState(device) => {
                let document: DeviceStateDocument = read(body);
                let watched: String =
                    document.welfare.iter().map(|rule| format!(", {}", names::welfare(rule))).collect();
                let told = format!("device/{device}/state {}{watched}", document.state);
                // That somebody was active again says nothing new of how a rule stands.
                let known = self.states.insert(device.to_string(), told.clone());
                if !watched.is_empty() && known.as_ref() == Some(&told) {
                    return;
                }
                told
            }
            Leaf::State => format!("state {}", names::state(&read::<StateDocument>(body))),
            Leaf::Heartbeat if self.shows_heartbeats => {
                format!("heartbeat {}", names::heartbeat(&read(body)))
            }
            Leaf::Heartbeat => return,
            Leaf::Reply(name) => {
                let reply: Reply = read(body);
                let error = reply.error.map(|error| format!("refused: {} ({})", error.code, error.text.en));
                format!("reply/{name} {}", error.unwrap_or_else(|| "ok".to_owned()))
            }
            Leaf::History => {
                let HistoryDocument { device, readings, .. } = read(body);
                let said = readings.iter().map(|(at, value, quality)| {
                    let value = value.map_or("-".to_owned(), |value| value.to_string());
                    let mark = if *quality == Quality::Good { String::new() } else { format!(" {quality}") };
                    format!("{} {value}{mark}", &at.to_string()[11..19])
                });
                format!("history {device}: {}", said.collect::<Vec<_>>().join(", "))
            }
            leaf => leaf.to_string(),
        };
        let retained = if publication.retain { " (retained)" } else { "" };
        self.note(now, "publish", &format!("{text}{retained}"));
    }

    /// What is different on the board since it was last looked at.
    pub(crate) fn board(&mut self, now: u64, list: &[Json]) {
        let rows: Vec<(AlarmId, String)> = list.iter().filter_map(|row| self.names.row(row)).collect();
        for (id, row) in &rows {
            if self.board.get(id) != Some(row) {
                self.note(now, "board", row);
            }
        }
        let rows: BTreeMap<AlarmId, String> = rows.into_iter().collect();
        for id in std::mem::take(&mut self.board).into_keys().filter(|id| !rows.contains_key(id)) {
            let name = self.names.of(id);
            self.note(now, "board", &format!("{name} is gone"));
        }
        self.board = rows;
    }

    pub(crate) fn lamp(&mut self, now: u64, device: &str, lamp: String) {
        if self.lamps.get(device) != Some(&lamp) {
            self.note(now, "lamp", &format!("{device} shows {lamp}"));
            self.lamps.insert(device.to_owned(), lamp);
        }
    }

    /// The next values are written down whatever they say.
    pub(crate) fn forget_values(&mut self) {
        self.values.clear();
    }

    pub(crate) fn text(self) -> String {
        self.lines.join("\n")
    }

    fn event(&mut self, body: &[u8]) -> Option<String> {
        let event: Event = from_bytes(body).ok()?;
        Some(self.names.event(&event))
    }

    fn changed_values(&mut self, device: &str, body: &[u8]) -> Option<String> {
        let document: ValuesDocument = read(body);
        let known = self.values.entry(device.to_owned()).or_default();
        let new = document.values.iter().filter(|(name, _)| !RUNNING_POINTS.contains(&name.as_str()));
        let changed: Vec<String> = new
            .filter(|(name, value)| known.get(*name) != Some(value))
            .map(|(name, value)| names::point(name, value))
            .collect();
        *known = document.values;
        (!changed.is_empty()).then(|| changed.join(", "))
    }

    fn seconds(&self, now: u64) -> f64 {
        now.saturating_sub(self.origin) as f64 / 1e6
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    from_bytes(body).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(body)))
}

/// Without the registers that run with the clock.
fn without_running(sent: &[u8], answer: &[u8]) -> Vec<u8> {
    let mut answer = answer.to_vec();
    if let [_, 4, 0, 0, 0, 13, ..] = sent {
        for place in RUNNING_WORDS.iter().flat_map(|word| [3 + 2 * word, 4 + 2 * word]) {
            if let Some(byte) = answer.get_mut(place) {
                *byte = 0;
            }
        }
        let end = answer.len().saturating_sub(2);
        answer.truncate(end);
    }
    answer
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}
