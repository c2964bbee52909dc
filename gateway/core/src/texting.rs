//! Texts from the box itself, for when no duty room hears: who is told what, how often, and in which words.
//!
//! An emergency that no duty room has heard for a phone's time is told to that phone, once for each cry; what waits
//! for the same phone travels together, so a flood is counted and not lost. Its end is told wherever it was told.
//! One text at a time is with the modem. Decided by steady time; the wall clock is for words and for late answers.
mod bucket;
mod named;
mod story;
mod words;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmDocument, AlarmId, Id, Instant, Mode, Text, Timestamp};

use crate::configuration::{PhoneIndex, PhoneSettings, SmsSettings};
use crate::input::TextId;
use bucket::{Bucket, Spends};
pub(crate) use named::Named;
pub(crate) use story::Story;

/// Further alarms of one building join one text this long after the one before (the design's duty-room page,
/// section 10).
const JOIN: Duration = Duration::from_secs(20);
/// After a text that failed, its phone is left alone for this long; others go on.
const RETRY: Duration = Duration::from_secs(60);
/// The modem gives up a text sooner by itself; hands that say nothing for this long have lost it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Finished alarms whose end is still to be told; of more, the oldest are given up.
const ENDS_MOST: usize = 1_000;
/// So many texts in a row that failed are a fault, whatever the modem says of itself; shown for so long.
const FAILURES: u32 = 2;
const FAILURE_SHOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// Texts that the network has taken and may yet report as undeliverable; as many as the modem remembers.
const TAKEN_MOST: usize = 64;
/// A new emergency that must wait for longer than this before its text may leave is a fault.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);

/// Everything that phones were told or wait to be told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Texting {
    #[serde(with = "story::snapshot")]
    stories: BTreeMap<AlarmId, Story>,
    phones: BTreeMap<PhoneIndex, Phone>,
    under_way: Option<UnderWay>,
    texts: TextId,
    /// What the network may still report on, oldest first.
    taken: VecDeque<UnderWay>,
    #[serde(with = "named::snapshot")]
    named: BTreeMap<Id, Named>,
    sent: Bucket,
    /// A new emergency waits because too many texts have left.
    waits_for_room: bool,
    /// Stories to be kept anew, or forgotten.
    changed: BTreeSet<AlarmId>,
    /// Whose last texts are to be kept anew, or forgotten.
    changed_named: BTreeSet<Id>,
}

/// One open alarm, as far as texts depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) document: &'a AlarmDocument,
    /// It is an emergency that waits for somebody.
    pub(crate) wants_people: bool,
    /// A duty room has the newest cry.
    pub(crate) is_heard: bool,
}

/// A text to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) text: TextId,
    pub(crate) phone: PhoneIndex,
    pub(crate) words: String,
    pub(crate) is_cry: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Phone {
    last_text: Instant,
    not_before: Instant,
    failed: Option<Failed>,
}

/// Texts in a row that did not reach it.
#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    times: u32,
    last: Instant,
    person: Id,
    /// Of the first of them.
    why: Text,
    /// The network had taken one: only the network's own word ends it.
    is_reported: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct UnderWay {
    text: TextId,
    phone: PhoneIndex,
    person: Id,
    news: News,
    about: Vec<About>,
    at: Timestamp,
    since: Instant,
}

/// One alarm in a text.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    alarm: AlarmId,
    occurrence: u32,
    is_named: bool,
    /// The text says that it is over already.
    says_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum News {
    Cry,
    End,
}

impl Texting {
    pub(crate) fn restore(&mut self, now: Instant, alarm: AlarmId, mut story: Story, settings: &SmsSettings) {
        if story.resume(now, &settings.phones) {
            self.changed.insert(alarm);
        }
        self.stories.insert(alarm, story);
    }

    pub(crate) fn restore_named(&mut self, person: Id, named: Named) {
        self.named.insert(person, named);
    }

    /// Takes note of every open alarm. To be called twice a second or more often.
    pub(crate) fn look<'a>(&mut self, now: Instant, open: impl Iterator<Item = Seen<'a>>) {
        for story in self.stories.values_mut() {
            story.is_open = false;
        }
        for seen in open {
            let id = seen.document.id;
            if seen.wants_people && !seen.is_heard {
                self.stories.entry(id).or_insert_with(|| Story::of(seen.document));
            }
            if let Some(story) = self.stories.get_mut(&id)
                && story.take(now, seen)
            {
                self.changed.insert(id);
            }
        }
        self.stories.values_mut().filter(|story| !story.is_open).for_each(Story::finish);
        self.drop_what_is_told();
    }

    /// The text that should leave now, if any: emergencies first, of these what somebody has not heard of at all, and
    /// of the phones the one that waits longest.
    pub(crate) fn next(&mut self, now: Instant, wall: Timestamp, settings: &SmsSettings) -> Option<Order> {
        if self.under_way.as_ref().is_some_and(|text| now.since(text.since) >= ANSWER_WITHIN) {
            let text = self.under_way.as_ref().map(|text| text.text)?;
            self.failed(now, text, Text::new("短信模块没有回音", "the modem's hands do not answer"), true);
        }
        if self.under_way.is_some() {
            return None;
        }
        let mut phones: Vec<(PhoneIndex, &PhoneSettings)> = settings.phones.iter().enumerate().collect();
        let state = |phone: &PhoneIndex| self.phones.get(phone);
        phones.retain(|(phone, _)| state(phone).is_none_or(|state| now >= state.not_before));
        phones.sort_by_key(|(phone, _)| state(phone).map_or(Instant::default(), |state| state.last_text));
        let turns = [(News::Cry, Spends::Reserve), (News::Cry, Spends::Rest), (News::End, Spends::Rest)];
        let order = turns.into_iter().find_map(|(news, spends)| {
            if !self.sent.has_room(now, spends) {
                return None;
            }
            phones
                .iter()
                .find_map(|(phone, settings)| self.write(now, wall, *phone, settings, (news, spends)))
        });
        let mut untold = phones.iter().filter(|(_, settings)| {
            let due = self.due(now, settings, News::Cry);
            due.iter().any(|(_, story)| story.is_new_to(&settings.person))
        });
        self.waits_for_room = order.is_none()
            && untold.next().is_some()
            && (self.waits_for_room || self.sent.room_in(now) > ROOM_PATIENCE);
        order
    }

    /// The network has taken it: who now knows of which emergencies.
    pub(crate) fn was_sent(&mut self, now: Instant, text: TextId) -> Option<(Id, Vec<AlarmId>)> {
        let sent = self.under_way.take_if(|under_way| under_way.text == text)?;
        self.phones.entry(sent.phone).or_default().failed.take_if(|failed| !failed.is_reported);
        let mut known = Vec::new();
        for About { alarm, occurrence, says_end, .. } in &sent.about {
            let Some(story) = self.stories.get_mut(alarm) else { continue };
            match sent.news {
                News::Cry => {
                    story.was_told(now, &sent.person, *occurrence, *says_end, text);
                    known.push(*alarm);
                }
                News::End => {
                    if let Some(told) = story.told.get_mut(&sent.person) {
                        told.knows_end = true;
                    }
                }
            }
            self.changed.insert(*alarm);
        }
        if sent.news == News::Cry {
            let named = sent.about.iter().filter(|about| about.is_named);
            let named = named.map(|about| (about.alarm, about.occurrence)).collect();
            self.named.entry(sent.person.clone()).or_default().add(text, sent.since, sent.at, named);
            self.changed_named.insert(sent.person.clone());
        }
        let person = sent.person.clone();
        if self.taken.len() >= TAKEN_MOST {
            self.taken.pop_front();
        }
        self.taken.push_back(sent);
        Some((person, known))
    }

    /// It was not sent, as far as is known, and nobody tries again but us. What cannot have left spends nothing.
    pub(crate) fn failed(&mut self, now: Instant, text: TextId, why: Text, may_have_left: bool) {
        let Some(failed) = self.under_way.take_if(|under_way| under_way.text == text) else { return };
        if !may_have_left {
            self.sent.give_back();
        }
        self.miss(now, &failed, why, false);
        for About { alarm, .. } in &failed.about {
            let Some(story) = self.stories.get_mut(alarm) else { continue };
            match failed.news {
                News::Cry if may_have_left => story.may_be_told(&failed.person),
                News::Cry => {}
                News::End => {
                    if story.end_failed(&failed.person) {
                        self.changed.insert(*alarm);
                    }
                }
            }
        }
    }

    /// The phone has it.
    pub(crate) fn was_delivered(&mut self, text: TextId) {
        let place = self.taken.iter().position(|taken| taken.text == text);
        let Some(taken) = place.and_then(|place| self.taken.remove(place)) else { return };
        self.phones.entry(taken.phone).or_default().failed = None;
    }

    /// The network had taken it and gives it up: who does not know of which emergencies after all.
    pub(crate) fn was_lost(&mut self, now: Instant, text: TextId, why: Text) -> Option<(Id, Vec<AlarmId>)> {
        let place = self.taken.iter().position(|taken| taken.text == text)?;
        let lost = self.taken.remove(place)?;
        self.miss(now, &lost, why, true);
        if let Some(named) = self.named.get_mut(&lost.person) {
            named.remove(text);
            self.changed_named.insert(lost.person.clone());
        }
        let mut unknown = Vec::new();
        for About { alarm, .. } in lost.about.iter().filter(|_| lost.news == News::Cry) {
            let story = self.stories.get_mut(alarm);
            if story.is_some_and(|story| story.was_lost(&lost.person, text)) {
                self.changed.insert(*alarm);
                unknown.push(*alarm);
            }
        }
        Some((lost.person, unknown))
    }

    /// The modem works again: nobody waits any longer for its sake.
    pub(crate) fn modem_is_well(&mut self) {
        for phone in self.phones.values_mut() {
            phone.not_before = Instant::default();
        }
    }

    /// Whose phone was not reached twice or more in a row, lately, and why.
    pub(crate) fn not_reached(&self, now: Instant) -> Option<(&Id, &Text)> {
        let failed = self.phones.values().filter_map(|phone| phone.failed.as_ref());
        let mut failed =
            failed.filter(|failed| failed.times >= FAILURES && now.since(failed.last) < FAILURE_SHOWN);
        failed.next().map(|failed| (&failed.person, &failed.why))
    }

    /// A new emergency waits because the operator would shut out who sends more.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.waits_for_room
    }

    /// The alarms, and their cries, that this person's phone was told last before they answered. An answer that the
    /// network held back must not acknowledge what its sender has not seen.
    pub(crate) fn told_last(
        &self,
        now: Instant,
        wall: Timestamp,
        person: &Id,
        sent_at: Option<Timestamp>,
    ) -> Vec<(AlarmId, u32)> {
        self.named.get(person).map(|named| named.meant(now, wall, sent_at).to_vec()).unwrap_or_default()
    }

    /// What is to be kept, or forgotten, over a restart.
    pub(crate) fn take_changes(&mut self, now: Instant) -> Vec<(AlarmId, Option<Story>)> {
        let changed = core::mem::take(&mut self.changed);
        let kept = |id: AlarmId| {
            let story = self.stories.get(&id).filter(|story| !story.told.is_empty());
            (id, story.map(|story| story.kept(now)))
        };
        changed.into_iter().map(kept).collect()
    }

    /// The same for what the persons' last texts named.
    pub(crate) fn take_named(&mut self) -> Vec<(Id, Named)> {
        let changed = core::mem::take(&mut self.changed_named);
        changed
            .into_iter()
            .filter_map(|person| Some((person.clone(), self.named.get(&person)?.clone())))
            .collect()
    }

    /// A text of all that is due for this phone and travels together, if it spends what it may.
    fn write(
        &mut self,
        now: Instant,
        wall: Timestamp,
        phone: PhoneIndex,
        settings: &PhoneSettings,
        (news, spends): (News, Spends),
    ) -> Option<Order> {
        let person = &settings.person;
        let due = self.due(now, settings, news);
        let mode = due.first().map(|(_, story)| story.mode)?;
        let is_new = news == News::Cry && due.iter().any(|(_, story)| story.is_new_to(person));
        if is_new != (spends == Spends::Reserve) {
            return None;
        }
        let (words, named) = match (news, due.as_slice()) {
            (News::Cry, [(_, story)]) => (words::cry(mode, story.raised_at, &story.what, &story.note()), 1),
            (News::End, [(_, story)]) => (words::end(mode, story.over_at, &story.what), 1),
            (News::Cry, _) => words::cries(mode, due.iter().map(|(_, story)| story.what.as_str())),
            (News::End, _) => words::ends(mode, due.iter().map(|(_, story)| story.what.as_str())),
        };
        let is_alone = due.len() == 1;
        let about = due.iter().enumerate().map(|(place, (id, story))| About {
            alarm: *id,
            occurrence: story.occurrence,
            is_named: place < named,
            says_end: is_alone && story.is_over,
        });
        let about = about.collect();
        self.texts += 1;
        self.sent.take(now);
        self.phones.entry(phone).or_default().last_text = now;
        let (text, person) = (self.texts, person.clone());
        self.under_way = Some(UnderWay { text, phone, person, news, about, at: wall, since: now });
        Some(Order { text, phone, words, is_cry: news == News::Cry })
    }

    /// What is due for this phone and travels together.
    fn due(&self, now: Instant, settings: &PhoneSettings, news: News) -> Vec<(AlarmId, &Story)> {
        let just_told = self.just_told(now, &settings.person);
        let is_due = |story: &Story| match news {
            News::Cry => {
                let joins = story.building.as_deref().is_some_and(|building| just_told.contains(building));
                !joins && story.cry_is_due(now, settings)
            }
            News::End => story.end_is_due(&settings.person),
        };
        let mut due: Vec<(AlarmId, &Story)> =
            self.stories.iter().filter(|(_, story)| is_due(story)).map(|(id, story)| (*id, story)).collect();
        // What is live never travels under the heading of an exercise.
        let mode = due.iter().map(|(_, story)| story.mode).min_by_key(|mode| *mode != Mode::Live);
        due.retain(|(_, story)| Some(story.mode) == mode);
        due
    }

    /// Its phone is left alone for a while.
    fn miss(&mut self, now: Instant, text: &UnderWay, why: Text, is_reported: bool) {
        let phone = self.phones.entry(text.phone).or_default();
        phone.not_before = now + RETRY;
        let before = phone.failed.take();
        let times = before.as_ref().map_or(0, |before| before.times).saturating_add(1);
        let is_reported = is_reported || before.as_ref().is_some_and(|before| before.is_reported);
        let why = before.map_or(why, |before| before.why);
        phone.failed = Some(Failed { times, last: now, person: text.person.clone(), why, is_reported });
    }

    /// The buildings that this person was told of a moment ago: what comes meanwhile travels together.
    fn just_told(&self, now: Instant, person: &Id) -> BTreeSet<&str> {
        let is_recent =
            |story: &&Story| story.told.get(person).is_some_and(|told| now.since(told.last) < JOIN);
        self.stories.values().filter(is_recent).filter_map(|story| story.building.as_deref()).collect()
    }

    /// A story ends with its alarm, once everybody who was told knows.
    fn drop_what_is_told(&mut self) {
        let mut over: Vec<AlarmId> = Vec::new();
        let mut waiting: Vec<AlarmId> = Vec::new();
        for (id, story) in &self.stories {
            match (story.is_open, story.told.values().all(|told| told.knows_end)) {
                (true, _) => {}
                (false, true) => over.push(*id),
                (false, false) => waiting.push(*id),
            }
        }
        let too_many = waiting.len().saturating_sub(ENDS_MOST);
        for id in over.into_iter().chain(waiting.into_iter().take(too_many)) {
            if self.stories.remove(&id).is_some_and(|story| !story.told.is_empty()) {
                self.changed.insert(id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
