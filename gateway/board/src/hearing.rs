//! One log of one gateway, heard strictly in sequence: duplicates are told apart, early events wait, and a
//! gap asks for what is missing until it is repaired or the gateway says that it is gone.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Event, EventData, Instant, Sequence};

use crate::bounds;
use crate::planted::{self, Bug};

/// A resend is asked for at most this often.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(2);
/// Without progress the resend is asked for again after this.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// After the gateway said that the missing events are gone: this long without an earlier event, then jump.
const SETTLE: Duration = Duration::from_secs(2);
/// A gap not repaired for this long is shown to people.
const SHOW_GAP_AFTER: Duration = Duration::from_secs(30);

/// How far one log has been heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    /// Everything up to here was handed to the disk.
    taken: Sequence,
    /// Everything up to here is on the disk.
    committed: Sequence,
    waiting: BTreeMap<Sequence, Event>,
    /// Events dropped because too many waited; they come again with the next resend.
    pub(crate) dropped: u64,
    gap: Option<Gap>,
    asked_at: Option<Instant>,
}

/// Something between `taken` and what we know to exist is missing.
#[derive(Clone, Debug)]
struct Gap {
    since: Instant,
    ask_at: Instant,
    /// The gateway said the missing events are gone: jump then, if no earlier event arrives.
    jump_at: Option<Instant>,
    shown: bool,
}

/// What became of an arriving event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The next one: take it and whatever waited for it.
    Next,
    /// Heard before.
    Duplicate,
    /// Waits for an earlier one.
    Early,
}

/// A jump over events that are gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    pub(crate) from: Sequence,
    pub(crate) to: Sequence,
}

impl Cursor {
    pub(crate) fn restored(committed: Sequence) -> Self {
        Self { taken: committed, committed, ..Self::default() }
    }

    pub(crate) fn taken(&self) -> Sequence {
        self.taken
    }

    pub(crate) fn committed(&self) -> Sequence {
        self.committed
    }

    pub(crate) fn commit(&mut self, up_to: Sequence) {
        self.committed = self.committed.max(up_to);
    }

    /// Sorts an arriving event in. `Next` leaves the event to the caller, who then calls [`Self::drain`].
    pub(crate) fn place(&mut self, now: Instant, event: &Event) -> Place {
        if event.sequence <= self.taken {
            return Place::Duplicate;
        }
        if planted::has(Bug::JumpsAtOnce) {
            self.taken = event.sequence - 1;
        }
        if event.sequence == self.taken + 1 {
            return Place::Next;
        }
        self.missing(now);
        let earlier = self.waiting.first_key_value().is_none_or(|(first, _)| event.sequence < *first);
        if let Some(gap) = &mut self.gap {
            if let EventData::Gap(record) = &event.data
                && record.what == "events"
            {
                gap.jump_at.get_or_insert(now + SETTLE);
            }
            if earlier && gap.jump_at.is_some() {
                gap.jump_at = Some(now + SETTLE);
            }
        }
        self.waiting.insert(event.sequence, event.clone());
        if self.waiting.len() > bounds::WAITING_EVENTS {
            // The latest goes: the earliest are what the repair needs first.
            self.waiting.pop_last();
            self.dropped += 1;
        }
        Place::Early
    }

    /// Takes `event` and everything that waited for it, in sequence, at most `room` events.
    pub(crate) fn drain(&mut self, now: Instant, event: Event, room: usize) -> Vec<Event> {
        self.waiting.insert(event.sequence, event);
        self.take_ready(now, room)
    }

    fn take_ready(&mut self, now: Instant, room: usize) -> Vec<Event> {
        let mut ready = Vec::new();
        while ready.len() < room
            && let Some(event) = self.waiting.remove(&(self.taken + 1))
        {
            self.taken += 1;
            ready.push(event);
        }
        self.waiting = self.waiting.split_off(&(self.taken + 1));
        if self.waiting.is_empty() {
            self.gap = None;
        } else if let Some(gap) = &mut self.gap
            && !ready.is_empty()
        {
            // Progress: the resend is under way, so do not ask over it. What is still missing is another
            // hole than the one that may have been said to be gone.
            gap.ask_at = now + ASK_AGAIN_AFTER;
            gap.jump_at = None;
        }
        ready
    }

    /// Something after `taken` is known to exist and is not here: the repair begins unless it runs already.
    pub(crate) fn missing(&mut self, now: Instant) {
        self.missing_from(now, now);
    }

    /// The gateway has more than was taken; it may just be on its way.
    pub(crate) fn behind(&mut self, now: Instant) {
        self.missing_from(now, now + ASK_AT_MOST_EVERY);
    }

    fn missing_from(&mut self, now: Instant, ask_at: Instant) {
        if self.gap.is_none() {
            let ask_at = match self.asked_at {
                Some(asked) => ask_at.max(asked + ASK_AT_MOST_EVERY),
                None => ask_at,
            };
            self.gap = Some(Gap { since: now, ask_at, jump_at: None, shown: false });
        }
    }

    /// The gateway has nothing after `taken` (its heartbeat says so): no repair is needed.
    pub(crate) fn nothing_missing(&mut self) {
        if self.waiting.is_empty() {
            self.gap = None;
        }
    }

    /// The gateway answered that what we asked for is gone.
    pub(crate) fn gone(&mut self, now: Instant) {
        if let Some(gap) = &mut self.gap {
            gap.jump_at.get_or_insert(now + SETTLE);
        }
    }

    /// The first sequence to ask a resend for, if it is time to ask.
    pub(crate) fn resend_from(&mut self, now: Instant) -> Option<Sequence> {
        let gap = self.gap.as_mut().filter(|gap| gap.ask_at <= now)?;
        gap.ask_at = now + ASK_AGAIN_AFTER;
        self.asked_at = Some(now);
        Some(self.taken + 1)
    }

    /// Steps over events that are gone, once it is settled that they are, and takes those behind the hole.
    pub(crate) fn jump(&mut self, now: Instant, room: usize) -> Option<(Jump, Vec<Event>)> {
        let settled = self.gap.as_ref()?.jump_at.is_some_and(|at| at <= now);
        let first = self.waiting.first_key_value().map(|(first, _)| *first);
        let (true, Some(first), true) = (settled, first, room > 0) else { return None };
        let jump = Jump { from: self.taken + 1, to: first - 1 };
        self.taken = first - 1;
        let ready = self.take_ready(now, room);
        Some((jump, ready))
    }

    /// True once for a gap that has lasted long enough for people to know.
    pub(crate) fn gap_to_show(&mut self, now: Instant) -> bool {
        match &mut self.gap {
            Some(gap) if !gap.shown && !self.waiting.is_empty() && gap.since + SHOW_GAP_AFTER <= now => {
                gap.shown = true;
                true
            }
            _ => false,
        }
    }

    /// `askable`: our link is up and the gateway may answer; otherwise asking waits for that.
    pub(crate) fn next_deadline(&self, askable: bool) -> Instant {
        let Some(gap) = &self.gap else { return Instant::NEVER };
        let ask = if askable { gap.ask_at } else { Instant::NEVER };
        if self.waiting.is_empty() {
            return ask;
        }
        let show = if gap.shown { Instant::NEVER } else { gap.since + SHOW_GAP_AFTER };
        ask.min(show).min(gap.jump_at.unwrap_or(Instant::NEVER))
    }
}
