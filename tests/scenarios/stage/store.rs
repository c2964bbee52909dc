//! A store that takes its time and loses, at a power cut, what it had not confirmed.
use std::collections::{BTreeMap, VecDeque};

use shouwang_core::engine::Restored;
use shouwang_core::input::{CommitId, StoredEvent};
use shouwang_core::output::Commit;
use shouwang_message::{LogId, Sequence};

/// Heard events that stay; far fewer than the real store's 10,000, so that forgetting shows.
const KEPT_EVENTS: u64 = 8;

#[derive(Debug)]
pub(crate) struct Store {
    log: LogId,
    boot: u32,
    pub(crate) events: BTreeMap<Sequence, Vec<u8>>,
    newest: Sequence,
    kept: BTreeMap<String, Vec<u8>>,
    /// Commits under way and when they are durable, us.
    under_way: VecDeque<(u64, Commit)>,
    /// Everything that ever was durable: what the promise is about.
    pub(crate) promised: Vec<(Sequence, Vec<u8>)>,
}

impl Store {
    pub(crate) fn new(log: LogId) -> Self {
        Self {
            log,
            boot: 0,
            events: BTreeMap::new(),
            newest: 0,
            kept: BTreeMap::new(),
            under_way: VecDeque::new(),
            promised: Vec::new(),
        }
    }

    /// A process starts on what is durable.
    pub(crate) fn open(&mut self) -> Restored {
        self.under_way.clear();
        self.boot += 1;
        Restored {
            log: self.log,
            boot: self.boot,
            committed: self.newest,
            first_kept: self.events.keys().next().copied().unwrap_or(self.newest + 1),
            kept: self.kept.clone(),
            replaced: false,
        }
    }

    /// What is kept under keys that begin so.
    pub(crate) fn kept(&self, prefix: &str) -> usize {
        self.kept.keys().filter(|key| key.starts_with(prefix)).count()
    }

    pub(crate) fn commit(&mut self, durable_at: u64, commit: Commit) {
        let after_last = self.under_way.back().map_or(durable_at, |(at, _)| durable_at.max(*at));
        self.under_way.push_back((after_last, commit));
    }

    /// Commits that are durable by now.
    pub(crate) fn turn(&mut self, now: u64) -> Vec<CommitId> {
        let mut done = Vec::new();
        while let Some((_, commit)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            done.push(commit.id);
            self.apply(commit);
        }
        done
    }

    pub(crate) fn next(&self) -> u64 {
        self.under_way.front().map_or(u64::MAX, |(at, _)| *at)
    }

    pub(crate) fn fetch(&self, from: Sequence, limit: usize) -> Vec<StoredEvent> {
        let range = self.events.range(from..).take(limit);
        range.map(|(sequence, body)| StoredEvent { sequence: *sequence, body: body.clone() }).collect()
    }

    fn apply(&mut self, commit: Commit) {
        for event in commit.events {
            self.newest = event.sequence;
            self.promised.push((event.sequence, event.body.clone()));
            self.events.insert(event.sequence, event.body);
        }
        for (key, value) in commit.kept {
            match value {
                Some(value) => self.kept.insert(key, value),
                None => self.kept.remove(&key),
            };
        }
        if let Some(heard) = commit.heard_up_to {
            let oldest = self.newest.saturating_sub(KEPT_EVENTS);
            self.events.retain(|sequence, _| *sequence > heard || *sequence > oldest);
        }
    }
}
