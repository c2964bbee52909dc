//! Topics below `shouwang/v1/{site}/{gateway}`: written and read in one place.
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AlarmId, CommandName, Id};

/// The root of every topic, with the version of this contract.
pub const ROOT: &str = "shouwang/v1";

/// One topic of one gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Topic {
    pub site: Id,
    pub gateway: Id,
    pub leaf: Leaf,
}

/// What comes after the gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Leaf {
    State,
    Info,
    Heartbeat,
    DeviceState(Id),
    DeviceValues(Id),
    Alarm(AlarmId),
    Event,
    History,
    Heard(Id),
    Command(CommandName),
    Reply(CommandName),
}

/// A topic that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a topic of {ROOT}/SITE/GATEWAY/...")]
pub struct BadTopic(pub String);

impl Topic {
    pub fn new(site: &Id, gateway: &Id, leaf: Leaf) -> Self {
        Self { site: site.clone(), gateway: gateway.clone(), leaf }
    }
}

impl Leaf {
    /// Whether the contract says that the broker keeps the last message.
    pub fn is_retained(&self) -> bool {
        matches!(
            self,
            Self::State
                | Self::Info
                | Self::DeviceState(_)
                | Self::DeviceValues(_)
                | Self::Alarm(_)
                | Self::Heard(_)
        )
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}/{}/{}", self.site, self.gateway, self.leaf)
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State => f.write_str("state"),
            Self::Info => f.write_str("info"),
            Self::Heartbeat => f.write_str("heartbeat"),
            Self::DeviceState(device) => write!(f, "device/{device}/state"),
            Self::DeviceValues(device) => write!(f, "device/{device}/values"),
            Self::Alarm(alarm) => write!(f, "alarm/{alarm}"),
            Self::Event => f.write_str("event"),
            Self::History => f.write_str("history"),
            Self::Heard(duty_room) => write!(f, "heard/{duty_room}"),
            Self::Command(name) => write!(f, "command/{name}"),
            Self::Reply(name) => write!(f, "reply/{name}"),
        }
    }
}

impl FromStr for Topic {
    type Err = BadTopic;
    fn from_str(text: &str) -> Result<Self, BadTopic> {
        parse(text).ok_or_else(|| BadTopic(text.chars().take(96).collect()))
    }
}

fn parse(text: &str) -> Option<Topic> {
    let mut parts = text.strip_prefix(ROOT)?.strip_prefix('/')?.split('/');
    let site = parts.next()?.parse().ok()?;
    let gateway = parts.next()?.parse().ok()?;
    let leaf = match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        ("state", None, _, _) => Leaf::State,
        ("info", None, _, _) => Leaf::Info,
        ("heartbeat", None, _, _) => Leaf::Heartbeat,
        ("event", None, _, _) => Leaf::Event,
        ("history", None, _, _) => Leaf::History,
        ("device", Some(device), Some("state"), None) => Leaf::DeviceState(device.parse().ok()?),
        ("device", Some(device), Some("values"), None) => Leaf::DeviceValues(device.parse().ok()?),
        ("alarm", Some(alarm), None, _) => Leaf::Alarm(alarm.parse().ok()?),
        ("heard", Some(duty_room), None, _) => Leaf::Heard(duty_room.parse().ok()?),
        ("command", Some(name), None, _) => Leaf::Command(CommandName::parse(name)?),
        ("reply", Some(name), None, _) => Leaf::Reply(CommandName::parse(name)?),
        _ => return None,
    };
    Some(Topic { site, gateway, leaf })
}
