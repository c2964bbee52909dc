//! What comes in: past participles, each a fact about the world.
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Clock, CommandName, HeardDocument, Id, Sequence, Text, Timestamp};

use crate::configuration::{LineIndex, PhoneIndex};
use crate::walk::WalkStep;

/// One fact. Recorded as it is, a list of these with their times replays a run exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The line's port is open.
    LineUp { line: LineIndex },
    /// The line's port could not be opened, or is gone. Asks that were with it will not be answered.
    LineDown { line: LineIndex, why: String },
    /// An [`crate::output::Ask`] ended.
    Answered { line: LineIndex, ask: AskId, outcome: Outcome },
    /// Everything up to and including this commit is on disk.
    Committed { commit: CommitId },
    /// The store could not write this commit; nothing of it is on disk. It will not try again by itself.
    CommitFailed { commit: CommitId, why: StoreTrouble },
    /// The disk has no space but what was laid by for alarms; or has space again.
    DiskSpace { short: bool },
    /// Committed events asked for by [`crate::output::Output::Fetch`], in sequence, possibly fewer.
    Fetched { from: Sequence, events: Vec<StoredEvent> },
    /// The broker accepted this connection.
    Connected { connection: u32 },
    /// The connection could not be made, or is gone.
    Disconnected { connection: u32, why: Disconnect },
    /// The broker's PUBACK for a publication of this connection.
    Receipted { connection: u32, token: u64 },
    /// A duty room's own receipt.
    Heard { duty_room: Id, document: HeardDocument },
    /// A command arrived. `signed_by` is set only when the signature is valid for that trusted key.
    Commanded { name: CommandName, payload: String, signed_by: Option<String>, retained: bool },
    /// The network has taken this text.
    TextSent { text: TextId },
    /// This text was not sent, after every try of the modem's; unless it never said what became of it.
    TextFailed {
        text: TextId,
        why: Text,
        #[serde(default)]
        may_have_left: bool,
    },
    /// The phone has this text: its network reported it. Not every network does.
    TextDelivered { text: TextId },
    /// The network had taken this text and could not deliver it.
    TextUndelivered { text: TextId, why: Text },
    /// Somebody whose phone is configured sent this; the network says when.
    TextReceived { phone: PhoneIndex, words: String, sent_at: Option<Timestamp> },
    /// The modem does not work, or does again; told when it changes.
    ModemFound { trouble: Option<ModemTrouble> },
    /// Somebody at the box wants what sounds to be quiet.
    QuietWanted,
    /// An installer at the box begins a walk test, or goes on with it.
    Walked(WalkStep),
    /// Somebody at the box wants the configuration read anew.
    ReloadWanted,
    /// What was to be read anew cannot be put in force; nothing has changed.
    NotConfigured { why: Unfit },
    /// The wall clock reads `wall` now.
    ClockSet { wall: Timestamp, clock: Clock },
    /// This process was started because the one before had to be ended: this part of it hung for so long,
    /// or, without a time, ended by itself.
    Restarted { part: String, hung_ms: Option<u64> },
    /// The time of the last `next_deadline` has come; or any moment, it does no harm.
    Woke,
    /// The process was asked to end: say so, then stop.
    Stopping,
}

/// Numbers an ask within its line; never reused within a boot.
pub type AskId = u64;
/// Numbers a commit within a boot, from 1.
pub type CommitId = u64;

/// Numbers a text within a boot, from 1.
pub type TextId = u64;

/// Why a configuration that was read cannot be offered to the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// The file is wrong.
    Bad(Text),
    /// It is right, but these keys have changed, which the hands hold from start to end.
    NeedsRestart(Vec<String>),
}

/// What is wrong with the modem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModemTrouble {
    /// What it is and what to do.
    pub text: Text,
    /// It can send all the same.
    pub sends: bool,
}

/// How an ask ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Registers {
        words: Vec<u16>,
        delay_us: u32,
    },
    Bits {
        bits: Vec<bool>,
        delay_us: u32,
    },
    Written {
        delay_us: u32,
    },
    /// The device answered, with a refusal.
    Exception {
        code: u8,
        delay_us: u32,
    },
    /// Nobody answered, or not validly.
    Failed(AskFailure),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskFailure {
    Timeout,
    Crc,
    WrongUnitId,
    /// A valid frame of another function, length, address or value.
    WrongAnswer,
    /// The port closed under the ask.
    LineDown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreTrouble {
    Full,
    Io,
    Corrupt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disconnect {
    /// The broker or the network went away, or never answered.
    Lost,
    /// The broker does not know us or refuses the password.
    Refused,
}

/// One committed event as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    pub sequence: Sequence,
    /// The CloudEvents document.
    #[serde(with = "crate::snapshot::body")]
    pub body: Vec<u8>,
}

impl Outcome {
    /// From the end of the request to the first byte of the answer; none if there was no answer.
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Self::Registers { delay_us, .. }
            | Self::Bits { delay_us, .. }
            | Self::Written { delay_us }
            | Self::Exception { delay_us, .. } => Some(Duration::from_micros(u64::from(*delay_us))),
            Self::Failed(_) => None,
        }
    }
}
