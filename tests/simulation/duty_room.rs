//! The duty room: the shipped board on a store that takes its time.
use std::collections::{BTreeMap, VecDeque};

use shouwang_board::{Board, Input, Output, Settings, Transaction};
use shouwang_message::{Event, Instant, Leaf, Timestamp, Topic, to_bytes};

use super::site;

#[derive(Debug)]
pub struct DutyRoom {
    pub board: Board,
    kept: BTreeMap<String, String>,
    under_way: VecDeque<(u64, Transaction)>,
    /// Every event it ever made durable, in that order.
    pub heard: Vec<Event>,
    starts: u64,
}

impl DutyRoom {
    pub fn new(now: u64, wall: Timestamp, seed: u64) -> Self {
        let settings = Settings { name: site::id("duty-1") };
        let board = Board::restore(settings, seed, Instant::from_micros(now), wall, []);
        Self { board, kept: BTreeMap::new(), under_way: VecDeque::new(), heard: Vec::new(), starts: seed }
    }

    /// Its process dies and starts again on what is durable.
    pub fn restart(&mut self, now: u64, wall: Timestamp) {
        self.starts = self.starts.wrapping_add(1);
        self.under_way.clear();
        let settings = Settings { name: site::id("duty-1") };
        self.board =
            Board::restore(settings, self.starts, Instant::from_micros(now), wall, self.kept.clone());
    }

    /// Messages to publish that follow from the input.
    pub fn handle(&mut self, now: u64, wall: Timestamp, input: Input) -> Vec<(String, Vec<u8>, bool)> {
        let mut said = Vec::new();
        for output in self.board.handle(Instant::from_micros(now), wall, input) {
            match output {
                Output::Commit(transaction) => {
                    let at = self.under_way.back().map_or(0, |(at, _)| *at).max(now + 3_000);
                    self.under_way.push_back((at, transaction));
                }
                Output::PublishHeard { to, document } => {
                    let topic = Topic::new(&to.site, &to.gateway, Leaf::Heard(site::id("duty-1")));
                    said.push((topic.to_string(), to_bytes(&document), true));
                }
                Output::PublishCommand { to, name, command } => {
                    let topic = Topic::new(&to.site, &to.gateway, Leaf::Command(name));
                    said.push((topic.to_string(), to_bytes(&command), false));
                }
                Output::Answer { .. } | Output::Changed => {}
            }
        }
        said
    }

    /// The next transaction that is durable by now.
    pub fn turn(&mut self, now: u64) -> Option<Input> {
        let (_, transaction) = self.under_way.pop_front_if(|(at, _)| *at <= now)?;
        self.heard.extend(transaction.events);
        for (key, value) in transaction.keep {
            match value {
                Some(value) => self.kept.insert(key, value),
                None => self.kept.remove(&key),
            };
        }
        Some(Input::Committed { transaction: transaction.number })
    }

    pub fn next(&self) -> u64 {
        let deadline = self.board.next_deadline().map_or(u64::MAX, Instant::as_micros);
        self.under_way.front().map_or(u64::MAX, |(at, _)| *at).min(deadline)
    }
}
