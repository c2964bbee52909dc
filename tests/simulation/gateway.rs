//! The gateway's process around the shipped engine: it starts, hangs and ends, its boot clock begins with the
//! power, and its wall clock is what somebody told it.
use std::collections::VecDeque;

use shouwang_core::engine::{Engine, Restored, Start};
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_message::{Clock, Instant, Timestamp};

use crate::shadow::Shadow;

use super::chance::Chance;
use super::scenario::Scenario;
use super::site::Site;

#[derive(Default)]
pub(super) struct Gateway {
    pub(super) engine: Option<Engine>,
    /// One that was written down and read back, where the world wants it.
    pub(super) shadow: Option<Shadow>,
    /// When the power last came on, us: zero of its own clock.
    powered_at: u64,
    /// How far its wall clock is from the true time, ms.
    pub(super) wall_error_ms: i64,
    pub(super) clock: Option<Clock>,
    pub(super) is_hung: bool,
    /// What waits for a loop that stands still.
    pub(super) waiting: VecDeque<Input>,
    pub(super) boot: u32,
    /// The connection that the broker accepted and that is alive.
    pub(super) connection: Option<u32>,
}

impl Gateway {
    pub(super) fn start(
        &mut self,
        now: u64,
        wall: Timestamp,
        restored: Restored,
        scenario: &Scenario,
        site: &Site,
        chance: &mut Chance,
    ) {
        self.boot = restored.boot;
        let start = Start {
            now: self.instant(now),
            wall,
            clock: self.clock.unwrap_or(Clock::Synced),
            seed: chance.next(),
        };
        self.engine = Some(Engine::new(site.configuration(scenario), restored, start));
        self.shadow.iter_mut().for_each(Shadow::forget);
    }

    pub(super) fn end(&mut self) {
        self.engine = None;
        self.connection = None;
        self.is_hung = false;
        self.waiting.clear();
    }

    /// The power comes back: the boot clock begins anew.
    pub(super) fn power_on(&mut self, now: u64) {
        self.powered_at = now;
    }

    pub(super) fn handle(&mut self, now: u64, input: Input) -> Vec<Output> {
        let at = self.instant(now);
        match (&mut self.engine, &mut self.shadow) {
            (Some(engine), Some(shadow)) => shadow.handle(engine, at, &input),
            (Some(engine), None) => engine.handle(at, input).collect(),
            (None, _) => Vec::new(),
        }
    }

    /// When the engine wants to be called, in the world's time.
    pub(super) fn next(&self) -> u64 {
        let engine = self.engine.as_ref().filter(|_| !self.is_hung);
        engine.map_or(u64::MAX, |engine| engine.next_deadline().as_micros().saturating_add(self.powered_at))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.engine.as_ref().is_some_and(Engine::is_connected)
    }

    /// The time by its own clock.
    pub(super) fn instant(&self, now: u64) -> Instant {
        Instant::from_micros(now - self.powered_at)
    }
}
