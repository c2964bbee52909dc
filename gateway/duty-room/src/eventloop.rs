//! The one place where broker, disk, pages and board meet.
mod message;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shouwang_board::{Board, Input, ListState, Outcome, Output};
use shouwang_message::{Event, Instant};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::link::Outbox;
use crate::lists::{Answer, Lists, Version};
use crate::metrics::{Awaited, Metrics};
use crate::notify::Notifier;
use crate::residents::Wanted;
use crate::series::{Lost, Record};
use crate::sounder::Sounder;
use crate::stop::Stopped;
use crate::store::{Stored, Work};
use crate::ways::Ways;

pub(crate) use message::{Message, Reconfigured};

/// The loop turns at least this often, and says so in its pulse.
const TURN_EVERY: Duration = Duration::from_secs(1);
/// Inputs taken together before the pulse is told.
const BATCH: usize = 256;

/// An event right after its commit.
#[derive(Debug)]
pub struct HeardEvent {
    pub event: Event,
    /// When the commit was known, on the clock given to [`crate::start`].
    pub heard_at: Instant,
}

/// The sign of life that pages and health checks read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pulse {
    /// When the loop last turned.
    pub(crate) turned: Instant,
    /// Grows with every list that differs from the one before.
    pub(crate) version: u64,
    /// Events heard in all.
    pub(crate) sequence: u64,
    pub(crate) hash: String,
    /// Night, flood: what pages show beside the list.
    pub(crate) situation: Arc<Value>,
    pub(crate) linked: bool,
    pub(crate) store_failing: bool,
    /// Grows with every change of the shift.
    pub(crate) shift: u64,
    /// 查岗 waits for somebody to press a key.
    pub(crate) roll_call: bool,
}

#[derive(Debug)]
pub(crate) struct Channels {
    pub(crate) inputs: mpsc::Receiver<Message>,
    pub(crate) completions: mpsc::Receiver<Stored>,
    pub(crate) to_store: mpsc::Sender<Work>,
    pub(crate) to_series: mpsc::Sender<Record>,
    pub(crate) lost: Lost,
    pub(crate) to_residents: mpsc::Sender<Wanted>,
    pub(crate) outbox: Outbox,
    pub(crate) sounder: Option<Sounder>,
    pub(crate) heard: broadcast::Sender<Arc<HeardEvent>>,
    pub(crate) pulse: watch::Sender<Pulse>,
    pub(crate) notifier: Notifier,
    /// None while nobody has said how telephones reach the pages.
    pub(crate) ways: Option<Ways>,
    pub(crate) metrics: Metrics,
}

struct Loop {
    board: Board,
    clock: Clock,
    to_store: mpsc::Sender<Work>,
    to_series: mpsc::Sender<Record>,
    lost: Lost,
    to_residents: mpsc::Sender<Wanted>,
    outbox: Outbox,
    sounder: Option<Sounder>,
    heard: broadcast::Sender<Arc<HeardEvent>>,
    notifier: Notifier,
    ways: Option<Ways>,
    metrics: Metrics,
    awaited: Awaited,
    answers: BTreeMap<u64, oneshot::Sender<Outcome>>,
    next_ticket: u64,
    store_failing: bool,
    lists: Lists,
}

/// `run` is another number in every run of the duty room.
pub(crate) async fn run(board: Board, clock: Clock, run: u64, channels: Channels, mut stopped: Stopped) {
    let Channels {
        mut inputs,
        mut completions,
        to_store,
        to_series,
        lost,
        to_residents,
        outbox,
        sounder,
        heard,
        pulse,
        notifier,
        ways,
        metrics,
    } = channels;
    let mut turning = Loop {
        board,
        clock,
        to_store,
        to_series,
        lost,
        to_residents,
        outbox,
        sounder,
        heard,
        notifier,
        ways,
        metrics,
        awaited: Awaited::default(),
        answers: BTreeMap::new(),
        next_ticket: 0,
        store_failing: false,
        lists: Lists::new(run),
    };
    loop {
        let now = turning.clock.now();
        let _ = pulse.send(turning.pulse(now));
        let next = turning.board.next_deadline().unwrap_or(Instant::NEVER).min(turning.lists.next_deadline());
        let wait = next.since(now).min(TURN_EVERY);
        tokio::select! {
            biased;
            () = stopped.wait() => {
                // The siren is switched off, which may take a moment.
                let _ = tokio::task::spawn_blocking(move || drop(turning.sounder)).await;
                return;
            }
            stored = completions.recv() => match stored {
                Some(stored) => turning.stored(stored).await,
                None => return,
            },
            message = inputs.recv() => {
                let Some(message) = message else { return };
                turning.take(message).await;
                for _ in 0..BATCH {
                    let Ok(message) = inputs.try_recv() else { break };
                    turning.take(message).await;
                }
            }
            () = tokio::time::sleep(wait) => turning.give(Input::Woke).await,
        }
        let count = turning.lost.take();
        if count > 0 {
            turning.give(Input::ReadingsLost { count }).await;
        }
    }
}

impl Loop {
    fn pulse(&mut self, now: Instant) -> Pulse {
        self.lists.look(&self.clock, &self.board);
        let (version, hash, situation) = self.lists.state();
        Pulse {
            turned: now,
            version,
            sequence: self.board.counts().heard,
            hash: hash.to_owned(),
            situation: situation.clone(),
            linked: self.board.is_linked(),
            store_failing: self.store_failing,
            shift: self.board.shift_revision(),
            roll_call: self.board.is_calling_roll(),
        }
    }

    async fn take(&mut self, message: Message) {
        match message {
            Message::Input(input) => self.give(input).await,
            Message::Ask { asked, answer } => {
                let ticket = self.ticket(answer);
                self.give(Input::Asked { ticket, asked }).await;
            }
            Message::CaseAsk { asked, answer } => {
                let ticket = self.ticket(answer);
                self.give(Input::CaseAsked { ticket, asked }).await;
            }
            Message::DeskAsk { asked, answer } => {
                let ticket = self.ticket(answer);
                self.give(Input::DeskAsked { ticket, asked }).await;
            }
            Message::ShiftAsk { asked, answer } => {
                let ticket = self.ticket(answer);
                self.give(Input::ShiftAsked { ticket, asked }).await;
            }
            Message::ReadingAsk { asked, answer } => {
                let ticket = self.ticket(answer);
                self.give(Input::ReadingAsked { ticket, asked }).await;
            }
            Message::Stations { answer } => {
                let _ = answer.send(self.board.stations());
            }
            Message::Welfare { answer } => {
                let _ = answer.send(self.board.welfare());
            }
            Message::Station { id, answer } => {
                let _ = answer.send(self.board.station(&id));
            }
            Message::StationNow { id, answer } => {
                let _ = answer.send(self.board.station_now(self.clock.now(), &id).map(Box::new));
            }
            Message::Rounds { answer } => {
                let _ = answer.send(self.board.rounds());
            }
            Message::Round { id, answer } => {
                let _ = answer.send(self.board.round(id));
            }
            Message::Triage { answer } => {
                let _ = answer.send(self.board.triage());
            }
            Message::Drill { answer } => {
                let _ = answer.send(self.board.drill_words());
            }
            Message::Shift { answer } => {
                let _ = answer.send(self.board.shift());
            }
            Message::Handover { answer } => {
                let _ = answer.send(self.board.handover());
            }
            Message::Case { id, answer } => {
                let _ = answer.send(self.board.case(id));
            }
            Message::CasesOf { names, answer } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let _ = answer.send(self.board.cases_of(&names));
            }
            Message::Devices { near, answer } => {
                let now = self.clock.now();
                let _ = answer.send(match near {
                    Some(alarm) => self.board.neighbours(now, alarm),
                    None => Some(self.board.devices(now)),
                });
            }
            Message::Reconfigure { wanted, answer } => {
                let changed = self.reconfigure(*wanted).await;
                let _ = answer.send(changed);
            }
            Message::List { state, since, answer } => {
                let _ = answer.send(self.list(state, since));
            }
            Message::Measures { answer } => {
                let _ = answer.send((self.board.measures(), self.board.counts().clone()));
            }
            Message::Cases { state, answer } => {
                let mut cases = Vec::new();
                self.board.each_case(state, &mut |case| cases.push(case.to_string().into()));
                let _ = answer.send(cases);
            }
        }
    }

    /// All of it or nothing.
    async fn reconfigure(&mut self, wanted: Reconfigured) -> Result<(), String> {
        let Reconfigured { channels, settings, from } = wanted;
        self.notifier.change(&channels)?;
        self.give(Input::Reconfigured { settings: Box::new(settings), from }).await;
        Ok(())
    }

    fn ticket(&mut self, answer: oneshot::Sender<Outcome>) -> u64 {
        self.next_ticket += 1;
        // Pages that gave up waiting leave their tickets; the web's own cap bounds them.
        self.answers.retain(|_, waiting| !waiting.is_closed());
        self.answers.insert(self.next_ticket, answer);
        self.next_ticket
    }

    fn list(&mut self, state: ListState, since: Option<Version>) -> Answer {
        match state {
            ListState::Open => self.lists.answer(&self.clock, &self.board, since),
            ListState::All => {
                let mut answer = self.lists.answer(&self.clock, &self.board, None);
                answer.rows.extend(self.board.finished_rows().map(|row| row.to_string().into()));
                answer
            }
        }
    }

    async fn stored(&mut self, stored: Stored) {
        match stored {
            Stored::Committed { up_to, events } => {
                self.store_failing = false;
                self.give(Input::Committed { transaction: up_to }).await;
                let (heard_at, wall) = (self.clock.now(), self.clock.wall());
                for event in events {
                    self.metrics.heard(&event, wall);
                    // Nobody may be listening.
                    let _ = self.heard.send(Arc::new(HeardEvent { event, heard_at }));
                }
            }
            Stored::Failed { transaction } => {
                self.store_failing = true;
                self.give(Input::CommitFailed { transaction }).await;
            }
        }
    }

    async fn give(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if let Input::Told { ticket, result } = &input {
                self.awaited.became(&self.metrics, *ticket, result);
            }
            let outputs = self.board.handle(self.clock.now(), self.clock.wall(), input);
            inputs.extend(self.carry_out(outputs).await);
        }
    }

    /// Does what the board wants done; gives what is known to have become of it at once.
    async fn carry_out(&mut self, outputs: Vec<Output>) -> Vec<Input> {
        let mut became = Vec::new();
        for output in outputs {
            match output {
                Output::Commit(transaction) => {
                    // Longer than what the board leaves uncommitted; the receiver lives until we end.
                    let _ = self.to_store.send(Work::Board(transaction)).await;
                }
                Output::PublishHeard { to, document } => self.outbox.heard(to, document),
                Output::PublishCommand { to, name, command } => self.outbox.command(to, name, command),
                Output::Answer { ticket, outcome } => {
                    self.lists.person_answered();
                    if let Some(answer) = self.answers.remove(&ticket) {
                        let _ = answer.send(outcome);
                    }
                }
                Output::Tell(notice) => {
                    let ticket = notice.ticket;
                    self.awaited.told(ticket, notice.channel.clone());
                    if let Some((ways, sent_as)) = self.ways.as_ref().zip(notice.sent_as.clone()) {
                        ways.tell(&self.notifier, notice, sent_as);
                    } else if let Err(result) = self.notifier.tell(notice) {
                        became.push(Input::Told { ticket, result });
                    }
                }
                Output::Sound { on } => {
                    if let Some(sounder) = &self.sounder {
                        sounder.sound(on);
                    }
                }
                Output::Record { station, samples } => {
                    // A disk that is this far behind loses what no alarm hangs on, and the next look says so.
                    let count = samples.len();
                    if self.to_series.try_send(Record { station, samples }).is_err() {
                        tracing::warn!("readings of a river station were not kept: the disk is behind");
                        self.lost.add(count);
                    }
                }
                Output::ListPeople { round, homes } => {
                    // A full queue is as a disk that did not give it: the board asks again.
                    let _ = self.to_residents.try_send((round, homes));
                }
                Output::Changed => self.lists.board_changed(),
            }
        }
        became
    }
}
