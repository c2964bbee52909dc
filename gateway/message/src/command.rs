//! What a duty room asks of a gateway, and the gateway's answer.
use alloc::format;
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::alarm::words;
use crate::{AlarmId, Id, Sequence, Text, Timestamp};

words! {
    /// The last part of `/command/{name}` and `/reply/{name}`.
    CommandName {
        Acknowledge = "acknowledge", Silence = "silence", Coming = "coming", Shelve = "shelve",
        Unshelve = "unshelve", OutOfService = "out-of-service", Test = "test", Reset = "reset",
        Resend = "resend", Read = "read", WriteOutput = "write-output", Reload = "reload",
        Pause = "pause",
    }
}

/// The envelope: the payload is a text so that a signature covers exactly its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// A [`CommandPayload`] as JSON.
    pub payload: String,
    /// Whose key signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Base64 of the Ed25519 signature over the payload's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What is asked. Fields after `reason` belong to some commands only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandPayload {
    /// The asker's own id for this request; comes back in the reply.
    pub txn: String,
    pub alarm: Option<AlarmId>,
    /// Account id of the person who asks.
    pub by: String,
    pub at: Timestamp,
    /// After this the gateway refuses: a command must not act hours later.
    pub expires: Timestamp,
    /// Accepted once.
    pub nonce: String,
    pub reason: Option<String>,
    /// `acknowledge`, `coming`, `reset`: the alarm's occurrence that the person saw. Refused once there is a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<u32>,
    /// `shelve`, `out-of-service`, `test`, `pause`: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// `shelve` over 60 minutes, `out-of-service`: the second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// `out-of-service`, `test`, `read`, `reset` of a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Id>,
    /// `resend`: the first sequence wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sequence>,
    /// `write-output`: which output, and on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    /// `pause`: of which no-activity rule; `reason` is `away` or `hospital`. Without `until` it is watched again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welfare: Option<Id>,
    /// `site/gateway/name`: for whom and what it is, so that its signature is good for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `test`: of all devices of the walk test of this id, which is accepted thereby; refused if `until` is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<AlarmId>,
}

impl CommandPayload {
    /// A command of this person, with nothing said of whom or what it is about.
    pub fn new(txn: String, by: String, at: Timestamp, expires: Timestamp, nonce: String) -> Self {
        Self {
            txn,
            alarm: None,
            by,
            at,
            expires,
            nonce,
            reason: None,
            occurrence: None,
            until: None,
            second: None,
            device: None,
            from: None,
            output: None,
            on: None,
            welfare: None,
            to: None,
            walk: None,
        }
    }

    /// What [`Self::to`] says of a command of this name to this gateway.
    pub fn target(site: &Id, gateway: &Id, name: CommandName) -> String {
        format!("{site}/{gateway}/{}", name.as_str())
    }
}

/// `/reply/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub txn: String,
    pub ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CommandError>,
}

/// Why a command was refused: a stable code and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandError {
    pub code: String,
    pub text: Text,
}

impl CommandName {
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == word)
    }
}
