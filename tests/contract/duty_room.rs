//! A duty room that writes down what it hears, says so, and a person in it who does something about it.
use std::collections::VecDeque;

use shouwang_message::{
    AlarmChange, AlarmId, CommandName, Event, EventData, HeardDocument, Sequence, Timestamp,
};

use crate::store::log;

#[derive(Default)]
pub(crate) struct DutyRoom {
    /// Arrived, not yet on its disk.
    arrived: VecDeque<Event>,
    /// On its disk, without a gap.
    cursor: Sequence,
    /// The newest call it knows of that is not finished, and its occurrence.
    open: Option<(AlarmId, u32)>,
}

impl DutyRoom {
    /// True if it is the next one and will be written down.
    pub(crate) fn hears(&mut self, event: Event) -> bool {
        let next = self.arrived.back().map_or(self.cursor, |event| event.sequence) + 1;
        let is_next = event.sequence == next;
        if is_next {
            self.arrived.push_back(event);
        }
        is_next
    }

    /// The oldest event that arrived is on its disk now.
    pub(crate) fn sync(&mut self) -> Option<Event> {
        let event = self.arrived.pop_front()?;
        self.cursor = event.sequence;
        if let EventData::Alarm(change, document) = &event.data {
            self.open = (*change != AlarmChange::Finished).then_some((document.id, document.occurrence));
        }
        Some(event)
    }

    pub(crate) fn receipt(&self, at: Timestamp) -> HeardDocument {
        HeardDocument { log: log(), up_to: self.cursor, armed: 1, at }
    }

    pub(crate) fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// The open call and its occurrence, as a person sees it.
    pub(crate) fn open(&self) -> Option<(AlarmId, u32)> {
        self.open
    }
}

/// What people do to a call.
pub(crate) const WISHES: [CommandName; 4] =
    [CommandName::Acknowledge, CommandName::Acknowledge, CommandName::Coming, CommandName::Reset];
