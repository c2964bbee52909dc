//! Documents in a reader's words: the telling fields only, and letters for the ids that chance makes.
use std::collections::BTreeMap;

use serde_json::Value as Json;
use shouwang_message::{
    AlarmDocument, AlarmId, Clock, Event, EventData, FaultDocument, Heartbeat, PointValue, StateDocument,
    Value, WelfareDocument,
};

/// A letter for every alarm and fault, in the order in which the story meets them.
#[derive(Default)]
pub(crate) struct Names {
    letters: BTreeMap<AlarmId, char>,
}

impl Names {
    pub(crate) fn of(&mut self, id: AlarmId) -> char {
        let next = u8::try_from(self.letters.len()).map_or('?', |count| char::from(b'A' + count.min(57)));
        *self.letters.entry(id).or_insert(next)
    }

    pub(crate) fn alarm(&self, letter: char) -> Option<AlarmId> {
        self.letters.iter().find(|(_, known)| **known == letter).map(|(id, _)| *id)
    }

    pub(crate) fn event(&mut self, event: &Event) -> String {
        let kind = event.kind().as_str().trim_start_matches("shouwang.").trim_end_matches(".v1");
        let what = match &event.data {
            EventData::Alarm(_, document) => self.document(document),
            EventData::FaultRaised(fault) | EventData::FaultCleared(fault) => self.fault(fault),
            EventData::Gap(gap) => format!("{} x{}: {}", gap.what, gap.count, gap.why.en),
            EventData::DeviceState(state) => {
                let why = state.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                format!("{} {}{why}", event.subject, state.state)
            }
            EventData::Command(command) => format!("{} by {}", command.name, command.by),
            EventData::Boot(boot) => format!("{}, clock {}", boot.boot, clock(boot.clock)),
            EventData::Clock(set) => format!("{}, step {:+} ms", clock(set.clock), set.step_ms),
        };
        format!("{:>3} {kind} {what}", event.sequence)
    }

    pub(crate) fn document(&mut self, document: &AlarmDocument) -> String {
        let mut words = vec![
            format!("{} {} {}", self.of(document.id), document.device, document.condition),
            format!("r{}", document.revision),
            document.priority.to_string(),
            if document.active { "active" } else { "normal" }.to_owned(),
        ];
        words.push(match &document.acknowledged {
            Some(acknowledged) => format!("acknowledged by {}", acknowledged.by),
            None => "unacknowledged".to_owned(),
        });
        if document.latched {
            words.push("latched".into());
        }
        if let Some(value) = &document.value {
            let unit = document.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
            words.push(format!("value {}{unit}", plain(value)));
        }
        if let Some(limit) = document.limit {
            words.push(format!("limit {limit}"));
        }
        if document.occurrence > 1 {
            words.push(format!("x{}", document.occurrence));
        }
        if let Some(shelved) = &document.shelved {
            words.push(format!("shelved by {}", shelved.by));
        }
        if let Some(suppressed) = &document.suppressed {
            words.push(format!("suppressed by {}", self.of(suppressed.by)));
        }
        if document.out_of_service.is_some() {
            words.push("out of service".into());
        }
        if document.mode.as_str() != "live" {
            words.push(format!("[{}]", document.mode));
        }
        if document.clock != Clock::Synced {
            words.push(format!("[clock {}]", clock(document.clock)));
        }
        if document.unlogged {
            words.push("[unlogged]".into());
        }
        words.join(", ")
    }

    fn fault(&mut self, fault: &FaultDocument) -> String {
        let whom = fault.device.as_ref().or(fault.line.as_ref()).unwrap_or(&fault.gateway);
        format!("{} {whom} {}, {}, {}", self.of(fault.id), fault.code, fault.priority, fault.text.en)
    }

    /// A row of the board's list.
    pub(crate) fn row(&mut self, row: &Json) -> Option<(AlarmId, String)> {
        let id: AlarmId = row["id"].as_str()?.parse().ok()?;
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let whom = ["device", "line", "gateway"].iter().find_map(|key| row[*key].as_str()).unwrap_or("?");
        let mut words = vec![
            format!("{} {} {whom} {}", self.of(id), text("kind"), row["text"]["zh"].as_str().unwrap_or("?")),
            text("priority"),
            if row["active"] == true { "active" } else { "normal" }.to_owned(),
        ];
        words.push(match row["acknowledged"]["by"].as_str() {
            Some(by) => format!("acknowledged by {by}"),
            None => "unacknowledged".to_owned(),
        });
        if row["occurrence"].as_u64().is_some_and(|times| times > 1) {
            words.push(format!("x{}", row["occurrence"]));
        }
        for overlay in ["shelved", "suppressed", "out_of_service"] {
            if !row[overlay].is_null() {
                words.push(overlay.replace('_', " "));
            }
        }
        if row["finished"] == true && row["kind"] == "alarm" {
            words.push("finished, without a conclusion".to_owned());
        }
        if row["mode"] != "live" {
            words.push(format!("[{}]", text("mode")));
        }
        for mark in ["latched", "pending", "provisional", "unlogged", "gateway_lost"] {
            if row[mark] == true {
                words.push(format!("[{}]", mark.replace('_', " ")));
            }
        }
        if let Some(state) = row["device_state"].as_str().filter(|state| *state != "online") {
            words.push(format!("[device {state}]"));
        }
        if let Some(code) = row["refused"]["code"].as_str() {
            words.push(format!("[refused: {code}]"));
        }
        Some((id, words.join(", ")))
    }
}

pub(crate) fn point(name: &str, point: &PointValue) -> String {
    let value = point.value.as_ref().map_or_else(|| "null".to_owned(), plain);
    match &point.why {
        Some(why) => format!("{name}={value} {} ({why})", point.quality),
        None => format!("{name}={value}"),
    }
}

pub(crate) fn state(document: &StateDocument) -> String {
    format!("{}, boot {}, connection {}", document.state, document.boot, document.connection)
}

pub(crate) fn heartbeat(document: &Heartbeat) -> String {
    let heard = document.heard.iter().map(|(duty_room, up_to)| format!("{duty_room} heard {up_to}"));
    let heard = heard.collect::<Vec<_>>().join(", ");
    let lines =
        document.lines.iter().map(|line| format!("{} good {} lost {}", line.name, line.good, line.lost));
    let lines = lines.collect::<Vec<_>>().join(", ");
    format!(
        "sequence {}, {heard}, unheard {}, store {}, clock {}, {lines}",
        document.sequence,
        document.outbox.unheard,
        document.store,
        clock(document.clock)
    )
}

fn clock(clock: Clock) -> String {
    format!("{clock:?}").to_lowercase()
}

fn plain(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// `flat-402 watching`, and what is to be said of it.
pub(crate) fn welfare(rule: &WelfareDocument) -> String {
    let pause = rule.pause.as_ref();
    let pause = pause.map(|pause| format!(" by {} ({}) until {}", pause.by, pause.reason, pause.until));
    let trickle = if rule.trickles { ", a trickle" } else { "" };
    format!("{} {}{}{trickle}", rule.id, rule.standing, pause.unwrap_or_default())
}
