//! Who was sent by a case is told so, each by a way that reaches persons.
use alloc::string::ToString;

use shouwang_message::{AlarmId, Instant};

use super::{FROM, Subject};
use crate::board::Board;
use crate::case::{Case, CaseAsked, CaseStep};
use crate::ladder::{Ladder, Purpose};
use crate::notice::Recipient;
use crate::organisation::minute_of_week;

impl Board {
    /// Somebody was sent, or has answered, since the last look. True if that is news.
    pub(super) fn see_who_is_sent(
        &mut self,
        now: Instant,
        id: AlarmId,
        ladder: &mut Ladder,
        about: &Subject,
    ) -> bool {
        let awaited = self.cases.get(&id).and_then(|case| case.awaited());
        let known = ladder.sent.as_ref().map(|sent| sent.name.as_str());
        if awaited == known || self.settings.organisation.responders.is_empty() {
            return false;
        }
        let Some(name) = awaited.map(ToString::to_string) else {
            ladder.sent = None;
            return true;
        };
        ladder.send(now, name.clone());
        let person = self.settings.organisation.named(&name).map(Recipient::from);
        let channels = self.settings.escalation.dispatch.clone();
        for channel in person.iter().flat_map(|_| &channels) {
            let step = ladder.next.saturating_sub(1);
            self.tell_by(now, ladder, about, channel, person.as_slice(), (Purpose::Dispatch, step));
        }
        true
    }

    /// Nobody answered for two minutes: the next one in the table is sent.
    pub(super) fn send_next(&mut self, now: Instant, id: AlarmId, ladder: &mut Ladder, about: &Subject) {
        let alarm = &about.alarm;
        ladder.sent = None;
        let Some(case) = self.cases.get(&id) else { return };
        let minute = minute_of_week(self.wall);
        let table = self.settings.organisation.responsible(alarm.class, alarm.place.grid.as_deref(), minute);
        let fresh = table.into_iter().find(|person| case.sent_as(&person.name, person.id.as_str()).is_none());
        let Some(name) = fresh.map(|person| person.name.clone()) else {
            return self.log_escalation(id, "escalation.nobody_left", "no further responder at this hour");
        };
        self.log_escalation(id, "escalation.next_responder", &name);
        let own = self.settings.name.to_string();
        let asked = CaseAsked {
            case: id,
            by: own,
            from: FROM.into(),
            note: Some("2 分钟未收到".into()),
            call_back: None,
            occurrence: None,
            step: CaseStep::Dispatch { to: name },
        };
        // Ticket 0 waits for no answer: whether it was possible is seen in the case.
        self.case_asked(0, &asked);
        // What the board does itself is no progress.
        ladder.case_steps = self.cases.get(&id).map_or(0, Case::moves);
        self.see_who_is_sent(now, id, ladder, about);
    }
}
