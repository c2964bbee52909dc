//! The modem's part: texts go out when no duty room hears, answers come back, and a modem that fails is a fault.
//!
//! What is told waits for no disk: a text is for when little else works. That it was told is kept afterwards, so
//! a restart in between tells it twice rather than never.
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    AlarmId, Clock, CommandName, CommandRecord, EventData, Instant, Priority, Text, Timestamp, from_bytes,
    to_bytes,
};

use super::Engine;
use super::faults::gateway_words;
use super::outputs::wants_people;
use crate::alarm::Refusal;
use crate::configuration::PhoneIndex;
use crate::fault::Source;
use crate::input::{ModemTrouble, TextId};
use crate::output::Output;
use crate::texting::{Seen, Story};

/// A modem that starts, or looks for its network, is given this long.
const MODEM_PATIENCE: Duration = Duration::from_secs(60);
/// Characters of an answer that are written down.
const ANSWER_CHARS: usize = 64;

/// What is known of the modem.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Modem {
    trouble: Option<Troubled>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Troubled {
    trouble: ModemTrouble,
    /// Of this kind or another: one trouble after the other is no new beginning.
    since: Instant,
    /// Of this kind.
    changed_at: Instant,
}

impl Engine {
    /// What should be texted now, and whether the modem is well.
    pub(super) fn supervise_texts(&mut self, now: Instant) {
        let configuration = self.configuration.clone();
        let Some(settings) = &configuration.sms else { return };
        let heard = self.outbox.heard_by_any();
        let open = self.alarms.iter().map(|alarm| Seen {
            document: &alarm.document,
            wants_people: wants_people(&alarm.document),
            is_heard: heard >= alarm.cry,
        });
        self.texting.look(now, open);
        // What a modem cannot send now is told as it is then.
        let can_send = self.modem.trouble.as_ref().is_none_or(|troubled| troubled.trouble.sends);
        if self.stopping.is_none()
            && can_send
            && let Some(order) = self.texting.next(now, self.wall.timestamp(now), settings)
        {
            let rings = settings.rings && order.is_cry;
            let (text, phone, words) = (order.text, order.phone, order.words);
            self.outputs.push_back(Output::Text { text, phone, words, rings });
        }
        for (alarm, story) in self.texting.take_changes(now) {
            self.stage.keep(now, text_key(alarm), story.map(|story| to_bytes(&story)));
        }
        for (person, named) in self.texting.take_named() {
            self.stage.keep(now, format!("named/{person}"), Some(to_bytes(&named)));
        }
        self.settle_modem(now);
    }

    pub(super) fn text_sent(&mut self, now: Instant, text: TextId) {
        let at = self.wall.timestamp(now);
        if let Some((person, alarms)) = self.texting.was_sent(now, text) {
            for id in alarms {
                let Some(alarm) = self.alarms.get_mut(id) else { continue };
                alarm.was_texted(&person, at);
                self.changed_untold(now, id);
            }
        }
        self.supervise_texts(now);
    }

    pub(super) fn text_failed(&mut self, now: Instant, text: TextId, why: Text, may_have_left: bool) {
        self.texting.failed(now, text, why, may_have_left);
        self.supervise_texts(now);
    }

    pub(super) fn text_delivered(&mut self, now: Instant, text: TextId) {
        self.texting.was_delivered(text);
        self.supervise_texts(now);
    }

    pub(super) fn text_undelivered(&mut self, now: Instant, text: TextId, why: Text) {
        if let Some((person, alarms)) = self.texting.was_lost(now, text, why) {
            for id in alarms {
                let Some(alarm) = self.alarms.get_mut(id) else { continue };
                if alarm.was_not_texted(&person) {
                    self.changed_untold(now, id);
                }
            }
        }
        self.supervise_texts(now);
    }

    pub(super) fn modem_found(&mut self, now: Instant, trouble: Option<ModemTrouble>) {
        if trouble.is_none() {
            self.texting.modem_is_well();
        }
        let since = self.modem.trouble.as_ref().map_or(now, |troubled| troubled.since);
        self.modem.trouble = trouble.map(|trouble| Troubled { trouble, since, changed_at: now });
        self.supervise_texts(now);
    }

    /// "1" acknowledges, as that person, what their phone was told last. Whatever else they say is on record.
    pub(super) fn replied(
        &mut self,
        now: Instant,
        phone: PhoneIndex,
        words: &str,
        sent_at: Option<Timestamp>,
    ) {
        let configuration = self.configuration.clone();
        let phone = configuration.sms.as_ref().and_then(|sms| sms.phones.get(phone));
        let Some(person) = phone.map(|phone| &phone.person) else { return };
        // The digit, on a Chinese keyboard too.
        if !matches!(words.trim(), "1" | "\u{ff11}") {
            return self.record_answer(now, person.as_str(), None, words, Err("not_understood"));
        }
        // An answer's time is compared only while our own clock can be trusted.
        let sent_at = sent_at.filter(|_| self.wall.clock() == Clock::Synced);
        let told = self.texting.told_last(now, self.wall.timestamp(now), person, sent_at);
        if told.is_empty() {
            return self.record_answer(now, person.as_str(), None, words, Err("nothing_told"));
        }
        for (id, cry) in told {
            let answer = match self.alarms.get(id) {
                None => Err(Refusal::UnknownAlarm.code()),
                Some(alarm) if cry < alarm.document.occurrence => Err(Refusal::NewerCry.code()),
                Some(_) => Ok(()),
            };
            if answer.is_ok() {
                let at = self.wall.timestamp(now);
                self.acknowledge(now, id, person.as_str(), at);
            }
            self.record_answer(now, person.as_str(), Some(id), words, answer);
        }
        // The siren too has been answered.
        self.supervise_outputs(now);
    }

    pub(super) fn restore_text(&mut self, now: Instant, key: &str, id: &str, value: &[u8]) {
        let configuration = self.configuration.clone();
        match (id.parse(), from_bytes::<Story>(value), &configuration.sms) {
            (Ok(id), Ok(story), Some(settings)) => self.texting.restore(now, id, story, settings),
            _ => self.stage.keep(now, key.to_string(), None),
        }
    }

    /// What a person's last texts named, if they still have a phone.
    pub(super) fn restore_named(&mut self, now: Instant, key: &str, person: &str, value: &[u8]) {
        let sms = self.configuration.sms.as_ref();
        let phone = sms.and_then(|sms| sms.phones.iter().find(|phone| phone.person.as_str() == person));
        match (phone.map(|phone| phone.person.clone()), from_bytes(value)) {
            (Some(person), Ok(named)) => self.texting.restore_named(person, named),
            _ => self.stage.keep(now, key.to_string(), None),
        }
    }

    /// As a command is written down, which it is: by whom, to what, and what became of it.
    fn record_answer(
        &mut self,
        now: Instant,
        by: &str,
        alarm: Option<AlarmId>,
        words: &str,
        answer: Result<(), &'static str>,
    ) {
        let said: String = words.chars().filter(|c| !c.is_control()).take(ANSWER_CHARS).collect();
        let record = CommandRecord {
            name: CommandName::Acknowledge,
            txn: format!("sms-{}", self.new_id(now)),
            by: by.to_string(),
            at: self.wall.timestamp(now),
            ok: answer.is_ok(),
            code: answer.err().map(ToString::to_string),
            reason: Some(format!("SMS: {said}")),
        };
        let subject = alarm.map_or_else(|| self.configuration.gateway.to_string(), |id| id.to_string());
        self.tell(now, subject, EventData::Command(record));
    }

    fn settle_modem(&mut self, now: Instant) {
        let is_open = self.faults.is_open(&Source::Modem);
        let troubled = self.modem.trouble.as_ref();
        if is_open && troubled.is_some_and(|troubled| now.since(troubled.changed_at) < MODEM_PATIENCE) {
            // It may be on its way from one trouble to another, or to none.
            return;
        }
        let long = troubled.filter(|troubled| is_open || now.since(troubled.since) >= MODEM_PATIENCE);
        let not_reached = self.texting.not_reached(now);
        let words = match (long, not_reached) {
            (Some(Troubled { trouble, .. }), None) if trouble.sends && !self.texting.waits_for_room() => {
                Some((trouble.text.clone(), Priority::Ordinary))
            }
            (Some(Troubled { trouble, .. }), _) if !trouble.sends => {
                Some((trouble.text.clone(), Priority::Urgent))
            }
            (_, Some((person, why))) => {
                let zh = format!("网关短信发不到 {person}:{}", why.zh);
                let en = format!("The gateway's texts do not reach {person}: {}", why.en);
                Some((Text::new(zh, en), Priority::Urgent))
            }
            _ if self.texting.waits_for_room() => Some((
                Text::new(
                    "网关短信已达每小时上限,有新的紧急报警在等",
                    "The gateway has sent as many texts as it may in an hour: a new emergency waits",
                ),
                Priority::Urgent,
            )),
            _ => None,
        };
        self.settle_fault(now, Source::Modem, words.is_some(), || {
            let (text, priority) = words.unwrap_or((Text::default(), Priority::Urgent));
            gateway_words("sms", &text.zh, &text.en, priority)
        });
    }
}

fn text_key(alarm: AlarmId) -> String {
    format!("text/{alarm}")
}
