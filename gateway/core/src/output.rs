//! What goes out: imperatives for the hands.
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Sequence, Text, Topic};

use crate::configuration::{DeviceIndex, LineIndex, PhoneIndex};
use crate::input::{AskId, CommitId, TextId};
use crate::profile::Table;

/// One order. The daemon carries them out in the order given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Ask this on the line; a line holds at most two asks and works them off in order.
    Ask { line: LineIndex, ask: Ask },
    /// Write all of this in one transaction, then say `Committed`. Commits are done in order.
    Commit(Commit),
    /// Read committed events from the log and say `Fetched`.
    Fetch { from: Sequence, limit: usize },
    /// Make a new client with this will and connect; any older client is dropped first.
    Connect { connection: u32, will: Publication },
    /// Drop the client without a word, so that the broker sends the will.
    Drop { connection: u32 },
    /// End the connection cleanly, so that no will is sent.
    Disconnect { connection: u32 },
    /// Publish on this connection. With a token its PUBACK must come back as `Receipted`.
    Publish { connection: u32, token: Option<u64>, publication: Publication },
    /// Send this text to this phone, then say `TextSent` or `TextFailed`, and later what the network reports of it.
    /// One at a time. If it `rings`, let the phone ring once no text has left for a moment.
    Text { text: TextId, phone: PhoneIndex, words: String, rings: bool },
    /// Read the configuration anew, then call [`crate::engine::Engine::configure`] or say `NotConfigured`.
    Reload,
    /// Another configuration is in force. Each of its lines goes on as the line of this index before, or, without
    /// one, is opened anew; lines that nobody goes on as are closed.
    Configured { lines: Vec<Option<LineIndex>> },
    /// The configuration stays as it was; this is why.
    NotConfigured { why: Text },
    /// All is told and committed: the process may end.
    Stopped,
}

/// A message for the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    pub topic: Topic,
    /// Empty takes a retained message away.
    #[serde(with = "crate::snapshot::body")]
    pub body: Vec<u8>,
    pub retain: bool,
    pub at_least_once: bool,
}

/// One exchange wanted on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub id: AskId,
    pub device: DeviceIndex,
    pub unit_id: u8,
    pub request: Request,
    /// Time allowed from the end of the request to the first byte of the answer.
    pub timeout: Duration,
    /// A late answer of this device may still come this long after a time-out.
    pub late_window: Duration,
    /// Quiet time before the request, over the line's own 3.5 characters.
    pub turnaround: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Read {
        table: Table,
        address: u16,
        count: u16,
    },
    WriteCoil {
        address: u16,
        on: bool,
    },
    WriteRegister {
        address: u16,
        value: u16,
    },
    /// Function 16, for devices that take nothing else.
    WriteRegisters {
        address: u16,
        values: Vec<u16>,
    },
}

impl Request {
    /// The write of one coil or holding register, by the function this device takes; none if the table cannot
    /// be written.
    pub fn write(table: Table, address: u16, value: u16, multiple_only: bool) -> Option<Self> {
        match table {
            Table::Coil => Some(Self::WriteCoil { address, on: value != 0 }),
            Table::HoldingRegister if multiple_only => {
                Some(Self::WriteRegisters { address, values: alloc::vec![value] })
            }
            Table::HoldingRegister => Some(Self::WriteRegister { address, value }),
            Table::DiscreteInput | Table::InputRegister => None,
        }
    }

    /// The Modbus function code (MODBUS Application Protocol V1.1b3, section 6).
    pub fn function(&self) -> u8 {
        match self {
            Self::Read { table: Table::Coil, .. } => 1,
            Self::Read { table: Table::DiscreteInput, .. } => 2,
            Self::Read { table: Table::HoldingRegister, .. } => 3,
            Self::Read { table: Table::InputRegister, .. } => 4,
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteRegisters { .. } => 16,
        }
    }
}

/// One transaction: events of the log, and the state that goes with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    pub id: CommitId,
    pub events: Vec<NewEvent>,
    /// Named pieces of state that survive a restart; `None` forgets one.
    pub kept: Vec<(String, Option<Vec<u8>>)>,
    /// Everything up to here has been heard by all hearers and may be overwritten (oldest first, keeping
    /// at least 10,000 events).
    pub heard_up_to: Option<Sequence>,
    /// An alarm waits for this: share a transaction with others for at most 20 ms. Without, up to 1 s.
    pub urgent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    pub sequence: Sequence,
    /// The CloudEvents document.
    #[serde(with = "crate::snapshot::body")]
    pub body: Vec<u8>,
}
