//! What can happen to the board.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use shouwang_message::{AlarmId, Id, Text, Timestamp};

use crate::{Asked, CaseAsked, DeliveryResult, DeskAsked, Home, LogLine, ReadingAsked, Settings, ShiftAsked};

/// One thing that happened, in the past tense.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The broker delivered a message. Nothing about it is trusted yet.
    Arrived { topic: String, payload: Vec<u8>, retained: bool },
    /// The transaction with this number is on disk. Transactions commit in the order they were given.
    Committed { transaction: u64 },
    /// The transaction could not be written; the hands keep trying it, and those behind it, in order.
    CommitFailed { transaction: u64 },
    /// The broker accepted us and our subscriptions.
    LinkUp,
    /// The connection to the broker is gone.
    LinkDown,
    /// A person asked for something; the answer carries the same ticket.
    Asked { ticket: u64, asked: Asked },
    /// A person did something about a case; the answer carries the same ticket.
    CaseAsked { ticket: u64, asked: CaseAsked },
    /// A person on duty, or coming or going; the answer carries the same ticket.
    ShiftAsked { ticket: u64, asked: ShiftAsked },
    /// A person asked the board itself; the answer carries the same ticket.
    DeskAsked { ticket: u64, asked: DeskAsked },
    /// A person read the staff of a river station; the answer carries the same ticket.
    ReadingAsked { ticket: u64, asked: ReadingAsked },
    /// Something that belongs in the logbook happened at the desk: a log-in.
    Noted(LogLine),
    /// So many readings of river stations, which [`crate::Output::Record`] gave, found no place on the disk.
    ReadingsLost { count: u64 },
    /// What became of the notice with this ticket. What was delivered may fail after all, once: a network that took a
    /// text may give it up.
    Told { ticket: u64, result: DeliveryResult },
    /// Somebody answered by SMS.
    Replied {
        phone: String,
        text: String,
        /// When the network had it: a text may be on its way for hours.
        sent_at: Option<Timestamp>,
    },
    /// A way out of the house tells before it is needed that it does not work, or that it does again.
    Troubled { channel: Id, trouble: Option<Text> },
    /// Somebody in the room wants the desk sounder quiet for a minute.
    Hushed { by: String, from: String },
    /// The desk sounder did as it was told, or why not.
    Sounded { trouble: Option<String> },
    /// The certificate under which pages are shown ends then; `trouble` is why a newer one cannot be used.
    Certified { ends: Timestamp, trouble: Option<String> },
    /// Another configuration is in force: who there is, who is told when and how, and when it is night. The name and the
    /// siren stay. `from`: who wanted it, for the logbook.
    Reconfigured { settings: Box<Settings>, from: String },
    /// Another configuration was wanted and cannot be put in force: the one before stays.
    NotReconfigured { why: Text, from: String },
    /// The homes of a round of 叫应, as the residents' cards have them; none if the disk did not give them.
    PeopleListed { round: AlarmId, homes: Option<Vec<Home>> },
    /// How many boards are live and can sound.
    Armed { boards: u32 },
    /// A deadline passed.
    Woke,
}
