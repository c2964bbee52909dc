//! What somebody answers by SMS: "1" acknowledges, as that person, what their phone was told last, or says that who
//! was sent knows it, or that who was asked goes. Everything else is a line of the logbook.
use alloc::string::{String, ToString};

use shouwang_message::{AlarmId, Id, Instant, Timestamp};

use crate::board::Board;
use crate::case::{CaseAsked, CaseStep};
use crate::escalation::Reach;
use crate::ladder::{Became, Delivery, Purpose};
use crate::logbook::LogLine;
use crate::notice::masked_phone;
use crate::trust::shown;
use crate::{Asked, Outcome, Request};

/// The network's clock and ours may differ by so much.
const CLOCKS_DIFFER_MS: i64 = 120_000;
/// Nobody waits for the answer to what came by SMS.
const NO_TICKET: u64 = 0;

impl Board {
    pub(crate) fn replied(&mut self, now: Instant, phone: &str, text: &str, sent_at: Option<Timestamp>) {
        if self.heard_itself(now, phone, text) {
            return;
        }
        let masked = masked_phone(&shown(phone));
        let from = alloc::format!("sms {masked}");
        let Some(person) = self.settings.organisation.by_phone(phone).map(|person| person.id.clone()) else {
            return self.log_reply(&masked, from, None, "unknown number", text);
        };
        let by = person.to_string();
        // The digit, on a Chinese keyboard too.
        if !matches!(text.trim(), "1" | "\u{ff11}") {
            return self.log_reply(&by, from, None, "no answer that is understood", text);
        }
        let Some((id, cry, purpose)) = self.told_last(&person, sent_at) else {
            return self.log_reply(&by, from, None, "nothing was told to this number", text);
        };
        let refused = match purpose {
            Purpose::Dispatch => self.receive_by_reply(id, &person, &from),
            Purpose::Ask => self.claim_by_reply(id, &person, &from),
            Purpose::Step | Purpose::Recovered | Purpose::Supervise => {
                self.acknowledge_by_reply(now, id, cry, &person, &from)
            }
        };
        if let Some(why) = refused {
            self.log_reply(&by, from, Some(id), why, text);
        }
    }

    /// Through the same door as a click on a page; why not, if it cannot be.
    fn acknowledge_by_reply(
        &mut self,
        now: Instant,
        alarm: AlarmId,
        cry: u32,
        person: &Id,
        from: &str,
    ) -> Option<&'static str> {
        let (by, from) = (person.to_string(), from.to_string());
        let (occurrence, request) = (Some(cry), Request::Acknowledge);
        let asked = Asked { alarm, by, from, reason: None, occurrence, request };
        match self.accept(now, NO_TICKET, asked) {
            Ok(()) | Err(Outcome::Taken { .. }) => None,
            Err(Outcome::AlreadyAcknowledged { .. }) => Some("already_acknowledged"),
            Err(Outcome::Refused { code, .. }) => Some(code),
            Err(_) => Some("unknown_alarm"),
        }
    }

    /// 我去.
    fn claim_by_reply(&mut self, case: AlarmId, person: &Id, from: &str) -> Option<&'static str> {
        let Some(name) = self.asked_as(case, core::slice::from_ref(person)) else { return Some("not_asked") };
        self.step_by_reply(case, person, from, CaseStep::Claim { person: Some(name) }, "already_going")
    }

    fn receive_by_reply(&mut self, case: AlarmId, person: &Id, from: &str) -> Option<&'static str> {
        let known = self.settings.organisation.person(person)?;
        let sent = self.cases.get(&case).and_then(|case| case.sent_as(&known.name, person.as_str()));
        let Some(name) = sent.map(ToString::to_string) else { return Some("not_dispatched") };
        self.step_by_reply(case, person, from, CaseStep::Receive { person: Some(name) }, "already_received")
    }

    fn step_by_reply(
        &mut self,
        case: AlarmId,
        person: &Id,
        from: &str,
        step: CaseStep,
        already: &'static str,
    ) -> Option<&'static str> {
        let asked = CaseAsked {
            case,
            by: person.to_string(),
            from: from.to_string(),
            note: None,
            call_back: None,
            occurrence: None,
            step,
        };
        match self.step(NO_TICKET, &asked) {
            Ok(()) => None,
            Err(Outcome::CaseAlready { .. }) => Some(already),
            Err(Outcome::Refused { code, .. }) => Some(code),
            Err(_) => Some("unknown_case"),
        }
    }

    /// What this person's phone was told last before they answered, good news aside. An answer that the network held
    /// back must not acknowledge what its sender has not seen: the one wall-clock decision here, and what it refuses
    /// goes on climbing.
    fn told_last(&self, person: &Id, sent_at: Option<Timestamp>) -> Option<(AlarmId, u32, Purpose)> {
        let latest = sent_at.map(|at| Timestamp::from_unix_ms(at.unix_ms() + CLOCKS_DIFFER_MS));
        let by_phone = |delivery: &Delivery| {
            let reach = self.settings.escalation.channels.get(&delivery.channel);
            delivery.purpose != Purpose::Recovered
                && !matches!(delivery.result, Became::Failed { .. })
                && matches!(reach, Some(Reach::Person { .. }))
                && delivery.persons.contains(person)
                && latest.is_none_or(|latest| delivery.at <= latest)
        };
        let told = self.outreach.ladders.iter().flat_map(|(id, ladder)| {
            ladder.deliveries.iter().filter(|delivery| by_phone(delivery)).map(|delivery| (*id, delivery))
        });
        let (id, last) = told.max_by_key(|(id, delivery)| (delivery.at, *id))?;
        Some((id, last.cry, last.purpose))
    }

    fn log_reply(&mut self, by: &str, from: String, about: Option<AlarmId>, what: &str, text: &str) {
        self.log.push(LogLine {
            at: self.wall,
            by: by.to_string(),
            from,
            what: "sms.reply".into(),
            about: about.map(|id| id.to_string()),
            old: None,
            new: Some(what.into()),
            note: Some(shown(text)),
        });
    }
}
