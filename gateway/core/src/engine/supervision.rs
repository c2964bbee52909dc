//! Watching the watchers: devices, lines, the store, the uplink and the clock.
//!
//! Each check compares what should be at fault with what is known to be, so it can run at any time.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Class, Clock, DeviceState, Id, Instant, Place, Priority, StoreHealth, Text};

use super::Engine;
use super::device::Loss;
use super::faults::{Words, gateway_words};
use crate::configuration::DeviceIndex;
use crate::fault::Source;
use crate::line::Presence;
use crate::planted::{self, Bug};
use crate::reading::NoData;

/// How often the checks run without a cause.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);
/// A line that is down or mostly silent for this long is a fault (told within 10 s).
pub(super) const LINE_PATIENCE: Duration = Duration::from_secs(5);
/// A device may be silent this long after its line came up before it is called lost.
const DEVICE_PATIENCE: Duration = Duration::from_secs(20);
/// After its line came back, a device that was lost with it has this long until it is lost by itself: the
/// longest interval between two probes.
const RETURN_PATIENCE: Duration = Duration::from_secs(30);
/// A device that refuses to be read for this long is a fault (as one that does not answer: rules.md, section 3).
const REFUSAL_PATIENCE: Duration = Duration::from_secs(10);
/// No connection for this long is a fault (requirement R5).
const UPLINK_PATIENCE: Duration = Duration::from_secs(30);
/// Connected, now or just before, but no duty room has heard the newest alarm for this long: a fault (requirement R6).
const HEARING_PATIENCE: Duration = Duration::from_secs(30);

/// A restart that was not wanted is shown for this long.
const RESTART_SHOWN: Duration = Duration::from_secs(10 * 60);

impl Engine {
    pub(super) fn supervise(&mut self, now: Instant) {
        for line in 0..self.lines.len() {
            self.supervise_line(now, line);
        }
        for device in 0..self.devices.len() {
            self.supervise_device(now, device);
            self.end_overlays(now, device);
        }
        self.end_shelvings(now);
        self.supervise_walk(now);
        self.supervise_store(now);
        self.supervise_uplink(now);
        self.supervise_contest(now);
        self.supervise_hearing(now);
        self.supervise_outputs(now);
        self.supervise_texts(now);
        self.supervise_restart(now);
        let unset = self.wall.clock() == Clock::Unset;
        self.settle_fault(now, Source::ClockUnset, unset, || {
            gateway_words("clock_unset", "时钟未校准", "The clock has not been set", Priority::Ordinary)
        });
        self.supervise_history(now);
        self.supervise_welfare(now);
        let dropped = self.stage.take_dropped();
        if dropped > 0 {
            let why =
                Text::new("存储故障或磁盘已满,放不下", "there was no room while the disk failed or was full");
            self.tell_gap(now, dropped, why);
        }
    }

    fn supervise_line(&mut self, now: Instant, line: usize) {
        let Some(settings) = self.configuration.lines.get(line) else { return };
        let name = settings.name.clone();
        self.find_stuck(now, line);
        let is_open = self.faults.is_open(&Source::LineDown(name.clone()));
        let down = self.is_line_down(now, line, is_open);
        if let Some(state) = self.lines.get_mut(line) {
            if !state.up {
                state.down_since = state.down_since.or(Some(now));
            } else if now.since(state.up_since) >= DEVICE_PATIENCE {
                // The port stays: whoever is silent now is so by itself.
                state.down_since = None;
            }
            if is_open && !down {
                state.well_since = now;
            }
        }
        self.settle_fault(now, Source::LineDown(name.clone()), down, || Words {
            code: "line_down".to_string(),
            text: Text::new(format!("线路 {name} 中断"), format!("Line {name} is down")),
            priority: Priority::Urgent,
            device: None,
            line: Some(name.clone()),
        });
    }

    /// Hands that never come back with an answer are no better than a port that is gone.
    fn find_stuck(&mut self, now: Instant, line: usize) {
        let is_stuck = self.lines.get(line).is_some_and(|state| state.up && state.line.is_stuck(now));
        if !is_stuck || self.absence.is_catching_up(now) {
            return;
        }
        self.line_down(now, line);
        if let Some(state) = self.lines.get_mut(line) {
            state.stalled = true;
        }
    }

    /// The port is gone, or most of several devices have long been silent: then it is hardly each of them. A
    /// line that was found down is well again when most of them answer, not when they are not asked yet.
    fn is_line_down(&self, now: Instant, line: usize, is_open: bool) -> bool {
        let Some(state) = self.lines.get(line) else { return false };
        let on_line =
            self.configuration.devices.iter().enumerate().filter(|(_, settings)| settings.line == line);
        let (mut all, mut online, mut quiet) = (0, 0, 0);
        for (device, _) in on_line {
            let is_online = state.line.presence(device) == Presence::Online;
            all += 1;
            online += usize::from(is_online);
            quiet += usize::from(!is_online && self.quiet_for(now, device) >= LINE_PATIENCE);
        }
        if !state.up {
            let is_long = |since| self.absence.seen_since(now, since) >= LINE_PATIENCE;
            return is_open || state.down_since.is_some_and(is_long);
        }
        if is_open && state.down_since.is_some() {
            return true;
        }
        // A device that is alone on its line is lost by its own name and place.
        all > 1 && if is_open { online * 2 < all } else { quiet * 2 > all }
    }

    /// Since the device's last good answer, or since its line is well, as far as anybody listened.
    fn quiet_for(&self, now: Instant, device: DeviceIndex) -> Duration {
        let line = self.configuration.devices.get(device).and_then(|settings| self.lines.get(settings.line));
        let (Some(entry), Some(state)) = (self.devices.get(device), line) else { return Duration::ZERO };
        self.absence.seen_since(now, entry.heard_at().max(state.well_since))
    }

    pub(super) fn supervise_device(&mut self, now: Instant, device: DeviceIndex) {
        let (Some(settings), Some(entry)) =
            (self.configuration.devices.get(device), self.devices.get(device))
        else {
            return;
        };
        let Some(state) = self.lines.get(settings.line) else { return };
        let line_fault = self
            .configuration
            .lines
            .get(settings.line)
            .is_some_and(|line| !state.up || self.faults.is_open(&Source::LineDown(line.name.clone())));
        let returns = entry.loss() == Loss::WithLine && now.since(state.well_since) < RETURN_PATIENCE;
        let explained = line_fault || returns;
        let source = Source::Lost(settings.id.clone());
        let is_open = self.faults.is_open(&source);
        let silent = match state.line.presence(device) {
            Presence::Lost => true,
            // What was lost is so until it answers, also over a restart.
            Presence::NotYet | Presence::Missing => {
                is_open || entry.loss() != Loss::No || self.quiet_for(now, device) >= DEVICE_PATIENCE
            }
            Presence::Online => false,
        };
        // A cut line is one fault, not one for each of its devices; what was open before stays open.
        let lost = silent && (!explained || is_open) && !planted::has(Bug::LossUntold);
        let why = entry.silence();
        let (class, line) = (settings.profile.class, settings.line);
        let priority =
            if lost && !is_open && matches!(class, Class::Smoke | Class::Call) && !self.is_covered(device) {
                Priority::Urgent
            } else {
                Priority::Ordinary
            };
        let line = self.configuration.lines.get(line).map(|line| line.name.clone());
        let name = settings.profile.title.clone();
        self.settle_fault(now, source, lost, || Words {
            code: why.word().into_owned(),
            text: Text::new(format!("{}失联", name.zh), format!("{} does not answer", name.en)),
            priority,
            device: Some(device),
            line,
        });
        let loss = match (silent, explained) {
            (true, true) => Loss::WithLine,
            (true, false) => Loss::Alone,
            _ => Loss::No,
        };
        if let Some(entry) = self.devices.get_mut(device) {
            entry.set_loss(now, loss);
        }
        self.settle_refusal(now, device);
        self.settle_proven_identity(now, device);
        self.settle_device_state(now, device);
    }

    /// A stranger that was known before our restart, and is not there any more.
    fn settle_proven_identity(&mut self, now: Instant, device: DeviceIndex) {
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let is_proven = self.lines.get(settings.line).is_some_and(|state| {
            state.line.presence(device) == Presence::Online && state.line.is_proven(device)
        });
        if is_proven && self.faults.is_open(&Source::Identity(settings.id.clone())) {
            self.settle_identity_fault(now, device, false);
        }
    }

    /// A device that answers, but with exceptions where a condition needs a value, watches nothing.
    fn settle_refusal(&mut self, now: Instant, device: DeviceIndex) {
        let (Some(settings), Some(entry)) =
            (self.configuration.devices.get(device), self.devices.get(device))
        else {
            return;
        };
        let source = Source::Refuses(settings.id.clone());
        let refuses = if self.faults.is_open(&source) {
            !entry.accepts()
        } else {
            entry.refusal().is_some_and(|(since, _)| now.since(since) >= REFUSAL_PATIENCE)
        };
        let why = entry.refusal().map(|(_, why)| why.word().into_owned()).unwrap_or_default();
        let title = settings.profile.title.clone();
        let priority =
            if settings.profile.class.is_life_safety() { Priority::Urgent } else { Priority::Ordinary };
        self.settle_fault(now, source, refuses, || Words {
            code: why,
            text: Text::new(format!("{}拒绝读取", title.zh), format!("{} refuses to be read", title.en)),
            priority,
            device: Some(device),
            line: None,
        });
    }

    /// After a restart or a reload, a fault of what is no longer configured is over.
    pub(super) fn drop_faults_of_strangers(&mut self, now: Instant) {
        let devices = &self.configuration.devices;
        let is_device = |id: &Id| devices.iter().any(|settings| settings.id == *id);
        let is_known = |source: &&Source| match source {
            Source::Lost(id) | Source::Refuses(id) | Source::CounterBack(id) | Source::Identity(id) => {
                is_device(id)
            }
            Source::Told { device, condition } => devices
                .iter()
                .any(|settings| settings.id == *device && settings.condition(condition).is_some()),
            Source::Implausible { device, point } => devices
                .iter()
                .any(|settings| settings.id == *device && settings.profile.point(point).is_some()),
            Source::LineDown(id) => self.configuration.lines.iter().any(|line| line.name == *id),
            Source::Output(id) => self.configuration.outputs.iter().any(|output| output.name == *id),
            Source::Modem => self.configuration.sms.is_some(),
            // What runs now was read now.
            Source::Configuration => false,
            Source::Restarted
            | Source::StoreFailing
            | Source::UplinkDown
            | Source::ThrownOut
            | Source::Unheard
            | Source::ClockUnset => true,
        };
        let strangers: Vec<Source> =
            self.faults.sources().filter(|source| !is_known(source)).cloned().collect();
        for source in strangers {
            self.clear_fault(now, &source);
        }
    }

    /// Another device of the same class watches the same room and answers.
    fn is_covered(&self, device: DeviceIndex) -> bool {
        let Some(own) = self.configuration.devices.get(device) else { return false };
        own.place.room.is_some()
            && self.configuration.devices.iter().enumerate().any(|(other, settings)| {
                other != device
                    && settings.profile.class == own.profile.class
                    && is_same_room(&settings.place, &own.place)
                    && self
                        .lines
                        .get(settings.line)
                        .is_some_and(|state| state.line.presence(other) == Presence::Online)
            })
    }

    pub(super) fn supervise_store(&mut self, now: Instant) {
        let health = self.stage.health(now);
        let failing = match health {
            StoreHealth::Failing => true,
            // A write that does not end is a failing disk too; a short stall is only slow.
            StoreHealth::Slow => self.stage.pending_for(now) >= LINE_PATIENCE,
            StoreHealth::Ok => false,
        };
        let is_short = self.stage.is_short();
        // While it fails nothing can be logged; the fault's event waits with everything else.
        self.settle_fault(now, Source::StoreFailing, failing || is_short, || {
            let (zh, en) = if is_short {
                ("磁盘已满,只为报警留有空间", "The disk is full: there is room for alarms only")
            } else {
                ("存储故障", "The disk does not take what it is given")
            };
            gateway_words("store_failing", zh, en, Priority::Urgent)
        });
    }

    fn supervise_uplink(&mut self, now: Instant) {
        if self.session.is_up() {
            self.last_up = now;
        }
        let is_open = self.faults.is_open(&Source::UplinkDown);
        let down = !self.session.is_up() && (is_open || now.since(self.last_up) >= UPLINK_PATIENCE);
        self.settle_fault(now, Source::UplinkDown, down, || {
            gateway_words(
                "uplink_down",
                "与值班室的连接中断",
                "No connection to the broker",
                Priority::Urgent,
            )
        });
    }

    /// Somebody takes our place at the broker, or it does not like what we say.
    fn supervise_contest(&mut self, now: Instant) {
        let contested = self.session.is_contested(now);
        self.settle_fault(now, Source::ThrownOut, contested, || {
            gateway_words(
                "thrown_out",
                "一再被 MQTT 服务器断开:另一台机器可能用了同一编号,或访问规则不允许",
                "The broker ends the connection again and again: another machine may use this id, or its access list forbids it",
                Priority::Urgent,
            )
        });
    }

    /// The broker takes what we say, but no duty room confirms it.
    fn supervise_hearing(&mut self, now: Instant) {
        let waits = self.outbox.alarm_unheard();
        // A connection that comes and goes does not start the waiting anew; one that stays away is a fault itself.
        let counts = waits && now.since(self.last_up) < UPLINK_PATIENCE;
        self.unheard_since = if counts { self.unheard_since.or(Some(now)) } else { None };
        let is_open = self.faults.is_open(&Source::Unheard);
        let long = self.unheard_since.is_some_and(|since| now.since(since) >= HEARING_PATIENCE);
        self.settle_fault(now, Source::Unheard, long || (is_open && waits), || {
            gateway_words(
                "unheard",
                "报警没有值班室确认收到",
                "No duty room confirms the alarms",
                Priority::Urgent,
            )
        });
    }

    /// Somebody should know why the gateway was away for a moment.
    pub(super) fn tell_restart(&mut self, now: Instant, part: &str, hung_ms: Option<u64>) {
        self.clear_fault(now, &Source::Restarted);
        self.restarted_at = Some(now);
        let text = match hung_ms.map(|hung_ms| hung_ms / 1000) {
            Some(hung_s) => Text::new(
                format!("网关程序已重启:{part} 卡死 {hung_s} s"),
                format!("The gateway was restarted: {part} hung for {hung_s} s"),
            ),
            None => Text::new(
                format!("网关程序已重启:{part} 意外结束"),
                format!("The gateway was restarted: {part} ended unexpectedly"),
            ),
        };
        let words = gateway_words("restarted", &text.zh, &text.en, Priority::Ordinary);
        self.settle_fault(now, Source::Restarted, true, || words);
    }

    fn supervise_restart(&mut self, now: Instant) {
        let is_recent = self.restarted_at.is_some_and(|at| now.since(at) < RESTART_SHOWN);
        if !is_recent {
            self.clear_fault(now, &Source::Restarted);
        }
    }

    /// The device's state and why, by what is known now; none while nothing is.
    pub(super) fn device_state(&self, device: DeviceIndex) -> Option<(DeviceState, Option<String>)> {
        let entry = self.devices.get(device)?;
        if let Some(overlay) = entry.out_of_service() {
            return Some((DeviceState::OutOfService, Some(overlay.reason.clone())));
        }
        if entry.is_in_test() {
            return Some((DeviceState::Test, None));
        }
        let own_loss = self.faults.is_open(&Source::Lost(entry.id().clone()));
        if own_loss || entry.loss() == Loss::WithLine {
            let known = entry.state_document().filter(|known| known.state == DeviceState::Lost);
            let why = match (own_loss, entry.silence()) {
                // Lost since before our restart: for the reason there was.
                (true, NoData::NotYet) => known.and_then(|known| known.why.clone()),
                (true, silence) => Some(silence.word().into_owned()),
                (false, _) => Some("line_down".to_string()),
            };
            return Some((DeviceState::Lost, why));
        }
        let told = self.faults.sources().find_map(|source| match source {
            Source::Told { device, condition } if device == entry.id() => Some(condition.clone()),
            Source::Implausible { device, .. } if device == entry.id() => Some("implausible".to_string()),
            Source::Identity(device) if device == entry.id() => Some("wrong_identity".to_string()),
            Source::CounterBack(device) if device == entry.id() => Some("counter_back".to_string()),
            Source::Refuses(device) if device == entry.id() => {
                let why = entry.refusal().map(|(_, why)| why.word().into_owned());
                Some(why.unwrap_or_else(|| "exception".to_string()))
            }
            _ => None,
        });
        match told {
            Some(why) => Some((DeviceState::Fault, Some(why))),
            None => entry.has_answered().then_some((DeviceState::Online, None)),
        }
    }
}

fn is_same_room(one: &Place, other: &Place) -> bool {
    one.room == other.room && one.entrance == other.entrance && one.building == other.building
}
