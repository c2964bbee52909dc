//! What a gateway says about itself: its state, who it is, and its heartbeat.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::alarm::words;
use crate::{Acknowledged, AlarmId, Class, Clock, Id, LogId, Place, Sequence, Text, Timestamp};

words! {
    /// `ready` is the birth, `lost` the will, `stopped` a clean end.
    GatewayState { Ready = "ready", Lost = "lost", Stopped = "stopped" }
}

words! {
    /// Whether the gateway's disk keeps what it is given.
    StoreHealth { Ok = "ok", Slow = "slow", Failing = "failing" }
}

/// `/state`, retained, and the will. `lost` counts only if its boot and connection are the newest seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDocument {
    pub state: GatewayState,
    /// Process starts in this log.
    pub boot: u32,
    /// MQTT connections in this boot.
    pub connection: u32,
    /// Of a will: the time of connecting.
    pub at: Timestamp,
}

/// `/info`, retained: who this gateway is and what it watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InfoDocument {
    pub name: String,
    pub version: String,
    pub log: LogId,
    pub boot: u32,
    /// `sha256:` and 64 hexadecimal digits of the configuration in force.
    pub configuration: String,
    pub lines: Vec<LineInfo>,
    pub devices: Vec<DeviceInfo>,
    pub stations: Vec<StationInfo>,
    /// An installer wants to try devices in earnest, or is about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<WalkInfo>,
}

/// A walk test: asked for at the box, and begun once a duty room has accepted it by the command `test` with this id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkInfo {
    pub id: AlarmId,
    /// Who walks, as they call themselves: installers have no account at the duty room.
    pub by: String,
    pub asked_at: Timestamp,
    /// By whom at the duty room.
    pub accepted: Option<Acknowledged>,
    pub devices: Vec<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineInfo {
    pub name: Id,
    /// `serial` or `tcp`.
    pub kind: String,
    /// The computed worst-case time to ask every alarm point once.
    pub alarm_round_ms: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    pub id: Id,
    pub line: Id,
    pub unit_id: u8,
    pub profile: String,
    pub class: Class,
    pub title: Text,
    pub place: Place,
    /// When a real trigger was last seen to come from this place.
    pub proven_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationInfo {
    pub id: Id,
    pub name: String,
    pub device: Option<Id>,
    pub point: Option<String>,
    /// The height system of the lines and of the device's readings.
    pub datum: String,
    /// Named lines (`design`, `warning`, `guarantee`, `record`; `near`, `prepare`, `evacuate`) in metres of
    /// the datum.
    pub lines: BTreeMap<String, f64>,
    /// How the lines of these names are held and left, where it is another way than usual.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, LineRule>,
    /// Seconds between two samples while nothing is near; none: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_s: Option<u32>,
    /// The lowest and the highest stage that can be here, m; what is outside is flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_m: Option<(f64, f64)>,
    /// A sensor that has stood still for so many seconds is stuck; none: a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat_after_s: Option<u32>,
    /// The rain gauge beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rain: Option<RainGauge>,
}

/// A meter of this gateway: its amounts are values of the device, in mm, under the names made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RainGauge {
    pub device: Id,
    pub meter: Id,
}

impl RainGauge {
    pub fn of_the_hour(meter: &Id) -> String {
        format!("{meter}_1h")
    }

    pub fn of_the_day(meter: &Id) -> String {
        format!("{meter}_24h")
    }
}

impl StationInfo {
    /// A station with these lines and nothing special: people read its gauge.
    pub fn new<'a>(
        id: Id,
        name: impl Into<String>,
        datum: impl Into<String>,
        lines: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            device: None,
            point: None,
            datum: datum.into(),
            lines: lines.into_iter().map(|(name, metres)| (name.into(), metres)).collect(),
            rules: BTreeMap::new(),
            interval_s: None,
            range_m: None,
            flat_after_s: None,
            rain: None,
        }
    }
}

/// How a station's line is held and left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineRule {
    /// How far below the line the stage must fall, m.
    pub deadband_m: f64,
    /// How long a stage must hold before the line is reached.
    pub on_delay_s: u32,
    /// How long it must be lower before the line is left.
    pub off_delay_s: u32,
}

/// `/heartbeat`, every 10 s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    pub at: Timestamp,
    pub clock: Clock,
    pub boot: u32,
    /// The newest committed event.
    pub sequence: Sequence,
    /// Per duty room, the newest event it has heard.
    pub heard: BTreeMap<Id, Sequence>,
    pub outbox: OutboxHealth,
    pub lines: Vec<LineHealth>,
    pub store: StoreHealth,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxHealth {
    pub unheard: u64,
    pub oldest_s: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineHealth {
    pub name: Id,
    /// Share of requests answered since the last heartbeat, 0 to 1.
    pub good: f64,
    /// The last full alarm round.
    pub round_ms: u32,
    /// Devices lost now.
    pub lost: u32,
}
