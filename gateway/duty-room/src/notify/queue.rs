//! What a channel sends next and when: an emergency at once, one building's further alarms in one follow-up, what
//! the rate does not allow in a digest, what failed again with growing patience. Time is an argument and nothing
//! is sent here. Each notice gets one result; a group hears later of what failed, at least as a number.
mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shouwang_board::Notice;
use shouwang_message::{Id, Instant, Priority};

use super::answer::Verdict;
use super::bucket::{Bucket, Limit};

use entry::{Entry, Failure};
pub(crate) use entry::{Message, Parts};

/// Further alarms of one building within this time join one follow-up.
pub(crate) const JOINED_WITHIN: Duration = Duration::from_secs(20);
/// Notices kept at most; above it the oldest and least urgent is only counted.
pub(crate) const CAPACITY: usize = 500;
/// Buildings whose alarms are joined at a time; more are told one by one.
const WINDOWS: usize = 256;
/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// What a group could not be told is told in detail for so long, then only counted.
const TOLD_LATE_FOR: Duration = Duration::from_secs(3_600);
/// A personal message is not sent later than this: who was to be woken is told another way by then.
const PERSONAL_FOR: Duration = Duration::from_secs(300);
/// Requests under way at a time, so that no slow one holds up an emergency.
const UNDER_WAY: usize = 3;

/// What is special about a kind of channel.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) limits: Vec<Limit>,
    pub(crate) parts: Parts,
}

/// One request to be made now.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    /// Comes back with [`Queue::done`].
    pub(crate) number: u64,
    pub(crate) message: Message,
    pub(crate) part: usize,
    /// Earlier notices that could not be told and of which only the number is left.
    pub(crate) missed: u32,
}

/// What became of a notice, without the time of day. The first word is the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    Delivered,
    Failed {
        code: String,
        text: String,
    },
    /// Delivered as part of a digest.
    Digested,
}

/// One channel's queue.
#[derive(Debug)]
pub(crate) struct Queue {
    rules: Rules,
    bucket: Bucket,
    /// In the order they came, what is tried again in front.
    pending: VecDeque<Entry>,
    windows: BTreeMap<(String, Vec<Id>), Window>,
    under_way: BTreeMap<u64, Entry>,
    next_number: u64,
    /// In a row.
    failures: u32,
    /// The channel's pause after a failure; a new emergency does not wait for it.
    pause_until: Instant,
    /// The provider shut us out, emergencies too; with what it said.
    shut_until: Option<(Instant, Failure)>,
    /// Notices of which only the number is left.
    missed: u32,
    /// Those told as failed that a group may still hear of.
    told_failed: BTreeSet<u64>,
    became: Vec<(u64, Became)>,
}

#[derive(Debug)]
struct Window {
    until: Instant,
    emergency: bool,
    held: Vec<Arc<Notice>>,
}

impl Queue {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            bucket: Bucket::new(&rules.limits),
            rules,
            pending: VecDeque::new(),
            windows: BTreeMap::new(),
            under_way: BTreeMap::new(),
            next_number: 0,
            failures: 0,
            pause_until: Instant::default(),
            shut_until: None,
            missed: 0,
            told_failed: BTreeSet::new(),
            became: Vec::new(),
        }
    }

    /// What became of notices since the last call.
    pub(crate) fn became(&mut self) -> Vec<(u64, Became)> {
        std::mem::take(&mut self.became)
    }

    pub(crate) fn push(&mut self, now: Instant, notice: Notice) {
        let notice = Arc::new(notice);
        self.close_windows(now);
        self.make_room();
        let Some(notice) = self.held(now, notice) else { return };
        let entry = Entry::new(now, Message::Single(notice), self.rules.parts);
        self.enqueue(now, entry);
    }

    /// The next request, if one may be made now. Ask until there is none.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Sending> {
        self.close_windows(now);
        self.give_up_late_ones(now);
        let (place, head) = self.head()?;
        let lanes = if head.is_fresh_emergency() && self.failures == 0 { UNDER_WAY } else { 1 };
        if self.under_way.len() >= lanes {
            return None;
        }
        if self.due(now, head) > now {
            self.pending.iter_mut().for_each(|entry| entry.waited = true);
            return None;
        }
        let mut entry = self.pending.remove(place)?;
        self.gather(&mut entry);
        self.bucket.take(now);
        self.next_number += 1;
        let (message, part, missed) = (entry.message.clone(), entry.part, entry.missed);
        self.under_way.insert(self.next_number, entry);
        Some(Sending { number: self.next_number, message, part, missed })
    }

    /// When to ask [`Self::next`] again if nothing else happens.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let window = self.windows.values().map(|window| window.until).min();
        let head = self.head().map(|(_, head)| self.due(now, head));
        // A request under way ends by itself, and the queue is asked again then.
        let head = head.filter(|due| *due > now || self.under_way.is_empty());
        window.into_iter().chain(head).min()
    }

    /// Nothing waits and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.windows.is_empty() && self.under_way.is_empty()
    }

    /// The request with this number ended.
    pub(crate) fn done(&mut self, now: Instant, number: u64, verdict: Verdict) {
        let Some(mut entry) = self.under_way.remove(&number) else { return };
        match verdict {
            Verdict::Taken => {
                (self.failures, self.pause_until, self.shut_until) = (0, now, None);
                entry.taken += 1;
                self.part_over(entry);
            }
            Verdict::Refused { code, text } => {
                self.failures = self.failures.saturating_add(1);
                entry.failure = Some(Failure { code, text: in_a_row(self.failures, text) });
                self.part_over(entry);
            }
            Verdict::Again { code, text, after } => {
                self.failures = self.failures.saturating_add(1);
                let failure = Failure { code, text: in_a_row(self.failures, text) };
                match after {
                    Some(after) => self.shut_until = Some((now + after, failure.clone())),
                    None => self.pause_until = now + pause(self.failures),
                }
                entry.tries = entry.tries.saturating_add(1);
                entry.waited = true;
                self.try_again(entry, &failure);
            }
        }
    }

    fn part_over(&mut self, mut entry: Entry) {
        entry.part += 1;
        entry.tries = 0;
        if entry.part < entry.parts {
            self.pending.push_front(entry);
            return;
        }
        match entry.failure.take().filter(|_| self.is_personal() || entry.taken == 0) {
            Some(failure) => {
                self.tell_failed(&entry, &failure);
                self.missed = self.missed.saturating_add(entry.missed);
            }
            None => {
                let is_digest = matches!(entry.message, Message::Digest(_));
                for ticket in entry.message.tickets().filter(|ticket| !self.told_failed.contains(ticket)) {
                    let became = if is_digest { Became::Digested } else { Became::Delivered };
                    self.became.push((ticket, became));
                }
            }
        }
        self.forget(&entry);
    }

    fn try_again(&mut self, entry: Entry, failure: &Failure) {
        let fails = self.failures >= 2 || self.shut_until.is_some();
        if !fails {
            return self.pending.push_front(entry);
        }
        self.tell_failed(&entry, failure);
        if self.is_personal() {
            return self.forget(&entry);
        }
        self.pending.push_front(entry);
        // Those behind it hear now that the channel fails, not when their turn comes.
        for other in std::mem::take(&mut self.pending) {
            self.tell_failed(&other, failure);
            self.pending.push_back(other);
        }
    }

    fn give_up_late_ones(&mut self, now: Instant) {
        let patience = if self.is_personal() { PERSONAL_FOR } else { TOLD_LATE_FOR };
        let text = "等待太久,不再发 · waited too long, given up";
        let failure = Failure { code: "too_late".into(), text: text.into() };
        for entry in std::mem::take(&mut self.pending) {
            if now.since(entry.since) < patience {
                self.pending.push_back(entry);
                continue;
            }
            self.tell_failed(&entry, &failure);
            self.forget(&entry);
            let notices = u32::try_from(entry.message.notices().len()).unwrap_or(u32::MAX);
            self.missed = self.missed.saturating_add(notices).saturating_add(entry.missed);
        }
    }

    fn is_personal(&self) -> bool {
        self.rules.parts == Parts::EachRecipient
    }

    fn tell_failed(&mut self, entry: &Entry, failure: &Failure) {
        for ticket in entry.message.tickets() {
            if self.told_failed.insert(ticket) {
                let became = Became::Failed { code: failure.code.clone(), text: failure.text.clone() };
                self.became.push((ticket, became));
            }
        }
    }

    fn forget(&mut self, entry: &Entry) {
        for ticket in entry.message.tickets() {
            self.told_failed.remove(&ticket);
        }
    }

    /// Whose turn it is: a new emergency before one that is being tried again, before all others.
    fn head(&self) -> Option<(usize, &Entry)> {
        let fresh = self.pending.iter().position(Entry::is_fresh_emergency);
        let emergency = || self.pending.iter().position(|entry| entry.emergency);
        let place = fresh.or_else(emergency).unwrap_or(0);
        Some((place, self.pending.get(place)?))
    }

    /// When the head may go.
    fn due(&self, now: Instant, head: &Entry) -> Instant {
        let shut = self.shut_until.as_ref().map_or(now, |(until, _)| *until);
        let pause = if head.is_fresh_emergency() { now } else { self.pause_until };
        shut.max(pause).max(self.bucket.free_at(now, head.emergency))
    }

    /// Who waited goes together with all others that waited, to the same people, in one digest.
    fn gather(&mut self, entry: &mut Entry) {
        let whole = |entry: &Entry| entry.waited && entry.part == 0;
        if !self.is_personal() {
            entry.missed = entry.missed.saturating_add(std::mem::take(&mut self.missed));
        }
        if !whole(entry) {
            return;
        }
        let mut gathered = Vec::new();
        let audience = entry.audience();
        for other in std::mem::take(&mut self.pending) {
            if whole(&other) && other.audience() == audience {
                gathered.push(other);
            } else {
                self.pending.push_back(other);
            }
        }
        if !gathered.is_empty() {
            entry.merge(gathered, self.rules.parts);
        }
    }

    /// None: it waits for its building's follow-up. What escalates is never held back.
    fn held(&mut self, now: Instant, notice: Arc<Notice>) -> Option<Arc<Notice>> {
        let Some(building) = notice.building.clone().filter(|_| notice.step == 0 || notice.recovered) else {
            return Some(notice);
        };
        let emergency = is_emergency(&notice);
        let key = (building, audience(&notice, self.rules.parts));
        match self.windows.get_mut(&key).filter(|window| window.until > now) {
            Some(window) if window.emergency || !emergency => {
                window.held.push(notice);
                None
            }
            Some(window) => {
                (window.until, window.emergency) = (now + JOINED_WITHIN, true);
                Some(notice)
            }
            None => {
                if self.windows.len() < WINDOWS {
                    let window = Window { until: now + JOINED_WITHIN, emergency, held: Vec::new() };
                    self.windows.insert(key, window);
                }
                Some(notice)
            }
        }
    }

    fn close_windows(&mut self, now: Instant) {
        let mut over = Vec::new();
        self.windows.retain(|_, window| {
            if window.until > now {
                return true;
            }
            let held = std::mem::take(&mut window.held);
            window.until = now + JOINED_WITHIN;
            let was_used = !held.is_empty();
            if was_used {
                window.emergency = held.iter().any(|notice| is_emergency(notice));
                over.push(held);
            }
            was_used
        });
        for held in over {
            let entry = Entry::new(now, Message::joined(held), self.rules.parts);
            self.enqueue(now, entry);
        }
    }

    fn enqueue(&mut self, now: Instant, entry: Entry) {
        self.shut_until.take_if(|(until, _)| *until <= now);
        // A pause is short; being shut out is not, and who decides what else to do must know.
        if let Some((_, failure)) = self.shut_until.clone() {
            self.tell_failed(&entry, &failure);
            if self.is_personal() {
                return self.forget(&entry);
            }
        }
        self.pending.push_back(entry);
    }

    fn make_room(&mut self) {
        let held = |window: &Window| window.held.len();
        let notices = self.pending.iter().map(|entry| entry.message.notices().len()).sum::<usize>()
            + self.windows.values().map(held).sum::<usize>();
        if notices < CAPACITY {
            return;
        }
        // The oldest of those that are least urgent; without them the oldest that waits for company.
        let place = self.pending.iter().position(|entry| !entry.emergency).unwrap_or(0);
        let lost = match self.pending.get_mut(place) {
            Some(entry) => entry.lose_oldest(),
            None => {
                self.windows.values_mut().find(|window| !window.held.is_empty()).map(|w| w.held.remove(0))
            }
        };
        if self.pending.get(place).is_some_and(|entry| entry.message.notices().is_empty()) {
            self.pending.remove(place);
        }
        let Some(lost) = lost else { return };
        self.missed = self.missed.saturating_add(1);
        if !self.told_failed.remove(&lost.ticket) {
            let text = "通道积压已满,只计条数 · the channel's queue is full; it is only counted";
            let became = Became::Failed { code: "queue_full".into(), text: text.into() };
            self.became.push((lost.ticket, became));
        }
    }
}

/// Who must wake somebody now; good news need not.
pub(crate) fn is_emergency(notice: &Notice) -> bool {
    notice.priority == Priority::Emergency && !notice.recovered
}

/// Whom a message reaches: on a group's channel always the group.
fn audience(notice: &Notice, parts: Parts) -> Vec<Id> {
    match parts {
        Parts::EachRecipient => notice.to.iter().map(|recipient| recipient.person.clone()).collect(),
        Parts::One | Parts::CardAndMention => Vec::new(),
    }
}

/// The pause after so many failures in a row.
pub(crate) fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LAST_PAUSE)
}

/// The second failure in a row says so: it is the channel then, not the message.
fn in_a_row(failures: u32, text: String) -> String {
    if failures < 2 {
        return text;
    }
    format!("通道连续失败 {failures} 次 · {failures} failures in a row: {text}")
}
