//! What a case has to say outside the room besides its alarm: 督办 to whoever leads, and 谁能去? to everybody it asks.
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{AlarmId, Id, Instant, Priority};

use super::Subject;
use crate::board::Board;
use crate::escalation::Step;
use crate::ladder::{Ladder, Purpose};
use crate::notice::Recipient;

/// 督办 of so many cases is told one by one in this time; of more the next word says how many they are.
const ONE_BY_ONE: usize = 4;
const WITHIN: Duration = Duration::from_secs(900);
/// Of those who are asked by one case, so many tellings wait for their result at a time.
const ASKED_AT_ONCE: usize = 32;

/// When 督办 was told, and of how many cases it was not told by itself.
#[derive(Debug, Default)]
pub(crate) struct Supervisions {
    told: VecDeque<Instant>,
    others: usize,
}

impl Board {
    /// Whether its case has something to say that was not said yet.
    pub(super) fn owes_word(&self, id: AlarmId, ladder: Option<&Ladder>) -> bool {
        let Some(case) = self.cases.get(&id).filter(|case| !case.is_concluded()) else { return false };
        let (supervised, asked) = ladder.map_or((0, 0), |ladder| (ladder.supervised, ladder.asked));
        let asks = case.broadcast.as_ref().is_some_and(|task| task.asked.len() > asked);
        (case.supervised.len() > supervised && self.supervisors().is_some())
            || (asks && !self.settings.escalation.dispatch.is_empty())
    }

    /// Somebody is still to be asked, and no result is awaited that would bring us back to it.
    pub(super) fn asks_later(&self, id: AlarmId, ladder: &Ladder) -> bool {
        let task = self.cases.get(&id).and_then(|case| case.broadcast.as_ref());
        ladder.awaited() == 0
            && !self.settings.escalation.dispatch.is_empty()
            && task.is_some_and(|task| task.asked.len() > ladder.asked)
    }

    fn supervisors(&self) -> Option<&Step> {
        self.settings.escalation.supervise.as_ref()
    }

    /// A case is overdue since the last look: whoever leads is told, of what is no emergency in the morning. True if
    /// that is news.
    pub(super) fn see_supervision(
        &mut self,
        now: Instant,
        id: AlarmId,
        ladder: &mut Ladder,
        about: &Subject,
    ) -> bool {
        let case = self.cases.get(&id).filter(|case| !case.is_concluded());
        let count = case.map_or(0, |case| case.supervised.len());
        let waits = self.settings.night.is_night(self.wall) && about.alarm.priority != Priority::Emergency;
        if count <= ladder.supervised || waits {
            // Of a case that began anew, the next one is told again.
            let before = ladder.supervised;
            ladder.supervised = count.min(before);
            return before > count;
        }
        ladder.supervised = count;
        let Some(step) = self.supervisors().cloned() else { return true };
        let told = &mut self.outreach.supervisions.told;
        while told.front().is_some_and(|at| *at + WITHIN <= now) {
            told.pop_front();
        }
        if told.len() >= ONE_BY_ONE && about.alarm.priority != Priority::Emergency {
            self.outreach.supervisions.others += 1;
            self.log_escalation(id, "supervise.joined", "told as one of several");
            return true;
        }
        told.push_back(now);
        if told.len() > ONE_BY_ONE {
            told.pop_front();
        }
        let meant = self.settings.organisation.meant(&step.to, &about.alarm, self.wall);
        let meant: Vec<Recipient> = meant.into_iter().map(Into::into).collect();
        let at = ladder.next.saturating_sub(1);
        for channel in &step.channels {
            self.tell_by(now, ladder, about, channel, &meant, (Purpose::Supervise, at));
        }
        self.outreach.supervisions.others = 0;
        true
    }

    /// How many further cases a word of this purpose is for.
    pub(super) fn others_for(&self, purpose: Purpose) -> usize {
        if purpose == Purpose::Supervise { self.outreach.supervisions.others } else { 0 }
    }

    /// Everybody who is asked is told so once, in the order in which they were named, until enough go. True if that
    /// is news.
    pub(super) fn see_who_is_asked(
        &mut self,
        now: Instant,
        id: AlarmId,
        ladder: &mut Ladder,
        about: &Subject,
    ) -> bool {
        let before = ladder.asked;
        let channels = self.settings.escalation.dispatch.clone();
        loop {
            let case = self.cases.get(&id).filter(|case| !case.is_concluded());
            let Some(task) = case.and_then(|case| case.broadcast.as_ref()) else {
                ladder.asked = 0;
                break;
            };
            let Some(helper) = task.asked.get(ladder.asked).filter(|_| !channels.is_empty()) else { break };
            let is_enough = task.is_full();
            if ladder.awaited() >= ASKED_AT_ONCE || !self.has_hands_for(about.alarm.priority) {
                break;
            }
            ladder.asked += 1;
            let person =
                self.settings.organisation.named(&helper.name).filter(|person| person.phone.is_some());
            let person = person.filter(|_| !is_enough).map(Recipient::from);
            for channel in person.iter().flat_map(|_| &channels) {
                let step = ladder.next.saturating_sub(1);
                self.tell_by(now, ladder, about, channel, person.as_slice(), (Purpose::Ask, step));
            }
        }
        ladder.asked != before
    }

    /// The name under which the case asks this person.
    pub(crate) fn asked_as(&self, id: AlarmId, persons: &[Id]) -> Option<String> {
        let person = self.settings.organisation.person(persons.first()?)?;
        let task = self.cases.get(&id)?.broadcast.as_ref()?;
        let mut names = task.asked.iter().map(|helper| &helper.name);
        names.find(|name| **name == person.name || **name == person.id.as_str()).cloned()
    }
}
