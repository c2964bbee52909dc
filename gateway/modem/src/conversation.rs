//! The dialogue with a modem by AT commands (3GPP TS 27.005 and 27.007), with bytes and time as arguments.
//!
//! One command at a time, each with a limit. A *look* sets the modem up and asks how it is: at the start, every
//! minute, and soon after trouble, because a modem may restart by itself at any moment and forget everything.
//! Between looks it sends texts; once there have been none for a moment, it rings phones. What arrives unasked is taken
//! at any time.
mod calling;
mod command;
mod event;
mod lines;
mod look;
mod replies;
mod texting;

use std::collections::VecDeque;
use std::time::Duration;

use shouwang_message::Instant;

pub use event::{Event, OrderId, Rung, Trouble, Why};

use self::calling::Call;
use self::command::{Command, Ending, ending};
use self::lines::{Lines, Said};
use self::look::Look;
use self::replies::Replies;
use self::texting::Progress;
use crate::number::Number;

/// Texts and calls that wait.
pub const ORDERS_MOST: usize = 32;
/// So long an order waits for a modem that is not ready: long enough for one that restarts, short enough for
/// the next rung of the ladder.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Of these, calls: however many phones are to ring, there is room for texts.
const RINGS_MOST: usize = ORDERS_MOST / 2;
/// No phone rings before there were no texts for this long: who gives one text after the other has given the next
/// by then, so that nobody's text waits for somebody else's call.
const TEXTS_OVER: Duration = Duration::from_secs(2);
/// So many commands without an answer, one after the other, and the port is opened anew.
const MISSES_MOST: u8 = 3;
/// Ends a prompt that an earlier process, or we, left open.
const ESCAPE: &str = "\x1b\r";

/// What is to be sent or called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub to: Number,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Text(String),
    Ring,
}

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Write(Vec<u8>),
    Tell(Event),
    /// Nothing answers: close the port and open it again.
    Reopen,
}

/// One modem.
#[derive(Debug)]
pub struct Conversation {
    is_open: bool,
    asked: Option<Asked>,
    lines: Lines,
    misses: u8,
    look: Look,
    replies: Replies,
    is_ready: bool,
    not_ready_since: Instant,
    trouble: Option<Trouble>,
    /// Somebody has been told that it is well, and nothing else since.
    is_told_well: bool,
    waiting: VecDeque<Job>,
    /// A text was ordered or ended a moment ago: another may follow.
    no_ring_before: Instant,
    /// The text under way.
    sending: Option<Job>,
    call: Option<Call>,
    /// What joins the parts of the next longer text.
    reference: u8,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Asked {
    command: Command,
    until: Instant,
}

/// An order and how far it is.
#[derive(Debug)]
struct Job {
    order: Order,
    since: Instant,
    /// It is tried again then.
    not_before: Instant,
    progress: Progress,
}

impl Conversation {
    pub fn new(now: Instant) -> Self {
        Self {
            is_open: false,
            asked: None,
            lines: Lines::default(),
            misses: 0,
            look: Look::default(),
            replies: Replies::default(),
            is_ready: false,
            not_ready_since: now,
            trouble: None,
            is_told_well: false,
            waiting: VecDeque::new(),
            no_ring_before: now,
            sending: None,
            call: None,
            reference: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The port has been opened.
    pub fn opened(&mut self, now: Instant) {
        self.is_open = true;
        self.misses = 0;
        self.lines.clear();
        self.look.start_over(now);
        self.woke(now);
    }

    /// The port has gone, or could not be opened.
    pub fn closed(&mut self, now: Instant, why: &str) {
        self.is_open = false;
        self.asked = None;
        self.replies.forget_announcement();
        self.end_call("the modem has gone");
        self.unready(now, Trouble::Port(why.to_owned()));
        self.woke(now);
    }

    /// Takes a text or a call; gives it back if too many wait.
    ///
    /// # Errors
    /// [`ORDERS_MOST`] wait already.
    pub fn order(&mut self, now: Instant, order: Order) -> Result<(), Order> {
        if self.waiting.len() >= ORDERS_MOST {
            return Err(order);
        }
        if order.what == What::Ring {
            if let Some(why) = self.needs_no_ring(&order.to) {
                self.tell(Event::Failed { id: order.id, why });
                return Ok(());
            }
        } else {
            self.no_ring_before = now + TEXTS_OVER;
        }
        self.waiting.push_back(Job { order, since: now, not_before: now, progress: Progress::default() });
        self.woke(now);
        Ok(())
    }

    /// Bytes from the modem, any bytes.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            let awaits_prompt = self.asked_for(Command::Submit);
            match self.lines.take(*byte, awaits_prompt) {
                Some(Said::Prompt) => self.end(now, Ending::Prompt),
                Some(Said::Line(line)) => self.take_line(now, &line),
                None => {}
            }
        }
        self.woke(now);
    }

    /// Time has passed.
    pub fn woke(&mut self, now: Instant) {
        // Each turn asks a command or ends one; the bound is for a mistake of ours.
        for _ in 0..64 {
            if self.asked.as_ref().is_some_and(|asked| now >= asked.until) {
                self.end(now, Ending::Silence);
            }
            if self.asked.is_some() || !self.is_open || !self.ask_next(now) {
                break;
            }
        }
        self.give_up_waiting(now);
    }

    /// What to do next; to be called until there is nothing.
    pub fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::woke`] at the latest.
    pub fn next_deadline(&self) -> Instant {
        let asked = self.asked.as_ref().map(|asked| asked.until);
        let next = match (&self.call, self.is_open, asked) {
            (_, _, Some(until)) => Some(until),
            (Some(call), ..) => Some(call.next(self.a_text_waits())),
            (None, true, None) => Some(self.look.next()),
            (None, false, None) => None,
        };
        let job = |job: &Job| if self.is_ready { self.due(job) } else { self.patience_ends(job) };
        let jobs =
            self.waiting.iter().map(job).filter(|_| asked.is_none() && self.call.is_none() || !self.is_ready);
        jobs.chain(next).min().unwrap_or(Instant::NEVER)
    }

    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn ask_next(&mut self, now: Instant) -> bool {
        if self.call.is_some() {
            return self.go_on_calling(now);
        }
        if let Some(command) = self.look.next_command(now) {
            let escape = if command == Command::Wake { ESCAPE } else { "" };
            self.ask(now, command, &format!("{escape}{}", command.words()));
            return true;
        }
        self.is_ready && (self.go_on_sending(now) || self.take_job(now))
    }

    /// Texts go before calls: they say what it is about, and take a second.
    fn take_job(&mut self, now: Instant) -> bool {
        let is_due = |job: &Job| self.due(job) <= now;
        let text = self.waiting.iter().position(|job| is_due(job) && job.is_text());
        let at = text.or_else(|| self.waiting.iter().position(is_due));
        let Some(job) = at.and_then(|at| self.waiting.remove(at)) else { return false };
        match &job.order.what {
            What::Text(_) => self.begin_text(now, job),
            What::Ring => self.begin_call(now, &job.order),
        }
        true
    }

    /// When this one's turn comes; a call's never while a text waits, if only for its next try.
    fn due(&self, job: &Job) -> Instant {
        match job.order.what {
            What::Text(_) => job.not_before,
            What::Ring if self.a_text_waits() => Instant::NEVER,
            What::Ring => job.not_before.max(self.no_ring_before),
        }
    }

    fn a_text_waits(&self) -> bool {
        self.waiting.iter().any(Job::is_text)
    }

    fn needs_no_ring(&self, to: &Number) -> Option<Why> {
        let mut rings = self.waiting.iter().filter(|job| !job.is_text());
        if rings.clone().any(|ring| ring.order.to.is_same_phone(to)) {
            return Some(Why::RingsAlready);
        }
        rings.nth(RINGS_MOST - 1).map(|_| Why::TooManyRings)
    }

    fn ask(&mut self, now: Instant, command: Command, words: &str) {
        self.asked = Some(Asked { command, until: now + command.within() });
        if !words.is_empty() {
            let end = if command == Command::Body { "\x1a" } else { "\r" };
            self.outputs.push_back(Output::Write(format!("{words}{end}").into_bytes()));
        }
    }

    fn asked_for(&self, command: Command) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.command == command)
    }

    fn take_line(&mut self, now: Instant, line: &str) {
        if self.take_reply(line) {
            return;
        }
        self.note_end_of_call(line);
        let Some(command) = self.asked.as_ref().map(|asked| asked.command) else { return };
        if let Some(ending) = ending(command, line) {
            return self.end(now, ending);
        }
        match command {
            Command::Body => self.note_reference(line),
            Command::Calls => self.note_call_state(now, line),
            _ => self.look.note(command, line),
        }
    }

    /// The command under way has ended.
    fn end(&mut self, now: Instant, ending: Ending) {
        let Some(Asked { command, .. }) = self.asked.take() else { return };
        if ending == Ending::Silence && command != Command::Settle {
            if self.miss(now) {
                return;
            }
        } else {
            self.misses = 0;
        }
        match command {
            Command::Submit | Command::Body => self.text_ended(now, command, ending),
            Command::Dial | Command::Calls | Command::HangUp | Command::HangUpOld => {
                self.call_ended(now, command, ending);
            }
            _ => self.look_ended(now, command, &ending),
        }
    }

    /// An answer is missing; true if the port is given up.
    fn miss(&mut self, now: Instant) -> bool {
        self.misses += 1;
        // Whatever comes late must not be taken for the answer to the next command.
        self.look.start_over(now);
        if self.misses < MISSES_MOST {
            return false;
        }
        self.misses = 0;
        self.is_open = false;
        self.end_call("the modem does not answer");
        self.unready(now, Trouble::Silent);
        self.outputs.push_back(Output::Reopen);
        true
    }

    fn unready(&mut self, now: Instant, trouble: Trouble) {
        if self.is_ready {
            self.not_ready_since = now;
        }
        self.is_ready = false;
        self.waiting.extend(self.sending.take());
        self.set_trouble(Some(trouble));
    }

    fn set_trouble(&mut self, trouble: Option<Trouble>) {
        let is_same = match (&self.trouble, &trouble) {
            (None, None) => self.is_told_well,
            // Other words, or another level, are no other trouble.
            (Some(before), Some(after)) => std::mem::discriminant(before) == std::mem::discriminant(after),
            _ => false,
        };
        if !is_same {
            self.is_told_well = trouble.is_none();
            self.tell(trouble.clone().map_or(Event::Well, Event::Troubled));
        }
        self.trouble = trouble;
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Tell(event));
    }

    fn patience_ends(&self, job: &Job) -> Instant {
        job.since.max(self.not_ready_since) + PATIENCE
    }

    fn give_up_waiting(&mut self, now: Instant) {
        if self.is_ready {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (over, rest) = waiting.into_iter().partition(|job| self.patience_ends(job) <= now);
        self.waiting = rest;
        let over: VecDeque<Job> = over;
        for job in over {
            let why = Why::NotReady(self.trouble.clone(), PATIENCE);
            self.tell(Event::Failed { id: job.order.id, why });
        }
    }
}

impl Job {
    fn is_text(&self) -> bool {
        matches!(self.order.what, What::Text(_))
    }
}

#[cfg(test)]
mod tests;
