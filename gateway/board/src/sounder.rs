//! The siren on the desk, which sounds with every browser closed: for emergencies that nobody has acknowledged, ten
//! minutes and then one in five, so that nobody cuts its wire. It is quiet for a minute for whoever asks, and sounds
//! again at the next emergency. A siren that does not obey is a row.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::time::Duration;

use shouwang_message::{AlarmId, Instant, Priority, Text};

use crate::Output;
use crate::asking::Request;
use crate::board::Board;
use crate::logbook::LogLine;
use crate::row::{Row, RowKind};
use crate::trust::shown;

/// The same as on the gateway: so long without a pause, then [`SOUND_AGAIN`] at the end of every [`SOUND_EVERY`].
const SOUND_AT_FIRST: Duration = Duration::from_secs(600);
const SOUND_EVERY: Duration = Duration::from_secs(300);
const SOUND_AGAIN: Duration = Duration::from_secs(60);
const SILENT_FOR: Duration = Duration::from_secs(60);
/// What was said is said again: a relay that lost its power has forgotten it, and a silent one is found out.
const SAY_EVERY: Duration = Duration::from_secs(5);
const SAY_AGAIN: Duration = Duration::from_secs(1);
/// The list is looked at no more often than this, however fast it changes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const FAILING_AT: u32 = 3;
/// No word at all from the hands for this long is a failure too.
const UNANSWERED: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Sounder {
    /// Emergencies that nobody has acknowledged, and which cry of each.
    cries: BTreeMap<AlarmId, u32>,
    /// Since it began to sound, or another emergency joined.
    sounding_since: Option<Instant>,
    silent_until: Option<Instant>,
    is_on: bool,
    looked_at: Instant,
    look_at: Instant,
    say_at: Instant,
    /// Nothing was heard from the hands since.
    unanswered_since: Option<Instant>,
    failures: u32,
    row: Option<AlarmId>,
}

impl Sounder {
    /// Of a desk that has a siren or none.
    pub(crate) fn new(now: Instant, exists: bool) -> Self {
        let first = if exists { now } else { Instant::NEVER };
        Self {
            cries: BTreeMap::new(),
            sounding_since: None,
            silent_until: None,
            is_on: false,
            looked_at: Instant::default(),
            look_at: first,
            say_at: first,
            unanswered_since: None,
            failures: 0,
            row: None,
        }
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.look_at.min(self.say_at)
    }

    /// Whether it should sound now, and when that changes by itself.
    fn judge(&mut self, now: Instant, cries: BTreeMap<AlarmId, u32>) -> (bool, Instant) {
        let has_joined = cries.iter().any(|(id, cry)| self.cries.get(id).is_none_or(|known| known < cry));
        self.cries = cries;
        if self.cries.is_empty() {
            (self.sounding_since, self.silent_until) = (None, None);
            return (false, Instant::NEVER);
        }
        if has_joined {
            (self.sounding_since, self.silent_until) = (Some(now), None);
        }
        self.silent_until.take_if(|until| *until <= now);
        let (is_on, next) = pattern(now, self.sounding_since.unwrap_or(now));
        match self.silent_until {
            Some(until) => (false, until),
            None => (is_on, next),
        }
    }
}

/// Ten minutes, then the last of every five.
fn pattern(now: Instant, since: Instant) -> (bool, Instant) {
    let sounding = now.since(since);
    let Some(after) = sounding.checked_sub(SOUND_AT_FIRST) else { return (true, since + SOUND_AT_FIRST) };
    let rounds = u32::try_from(after.as_micros() / SOUND_EVERY.as_micros()).unwrap_or(u32::MAX);
    let ends = SOUND_AT_FIRST + SOUND_EVERY * rounds + SOUND_EVERY;
    let begins = ends.saturating_sub(SOUND_AGAIN);
    if sounding >= begins { (true, since + ends) } else { (false, since + begins) }
}

impl Board {
    /// Somebody in the room wants it quiet for a minute.
    pub(crate) fn hushed(&mut self, now: Instant, by: String, from: String) {
        self.log.push(LogLine {
            at: self.wall,
            by,
            from,
            what: "sounder.silence".into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{} s", SILENT_FOR.as_secs())),
            note: None,
        });
        self.hush(now);
    }

    /// Until it is over, or another emergency comes.
    pub(crate) fn hush(&mut self, now: Instant) {
        if !self.sounder.cries.is_empty() {
            self.sounder.silent_until = Some(now + SILENT_FOR);
            self.sounder.look_at = now;
        }
    }

    /// What became of the last [`Output::Sound`].
    pub(crate) fn sounded(&mut self, now: Instant, trouble: Option<&str>) {
        self.sounder.unanswered_since = None;
        let Some(trouble) = trouble else {
            self.sounder.failures = 0;
            if let Some(id) = self.sounder.row.take() {
                self.close(id);
            }
            return;
        };
        self.sounder.failures = self.sounder.failures.saturating_add(1);
        self.sounder.say_at = now + if self.sounder.failures < FAILING_AT { SAY_AGAIN } else { SAY_EVERY };
        if self.sounder.failures >= FAILING_AT {
            self.show_sounder_failing(&shown(trouble));
        }
    }

    fn show_sounder_failing(&mut self, trouble: &str) {
        if self.sounder.row.is_some() {
            return;
        }
        let own = self.own_name();
        let text = Text::new(
            alloc::format!("值班室声光报警器不听指挥({trouble}),请检查供电和接线:现在只有页面能响"),
            alloc::format!(
                "The desk sounder does not obey ({trouble}); check its power and wiring: only pages sound now"
            ),
        );
        self.sounder.row = self.own_row(RowKind::Fault, &own, "sounder_failing", Priority::Urgent, text);
    }

    /// Hands that say nothing any more are a siren that does not obey.
    pub(crate) fn look_at_sounders_silence(&mut self, now: Instant) {
        if self.sounder.unanswered_since.is_some_and(|since| now.since(since) >= UNANSWERED) {
            self.show_sounder_failing(&alloc::format!("{} s", UNANSWERED.as_secs()));
        }
    }

    /// Says what is to be heard: at once when it changes, and again and again.
    pub(crate) fn look_at_sounder(&mut self, now: Instant) {
        if !self.settings.has_sounder {
            return;
        }
        if self.changed {
            self.sounder.look_at = self.sounder.look_at.min(self.sounder.looked_at + LOOK_EVERY);
        }
        if self.sounder.look_at <= now {
            let cries = self.waiting_cries();
            let (is_on, next) = self.sounder.judge(now, cries);
            if is_on != self.sounder.is_on {
                (self.sounder.is_on, self.sounder.say_at) = (is_on, now);
            }
            (self.sounder.looked_at, self.sounder.look_at) = (now, next);
        }
        if self.sounder.say_at <= now {
            self.sounder.say_at = now + SAY_EVERY;
            self.sounder.unanswered_since.get_or_insert(now);
            self.out.push(Output::Sound { on: self.sounder.is_on });
        }
    }

    /// Live emergencies that wait for a person, with the number of their cry.
    fn waiting_cries(&self) -> BTreeMap<AlarmId, u32> {
        let asked = self.pending.values().filter(|pending| pending.request == Request::Acknowledge);
        let asked: BTreeSet<AlarmId> = asked.map(|pending| pending.alarm).collect();
        let waits = |id: &AlarmId, row: &Row| {
            let is_quiet = row.alarm_document().is_some_and(|document| {
                document.shelved.is_some()
                    || document.out_of_service.is_some()
                    || document.suppressed.is_some()
            });
            // Cooking smoke is only spoken of for a while.
            let is_quiet = is_quiet || self.speaks_until(row).is_some();
            row.is_live_emergency() && row.acknowledged().is_none() && !asked.contains(id) && !is_quiet
        };
        let waiting = self.rows.iter().filter(|(id, row)| waits(id, row));
        waiting
            .map(|(id, row)| (*id, row.alarm_document().map_or(1, |document| document.occurrence)))
            .collect()
    }
}
