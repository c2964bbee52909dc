//! Telling people outside the room: which alarm climbs, what is due, who is meant, and what came of it. Telling
//! waits for no disk: a step goes out at once, and is known as done when its result is kept.
mod channels;
mod dispatch;
mod outreach;
mod urging;

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Value, json};
use shouwang_message::{AlarmDocument, AlarmId, Id, Instant, Priority, Text, Timestamp};

use crate::board::Board;
use crate::case::{Case, CaseState};
use crate::escalation::{Reach, Step};
use crate::ladder::{Became, DELIVERIES, Delivery, Due, Facts, Ladder, Purpose};
use crate::logbook::LogLine;
use crate::notice::{Notice, Recipient};
use crate::row::{Row, RowKind};
use crate::trust::shown;
use crate::wording::Story;
use crate::{bounds, kept};

pub(crate) use outreach::Outreach;

/// A telling without a result for so long counts as failed.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);
/// With the hands full, what is due waits this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A kept ladder whose alarm is not known after so long belongs to an alarm that is gone.
const ORPHANED_AFTER: Duration = Duration::from_secs(600);
/// Things that one alarm gets done in one turn at most.
const AT_ONCE: usize = 64;

/// What people are told about.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) alarm: AlarmDocument,
    /// It is this room that needs a person: [`crate::leading`].
    pub(crate) is_room: bool,
}

impl Board {
    pub(crate) fn remember_ladder(&mut self, now: Instant, id: AlarmId, ladder: Ladder) {
        let mut ladder = ladder.restored(now, self.wall);
        ladder.waits_until = Some(now + ORPHANED_AFTER);
        self.outreach.ladders.insert(id, ladder);
        self.outreach.touch(id);
    }

    /// After a restart every alarm is looked at: one that was never told is told now.
    pub(crate) fn look_at_every_alarm(&mut self) {
        self.outreach
            .touched
            .extend(self.rows.values().filter(|row| row.kind == RowKind::Alarm).map(Row::id));
    }

    /// Lets everybody climb who is due, or of whom there is news.
    pub(crate) fn look_at_ladders(&mut self, now: Instant) {
        self.give_up_silent_channels(now);
        let mut looked_at = BTreeSet::new();
        loop {
            let mut ids = core::mem::take(&mut self.outreach.touched);
            ids.extend(self.outreach.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id));
            ids.retain(|id| looked_at.insert(*id));
            if ids.is_empty() {
                return;
            }
            for id in ids {
                self.look_at_ladder(now, id);
            }
        }
    }

    fn look_at_ladder(&mut self, now: Instant, id: AlarmId) {
        let known = self.outreach.take(id);
        let Some((facts, about)) = self.facts(now, id) else {
            return self.leave_ladder(now, id, known);
        };
        let Some((mut ladder, is_new)) = self.ladder_for(now, known, &facts, &about) else { return };
        ladder.waits_until = None;
        let mut changed = ladder.learn(now, &facts) || is_new;
        changed |= self.see_who_is_sent(now, id, &mut ladder, &about);
        changed |= self.see_supervision(now, id, &mut ladder, &about);
        changed |= self.see_who_is_asked(now, id, &mut ladder, &about);
        let mut next = now + LOOK_AGAIN;
        // That nobody watches is why the leader is called, and no reason to hurry past the leader.
        let nobody_watches = self.guard.is_unheard(now) && !about.is_room;
        for _ in 0..AT_ONCE {
            if !self.has_hands_for(facts.priority) {
                break;
            }
            let steps = self.steps_of(about.is_room, facts.priority);
            match ladder.due(now, &facts, steps, nobody_watches) {
                Err(at) => {
                    next = at;
                    break;
                }
                Ok(due) => self.carry_up(now, id, &mut ladder, &about, due),
            }
            changed = true;
        }
        if changed {
            self.keep_ladder(now, id, &mut ladder);
        }
        if self.asks_later(id, &ladder) {
            next = next.min(now + LOOK_AGAIN);
        }
        let is_over = facts.is_finished && !self.rows.contains_key(&id);
        if is_over && next == Instant::NEVER && !self.owes_word(id, Some(&ladder)) {
            return self.leave_ladder(now, id, Some(ladder));
        }
        let steps = self.steps_of(about.is_room, facts.priority);
        ladder.next_at = ladder.next_step_at(now, steps).map(|at| {
            let in_ms = i64::try_from(at.since(now).as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_unix_ms(self.wall.unix_ms().saturating_add(in_ms))
        });
        self.outreach.put(id, ladder, next);
    }

    /// The alarm's ladder, a new one if it needs one and has none.
    fn ladder_for(
        &mut self,
        now: Instant,
        known: Option<Ladder>,
        facts: &Facts,
        about: &Subject,
    ) -> Option<(Ladder, bool)> {
        let id = about.alarm.id;
        if let Some(ladder) = known {
            return Some((ladder, false));
        }
        let room = about.is_room.then_some(about.alarm.condition.as_str());
        if let Some(before) = room.and_then(|room| self.ladder_of_before(room)) {
            return Some((before, true));
        }
        let has_steps = !self.steps_of(about.is_room, facts.priority).is_empty();
        let is_sent = !self.settings.organisation.responders.is_empty()
            && self.cases.get(&id).is_some_and(|case| case.awaited().is_some());
        let is_owed = is_sent || self.owes_word(id, None);
        if !is_owed && (facts.is_finished || facts.is_quiet || !has_steps) {
            return None;
        }
        if self.outreach.ladders.len() >= bounds::LADDERS {
            let own = self.own_name();
            let text = Text::new("需外呼的报警超过上限", "More alarms to tell people about than fit");
            self.gap(&own, "alarms_not_told", 1, text);
            return None;
        }
        let mut ladder = Ladder::new(now, facts);
        ladder.room = room.map(Into::into);
        Some((ladder, true))
    }

    fn facts(&self, now: Instant, id: AlarmId) -> Option<(Facts, Subject)> {
        let Some(row) = self.find(id) else { return self.facts_of_case(id) };
        let Some(document) = row.alarm_document() else { return self.facts_of_room(row) };
        let case = self.cases.get(&id);
        let catches_up_until = self.gateways.get(&row.whom()).map(|gateway| gateway.catches_up_until);
        let state = self.case_words(row).0;
        let may_be_over =
            row.on_topic < document.revision && catches_up_until.is_some_and(|until| now < until);
        let facts = Facts {
            cry: document.occurrence,
            priority: document.priority,
            is_active: document.active,
            is_acknowledged: self.is_acknowledged(row),
            is_finished: row.finished,
            is_quiet: document.shelved.is_some()
                || document.suppressed.is_some()
                || document.out_of_service.is_some(),
            case_steps: case.map_or(0, Case::moves),
            may_be_over,
            not_before: Instant::default(),
            is_cared_for: state >= CaseState::OnSite,
        };
        Some((facts, Subject { alarm: document.clone(), is_room: false }))
    }

    /// A case that stands longer than its alarm's row is remembered.
    fn facts_of_case(&self, id: AlarmId) -> Option<(Facts, Subject)> {
        let case = self.cases.get(&id)?;
        let facts = Facts {
            cry: case.occurrence,
            priority: case.about.priority,
            is_active: false,
            is_acknowledged: true,
            is_finished: true,
            is_quiet: false,
            case_steps: case.moves(),
            may_be_over: false,
            not_before: Instant::default(),
            is_cared_for: true,
        };
        Some((facts, Subject { alarm: case.alarm(), is_room: false }))
    }

    /// The steps for an alarm of this priority, or for this room's own trouble.
    pub(crate) fn steps_of(&self, is_room: bool, priority: Priority) -> &[Step] {
        if is_room { &self.settings.escalation.watch } else { self.settings.escalation.steps(priority) }
    }

    /// Emergencies always find a hand, as far as the bound goes; the rest leaves them a quarter.
    fn has_hands_for(&self, priority: Priority) -> bool {
        let most = if priority == Priority::Emergency { bounds::NOTICES } else { bounds::NOTICES / 4 * 3 };
        self.outreach.telling.len() < most
    }

    fn carry_up(&mut self, now: Instant, id: AlarmId, ladder: &mut Ladder, about: &Subject, due: Due) {
        match due {
            Due::Step(step) => {
                ladder.take(step, self.steps_of(about.is_room, about.alarm.priority));
                self.take_step(now, id, ladder, about, step);
            }
            Due::Recovered => {
                ladder.is_recovery_told = true;
                self.tell_recovery(now, ladder, about);
            }
            Due::Urge => {
                ladder.urge(now, self.steps_of(about.is_room, about.alarm.priority));
                self.log_escalation(id, "escalation.urged", "催办: no step of the case for 300 s");
            }
            Due::NextResponder => self.send_next(now, id, ladder, about),
            Due::Again(place) => self.tell_again(now, ladder, about, place),
        }
    }

    fn take_step(&mut self, now: Instant, id: AlarmId, ladder: &mut Ladder, about: &Subject, step: u32) {
        let steps = self.steps_of(about.is_room, about.alarm.priority);
        let Some(rung) = steps.get(step as usize).cloned() else { return };
        let meant = self.settings.organisation.meant(&rung.to, &about.alarm, self.wall);
        let meant: Vec<Recipient> = meant.into_iter().take(bounds::RECIPIENTS).map(Into::into).collect();
        if about.is_room && step == 0 {
            // The next step counts from here, however long this one was held back.
            ladder.starts_now(now);
            self.leader_is_told(now, &about.alarm.condition);
        }
        self.log_escalation(
            id,
            "escalation.step",
            &alloc::format!("step {step}, {} s", rung.after.as_secs()),
        );
        for channel in &rung.channels {
            self.tell_by(now, ladder, about, channel, &meant, (Purpose::Step, step));
        }
    }

    /// One notice to a group, one to each person's phone.
    fn tell_by(
        &mut self,
        now: Instant,
        ladder: &mut Ladder,
        about: &Subject,
        channel: &Id,
        meant: &[Recipient],
        (purpose, step): (Purpose, u32),
    ) {
        let reach = self.settings.escalation.channels.get(channel).copied().unwrap_or(Reach::Group);
        let each: Vec<Vec<Recipient>> = match reach {
            Reach::Group => [meant.to_vec()].into(),
            Reach::Person { .. } => {
                let reachable = meant.iter().filter(|person| person.phone.is_some());
                reachable.map(|person| [person.clone()].into()).collect()
            }
        };
        if each.is_empty() {
            let mut delivery = Delivery::new(ladder, channel.clone(), purpose, step, self.wall);
            let text = "no person with a phone is meant here".to_string();
            delivery.result = Became::Failed { code: "nobody".into(), text };
            self.log_delivery(about.alarm.id, &delivery);
            ladder.remember(delivery);
        }
        for to in each {
            let mut delivery = Delivery::new(ladder, channel.clone(), purpose, step, self.wall);
            delivery.others = self.others_for(purpose);
            delivery.to = to.iter().map(|person| person.name.as_str()).collect::<Vec<_>>().join("、");
            delivery.persons = to.iter().map(|person| person.person.clone()).collect();
            self.tell(now, ladder, about, &mut delivery, to);
            ladder.remember(delivery);
        }
    }

    fn tell_recovery(&mut self, now: Instant, ladder: &mut Ladder, about: &Subject) {
        let mut told: Vec<(Id, Vec<Id>, String, u32)> = Vec::new();
        for delivery in ladder.told() {
            if !told.iter().any(|(channel, to, ..)| *channel == delivery.channel && *to == delivery.persons) {
                let (to, name) = (delivery.persons.clone(), delivery.to.clone());
                told.push((delivery.channel.clone(), to, name, delivery.step));
            }
        }
        for (channel, persons, name, step) in told {
            let to = self.recipients(&persons);
            let mut delivery = Delivery::new(ladder, channel, Purpose::Recovered, step, self.wall);
            (delivery.to, delivery.persons) = (name, persons);
            self.tell(now, ladder, about, &mut delivery, to);
            ladder.remember(delivery);
        }
    }

    fn tell_again(&mut self, now: Instant, ladder: &mut Ladder, about: &Subject, place: usize) {
        let Some(mut delivery) = ladder.deliveries.get(place).cloned() else { return };
        delivery.again_at = None;
        if ladder.is_wanted(&delivery) {
            delivery.tries += 1;
            let to = self.recipients(&delivery.persons);
            self.tell(now, ladder, about, &mut delivery, to);
        } else if delivery.result == Became::Waiting {
            let text = "the duty room ended before its result was known".to_string();
            delivery.result = Became::Failed { code: "unknown".into(), text };
        }
        if let Some(known) = ladder.deliveries.get_mut(place) {
            *known = delivery;
        }
    }

    fn recipients(&self, persons: &[Id]) -> Vec<Recipient> {
        persons.iter().filter_map(|id| self.settings.organisation.person(id)).map(Into::into).collect()
    }

    fn tell(
        &mut self,
        now: Instant,
        ladder: &Ladder,
        about: &Subject,
        delivery: &mut Delivery,
        to: Vec<Recipient>,
    ) {
        let alarm = &about.alarm;
        let ticket = self.outreach.ticket_for(now, alarm.id, &delivery.channel);
        delivery.told(now, ticket);
        let reach = self.settings.escalation.channels.get(&delivery.channel);
        let story = Story {
            alarm,
            is_room: about.is_room,
            purpose: delivery.purpose,
            acknowledged_by: self.acknowledged_by(alarm),
            is_urged: ladder.is_urged && delivery.purpose == Purpose::Step,
            is_again: delivery.tries > 1,
            case: self.cases.get(&alarm.id),
            others: delivery.others,
            answers: matches!(reach, Some(Reach::Person { answers: true })),
        };
        let sent_as = match delivery.purpose {
            Purpose::Dispatch => ladder.sent.as_ref().map(|sent| sent.name.clone()),
            Purpose::Ask => self.asked_as(alarm.id, &delivery.persons),
            Purpose::Step | Purpose::Recovered | Purpose::Supervise => None,
        };
        let is_personal = matches!(reach, Some(Reach::Person { .. }));
        let mut notice = Notice {
            ticket,
            channel: delivery.channel.clone(),
            alarm: alarm.id,
            class: alarm.class,
            priority: alarm.priority,
            mode: alarm.mode,
            step: delivery.step,
            revision_words: String::new(),
            title: String::new(),
            place: String::new(),
            place_masked: String::new(),
            at: alarm.raised_at,
            lines: Vec::new(),
            short: String::new(),
            to,
            sent_as: sent_as.filter(|_| is_personal),
            way: None,
            building: alarm.place.building.as_deref().map(crate::trust::shown),
            recovered: delivery.purpose == Purpose::Recovered,
        };
        story.tell(&mut notice);
        self.log_delivery(alarm.id, delivery);
        self.out.push(crate::Output::Tell(notice));
        self.changed = true;
    }

    fn acknowledged_by(&self, alarm: &AlarmDocument) -> Option<String> {
        let by = self.acknowledger(alarm.id)?.by;
        let name = self.settings.organisation.named(&by).map(|person| person.name.clone());
        Some(name.unwrap_or(by))
    }

    /// Its alarm is over or unknown. What was told of it stays with its case.
    fn leave_ladder(&mut self, now: Instant, id: AlarmId, ladder: Option<Ladder>) {
        let Some(ladder) = ladder else { return };
        let wait_until = if ladder.awaits_results() { Some(now + LOOK_AGAIN) } else { ladder.waits_until };
        if let Some(at) = wait_until.filter(|at| *at > now && self.outreach.ladders.len() < bounds::LADDERS) {
            return self.outreach.put(id, ladder, at);
        }
        self.keep.push((kept::ladder(id), None));
        if !ladder.deliveries.is_empty() {
            self.leave_deliveries(id, ladder.deliveries);
        }
    }

    pub(crate) fn keep_ladder(&mut self, now: Instant, id: AlarmId, ladder: &mut Ladder) {
        let text = ladder.kept(now, self.wall);
        self.keep.push((kept::ladder(id), Some(text)));
    }

    fn log_escalation(&mut self, id: AlarmId, what: &str, new: &str) {
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: FROM.into(),
            what: what.into(),
            about: Some(id.to_string()),
            old: None,
            new: Some(new.into()),
            note: None,
        });
    }

    fn log_delivery(&mut self, id: AlarmId, delivery: &Delivery) {
        let whom = if delivery.to.is_empty() { String::new() } else { alloc::format!(" {}", delivery.to) };
        let new = alloc::format!("{}{whom}: {}", delivery.channel, delivery.result_words());
        let what = match delivery.purpose {
            Purpose::Step => "tell.step",
            Purpose::Recovered => "tell.recovered",
            Purpose::Dispatch => "tell.dispatch",
            Purpose::Supervise => "tell.supervise",
            Purpose::Ask => "tell.ask",
        };
        self.log_escalation(id, what, &new);
    }

    /// Everything told about this alarm, oldest first.
    ///
    /// Before all of it what its gateway texted by itself, while nobody heard it here.
    pub(crate) fn deliveries(&self, id: AlarmId, kept: &[Delivery]) -> Vec<Value> {
        let climbing = self.outreach.ladders.get(&id).map(|ladder| ladder.deliveries.as_slice());
        let document = self.rows.get(&id).and_then(Row::alarm_document);
        let texted = document.map(|document| document.texted.as_slice()).unwrap_or_default();
        let by_gateway = texted.iter().take(DELIVERIES).map(|texted| {
            let person = texted.to.parse().ok().and_then(|id| self.settings.organisation.person(&id));
            let to = shown(person.map_or(texted.to.as_str(), |person| person.name.as_str()));
            json!({"channel": "gateway-sms", "to": to, "step": 0, "purpose": "step", "at": texted.at,
                "result": "delivered", "code": null, "text": null})
        });
        by_gateway.chain(kept.iter().chain(climbing.unwrap_or_default()).map(Delivery::item)).collect()
    }

    /// How far up the ladder an alarm is, for its row: `{"step","of","next_at","urged"}`; none if it does not climb.
    pub(crate) fn escalation_item(&self, row: &Row) -> Option<Value> {
        let ladder = self.outreach.ladders.get(&row.id())?;
        let steps = self.steps_of(row.is_room_trouble(), ladder.priority);
        Some(json!({"step": ladder.next, "of": steps.len(), "next_at": ladder.next_at,
            "urged": ladder.is_urged}))
    }
}

impl From<&crate::organisation::Person> for Recipient {
    fn from(person: &crate::organisation::Person) -> Self {
        let (phone, wecom) = (person.phone.clone(), person.wecom.clone());
        Self { person: person.id.clone(), name: person.name.clone(), phone, wecom }
    }
}

/// Where lines of the logbook come from that no person caused.
const FROM: &str = "escalation";
