//! Events: what happened, in order, as CloudEvents 1.0 in structured JSON.
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    AlarmDocument, AlarmId, BadId, Class, Clock, CommandName, DeviceStateDocument, Id, LogId, Place,
    Priority, Sequence, Text, Timestamp, topic,
};

/// One entry of a gateway's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub site: Id,
    pub gateway: Id,
    pub log: LogId,
    /// Gap-free per log, from 1.
    pub sequence: Sequence,
    pub time: Timestamp,
    /// The device, line or gateway it is about.
    pub subject: String,
    pub data: EventData,
}

/// What an event carries; the kind follows from it.
#[derive(Clone, Debug, PartialEq)]
pub enum EventData {
    Alarm(AlarmChange, Box<AlarmDocument>),
    FaultRaised(FaultDocument),
    FaultCleared(FaultDocument),
    Gap(GapRecord),
    DeviceState(DeviceStateDocument),
    Command(CommandRecord),
    Boot(BootRecord),
    Clock(ClockRecord),
}

/// The change of an alarm that its event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmChange {
    Raised,
    Repeated,
    Acknowledged,
    Silenced,
    Shelved,
    Unshelved,
    Suppressed,
    OutOfService,
    Cleared,
    Reset,
    Finished,
}

/// An event's type, `shouwang.*.v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    Alarm(AlarmChange),
    FaultRaised,
    FaultCleared,
    Gap,
    DeviceState,
    Command,
    Boot,
    Clock,
}

/// Equipment that cannot be trusted: a device, a line, the store, the uplink or the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultDocument {
    pub id: AlarmId,
    pub gateway: Id,
    /// The device; none when a line or the gateway itself is at fault.
    pub device: Option<Id>,
    pub line: Option<Id>,
    /// `timeout`, `line_down`, `store_failing`... (the design's fault codes).
    pub code: String,
    /// The device's class, when it is a device's fault.
    pub class: Option<Class>,
    pub priority: Priority,
    pub active: bool,
    pub raised_at: Timestamp,
    pub cleared_at: Option<Timestamp>,
    pub clock: Clock,
    pub place: Place,
    pub text: Text,
}

/// A counted loss: something that should have been told is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRecord {
    /// What was lost: `events`, `readings`, `presses`, `commands`.
    pub what: String,
    pub count: u64,
    pub from: Option<Timestamp>,
    pub to: Timestamp,
    pub why: Text,
}

/// What a person asked of the gateway and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    pub name: CommandName,
    pub txn: String,
    pub by: String,
    pub at: Timestamp,
    pub ok: bool,
    /// The refusal's code.
    pub code: Option<String>,
    pub reason: Option<String>,
}

/// A start of the gateway's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    pub boot: u32,
    pub version: String,
    pub configuration: String,
    pub clock: Clock,
}

/// The wall clock was set, stepped or lost its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    pub clock: Clock,
    /// How far the wall clock moved against the steady one, ms; positive is forward.
    pub step_ms: i64,
}

impl Event {
    /// `gateway/log/sequence`: the same event always has the same id, however often it is sent.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.gateway, self.log, self.sequence)
    }

    pub fn kind(&self) -> EventKind {
        match &self.data {
            EventData::Alarm(change, _) => EventKind::Alarm(*change),
            EventData::FaultRaised(_) => EventKind::FaultRaised,
            EventData::FaultCleared(_) => EventKind::FaultCleared,
            EventData::Gap(_) => EventKind::Gap,
            EventData::DeviceState(_) => EventKind::DeviceState,
            EventData::Command(_) => EventKind::Command,
            EventData::Boot(_) => EventKind::Boot,
            EventData::Clock(_) => EventKind::Clock,
        }
    }
}

impl EventKind {
    pub const ALL: &'static [Self] = &[
        Self::Alarm(AlarmChange::Raised),
        Self::Alarm(AlarmChange::Repeated),
        Self::Alarm(AlarmChange::Acknowledged),
        Self::Alarm(AlarmChange::Silenced),
        Self::Alarm(AlarmChange::Shelved),
        Self::Alarm(AlarmChange::Unshelved),
        Self::Alarm(AlarmChange::Suppressed),
        Self::Alarm(AlarmChange::OutOfService),
        Self::Alarm(AlarmChange::Cleared),
        Self::Alarm(AlarmChange::Reset),
        Self::Alarm(AlarmChange::Finished),
        Self::FaultRaised,
        Self::FaultCleared,
        Self::Gap,
        Self::DeviceState,
        Self::Command,
        Self::Boot,
        Self::Clock,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarm(AlarmChange::Raised) => "shouwang.alarm.raised.v1",
            Self::Alarm(AlarmChange::Repeated) => "shouwang.alarm.repeated.v1",
            Self::Alarm(AlarmChange::Acknowledged) => "shouwang.alarm.acknowledged.v1",
            Self::Alarm(AlarmChange::Silenced) => "shouwang.alarm.silenced.v1",
            Self::Alarm(AlarmChange::Shelved) => "shouwang.alarm.shelved.v1",
            Self::Alarm(AlarmChange::Unshelved) => "shouwang.alarm.unshelved.v1",
            Self::Alarm(AlarmChange::Suppressed) => "shouwang.alarm.suppressed.v1",
            Self::Alarm(AlarmChange::OutOfService) => "shouwang.alarm.out_of_service.v1",
            Self::Alarm(AlarmChange::Cleared) => "shouwang.alarm.cleared.v1",
            Self::Alarm(AlarmChange::Reset) => "shouwang.alarm.reset.v1",
            Self::Alarm(AlarmChange::Finished) => "shouwang.alarm.finished.v1",
            Self::FaultRaised => "shouwang.fault.raised.v1",
            Self::FaultCleared => "shouwang.fault.cleared.v1",
            Self::Gap => "shouwang.gap.v1",
            Self::DeviceState => "shouwang.device.state.v1",
            Self::Command => "shouwang.command.v1",
            Self::Boot => "shouwang.boot.v1",
            Self::Clock => "shouwang.clock.v1",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Alarm(_, document) => document.serialize(serializer),
            Self::FaultRaised(fault) | Self::FaultCleared(fault) => fault.serialize(serializer),
            Self::Gap(gap) => gap.serialize(serializer),
            Self::DeviceState(state) => state.serialize(serializer),
            Self::Command(command) => command.serialize(serializer),
            Self::Boot(boot) => boot.serialize(serializer),
            Self::Clock(clock) => clock.serialize(serializer),
        }
    }
}

impl EventData {
    fn from_json(kind: EventKind, data: serde_json::Value) -> Result<Self, serde_json::Error> {
        use serde_json::from_value;
        Ok(match kind {
            EventKind::Alarm(change) => Self::Alarm(change, Box::new(from_value(data)?)),
            EventKind::FaultRaised => Self::FaultRaised(from_value(data)?),
            EventKind::FaultCleared => Self::FaultCleared(from_value(data)?),
            EventKind::Gap => Self::Gap(from_value(data)?),
            EventKind::DeviceState => Self::DeviceState(from_value(data)?),
            EventKind::Command => Self::Command(from_value(data)?),
            EventKind::Boot => Self::Boot(from_value(data)?),
            EventKind::Clock => Self::Clock(from_value(data)?),
        })
    }
}

/// The envelope as it travels, in the order of the contract's example.
#[derive(Serialize, Deserialize)]
struct Wire<D> {
    specversion: String,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    id: String,
    sequence: String,
    time: Timestamp,
    subject: String,
    datacontenttype: String,
    data: D,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            specversion: "1.0".to_owned(),
            kind: self.kind().as_str().to_owned(),
            source: format!("{}/{}/{}", topic::ROOT, self.site, self.gateway),
            id: self.id(),
            // Twenty digits hold any u64, so that comparing as text orders them.
            sequence: format!("{:020}", self.sequence),
            time: self.time,
            subject: self.subject.clone(),
            datacontenttype: "application/json".to_owned(),
            data: &self.data,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::<serde_json::Value>::deserialize(deserializer)?;
        read(wire).map_err(serde::de::Error::custom)
    }
}

/// Envelope and content must agree: an event that contradicts itself is refused whole.
fn read(wire: Wire<serde_json::Value>) -> Result<Event, String> {
    if wire.specversion != "1.0" {
        return Err(format!("specversion must be \"1.0\", not {:?}", wire.specversion));
    }
    let kind = EventKind::parse(&wire.kind)
        .ok_or_else(|| format!("{:?} is not an event type of ours", wire.kind))?;
    let (site, gateway) = wire
        .source
        .strip_prefix(topic::ROOT)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| format!("{:?} is not a gateway's source", wire.source))?;
    let bad_id = |error: BadId| error.to_string();
    let mut id = wire.id.splitn(3, '/');
    let (log, sequence) = (id.nth(1), id.next());
    let event = Event {
        site: site.parse().map_err(bad_id)?,
        gateway: gateway.parse().map_err(bad_id)?,
        log: log.unwrap_or_default().parse().map_err(bad_id)?,
        sequence: sequence
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("{:?} does not end with a sequence number", wire.id))?,
        time: wire.time,
        subject: wire.subject,
        data: EventData::from_json(kind, wire.data).map_err(|error| error.to_string())?,
    };
    if event.sequence == 0 {
        return Err("a log starts at 1, not at 0".to_owned());
    }
    // Compared as texts: "+1", "01" or a lower-case log would be a second name for the same event.
    if event.id() != wire.id || format!("{:020}", event.sequence) != wire.sequence {
        return Err(format!("id {:?} contradicts source or sequence", wire.id));
    }
    Ok(event)
}
