//! What a gateway does to its store, drawn from a seed, and what the store has promised by then.
use std::collections::BTreeMap;
use std::path::Path;

use shouwang_core::output::{Commit, NewEvent};
use shouwang_gateway::store::{KEEP_EVENTS, LeftBehind, Store, StoreError};
use shouwang_message::{LogId, Sequence, Timestamp};

use shouwang_tests::chance::Chance;

/// 2026-11-22T07:00:00Z.
const WALL_MS: i64 = 1_795_330_800_000;
const NAME: &str = "gateway.db";
/// A start may have been counted on disk without having succeeded.
const UNTOLD_STARTS: u32 = 6;

pub(crate) fn open(vfs: &str) -> Result<(Store, LeftBehind), StoreError> {
    Store::open_with_vfs(Path::new(NAME), vfs, Timestamp::from_unix_ms(WALL_MS))
}

/// Everything that was said to be on disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Promise {
    pub(crate) log: Option<LogId>,
    pub(crate) boot: u32,
    /// Sequence 1 is the first.
    pub(crate) events: Vec<Vec<u8>>,
    pub(crate) kept: BTreeMap<String, Vec<u8>>,
    pub(crate) heard_up_to: Sequence,
}

impl Promise {
    pub(crate) fn opened(&mut self, restored: &LeftBehind) {
        self.log = Some(restored.log);
        self.boot = restored.boot;
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.events.len() as Sequence + 1
    }

    /// The promise once these are committed.
    pub(crate) fn with(&self, commits: &[Commit]) -> Self {
        let mut after = self.clone();
        after.add(commits);
        after
    }

    pub(crate) fn add(&mut self, commits: &[Commit]) {
        for commit in commits {
            self.events.extend(commit.events.iter().map(|event| event.body.clone()));
            for (key, value) in &commit.kept {
                match value {
                    Some(value) => self.kept.insert(key.clone(), value.clone()),
                    None => self.kept.remove(key),
                };
            }
            if let Some(heard) = commit.heard_up_to {
                self.heard_up_to = self.heard_up_to.max(heard);
            }
        }
    }

    /// Whether what a start found is this promise, no more and no less.
    fn is_kept_by(&self, restored: &LeftBehind) -> bool {
        self.log.is_none_or(|log| log == restored.log)
            && restored.next_sequence == self.next_sequence()
            && restored.heard_up_to == self.heard_up_to
            && restored.kept.iter().map(|(key, value)| (key, value)).eq(&self.kept)
    }
}

/// The oracle: what a start found must be everything promised, or that and all of what was under way.
/// Returns which, with the new start entered.
pub(crate) fn judge(
    promised: &Promise,
    under_way: Option<&Promise>,
    found: &(Store, LeftBehind),
) -> Result<Promise, String> {
    let (store, restored) = found;
    let held = [Some(promised), under_way].into_iter().flatten().find(|held| held.is_kept_by(restored));
    let Some(held) = held else {
        return Err(format!(
            "promised log {:?}, {} events, heard {}, kept {:?} (or all of {:?} events); found {restored:?}",
            promised.log,
            promised.events.len(),
            promised.heard_up_to,
            promised.kept.keys(),
            under_way.map(|held| held.events.len()),
        ));
    };
    if restored.boot <= held.boot || restored.boot > held.boot + UNTOLD_STARTS {
        return Err(format!("boot {} was promised, then {} was found", held.boot, restored.boot));
    }
    let overwritable = held.heard_up_to.min((held.next_sequence() - 1).saturating_sub(KEEP_EVENTS));
    if restored.first_kept > overwritable + 1 {
        return Err(format!("the log begins with {}, {overwritable} may go", restored.first_kept));
    }
    let reader = store.reader().map_err(|error| error.to_string())?;
    let mut next = restored.first_kept;
    while next < held.next_sequence() {
        let events = reader.fetch(next, 4096).map_err(|error| format!("reading event {next}: {error}"))?;
        if events.is_empty() {
            return Err(format!("event {next} is gone"));
        }
        for event in events {
            if event.sequence != next || held.events.get(next as usize - 1) != Some(&event.body) {
                return Err(format!("event {} stands where {next} was promised", event.sequence));
            }
            next += 1;
        }
    }
    reader.quick_check().map_err(|error| error.to_string())?;
    let mut held = held.clone();
    held.opened(restored);
    Ok(held)
}

/// A few commits as the core would order them.
pub(crate) fn draw(chance: &mut Chance, promised: &Promise) -> Vec<Commit> {
    let mut commits = Vec::new();
    let mut next = promised.next_sequence();
    for _ in 0..=chance.below(3) {
        commits.push(draw_one(chance, &mut next));
    }
    commits
}

fn draw_one(chance: &mut Chance, next: &mut Sequence) -> Commit {
    let mut commit = Commit { id: *next, urgent: true, ..Commit::default() };
    for _ in 0..chance.below(4) {
        commit.events.push(event(chance, *next));
        *next += 1;
    }
    for _ in 0..chance.below(3) {
        let key = format!("alarm/{}", chance.below(6));
        let value = chance.percent(70).then(|| bytes(chance, 200));
        commit.kept.push((key, value));
    }
    if chance.percent(30) {
        commit.heard_up_to = Some(next.saturating_sub(1 + chance.below(4)));
    }
    commit
}

/// Bodies differ in all their bytes, and some fill pages of their own.
pub(crate) fn event(chance: &mut Chance, sequence: Sequence) -> NewEvent {
    let most = if chance.percent(3) { 60_000 } else { 1_200 };
    NewEvent { sequence, body: [sequence.to_string().into_bytes(), bytes(chance, most)].concat() }
}

fn bytes(chance: &mut Chance, most: u64) -> Vec<u8> {
    let mark = chance.next().to_le_bytes();
    mark.iter().copied().cycle().take(chance.place(most as usize)).collect()
}
