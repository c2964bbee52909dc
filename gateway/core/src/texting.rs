//! Texts from the box itself, for when no duty room hears: who is told what, how often, and in which words.
//!
//! An emergency that no duty room has heard for a phone's time is told to that phone, once for each cry; what waits
//! for the same phone travels together, so a flood is counted and not lost. Its end is told wherever it was told.
//! One text at a time is with the modem. Decided by steady time; the wall clock is for words and for late answers.
mod bucket;
mod words;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmDocument, AlarmId, Class, Clock, Id, Instant, Mode, Text, Timestamp};

use crate::configuration::{PhoneIndex, PhoneSettings, SmsSettings};
use crate::input::TextId;
use bucket::Bucket;

/// Further alarms of one building join one text this long after the one before (the design's duty-room page,
/// section 10).
const JOIN: Duration = Duration::from_secs(20);
/// A further cry of the same alarm is told to the same phone no sooner than this.
const AGAIN: Duration = Duration::from_secs(60);
/// After a text that failed, its phone is left alone for this long; others go on.
const RETRY: Duration = Duration::from_secs(60);
/// The modem gives up a text sooner by itself; hands that say nothing for this long have lost it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The end of an alarm is tried so often; it is good news, and the alarm itself was told.
const END_TRIES: u8 = 3;
/// Finished alarms whose end is still to be told; of more, the oldest are given up.
const ENDS_MOST: usize = 1_000;
/// So many texts in a row that failed are a fault, whatever the modem says of itself; shown for so long.
const FAILURES: u32 = 2;
const FAILURE_SHOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// The network's clock and ours may differ by so much.
const CLOCKS_DIFFER_MS: i64 = 120_000;

/// Everything that phones were told or wait to be told.
#[derive(Debug, Default)]
pub(crate) struct Texting {
    stories: BTreeMap<AlarmId, Story>,
    phones: BTreeMap<PhoneIndex, Phone>,
    under_way: Option<UnderWay>,
    texts: TextId,
    sent: Bucket,
    /// Stories to be kept anew, or forgotten.
    changed: BTreeSet<AlarmId>,
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

/// What the phones know of one alarm, as it survives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Story {
    what: String,
    building: Option<String>,
    class: Class,
    mode: Mode,
    /// None while the clock could not be trusted.
    raised_at: Option<Timestamp>,
    occurrence: u32,
    /// The source is normal, since then.
    is_over: bool,
    over_at: Option<Timestamp>,
    /// By account id.
    told: BTreeMap<Id, Told>,
    /// How long it had waited unheard when this was kept.
    waited_s: u64,
    #[serde(skip)]
    unheard_since: Option<Instant>,
    #[serde(skip)]
    is_open: bool,
}

/// What one phone knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    occurrence: u32,
    at: Timestamp,
    /// In that text by its place: an answer means it.
    is_named: bool,
    knows_end: bool,
    #[serde(skip)]
    end_tries: u8,
    #[serde(skip)]
    last: Instant,
}

#[derive(Debug, Default)]
struct Phone {
    last_text: Instant,
    not_before: Instant,
    failed: Option<Failed>,
}

/// Texts in a row that did not reach it.
#[derive(Debug)]
struct Failed {
    times: u32,
    last: Instant,
    person: Id,
    why: Text,
}

#[derive(Debug)]
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
#[derive(Debug)]
struct About {
    alarm: AlarmId,
    occurrence: u32,
    is_named: bool,
    /// The text says that it is over already.
    says_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Cry,
    End,
}

impl Texting {
    pub(crate) fn restore(&mut self, now: Instant, alarm: AlarmId, mut story: Story) {
        for told in story.told.values_mut() {
            told.last = now;
        }
        self.stories.insert(alarm, story);
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
        // What is finished cries no more, however fast that went.
        for story in self.stories.values_mut().filter(|story| !story.is_open) {
            (story.unheard_since, story.waited_s, story.is_over) = (None, 0, true);
        }
        self.drop_what_is_told();
    }

    /// The text that should leave now, if any: emergencies first, and of the phones the one that waits longest.
    pub(crate) fn next(&mut self, now: Instant, wall: Timestamp, settings: &SmsSettings) -> Option<Order> {
        if self.under_way.as_ref().is_some_and(|text| now.since(text.since) >= ANSWER_WITHIN) {
            let text = self.under_way.as_ref().map(|text| text.text)?;
            self.failed(now, text, Text::new("短信模块没有回音", "the modem's hands do not answer"));
        }
        if self.under_way.is_some() {
            return None;
        }
        let mut phones: Vec<(PhoneIndex, &PhoneSettings)> = settings.phones.iter().enumerate().collect();
        let state = |phone: &PhoneIndex| self.phones.get(phone);
        phones.retain(|(phone, _)| state(phone).is_none_or(|state| now >= state.not_before));
        phones.sort_by_key(|(phone, _)| state(phone).map_or(Instant::default(), |state| state.last_text));
        [News::Cry, News::End].into_iter().find_map(|news| {
            if !self.sent.has_room(now, news == News::Cry) {
                return None;
            }
            phones.iter().find_map(|(phone, settings)| self.write(now, wall, *phone, settings, news))
        })
    }

    /// The network has taken it: who now knows of which emergencies.
    pub(crate) fn was_sent(&mut self, now: Instant, text: TextId) -> Option<(Id, Vec<AlarmId>)> {
        let sent = self.under_way.take_if(|under_way| under_way.text == text)?;
        let mut known = Vec::new();
        self.phones.entry(sent.phone).or_default().failed = None;
        for About { alarm: id, occurrence, is_named, says_end } in sent.about {
            let Some(story) = self.stories.get_mut(&id) else { continue };
            match sent.news {
                News::Cry => {
                    let (at, knows_end) = (sent.at, says_end);
                    let told = Told { occurrence, at, is_named, knows_end, end_tries: 0, last: now };
                    story.told.insert(sent.person.clone(), told);
                    known.push(id);
                }
                News::End => {
                    if let Some(told) = story.told.get_mut(&sent.person) {
                        told.knows_end = true;
                    }
                }
            }
            self.changed.insert(id);
        }
        Some((sent.person, known))
    }

    /// It was not sent, and nobody tries again but us.
    pub(crate) fn failed(&mut self, now: Instant, text: TextId, why: Text) {
        let Some(failed) = self.under_way.take_if(|under_way| under_way.text == text) else { return };
        let phone = self.phones.entry(failed.phone).or_default();
        phone.not_before = now + RETRY;
        let times = phone.failed.as_ref().map_or(0, |failed| failed.times).saturating_add(1);
        phone.failed = Some(Failed { times, last: now, person: failed.person.clone(), why });
        for About { alarm, .. } in failed.about.iter().filter(|_| failed.news == News::End) {
            let story = self.stories.get_mut(alarm);
            let Some(told) = story.and_then(|story| story.told.get_mut(&failed.person)) else { continue };
            told.end_tries = told.end_tries.saturating_add(1);
            if told.end_tries >= END_TRIES {
                told.knows_end = true;
                self.changed.insert(*alarm);
            }
        }
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

    /// The alarms, and their cries, that this person's phone was told last before they answered. An answer that the
    /// network held back must not acknowledge what its sender has not seen.
    pub(crate) fn told_last(&self, person: &Id, sent_at: Option<Timestamp>) -> Vec<(AlarmId, u32)> {
        let latest = sent_at.map(|at| Timestamp::from_unix_ms(at.unix_ms() + CLOCKS_DIFFER_MS));
        let told: Vec<(AlarmId, &Told)> = self
            .stories
            .iter()
            .filter_map(|(id, story)| Some((*id, story.told.get(person)?)))
            .filter(|(_, told)| told.is_named && latest.is_none_or(|latest| told.at <= latest))
            .collect();
        let Some(last) = told.iter().map(|(_, told)| told.at).max() else { return Vec::new() };
        told.into_iter().filter(|(_, told)| told.at == last).map(|(id, told)| (id, told.occurrence)).collect()
    }

    /// What is to be kept, or forgotten, over a restart.
    pub(crate) fn take_changes(&mut self, now: Instant) -> Vec<(AlarmId, Option<Story>)> {
        let changed = core::mem::take(&mut self.changed);
        let kept = |id: AlarmId| {
            let story = self.stories.get(&id).filter(|story| !story.told.is_empty());
            (id, story.map(|story| Story { waited_s: story.waited(now).as_secs(), ..story.clone() }))
        };
        changed.into_iter().map(kept).collect()
    }

    /// A text of all that is due for this phone and travels together.
    fn write(
        &mut self,
        now: Instant,
        wall: Timestamp,
        phone: PhoneIndex,
        settings: &PhoneSettings,
        news: News,
    ) -> Option<Order> {
        let person = &settings.person;
        let just_told = self.just_told(now, person);
        let is_due = |story: &Story| match news {
            News::Cry => {
                let joins = story.building.as_deref().is_some_and(|building| just_told.contains(building));
                !joins && story.cry_is_due(now, settings)
            }
            News::End => story.end_is_due(person),
        };
        let mut due: Vec<(AlarmId, &Story)> =
            self.stories.iter().filter(|(_, story)| is_due(story)).map(|(id, story)| (*id, story)).collect();
        // What is live never travels under the heading of an exercise.
        let mode = due.iter().map(|(_, story)| story.mode).min_by_key(|mode| *mode != Mode::Live)?;
        due.retain(|(_, story)| story.mode == mode);
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

impl Story {
    fn of(document: &AlarmDocument) -> Self {
        Self {
            what: words::what(document),
            building: document.place.building.clone(),
            class: document.class,
            mode: document.mode,
            raised_at: Some(document.raised_at).filter(|_| document.clock != Clock::Unset),
            occurrence: document.occurrence,
            is_over: false,
            over_at: None,
            told: BTreeMap::new(),
            waited_s: 0,
            unheard_since: None,
            is_open: true,
        }
    }

    /// True if it must be kept anew.
    fn take(&mut self, now: Instant, seen: Seen<'_>) -> bool {
        let document = seen.document;
        self.is_open = true;
        self.mode = document.mode;
        self.occurrence = document.occurrence;
        if !seen.wants_people || seen.is_heard {
            (self.unheard_since, self.waited_s) = (None, 0);
        } else {
            self.unheard_since.get_or_insert(now);
        }
        let was_over = self.is_over;
        self.is_over = !document.active;
        self.over_at = document.cleared_at.filter(|_| self.is_over && document.clock != Clock::Unset);
        was_over != self.is_over && !self.told.is_empty()
    }

    fn waited(&self, now: Instant) -> Duration {
        let waited = self.unheard_since.map_or(Duration::ZERO, |since| now.since(since));
        waited + Duration::from_secs(self.waited_s)
    }

    fn cry_is_due(&self, now: Instant, phone: &PhoneSettings) -> bool {
        let is_new = match self.told.get(&phone.person) {
            None => true,
            Some(told) => told.occurrence < self.occurrence && now.since(told.last) >= AGAIN,
        };
        is_new && self.unheard_since.is_some() && phone.wants(self.class) && self.waited(now) >= phone.after
    }

    fn end_is_due(&self, person: &Id) -> bool {
        self.is_over && self.told.get(person).is_some_and(|told| !told.knows_end)
    }

    /// What else must be said of it.
    fn note(&self) -> String {
        let again = if self.occurrence > 1 { format!("(第{}次)", self.occurrence) } else { String::new() };
        if self.is_over { format!("{again}(已恢复)") } else { again }
    }
}

#[cfg(test)]
mod tests;
