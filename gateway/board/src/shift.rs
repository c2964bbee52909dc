//! The shift: who is on duty since when, what they noted, and the two-hour line. Nobody leaves an empty desk: only
//! with somebody else on duty, or by handing over.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{AlarmId, DeviceState, Instant, Text, Timestamp};

use crate::board::{Board, Effect};
use crate::logbook::LogLine;
use crate::presence::Presence;
use crate::requests::refused;
use crate::{Outcome, Output, kept};

mod coverage;
mod figures;
mod handover;
mod outage;
mod roll_call;

use coverage::Duty;
pub(crate) use figures::Figures;
use handover::SheetHead;
pub(crate) use outage::Outage;
use roll_call::{RollBook, RollWatch};

/// Persons on duty at a time.
const ON_DUTY: usize = 4;
/// Fewer than this is a warning.
const ENOUGH: usize = 2;
/// Longer than this on duty is a warning (8 h, the shift of a fire control room).
const LONG_MS: i64 = 8 * HOUR_MS;
pub(super) const HOUR_MS: i64 = 3_600_000;
/// The state of the equipment goes into the logbook this often.
const LINE_EVERY: Duration = Duration::from_secs(2 * 3_600);
/// Notes of one shift.
const NOTES: usize = 100;

/// A person's request about the shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftAsked {
    /// Account id.
    pub by: String,
    /// The network address it came from.
    pub from: String,
    pub step: ShiftStep,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShiftStep {
    /// 开始值守: begins the shift or joins it.
    Begin,
    /// Leaves while somebody else stays.
    Leave,
    /// Saw the two-hour line.
    SeeLine,
    /// Words for the next shift.
    Note { text: String },
    /// 查岗 now.
    CallRoll,
    /// Is there: the answer to 查岗.
    AnswerRoll,
    /// Looked at one place that was not watched while something was lost; from 0.
    LookedAt { outage: AlarmId, place: usize },
    /// 交接班: `by` and those in `leaving` go, `to` takes over; both have signed.
    /// `proven`: each by their own password, rather than by a name alone.
    HandOver { to: String, leaving: Vec<String>, proven: bool, logbook: LogbookEnd },
}

/// Where the logbook ended when a sheet was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogbookEnd {
    pub number: u64,
    /// SHA-256, hexadecimal.
    pub hash: String,
}

/// What a restart must not forget, without the notes and the figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ShiftBook {
    /// 1, 2, 3...; 0 before anybody was ever on duty.
    number: u32,
    began: Option<Timestamp>,
    on_duty: Vec<OnDuty>,
    /// Who was on duty in the last 24 h and left.
    past: VecDeque<Duty>,
    line: Option<TwoHourLine>,
    roll: RollBook,
    /// The newest signed sheets, oldest first; all of them stay on disk.
    sheets: VecDeque<SheetHead>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OnDuty {
    by: String,
    since: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    at: Timestamp,
    by: String,
    text: String,
}

/// The state of the equipment as the board wrote it into the logbook.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TwoHourLine {
    at: Timestamp,
    online: u32,
    devices: u32,
    open: u32,
    boards: u32,
    /// Who saw it.
    seen: Option<String>,
}

/// The shift with what only this process knows.
#[derive(Debug)]
pub(crate) struct Shift {
    book: ShiftBook,
    notes: Vec<Note>,
    pub(crate) figures: Figures,
    /// What was lost and is back, as long as somebody has yet to look.
    outages: BTreeMap<AlarmId, Outage>,
    line_at: Instant,
    roll: RollWatch,
    /// Grows with every change that a page should show.
    revision: u64,
}

impl Shift {
    pub(crate) fn new() -> Self {
        Self {
            book: ShiftBook::default(),
            notes: Vec::new(),
            figures: Figures::default(),
            outages: BTreeMap::new(),
            line_at: Instant::NEVER,
            roll: RollWatch::default(),
            revision: 1,
        }
    }

    pub(crate) fn remember(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "now" => self.book = serde_json::from_str(value).ok()?,
            "notes" => self.notes = serde_json::from_str(value).ok()?,
            "figures" => self.figures = serde_json::from_str(value).ok()?,
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn remember_outage(&mut self, id: &str, value: &str) -> Option<()> {
        self.outages.insert(id.parse().ok()?, serde_json::from_str(value).ok()?);
        Some(())
    }

    /// Once everything is remembered. The wall clock only bridges the time in which no process ran.
    pub(crate) fn restored(&mut self, now: Instant, wall: Timestamp) {
        let last = self.book.line.as_ref().map(|line| line.at).or(self.book.began);
        if let Some(last) = last.filter(|_| self.is_on()) {
            let gone = u64::try_from(wall.unix_ms() - last.unix_ms()).unwrap_or_default();
            self.line_at = now + LINE_EVERY.saturating_sub(Duration::from_millis(gone));
        }
        self.roll.restored(now, &self.book.roll);
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.line_at.min(self.roll.next_deadline())
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.book.on_duty.is_empty()
    }

    fn is_on_duty(&self, by: &str) -> bool {
        self.book.on_duty.iter().any(|person| person.by == by)
    }

    fn join(&mut self, by: &str, at: Timestamp) {
        if !self.is_on_duty(by) {
            self.book.on_duty.push(OnDuty { by: by.to_string(), since: at });
        }
    }

    fn go(&mut self, by: &str, at: Timestamp) {
        let Some(place) = self.book.on_duty.iter().position(|person| person.by == by) else { return };
        let gone = self.book.on_duty.remove(place);
        coverage::remember(&mut self.book.past, Duty { by: gone.by, since: gone.since, until: at });
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.book.on_duty.iter().map(|person| person.by.as_str()).collect();
        names.join("、")
    }
}

impl Board {
    /// The shift as JSON: who is on duty, warnings, the last 24 hours, the two-hour line, 查岗, notes and figures.
    pub fn shift(&self) -> Value {
        let book = &self.shift.book;
        let on_duty = book.on_duty.iter().map(|person| {
            let on_ms = self.wall.unix_ms() - person.since.unix_ms();
            json!({ "by": person.by, "since": person.since, "long": on_ms > LONG_MS })
        });
        let sheets = book.sheets.iter().rev();
        json!({
            "number": book.number, "began": book.began,
            "on_duty": on_duty.collect::<Vec<_>>(), "warnings": self.shift_warnings(),
            "coverage": self.shift.coverage(self.wall), "line": book.line,
            "roll_call": book.roll.asking(), "notes": self.shift.notes, "figures": self.shift.figures,
            "outages": self.outages(), "sheets": sheets.collect::<Vec<_>>(),
        })
    }

    /// Grows with every change of [`Self::shift`].
    pub fn shift_revision(&self) -> u64 {
        self.shift.revision()
    }

    /// Whether 查岗 waits for its answer.
    pub fn is_calling_roll(&self) -> bool {
        self.shift.book.roll.asking().is_some()
    }

    fn shift_warnings(&self) -> Vec<Text> {
        let book = &self.shift.book;
        let mut warnings = Vec::new();
        let count = book.on_duty.len();
        if book.number > 0 && count < ENOUGH {
            let zh = alloc::format!("在岗 {count} 人,应不少于 {ENOUGH} 人");
            warnings.push(Text::new(zh, alloc::format!("{count} on duty, {ENOUGH} are needed")));
        }
        for person in &book.on_duty {
            let on_ms = self.wall.unix_ms() - person.since.unix_ms();
            if on_ms > LONG_MS {
                let hours = on_ms / HOUR_MS;
                warnings.push(Text::new(
                    alloc::format!("{} 已连续值守 {hours} 小时,应不超过 8 小时", person.by),
                    alloc::format!("{} has been on duty for {hours} h, 8 are the limit", person.by),
                ));
            }
        }
        warnings
    }

    pub(crate) fn shift_asked(&mut self, now: Instant, ticket: u64, asked: &ShiftAsked) {
        let taken = match self.room() {
            0 => Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon")),
            _ => self.take_shift_step(now, asked),
        };
        match taken {
            // What changed nothing is as true as what is on disk.
            Ok(about) => self.effects.push(Effect::ShiftAnswer { ticket, about }),
            Err(outcome) => self.out.push(Output::Answer { ticket, outcome }),
        }
    }

    fn take_shift_step(&mut self, now: Instant, asked: &ShiftAsked) -> Result<Option<AlarmId>, Outcome> {
        match &asked.step {
            ShiftStep::Begin => self.begin_duty(now, asked)?,
            ShiftStep::Leave => self.leave_duty(asked)?,
            ShiftStep::SeeLine => self.see_line(asked),
            ShiftStep::Note { text } => self.note_for_next(asked, text)?,
            ShiftStep::CallRoll => self.call_roll(now, asked)?,
            ShiftStep::AnswerRoll => self.answer_roll(asked),
            ShiftStep::LookedAt { outage, place } => self.tick(asked, *outage, *place)?,
            ShiftStep::HandOver { to, leaving, proven, logbook } => {
                return self.hand_over(now, asked, to, leaving, (*proven, logbook)).map(Some);
            }
        }
        Ok(None)
    }

    fn begin_duty(&mut self, now: Instant, asked: &ShiftAsked) -> Result<(), Outcome> {
        if self.shift.is_on_duty(&asked.by) {
            return Ok(());
        }
        if self.shift.book.on_duty.len() >= ON_DUTY {
            return Err(refused("too_many", "在岗已满 4 人", "Four people are on duty already"));
        }
        let old = self.shift.names();
        if !self.shift.is_on() {
            self.shift.book.number += 1;
            self.shift.book.began = Some(self.wall);
            self.shift.line_at = now + LINE_EVERY;
            self.shift.figures = Figures::default();
            self.keep_figures();
        }
        self.shift.join(&asked.by, self.wall);
        self.shift_line(asked, "shift.begin", Some(old), None);
        self.keep_shift();
        Ok(())
    }

    fn leave_duty(&mut self, asked: &ShiftAsked) -> Result<(), Outcome> {
        if !self.shift.is_on_duty(&asked.by) {
            return Err(not_on_duty(&asked.by));
        }
        if self.shift.book.on_duty.len() < 2 {
            return Err(refused(
                "not_relieved",
                "没有人接班,不能离岗;请交接班",
                "Nobody else is on duty: hand over to leave",
            ));
        }
        let old = self.shift.names();
        self.shift.go(&asked.by, self.wall);
        self.shift_line(asked, "shift.leave", Some(old), None);
        self.keep_shift();
        Ok(())
    }

    fn see_line(&mut self, asked: &ShiftAsked) {
        let Some(line) = self.shift.book.line.as_mut().filter(|line| line.seen.is_none()) else { return };
        line.seen = Some(asked.by.clone());
        self.shift_line(asked, "shift.line_seen", None, None);
        self.keep_shift();
    }

    fn note_for_next(&mut self, asked: &ShiftAsked, text: &str) -> Result<(), Outcome> {
        if self.shift.notes.len() >= NOTES {
            return Err(refused("too_many", "本班备注已满 100 条", "A shift has at most 100 notes"));
        }
        let note = Note { at: self.wall, by: asked.by.clone(), text: text.to_string() };
        self.shift.notes.push(note);
        self.shift_line(asked, "shift.note", None, Some(text.to_string()));
        self.keep_notes();
        Ok(())
    }

    /// What is due by time: the two-hour line and 查岗.
    pub(crate) fn look_at_shift(&mut self, now: Instant) {
        if self.shift.line_at <= now {
            self.shift.line_at = if self.shift.is_on() { now + LINE_EVERY } else { Instant::NEVER };
            if self.shift.is_on() {
                self.write_two_hour_line();
            }
        }
        self.look_at_roll(now);
    }

    fn write_two_hour_line(&mut self) {
        let (mut online, mut devices) = (0_u32, 0_u32);
        for gateway in self.gateways.values() {
            for device in gateway.devices.values() {
                devices += 1;
                let says = device.state.as_ref().map(|state| state.state);
                let there = gateway.watch.presence == Presence::Present;
                online += u32::from(there && says == Some(DeviceState::Online));
            }
        }
        let open = u32::try_from(self.rows.values().filter(|row| !row.finished).count()).unwrap_or(u32::MAX);
        let boards = self.armed_boards();
        let unseen = self.shift.book.line.as_ref().is_some_and(|line| line.seen.is_none());
        let percent = (online * 100).checked_div(devices).unwrap_or(100);
        let new = alloc::format!(
            "online {percent} % ({online}/{devices}), open {open}, boards {boards}, on duty {}",
            self.shift.book.on_duty.len()
        );
        let old = unseen.then(|| "the line before was not seen".to_string());
        self.shift.book.line = Some(TwoHourLine { at: self.wall, online, devices, open, boards, seen: None });
        let own = self.own_line("shift.line", old, Some(new));
        self.log.push(own);
        self.keep_shift();
    }

    /// A line by the duty room itself.
    fn own_line(&self, what: &str, old: Option<String>, new: Option<String>) -> LogLine {
        LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "duty-room".into(),
            what: what.into(),
            about: None,
            old,
            new,
            note: None,
        }
    }

    /// A line about who is on duty now.
    fn shift_line(&mut self, asked: &ShiftAsked, what: &str, old: Option<String>, note: Option<String>) {
        let new = self.shift.names();
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: what.into(),
            about: None,
            old: old.filter(|old| !old.is_empty()),
            new: Some(new).filter(|new| !new.is_empty()),
            note,
        });
    }

    fn keep_shift(&mut self) {
        self.shift.revision += 1;
        let text = serde_json::to_string(&self.shift.book).unwrap_or_default();
        self.keep.push((kept::SHIFT_NOW.into(), Some(text)));
    }

    fn keep_notes(&mut self) {
        self.shift.revision += 1;
        let text = serde_json::to_string(&self.shift.notes).unwrap_or_default();
        self.keep.push((kept::SHIFT_NOTES.into(), Some(text)));
    }

    fn keep_figures(&mut self) {
        self.shift.revision += 1;
        let text = serde_json::to_string(&self.shift.figures).unwrap_or_default();
        self.keep.push((kept::SHIFT_FIGURES.into(), Some(text)));
    }
}

fn not_on_duty(by: &str) -> Outcome {
    refused("not_on_duty", &alloc::format!("{by} 不在岗"), &alloc::format!("{by} is not on duty"))
}
