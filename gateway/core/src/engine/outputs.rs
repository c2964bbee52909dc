//! Outputs: what the box itself sounds and shows, driven until the device says that it is so.
//!
//! A write is an exchange like any other, behind alarms; whether it worked shows when the point is next read.
//! An output that is not as wanted is written again, also after its device or its line was away.
use alloc::format;
use alloc::string::ToString;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmDocument, CommandPayload, Instant, Mode, Priority, Text, Value};

use super::faults::Words;
use super::{Engine, local_key};
use crate::alarm::{Refusal, SHELVE_BY_ONE};
use crate::configuration::{DeviceIndex, LineIndex, OutputIndex};
use crate::fault::Source;
use crate::line::Purpose;
use crate::local_alarm::Cry;
use crate::output::Request;
use crate::profile::{Kind, Point, PollClass};
use crate::reading::{NoData, Reading};

/// After a write that failed, or that the device does not show, the next one waits this long.
const RETRY: Duration = Duration::from_secs(1);
/// An output that is not as wanted two reads and this long after it should be is a fault.
const PATIENCE: Duration = Duration::from_secs(5);
/// No connection for this long shows on the box (rules.md, section 9: within 15 s).
const CONTACT_PATIENCE: Duration = Duration::from_secs(10);
/// Connected, but what waits is heard by no duty room for this long: shown within 30 s.
const HEARING_PATIENCE: Duration = Duration::from_secs(25);
/// An output that a person switches on goes off by itself after this, unless they say until when.
const SWITCHED_ON_FOR: Duration = Duration::from_secs(10 * 60);

/// One output: what it should be, and what is known of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Switch {
    wanted: bool,
    /// What the device said since the last write ended.
    shown: Option<bool>,
    /// What a write that is under way will make of it.
    writing: Option<bool>,
    /// What the device last took.
    written: Option<bool>,
    next_write: Instant,
    /// Since when it is not known to be as wanted.
    unsure_since: Option<Instant>,
    /// Until when a person wants it on.
    on_until: Option<Instant>,
}

impl Switch {
    fn want(&mut self, now: Instant, wanted: bool) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.unsure_since = None;
        }
        if self.shown == Some(wanted) {
            self.unsure_since = None;
        } else {
            self.unsure_since.get_or_insert(now);
        }
    }

    fn needs_write(&self, now: Instant) -> bool {
        // A write that was confirmed is believed until the device says otherwise; and what is not known to be
        // on need not be switched off.
        let known = self.shown.or(self.written).unwrap_or(false);
        self.writing.is_none() && known != self.wanted && now >= self.next_write
    }

    fn ended(&mut self, now: Instant, is_taken: bool) {
        self.written = self.writing.take().filter(|_| is_taken);
        self.shown = None;
        self.next_write = now + RETRY;
    }

    pub(super) fn forget(&mut self) {
        (self.shown, self.written) = (None, None);
    }

    /// Nothing that was to be written will be: its device is asked in another way from now on.
    pub(super) fn abandon(&mut self) {
        self.writing = None;
        self.forget();
    }

    /// It is on, or may be: left alone, it would stay so.
    pub(super) fn may_be_on(&self) -> bool {
        self.wanted || self.writing == Some(true) || self.shown.or(self.written).unwrap_or(false)
    }
}

impl Engine {
    /// What every output should be now, and what has to be done for it.
    pub(super) fn supervise_outputs(&mut self, now: Instant) {
        let has_contact = self.has_contact(now);
        let sounds = self.look_at_local_alarm(now);
        let local = self.configuration.local_alarm;
        for index in 0..self.switches.len() {
            let alarmed = local.is_some_and(|local| {
                (local.output == index && sounds) || (local.no_contact == Some(index) && !has_contact)
            });
            if let Some(switch) = self.switches.get_mut(index) {
                switch.on_until = switch.on_until.filter(|until| *until > now);
                switch.want(now, alarmed || switch.on_until.is_some());
            }
            self.drive(now, index);
            self.settle_output(now, index);
        }
    }

    /// Whether a duty room is reached, as far as can be known: there is a connection, and whatever is said on
    /// it is heard.
    fn has_contact(&mut self, now: Instant) -> bool {
        let waits = self.outbox.committed() > self.outbox.heard_by_any();
        self.unheard_any_since = if waits { self.unheard_any_since.or(Some(now)) } else { None };
        let is_up = self.session.is_up() || now.since(self.last_up) < CONTACT_PATIENCE;
        is_up && self.unheard_any_since.is_none_or(|since| now.since(since) < HEARING_PATIENCE)
    }

    fn look_at_local_alarm(&mut self, now: Instant) -> bool {
        let Some(settings) = self.configuration.local_alarm else { return false };
        let heard = self.outbox.heard_by_any();
        let cries = self.alarms.iter().filter(|alarm| wants_people(&alarm.document)).map(|alarm| Cry {
            alarm: alarm.document.id,
            occurrence: alarm.document.occurrence,
            is_heard: heard >= alarm.cry,
        });
        let look = self.local_alarm.look(now, &settings, cries);
        for (alarm, step) in look.changes {
            let word = step.and_then(|step| step.word());
            self.stage.keep(now, local_key(alarm), word.map(|word| word.as_bytes().to_vec()));
        }
        look.sounds
    }

    /// Writes the output if it is not as wanted. A device takes one such write at a time.
    fn drive(&mut self, now: Instant, index: OutputIndex) {
        let (Some(output), Some(switch)) = (self.configuration.outputs.get(index), self.switches.get(index))
        else {
            return;
        };
        let (device, wanted) = (output.device, switch.wanted);
        let of_device = |other: OutputIndex| {
            self.configuration.outputs.get(other).is_some_and(|output| output.device == device)
        };
        let is_busy = self
            .switches
            .iter()
            .enumerate()
            .any(|(other, switch)| switch.writing.is_some() && of_device(other));
        if is_busy || !switch.needs_write(now) {
            return;
        }
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let Some(point) = settings.profile.points.get(output.point) else { return };
        let Some(request) = request(point, wanted, settings.profile.blocks.write_multiple_only) else {
            return;
        };
        // Refused while the device is silent or a stranger: it is tried again when it is back.
        if let Some(state) = self.lines.get_mut(settings.line)
            && state.line.write(device, Purpose::Output, request)
        {
            state.deadline = now;
            if let Some(switch) = self.switches.get_mut(index) {
                switch.writing = Some(wanted);
            }
        }
    }

    fn settle_output(&mut self, now: Instant, index: OutputIndex) {
        let (Some(output), Some(switch)) = (self.configuration.outputs.get(index), self.switches.get(index))
        else {
            return;
        };
        let (name, device) = (output.name.clone(), output.device);
        let source = Source::Output(name.clone());
        let is_open = self.faults.is_open(&source);
        // One that is off and cannot be asked harms nobody; its device is at fault by its own name.
        let matters = switch.wanted || switch.shown == Some(true);
        let late = switch.unsure_since.is_some_and(|since| now.since(since) >= self.output_patience(index));
        let is = matters && (late || (is_open && switch.unsure_since.is_some()));
        let priority = if switch.wanted { Priority::Urgent } else { Priority::Ordinary };
        self.settle_fault(now, source, is, || Words {
            code: "output".to_string(),
            text: Text::new(
                format!("输出 {name} 没有按要求动作"),
                format!("Output {name} does not do as it is told"),
            ),
            priority,
            device: Some(device),
            line: None,
        });
    }

    fn output_patience(&self, index: OutputIndex) -> Duration {
        let output = self.configuration.outputs.get(index);
        let device = output.and_then(|output| self.configuration.devices.get(output.device));
        let (Some(output), Some(device)) = (output, device) else { return PATIENCE };
        let point = device.profile.points.get(output.point);
        let poll = self.configuration.lines.get(device.line).map(|line| line.poll);
        let between = match (point.map(|point| point.poll), poll) {
            (Some(PollClass::Alarm), Some(poll)) => poll.alarm,
            (Some(PollClass::State), Some(poll)) => poll.state,
            (_, poll) => poll.map_or(Duration::ZERO, |poll| poll.slow),
        };
        PATIENCE + between * 2
    }

    /// What was read of points that are outputs, or that ask for quiet.
    pub(super) fn output_read(&mut self, now: Instant, device: DeviceIndex, news: &[usize]) {
        let reading = |engine: &Self, point| {
            let settings = engine.configuration.devices.get(device)?;
            let reading = engine.devices.get(device)?.decoder.reading(&settings.profile, point);
            match reading {
                Reading::Good(Value::Bool(value)) => Some(value),
                _ => None,
            }
        };
        for index in 0..self.switches.len() {
            let output = self.configuration.outputs.get(index);
            let Some(point) = output.filter(|output| output.device == device).map(|output| output.point)
            else {
                continue;
            };
            if news.contains(&point) {
                let shown = reading(self, point);
                if let Some(switch) = self.switches.get_mut(index) {
                    switch.shown = shown.or(switch.shown);
                }
                self.drive(now, index);
            }
        }
        if let Some((of, point)) = self.configuration.local_alarm.and_then(|local| local.silence)
            && of == device
            && news.contains(&point)
            && let Some(pressed) = reading(self, point)
        {
            // Held down, or seen pressed already at our start, it asks for nothing.
            if self.silence_input.replace(pressed) == Some(false) && pressed {
                self.silence_what_sounds(now);
            }
        }
    }

    pub(super) fn output_written(&mut self, now: Instant, device: DeviceIndex, outcome: Result<(), NoData>) {
        for (switch, output) in self.switches.iter_mut().zip(&self.configuration.outputs) {
            if output.device == device && switch.writing.is_some() {
                switch.ended(now, outcome.is_ok());
            }
        }
        // The device is free for its next output.
        for index in 0..self.switches.len() {
            self.drive(now, index);
        }
    }

    /// The device was away: what its outputs are now is not known.
    pub(super) fn forget_outputs(&mut self, device: DeviceIndex) {
        for (switch, output) in self.switches.iter_mut().zip(&self.configuration.outputs) {
            if output.device == device {
                switch.forget();
            }
        }
    }

    /// The line was away: what its outputs are now is not known.
    pub(super) fn forget_line_outputs(&mut self, line: LineIndex) {
        for (switch, output) in self.switches.iter_mut().zip(&self.configuration.outputs) {
            let device = self.configuration.devices.get(output.device);
            if device.is_some_and(|settings| settings.line == line) {
                switch.forget();
            }
        }
    }

    /// Somebody at the box wants quiet.
    pub(super) fn silence_what_sounds(&mut self, now: Instant) {
        for id in self.local_alarm.sounding() {
            self.local_alarm.silence(id);
            if let Some(change) = self.alarms.get_mut(id).map(crate::alarm::Alarm::silence) {
                self.changed(now, id, change);
            }
        }
        self.supervise_outputs(now);
    }

    /// A person switches an output on for a while, or ends that. What the local alarm wants on stays on.
    pub(super) fn switch_output(&mut self, now: Instant, payload: &CommandPayload) -> Result<(), Refusal> {
        let wanted = payload.output.as_ref().ok_or(Refusal::UnknownOutput)?;
        let index = self.configuration.outputs.iter().position(|output| output.name == *wanted);
        let switch = index.and_then(|index| self.switches.get_mut(index)).ok_or(Refusal::UnknownOutput)?;
        let length = match payload.until {
            Some(until) => Duration::from_millis(
                u64::try_from(until.unix_ms() - payload.at.unix_ms()).map_err(|_| Refusal::NeedsUntil)?,
            ),
            None => SWITCHED_ON_FOR,
        };
        if length > SHELVE_BY_ONE {
            return Err(Refusal::OverAnHour);
        }
        switch.on_until = payload.on.ok_or(Refusal::NeedsOnOrOff)?.then(|| now + length);
        self.supervise_outputs(now);
        Ok(())
    }
}

/// An emergency that is no test, that nothing hides, and that nobody has acknowledged.
pub(super) fn wants_people(document: &AlarmDocument) -> bool {
    document.priority == Priority::Emergency
        && document.mode != Mode::Test
        && document.acknowledged.is_none()
        && document.shelved.is_none()
        && document.suppressed.is_none()
        && document.out_of_service.is_none()
}

/// The write that makes this point on or off; none if the point cannot be an output.
fn request(point: &Point, on: bool, multiple_only: bool) -> Option<Request> {
    let Kind::Bool { bit: None, active_when } = point.kind else { return None };
    let raw = u16::from(on == active_when);
    point.writable.then(|| Request::write(point.table, point.address, raw, multiple_only)).flatten()
}
