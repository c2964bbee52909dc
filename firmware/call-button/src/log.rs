//! What happened, in consecutive numbers and a fixed ring. What the ring could not keep is itself a record.

use heapless::Deque;

use crate::{Display, Micros};

/// How many entries are kept.
const LEN: usize = 16;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The unit started for the so-many-th time.
    Started { boots: u16 },
    /// A press, and the counter after it.
    Pressed { presses: u16 },
    /// The local cancel input, and its counter after it.
    Cancelled { cancels: u16 },
    /// The gateway wrote back this count, and the latch was cleared.
    Echoed { presses: u16 },
    /// Lamp and buzzer say this now.
    Shows(Display),
    /// Held for more than 30 s.
    Stuck,
    /// Flash refused; it is tried again.
    FlashFailed,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts from 0 at every start.
    pub number: u32,
    /// Milliseconds since the unit was switched on; stays at the maximum after 49 days.
    pub at_ms: u32,
    pub what: What,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// So many entries were overwritten before they were read.
    Lost {
        count: u32,
    },
    Kept(Entry),
}

/// The last 16 entries.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Oldest first; the newest has the number before `next`.
    entries: Deque<(u32, What), LEN>,
    next: u32,
}

impl Log {
    pub(crate) fn starting<const N: usize>(at: Micros, first: [What; N]) -> Self {
        let mut log = Self::default();
        first.into_iter().for_each(|what| log.push(at, what));
        log
    }

    pub(crate) fn push(&mut self, at: Micros, what: What) {
        if self.entries.is_full() {
            self.entries.pop_front();
        }
        let at_ms = u32::try_from(at / 1000).unwrap_or(u32::MAX);
        self.next = self.next.saturating_add(1);
        // There is room: the oldest made it.
        let _ = self.entries.push_back((at_ms, what));
    }

    /// The number that the next entry will have: a reader that has read all asks from here next time.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.next
    }

    /// Everything from `number` on, oldest first, beginning with what was lost.
    pub fn since(&self, number: u32) -> impl Iterator<Item = Record> + '_ {
        let kept = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let oldest = self.next.saturating_sub(kept);
        let wanted = self.next.saturating_sub(number);
        let lost = wanted.saturating_sub(kept);
        let lost = (lost > 0).then_some(Record::Lost { count: lost });
        let skipped = usize::try_from(kept.saturating_sub(wanted)).unwrap_or(usize::MAX);
        let numbered = (0..).zip(&self.entries).skip(skipped);
        let entry = move |(index, &(at_ms, what)): (u32, &(u32, What))| {
            Record::Kept(Entry { number: oldest.saturating_add(index), at_ms, what })
        };
        lost.into_iter().chain(numbered.map(entry))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn numbers_are_consecutive_and_loss_is_a_record() {
        let mut log = Log::default();
        for presses in 0..20 {
            log.push(u64::from(presses), What::Pressed { presses });
        }
        let read: Vec<_> = log.since(0).collect();
        assert_eq!(read[0], Record::Lost { count: 4 });
        assert_eq!(read.len(), 1 + LEN);
        for (number, record) in (4..).zip(&read[1..]) {
            assert!(matches!(record, Record::Kept(entry) if entry.number == number));
        }
        assert_eq!(log.since(18).count(), 2);
        assert_eq!(log.since(log.next_number()).count(), 0);
    }
}
