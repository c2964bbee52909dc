//! A model of the store: it takes its time, fills up, fails, and at a power cut loses what it had not
//! flushed. One world in a hundred does everything on the real SQLite store too (`real_store.rs`).
use std::collections::{BTreeMap, VecDeque};

use shouwang_core::engine::Restored;
use shouwang_core::input::{CommitId, StoreTrouble, StoredEvent};
use shouwang_core::output::Commit;
use shouwang_message::{LogId, Sequence};

use super::chance::Chance;
#[cfg(not(planted))]
use super::real_store::RealStore;
use super::scenario::{MS, SECOND};

/// Heard events that stay; far fewer than the real store's 10,000, so that forgetting shows.
const KEPT_EVENTS: u64 = 8;

/// How the disk is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Full,
    Fails,
    Stalls,
}

pub(super) struct Store {
    log: LogId,
    boot: u32,
    disk: Disk,
    /// What was there before a flush failed: at a power cut it may be all there is.
    before_doubt: Option<Disk>,
    under_way: VecDeque<UnderWay>,
    pub(super) mood: Mood,
    /// Every event that ever was durable, in order: what the promise is about.
    pub(super) promised: Vec<(Sequence, Vec<u8>)>,
    history: Sequence,
    chance: Chance,
    #[cfg(not(planted))]
    real: Option<RealStore>,
}

/// What is in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) events: BTreeMap<Sequence, Vec<u8>>,
    pub(super) next: Sequence,
    pub(super) heard_up_to: Sequence,
    pub(super) kept: BTreeMap<String, Vec<u8>>,
}

struct UnderWay {
    commit: Commit,
    /// In the system's memory from then on, which survives the process but no power cut.
    written_at: u64,
    ends_at: u64,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Synced,
    Refused(StoreTrouble),
    /// The flush failed; the data got there all the same, or not.
    FlushFailed {
        is_there: bool,
    },
}

/// What the gateway is told of a commit.
pub(super) type Told = (CommitId, Result<(), StoreTrouble>);

impl Store {
    pub(super) fn new(log: LogId, history: Sequence, heard_by: &str, chance: Chance) -> Self {
        let mut disk = Disk { next: history + 1, heard_up_to: history, ..Disk::default() };
        if history > 0 {
            disk.kept.insert(format!("heard/{heard_by}"), history.to_string().into_bytes());
        }
        Self {
            log,
            boot: 0,
            disk,
            before_doubt: None,
            under_way: VecDeque::new(),
            mood: Mood::Good,
            promised: Vec::new(),
            history,
            chance,
            #[cfg(not(planted))]
            real: None,
        }
    }

    /// Everything is done on the real store from now on, too.
    #[cfg(not(planted))]
    pub(super) fn check_against_real(&mut self) {
        self.real = Some(RealStore::new());
    }

    /// A process starts on what is there; all of it counts from now on.
    pub(super) fn open(&mut self) -> Result<Restored, String> {
        self.boot += 1;
        // Read once more, it is what everything goes on from.
        self.before_doubt = None;
        #[cfg(not(planted))]
        if let Some(real) = &mut self.real {
            real.open_as(self.boot, &self.disk)?;
        }
        self.promise();
        Ok(Restored {
            log: self.log,
            boot: self.boot,
            committed: self.disk.next - 1,
            first_kept: self.disk.first_kept(),
            kept: self.disk.kept.clone(),
            replaced: false,
        })
    }

    /// Takes a commit; says when [`Self::turn`] will have its end.
    pub(super) fn commit(&mut self, now: u64, commit: Commit) -> u64 {
        let (took, end) = match self.mood {
            Mood::Good => (self.chance.between(MS, 30 * MS), End::Synced),
            Mood::Full => (self.chance.between(MS, 30 * MS), End::Refused(StoreTrouble::Full)),
            Mood::Fails => {
                let end = match self.chance.between(0, 3) {
                    0 => End::Refused(StoreTrouble::Io),
                    1 => End::FlushFailed { is_there: true },
                    _ => End::FlushFailed { is_there: false },
                };
                (self.chance.between(MS, 200 * MS), end)
            }
            Mood::Stalls => (self.chance.between(400 * MS, 8 * SECOND), End::Synced),
        };
        let begins = self.under_way.back().map_or(now, |last| last.ends_at.max(now));
        let (written_at, ends_at) = (begins + took / 2, begins + took);
        self.under_way.push_back(UnderWay { commit, written_at, ends_at, end });
        ends_at
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub(super) fn commits(&self) -> usize {
        self.under_way.len()
    }

    /// The next commit that has ended by now.
    pub(super) fn turn(&mut self, now: u64) -> Result<Option<Told>, String> {
        let Some(ended) = self.under_way.pop_front_if(|first| first.ends_at <= now) else { return Ok(None) };
        let id = ended.commit.id;
        let outcome = match ended.end {
            End::Refused(why) => Err(why),
            End::FlushFailed { is_there } => {
                if is_there && self.disk.takes(&ended.commit) {
                    self.before_doubt.get_or_insert_with(|| self.disk.clone());
                    self.apply(&ended.commit, self.keeps())?;
                }
                Err(StoreTrouble::Io)
            }
            End::Synced if self.disk.takes(&ended.commit) => {
                self.apply(&ended.commit, self.keeps())?;
                self.before_doubt = None;
                self.promise();
                Ok(())
            }
            // An earlier one is still to come.
            End::Synced => Err(StoreTrouble::Io),
        };
        Ok(Some((id, outcome)))
    }

    /// The process is gone: what was written reaches the disk by itself.
    pub(super) fn killed(&mut self, now: u64) -> Result<(), String> {
        while let Some(first) = self.under_way.pop_front() {
            if first.written_at <= now && first.end == End::Synced && self.disk.takes(&first.commit) {
                self.apply(&first.commit, self.keeps())?;
            }
        }
        #[cfg(not(planted))]
        if let Some(real) = &mut self.real {
            real.killed();
        }
        Ok(())
    }

    /// The power is gone: of what was not flushed, the first may have got there whole, or nothing has.
    pub(super) fn power_cut(&mut self, now: u64) -> Result<(), String> {
        let first = self.under_way.pop_front().filter(|first| first.written_at <= now);
        self.under_way.clear();
        if let Some(before) = self.before_doubt.take()
            && self.chance.percent(50)
            && !self.is_checked()
        {
            self.disk = before;
            return Ok(());
        }
        let Some(first) = first.filter(|first| first.end == End::Synced && self.disk.takes(&first.commit))
        else {
            #[cfg(not(planted))]
            if let Some(real) = &mut self.real {
                real.power_cut(None);
            }
            return Ok(());
        };
        if self.chance.percent(40) {
            self.apply(&first.commit, self.keeps())?;
            #[cfg(not(planted))]
            if let Some(real) = &mut self.real {
                real.power_cut(None);
            }
        } else {
            // Torn: a beginning of it is in the file.
            #[cfg(not(planted))]
            if let Some(real) = &mut self.real {
                real.power_cut(Some((&first.commit, self.chance.next())));
            }
        }
        Ok(())
    }

    pub(super) fn fetch(&self, from: Sequence, limit: usize) -> Vec<StoredEvent> {
        let range = self.disk.events.range(from..).take(limit);
        range.map(|(sequence, body)| StoredEvent { sequence: *sequence, body: body.clone() }).collect()
    }

    /// The newest event that is durable for certain.
    pub(super) fn newest(&self) -> Sequence {
        self.promised.last().map_or(self.history, |(sequence, _)| *sequence)
    }

    pub(super) fn body(&self, sequence: Sequence) -> Option<&Vec<u8>> {
        let index = sequence.checked_sub(self.history + 1)?;
        self.promised.get(usize::try_from(index).ok()?).map(|(_, body)| body)
    }

    pub(super) fn kept_keys(&self) -> usize {
        self.disk.kept.len()
    }

    /// Up to which press count the gateway has written presses down, if it knows the unit.
    pub(super) fn recorded_presses(&self, device: &str) -> Option<u16> {
        let kept = self.disk.kept.get(&format!("device/{device}"))?;
        let kept: serde_json::Value = serde_json::from_slice(kept).ok()?;
        kept.get("call")?.get("recorded")?.as_u64().and_then(|count| u16::try_from(count).ok())
    }

    fn keeps(&self) -> u64 {
        if self.is_checked() { 10_000 } else { KEPT_EVENTS }
    }

    #[cfg(not(planted))]
    fn is_checked(&self) -> bool {
        self.real.is_some()
    }

    #[cfg(planted)]
    #[expect(clippy::unused_self, reason = "the real store is no part of a planted build")]
    fn is_checked(&self) -> bool {
        false
    }

    fn apply(&mut self, commit: &Commit, keeps: u64) -> Result<(), String> {
        self.disk.apply(commit, keeps)?;
        #[cfg(not(planted))]
        if let Some(real) = &mut self.real {
            real.commit(commit)?;
        }
        Ok(())
    }

    /// What is in the file counts from now on, whoever heard of it.
    fn promise(&mut self) {
        let known = self.promised.last().map_or(self.history, |(sequence, _)| *sequence);
        let new = self.disk.events.range(known + 1..);
        self.promised.extend(new.map(|(sequence, body)| (*sequence, body.clone())));
    }
}

impl Disk {
    pub(super) fn first_kept(&self) -> Sequence {
        self.events.keys().next().copied().unwrap_or(self.next)
    }

    /// Its events continue the log, or are there already.
    fn takes(&self, commit: &Commit) -> bool {
        commit.events.first().is_none_or(|first| {
            first.sequence == self.next
                || self.events.get(&first.sequence).is_some_and(|body| *body == first.body)
        })
    }

    fn apply(&mut self, commit: &Commit, keeps: u64) -> Result<(), String> {
        for event in &commit.events {
            if let Some(body) = self.events.get(&event.sequence) {
                if *body != event.body {
                    return Err(format!("event {} is another than it was", event.sequence));
                }
                continue;
            }
            if event.sequence != self.next {
                return Err(format!("event {} follows {}", event.sequence, self.next - 1));
            }
            self.next += 1;
            self.events.insert(event.sequence, event.body.clone());
        }
        for (key, value) in &commit.kept {
            match value {
                Some(value) => self.kept.insert(key.clone(), value.clone()),
                None => self.kept.remove(key),
            };
        }
        if let Some(heard) = commit.heard_up_to {
            self.heard_up_to = self.heard_up_to.max(heard.min(self.next - 1));
            let oldest = (self.next - 1).saturating_sub(keeps);
            let up_to = self.heard_up_to;
            self.events.retain(|sequence, _| *sequence > up_to || *sequence > oldest);
        }
        Ok(())
    }
}
