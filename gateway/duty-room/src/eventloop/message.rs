//! What the pages, the broker and the channels ask of the loop, and how each is answered.
use std::sync::Arc;

use serde_json::Value;
use shouwang_board::stations::StationNow;
use shouwang_board::{
    Asked, CaseAsked, Counts, DeskAsked, Input, ListState, Measures, Outcome, ReadingAsked, Settings,
    ShiftAsked,
};
use shouwang_message::{AlarmId, Id};
use tokio::sync::oneshot;

use crate::lists::{Answer, Version};
use crate::notify::Prepared;

/// What reaches the loop.
#[derive(Debug)]
pub(crate) enum Message {
    Input(Input),
    Ask {
        asked: Asked,
        answer: oneshot::Sender<Outcome>,
    },
    CaseAsk {
        asked: CaseAsked,
        answer: oneshot::Sender<Outcome>,
    },
    DeskAsk {
        asked: DeskAsked,
        answer: oneshot::Sender<Outcome>,
    },
    ShiftAsk {
        asked: ShiftAsked,
        answer: oneshot::Sender<Outcome>,
    },
    ReadingAsk {
        asked: ReadingAsked,
        answer: oneshot::Sender<Outcome>,
    },
    /// The river stations that there are.
    Stations {
        answer: oneshot::Sender<Vec<Value>>,
    },
    /// The no-activity rules, and how each stands.
    Welfare {
        answer: oneshot::Sender<Vec<Value>>,
    },
    /// One of them, also one that was closed.
    Station {
        id: Id,
        answer: oneshot::Sender<Option<Value>>,
    },
    /// The same for its page.
    StationNow {
        id: Id,
        answer: oneshot::Sender<Option<Box<StationNow>>>,
    },
    /// The rounds of 叫应, without their lists.
    Rounds {
        answer: oneshot::Sender<Vec<Value>>,
    },
    /// One of them with its list, if the board remembers it.
    Round {
        id: AlarmId,
        answer: oneshot::Sender<Option<Value>>,
    },
    /// What couriers saw.
    Triage {
        answer: oneshot::Sender<Value>,
    },
    /// The newest drill as a table.
    Drill {
        answer: oneshot::Sender<Value>,
    },
    /// The shift as it is.
    Shift {
        answer: oneshot::Sender<Value>,
    },
    /// The hand-over sheet as it would be signed now.
    Handover {
        answer: oneshot::Sender<Value>,
    },
    /// One case as the list has it, if the board remembers it.
    Case {
        id: AlarmId,
        answer: oneshot::Sender<Option<Value>>,
    },
    /// The cases that are not closed in which somebody of these names was sent or asked.
    CasesOf {
        names: Vec<String>,
        answer: oneshot::Sender<Vec<Value>>,
    },
    /// The devices, or those nearest to an alarm; none if there is no such alarm.
    Devices {
        near: Option<AlarmId>,
        answer: oneshot::Sender<Option<Vec<Value>>>,
    },
    /// The alarms; of the open ones only what changed since a version, if that is known.
    List {
        state: ListState,
        since: Option<Version>,
        answer: oneshot::Sender<Answer>,
    },
    /// The board in numbers.
    Measures {
        answer: oneshot::Sender<(Measures, Counts)>,
    },
    /// Another configuration; the answer says why it cannot be put in force.
    Reconfigure {
        wanted: Box<Reconfigured>,
        answer: oneshot::Sender<Result<(), String>>,
    },
    /// The cases, each as JSON.
    Cases {
        state: ListState,
        answer: oneshot::Sender<Vec<Arc<str>>>,
    },
}

/// What a loop that runs can take from another configuration.
#[derive(Debug)]
pub(crate) struct Reconfigured {
    pub(crate) channels: Vec<Prepared>,
    pub(crate) settings: Settings,
    /// Who wanted it, for the logbook.
    pub(crate) from: String,
}
