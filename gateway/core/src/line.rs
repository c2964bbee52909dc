//! One line: who is asked next, who is late, who is lost.
//!
//! Alarm blocks go first; state and slow blocks get a bounded share, so that neither starves; devices that
//! stopped answering are probed from a budget, so that the dead do not slow the living. Two asks are kept
//! ahead, so the wire never waits for a decision. Nothing here touches a wire: asks go out, outcomes come in.
mod ask;
mod budget;
mod change;
mod choice;
mod device;
#[cfg(test)]
mod field;
mod heard;
#[cfg(test)]
mod limit;
#[cfg(test)]
mod stories;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

use crate::chance::Chance;
use crate::configuration::{DeviceIndex, DeviceSettings, LineIndex, LineKind, LineSettings};
use crate::input::{AskId, Outcome};
use crate::output::{Ask, Request};
use crate::plan::Plan;
use crate::reading::{NoData, Raw};

pub(crate) use budget::{ALARM_TO_OTHER, MANY_DEAD_PAUSE, are_few};

use budget::Budget;
use choice::{Chosen, Kind, What};
use device::Device;

/// Asks that may be with the line's hands at a time: one on the wire, one ready behind it.
const OUTSTANDING_MOST: usize = 2;
/// Writes that may wait; one more is refused.
const WRITES_MOST: usize = 32;
/// An ask that has not ended this long after its time-out never will: the line's hands are stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// Single requests that may wait; one more is refused.
const ONCE_MOST: usize = 8;

/// One configured line and the devices on it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    index: LineIndex,
    kind: LineKind,
    devices: Vec<Device>,
    up: bool,
    /// Somebody was blamed for the present or last time that the line went down.
    blamed: bool,
    next_id: AskId,
    outstanding: VecDeque<Outstanding>,
    /// Retries and re-reads: ahead of everything. At most two a block.
    urgent: VecDeque<Chosen>,
    writes: VecDeque<QueuedWrite>,
    once: VecDeque<QueuedOnce>,
    budget: Budget,
    /// The last ask was not for an alarm block: an alarm block that is due goes next.
    other_last: bool,
    /// The device asked last, which may need quiet time before it is asked again.
    asked_last: Option<usize>,
    /// When the last exchange ended.
    free_at: Instant,
    /// When something may become due without an event, as of the last look that found nothing.
    look_again: Option<Instant>,
    round_began: Instant,
    round: Option<Duration>,
    good: u32,
    ended: u32,
    chance: Chance,
}

/// Whether a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// It has not answered since the start, nor been given up.
    NotYet,
    Online,
    /// The last ask, and its retry, went without a valid answer.
    Missing,
    /// Three asks in a row without an answer, and none for 10 s.
    Lost,
}

/// What a write is for. Of one purpose and register, only the newest waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The committed press count, given back to a call unit.
    Echo(u16),
    /// A call unit's lamp.
    Indicator(u16),
    /// The device's own reset.
    Reset,
    /// A siren or lamp.
    Output,
}

/// What the line found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// A block was read, or could not be.
    Read { device: DeviceIndex, block: usize, outcome: Result<Raw, NoData>, at: Instant },
    /// A write accepted by [`Line::write`] ended; it is not repeated.
    Written { device: DeviceIndex, purpose: Purpose, outcome: Result<(), NoData> },
    /// A request accepted by [`Line::read_once`] ended.
    Once { token: u64, outcome: Outcome },
    /// The device answered for the first time since the start.
    Online { device: DeviceIndex },
    /// It stopped answering; all its blocks were just reported as not read.
    Lost { device: DeviceIndex, why: NoData },
    /// It was lost and answers again.
    Back { device: DeviceIndex },
    /// Another model answers at its unit id; all its blocks were just reported so. Nothing is written to it.
    WrongIdentity { device: DeviceIndex },
    /// The right model answers again after a wrong one.
    RightIdentity { device: DeviceIndex },
}

#[derive(Debug, Serialize, Deserialize)]
struct Outstanding {
    id: AskId,
    chosen: Chosen,
    request: Request,
    issued: Instant,
    timeout: Duration,
    /// An alarm block was due when something else was chosen.
    delays_alarm: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct QueuedWrite {
    device: usize,
    purpose: Purpose,
    request: Request,
    /// It has let an alarm of its device go first.
    has_yielded: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct QueuedOnce {
    device: usize,
    token: u64,
    request: Request,
}

impl Line {
    /// `devices` are this line's only. `seed` spreads the probes of lost devices.
    pub fn new<'a>(
        index: LineIndex,
        settings: &LineSettings,
        devices: impl Iterator<Item = (DeviceIndex, &'a DeviceSettings)>,
        seed: u64,
    ) -> Self {
        Self {
            index,
            kind: settings.kind,
            devices: devices.map(|(index, device)| Device::new(index, device, settings)).collect(),
            up: false,
            blamed: false,
            next_id: 1,
            outstanding: VecDeque::new(),
            urgent: VecDeque::new(),
            writes: VecDeque::new(),
            once: VecDeque::new(),
            budget: Budget::default(),
            other_last: false,
            asked_last: None,
            free_at: Instant::default(),
            look_again: None,
            round_began: Instant::default(),
            round: None,
            good: 0,
            ended: 0,
            chance: Chance::new(seed),
        }
    }

    pub fn index(&self) -> LineIndex {
        self.index
    }

    /// The port is open: everything is due, identities first.
    pub fn up(&mut self, now: Instant) {
        self.up = true;
        self.blamed = false;
        self.free_at = now;
        self.round_began = now;
        self.budget = Budget::default();
        for device in &mut self.devices {
            device.line_up(now);
        }
    }

    /// The port is gone: nothing that is outstanding or waiting will be answered.
    pub fn down(&mut self, now: Instant, reports: &mut Vec<Report>) {
        self.up = false;
        if let Some(asked) = self.outstanding.front().map(|asked| asked.chosen.device) {
            self.blame(asked);
        }
        for Outstanding { chosen, .. } in core::mem::take(&mut self.outstanding) {
            match chosen.what {
                What::Write { purpose, .. } => {
                    self.report_written(chosen.device, purpose, Err(NoData::LineDown), reports);
                }
                What::Once { token, .. } => {
                    let outcome = Outcome::Failed(crate::input::AskFailure::LineDown);
                    reports.push(Report::Once { token, outcome });
                }
                // All blocks are reported below.
                What::Block(_) | What::Identity(_) => {}
            }
        }
        self.urgent.clear();
        self.asked_last = None;
        for write in core::mem::take(&mut self.writes) {
            self.report_written(write.device, write.purpose, Err(NoData::LineDown), reports);
        }
        for once in core::mem::take(&mut self.once) {
            let outcome = Outcome::Failed(crate::input::AskFailure::LineDown);
            reports.push(Report::Once { token: once.token, outcome });
        }
        for device in &mut self.devices {
            device.line_down();
            device.report_all(now, NoData::LineDown, reports);
        }
    }

    /// The next exchange for the line's hands, if one is due and less than two are with them. Call it after
    /// every event until there is none.
    pub fn next_ask(&mut self, now: Instant) -> Option<Ask> {
        if !self.up || self.outstanding.len() >= OUTSTANDING_MOST {
            return None;
        }
        let (chosen, delays_alarm) = self.choose(now)?;
        self.issue(now, chosen, delays_alarm)
    }

    /// When [`Self::next_ask`], which has just said that there is nothing, may have something without any event.
    pub fn next_deadline(&self) -> Option<Instant> {
        if !self.up || self.outstanding.len() >= OUTSTANDING_MOST {
            return None;
        }
        self.look_again
    }

    /// An ask ended. Asks that are not outstanding (the line went down meanwhile) are ignored.
    pub fn answered(&mut self, now: Instant, ask: AskId, outcome: &Outcome, reports: &mut Vec<Report>) {
        let Some(place) = self.outstanding.iter().position(|outstanding| outstanding.id == ask) else {
            return;
        };
        if let Some(ended) = self.outstanding.remove(place) {
            self.end(now, ended, outcome, reports);
        }
    }

    /// Reads the block of this point once more, ahead of everything that is not yet with the hands. It is not
    /// retried: a failure is reported at once.
    pub fn reread(&mut self, _now: Instant, device: DeviceIndex, point: usize) {
        let Some(device) = self.place_of(device) else { return };
        let Some(block) = self.devices.get(device).and_then(|device| device.block_of(point)) else { return };
        let same = |chosen: &Chosen| chosen.device == device && chosen.what == What::Block(block);
        let waits = self.urgent.iter().any(same);
        if !waits && !self.outstanding.iter().any(|outstanding| same(&outstanding.chosen)) {
            self.urgent.push_back(Chosen { device, what: What::Block(block), kind: Kind::Reread });
        }
    }

    /// Takes a write: it goes before everything but alarms, and behind at most one alarm exchange at a time.
    /// Refused (false) while the device does not answer, before its identity is proven since it last came
    /// back, and when 32 are waiting.
    pub fn write(&mut self, device: DeviceIndex, purpose: Purpose, request: Request) -> bool {
        let Some(device) = self.place_of(device) else { return false };
        if !self.up || !self.devices.get(device).is_some_and(Device::may_be_written) {
            return false;
        }
        let new = QueuedWrite { device, purpose, request, has_yielded: false };
        let same = |write: &&mut QueuedWrite| {
            write.device == device
                && core::mem::discriminant(&write.purpose) == core::mem::discriminant(&new.purpose)
                && ask::address(&write.request) == ask::address(&new.request)
        };
        if let Some(older) = self.writes.iter_mut().find(same) {
            *older = QueuedWrite { has_yielded: older.has_yielded, ..new };
            return true;
        }
        if self.writes.len() >= WRITES_MOST {
            return false;
        }
        self.writes.push_back(new);
        true
    }

    /// Takes back a write of this purpose that still waits; what is with the hands goes out.
    pub(crate) fn withdraw(&mut self, device: DeviceIndex, purpose: Purpose) {
        let Some(device) = self.place_of(device) else { return };
        let kind = core::mem::discriminant(&purpose);
        self.writes.retain(|write| write.device != device || core::mem::discriminant(&write.purpose) != kind);
    }

    /// Takes one request that is no part of polling, told by [`Report::Once`] with this token and not
    /// retried. Refused (false) while the line is down and when 8 are waiting.
    pub fn read_once(&mut self, device: DeviceIndex, token: u64, request: Request) -> bool {
        let Some(device) = self.place_of(device) else { return false };
        let room = self.up && self.once.len() < ONCE_MOST;
        if room {
            self.once.push_back(QueuedOnce { device, token, request });
        }
        room
    }

    /// Whether this device answers; `NotYet` for a device of another line.
    pub fn presence(&self, device: DeviceIndex) -> Presence {
        self.device(device).map_or(Presence::NotYet, |device| device.presence)
    }

    /// The device has answered and its identity, if it has one, was right since it or the line last came back.
    pub fn is_proven(&self, device: DeviceIndex) -> bool {
        self.device(device).is_some_and(Device::may_be_written)
    }

    /// From now on this point is read at least this often, or as its poll class says if that is oftener. The
    /// line's shares hold: an alarm block never waits for it.
    pub fn read_at_least(&mut self, now: Instant, device: DeviceIndex, point: usize, every: Duration) {
        if let Some(device) = self.devices.iter_mut().find(|known| known.index == device) {
            device.read_at_least(now, point, every);
        }
    }

    /// What this device is asked; none for a device of another line.
    pub fn plan(&self, device: DeviceIndex) -> Option<&Plan> {
        self.device(device).map(|device| &device.plan)
    }

    /// How long the last round took in which every alarm block of the living was read.
    pub fn round(&self) -> Option<Duration> {
        self.round
    }

    /// Until now nobody asked or listened for so long: that is no silence of the devices.
    pub fn was_unwatched(&mut self, now: Instant, away: Duration) {
        self.devices.iter_mut().for_each(|device| device.was_unwatched(now, away));
    }

    /// An ask is long overdue: nothing that is asked here ends any more.
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.outstanding
            .front()
            .is_some_and(|oldest| now.since(oldest.issued.max(self.free_at)) >= oldest.timeout + STUCK_AFTER)
    }

    /// The share of exchanges with a valid answer since this was last called, 0 to 1; probes of devices known
    /// to be silent do not count. Without any exchange it is 1 only if that is because nothing was due.
    pub fn take_good_share(&mut self) -> f64 {
        let (good, ended) = (core::mem::take(&mut self.good), core::mem::take(&mut self.ended));
        let idle = self.up && self.lost_count() == 0;
        match ended {
            0 => f64::from(u8::from(idle)),
            ended => f64::from(good) / f64::from(ended),
        }
    }

    pub fn lost_count(&self) -> usize {
        self.devices.iter().filter(|device| device.presence == Presence::Lost).count()
    }

    /// More than half of the line's devices are lost: something is wrong with the line itself.
    pub fn mostly_silent(&self) -> bool {
        self.lost_count() * 2 > self.devices.len()
    }

    /// The port went away under this device's ask. If it does so again and again, the device is asked ever
    /// later after the line's return, so that the others have their turn.
    fn blame(&mut self, place: usize) {
        if !core::mem::replace(&mut self.blamed, true)
            && let Some(device) = self.devices.get_mut(place)
        {
            device.ruins = device.ruins.saturating_add(1);
        }
    }

    fn place_of(&self, device: DeviceIndex) -> Option<usize> {
        self.devices.iter().position(|other| other.index == device)
    }

    fn device(&self, device: DeviceIndex) -> Option<&Device> {
        self.devices.iter().find(|other| other.index == device)
    }
}
