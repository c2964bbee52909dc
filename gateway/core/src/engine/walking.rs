//! The walk test in the engine: who may begin it, what a trigger sets going, how its way to the duty room is followed,
//! and how every device is live again.
use alloc::format;
use alloc::vec::Vec;

use shouwang_message::{
    Acknowledged, AlarmId, Class, Clock, CommandPayload, Id, Instant, Mode, Text, Timestamp, from_bytes,
    to_bytes,
};

use super::Engine;
use super::commands::No;
use super::stage::After;
use crate::configuration::DeviceIndex;
use crate::walk::{
    ASKED_FOR, LIMIT, ROW_MOST, ROWS_MOST, Row, RowState, Trigger, WALK_MOST, Walk, WalkState, WalkStep, ms,
    named,
};

/// Kept under this name.
const WALK: &str = "walk";

impl Engine {
    /// The newest walk test, also when it is over.
    pub fn walk(&self) -> Option<&Walk> {
        self.walks.newest.as_ref()
    }

    /// Why the installer's last step was refused.
    pub fn walk_refused(&self) -> Option<&Text> {
        self.walks.refused.as_ref()
    }

    /// Listed devices whose sensor is not back to normal: they keep a walk from being finished.
    pub fn not_normal(&self) -> Vec<Id> {
        let Some(walk) = self.walks.open() else { return Vec::new() };
        let holds = |row: &&Row| {
            self.alarms.of_device(&row.device).any(|id| {
                let alarm = self.alarms.get(id).map(|alarm| &alarm.document);
                // A call has no source that could still hold.
                alarm.is_some_and(|alarm| alarm.active && alarm.class != Class::Call)
            })
        };
        walk.rows.iter().filter(holds).map(|row| row.device.clone()).collect()
    }

    pub(super) fn restore_walk(&mut self, now: Instant, value: &[u8]) {
        let Ok(mut walk) = from_bytes::<Walk>(value) else { return };
        let left = |from: Timestamp, most: core::time::Duration| {
            let gone = self.wall.timestamp(now).unix_ms().saturating_sub(from.unix_ms());
            let gone = u64::try_from(gone).map_or(most, core::time::Duration::from_millis);
            if self.wall.clock() == Clock::Unset { now } else { now + most.saturating_sub(gone) }
        };
        walk.until = match &walk.accepted {
            Some(accepted) => left(accepted.at, WALK_MOST),
            None => left(walk.asked_at, ASKED_FOR),
        };
        for row in &mut walk.rows {
            row.run.normal_at = now;
            row.run.calm_by = Some(now + crate::walk::CALM_AFTER);
            if row.state == RowState::Triggered {
                // Nobody can say any more how long it took.
                row.state = RowState::Missed;
            }
        }
        self.walks.newest = Some(walk);
    }

    pub(super) fn walked(&mut self, now: Instant, step: WalkStep) {
        let done = match step {
            WalkStep::Ask { by, devices } => self.ask_for_walk(now, &by, devices),
            WalkStep::Again { device } => self.walk_again(now, &device),
            WalkStep::Finish => self.finish_walk(now),
            WalkStep::Abort => match self.walks.open() {
                Some(_) => {
                    self.end_walk(now, WalkState::Ended);
                    Ok(())
                }
                None => Err(no_walk()),
            },
        };
        self.walks.refused = done.err();
    }

    fn ask_for_walk(&mut self, now: Instant, by: &str, mut devices: Vec<Id>) -> Result<(), Text> {
        if let Some(other) = self.walks.open().map(|walk| &walk.by) {
            let zh = format!("{other} 的走测正在进行,请先结束它");
            return Err(Text::new(zh, format!("A walk test of {other} is under way: end it first")));
        }
        let by = named(by).ok_or_else(|| Text::new("请写明是谁走测", "Say who walks"))?;
        devices.sort_unstable();
        devices.dedup();
        if devices.is_empty() || devices.len() > ROWS_MOST {
            let (zh, en) = (
                format!("一次走测 1 到 {ROWS_MOST} 台设备"),
                format!("A walk test is of 1 to {ROWS_MOST} devices"),
            );
            return Err(Text::new(zh, en));
        }
        for device in &devices {
            if self.device_index(device).is_none() {
                let (zh, en) = (format!("没有设备 {device}"), format!("There is no device {device}"));
                return Err(Text::new(zh, en));
            }
            if self.has_open_alarm(device) {
                let zh = format!("设备 {device} 有未办结的报警,请先办结");
                return Err(Text::new(zh, format!("Device {device} has an open alarm: finish it first")));
            }
        }
        self.walks.newest = Some(Walk {
            id: self.new_id(now),
            state: WalkState::Asked,
            by,
            asked_at: self.wall.timestamp(now),
            accepted: None,
            ended_at: None,
            rows: devices.into_iter().map(Row::new).collect(),
            until: now + ASKED_FOR,
        });
        self.keep_walk(now);
        self.tell_info_anew(now);
        Ok(())
    }

    /// An alarm in earnest: a walk would hide it, or be taken for it.
    fn has_open_alarm(&self, device: &Id) -> bool {
        let is_earnest = |id| self.alarms.get(id).is_some_and(|alarm| alarm.document.mode != Mode::Test);
        self.alarms.of_device(device).any(is_earnest)
    }

    /// The duty room agrees, or does not: its `until` is over then.
    pub(super) fn answer_walk(
        &mut self,
        now: Instant,
        walk: AlarmId,
        payload: &CommandPayload,
    ) -> Result<(), No> {
        let asked = self.walks.open_mut().filter(|open| open.id == walk);
        let Some(asked) = asked else {
            return Err(No::new(
                "unknown_walk",
                "没有这次走测,或已结束",
                "there is no such walk test any more",
            ));
        };
        if payload.until.is_none_or(|until| until <= payload.at) {
            self.end_walk(now, WalkState::Refused);
            return Ok(());
        }
        if asked.state == WalkState::Accepted {
            return Ok(());
        }
        asked.state = WalkState::Accepted;
        asked.accepted = Some(Acknowledged { by: payload.by.clone(), at: self.wall.timestamp(now) });
        asked.until = now + WALK_MOST;
        let devices: Vec<Id> = asked.rows.iter().map(|row| row.device.clone()).collect();
        for device in &devices {
            self.begin_row(now, device);
        }
        self.keep_walk(now);
        self.tell_info_anew(now);
        Ok(())
    }

    fn walk_again(&mut self, now: Instant, device: &Id) -> Result<(), Text> {
        if !self.walks.open().is_some_and(|walk| walk.state == WalkState::Accepted) {
            return Err(no_walk());
        }
        let row = self.walks.row_mut(device).map(|row| row.state);
        match row {
            None => Err(Text::new("这台设备不在走测清单里", "This device is not on the list")),
            Some(RowState::Test | RowState::Triggered) => Ok(()),
            Some(_) if self.has_open_alarm(device) => {
                Err(Text::new("这台设备有未办结的报警", "This device has an open alarm"))
            }
            Some(_) => {
                self.begin_row(now, device);
                self.keep_walk(now);
                Ok(())
            }
        }
    }

    /// From now on its first trigger is a test, for five minutes.
    fn begin_row(&mut self, now: Instant, device: &Id) {
        let index = self.device_index(device);
        let is_busy = index.is_none() || self.has_open_alarm(device);
        let Some(row) = self.walks.row_mut(device) else { return };
        if is_busy {
            row.state = RowState::Missed;
            return;
        }
        row.begin(now);
        let until = self.wall.timestamp(now).unix_ms() + ROW_MOST.as_millis() as i64;
        if let Some(index) = index
            && let Some(entry) = self.devices.get_mut(index)
        {
            entry.set_test(Some((Timestamp::from_unix_ms(until), now + ROW_MOST)));
            self.keep_device(now, index);
            self.settle_device_state(now, index);
        }
    }

    /// A block that conditions are judged by was read: nothing is on the way to an alarm.
    pub(super) fn walk_read(&mut self, now: Instant, device: DeviceIndex) {
        let Some(entry) = self.devices.get(device).filter(|_| self.walks.open().is_some()) else { return };
        if !entry.judges.iter().any(crate::condition::Judge::is_on_the_way)
            && let Some(row) = self.walks.row_mut(entry.id()).filter(|row| row.state == RowState::Test)
        {
            row.run.normal_at = now;
        }
    }

    /// This device has had its trigger: what it cries by the same condition now is no test.
    pub(super) fn was_tried(&self, device: DeviceIndex, condition: &str) -> bool {
        let Some(entry) = self.devices.get(device) else { return false };
        let row = self.walks.open().and_then(|walk| walk.rows.iter().find(|row| row.device == *entry.id()));
        row.is_some_and(|row| row.state == RowState::Triggered && row.condition.as_deref() == Some(condition))
    }

    /// An alarm was raised: the trigger, if its device waits for one.
    pub(super) fn walk_raised(&mut self, now: Instant, device: DeviceIndex, condition: usize, id: AlarmId) {
        if self.walks.open().is_none() {
            return;
        }
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(condition) = settings.conditions.get(condition) else { return };
        let (at, cry) = (self.wall.timestamp(now), self.alarms.get(id).map_or(0, |alarm| alarm.cry));
        let Some(row) = self.walks.row_mut(&settings.id).filter(|row| row.state == RowState::Test) else {
            return;
        };
        let trigger = Trigger { at: now, alarm: id, cry, limit: LIMIT + condition.on_delay };
        row.triggered(at, &condition.name, trigger);
        self.keep_walk(now);
    }

    /// The log has everything up to here on disk.
    pub(super) fn walk_saved(&mut self, now: Instant) {
        let committed = self.outbox.committed();
        for row in self.walks.open_mut().into_iter().flat_map(|walk| &mut walk.rows) {
            if let Some(trigger) = row.run.triggered.filter(|trigger| trigger.cry <= committed) {
                row.times.gateway_ms.get_or_insert(ms(now.since(trigger.at)));
            }
        }
    }

    /// The broker has this alarm's document.
    pub(super) fn walk_receipted(&mut self, now: Instant, alarm: AlarmId) {
        for row in self.walks.open_mut().into_iter().flat_map(|walk| &mut walk.rows) {
            if let Some(trigger) = row.run.triggered.filter(|trigger| trigger.alarm == alarm) {
                row.times.broker_ms.get_or_insert(ms(now.since(trigger.at)));
            }
        }
    }

    /// A duty room has everything up to here on its disk: whoever was triggered has passed, and is live again.
    pub(super) fn walk_heard(&mut self, now: Instant, up_to: shouwang_message::Sequence) {
        let mut passed = Vec::new();
        for row in self.walks.open_mut().into_iter().flat_map(|walk| &mut walk.rows) {
            if row.run.triggered.is_some_and(|trigger| trigger.cry <= up_to) {
                let in_time = row.heard(now);
                passed.push((row.device.clone(), row.triggered_at.filter(|_| in_time), row.times.total_ms()));
            }
        }
        if passed.is_empty() {
            return;
        }
        for (device, proven_at, took_ms) in passed {
            let Some(index) = self.device_index(&device) else { continue };
            if let (Some(at), Some(entry)) = (proven_at, self.devices.get_mut(index)) {
                entry.set_proven(at, took_ms);
            }
            self.set_live(now, index);
        }
        self.keep_walk(now);
        self.tell_info_anew(now);
    }

    /// Ends what lasts too long, and cries in earnest what a trigger began and nobody took away.
    pub(super) fn supervise_walk(&mut self, now: Instant) {
        let Some(walk) = self.walks.open_mut() else { return };
        if now >= walk.until {
            return self.end_walk(now, WalkState::Ended);
        }
        let mut holding = Vec::new();
        for row in &mut walk.rows {
            if row.run.calm_by.is_some_and(|by| by <= now) {
                row.run.calm_by = None;
                holding.push(row.device.clone());
            }
        }
        let devices: Vec<Id> = walk.rows.iter().map(|row| row.device.clone()).collect();
        for device in holding {
            if let Some(index) = self.device_index(&device)
                && !self.devices.get(index).is_some_and(super::device::Device::is_in_test)
            {
                self.outlive_test(now, index);
            }
        }
        let mut is_changed = false;
        for device in devices {
            let index = self.device_index(&device);
            let in_test = index.and_then(|index| self.devices.get(index)).is_some_and(|it| it.is_in_test());
            if let Some(row) = self.walks.row_mut(&device)
                && matches!(row.state, RowState::Test | RowState::Triggered)
                && !in_test
            {
                // Its five minutes are over, or somebody ended its test.
                row.state = RowState::Missed;
                row.run.triggered = None;
                is_changed = true;
            }
        }
        if is_changed {
            self.keep_walk(now);
        }
    }

    fn finish_walk(&mut self, now: Instant) -> Result<(), Text> {
        let state = self.walks.open().map(|walk| walk.state);
        if state != Some(WalkState::Accepted) {
            return Err(no_walk());
        }
        let holding = self.not_normal();
        if !holding.is_empty() {
            let names = holding.iter().map(Id::as_str).collect::<Vec<_>>().join(" ");
            return Err(Text::new(
                format!("还没有恢复正常:{names};恢复后再结束"),
                format!("Not back to normal: {names}. Finish when they are"),
            ));
        }
        self.end_walk(now, WalkState::Finished);
        Ok(())
    }

    /// Every device is live again; what still holds is cried in earnest.
    fn end_walk(&mut self, now: Instant, state: WalkState) {
        let at = self.wall.timestamp(now);
        let Some(walk) = self.walks.open_mut() else { return };
        let begun: Vec<Id> = walk
            .rows
            .iter()
            .filter(|row| row.state != RowState::Waiting)
            .map(|row| row.device.clone())
            .collect();
        for row in &mut walk.rows {
            if matches!(row.state, RowState::Test | RowState::Triggered) {
                row.state = RowState::Missed;
            }
            row.run.triggered = None;
        }
        (walk.state, walk.ended_at) = (state, Some(at));
        for device in begun {
            if let Some(index) = self.device_index(&device) {
                self.set_live(now, index);
                self.outlive_test(now, index);
            }
        }
        self.keep_walk(now);
        self.tell_info_anew(now);
    }

    /// What its trigger began is left to calm down.
    fn set_live(&mut self, now: Instant, device: DeviceIndex) {
        if let Some(entry) = self.devices.get_mut(device) {
            entry.set_test(None);
        }
        self.keep_device(now, device);
        self.settle_device_state(now, device);
    }

    fn keep_walk(&mut self, now: Instant) {
        let kept = self.walks.newest.as_ref().map(to_bytes);
        self.stage.keep(now, WALK.into(), kept);
    }

    /// Once what it says is on disk; with what is in force then.
    fn tell_info_anew(&mut self, now: Instant) {
        self.stage.after(now, After::Info);
    }
}

fn no_walk() -> Text {
    Text::new("没有进行中的走测", "No walk test is under way")
}
