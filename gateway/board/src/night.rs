//! The night: from 22:00 to 06:00 local time nothing but emergencies sounds, and at 06:30 the board says what did not.
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use core::time::Duration;

use shouwang_message::{AlarmId, Instant, Mode, Place, Priority, Text, Timestamp};

use crate::board::Board;
use crate::kept;
use crate::logbook::LogLine;
use crate::row::{Row, RowKind};

/// Rows remembered for the morning; beyond it they are in the list, but not in its count.
const REMEMBERED: usize = 2_000;
const DAY: i64 = 24 * 60;
/// After the night, before the list of it.
const REPORT_AFTER: i64 = 30;

/// When it is night, in minutes of the local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Night {
    /// First minute of the night, 0 to 1439.
    pub from: u16,
    /// First minute after it; the same as `from`: there is no night.
    pub to: u16,
    /// Local time is so many minutes ahead of UTC.
    pub utc_offset: i16,
}

impl Default for Night {
    /// 22:00 to 06:00 in China.
    fn default() -> Self {
        Self { from: 22 * 60, to: 6 * 60, utc_offset: 8 * 60 }
    }
}

impl Night {
    fn minute(&self, wall: Timestamp) -> i64 {
        (wall.unix_ms().div_euclid(60_000) + i64::from(self.utc_offset)).rem_euclid(DAY)
    }

    /// Minutes since `from`, at this minute of the day.
    fn since(from: i64, minute: i64) -> i64 {
        (minute - from).rem_euclid(DAY)
    }

    pub(crate) fn is_night(&self, wall: Timestamp) -> bool {
        Self::since(self.from.into(), self.minute(wall)) < Self::since(self.from.into(), self.to.into())
    }

    /// After the night and its half hour, until the next.
    fn is_report_time(&self, wall: Timestamp) -> bool {
        let report = (i64::from(self.to) + REPORT_AFTER).rem_euclid(DAY);
        let length = Self::since(report, self.from.into());
        Self::since(report, self.minute(wall)) < length
    }

    /// Until the next of the three moments.
    fn until_next(&self, wall: Timestamp) -> Duration {
        let minute = self.minute(wall);
        let report = i64::from(self.to) + REPORT_AFTER;
        let next = [i64::from(self.from), i64::from(self.to), report].into_iter();
        let minutes =
            next.map(|at| Self::since(minute, at)).filter(|minutes| *minutes > 0).min().unwrap_or(DAY);
        let ms = minutes * 60_000 - wall.unix_ms().rem_euclid(60_000);
        Duration::from_millis(u64::try_from(ms).unwrap_or(60_000))
    }
}

/// Whether it is night here, and what did not sound in it.
#[derive(Debug)]
pub(crate) struct NightWatch {
    pub(crate) is_night: bool,
    unheard: BTreeSet<AlarmId>,
    look_at: Instant,
}

impl NightWatch {
    pub(crate) fn new() -> Self {
        Self { is_night: false, unheard: BTreeSet::new(), look_at: Instant::default() }
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.look_at
    }

    pub(crate) fn remember(&mut self, kept: &str) -> Option<()> {
        self.unheard = serde_json::from_str(kept).ok()?;
        Some(())
    }
}

impl Board {
    /// The clock of this room says whether it is night: a clock is all that a night is.
    pub(crate) fn look_at_night(&mut self, now: Instant) {
        let night = self.settings.night;
        self.night.look_at = now + night.until_next(self.wall);
        let is_night = night.is_night(self.wall);
        self.changed |= is_night != self.night.is_night;
        if self.night.is_night && !is_night {
            // 督办 that waited for the morning.
            self.outreach.touch_all();
        }
        self.night.is_night = is_night;
        if night.is_report_time(self.wall) && !self.night.unheard.is_empty() {
            self.tell_night();
        }
    }

    /// A row that would have sounded by day is new.
    pub(crate) fn note_for_morning(&mut self, row: &Row) {
        let is_real = row.alarm_document().is_none_or(|document| document.mode == Mode::Live);
        let sounds = is_real && row.priority() != Priority::Advisory && !matches!(row.kind, RowKind::Note);
        let is_quiet = self.settings.night.is_night(self.wall) && !row.is_live_emergency();
        if sounds && is_quiet && self.night.unheard.len() < REMEMBERED && self.night.unheard.insert(row.id())
        {
            self.keep.push((kept::NIGHT.into(), serde_json::to_string(&self.night.unheard).ok()));
        }
    }

    fn tell_night(&mut self) {
        let unheard = core::mem::take(&mut self.night.unheard);
        self.keep.push((kept::NIGHT.into(), None));
        let open = unheard.iter().filter(|id| self.rows.contains_key(id)).count();
        let (count, own) = (unheard.len(), self.own_name());
        let text = Text::new(
            alloc::format!("夜间未响铃 {count} 条,其中 {open} 条未结束"),
            alloc::format!("{count} rows did not sound in the night, {open} of them are still open"),
        );
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "board".into(),
            what: "night.list".into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{count} not sounded, {open} open")),
            note: None,
        });
        self.note(&own, None, Place::default(), "night_list", text);
    }
}
