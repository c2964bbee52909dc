//! What the board wants done.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use shouwang_message::{Acknowledged, AlarmId, Command, CommandName, Event, HeardDocument, Id, Text};

use crate::{GatewayName, LogLine, Notice, Sample};

/// One thing to do, in the imperative.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write this to disk, then say [`crate::Input::Committed`].
    Commit(Transaction),
    /// Publish `/heard/{duty-room}`, retained. Only the newest per gateway matters.
    PublishHeard { to: GatewayName, document: HeardDocument },
    /// Publish `/command/{name}`, never retained.
    PublishCommand { to: GatewayName, name: CommandName, command: Command },
    /// The answer to the person's request with this ticket.
    Answer { ticket: u64, outcome: Outcome },
    /// Tell somebody outside this room, then say [`crate::Input::Told`].
    Tell(Notice),
    /// The desk sounder is to be on or off from now on; then say [`crate::Input::Sounded`].
    Sound { on: bool },
    /// Keep these readings of a station, each once, whatever their order. No alarm hangs on them.
    Record { station: Id, samples: Vec<Sample> },
    /// Read who lives in these homes (`3`, `3-2`, `3-2-402`), then say [`crate::Input::PeopleListed`].
    ListPeople { round: AlarmId, homes: Vec<String> },
    /// The list of alarms is different now.
    Changed,
}

/// What goes to disk together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// 1, 2, 3... in one run of the board.
    pub number: u64,
    /// Events heard, each exactly once, in the order of its log.
    pub events: Vec<Event>,
    /// Lines for the logbook, in their order.
    pub log: Vec<LogLine>,
    /// Values to keep for [`crate::Board::restore`]; `None` removes the key.
    pub keep: Vec<(String, Option<String>)>,
}

/// What became of a person's request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Stored, and shown at once; the row as JSON. A gateway has yet to confirm if it says `pending`.
    Taken { row: Box<serde_json::Value> },
    /// Somebody acknowledged before; not an error.
    AlreadyAcknowledged { acknowledged: Acknowledged, row: Box<serde_json::Value> },
    /// Stored; the case as JSON.
    CaseTaken { case: Box<serde_json::Value> },
    /// This step was done before, by the one named in `already`; not an error.
    CaseAlready { case: Box<serde_json::Value>, already: Box<serde_json::Value> },
    /// Stored; the shift as JSON, and the hand-over sheet that was signed with it.
    ShiftTaken { shift: Box<serde_json::Value>, about: Option<AlarmId> },
    /// No open row has this id.
    Unknown,
    /// Refused by a rule, with a stable code and a sentence.
    Refused { code: &'static str, text: Text },
}
