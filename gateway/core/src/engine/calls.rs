//! Call units: presses become calls, commits become echoes, and the lamp shows how far help has come.
use shouwang_message::{Instant, Value};

use super::Engine;
use super::judging::Raise;
use super::stage::After;
use crate::call::{CountRead, Step};
use crate::configuration::{DeviceIndex, LineIndex};
use crate::line::Purpose;
use crate::output::Request;
use crate::planted::{self, Bug};
use crate::reading::NoData;

/// What the lamp register says (map version 1).
const FINISHED: u16 = 0;
const HEARD: u16 = 1;
const ACKNOWLEDGED: u16 = 2;
const COMING: u16 = 3;

impl Engine {
    /// Counters and latch are judged in the order in which they were read.
    pub(super) fn call_unit_read(&mut self, now: Instant, device: DeviceIndex, news: &[usize]) {
        let configuration = self.configuration.clone();
        let Some(map) = configuration.devices.get(device).and_then(|settings| settings.profile.call.as_ref())
        else {
            return;
        };
        let Some(entry) = self.devices.get_mut(device) else { return };
        let (decoder, Some(call)) = (&entry.decoder, &mut entry.call) else { return };
        let word = |point: Option<usize>| point.and_then(|point| decoder.raw(point));
        let short = |point| word(point).and_then(|raw| u16::try_from(raw).ok());
        let before = call.unit.counts();
        let mut steps = alloc::vec::Vec::new();
        if news.contains(&map.press_count)
            && let Some(presses) = short(Some(map.press_count))
        {
            let read = CountRead {
                serial: word(map.serial),
                presses,
                cancels: short(map.cancel_count),
                boots: short(map.boot_count),
            };
            steps.extend(call.unit.counted(read));
        }
        if news.contains(&map.latched)
            && let Some(latched) = word(Some(map.latched))
        {
            steps.extend(call.unit.latch(latched != 0));
        }
        let keep = call.unit.counts() != before;
        // Saturated: longer ago than the unit can count.
        let age_s = word(map.since_press).filter(|ms| *ms != u32::MAX).map(|ms| f64::from(ms) / 1000.0);
        // A set latch may be a press whose count is not read yet: nothing about older ones is true of it.
        let may_be_new = steps.iter().any(|step| matches!(step, Step::EchoAgain { .. }));
        for step in steps {
            self.call_step(now, device, step, age_s);
        }
        if keep {
            self.keep_device(now, device);
        }
        if !may_be_new {
            self.update_lamp(now, device);
        }
    }

    fn call_step(&mut self, now: Instant, device: DeviceIndex, step: Step, age_s: Option<f64>) {
        let Some(condition) = self.call_condition(device) else { return };
        match step {
            Step::Pressed { times, count } => {
                self.settle_counter_fault(now, device, false);
                // The unit shows that it is calling until it is told anew; what was to be said of an older
                // press must not come after the echo of this one.
                self.withdraw_lamp(device);
                if let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) {
                    call.is_doubted = false;
                }
                // A press may be older than the line's return: the alarm says how many seconds.
                let value = age_s.map(Value::Number);
                self.raise(now, Raise { device, condition, value, limit: None, times });
                self.stage.after(now, After::Echo { device, count });
                if planted::has(Bug::EchoBeforeCommit) {
                    self.echo(now, device, count);
                }
            }
            Step::Restarted => self.forget_lamp(device),
            Step::EchoAgain { count } => {
                self.forget_lamp(device);
                let committed = self.devices.get(device).and_then(|entry| entry.call.as_ref()?.committed);
                if committed == Some(count) {
                    self.echo(now, device, count);
                }
            }
            Step::Cancelled => self.clear(now, device, condition, None),
            Step::CounterBack => self.settle_counter_fault(now, device, true),
            // A new base to count from brings no lost press back: the fault stays until a press gets through.
            Step::Adopted => self.doubt_lamp(device, condition),
            Step::NewUnit => self.settle_counter_fault(now, device, false),
        }
    }

    /// The index of the condition that judges the press counter.
    fn call_condition(&self, device: DeviceIndex) -> Option<usize> {
        let settings = self.configuration.devices.get(device)?;
        let press_count = settings.profile.call.as_ref()?.press_count;
        settings.conditions.iter().position(|condition| condition.point == press_count)
    }

    /// Gives the committed count back to the unit. If it cannot be written now, or the echo gets lost, the
    /// latch stays set and is seen again. A latch that was read while this echo is still under way is no news.
    pub(super) fn echo(&mut self, now: Instant, device: DeviceIndex, count: u16) {
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let Some(map) = settings.profile.call.as_ref() else { return };
        let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) else { return };
        call.committed = Some(count);
        if call.echoing == Some(count) {
            return;
        }
        if let Some(state) = self.lines.get_mut(settings.line) {
            let request = Request::WriteRegister { address: map.echo, value: count };
            if state.line.write(device, Purpose::Echo(count), request) {
                call.echoing = Some(count);
                state.deadline = now;
            }
        }
    }

    pub(super) fn written(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        purpose: Purpose,
        outcome: Result<(), NoData>,
    ) {
        if let Purpose::Echo(count) = purpose
            && let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut())
        {
            // An older one may end while a newer one is under way.
            call.echoing.take_if(|echoing| *echoing == count);
        }
        // Only the answer may be lost, and an echo that was taken makes the unit wait to be told anew.
        if let (Purpose::Indicator(_) | Purpose::Echo(_), Err(_)) = (purpose, outcome) {
            self.forget_lamp(device);
        }
        if let (Purpose::Echo(_), Ok(())) = (purpose, outcome) {
            if let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) {
                call.unit.echoed();
            }
            // What was written while the press waited for its echo did not move the lamp.
            self.forget_lamp(device);
            self.update_lamp(now, device);
        }
    }

    pub(super) fn update_lamps(&mut self, now: Instant) {
        for device in 0..self.devices.len() {
            self.update_lamp(now, device);
        }
    }

    /// What people did shows on the lamp once it is on disk; until then nothing new is written.
    pub(super) fn save_then_light(&mut self, now: Instant, device: DeviceIndex) {
        if let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) {
            call.unsaved = call.unsaved.saturating_add(1);
            self.stage.after(now, After::Lamp { device });
        }
    }

    pub(super) fn lamp_saved(&mut self, now: Instant, device: DeviceIndex) {
        if let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) {
            call.unsaved = call.unsaved.saturating_sub(1);
        }
        self.update_lamp(now, device);
    }

    /// Writes the lamp if it should show something else than it was last told.
    pub(super) fn update_lamp(&mut self, now: Instant, device: DeviceIndex) {
        let Some(wanted) = self.wanted_lamp(device) else { return };
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(map) = settings.profile.call.as_ref() else { return };
        let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) else { return };
        let Some(state) = self.lines.get_mut(settings.line) else { return };
        if call.lamp == Some(wanted) {
            return;
        }
        let request = Request::WriteRegister { address: map.indicator, value: wanted };
        if state.line.write(device, Purpose::Indicator(wanted), request) {
            call.lamp = Some(wanted);
            state.deadline = now;
        }
    }

    /// None while nobody has heard the newest press: the unit itself shows that it is calling, and nothing
    /// we could write would be true.
    fn wanted_lamp(&self, device: DeviceIndex) -> Option<u16> {
        let settings = self.configuration.devices.get(device)?;
        let call = self.devices.get(device)?.call.as_ref().filter(|call| call.unsaved == 0)?;
        let condition = settings.conditions.get(self.call_condition(device)?)?;
        let Some(alarm) = self.alarms.of(&settings.id, &condition.name) else {
            // "Finished" may only be said when no press is unsettled, nor one from before our memory open.
            return (call.unit.is_settled() && !call.is_doubted).then_some(FINISHED);
        };
        if self.outbox.heard_by_any() < alarm.cry && !planted::has(Bug::LampBeforeHeard) {
            return None;
        }
        Some(match (&alarm.document.acknowledged, alarm.coming) {
            (_, true) => COMING,
            (Some(_), false) => ACKNOWLEDGED,
            (None, false) => HEARD,
        })
    }

    /// The unit or its line went away: what its lamp shows is unknown.
    pub(super) fn forget_lamp(&mut self, device: DeviceIndex) {
        if let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) {
            call.lamp = None;
        }
    }

    /// Of a unit taken up without any memory, a call may be open whose alarm is forgotten: its lamp stays as it
    /// is until the next press.
    fn doubt_lamp(&mut self, device: DeviceIndex, condition: usize) {
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let Some(condition) = settings.conditions.get(condition) else { return };
        let is_open = self.alarms.of(&settings.id, &condition.name).is_some();
        if let Some(call) = self.devices.get_mut(device).and_then(|entry| entry.call.as_mut()) {
            call.is_doubted |= !is_open && call.committed.is_none();
        }
    }

    fn withdraw_lamp(&mut self, device: DeviceIndex) {
        let line = self.configuration.devices.get(device).map(|settings| settings.line);
        if let Some(state) = line.and_then(|line| self.lines.get_mut(line)) {
            state.line.withdraw(device, Purpose::Indicator(HEARD));
        }
        self.forget_lamp(device);
    }

    /// The line is back: what its lamps show is not known.
    pub(super) fn forget_lamps(&mut self, line: LineIndex) {
        for device in 0..self.devices.len() {
            if self.configuration.devices.get(device).is_some_and(|settings| settings.line == line) {
                self.forget_lamp(device);
            }
        }
    }
}
