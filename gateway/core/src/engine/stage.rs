//! Save, then speak: everything one moment changes is collected into one commit, and what must be told,
//! echoed or answered waits until that commit is on disk.
//!
//! One commit at a time is with the store; what happens meanwhile shares the next one. That is the group
//! commit: an alarm waits for at most one other transaction, and order needs no further thought.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Event, Instant, Leaf, Sequence, StoreHealth};

use crate::configuration::DeviceIndex;
use crate::input::CommitId;
use crate::output::{Commit, NewEvent};
use crate::planted::{self, Bug};

/// Events that may wait in memory while the store fails (invariant I6: room for 10,000 more).
const MAX_WAITING_EVENTS: usize = 10_000;
/// Of these, so many may be no alarms: the rest of the room is for alarms alone.
const MAX_WAITING_ORDINARY: usize = 2_000;
/// Events that are no alarms and are still logged on a full disk; what is left of its room is for alarms alone.
const MAX_SHORT_ORDINARY: usize = 2_000;
/// What is not urgent waits this long to share a transaction, to spare the flash.
const SHARE: Duration = Duration::from_secs(1);
/// A commit under way for longer is trouble: alarms are told `unlogged` (invariant I5).
const SLOW: Duration = Duration::from_millis(500);
/// A failed commit is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stage {
    next_sequence: Sequence,
    next_commit: CommitId,
    staged: Batch,
    staged_since: Option<Instant>,
    pending: Option<Pending>,
    /// Alarms whose newest document nobody has been told, logged or not.
    unsaid: BTreeSet<Leaf>,
    /// The disk is full: so many events that are no alarms may still be logged.
    short: Option<usize>,
    /// Events that found no room while the store failed or was full; told as a gap once there is room.
    dropped: u64,
}

/// What happens once a commit is on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum After {
    /// Write the committed press count back to the call unit.
    Echo { device: DeviceIndex, count: u16 },
    /// Show on the call unit's lamp what people did.
    Lamp { device: DeviceIndex },
    /// Answer a command.
    Reply { leaf: Leaf, body: Vec<u8> },
    /// Tell anew who this gateway is.
    Info,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Batch {
    events: Vec<NewEvent>,
    kept: BTreeMap<String, Option<Vec<u8>>>,
    heard_up_to: Option<Sequence>,
    newest_alarm: Option<Sequence>,
    #[serde(with = "crate::snapshot::pairs")]
    documents: BTreeMap<Leaf, Vec<u8>>,
    after: Vec<After>,
    urgent: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    commit: Commit,
    rest: Batch,
    since: Instant,
    /// It has failed before: until it is on disk, the store fails, also while it is tried again.
    has_failed: bool,
    state: PendingState,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum PendingState {
    WithStore,
    Failed { retry_at: Instant },
}

/// What a finished commit sets free.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) kept: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) newest_alarm: Option<Sequence>,
    pub(crate) documents: BTreeMap<Leaf, Vec<u8>>,
    pub(crate) after: Vec<After>,
}

impl Stage {
    pub(crate) fn new(next_sequence: Sequence) -> Self {
        Self {
            next_sequence,
            next_commit: 1,
            staged: Batch::default(),
            staged_since: None,
            pending: None,
            unsaid: BTreeSet::new(),
            short: None,
            dropped: 0,
        }
    }

    /// The sequence that the next event will get.
    pub(crate) fn next_sequence(&self) -> Sequence {
        self.next_sequence
    }

    /// Adds an event, made for the sequence it is given. `None` if it found no room and was counted.
    pub(crate) fn event(
        &mut self,
        now: Instant,
        is_alarm: bool,
        make: impl FnOnce(Sequence) -> Event,
    ) -> Option<Sequence> {
        let waiting = self.staged.events.len() + self.pending.as_ref().map_or(0, |p| p.commit.events.len());
        let most = if is_alarm { MAX_WAITING_EVENTS } else { MAX_WAITING_ORDINARY };
        if waiting >= most || (!is_alarm && !self.spends_room()) {
            self.drop_event();
            return None;
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.staged.events.push(NewEvent { sequence, body: shouwang_message::to_bytes(&make(sequence)) });
        if is_alarm {
            self.staged.newest_alarm = Some(sequence);
        }
        self.staged.urgent = true;
        self.touch(now);
        Some(sequence)
    }

    /// Keeps (or forgets) a piece of state over restarts.
    pub(crate) fn keep(&mut self, now: Instant, key: String, value: Option<Vec<u8>>) {
        self.staged.kept.insert(key, value);
        self.touch(now);
    }

    /// A retained document to be told once what it says is on disk; the newest body counts.
    pub(crate) fn document(&mut self, now: Instant, leaf: Leaf, body: Vec<u8>) {
        if matches!(leaf, Leaf::Alarm(_)) && !body.is_empty() {
            self.unsaid.insert(leaf.clone());
        }
        self.staged.documents.insert(leaf, body);
        self.touch(now);
    }

    pub(crate) fn after(&mut self, now: Instant, after: After) {
        self.staged.after.push(after);
        self.staged.urgent = true;
        self.touch(now);
    }

    /// Devices have other numbers from now on; what waits for one that is gone, or begins anew, is dropped.
    pub(crate) fn renumber(&mut self, number: impl Fn(DeviceIndex) -> Option<DeviceIndex>) {
        let pending = self.pending.as_mut().map(|pending| &mut pending.rest.after);
        for after in pending.into_iter().chain([&mut self.staged.after]) {
            after.retain_mut(|after| match after {
                After::Echo { device, .. } | After::Lamp { device } => match number(*device) {
                    Some(new) => {
                        *device = new;
                        true
                    }
                    None => false,
                },
                After::Reply { .. } | After::Info => true,
            });
        }
    }

    pub(crate) fn heard_up_to(&mut self, now: Instant, sequence: Sequence) {
        self.staged.heard_up_to = Some(sequence);
        self.touch(now);
    }

    /// How many events were lost for want of room; asking forgets the number.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        if self.staged.events.len() < MAX_WAITING_ORDINARY && self.pending.is_none() && self.short.is_none() {
            core::mem::take(&mut self.dropped)
        } else {
            0
        }
    }

    /// The commit to hand to the store now, if its time has come.
    pub(crate) fn poll(&mut self, now: Instant, flush: bool) -> Option<Commit> {
        if let Some(pending) = &mut self.pending {
            if let PendingState::Failed { retry_at } = pending.state
                && now >= retry_at
            {
                pending.state = PendingState::WithStore;
                return Some(pending.commit.clone());
            }
            return None;
        }
        let since = self.staged_since?;
        if !(self.staged.urgent || flush || now.since(since) >= SHARE) {
            return None;
        }
        self.staged_since = None;
        let mut rest = core::mem::take(&mut self.staged);
        let commit = Commit {
            id: self.next_commit,
            events: core::mem::take(&mut rest.events),
            kept: core::mem::take(&mut rest.kept).into_iter().collect(),
            heard_up_to: rest.heard_up_to,
            urgent: rest.urgent,
        };
        self.next_commit += 1;
        let state = PendingState::WithStore;
        self.pending = Some(Pending { commit: commit.clone(), rest, since: now, has_failed: false, state });
        Some(commit)
    }

    pub(crate) fn committed(&mut self, id: CommitId) -> Option<Done> {
        let pending = self.pending.take_if(|pending| pending.commit.id == id)?;
        self.unsaid.retain(|leaf| self.staged.documents.contains_key(leaf));
        Some(Done {
            events: pending.commit.events,
            kept: pending.commit.kept,
            newest_alarm: pending.rest.newest_alarm,
            documents: pending.rest.documents,
            after: pending.rest.after,
        })
    }

    /// False if it was not ours.
    pub(crate) fn failed(&mut self, now: Instant, id: CommitId) -> bool {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.commit.id == id) else {
            return false;
        };
        pending.has_failed = true;
        pending.state = PendingState::Failed { retry_at: now + RETRY };
        if planted::has(Bug::ForgetsFailedCommit) {
            self.pending = None;
        }
        true
    }

    /// Alarm documents that have waited too long for the disk and must be told without it, each once.
    pub(crate) fn take_unlogged(&mut self, now: Instant) -> Vec<(Leaf, Vec<u8>)> {
        if self.pending_for(now) < SLOW || planted::has(Bug::AlarmWaitsForDisk) {
            return Vec::new();
        }
        let pending = self.pending.as_ref();
        core::mem::take(&mut self.unsaid)
            .into_iter()
            .filter_map(|leaf| {
                let waiting = pending.and_then(|pending| pending.rest.documents.get(&leaf));
                let body = self.staged.documents.get(&leaf).or(waiting)?.clone();
                Some((leaf, body))
            })
            .collect()
    }

    pub(crate) fn health(&self, now: Instant) -> StoreHealth {
        match &self.pending {
            Some(Pending { has_failed: true, .. }) => StoreHealth::Failing,
            Some(Pending { since, .. }) if now.since(*since) >= SLOW => StoreHealth::Slow,
            _ => StoreHealth::Ok,
        }
    }

    /// How long the oldest unfinished commit has been under way.
    pub(crate) fn pending_for(&self, now: Instant) -> Duration {
        self.pending.as_ref().map_or(Duration::ZERO, |pending| now.since(pending.since))
    }

    /// The disk is full: from now on what is no alarm is logged only so far; or it has space again.
    pub(crate) fn set_short(&mut self, is_short: bool) {
        self.short = is_short.then_some(MAX_SHORT_ORDINARY);
    }

    pub(crate) fn is_short(&self) -> bool {
        self.short.is_some()
    }

    /// An event is lost for want of room, and counted.
    pub(crate) fn drop_event(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Whether there is room for one more event that is no alarm.
    fn spends_room(&mut self) -> bool {
        let Some(left) = &mut self.short else { return true };
        let has_room = *left > 0;
        *left = left.saturating_sub(1);
        has_room
    }

    /// Nothing waits for the disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_none() && self.staged_since.is_none()
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        let Some(pending) = &self.pending else {
            return self.staged_since.map_or(Instant::NEVER, |since| since + SHARE);
        };
        let silent = self.unsaid.is_empty() || planted::has(Bug::AlarmWaitsForDisk);
        let unlogged = if silent { Instant::NEVER } else { pending.since + SLOW };
        match pending.state {
            PendingState::Failed { retry_at } => unlogged.min(retry_at),
            PendingState::WithStore => unlogged,
        }
    }

    fn touch(&mut self, now: Instant) {
        self.staged_since.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use shouwang_message::{Clock, ClockRecord, EventData, LogId, Timestamp};

    use super::*;

    fn event(sequence: Sequence) -> Event {
        let id = |name: &str| name.parse().unwrap();
        Event {
            site: id("demo"),
            gateway: id("gw-1"),
            log: LogId::from_parts(1, 1),
            sequence,
            time: Timestamp::from_unix_ms(0),
            subject: "gw-1".to_string(),
            data: EventData::Clock(ClockRecord { clock: Clock::Synced, step_ms: 0 }),
        }
    }

    #[test]
    fn what_is_no_alarm_takes_no_alarms_room_while_the_disk_fails() {
        let mut stage = Stage::new(1);
        let now = Instant::default();
        let mut tell =
            |is_alarm, times| (0..times).filter(|_| stage.event(now, is_alarm, event).is_some()).count();
        assert_eq!(tell(false, 3_000), MAX_WAITING_ORDINARY);
        assert_eq!(tell(true, 10_000), MAX_WAITING_EVENTS - MAX_WAITING_ORDINARY);
        assert_eq!(stage.dropped, 1_000 + 2_000);
    }
}
