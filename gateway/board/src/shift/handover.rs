//! The hand-over sheet: everything that the next shift must know, made here from what the board knows, signed by who
//! goes and who comes, and kept word for word with its SHA-256 in the logbook.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use shouwang_message::{AlarmId, Instant, Timestamp};

use super::{Figures, LINE_EVERY, LogbookEnd, ShiftAsked, not_on_duty};
use crate::board::{Board, ListState};
use crate::logbook::LogLine;
use crate::presence::Presence;
use crate::requests::refused;
use crate::row::{Row, RowKind};
use crate::trust::shown;
use crate::{Outcome, kept};

/// Rows of one part of a sheet; the rest is counted.
const ROWS: usize = 200;
/// Signed sheets that the list shows.
const SHEETS: usize = 60;
/// What a sheet says of a row.
const TOLD: &[&str] = &[
    "id",
    "kind",
    "priority",
    "condition",
    "place",
    "device",
    "gateway",
    "gateway_name",
    "text",
    "active",
    "acknowledged",
    "shelved",
    "out_of_service",
    "raised_at",
    "occurrence",
    "count",
    "case",
    "conclusion",
];

/// A signed sheet in the list of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SheetHead {
    id: AlarmId,
    number: u32,
    at: Timestamp,
    from: String,
    to: String,
    /// Of its text, hexadecimal.
    sha256: String,
}

/// Which part of the sheet a row belongs to.
fn part_of(row: &Row, item: &Value) -> &'static str {
    match row.kind {
        RowKind::Alarm if !item["shelved"].is_null() => "shelved",
        RowKind::Alarm if !item["out_of_service"].is_null() => "out_of_service",
        RowKind::Alarm => "alarms",
        RowKind::Gap | RowKind::Note => "gaps",
        RowKind::Gateway => "lost",
        RowKind::Fault
            if matches!(item["condition"].as_str(), Some("device_lost" | "line_down" | "timeout")) =>
        {
            "lost"
        }
        RowKind::Fault => "faults",
    }
}

impl Board {
    /// The sheet as it would be signed now, with `blocked`: the emergencies that nobody has acknowledged.
    pub fn handover(&self) -> Value {
        let mut sheet = self.sheet();
        let blocked: Vec<Value> = self.waiting_emergencies().map(|row| told(&self.item(row))).collect();
        if let Some(fields) = sheet.as_object_mut() {
            fields.insert("blocked".into(), blocked.into());
        }
        sheet
    }

    fn waiting_emergencies(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.is_live_emergency() && !self.is_acknowledged(row))
    }

    fn sheet(&self) -> Value {
        let book = &self.shift.book;
        let mut rows: Vec<_> = self.rows.values().collect();
        rows.sort_by_key(|row| row.order(self.is_acknowledged(row)));
        let mut parts: Map<String, Value> = ["alarms", "shelved", "out_of_service", "faults", "lost", "gaps"]
            .into_iter()
            .map(|part| (part.to_string(), json!({ "items": [], "more": 0 })))
            .collect();
        for row in rows {
            let item = self.item(row);
            let Some(part) = parts.get_mut(part_of(row, &item)) else { continue };
            match part.get_mut("items").and_then(Value::as_array_mut) {
                Some(items) if items.len() < ROWS => items.push(told(&item)),
                _ => part["more"] = json!(part["more"].as_u64().unwrap_or_default() + 1),
            }
        }
        let gateways = self.gateways.values();
        let there = gateways.filter(|gateway| gateway.watch.presence == Presence::Present).count();
        json!({
            "room": self.settings.name, "number": book.number, "began": book.began, "at": self.wall,
            "on_duty": book.on_duty, "left": book.past.iter().filter(|duty| Some(duty.since) >= book.began)
                .collect::<Vec<_>>(),
            "coverage": self.shift.coverage(self.wall), "figures": self.shift.figures,
            "gateways": { "present": there, "all": self.gateways.len() },
            "open_cases": self.cases(ListState::Open).len(),
            "notes": self.shift.notes, "outages": self.outages(), "rows": parts,
        })
    }

    /// Both have signed: the sheet is kept, those who leave are off duty, the new shift begins.
    pub(super) fn hand_over(
        &mut self,
        now: Instant,
        asked: &ShiftAsked,
        to: &str,
        leaving: &[String],
        (proven, logbook): (bool, &LogbookEnd),
    ) -> Result<AlarmId, Outcome> {
        self.may_hand_over(asked, to, leaving)?;
        let id = self.new_id();
        let mut sheet = self.sheet();
        if let Some(fields) = sheet.as_object_mut() {
            fields.insert("id".into(), json!(id));
            fields.insert("from".into(), json!(asked.by));
            fields.insert("to".into(), json!(to));
            fields.insert("leaving".into(), json!(leaving));
            fields.insert("proven".into(), json!(proven));
            fields.insert("logbook".into(), json!(logbook));
        }
        let text = sheet.to_string();
        let sha256 = hexadecimal(&Sha256::digest(text.as_bytes()));
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: "shift.handover".into(),
            about: Some(id.to_string()),
            old: Some(self.shift.names()),
            new: Some(to.to_string()),
            note: Some(alloc::format!("sha256 {sha256}")),
        });
        self.keep.push((kept::sheet_key(id), Some(text)));
        self.next_shift(now, asked, to, leaving);
        let (from, to) = (asked.by.clone(), to.to_string());
        let number = self.shift.book.number - 1;
        self.shift.book.sheets.push_back(SheetHead { id, number, at: self.wall, from, to, sha256 });
        if self.shift.book.sheets.len() > SHEETS {
            self.shift.book.sheets.pop_front();
        }
        self.keep_shift();
        Ok(id)
    }

    fn may_hand_over(&self, asked: &ShiftAsked, to: &str, leaving: &[String]) -> Result<(), Outcome> {
        let waiting: Vec<String> = self
            .waiting_emergencies()
            .map(|row| alloc::format!("{} {}", shown(row.whereabouts()), shown(&row.words().zh)))
            .take(3)
            .collect();
        if !waiting.is_empty() {
            let waiting = waiting.join("、");
            return Err(refused(
                "emergency_waiting",
                &alloc::format!("还有紧急报警未确认,不能交接班:{waiting}"),
                &alloc::format!("An emergency is not acknowledged, acknowledge it first: {waiting}"),
            ));
        }
        if asked.by == to || leaving.iter().any(|by| by == to) {
            return Err(refused("same_person", "交班人与接班人不能是同一人", "Two persons must sign"));
        }
        let mut going = core::iter::once(&asked.by).chain(leaving);
        going.find(|by| !self.shift.is_on_duty(by)).map_or(Ok(()), |by| Err(not_on_duty(by)))
    }

    fn next_shift(&mut self, now: Instant, asked: &ShiftAsked, to: &str, leaving: &[String]) {
        let wall = self.wall;
        self.shift.go(&asked.by, wall);
        for by in leaving {
            self.shift.go(by, wall);
        }
        self.shift.join(to, wall);
        self.shift.book.number += 1;
        self.shift.book.began = Some(wall);
        self.shift.book.line = None;
        self.shift.line_at = now + LINE_EVERY;
        self.shift.notes.clear();
        self.shift.figures = Figures::default();
        self.keep_notes();
        self.keep_figures();
    }
}

/// What a sheet says of a row, no more.
fn told(item: &Value) -> Value {
    let fields = TOLD.iter().filter_map(|name| Some(((*name).to_string(), item.get(name)?.clone())));
    Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| alloc::format!("{hex}{byte:02x}"))
}
