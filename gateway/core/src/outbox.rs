//! The outbox keeps what must be told until every hearer has heard it.
//!
//! The log in the store is the only truth; what is here is its edges (committed, heard) and a small cache
//! of the newest events, so that a fresh alarm need not be read back from disk.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Id, Instant, OutboxHealth, Sequence};

use crate::output::NewEvent;
use crate::planted::{self, Bug};

/// Newest events kept in memory: enough to span a commit and a round trip.
const CACHED_EVENTS: usize = 256;
/// Marks of when sequences were committed; halved when full, so age is told to a fraction of itself.
const AGE_MARKS: usize = 512;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outbox {
    hearers: Vec<Id>,
    heard: BTreeMap<Id, Sequence>,
    committed: Sequence,
    /// The oldest event that the log still has.
    first_kept: Sequence,
    newest_alarm: Sequence,
    cache: VecDeque<NewEvent>,
    ages: VecDeque<(Sequence, Instant)>,
}

impl Outbox {
    pub(crate) fn new(hearers: Vec<Id>, committed: Sequence, first_kept: Sequence) -> Self {
        Self {
            hearers,
            heard: BTreeMap::new(),
            committed,
            first_kept,
            // What was unheard before a restart may hold an alarm: hurry until it is heard.
            newest_alarm: committed,
            cache: VecDeque::new(),
            ages: VecDeque::new(),
        }
    }

    pub(crate) fn committed(&self) -> Sequence {
        self.committed
    }

    pub(crate) fn first_kept(&self) -> Sequence {
        self.first_kept
    }

    pub(crate) fn heard(&self) -> &BTreeMap<Id, Sequence> {
        &self.heard
    }

    /// The log was asked for events from `from` on and began with `first`: what is between is no longer kept.
    pub(crate) fn fetched(&mut self, from: Sequence, first: Sequence) {
        if first > from {
            self.first_kept = self.first_kept.max(first);
        }
    }

    /// These events are on disk now.
    pub(crate) fn add(&mut self, now: Instant, events: Vec<NewEvent>, newest_alarm: Option<Sequence>) {
        let Some(last) = events.last().map(|event| event.sequence) else { return };
        if let Some(first) = events.first()
            && self.ages.back().is_none_or(|(_, at)| now.since(*at) >= Duration::from_secs(1))
        {
            self.mark_age(first.sequence, now);
        }
        self.committed = last;
        self.newest_alarm = newest_alarm.unwrap_or(self.newest_alarm);
        self.cache.extend(events);
        while self.cache.len() > CACHED_EVENTS {
            self.cache.pop_front();
        }
    }

    /// A duty room's receipt. False if it changes nothing, or claims what was never said.
    pub(crate) fn set_heard(&mut self, duty_room: &Id, up_to: Sequence) -> bool {
        let up_to = if planted::has(Bug::SequenceWraps) { up_to & 0xFFFF } else { up_to };
        let known = self.heard.get(duty_room).copied();
        if up_to > self.committed || known.is_some_and(|known| up_to <= known) {
            return false;
        }
        if known.is_none() && !self.hearers.contains(duty_room) && self.heard.len() >= MAX_DUTY_ROOMS {
            return false;
        }
        self.heard.insert(duty_room.clone(), up_to);
        let done = self.heard_by_all();
        while self.ages.get(1).is_some_and(|(next, _)| *next <= done + 1) {
            self.ages.pop_front();
        }
        true
    }

    /// Everything up to here may be forgotten: all named hearers have it, or any if none is named.
    pub(crate) fn heard_by_all(&self) -> Sequence {
        if self.hearers.is_empty() {
            self.heard_by_any()
        } else {
            self.hearers.iter().map(|id| self.heard.get(id).copied().unwrap_or(0)).min().unwrap_or(0)
        }
    }

    /// At least one duty room has everything up to here on its disk: of the named ones, if any is named.
    pub(crate) fn heard_by_any(&self) -> Sequence {
        let counts = |id: &Id| self.hearers.is_empty() || self.hearers.contains(id);
        self.heard.iter().filter(|(id, _)| counts(id)).map(|(_, heard)| *heard).max().unwrap_or(0)
    }

    /// No duty room has the newest alarm's event yet.
    pub(crate) fn alarm_unheard(&self) -> bool {
        self.newest_alarm > self.heard_by_any()
    }

    /// An alarm's event waits to be heard, so that the uplink must hurry.
    pub(crate) fn alarm_waits(&self) -> bool {
        self.newest_alarm > self.heard_by_all()
    }

    pub(crate) fn unheard(&self) -> u64 {
        self.committed - self.heard_by_all().min(self.committed)
    }

    pub(crate) fn health(&self, now: Instant) -> OutboxHealth {
        let unheard = self.unheard();
        let oldest = self.ages.front().map_or(Duration::ZERO, |(_, at)| now.since(*at));
        OutboxHealth { unheard, oldest_s: if unheard == 0 { 0 } else { oldest.as_secs() } }
    }

    /// The event if it is still in memory.
    pub(crate) fn cached(&self, sequence: Sequence) -> Option<&NewEvent> {
        let first = self.cache.front()?.sequence;
        self.cache.get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    fn mark_age(&mut self, sequence: Sequence, now: Instant) {
        if self.ages.len() >= AGE_MARKS {
            let mut keep = false;
            self.ages.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.ages.push_back((sequence, now));
    }
}

/// More duty rooms than any town has; a stranger cannot fill the memory with invented ones.
const MAX_DUTY_ROOMS: usize = 16;
