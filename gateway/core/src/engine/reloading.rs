//! Another configuration for a gateway that runs: whole or not at all.
//!
//! What has not changed goes on as if nothing had happened: it is asked at the same moments, and judged with
//! what was seen before. What has changed begins as after a restart. An open alarm is never left without its
//! device. Whoever asked is answered, and a file that is not in force is a fault until one is.
mod change;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    CommandName, CommandPayload, CommandRecord, EventData, Instant, Leaf, Priority, Text,
};

use super::Engine;
use super::commands::No;
use super::device::Device;
use super::faults::gateway_words;
use super::lines::{LineState, line_state};
use super::outputs::Switch;
use crate::configuration::{Configuration, DeviceIndex};
use crate::fault::Source;
use crate::input::Unfit;
use crate::output::Output;
use change::{Change, Origin, needs_restart};

/// Commands that may wait for the same reading.
const WAITING_MOST: usize = 8;

/// Who wants the configuration read anew.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Reloading {
    /// The hands read for these.
    asked: Vec<Asker>,
    /// They asked after that reading had begun, so it may not show what they mean.
    next: Vec<Asker>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Asker {
    AtTheBox,
    Command(Box<CommandPayload>),
}

impl Reloading {
    /// Takes the wish; true if a reading must begin for it now.
    fn add(&mut self, asker: Asker) -> Result<bool, No> {
        let begins = self.asked.is_empty();
        let waiting = if begins { &mut self.asked } else { &mut self.next };
        // Who asks twice at the box is answered once.
        if asker == Asker::AtTheBox && waiting.contains(&asker) {
            return Ok(false);
        }
        if waiting.len() >= WAITING_MOST {
            return Err(No::new("busy", "正在重新读取配置,请稍候再试", "a reload is under way; try again"));
        }
        waiting.push(asker);
        Ok(begins)
    }
}

impl Engine {
    pub(super) fn take_configuration(&mut self, now: Instant, configuration: Configuration) {
        let new = Configuration { mode: self.configuration.mode, ..configuration };
        let change = Change::between(&self.configuration, &new);
        if let Some(no) = self.find_obstacle(&new, &change) {
            return self.keep_configuration(now, &no);
        }
        let lines = change.lines.clone();
        self.change(now, new, &change);
        self.outputs.push_back(Output::Configured { lines });
        self.clear_fault(now, &Source::Configuration);
        self.answer_askers(now, || Ok(()));
    }

    pub(super) fn want_reload(&mut self) {
        if matches!(self.reloading.add(Asker::AtTheBox), Ok(true)) {
            self.outputs.push_back(Output::Reload);
        }
    }

    /// As [`Self::want_reload`], for a command: it is answered when the reading has ended.
    pub(super) fn command_reload(&mut self, payload: CommandPayload) -> Result<(), No> {
        if self.reloading.add(Asker::Command(Box::new(payload)))? {
            self.outputs.push_back(Output::Reload);
        }
        Ok(())
    }

    pub(super) fn not_configured(&mut self, now: Instant, why: Unfit) {
        let no = match why {
            Unfit::Bad(text) => No { code: "bad_configuration", text },
            Unfit::NeedsRestart(keys) => needs_restart(&keys),
        };
        self.keep_configuration(now, &no);
    }

    fn keep_configuration(&mut self, now: Instant, no: &No) {
        let words = not_in_force(&no.text);
        if self.faults.get(&Source::Configuration).is_some_and(|known| known.text != words.text) {
            // The newest reason counts.
            self.clear_fault(now, &Source::Configuration);
        }
        self.settle_fault(now, Source::Configuration, true, || words);
        self.outputs.push_back(Output::NotConfigured { why: no.text.clone() });
        self.answer_askers(now, || Err(No { code: no.code, text: no.text.clone() }));
    }

    fn answer_askers(&mut self, now: Instant, answer: impl Fn() -> Result<(), No>) {
        for asker in core::mem::take(&mut self.reloading.asked) {
            match asker {
                Asker::Command(payload) => self.record(now, CommandName::Reload, &payload, answer()),
                Asker::AtTheBox => self.record_at_the_box(now, answer()),
            }
        }
        self.reloading.asked = core::mem::take(&mut self.reloading.next);
        if !self.reloading.asked.is_empty() {
            self.outputs.push_back(Output::Reload);
        }
    }

    /// Nobody waits for an answer there, but it is written down as what it was.
    fn record_at_the_box(&mut self, now: Instant, answer: Result<(), No>) {
        let subject = self.configuration.gateway.to_string();
        self.record_here(now, subject, answer, None);
    }

    /// Other units in the place of known ones: written down with both numbers, and kept with the new one's.
    pub(super) fn tell_replaced(&mut self, now: Instant) {
        for device in 0..self.devices.len() {
            let Some(entry) = self.devices.get_mut(device) else { continue };
            let Some((before, own)) = entry.take_replaced() else { continue };
            let subject = entry.id().to_string();
            self.record_here(now, subject, Ok(()), Some(format!("{before} -> {own}")));
            self.keep_device(now, device);
        }
    }

    fn record_here(&mut self, now: Instant, subject: String, answer: Result<(), No>, reason: Option<String>) {
        let id = self.new_id(now);
        let record = CommandRecord {
            name: CommandName::Reload,
            txn: format!("local-{id}"),
            by: "local".to_string(),
            at: self.wall.timestamp(now),
            ok: answer.is_ok(),
            code: answer.err().map(|no| no.code.to_string()),
            reason,
        };
        self.tell(now, subject, EventData::Command(record));
    }

    fn change(&mut self, now: Instant, new: Configuration, change: &Change) {
        // What is closed goes as if it were pulled out, while everybody still has their old numbers.
        for line in 0..self.lines.len() {
            if !change.is_kept(line) {
                self.line_down(now, line);
            }
        }
        let old = core::mem::replace(&mut self.configuration, Arc::new(new));
        self.change_lines(now, change, &old);
        self.change_devices(now, change, &old);
        self.change_outputs(change, &old);
        self.change_meters(now, &old);
        self.change_watches(now, &old);
        self.forget_strangers(now, &old);
        self.drop_faults_of_strangers(now);
        self.tell_replaced(now);
        let info = self.info();
        self.session.retain(Leaf::Info, info);
    }

    fn change_lines(&mut self, now: Instant, change: &Change, old: &Configuration) {
        let new = self.configuration.clone();
        let mut before: Vec<Option<LineState>> =
            core::mem::take(&mut self.lines).into_iter().map(Some).collect();
        for (index, settings) in new.lines.iter().enumerate() {
            let origin = change.lines.get(index).copied().flatten();
            let kept = origin.and_then(|origin| Some((origin, before.get_mut(origin)?.take()?)));
            let state = match kept {
                Some((origin, mut state)) => {
                    let stays = |device: DeviceIndex| change.devices.get(device)?.asked_before();
                    let here = |all: &Configuration, line| {
                        all.devices.iter().filter(|device| device.line == line).count()
                    };
                    let on_line = || {
                        let numbered = new.devices.iter().enumerate();
                        numbered
                            .filter(|(_, own)| own.line == index)
                            .map(|(number, own)| (number, own, stays(number)))
                    };
                    let all_stay = on_line().all(|(_, _, stays)| stays.is_some());
                    if !all_stay || here(old, origin) != here(&new, index) {
                        state.deadline = if state.up { now } else { state.deadline };
                    }
                    state.line.rearrange(now, index, settings, on_line());
                    state
                }
                None => {
                    let begun = line_state(&new, index, settings, &mut self.chance);
                    // A line of this name was there: it is away as with a cable pulled out.
                    let known = old.lines.iter().position(|known| known.name == settings.name);
                    match known.and_then(|known| before.get_mut(known)?.take()) {
                        Some(known) => LineState { line: begun.line, ..known },
                        None => begun,
                    }
                }
            };
            self.lines.push(state);
        }
    }

    fn change_devices(&mut self, now: Instant, change: &Change, old: &Configuration) {
        let new = self.configuration.clone();
        let number = |before: DeviceIndex| {
            change.devices.iter().position(|origin| origin.asked_before() == Some(before))
        };
        self.stage.renumber(number);
        self.judge_deadlines.clear();
        let mut before: Vec<Option<Device>> =
            core::mem::take(&mut self.devices).into_iter().map(Some).collect();
        for (settings, origin) in new.devices.iter().zip(&change.devices) {
            let known = origin.before().and_then(|index| before.get_mut(index)?.take());
            let known_settings = origin.before().and_then(|index| old.devices.get(index));
            let device = match (origin, known, known_settings) {
                (Origin::Same(_), Some(known), _) => known,
                (Origin::Tuned(_), Some(known), Some(before)) => known.tuned(before, settings, &new.stations),
                (_, Some(known), _) => known.renewed(settings, &new.stations, now),
                (_, None, _) => Device::new(settings, &new.stations, now),
            };
            self.devices.push(device);
        }
        for (index, (origin, settings)) in change.devices.iter().zip(&new.devices).enumerate() {
            let is_line_kept = change.lines.get(settings.line).copied().flatten().is_some();
            if let Some(entry) = self.devices.get_mut(index) {
                if !is_line_kept {
                    entry.forget_reads(settings, &new.stations);
                }
                entry.judged_at = None;
            }
            if !(is_line_kept && matches!(origin, Origin::Same(_) | Origin::New)) {
                self.resume_conditions(index);
            }
            self.enter_judge_deadline(index);
        }
    }

    /// What is open for this device goes on being judged as active, so that it can clear.
    fn resume_conditions(&mut self, device: DeviceIndex) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(entry) = self.devices.get_mut(device) else { return };
        for (index, condition) in settings.conditions.iter().enumerate() {
            let alarm = self.alarms.of(&settings.id, &condition.name).map(|alarm| alarm.document.active);
            let source = Source::Told { device: settings.id.clone(), condition: condition.name.clone() };
            let fault = self.faults.is_open(&source).then_some(true);
            if let Some(active) = alarm.or(fault) {
                entry.resume_condition(index, active);
            }
        }
    }

    fn change_outputs(&mut self, change: &Change, old: &Configuration) {
        let new = self.configuration.clone();
        let mut before: Vec<Option<Switch>> =
            core::mem::take(&mut self.switches).into_iter().map(Some).collect();
        for (index, origin) in change.outputs.iter().enumerate() {
            let mut switch = origin.and_then(|origin| before.get_mut(origin)?.take()).unwrap_or_default();
            let device = new.outputs.get(index).map(|output| output.device);
            let origin = device.and_then(|device| change.devices.get(device));
            if origin.is_none_or(|origin| origin.asked_before().is_none()) {
                switch.abandon();
            }
            self.switches.push(switch);
        }
        let input = |all: &Configuration| {
            let (device, point) = all.local_alarm?.silence?;
            Some((all.devices.get(device)?.id.clone(), point))
        };
        if input(old) != input(&new) {
            self.silence_input = None;
        }
        let door = |all: &Configuration| {
            let (device, point) = all.install_input?;
            Some((all.devices.get(device)?.id.clone(), point))
        };
        if door(old) != door(&new) {
            self.forget_door_input();
        }
    }

    /// Nothing is said any more of a device that is gone, nor remembered.
    fn forget_strangers(&mut self, now: Instant, old: &Configuration) {
        let new = self.configuration.clone();
        for gone in old.devices.iter().filter(|known| new.devices.iter().all(|own| own.id != known.id)) {
            self.stage.keep(now, format!("device/{}", gone.id), None);
            for leaf in [Leaf::DeviceState(gone.id.clone()), Leaf::DeviceValues(gone.id.clone())] {
                self.stage.document(now, leaf, Vec::new());
            }
        }
    }
}

fn not_in_force(why: &Text) -> super::faults::Words {
    let zh = format!("新配置未生效:{}", why.zh);
    let en = format!("The new configuration is not in force: {}", why.en);
    gateway_words("configuration", &zh, &en, Priority::Ordinary)
}
