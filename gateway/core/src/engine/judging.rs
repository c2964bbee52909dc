//! From what the lines report to readings, judgements and alarms.
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use shouwang_message::{AlarmChange, AlarmId, Class, EventData, Instant, Leaf, Mode, Value, to_bytes};

use super::device::Device;
use super::{Engine, alarm_key};
use crate::alarm::{Alarm, Cry};
use crate::condition::Judgement;
use crate::configuration::DeviceIndex;
use crate::line::{Purpose, Report};
use crate::planted::{self, Bug};
use crate::profile::{Raises, Test};
use crate::reading::{NoData, Raw};

/// A cry for an alarm: by whom, with what, how often.
pub(super) struct Raise {
    pub(super) device: DeviceIndex,
    pub(super) condition: usize,
    pub(super) value: Option<Value>,
    pub(super) limit: Option<f64>,
    pub(super) times: u32,
}

impl Engine {
    pub(super) fn take_reports(&mut self, now: Instant) {
        for report in core::mem::take(&mut self.reports) {
            match report {
                Report::Read { device, block, outcome, .. } => self.read(now, device, block, &outcome),
                Report::Written { device, purpose: Purpose::Output, outcome } => {
                    self.output_written(now, device, outcome);
                }
                Report::Written { device, purpose, outcome } => self.written(now, device, purpose, outcome),
                Report::Lost { device, why } => {
                    if let Some(entry) = self.devices.get_mut(device) {
                        entry.silent(why);
                        entry.decoder.lost(why);
                        entry.forget_refusals();
                    }
                    self.forget_lamp(device);
                    self.forget_outputs(device);
                    self.supervise_device(now, device);
                }
                Report::Online { device } | Report::Back { device } => {
                    if let Some(entry) = self.devices.get_mut(device) {
                        entry.answered(now);
                    }
                    self.forget_lamp(device);
                    self.forget_outputs(device);
                    self.supervise_device(now, device);
                }
                Report::WrongIdentity { device } => self.settle_identity_fault(now, device, true),
                Report::RightIdentity { device } => self.settle_identity_fault(now, device, false),
                Report::Once { .. } => {}
            }
        }
    }

    fn read(&mut self, now: Instant, device: DeviceIndex, block: usize, outcome: &Result<Raw, NoData>) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(plan) = self.lines.get(settings.line).and_then(|state| state.line.plan(device)) else {
            return;
        };
        let (number, Some(block)) = (block, plan.blocks.get(block).cloned()) else { return };
        let Some(entry) = self.devices.get_mut(device) else { return };
        match outcome {
            Ok(_) => entry.answered(now),
            Err(why) => entry.silent(*why),
        }
        if settings.conditions.iter().any(|condition| block.points.contains(&condition.point)) {
            match outcome {
                Ok(_) => entry.set_refused(now, number, None),
                Err(why @ NoData::Exception(_)) => entry.set_refused(now, number, Some(*why)),
                Err(_) => {}
            }
        }
        entry.end_warm_up(now);
        let news = entry.decoder.answered(settings, &block, outcome);
        if entry.keep_frozen() {
            self.keep_device(now, device);
        }
        if outcome.is_ok() && settings.profile.call.is_some() {
            self.call_unit_read(now, device, &news);
        }
        self.output_read(now, device, &news);
        self.door_read(now, device, &news);
        for point in news {
            self.gauge_read(now, device, point);
            self.meter_read(now, device, point);
            self.welfare_read(now, device, point);
            self.judge_point(now, device, point);
            self.settle_plausibility(now, device, point);
        }
        if settings.conditions.iter().any(|condition| block.points.contains(&condition.point)) {
            self.walk_read(now, device);
        }
        self.tell_values(now, device);
    }

    fn judge_point(&mut self, now: Instant, device: DeviceIndex, point: usize) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let counted_here = settings.profile.call.as_ref().map(|call| call.press_count);
        for (index, condition) in settings.conditions.iter().enumerate() {
            // A call unit's presses are judged with its latch and echo, not as a plain counter.
            if condition.point != point || counted_here == Some(point) {
                continue;
            }
            let Some(entry) = self.devices.get_mut(device) else { return };
            // A station's lines are judged together, by its gauge; who lives alone, over hours.
            if condition.test == Test::NoActivity || entry.gauges.iter().any(|gauge| gauge.judges(index)) {
                continue;
            }
            let reading = entry.decoder.reading(&settings.profile, point);
            let Some(judge) = entry.judges.get_mut(index) else { continue };
            let judgement = judge.reading(now, &reading);
            let (reread, count) = (judge.wants_reread(), judge.count());
            if let (Test::Difference { .. }, Some(count)) = (&condition.test, count)
                && entry.set_count(&condition.name, count)
            {
                self.keep_device(now, device);
            }
            if reread && let Some(state) = self.lines.get_mut(settings.line) {
                state.line.reread(now, device, point);
                state.deadline = now;
            }
            if let Some(judgement) = judgement {
                self.judged(now, device, index, judgement);
            }
        }
        self.enter_judge_deadline(device);
    }

    pub(super) fn judge_what_is_due(&mut self, now: Instant) {
        while let Some((at, device)) = self.judge_deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.judge_deadlines.remove(&(at, device));
            let Some(entry) = self.devices.get_mut(device) else { continue };
            entry.judged_at = None;
            let judgements: Vec<_> = entry
                .judges
                .iter_mut()
                .enumerate()
                .filter_map(|(index, judge)| Some((index, judge.woke(now)?)))
                .collect();
            for (index, judgement) in judgements {
                self.judged(now, device, index, judgement);
            }
            self.gauges_woke(now, device);
            self.reread_where_wanted(now, device);
            self.enter_judge_deadline(device);
        }
    }

    fn reread_where_wanted(&mut self, now: Instant, device: DeviceIndex) {
        let (Some(settings), Some(entry)) =
            (self.configuration.devices.get(device), self.devices.get(device))
        else {
            return;
        };
        let Some(state) = self.lines.get_mut(settings.line) else { return };
        for (judge, condition) in entry.judges.iter().zip(&settings.conditions) {
            if judge.wants_reread() {
                state.line.reread(now, device, condition.point);
                state.deadline = now;
            }
        }
    }

    pub(super) fn enter_judge_deadline(&mut self, device: DeviceIndex) {
        let Some(entry) = self.devices.get_mut(device) else { return };
        let next = entry.next_judge_deadline();
        if entry.judged_at == next {
            return;
        }
        if let Some(old) = entry.judged_at {
            self.judge_deadlines.remove(&(old, device));
        }
        entry.judged_at = next;
        if let Some(next) = next {
            self.judge_deadlines.insert((next, device));
        }
    }

    pub(super) fn judged(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        condition: usize,
        judgement: Judgement,
    ) {
        let settings = self.configuration.devices.get(device);
        let judged = settings.and_then(|settings| settings.conditions.get(condition));
        let raises = judged.map(|condition| condition.raises);
        let is_counter = judged.is_some_and(|condition| matches!(condition.test, Test::Difference { .. }));
        if is_counter && matches!(judgement, Judgement::Raised { .. } | Judgement::Repeated { .. }) {
            self.settle_counter_fault(now, device, false);
        }
        match (raises, judgement) {
            (Some(Raises::Alarm), Judgement::Raised { value, limit, growth }) => {
                let raise = Raise { device, condition, value: Some(value), limit, times: growth.max(1) };
                self.raise(now, raise);
            }
            (Some(Raises::Alarm), Judgement::Repeated { value, growth }) => {
                let raise =
                    Raise { device, condition, value: Some(value), limit: None, times: growth.max(1) };
                self.raise(now, raise);
            }
            (Some(Raises::Alarm), Judgement::Cleared { value }) => {
                self.clear(now, device, condition, Some(value));
            }
            (Some(Raises::Fault(code)), Judgement::Raised { .. } | Judgement::Repeated { .. }) => {
                self.settle_told_fault(now, device, condition, code, true);
            }
            (Some(Raises::Fault(code)), Judgement::Cleared { .. }) => {
                self.settle_told_fault(now, device, condition, code, false);
            }
            (_, Judgement::WentBack { .. }) => self.settle_counter_fault(now, device, true),
            (None, _) => {}
        }
    }

    /// A new alarm, or a further cry of the unfinished one.
    pub(super) fn raise(&mut self, now: Instant, raise: Raise) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(raise.device) else { return };
        let Some(condition) = settings.conditions.get(raise.condition) else { return };
        let mode = match self.was_tried(raise.device, &condition.name) {
            true => configuration.mode,
            false => self.mode_of(raise.device),
        };
        let open = self.alarms.of(&settings.id, &condition.name).map(|alarm| alarm.document.id);
        let change = match open {
            Some(id) => {
                let Some(alarm) = self.alarms.get_mut(id) else { return };
                (id, alarm.repeat(mode, condition.latched, raise.value, raise.times))
            }
            None => (self.open_alarm(now, &raise, mode), AlarmChange::Raised),
        };
        let (id, change) = change;
        if change == AlarmChange::Raised
            && let Some(explaining) = self.explaining(raise.device, raise.condition)
            && let Some(alarm) = self.alarms.get_mut(id)
        {
            alarm.suppress(Some(explaining));
        }
        self.cried(now, id, change);
        self.walk_raised(now, raise.device, raise.condition, id);
        self.suppress_what_it_explains(now, raise.device, &condition.name, Some(id));
        self.update_lamp(now, raise.device);
    }

    fn mode_of(&self, device: DeviceIndex) -> Mode {
        match self.configuration.mode {
            Mode::Live if self.devices.get(device).is_some_and(Device::is_in_test) => Mode::Test,
            mode => mode,
        }
    }

    /// What still holds when its device's test ends is the world: it is cried again, in earnest. A call has no
    /// source that could still hold.
    pub(super) fn outlive_test(&mut self, now: Instant, device: DeviceIndex) {
        let mode = self.mode_of(device);
        let Some(id) = self.devices.get(device).map(|entry| entry.id().clone()) else { return };
        let alarms: Vec<_> = self.alarms.of_device(&id).collect();
        for id in alarms {
            let Some(alarm) = self.alarms.get_mut(id) else { continue };
            let document = &alarm.document;
            if document.mode == Mode::Test && document.active && document.class != Class::Call {
                let (latched, value) = (document.latched, document.value.clone());
                let change = alarm.repeat(mode, latched, value, 1);
                self.cried(now, id, change);
            }
        }
    }

    fn open_alarm(&mut self, now: Instant, raise: &Raise, mode: Mode) -> AlarmId {
        let id = self.new_id(now);
        let (at, clock) = (self.wall.timestamp(now), self.wall.clock());
        let configuration = self.configuration.clone();
        let (Some(settings), Some(entry)) =
            (configuration.devices.get(raise.device), self.devices.get(raise.device))
        else {
            return id;
        };
        let Some(condition) = settings.conditions.get(raise.condition) else { return id };
        let mut rules = configuration.welfare.iter();
        let rule = rules.find(|rule| rule.device == raise.device && rule.condition_name() == condition.name);
        let cry = Cry {
            gateway: &configuration.gateway,
            device: &settings.id,
            condition: &condition.name,
            class: rule.map_or(settings.profile.class, |_| Class::Welfare),
            priority: condition.priority,
            mode,
            latched: condition.latched,
            out_of_service: entry.out_of_service().cloned(),
            value: raise.value.clone(),
            limit: raise.limit,
            // A call's value is the age of the press; any other alarm's is in its point's unit.
            unit: match (&settings.profile.call, rule) {
                (_, Some(rule)) => rule.unit(),
                (Some(_), _) => Some("s"),
                _ => settings.profile.points.get(condition.point).and_then(|point| point.unit.as_deref()),
            },
            place: rule.map_or(&settings.place, |rule| &rule.place),
            text: &condition.text,
            times: raise.times,
        };
        self.alarms.insert(Alarm::raise(id, at, clock, cry));
        id
    }

    /// The source is normal by a good reading.
    pub(super) fn clear(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        condition: usize,
        value: Option<Value>,
    ) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(condition) = settings.conditions.get(condition) else { return };
        let at = self.wall.timestamp(now);
        let Some(id) = self.alarms.of(&settings.id, &condition.name).map(|alarm| alarm.document.id) else {
            return;
        };
        if let Some(change) = self.alarms.get_mut(id).and_then(|alarm| alarm.clear(at, value)) {
            self.changed(now, id, change);
            self.suppress_what_it_explains(now, device, &condition.name, None);
            self.finish_if_done(now, id);
        }
    }

    /// Tells a cry: it is the event that must be heard before anything says that somebody knows.
    fn cried(&mut self, now: Instant, id: AlarmId, change: AlarmChange) {
        let next = self.stage.next_sequence();
        if let Some(alarm) = self.alarms.get_mut(id) {
            alarm.cry = next;
        }
        self.changed(now, id, change);
    }

    /// Keeps a change that is no event of its own, and tells it by the alarm's document.
    pub(super) fn changed_untold(&mut self, now: Instant, id: AlarmId) {
        let Some(alarm) = self.alarms.get(id) else { return };
        let (body, kept) = (to_bytes(&alarm.document), to_bytes(alarm));
        self.stage.keep(now, alarm_key(id), Some(kept));
        self.stage.document(now, Leaf::Alarm(id), body);
    }

    /// Tells and keeps a change of an alarm.
    pub(super) fn changed(&mut self, now: Instant, id: AlarmId, change: AlarmChange) {
        let Some(alarm) = self.alarms.get(id) else { return };
        let (subject, document) = (alarm.document.device.to_string(), alarm.document.clone());
        self.tell(now, subject, EventData::Alarm(change, document.into()));
        self.changed_untold(now, id);
    }

    /// Cleared, acknowledged and reset: it is over, and its retained document goes.
    pub(super) fn finish_if_done(&mut self, now: Instant, id: AlarmId) {
        let Some(alarm) = self.alarms.get_mut(id).filter(|alarm| {
            let seen = alarm.document.acknowledged.is_some() && planted::has(Bug::AcknowledgeDeletes);
            alarm.document.is_finished() || seen
        }) else {
            return;
        };
        let change = alarm.finish();
        self.changed(now, id, change);
        let device = self.alarms.get(id).map(|alarm| alarm.document.device.clone());
        self.alarms.remove(id);
        self.finished.insert(id);
        if !planted::has(Bug::LeavesFinished) {
            self.stage.document(now, Leaf::Alarm(id), Vec::new());
        }
        let device =
            device.and_then(|id| self.configuration.devices.iter().position(|settings| settings.id == id));
        if let Some(device) = device {
            self.save_then_light(now, device);
        }
    }

    /// The alarm that explains this condition, if it is active.
    fn explaining(&self, device: DeviceIndex, condition: usize) -> Option<AlarmId> {
        let settings = self.configuration.devices.get(device)?;
        let by = settings.conditions.get(condition)?.suppressed_by.as_ref()?;
        let alarm = self.alarms.of(&settings.id, by)?;
        alarm.document.active.then_some(alarm.document.id)
    }

    /// What this alarm explained must show again, whatever the configuration says now.
    pub(super) fn show_what_it_explained(&mut self, now: Instant, by: AlarmId) {
        let explained = |alarm: &&Alarm| alarm.document.suppressed.as_ref().is_some_and(|it| it.by == by);
        let ids: Vec<_> = self.alarms.iter().filter(explained).map(|alarm| alarm.document.id).collect();
        for id in ids {
            if let Some(change) = self.alarms.get_mut(id).and_then(|alarm| alarm.suppress(None)) {
                self.changed(now, id, change);
            }
        }
    }

    fn suppress_what_it_explains(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        name: &str,
        by: Option<AlarmId>,
    ) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        for lower in settings.conditions.iter().filter(|lower| lower.suppressed_by.as_deref() == Some(name)) {
            let Some(id) = self.alarms.of(&settings.id, &lower.name).map(|alarm| alarm.document.id) else {
                continue;
            };
            if let Some(change) = self.alarms.get_mut(id).and_then(|alarm| alarm.suppress(by)) {
                self.changed(now, id, change);
            }
        }
    }

    pub(super) fn keep_device(&mut self, now: Instant, device: DeviceIndex) {
        if let Some(entry) = self.devices.get(device) {
            let (key, kept) = (format!("device/{}", entry.id()), to_bytes(&entry.kept()));
            self.stage.keep(now, key, Some(kept));
        }
    }
}
