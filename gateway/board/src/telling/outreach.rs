//! The ladders in order of their deadlines, what is being told, and which channels fail.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use shouwang_message::{AlarmId, Id, Instant, Text};

use super::GIVE_UP_AFTER;
use super::urging::Supervisions;
use crate::ladder::Ladder;
use crate::leading::Leaders;

/// Texts whose network may report on them days later.
const TAKEN_MOST: usize = 256;

/// Everything about telling that is not one alarm's own.
#[derive(Debug, Default)]
pub(crate) struct Outreach {
    pub(crate) ladders: BTreeMap<AlarmId, Ladder>,
    /// In order of their next deadline.
    pub(super) due: BTreeSet<(Instant, AlarmId)>,
    /// Alarms and cases that changed in this turn.
    pub(super) touched: BTreeSet<AlarmId>,
    /// Given to the hands: of which alarm, and when to give up.
    pub(super) telling: BTreeMap<u64, (AlarmId, Id, Instant)>,
    /// Taken by a channel that may yet say that it is lost: of which alarm.
    pub(super) taken: BTreeMap<u64, AlarmId>,
    pub(super) next_ticket: u64,
    pub(super) channels: BTreeMap<Id, Health>,
    pub(super) complaints: BTreeMap<Id, Complaint>,
    pub(crate) leaders: Leaders,
    pub(super) supervisions: Supervisions,
}

#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures since it last delivered.
    pub(super) failures: u32,
    pub(super) row: Option<AlarmId>,
}

/// What a channel says of itself, and its row.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) text: Text,
    pub(super) row: Option<AlarmId>,
}

impl Outreach {
    pub(crate) fn touch(&mut self, id: AlarmId) {
        self.touched.insert(id);
    }

    pub(crate) fn touch_all(&mut self) {
        self.touched.extend(self.ladders.keys());
    }

    /// Forgets how such channels are, and gives the rows that say so.
    pub(crate) fn forget_channels(&mut self, are_gone: impl Fn(&Id) -> bool) -> Vec<AlarmId> {
        let health =
            self.channels.extract_if(.., |channel, _| are_gone(channel)).filter_map(|(_, of)| of.row);
        let mut rows: Vec<AlarmId> = health.collect();
        let said =
            self.complaints.extract_if(.., |channel, _| are_gone(channel)).filter_map(|(_, of)| of.row);
        rows.extend(said);
        rows
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        if !self.touched.is_empty() {
            return Instant::default();
        }
        let ladder = self.due.first().map_or(Instant::NEVER, |(at, _)| *at);
        // Tickets are given in order of time.
        ladder.min(self.telling.values().next().map_or(Instant::NEVER, |(_, _, at)| *at))
    }

    pub(super) fn put(&mut self, id: AlarmId, mut ladder: Ladder, at: Instant) {
        self.forget_deadline(id, &ladder);
        ladder.due = (at < Instant::NEVER).then_some(at);
        self.due.extend(ladder.due.map(|at| (at, id)));
        self.ladders.insert(id, ladder);
    }

    /// A ticket for something that is given to the hands now.
    pub(crate) fn ticket_for(&mut self, now: Instant, alarm: AlarmId, channel: &Id) -> u64 {
        self.next_ticket += 1;
        self.telling.insert(self.next_ticket, (alarm, channel.clone(), now + GIVE_UP_AFTER));
        self.next_ticket
    }

    /// What a channel has taken is remembered for a while; of more, the oldest stays as it is.
    pub(super) fn was_taken(&mut self, ticket: u64, alarm: AlarmId) {
        self.taken.insert(ticket, alarm);
        if self.taken.len() > TAKEN_MOST {
            self.taken.pop_first();
        }
    }

    /// Out of the order of deadlines, for whoever goes on with it.
    pub(crate) fn take(&mut self, id: AlarmId) -> Option<Ladder> {
        let ladder = self.ladders.remove(&id)?;
        self.forget_deadline(id, &ladder);
        Some(ladder)
    }

    fn forget_deadline(&mut self, id: AlarmId, ladder: &Ladder) {
        if let Some(at) = ladder.due {
            self.due.remove(&(at, id));
        }
    }
}
