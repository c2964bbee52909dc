//! More new alarms than people can read: as long as it lasts, emergencies stand in full and the rest is one row per
//! building, with what came first. Its start and its end are lines of the logbook.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{AlarmId, Class, Instant, Mode, Timestamp};

use crate::board::Board;
use crate::kept;
use crate::logbook::LogLine;
use crate::row::Row;
use crate::trust::shown;

/// New alarms are counted over this time.
const WINDOW: Duration = Duration::from_secs(600);
/// More new alarms than this in that time are a flood. More than 20 in a second are so too, and sooner.
const MOST: usize = 10;
/// It is over with fewer than this.
const FEW: usize = 5;
/// What came first, shown as long as the flood lasts.
const FIRST: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Flood {
    /// The newest alarms, oldest first: as many as decide.
    newest: VecDeque<(Instant, AlarmId)>,
    now: Option<Flooding>,
    /// After a restart nobody knows what came before it.
    not_over_before: Instant,
}

/// A flood, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flooding {
    since: Timestamp,
    /// Alarms since it began.
    count: u64,
    first: Vec<AlarmId>,
}

impl Flood {
    pub(crate) fn is_on(&self) -> bool {
        self.now.is_some()
    }

    fn arrived(&mut self, now: Instant, id: AlarmId) {
        self.newest.push_back((now, id));
        if self.newest.len() > MOST + 1 {
            self.newest.pop_front();
        }
        if let Some(flooding) = &mut self.now {
            flooding.count += 1;
        }
    }

    fn lately(&self, now: Instant) -> usize {
        self.newest.iter().filter(|(at, _)| now.since(*at) < WINDOW).count()
    }

    /// When so few are left that it is over.
    pub(crate) fn next_deadline(&self) -> Instant {
        if self.now.is_none() {
            return Instant::NEVER;
        }
        let last = self.newest.len().checked_sub(FEW).and_then(|at| self.newest.get(at));
        last.map_or(Instant::default(), |(at, _)| *at + WINDOW).max(self.not_over_before)
    }

    /// A flood went on when the process ended: it goes on for at least as long as one lasts.
    pub(crate) fn remember(&mut self, now: Instant, kept: &str) -> Option<()> {
        self.now = Some(serde_json::from_str(kept).ok()?);
        self.not_over_before = now + WINDOW;
        Some(())
    }
}

impl Board {
    /// A row is new in the list.
    pub(crate) fn count_for_flood(&mut self, row: &Row) {
        if row.alarm_document().is_some_and(|document| document.mode == Mode::Live) {
            self.flood.arrived(self.now, row.id());
        }
    }

    pub(crate) fn look_at_flood(&mut self, now: Instant) {
        match self.flood.now.take() {
            None if self.flood.lately(now) > MOST => {
                let first = self.flood.newest.iter().take(FIRST).map(|(_, id)| *id).collect();
                let count = self.flood.newest.len() as u64;
                let flooding = Flooding { since: self.wall, count, first };
                self.log_flood("flood.start", flooding.count);
                self.keep.push((kept::FLOOD.into(), serde_json::to_string(&flooding).ok()));
                self.flood.now = Some(flooding);
                self.changed = true;
            }
            Some(flooding) if now >= self.flood.not_over_before && self.flood.lately(now) < FEW => {
                self.log_flood("flood.end", flooding.count);
                self.keep.push((kept::FLOOD.into(), None));
                self.changed = true;
            }
            still => self.flood.now = still,
        }
    }

    fn log_flood(&mut self, what: &str, count: u64) {
        let (old, new) = if what == "flood.start" { (None, Some("flood")) } else { (Some("flood"), None) };
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "board".into(),
            what: what.into(),
            about: None,
            old: old.map(Into::into),
            new: new.map(Into::into),
            note: Some(alloc::format!("{count} alarms")),
        });
    }

    /// Whether a flood folds this row: never what may be a life, an emergency, or what a person is at.
    pub(crate) fn is_flooded(&self, row: &Row) -> bool {
        let Some(document) = row.alarm_document().filter(|_| self.flood.is_on() && !row.finished) else {
            return false;
        };
        !document.class.is_life_safety() && document.mode == Mode::Live && !self.is_acknowledged(row)
    }

    /// For the pages' top bar: since when, how many, and what came first.
    pub(crate) fn flood_words(&self) -> Value {
        let Some(flooding) = &self.flood.now else { return Value::Null };
        let first: Vec<Value> =
            flooding.first.iter().filter_map(|id| self.find(*id)).map(first_words).collect();
        json!({ "since": flooding.since, "count": flooding.count, "first": first })
    }
}

/// The first of several, each in a few words.
pub(crate) fn first_of(rows: &[&Row]) -> Vec<Value> {
    rows.iter().take(FIRST).map(|row| first_words(row)).collect()
}

fn first_words(row: &Row) -> Value {
    let text = row.words();
    json!({ "id": row.id(), "place": shown(row.whereabouts()), "raised_at": row.raised_at(),
        "text": { "zh": shown(&text.zh), "en": shown(&text.en) } })
}

/// How many of each class.
pub(crate) fn by_class(rows: &[&Row]) -> BTreeMap<&'static str, u64> {
    let mut classes = BTreeMap::new();
    let all = rows.iter().filter_map(|row| row.alarm_document());
    for class in all.map(|document| document.class).map(Class::as_str) {
        *classes.entry(class).or_default() += 1;
    }
    classes
}

/// 3 -> 3号楼; a name stays as it is.
pub(crate) fn building_name(building: &str) -> String {
    let numbered = !building.is_empty() && building.bytes().all(|byte| byte.is_ascii_digit());
    if numbered { alloc::format!("{building}号楼") } else { shown(building) }
}
