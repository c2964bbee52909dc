//! The duty room: the shipped board on a store that takes its time.
use std::collections::VecDeque;

use shouwang_board::{Board, Input, Output, Settings, Transaction};
use shouwang_message::{Event, Id, Instant, Leaf, Timestamp, Topic, to_bytes};

#[derive(Debug)]
pub(crate) struct DutyRoom {
    pub(crate) board: Board,
    under_way: VecDeque<(u64, Transaction)>,
    /// Every event it ever made durable, in that order.
    pub(crate) heard: Vec<Event>,
    /// When, us.
    pub(crate) heard_at: Vec<u64>,
}

impl DutyRoom {
    pub(crate) fn new(now: u64, wall: Timestamp, seed: u64) -> Self {
        let settings = Settings::new(duty_room());
        let board = Board::restore(settings, seed, Instant::from_micros(now), wall, []);
        Self { board, under_way: VecDeque::new(), heard: Vec::new(), heard_at: Vec::new() }
    }

    /// Messages to publish that follow from the input.
    pub(crate) fn handle(&mut self, now: u64, wall: Timestamp, input: Input) -> Vec<(String, Vec<u8>, bool)> {
        let mut said = Vec::new();
        for output in self.board.handle(Instant::from_micros(now), wall, input) {
            match output {
                Output::Commit(transaction) => {
                    let at = self.under_way.back().map_or(0, |(at, _)| *at).max(now + 3_000);
                    self.under_way.push_back((at, transaction));
                }
                Output::PublishHeard { to, document } => {
                    let topic = Topic::new(&to.site, &to.gateway, Leaf::Heard(duty_room()));
                    said.push((topic.to_string(), to_bytes(&document), true));
                }
                Output::PublishCommand { to, name, command } => {
                    let topic = Topic::new(&to.site, &to.gateway, Leaf::Command(name));
                    said.push((topic.to_string(), to_bytes(&command), false));
                }
                // No channel is configured.
                Output::Answer { .. }
                | Output::Tell(_)
                | Output::Sound { .. }
                | Output::Record { .. }
                | Output::ListPeople { .. }
                | Output::Changed => {}
            }
        }
        said
    }

    /// The next transaction that is durable by now.
    pub(crate) fn turn(&mut self, now: u64) -> Option<Input> {
        let (_, transaction) = self.under_way.pop_front_if(|(at, _)| *at <= now)?;
        self.heard_at.extend(transaction.events.iter().map(|_| now));
        self.heard.extend(transaction.events);
        Some(Input::Committed { transaction: transaction.number })
    }

    pub(crate) fn next(&self) -> u64 {
        let deadline = self.board.next_deadline().map_or(u64::MAX, Instant::as_micros);
        self.under_way.front().map_or(u64::MAX, |(at, _)| *at).min(deadline)
    }
}

fn duty_room() -> Id {
    "duty-1".parse().unwrap_or_else(|_| unreachable!("duty-1 is an id"))
}
