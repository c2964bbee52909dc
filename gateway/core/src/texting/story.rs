//! What the phones know of one alarm, as it survives a restart.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmDocument, Class, Clock, Id, Instant, Mode, Timestamp};

use super::{Seen, words};
use crate::configuration::PhoneSettings;
use crate::input::TextId;

/// A further cry of the same alarm is told to the same phone no sooner than this.
const AGAIN: Duration = Duration::from_secs(60);
/// A cry is sent so often to a phone that the network cannot reach.
const CRY_TRIES: u8 = 3;
/// The end of an alarm is tried so often; it is good news, and the alarm itself was told.
const END_TRIES: u8 = 3;

/// One alarm, and who was told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Story {
    pub(super) what: String,
    pub(super) building: Option<String>,
    class: Class,
    pub(super) mode: Mode,
    /// None while the clock could not be trusted.
    pub(super) raised_at: Option<Timestamp>,
    pub(super) occurrence: u32,
    /// The source is normal, since then.
    pub(super) is_over: bool,
    pub(super) over_at: Option<Timestamp>,
    /// By account id.
    pub(super) told: BTreeMap<Id, Told>,
    /// How long it had waited unheard when this was kept.
    waited_s: u64,
    /// Who may have been told: the modem never said what became of the text.
    #[serde(skip)]
    unsure: BTreeSet<Id>,
    #[serde(skip)]
    unheard_since: Option<Instant>,
    #[serde(skip)]
    pub(super) is_open: bool,
}

/// What one phone knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    occurrence: u32,
    pub(super) knows_end: bool,
    /// The network had taken the text and could not deliver it, so often.
    #[serde(default)]
    lost: u8,
    /// So it was with the last one, and it is sent again.
    #[serde(default)]
    is_lost: bool,
    #[serde(skip)]
    end_tries: u8,
    #[serde(skip)]
    pub(super) last: Instant,
    /// The last text.
    #[serde(skip)]
    text: TextId,
}

/// All stories with what is not kept over a restart.
pub(super) mod snapshot {
    use alloc::vec::Vec;

    use serde::{Deserializer, Serializer};
    use shouwang_message::AlarmId;

    use super::*;

    type OfTold = (u8, Instant, TextId);
    type Whole = (AlarmId, Story, BTreeSet<Id>, Option<Instant>, bool, Vec<OfTold>);

    pub(in super::super) fn serialize<S: Serializer>(
        stories: &BTreeMap<AlarmId, Story>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(stories.iter().map(|(id, story)| {
            let told: Vec<OfTold> =
                story.told.values().map(|told| (told.end_tries, told.last, told.text)).collect();
            (id, story, &story.unsure, story.unheard_since, story.is_open, told)
        }))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<AlarmId, Story>, D::Error> {
        let read = Vec::<Whole>::deserialize(from)?;
        let whole = read.into_iter().map(|(id, story, unsure, unheard_since, is_open, steady)| {
            let mut story = Story { unsure, unheard_since, is_open, ..story };
            for (told, (end_tries, last, text)) in story.told.values_mut().zip(steady) {
                (told.end_tries, told.last, told.text) = (end_tries, last, text);
            }
            (id, story)
        });
        Ok(whole.collect())
    }
}

impl Story {
    pub(super) fn of(document: &AlarmDocument) -> Self {
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
            unsure: BTreeSet::new(),
            unheard_since: None,
            is_open: true,
        }
    }

    /// After a restart. Who has no phone any more is told nothing more; true if somebody was such a one.
    pub(super) fn resume(&mut self, now: Instant, phones: &[PhoneSettings]) -> bool {
        let known = self.told.len();
        self.told.retain(|person, _| phones.iter().any(|phone| phone.person == *person));
        for told in self.told.values_mut() {
            told.last = now;
        }
        known != self.told.len()
    }

    /// True if it must be kept anew.
    pub(super) fn take(&mut self, now: Instant, seen: Seen<'_>) -> bool {
        let document = seen.document;
        self.is_open = true;
        self.mode = document.mode;
        self.occurrence = document.occurrence;
        if !seen.wants_people || seen.is_heard {
            self.no_longer_waits();
        } else {
            self.unheard_since.get_or_insert(now);
        }
        let was_over = self.is_over;
        self.is_over = !document.active;
        self.over_at = document.cleared_at.filter(|_| self.is_over && document.clock != Clock::Unset);
        was_over != self.is_over && !self.told.is_empty()
    }

    /// What is finished cries no more, however fast that went.
    pub(super) fn finish(&mut self) {
        self.no_longer_waits();
        self.is_over = true;
    }

    /// As it is kept.
    pub(super) fn kept(&self, now: Instant) -> Self {
        Self { waited_s: self.waited(now).as_secs(), ..self.clone() }
    }

    pub(super) fn cry_is_due(&self, now: Instant, phone: &PhoneSettings) -> bool {
        let is_news = match self.told.get(&phone.person) {
            None => true,
            Some(told) => {
                told.is_lost || (told.occurrence < self.occurrence && now.since(told.last) >= AGAIN)
            }
        };
        is_news && self.unheard_since.is_some() && phone.wants(self.class) && self.waited(now) >= phone.after
    }

    pub(super) fn end_is_due(&self, person: &Id) -> bool {
        self.is_over && self.told.get(person).is_some_and(|told| !told.knows_end)
    }

    /// No text of it has left for this person yet.
    pub(super) fn is_new_to(&self, person: &Id) -> bool {
        !self.told.contains_key(person) && !self.unsure.contains(person)
    }

    /// The network took a text with this cry.
    pub(super) fn was_told(
        &mut self,
        now: Instant,
        person: &Id,
        occurrence: u32,
        knows_end: bool,
        text: TextId,
    ) {
        let before = self.told.get(person).filter(|told| told.occurrence == occurrence);
        let lost = before.map_or(0, |told| told.lost);
        let told = Told { occurrence, knows_end, lost, is_lost: false, end_tries: 0, last: now, text };
        self.told.insert(person.clone(), told);
    }

    /// A text with a cry that may have left, or not.
    pub(super) fn may_be_told(&mut self, person: &Id) {
        self.unsure.insert(person.clone());
    }

    /// The network could not deliver this text; false if another was sent since.
    pub(super) fn was_lost(&mut self, person: &Id, text: TextId) -> bool {
        let Some(told) = self.told.get_mut(person).filter(|told| told.text == text) else { return false };
        told.lost = told.lost.saturating_add(1);
        told.is_lost = told.lost < CRY_TRIES;
        true
    }

    /// A text with its end was not sent; true if that was the last try.
    pub(super) fn end_failed(&mut self, person: &Id) -> bool {
        let Some(told) = self.told.get_mut(person) else { return false };
        told.end_tries = told.end_tries.saturating_add(1);
        told.knows_end = told.end_tries >= END_TRIES;
        told.knows_end
    }

    /// What else must be said of it.
    pub(super) fn note(&self) -> String {
        let again = if self.occurrence > 1 { format!("(第{}次)", self.occurrence) } else { String::new() };
        if self.is_over { format!("{again}(已恢复)") } else { again }
    }

    fn waited(&self, now: Instant) -> Duration {
        let waited = self.unheard_since.map_or(Duration::ZERO, |since| now.since(since));
        waited + Duration::from_secs(self.waited_s)
    }

    fn no_longer_waits(&mut self) {
        (self.unheard_since, self.waited_s) = (None, 0);
    }
}
