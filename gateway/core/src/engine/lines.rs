//! The lines' side of a turn: what each may ask now, what it answered, and its port coming and going.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

use super::{Engine, supervision};
use crate::chance::Chance;
use crate::configuration::{Configuration, LineIndex, LineSettings};
use crate::input::{AskId, Outcome};
use crate::line::Line;
use crate::output::Output;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineState {
    pub(super) line: Line,
    pub(super) up: bool,
    /// Since when its port has been gone, or back without a valid answer yet.
    pub(super) down_since: Option<Instant>,
    /// When its port last came back.
    pub(super) up_since: Instant,
    /// An ask never ended: its hands are stuck, and the line counts as down until they move.
    pub(super) stalled: bool,
    /// When it was last found well again, after a fault or at its start.
    pub(super) well_since: Instant,
    /// When the line next has something to ask without an event.
    pub(super) deadline: Instant,
}

impl Engine {
    pub(super) fn ask_lines(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        for (index, state) in self.lines.iter_mut().enumerate().filter(|(_, state)| state.deadline <= now) {
            while let Some(ask) = state.line.next_ask(now) {
                self.outputs.push_back(Output::Ask { line: index, ask });
            }
            state.deadline = state.line.next_deadline().unwrap_or(Instant::NEVER);
        }
    }

    pub(super) fn line_up(&mut self, now: Instant, line: LineIndex) {
        let Some(state) = self.lines.get_mut(line) else { return };
        state.line.up(now);
        (state.up, state.stalled) = (true, false);
        // A port that comes and goes gives its silent devices no new time.
        if state.down_since.is_some_and(|since| now.since(since) >= supervision::LINE_PATIENCE) {
            state.well_since = now;
        }
        state.up_since = now;
        state.deadline = now;
        self.forget_lamps(line);
        self.forget_line_outputs(line);
    }

    pub(super) fn answered(&mut self, now: Instant, line: LineIndex, ask: AskId, outcome: &Outcome) {
        let Some(state) = self.lines.get_mut(line) else { return };
        if state.stalled {
            // Its hands move again; the answer is too old to count.
            return self.line_up(now, line);
        }
        if !matches!(outcome, Outcome::Failed(_)) {
            state.down_since = None;
        }
        state.line.answered(now, ask, outcome, &mut self.reports);
        state.deadline = now;
        self.take_reports(now);
    }

    pub(super) fn line_down(&mut self, now: Instant, line: LineIndex) {
        let Some(state) = self.lines.get_mut(line) else { return };
        state.stalled = false;
        if state.up {
            state.up = false;
            state.down_since = state.down_since.or(Some(now));
        }
        state.deadline = Instant::NEVER;
        state.line.down(now, &mut self.reports);
        self.take_reports(now);
    }
}

pub(super) fn line_states(configuration: &Configuration, chance: &mut Chance) -> Vec<LineState> {
    let lines = configuration.lines.iter().enumerate();
    lines.map(|(index, settings)| line_state(configuration, index, settings, chance)).collect()
}

/// A line that has never been up.
pub(super) fn line_state(
    configuration: &Configuration,
    index: LineIndex,
    settings: &LineSettings,
    chance: &mut Chance,
) -> LineState {
    let on_line = configuration.devices.iter().enumerate().filter(|(_, device)| device.line == index);
    LineState {
        line: Line::new(index, settings, on_line, chance.next()),
        up: false,
        down_since: None,
        up_since: Instant::default(),
        stalled: false,
        well_since: Instant::default(),
        deadline: Instant::NEVER,
    }
}
