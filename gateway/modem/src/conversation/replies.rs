//! What arrives unasked: texts of people, and reports of the network.
use std::collections::VecDeque;

use shouwang_message::Timestamp;

use super::Conversation;
use super::event::{Event, OrderId};
use crate::number::Number;
use crate::pdu::{self, Delivery, Incoming, Report, ReportState};

/// Texts whose reports are waited for; of an older one nothing more is told.
const AWAITED_MOST: usize = 64;
/// Texts remembered, so that one that the network hands over again is not told again: an old "1" must not
/// answer a new alarm.
const REMEMBERED_MOST: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The next line is a PDU.
    is_announced: bool,
    awaited: VecDeque<Awaited>,
    remembered: VecDeque<(Number, String, Timestamp)>,
}

/// A text whose parts, by the modem's names for them, are not yet all with the phone.
#[derive(Debug)]
struct Awaited {
    id: OrderId,
    to: Number,
    references: Vec<u8>,
}

impl Replies {
    pub(super) fn await_reports(&mut self, id: OrderId, to: Number, references: Vec<u8>) {
        if self.awaited.len() == AWAITED_MOST {
            self.awaited.pop_front();
        }
        self.awaited.push_back(Awaited { id, to, references });
    }

    pub(super) fn forget_announcement(&mut self) {
        self.is_announced = false;
    }

    fn is_repeated(&mut self, from: &Number, text: &str, sent_at: Timestamp) -> bool {
        let same =
            |known: &&(Number, String, Timestamp)| known.0 == *from && known.1 == text && known.2 == sent_at;
        if self.remembered.iter().find(same).is_some() {
            return true;
        }
        if self.remembered.len() == REMEMBERED_MOST {
            self.remembered.pop_front();
        }
        self.remembered.push_back((from.clone(), text.to_owned(), sent_at));
        false
    }

    fn take_report(&mut self, report: &Report) -> Option<Event> {
        let is_of = |awaited: &Awaited| {
            awaited.references.contains(&report.reference)
                && report.to.as_ref().is_none_or(|to| to.is_same_phone(&awaited.to))
        };
        // The modem's names come round again after 256: the newest is meant.
        let at = self.awaited.iter().rposition(is_of)?;
        let awaited = self.awaited.get_mut(at)?;
        match report.state {
            ReportState::Trying => return None,
            ReportState::Delivered => awaited.references.retain(|reference| *reference != report.reference),
            ReportState::GivenUp(_) => awaited.references.clear(),
        }
        if !awaited.references.is_empty() {
            return None;
        }
        let id = self.awaited.remove(at)?.id;
        Some(match report.state {
            ReportState::GivenUp(status) => Event::Undelivered { id, status },
            _ => Event::Delivered { id },
        })
    }
}

impl Conversation {
    /// Whether this line is a text or a report, or announces one.
    pub(super) fn take_reply(&mut self, line: &str) -> bool {
        if line.starts_with("+CMT:") || line.starts_with("+CDS:") {
            self.replies.is_announced = true;
            return true;
        }
        if !std::mem::take(&mut self.replies.is_announced) {
            return false;
        }
        match pdu::incoming(line) {
            Ok(Incoming::Delivery(Delivery { from: Some(from), text, sent_at })) => {
                if !sent_at.is_some_and(|sent_at| self.replies.is_repeated(&from, &text, sent_at)) {
                    self.tell(Event::Received { from, text, sent_at });
                }
                true
            }
            Ok(Incoming::Report(report)) => {
                let event = self.replies.take_report(&report);
                event.into_iter().for_each(|event| self.tell(event));
                true
            }
            // From a word instead of a number: nobody whom we know.
            Ok(Incoming::Delivery(_)) => true,
            // What follows was something else.
            Err(_) => false,
        }
    }
}
