//! What comes and goes and comes again: three changes within a minute are one row that says so, with a count, and one
//! sound. The first cry of smoke, gas, CO or a call is nobody's chatter.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use core::time::Duration;

use shouwang_message::{AlarmId, Id, Instant, Priority};

use crate::GatewayName;
use crate::board::Board;
use crate::row::Row;

/// As many changes within this time are chatter.
const WINDOW: Duration = Duration::from_secs(60);
const CHANGES: usize = 3;
/// Sources watched at a time; beyond it a newcomer is not.
const WATCHED: usize = 2_000;

/// A device, a line or a gateway, and what it says.
type Source = (GatewayName, Option<Id>, String);

#[derive(Debug)]
pub(crate) struct Chatter {
    sources: BTreeMap<Source, Changes>,
    look_at: Instant,
}

#[derive(Debug, Default)]
struct Changes {
    /// The newest, oldest first.
    at: VecDeque<Instant>,
    /// All since it was last quiet for a minute.
    count: u64,
    is_chatter: bool,
}

impl Changes {
    fn is_chatter(&self, now: Instant) -> bool {
        self.at.len() >= CHANGES && self.at.front().is_some_and(|first| now.since(*first) < WINDOW)
    }
}

impl Chatter {
    pub(crate) fn new() -> Self {
        Self { sources: BTreeMap::new(), look_at: Instant::NEVER }
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.look_at
    }
}

fn source(row: &Row) -> Source {
    let (thing, what) = match (row.alarm_document(), row.fault_document()) {
        (Some(document), _) => (Some(document.device.clone()), document.condition.clone()),
        (None, Some(document)) => {
            let thing = document.device.as_ref().or(document.line.as_ref()).cloned();
            (thing, document.code.clone())
        }
        (None, None) => (None, String::new()),
    };
    (row.whom(), thing, what)
}

impl Board {
    /// What a change of this alarm is measured by.
    pub(crate) fn cry_before(&self, id: AlarmId) -> Option<(bool, u32)> {
        let document = self.rows.get(&id)?.alarm_document()?;
        Some((document.active, document.occurrence))
    }

    pub(crate) fn note_change(&mut self, id: AlarmId, before: Option<(bool, u32)>) {
        if before.is_some()
            && before != self.cry_before(id)
            && let Some(row) = self.rows.get(&id).cloned()
        {
            self.count_change(&row);
        }
    }

    /// Raised, cleared, or raised again.
    pub(crate) fn count_change(&mut self, row: &Row) {
        let now = self.now;
        let source = source(row);
        if self.chatter.sources.len() >= WATCHED && !self.chatter.sources.contains_key(&source) {
            return;
        }
        let changes = self.chatter.sources.entry(source).or_default();
        if changes.at.back().is_some_and(|last| now.since(*last) >= WINDOW) {
            *changes = Changes::default();
        }
        changes.at.push_back(now);
        changes.count += 1;
        if changes.at.len() > CHANGES {
            changes.at.pop_front();
        }
        self.chatter.look_at = now;
    }

    /// Chatter begins and ends by time.
    pub(crate) fn look_at_chatter(&mut self, now: Instant) {
        if self.chatter.look_at > now {
            return;
        }
        let mut next = Instant::NEVER;
        let changed = &mut self.changed;
        self.chatter.sources.retain(|_, changes| {
            let is_chatter = changes.is_chatter(now);
            *changed |= is_chatter != changes.is_chatter;
            changes.is_chatter = is_chatter;
            let (oldest, last) = (changes.at.front().filter(|_| is_chatter), changes.at.back());
            let is_recent = last.is_some_and(|last| now.since(*last) < WINDOW);
            if let Some(at) = oldest.or(last).filter(|_| is_recent) {
                next = next.min(*at + WINDOW);
            }
            is_recent
        });
        self.chatter.look_at = next;
    }

    /// How often it changed, if it chatters.
    pub(crate) fn chatter_of(&self, row: &Row) -> Option<u64> {
        let changes = self.chatter.sources.get(&source(row))?;
        changes.is_chatter.then_some(changes.count)
    }

    /// What pages tell one cry from another by: while something chatters, all of it is one.
    pub(crate) fn cry_of(&self, row: &Row) -> Option<String> {
        let is_grave = row.priority() == Priority::Emergency
            || row.alarm_document().is_some_and(|document| document.class.is_life_safety());
        if is_grave || self.chatter_of(row).is_none() {
            return None;
        }
        let (whom, thing, what) = source(row);
        let thing = thing.map(|thing| thing.to_string()).unwrap_or_default();
        Some(alloc::format!("~{}/{}/{thing}/{what}", whom.site, whom.gateway))
    }
}
