//! The engine: one input in, everything that follows from it out.
//!
//! [`Engine::handle`] changes the state, collects what must be saved, and hands out orders that borrow the
//! engine, so they are carried out before the next change. [`Engine::next_deadline`] says when to call again
//! without an input. The same inputs at the same times give the same outputs.
mod absence;
mod calls;
mod commands;
mod device;
mod faults;
mod judging;
mod lines;
mod measures;
mod meters;
mod outputs;
mod reloading;
mod restoring;
mod rivers;
mod sight;
mod speaking;
mod stage;
mod supervision;
mod telling;
mod texts;
mod walking;
mod welfare;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    AlarmDocument, AlarmId, Clock, ClockRecord, Event, EventData, GapRecord, Id, Instant, Leaf, LogId,
    Sequence, StoreHealth, Text, Timestamp,
};

use crate::alarm::Alarms;
use crate::chance::Chance;
use crate::configuration::{Configuration, DeviceIndex};
use crate::fault::Faults;
use crate::history::History;
use crate::input::Input;
use crate::line::Report;
use crate::local_alarm::LocalAlarm;
use crate::outbox::Outbox;
use crate::output::Output;
use crate::planted::{self, Bug};
use crate::texting::Texting;
use crate::uplink::Session;
use crate::walk::Walks;
use crate::wall::Wall;

pub use measures::{LineMeasures, Measures};
pub use sight::{DeviceSeen, LineSeen, OPEN_FOR, PointSeen, Sight};

use absence::Absence;
use commands::Nonces;
use device::Device;
use lines::{LineState, line_states};
use meters::{Metered, meters};
use outputs::Switch;
use reloading::Reloading;
use sight::Door;
use stage::{After, Stage};
use texts::Modem;
use welfare::{Watch, watches};

/// Time for the last commit and the farewell when the process was asked to end.
const FAREWELL: Duration = Duration::from_secs(3);

/// What the store kept from before.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    pub log: LogId,
    /// This process start's number in the log, from 1.
    pub boot: u32,
    /// The newest committed event, 0 for none.
    pub committed: Sequence,
    /// The oldest event that the log still has.
    pub first_kept: Sequence,
    pub kept: BTreeMap<String, Vec<u8>>,
    /// The store before this one was unusable and was put aside.
    pub replaced: bool,
}

/// The moment and the chance a run starts with.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub now: Instant,
    pub wall: Timestamp,
    pub clock: Clock,
    pub seed: u64,
}

/// All decisions of one gateway. Written and read back it goes on as the same: a recording that begins in the middle of a
/// run begins with it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    #[serde(with = "crate::snapshot::shared")]
    configuration: Arc<Configuration>,
    log: LogId,
    boot: u32,
    wall: Wall,
    chance: Chance,
    lines: Vec<LineState>,
    devices: Vec<Device>,
    alarms: Alarms,
    /// Finished alarms whose retained document the broker may still have.
    finished: BTreeSet<AlarmId>,
    faults: Faults,
    stage: Stage,
    outbox: Outbox,
    session: Session,
    history: History,
    /// By the index of their settings.
    meters: Vec<Metered>,
    /// By the index of their no-activity rules.
    watches: Vec<Watch>,
    nonces: Nonces,
    last_up: Instant,
    /// Since when an alarm has waited to be heard, and not for want of a connection.
    unheard_since: Option<Instant>,
    /// Since when anything has waited to be heard, and nothing was.
    unheard_any_since: Option<Instant>,
    local_alarm: LocalAlarm,
    texting: Texting,
    modem: Modem,
    /// By the index of their outputs.
    switches: Vec<Switch>,
    /// Whether the input that asks for quiet was pressed when last read.
    silence_input: Option<bool>,
    /// When it was told that the process had to be restarted.
    restarted_at: Option<Instant>,
    next_heartbeat: Instant,
    next_supervision: Instant,
    absence: Absence,
    reloading: Reloading,
    walks: Walks,
    door: Door,
    /// When each device's conditions want to be looked at without a reading.
    judge_deadlines: BTreeSet<(Instant, DeviceIndex)>,
    stopping: Option<Stopping>,
    outputs: VecDeque<Output>,
    reports: Vec<Report>,
    /// Losses told in this run.
    gaps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stopping {
    /// Until here the last commit and the farewell may take.
    Saving(Instant),
    Saying(Instant),
    Done,
}

/// The orders that follow from one input. What is not taken stays for the next.
#[derive(Debug)]
#[must_use = "orders that are not carried out are not lost, but late"]
pub struct Outputs<'e> {
    queue: &'e mut VecDeque<Output>,
}

impl Iterator for Outputs<'_> {
    type Item = Output;
    fn next(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}

impl Engine {
    pub fn new(configuration: Configuration, restored: Restored, start: Start) -> Self {
        let Start { now, wall, clock, seed } = start;
        let Restored { log, boot, committed, first_kept, kept, replaced } = restored;
        let configuration = Arc::new(configuration);
        let mut chance = Chance::new(seed);
        let hearers = configuration.uplink.hearers.clone();
        let mut engine = Self {
            log,
            boot,
            wall: Wall::new(now, wall, clock),
            lines: line_states(&configuration, &mut chance),
            devices: devices(&configuration, now),
            alarms: Alarms::default(),
            finished: BTreeSet::new(),
            faults: Faults::default(),
            stage: Stage::new(committed + u64::from(!planted::has(Bug::ReusesSequence))),
            outbox: Outbox::new(hearers, committed, first_kept),
            session: Session::new(&configuration.site, &configuration.gateway, now, chance.fork()),
            history: History::default(),
            meters: meters(&configuration),
            watches: watches(&configuration),
            nonces: Nonces::default(),
            last_up: now,
            unheard_since: None,
            unheard_any_since: None,
            local_alarm: LocalAlarm::default(),
            texting: Texting::default(),
            modem: Modem::default(),
            switches: configuration.outputs.iter().map(|_| Switch::default()).collect(),
            silence_input: None,
            restarted_at: None,
            next_heartbeat: now,
            next_supervision: now,
            absence: Absence::new(now),
            reloading: Reloading::default(),
            walks: Walks::default(),
            door: Door::default(),
            judge_deadlines: BTreeSet::new(),
            stopping: None,
            outputs: VecDeque::new(),
            reports: Vec::new(),
            gaps: 0,
            chance,
            configuration,
        };
        engine.restore(now, &kept);
        engine.open_door_at_first_start(now, replaced);
        engine.tell_boot(now, replaced);
        engine.tell_restored(now, &kept);
        engine.tell_replaced(now);
        engine
    }

    /// Takes one input at this moment. Moments never go back.
    pub fn handle(&mut self, now: Instant, input: Input) -> Outputs<'_> {
        self.run_begins(now);
        self.take(now, input);
        self.advance(now);
        Outputs { queue: &mut self.outputs }
    }

    /// Takes another configuration, or keeps the one in force if this one cannot follow it: whole or not at all.
    /// The outputs say which, and what the hands must do for it. The mode is not the file's to say and stays.
    pub fn configure(&mut self, now: Instant, configuration: Configuration) -> Outputs<'_> {
        self.run_begins(now);
        self.take_configuration(now, configuration);
        self.advance(now);
        Outputs { queue: &mut self.outputs }
    }

    /// Until when nothing will happen without an input.
    pub fn next_deadline(&self) -> Instant {
        // Nothing more is asked once the process is to end.
        let asking = self.lines.iter().filter(|_| self.stopping.is_none());
        let lines = asking.map(|state| state.deadline).min().unwrap_or(Instant::NEVER);
        let judges = self.judge_deadlines.first().map_or(Instant::NEVER, |(at, _)| *at);
        let farewell = match self.stopping {
            Some(Stopping::Saving(until) | Stopping::Saying(until)) => until,
            _ => Instant::NEVER,
        };
        lines
            .min(judges)
            .min(farewell)
            .min(self.stage.next_deadline())
            .min(self.session.next_deadline(&self.outbox))
            .min(self.next_history())
            .min(self.next_heartbeat)
            .min(self.next_supervision)
    }

    /// The unfinished alarms, as they would be told now.
    pub fn alarms(&self) -> impl Iterator<Item = &AlarmDocument> {
        self.alarms.iter().map(|alarm| &alarm.document)
    }

    pub fn store_health(&self, now: Instant) -> StoreHealth {
        self.stage.health(now)
    }

    pub fn is_connected(&self) -> bool {
        self.session.is_up()
    }

    fn run_begins(&mut self, now: Instant) {
        if let Some(away) = self.absence.runs(now) {
            self.lines.iter_mut().for_each(|state| state.line.was_unwatched(now, away));
        }
    }

    fn take(&mut self, now: Instant, input: Input) {
        match input {
            Input::LineUp { line } => self.line_up(now, line),
            Input::LineDown { line, .. } => self.line_down(now, line),
            Input::Answered { line, ask, outcome } => {
                self.answered(now, line, ask, &outcome);
            }
            Input::Committed { commit } => self.committed(now, commit),
            Input::CommitFailed { commit, .. } => {
                if self.stage.failed(now, commit) {
                    self.supervise_store(now);
                }
            }
            Input::DiskSpace { short } => {
                self.stage.set_short(short);
                self.supervise_store(now);
            }
            Input::Fetched { from, events } => {
                if let Some(first) = events.first() {
                    self.outbox.fetched(from, first.sequence);
                }
                self.session.fetched(now, from, events);
            }
            Input::Connected { connection } => self.connected(now, connection),
            Input::Disconnected { connection, why } => {
                let at = self.session_time(now);
                self.session.disconnected(at, connection, why);
            }
            Input::Receipted { connection, token } => self.receipted(now, connection, token),
            Input::Heard { duty_room, document } => {
                if document.log == self.log || planted::has(Bug::HearsAnyLog) {
                    self.heard(now, &duty_room, document.up_to);
                }
            }
            Input::Commanded { name, payload, signed_by, retained } => {
                self.command(now, name, &payload, signed_by.as_deref(), retained);
            }
            Input::TextSent { text } => self.text_sent(now, text),
            Input::TextFailed { text, why, may_have_left } => {
                self.text_failed(now, text, why, may_have_left);
            }
            Input::TextDelivered { text } => self.text_delivered(now, text),
            Input::TextUndelivered { text, why } => self.text_undelivered(now, text, why),
            Input::TextReceived { phone, words, sent_at } => self.replied(now, phone, &words, sent_at),
            Input::ModemFound { trouble } => self.modem_found(now, trouble),
            Input::QuietWanted => self.silence_what_sounds(now),
            Input::Walked(step) => self.walked(now, step),
            Input::ReloadWanted => self.want_reload(),
            Input::NotConfigured { why } => self.not_configured(now, why),
            Input::ClockSet { wall, clock } => self.clock_set(now, wall, clock),
            Input::Restarted { part, hung_ms } => self.tell_restart(now, &part, hung_ms),
            Input::Woke => {}
            Input::Stopping => self.stopping = self.stopping.or(Some(Stopping::Saving(now + FAREWELL))),
        }
    }

    /// Everything that time or the input made due.
    fn advance(&mut self, now: Instant) {
        self.judge_what_is_due(now);
        if now >= self.next_supervision {
            self.next_supervision = now + supervision::INTERVAL;
            self.supervise(now);
        }
        self.ask_lines(now);
        let flush = self.stopping.is_some();
        if let Some(commit) = self.stage.poll(now, flush) {
            let id = commit.id;
            self.outputs.push_back(Output::Commit(commit));
            if planted::has(Bug::SpeaksBeforeCommit) {
                self.committed(now, id);
            }
        }
        for (leaf, body) in self.stage.take_unlogged(now) {
            self.session.retain(leaf, telling::unlogged(&body));
        }
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + telling::HEARTBEAT;
            self.tell_heartbeat(now);
        }
        self.tell_history(now);
        let at = self.session_time(now);
        let (boot, wall) = (self.boot, self.wall.timestamp(now));
        let will = |connection| telling::state(shouwang_message::GatewayState::Lost, boot, connection, wall);
        self.session.poll(at, &self.outbox, will, &mut self.outputs);
        self.say_farewell(now);
    }

    fn committed(&mut self, now: Instant, commit: u64) {
        let Some(done) = self.stage.committed(commit) else { return };
        self.outbox.add(now, done.events, done.newest_alarm);
        self.walk_saved(now);
        for (key, value) in &done.kept {
            self.history.committed(key, value.as_deref());
        }
        for (leaf, body) in done.documents {
            self.session.retain(leaf, body);
        }
        for after in done.after {
            match after {
                After::Echo { device, count } => self.echo(now, device, count),
                After::Lamp { device } => self.lamp_saved(now, device),
                After::Reply { leaf, body } => self.session.reply(leaf, body),
                After::Info => {
                    let info = self.info();
                    self.session.retain(Leaf::Info, info);
                }
            }
        }
        self.supervise_store(now);
    }

    fn clock_set(&mut self, now: Instant, wall: Timestamp, clock: Clock) {
        if let Some(step) = self.wall.set(now, wall, clock) {
            let record = ClockRecord { clock, step_ms: step.step_ms };
            let subject = self.configuration.gateway.to_string();
            self.tell(now, subject, EventData::Clock(record));
        }
    }

    /// Puts an event into the log. `None` if there was no room, which is counted.
    fn tell(&mut self, now: Instant, subject: String, data: EventData) -> Option<Sequence> {
        let is_alarm = matches!(data, EventData::Alarm(..));
        // Telemetry goes first. It is told all the same, as a state that the broker retains.
        if self.stage.is_short() && matches!(data, EventData::DeviceState(_) | EventData::Clock(_)) {
            self.stage.drop_event();
            return None;
        }
        let (site, gateway, log) =
            (self.configuration.site.clone(), self.configuration.gateway.clone(), self.log);
        let time = self.wall.timestamp(now);
        self.stage.event(now, is_alarm, |sequence| Event {
            site,
            gateway,
            log,
            sequence,
            time,
            subject,
            data,
        })
    }

    fn new_id(&mut self, now: Instant) -> AlarmId {
        let ms = u64::try_from(self.wall.timestamp(now).unix_ms()).unwrap_or(0);
        let chance = (u128::from(self.chance.next()) << 64) | u128::from(self.chance.next());
        AlarmId::from_parts(ms, chance)
    }

    fn tell_gap(&mut self, now: Instant, count: u64, why: Text) {
        self.tell_gap_of(now, "events", count, why);
    }

    fn tell_gap_of(&mut self, now: Instant, what: &str, count: u64, why: Text) {
        self.gaps += 1;
        let to = self.wall.timestamp(now);
        let record = GapRecord { what: what.to_string(), count, from: None, to, why };
        let subject = self.configuration.gateway.to_string();
        self.tell(now, subject, EventData::Gap(record));
    }
}

fn devices(configuration: &Configuration, now: Instant) -> Vec<Device> {
    let made = |settings| Device::new(settings, &configuration.stations, now);
    configuration.devices.iter().map(made).collect()
}

fn alarm_key(id: AlarmId) -> String {
    format!("alarm/{id}")
}

fn local_key(id: AlarmId) -> String {
    format!("local/{id}")
}

fn heard_key(duty_room: &Id) -> String {
    format!("heard/{duty_room}")
}
