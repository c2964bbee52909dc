//! 查岗: once or twice a night, at moments that nobody can guess, somebody on watch must press a key. Five minutes
//! without an answer are a row of their own until somebody answers, and the leader is told.
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmId, Instant, Text, Timestamp};

use super::{HOUR_MS, ShiftAsked};
use crate::Outcome;
use crate::board::Board;
use crate::leading::ROLL_CALL_UNANSWERED;
use crate::requests::refused;

/// An answer later than this is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);
/// China's time is eight hours ahead of UTC all year.
const LOCAL_MS: i64 = 8 * HOUR_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A night is planned from 22:00 local time on, counted from noon.
const PLANNED_FROM_MS: i64 = 10 * HOUR_MS;
/// From 22:30 to 05:30: two calls of one night are in different halves of it.
const FROM_MS: i64 = 10 * HOUR_MS + HOUR_MS / 2;
const HALF_MS: i64 = 7 * HOUR_MS / 2;
/// The wall clock may be set meanwhile: looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(1_800);

/// What a restart must not forget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RollBook {
    /// The night that was planned, as days since 1970, each from noon to noon.
    night: i64,
    /// When to ask in that night, the earliest last.
    planned: Vec<Timestamp>,
    asking: Option<Asking>,
}

/// A call that has no answer yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asking {
    at: Timestamp,
    /// Whoever called by hand; the duty room itself otherwise.
    by: alloc::string::String,
    /// Five minutes are over.
    missed: bool,
}

#[derive(Debug)]
pub(super) struct RollWatch {
    /// The end of the five minutes.
    until: Instant,
    look_at: Instant,
    row: Option<AlarmId>,
}

impl Default for RollWatch {
    fn default() -> Self {
        Self { until: Instant::NEVER, look_at: Instant::NEVER, row: None }
    }
}

impl RollBook {
    pub(super) fn asking(&self) -> Option<&Asking> {
        self.asking.as_ref()
    }
}

impl RollWatch {
    /// Who was asked before the restart has his five minutes again.
    pub(super) fn restored(&mut self, now: Instant, book: &RollBook) {
        self.look_at = now;
        if let Some(asking) = &book.asking {
            self.until = if asking.missed { now } else { now + ANSWER_WITHIN };
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.look_at.min(self.until)
    }
}

impl Board {
    /// Somebody calls by hand.
    pub(super) fn call_roll(&mut self, now: Instant, asked: &ShiftAsked) -> Result<(), Outcome> {
        if !self.shift.is_on() {
            return Err(refused("nobody_on_duty", "没有人在岗,无法查岗", "Nobody is on duty"));
        }
        if self.shift.book.roll.asking.is_none() {
            self.shift_line(asked, "roll_call.asked", None, None);
            self.ask_roll(now, asked.by.clone());
        }
        Ok(())
    }

    pub(super) fn answer_roll(&mut self, asked: &ShiftAsked) {
        let Some(asking) = self.shift.book.roll.asking.take() else { return };
        let took_s = (self.wall.unix_ms() - asking.at.unix_ms()).max(0) / 1_000;
        let what = if asking.missed { "roll_call.answered_late" } else { "roll_call.answered" };
        self.shift_line(asked, what, None, Some(alloc::format!("{took_s} s")));
        self.shift.roll.until = Instant::NEVER;
        if let Some(id) = self.shift.roll.row.take() {
            self.close(id);
        }
        self.keep_shift();
    }

    fn ask_roll(&mut self, now: Instant, by: alloc::string::String) {
        self.shift.book.roll.asking = Some(Asking { at: self.wall, by, missed: false });
        self.shift.roll.until = now + ANSWER_WITHIN;
        self.keep_shift();
    }

    pub(super) fn look_at_roll(&mut self, now: Instant) {
        if self.shift.roll.until <= now {
            self.shift.roll.until = Instant::NEVER;
            self.nobody_answered();
        }
        if !self.shift.is_on() {
            self.shift.roll.look_at = Instant::NEVER;
            return;
        }
        if self.shift.roll.look_at > now && self.shift.roll.look_at < Instant::NEVER {
            return;
        }
        self.plan_night();
        let wall = self.wall.unix_ms();
        let roll = &mut self.shift.book.roll;
        let due = roll.planned.pop_if(|at| at.unix_ms() <= wall);
        if due.is_some() && roll.asking.is_none() {
            let line = self.own_line("roll_call.asked", None, Some(self.shift.names()));
            self.log.push(line);
            self.ask_roll(now, self.settings.name.to_string());
        }
        let next = self.shift.book.roll.planned.last().map(|at| at.unix_ms() - wall);
        let next = next.map_or(LOOK_AGAIN, |ms| Duration::from_millis(ms.max(0).cast_unsigned()));
        self.shift.roll.look_at = now + next.min(LOOK_AGAIN);
    }

    /// Draws this night's moments, once. Those that are past already are left out: a shift that begins at four
    /// is asked at most once.
    fn plan_night(&mut self) {
        let local = self.wall.unix_ms() + LOCAL_MS - DAY_MS / 2;
        let (night, since_noon) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        if self.shift.book.roll.night == night || since_noon < PLANNED_FROM_MS {
            return;
        }
        let noon = self.wall.unix_ms() - since_noon;
        let half = HALF_MS.cast_unsigned();
        let mut draw = |from: i64| noon + from + (self.chance.draw() % half).cast_signed();
        let (early, late) = (draw(FROM_MS), draw(FROM_MS + HALF_MS));
        let moments = match self.chance.draw() % 3 {
            0 => [Some(late), None],
            1 => [None, Some(early)],
            _ => [Some(late), Some(early)],
        };
        let ahead = |at: &i64| *at > self.wall.unix_ms();
        let planned = moments.into_iter().flatten().filter(ahead).map(Timestamp::from_unix_ms);
        self.shift.book.roll.planned = planned.collect();
        self.shift.book.roll.night = night;
        self.keep_shift();
    }

    fn nobody_answered(&mut self) {
        let Some(asking) = self.shift.book.roll.asking.as_mut() else { return };
        if !core::mem::replace(&mut asking.missed, true) {
            let line = self.own_line("roll_call.unanswered", None, Some(self.shift.names()));
            self.log.push(line);
            self.keep_shift();
        }
        let text = Text::new("值班室无人应答查岗", "Nobody in the duty room answered the roll call");
        self.shift.roll.row = self.room_trouble(ROLL_CALL_UNANSWERED, text);
    }
}
