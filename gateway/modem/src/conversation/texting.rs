//! Sending texts, part by part.
use std::time::Duration;

use shouwang_message::Instant;

use super::command::{Command, Ending};
use super::event::{Event, Why};
use super::{Conversation, Job, TEXTS_OVER, What};
use crate::pdu::{self, Part};

/// Each part is given to the modem so often, with these pauses between. A text whose fate is unknown is sent
/// again: better twice than never.
const TRIES: usize = 3;
const PAUSES: [Duration; TRIES - 1] = [Duration::from_secs(3), Duration::from_secs(10)];

/// How far a text is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    parts: Vec<Part>,
    /// What the modem calls the parts it has taken.
    references: Vec<u8>,
    /// Of the part that is taken now.
    reference: Option<u8>,
    tries: usize,
}

impl Conversation {
    pub(super) fn begin_text(&mut self, now: Instant, mut job: Job) {
        let What::Text(text) = &job.order.what else { return };
        if job.progress.parts.is_empty() {
            self.reference = self.reference.wrapping_add(1);
            match pdu::submit(&job.order.to, text, self.reference, self.look.has_reports()) {
                Ok(parts) => job.progress.parts = parts,
                Err(_) => return self.tell(Event::Failed { id: job.order.id, why: Why::TooLong }),
            }
        }
        self.sending = Some(job);
        self.go_on_sending(now);
    }

    /// Asks for the prompt of the next part, if a text is under way.
    pub(super) fn go_on_sending(&mut self, now: Instant) -> bool {
        let Some(part) = self.sending.as_ref().and_then(Job::next_part) else { return false };
        let words = format!("AT+CMGS={}", part.length);
        self.ask(now, Command::Submit, &words);
        true
    }

    pub(super) fn text_ended(&mut self, now: Instant, command: Command, ending: Ending) {
        self.no_ring_before = now + TEXTS_OVER;
        let Some(job) = &mut self.sending else { return };
        match (command, ending) {
            (Command::Submit, Ending::Prompt) => {
                job.progress.reference = None;
                let octets = job.next_part().map(|part| part.hex.clone()).unwrap_or_default();
                self.ask(now, Command::Body, &octets);
            }
            (Command::Body, Ending::Ok) if job.progress.reference.is_some() => self.part_taken(),
            (_, Ending::Refused(words)) => self.try_again(now, Why::Refused(words)),
            _ => self.try_again(now, Why::Silent),
        }
    }

    /// `+CMGS: n`: the modem has it, and calls it n.
    pub(super) fn note_reference(&mut self, line: &str) {
        let told = line.strip_prefix("+CMGS:").and_then(|rest| rest.split(',').next()?.trim().parse().ok());
        if let (Some(job), Some(reference)) = (&mut self.sending, told) {
            job.progress.reference = Some(reference);
        }
    }

    fn part_taken(&mut self) {
        let Some(mut job) = self.sending.take() else { return };
        job.progress.references.extend(job.progress.reference.take());
        job.progress.tries = 0;
        if job.next_part().is_some() {
            self.sending = Some(job);
            return;
        }
        if self.look.has_reports() {
            self.replies.await_reports(job.order.id, job.order.to, job.progress.references);
        }
        self.tell(Event::Sent { id: job.order.id });
    }

    /// Others go before the next try.
    fn try_again(&mut self, now: Instant, why: Why) {
        let Some(mut job) = self.sending.take() else { return };
        match PAUSES.get(job.progress.tries) {
            Some(pause) => {
                job.progress.tries += 1;
                job.not_before = now + *pause;
                self.waiting.push_back(job);
            }
            None => self.tell(Event::Failed { id: job.order.id, why }),
        }
    }
}

impl Job {
    fn next_part(&self) -> Option<&Part> {
        self.progress.parts.get(self.progress.references.len())
    }
}
