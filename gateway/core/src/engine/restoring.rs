//! What the store kept becomes state again, and the gateway says that it started.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use shouwang_message::{
    BootRecord, EventData, GapRecord, Instant, Leaf, Text, Timestamp, from_bytes, to_bytes,
};

use super::Engine;
use crate::alarm::Alarm;
use crate::configuration::DeviceSettings;
use crate::fault::{Fault, Source};
use crate::local_alarm;
use crate::planted::{self, Bug};

/// What whoever restored a backup left for the first start.
#[derive(Deserialize)]
struct OfBackup {
    /// When it was made.
    at: Timestamp,
    /// So many events that it held nobody had heard then.
    unheard: u64,
}

/// Under this name.
const RESTORED: &str = "restored";

impl Engine {
    pub(super) fn restore(&mut self, now: Instant, kept: &BTreeMap<String, Vec<u8>>) {
        let wall = self.wall.timestamp(now);
        for (key, value) in kept {
            match key.split_once('/') {
                Some(("alarm", _)) => {
                    if let Ok(mut alarm) = from_bytes::<Alarm>(value) {
                        alarm.resume(now, wall, self.wall.clock());
                        self.restore_alarm(alarm);
                    }
                }
                Some(("fault", _)) => {
                    if let Ok(fault) = from_bytes::<Fault>(value) {
                        self.restore_fault(fault);
                    }
                }
                Some(("device", id)) => {
                    let found = self.devices.iter_mut().find(|device| device.id().as_str() == id);
                    if let (Some(device), Ok(kept)) = (found, from_bytes(value)) {
                        device.restore(now, wall, self.wall.clock(), kept);
                    }
                }
                Some(("heard", duty_room)) => {
                    let up_to = core::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                    if let (Ok(duty_room), Some(up_to)) = (duty_room.parse(), up_to) {
                        self.outbox.set_heard(&duty_room, up_to);
                    }
                }
                Some(("nonce", nonce)) => self.nonces.restore(nonce, value),
                Some(("history", _)) => {
                    self.history.restore(key, value);
                }
                Some(("meter", id)) => self.restore_meter(id, value),
                Some(("welfare", id)) => self.restore_watch(id, value),
                Some(("text", id)) => self.restore_text(now, key, id, value),
                Some(("named", person)) => self.restore_named(now, key, person, value),
                None if key == "walk" => self.restore_walk(now, value),
                _ => {}
            }
        }
        // Once the alarms are known that they belong to; what is left of others is forgotten.
        for (key, value) in kept {
            let Some(("local", id)) = key.split_once('/') else { continue };
            match id.parse().ok().and_then(|id| self.alarms.get(id)) {
                Some(alarm) => {
                    let (id, occurrence) = (alarm.document.id, alarm.document.occurrence);
                    self.local_alarm.restore(now, id, occurrence, local_alarm::Step::parse(value));
                }
                None => self.stage.keep(now, key.clone(), None),
            }
        }
        let configuration = self.configuration.clone();
        for (device, settings) in self.devices.iter_mut().zip(&configuration.devices) {
            device.finish_restoring(settings);
        }
    }

    /// The store is a backup of another day: what came after it is in another log, or lost. Told once.
    pub(super) fn tell_restored(&mut self, now: Instant, kept: &BTreeMap<String, Vec<u8>>) {
        let Some(note) = kept.get(RESTORED) else { return };
        let backup = from_bytes::<OfBackup>(note).ok();
        let (from, unheard) = backup.map_or((None, 0), |backup| (Some(backup.at), backup.unheard));
        let why = Text::new(
            "数据由备份恢复,备份之后的事件不在这本日志里;还在报警的会重新报警",
            "restored from a backup: what came after it is not in this log; what still holds is raised again",
        );
        self.gaps += 1;
        let (what, to) = ("events".to_string(), self.wall.timestamp(now));
        let record = GapRecord { what, count: unheard, from, to, why };
        self.tell(now, self.configuration.gateway.to_string(), EventData::Gap(record));
        self.stage.keep(now, RESTORED.to_string(), None);
    }

    /// A fault that a condition tells goes on being judged as active, so that it can clear.
    fn restore_fault(&mut self, fault: Fault) {
        if let Source::Told { device, condition } = &fault.source {
            let settings = self.configuration.devices.iter().find(|settings| settings.id == *device);
            let condition = settings.and_then(|settings| settings.condition(condition));
            let entry = self.devices.iter_mut().find(|entry| entry.id() == device);
            if let (Some(entry), Some(condition)) = (entry, condition) {
                entry.resume_condition(condition, true);
            }
        }
        self.faults.insert(fault);
    }

    fn restore_alarm(&mut self, alarm: Alarm) {
        let document = &alarm.document;
        let leaf = Leaf::Alarm(document.id);
        if planted::has(Bug::ForgetsActiveAtStart) {
            return;
        }
        if document.is_finished() {
            self.finished.insert(document.id);
            self.session.retain(leaf, Vec::new());
            return;
        }
        self.session.retain(leaf, to_bytes(document));
        let named = |settings: &&DeviceSettings| settings.id == document.device;
        let device = self.configuration.devices.iter().find(named);
        let condition = device.and_then(|settings| settings.condition(&document.condition));
        let entry = self.devices.iter_mut().find(|device| *device.id() == document.device);
        if let (Some(entry), Some(condition)) = (entry, condition) {
            entry.resume_condition(condition, document.active);
        }
        self.alarms.insert(alarm);
    }

    pub(super) fn tell_boot(&mut self, now: Instant, replaced: bool) {
        let subject = self.configuration.gateway.to_string();
        let record = BootRecord {
            boot: self.boot,
            version: self.configuration.version.clone(),
            configuration: self.configuration.digest.clone(),
            clock: self.wall.clock(),
        };
        self.tell(now, subject.clone(), EventData::Boot(record));
        if replaced {
            let why = Text::new(
                "数据库损坏,已另存并新建,此前未送达的事件可能丢失",
                "the database was damaged and put aside; events not yet heard may be lost",
            );
            self.tell_gap(now, 0, why);
        }
        self.drop_faults_of_strangers(now);
        let info = self.info();
        self.session.retain(Leaf::Info, info);
        for index in 0..self.devices.len() {
            self.tell_device_if_known(now, index);
        }
    }
}
