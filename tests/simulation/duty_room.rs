//! The duty room: the shipped board on a store that takes its time, fails, and forgets with its process what
//! it had not flushed.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shouwang_board::organisation::{Person, Target};
use shouwang_board::{
    Board, DeliveryResult, Escalation, Input, Organisation, Outcome, Output, Reach, Settings, Step,
    Transaction,
};
use shouwang_message::{
    AlarmId, HeardDocument, Instant, Leaf, LogId, Priority, Sequence, Timestamp, Topic, to_bytes,
};

use super::scenario::{MS, SECOND};
use super::site;

pub(super) struct DutyRoom {
    /// None while its process does not run.
    pub(super) board: Option<Board>,
    kept: BTreeMap<String, String>,
    under_way: VecDeque<(u64, Transaction)>,
    pub(super) disk_fails: bool,
    /// Every event it ever made durable, in that order.
    pub(super) heard: Vec<(Sequence, Vec<u8>)>,
    history: Sequence,
    starts: u64,
    pub(super) started_at: u64,
    /// Notices that the one channel has taken, each with the moment at which it says so.
    taken: VecDeque<(u64, u64)>,
    /// Numbers its connections to the broker.
    pub(super) links: u32,
}

/// What the board wants said or answered.
pub(super) enum Said {
    Heard { document: HeardDocument, topic: String },
    Command { topic: String, body: Vec<u8> },
    Answer { ticket: u64, outcome: Outcome },
    Told { alarm: AlarmId, step: u32 },
}

/// The channel's service answers within this.
const TAKES: u64 = 40 * MS;

/// One channel, one person, and the first two steps of the ladder.
fn settings() -> Settings {
    let (sms, wang) = (site::id("sms"), site::id("wang"));
    let step = |after_s| Step {
        after: Duration::from_secs(after_s),
        channels: vec![sms.clone()],
        to: vec![Target::Person(wang.clone())],
    };
    let phone = Some("13800138000".to_owned());
    let person = Person { id: wang.clone(), name: "王".into(), phone, wecom: None, role: None, of: None };
    Settings {
        organisation: Organisation { persons: vec![person], ..Organisation::default() },
        escalation: Escalation {
            channels: [(sms.clone(), Reach::Person { answers: false })].into(),
            steps: [(Priority::Emergency, vec![step(0), step(30)])].into(),
            ..Escalation::default()
        },
        ..Settings::new(site::id(site::DUTY_ROOM))
    }
}

impl DutyRoom {
    pub(super) fn new(seed: u64, log: LogId, history: Sequence) -> Self {
        let mut kept = BTreeMap::new();
        if history > 0 {
            kept.insert(format!("cursor/town/gw-1/{log}"), history.to_string());
        }
        Self {
            board: None,
            kept,
            under_way: VecDeque::new(),
            disk_fails: false,
            heard: Vec::new(),
            history,
            starts: seed,
            started_at: 0,
            taken: VecDeque::new(),
            links: 0,
        }
    }

    /// Starts on what is durable.
    pub(super) fn start(&mut self, now: u64, wall: Timestamp) {
        self.starts = self.starts.wrapping_add(1);
        let settings = settings();
        self.started_at = now;
        let kept = self.kept.clone();
        self.board = Some(Board::restore(settings, self.starts, Instant::from_micros(now), wall, kept));
    }

    pub(super) fn kill(&mut self) {
        self.board = None;
        self.under_way.clear();
        self.taken.clear();
    }

    pub(super) fn handle(&mut self, now: u64, wall: Timestamp, input: Input) -> Vec<Said> {
        let Some(board) = &mut self.board else { return Vec::new() };
        let mut said = Vec::new();
        for output in board.handle(Instant::from_micros(now), wall, input) {
            match output {
                Output::Commit(transaction) => {
                    let at = self.under_way.back().map_or(0, |(at, _)| *at).max(now + 3 * MS);
                    self.under_way.push_back((at, transaction));
                }
                Output::PublishHeard { to, document } => {
                    let topic = Topic::new(&to.site, &to.gateway, Leaf::Heard(site::id(site::DUTY_ROOM)));
                    said.push(Said::Heard { document, topic: topic.to_string() });
                }
                Output::PublishCommand { to, name, command } => {
                    let topic = Topic::new(&to.site, &to.gateway, Leaf::Command(name)).to_string();
                    said.push(Said::Command { topic, body: to_bytes(&command) });
                }
                Output::Answer { ticket, outcome } => said.push(Said::Answer { ticket, outcome }),
                Output::Tell(notice) => {
                    self.taken.push_back((now + TAKES, notice.ticket));
                    said.push(Said::Told { alarm: notice.alarm, step: notice.step });
                }
                Output::Sound { .. }
                | Output::Record { .. }
                | Output::ListPeople { .. }
                | Output::Changed => {}
            }
        }
        said
    }

    /// The next transaction that has ended by now. One that failed is tried again, in order.
    pub(super) fn turn(&mut self, now: u64) -> Option<(Input, usize)> {
        let (at, transaction) = self.under_way.front_mut().filter(|(at, _)| *at <= now)?;
        if self.disk_fails {
            *at = now + SECOND;
            return Some((Input::CommitFailed { transaction: transaction.number }, 0));
        }
        let (_, transaction) = self.under_way.pop_front()?;
        let new = transaction.events.len();
        self.heard.extend(transaction.events.iter().map(|event| (event.sequence, to_bytes(event))));
        for (key, value) in transaction.keep {
            match value {
                Some(value) => self.kept.insert(key, value),
                None => self.kept.remove(&key),
            };
        }
        Some((Input::Committed { transaction: transaction.number }, new))
    }

    /// The next notice of which the channel says by now that it has taken it.
    pub(super) fn result(&mut self, now: u64, wall: Timestamp) -> Option<Input> {
        let (_, ticket) = self.taken.pop_front_if(|(at, _)| *at <= now)?;
        Some(Input::Told { ticket, result: DeliveryResult::Delivered { at: wall } })
    }

    /// The newest event that is durable here.
    pub(super) fn newest(&self) -> Sequence {
        self.heard.last().map_or(self.history, |(sequence, _)| *sequence)
    }

    pub(super) fn next(&self) -> u64 {
        let deadline = self.board.as_ref().and_then(Board::next_deadline);
        let deadline = deadline.map_or(u64::MAX, Instant::as_micros);
        let taken = self.taken.front().map_or(u64::MAX, |(at, _)| *at);
        self.under_way.front().map_or(u64::MAX, |(at, _)| *at).min(deadline).min(taken)
    }
}
