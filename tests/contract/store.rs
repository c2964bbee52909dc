//! A disk that takes its time and, at a power cut, keeps any beginning of what it had not confirmed.
use std::collections::{BTreeMap, VecDeque};

use shouwang_core::engine::Restored;
use shouwang_core::input::StoredEvent;
use shouwang_core::output::Commit;
use shouwang_message::{Event, LogId, Sequence, from_bytes};

use crate::site::DEVICE;

pub(crate) struct Store {
    boot: u32,
    events: BTreeMap<Sequence, Vec<u8>>,
    kept: BTreeMap<String, Vec<u8>>,
    under_way: VecDeque<Commit>,
}

pub(crate) fn log() -> LogId {
    LogId::from_parts(1, 7)
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { boot: 0, events: BTreeMap::new(), kept: BTreeMap::new(), under_way: VecDeque::new() }
    }

    /// A process starts on what is durable.
    pub(crate) fn open(&mut self) -> Restored {
        self.under_way.clear();
        self.boot += 1;
        Restored {
            log: log(),
            boot: self.boot,
            committed: self.newest(),
            first_kept: 1,
            kept: self.kept.clone(),
            replaced: false,
        }
    }

    pub(crate) fn boot(&self) -> u32 {
        self.boot
    }

    pub(crate) fn newest(&self) -> Sequence {
        self.events.last_key_value().map_or(0, |(newest, _)| *newest)
    }

    pub(crate) fn take(&mut self, commit: Commit) {
        self.under_way.push_back(commit);
    }

    /// The oldest commit is thrown away, as a failing disk does.
    pub(crate) fn refuse(&mut self) -> Option<u64> {
        self.under_way.pop_front().map(|commit| commit.id)
    }

    /// The oldest commit is durable now: its number and its events.
    pub(crate) fn sync(&mut self) -> Option<(u64, Vec<Event>)> {
        let commit = self.under_way.pop_front()?;
        let mut events = Vec::new();
        for event in commit.events {
            assert_eq!(event.sequence, self.newest() + 1, "the log has a gap or a repetition");
            let parsed = from_bytes::<Event>(&event.body);
            events.push(parsed.unwrap_or_else(|error| panic!("an event that cannot be read: {error}")));
            self.events.insert(event.sequence, event.body);
        }
        for (key, value) in commit.kept {
            match value {
                Some(value) => self.kept.insert(key, value),
                None => self.kept.remove(&key),
            };
        }
        Some((commit.id, events))
    }

    pub(crate) fn fetch(&self, from: Sequence, limit: usize) -> Vec<StoredEvent> {
        let range = self.events.range(from..).take(limit);
        range.map(|(sequence, body)| StoredEvent { sequence: *sequence, body: body.clone() }).collect()
    }

    /// Up to which press count the gateway has written presses down, if it knows the unit.
    pub(crate) fn recorded(&self) -> Option<u16> {
        let kept = self.kept.get(&format!("device/{DEVICE}"))?;
        let kept: serde_json::Value = serde_json::from_slice(kept).ok()?;
        kept["call"]["recorded"].as_u64().and_then(|count| u16::try_from(count).ok())
    }
}
