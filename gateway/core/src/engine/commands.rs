//! What people ask of the gateway: checked, done once, recorded, answered after the commit.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    AlarmId, Class, Clock, CommandError, CommandName, CommandPayload, CommandRecord, EventData, Id, Instant,
    Leaf, OutOfService, Reply, Text, Timestamp, from_bytes, to_bytes,
};

use super::device::TEST_MOST;
use super::stage::After;
use super::{Engine, alarm_key};
use crate::alarm::{Alarm, Refusal, Shelving};
use crate::configuration::DeviceIndex;
use crate::line::Purpose;
use crate::output::Request;
use crate::planted::{self, Bug};
use crate::profile::DeviceReset;

/// A command that would still be valid in a day is refused: nonces must be kept as long as it lives.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Unexpired nonces that are kept; more commands than this in a day are refused.
const MAX_NONCES: usize = 10_000;
/// Ids, nonces and reasons longer than this are nobody's.
const MAX_WORD: usize = 256;

/// The nonces of commands already taken, with their expiry.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Nonces {
    taken: BTreeMap<String, Timestamp>,
}

/// Why a command was refused: a stable code and a sentence.
pub(super) struct No {
    pub(super) code: &'static str,
    pub(super) text: Text,
}

impl Nonces {
    pub(super) fn restore(&mut self, nonce: &str, expires: &[u8]) {
        if let Some(expires) = core::str::from_utf8(expires).ok().and_then(|text| text.parse().ok()) {
            self.taken.insert(nonce.to_string(), expires);
        }
    }
}

impl Engine {
    pub(super) fn command(
        &mut self,
        now: Instant,
        name: CommandName,
        payload: &str,
        signed_by: Option<&str>,
        retained: bool,
    ) {
        // Without a readable payload there is nobody to answer.
        let Ok(payload) = from_bytes::<CommandPayload>(payload.as_bytes()) else { return };
        let answer = self
            .admit(now, name, &payload, signed_by, retained)
            .and_then(|()| self.carry_out(now, name, &payload).map_err(No::from));
        // A reload is answered when the file has been read.
        if name == CommandName::Reload && answer.is_ok() {
            return;
        }
        self.record(now, name, &payload, answer);
    }

    fn admit(
        &mut self,
        now: Instant,
        name: CommandName,
        payload: &CommandPayload,
        signed_by: Option<&str>,
        retained: bool,
    ) -> Result<(), No> {
        let words = [Some(&payload.txn), Some(&payload.by), Some(&payload.nonce)];
        let words = words.into_iter().chain([payload.reason.as_ref(), payload.to.as_ref()]);
        if words.flatten().any(|word| word.len() > MAX_WORD) || payload.nonce.is_empty() {
            return Err(No::new("malformed", "命令格式不对", "a part is too long, or the nonce is missing"));
        }
        if retained && !planted::has(Bug::ObeysRetained) {
            return Err(No::new("retained", "拒绝保留的命令", "retained commands are refused"));
        }
        // Asking for what is missing changes nothing, and must work without a key and while the clocks disagree.
        let harmless = matches!(name, CommandName::Resend | CommandName::Read);
        if self.configuration.uplink.signed_commands_only && signed_by.is_none() && !harmless {
            return Err(No::new("unsigned", "命令没有有效签名", "the command has no valid signature"));
        }
        self.is_for_us(name, payload)?;
        let life_ms = payload.expires.unix_ms() - payload.at.unix_ms();
        let wall = self.wall.timestamp(now);
        let over = self.wall.clock() != Clock::Unset && payload.expires < wall && !harmless;
        if life_ms <= 0 || over {
            return Err(No::new("expired", "命令已过期", "the command has expired"));
        }
        if u64::try_from(life_ms).unwrap_or(0) > LONGEST_LIFE.as_millis() as u64 {
            return Err(No::new(
                "expires_too_late",
                "命令有效期过长",
                "a command lives for 24 hours at most",
            ));
        }
        // To do it twice harms nobody either, and a duty room that asks often must not fill the list.
        if harmless { Ok(()) } else { self.take_nonce(now, wall, payload) }
    }

    /// A signature covers the payload alone: without its target in there, what was signed for one gateway or one
    /// command could be played to another. An alarm's id exists once; a device's or an output's name does not.
    fn is_for_us(&self, name: CommandName, payload: &CommandPayload) -> Result<(), No> {
        let (configuration, us) = (&self.configuration, CommandPayload::target);
        match &payload.to {
            Some(to) if *to != us(&configuration.site, &configuration.gateway, name) => Err(No::new(
                "target",
                "命令是给别处的",
                "the command is meant for another gateway, or says another thing",
            )),
            None if configuration.uplink.signed_commands_only
                && payload.alarm.is_none()
                && !matches!(name, CommandName::Resend | CommandName::Read) =>
            {
                Err(No::new(
                    "target_missing",
                    "签名的命令要写明给谁",
                    "a signed command that names no alarm says whom it is for: \"to\" = \"site/gateway/command\"",
                ))
            }
            _ => Ok(()),
        }
    }

    fn take_nonce(&mut self, now: Instant, wall: Timestamp, payload: &CommandPayload) -> Result<(), No> {
        if self.nonces.taken.contains_key(&payload.nonce) {
            return Err(No::new("repeated", "重复的命令", "this nonce was used before"));
        }
        if self.wall.clock() != Clock::Unset {
            let over = self.nonces.taken.extract_if(.., |_, expires| *expires < wall);
            for (nonce, _) in over {
                self.stage.keep(now, format!("nonce/{nonce}"), None);
            }
        }
        if self.nonces.taken.len() >= MAX_NONCES {
            return Err(No::new("busy", "命令过多", "too many commands in a day"));
        }
        let key = format!("nonce/{}", payload.nonce);
        self.stage.keep(now, key, Some(payload.expires.to_string().into_bytes()));
        self.nonces.taken.insert(payload.nonce.clone(), payload.expires);
        Ok(())
    }

    fn carry_out(&mut self, now: Instant, name: CommandName, payload: &CommandPayload) -> Result<(), Wrong> {
        let wish = Shelving {
            by: &payload.by,
            second: payload.second.as_deref(),
            until: payload.until,
            reason: payload.reason.as_deref(),
        };
        match name {
            CommandName::Acknowledge => {
                let (id, _) = self.seen_alarm(payload)?;
                self.acknowledge(now, id, &payload.by, payload.at);
            }
            CommandName::Silence => {
                let (id, alarm) = self.named_alarm(payload)?;
                let change = alarm.silence();
                self.changed(now, id, change);
                self.local_alarm.silence(id);
                self.supervise_outputs(now);
            }
            CommandName::Coming => {
                let (id, alarm) = self.seen_alarm(payload)?;
                alarm.set_coming()?;
                let kept = to_bytes(alarm);
                self.stage.keep(now, alarm_key(id), Some(kept));
                self.save_then_light_of(now, id);
            }
            CommandName::Shelve => {
                let (id, alarm) = self.named_alarm(payload)?;
                let change = alarm.shelve(now, payload.at, &wish)?;
                self.changed(now, id, change);
            }
            CommandName::Unshelve => {
                let (id, alarm) = self.named_alarm(payload)?;
                let change = alarm.unshelve()?;
                self.changed(now, id, change);
            }
            CommandName::Reset => return self.reset(now, payload).map_err(Wrong::from),
            CommandName::OutOfService => {
                let device = self.named_device(payload)?;
                self.take_out_of_service(now, device, payload.at, &wish)?;
            }
            CommandName::Test => {
                if let Some(walk) = payload.walk {
                    return self.answer_walk(now, walk, payload).map_err(Wrong::No);
                }
                let device = self.named_device(payload)?;
                self.put_to_test(now, device, payload)?;
            }
            CommandName::Resend => return self.resend(now, payload),
            CommandName::Read => {
                let device = self.named_device(payload)?;
                if let Some(entry) = self.devices.get_mut(device) {
                    entry.forget_told();
                }
            }
            CommandName::WriteOutput => self.switch_output(now, payload)?,
            CommandName::Pause => self.pause_welfare(now, payload)?,
            CommandName::Reload => return self.command_reload(payload.clone()).map_err(Wrong::No),
        }
        Ok(())
    }

    /// A named person saw it; the first one counts.
    pub(super) fn acknowledge(&mut self, now: Instant, id: AlarmId, by: &str, at: Timestamp) {
        let change = self.alarms.get_mut(id).and_then(|alarm| alarm.acknowledge(by, at));
        if let Some(change) = change {
            self.changed(now, id, change);
            self.save_then_light_of(now, id);
            self.finish_if_done(now, id);
        }
    }

    fn named_alarm(&mut self, payload: &CommandPayload) -> Result<(AlarmId, &mut Alarm), Refusal> {
        let id = payload.alarm.ok_or(Refusal::UnknownAlarm)?;
        Ok((id, self.alarms.get_mut(id).ok_or(Refusal::UnknownAlarm)?))
    }

    /// The alarm named, as the person saw it: a cry that came later needs its own answer.
    fn seen_alarm(&mut self, payload: &CommandPayload) -> Result<(AlarmId, &mut Alarm), Refusal> {
        let (id, alarm) = self.named_alarm(payload)?;
        let outlived = payload.occurrence.is_some_and(|seen| seen < alarm.document.occurrence);
        if outlived && !planted::has(Bug::AnswersNewerCry) {
            return Err(Refusal::NewerCry);
        }
        Ok((id, alarm))
    }

    /// The device named, or that of the alarm named.
    fn named_device(&self, payload: &CommandPayload) -> Result<DeviceIndex, Refusal> {
        let of_alarm = || self.alarms.get(payload.alarm?).map(|alarm| alarm.document.device.clone());
        let id = payload.device.clone().or_else(of_alarm).ok_or(Refusal::UnknownDevice)?;
        self.device_index(&id).ok_or(Refusal::UnknownDevice)
    }

    pub(super) fn device_index(&self, id: &Id) -> Option<DeviceIndex> {
        self.configuration.devices.iter().position(|settings| settings.id == *id)
    }

    fn save_then_light_of(&mut self, now: Instant, alarm: AlarmId) {
        let device = self.alarms.get(alarm).and_then(|alarm| self.device_index(&alarm.document.device));
        if let Some(device) = device {
            self.save_then_light(now, device);
        }
    }

    fn reset(&mut self, now: Instant, payload: &CommandPayload) -> Result<(), Refusal> {
        let (at, heard) = (self.wall.timestamp(now), self.outbox.heard_by_any());
        let configuration = self.configuration.clone();
        let (id, alarm) = self.seen_alarm(payload)?;
        // Whoever asks cannot have heard of the newest press, so what they end is an older call.
        if alarm.document.class == Class::Call && heard < alarm.cry {
            return Err(Refusal::NotAcknowledged);
        }
        let device = alarm.document.device.clone();
        let settings = configuration.devices.iter().find(|settings| settings.id == device);
        let is_watched =
            settings.is_some_and(|settings| settings.condition(&alarm.document.condition).is_some());
        let change = match alarm.reset(at, is_watched) {
            // A detector that latches by itself turns normal only by its own reset: the person asks
            // again when it has.
            Err(Refusal::NotNormal) if self.reset_device(now, &device) => return Ok(()),
            change => change?,
        };
        self.changed(now, id, change);
        self.show_what_it_explained(now, id);
        self.finish_if_done(now, id);
        self.reset_device(now, &device);
        Ok(())
    }

    /// The device's own reset, where its model has one: sent once. Whether it worked shows in the next
    /// readings, which are judged like all others. False if there is none, or it cannot be written now.
    fn reset_device(&mut self, now: Instant, device: &Id) -> bool {
        let Some(device) = self.device_index(device) else { return false };
        let Some(settings) = self.configuration.devices.get(device) else { return false };
        let Some(DeviceReset { table, address, value }) = settings.profile.reset else { return false };
        let multiple_only = settings.profile.blocks.write_multiple_only;
        let Some(request) = Request::write(table, address, value, multiple_only) else { return false };
        let Some(state) = self.lines.get_mut(settings.line) else { return false };
        state.deadline = now;
        state.line.write(device, Purpose::Reset, request)
    }

    fn take_out_of_service(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        at: Timestamp,
        wish: &Shelving<'_>,
    ) -> Result<(), Refusal> {
        let length = wish.length(at)?;
        let (Some(until), Some(reason)) = (wish.until, wish.reason) else { return Err(Refusal::NeedsReason) };
        let overlay = OutOfService { by: wish.by.to_string(), until, reason: reason.to_string() };
        self.set_out_of_service(now, device, Some((overlay, now + length)));
        Ok(())
    }

    fn set_out_of_service(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        overlay: Option<(OutOfService, Instant)>,
    ) {
        let Some(entry) = self.devices.get_mut(device) else { return };
        let shown = overlay.as_ref().map(|(overlay, _)| overlay.clone());
        entry.set_out_of_service(overlay);
        let id = entry.id().clone();
        let alarms: Vec<_> = self.alarms.of_device(&id).collect();
        for alarm in alarms {
            if let Some(change) =
                self.alarms.get_mut(alarm).map(|alarm| alarm.set_out_of_service(shown.clone()))
            {
                self.changed(now, alarm, change);
            }
        }
        self.keep_device(now, device);
        self.settle_device_state(now, device);
    }

    fn put_to_test(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        payload: &CommandPayload,
    ) -> Result<(), Refusal> {
        let until = payload.until.ok_or(Refusal::NeedsUntil)?;
        let length =
            u64::try_from(until.unix_ms() - payload.at.unix_ms()).map_err(|_| Refusal::NeedsUntil)?;
        let length = Duration::from_millis(length).min(TEST_MOST);
        if let Some(entry) = self.devices.get_mut(device) {
            // What is kept over a restart is no longer either.
            let until = Timestamp::from_unix_ms(payload.at.unix_ms() + length.as_millis() as i64);
            entry.set_test(Some((until, now + length)));
        }
        self.keep_device(now, device);
        self.settle_device_state(now, device);
        Ok(())
    }

    /// Overlays end by themselves.
    pub(super) fn end_overlays(&mut self, now: Instant, device: DeviceIndex) {
        let Some(entry) = self.devices.get_mut(device) else { return };
        let (out_of_service, test) = entry.overlays_over(now);
        if test {
            entry.set_test(None);
            self.keep_device(now, device);
            self.outlive_test(now, device);
            self.settle_device_state(now, device);
        }
        if out_of_service {
            self.set_out_of_service(now, device, None);
        }
    }

    pub(super) fn end_shelvings(&mut self, now: Instant) {
        let over = |alarm: &&Alarm| alarm.shelved_until().is_some_and(|until| until <= now);
        let ids: Vec<_> = self.alarms.iter().filter(over).map(|alarm| alarm.document.id).collect();
        for id in ids {
            if let Some(Ok(change)) = self.alarms.get_mut(id).map(Alarm::unshelve) {
                self.changed(now, id, change);
            }
        }
    }

    fn resend(&mut self, now: Instant, payload: &CommandPayload) -> Result<(), Wrong> {
        let from = payload.from.unwrap_or(1);
        let at = self.session_time(now);
        self.session.resend(at, from, &self.outbox);
        if from < self.outbox.first_kept() {
            return Err(Wrong::No(No::new(
                "too_old",
                "更早的事件已被覆盖",
                "older events are no longer kept",
            )));
        }
        Ok(())
    }

    /// Answers, and writes down what was done. What alarm events already tell by name is not told twice.
    pub(super) fn record(
        &mut self,
        now: Instant,
        name: CommandName,
        payload: &CommandPayload,
        answer: Result<(), No>,
    ) {
        let leaf = Leaf::Reply(name);
        if let Err(no) = answer {
            // Nothing changed, so nothing has to be saved first.
            let error = Some(CommandError { code: no.code.to_string(), text: no.text });
            self.session.reply(leaf, to_bytes(&Reply { txn: payload.txn.clone(), ok: false, error }));
            // It may have been told unlogged by a process that then died: nobody else would take it away.
            if let Some(id) = payload.alarm.filter(|_| no.code == Refusal::UnknownAlarm.code()) {
                self.session.retain(Leaf::Alarm(id), Vec::new());
            }
            return;
        }
        if !matches!(name, CommandName::Resend | CommandName::Read) {
            let record = CommandRecord {
                name,
                txn: payload.txn.clone(),
                by: payload.by.clone(),
                at: payload.at,
                ok: true,
                code: None,
                reason: payload.reason.clone(),
            };
            let alarm = payload.alarm.map(|alarm| alarm.to_string());
            let device = payload.device.as_ref().map(Id::to_string);
            let welfare = payload.welfare.as_ref().map(Id::to_string);
            let subject =
                device.or(alarm).or(welfare).unwrap_or_else(|| self.configuration.gateway.to_string());
            self.tell(now, subject, EventData::Command(record));
        }
        let body = to_bytes(&Reply { txn: payload.txn.clone(), ok: true, error: None });
        self.stage.after(now, After::Reply { leaf, body });
    }
}

/// A refusal by the rules of alarms, or by the rules of commands.
enum Wrong {
    Refusal(Refusal),
    No(No),
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Wrong> for No {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Refusal(refusal) => Self { code: refusal.code(), text: refusal.text() },
            Wrong::No(no) => no,
        }
    }
}

impl No {
    pub(super) fn new(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, text: Text::new(zh, en) }
    }
}
