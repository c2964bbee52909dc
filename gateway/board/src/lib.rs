//! All the duty room's decisions, no hands: what was heard of each gateway, which alarms are open, and
//! what a person's request becomes.
//!
//! [`Board::handle`] takes one [`Input`] with the time and gives the [`Output`]s to carry out, in order;
//! [`Board::next_deadline`] says when to call again with [`Input::Woke`]. There is no clock, disk or socket
//! here: the simulation runs this same code.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod answering;
mod arrivals;
mod asking;
mod board;
mod call_procedure;
mod case;
mod case_item;
mod cases;
mod certificate;
mod chance;
mod changes;
mod chatter;
mod cooking;
mod desk;
mod drill;
mod escalation;
mod figures;
mod flood;
mod groups;
mod handling;
mod hearing;
mod input;
mod item;
mod kept;
mod ladder;
mod leading;
mod logbook;
mod losses;
mod measures;
mod neighbours;
mod night;
mod notice;
pub mod organisation;
mod output;
pub mod planted;
mod presence;
mod readings;
mod reconfigured;
mod replies;
mod report;
mod requests;
mod row;
mod rows;
mod self_test;
mod shift;
mod sounder;
mod sounding;
pub mod stations;
mod supervision;
mod takeover;
mod telling;
mod testing;
mod triage;
mod trust;
mod walks;
mod watching;
mod welfare;
mod wording;

pub use answering::{AnsweringStep, CallOutcome, CallTold, Home, ended_round};
pub use asking::{Asked, Request};
pub use board::{Board, Counts, GatewaySummary, ListState};
pub use call_procedure::{CallCard, CallStep, CallWho, call_procedure};
pub use case::{CallBack, CaseAsked, CaseState, CaseStep, Conclusion, Service};
pub use case_item::closed_case;
pub use changes::Listing;
pub use desk::{DeskAsked, DeskStep};
pub use drill::DrillStep;
pub use escalation::{Escalation, Reach, Step};
pub use figures::{DeviceFigures, Figures, Grid, Times};
pub use handling::{Handling, Loop};
pub use input::Input;
pub use item::clean;
pub use kept::{KEPT_PREFIXES, closed_case_key, ended_round_key, reading_key, sheet_key};
pub use logbook::LogLine;
pub use measures::{GatewayMeasures, Measures};
pub use night::Night;
pub use notice::{DeliveryResult, Notice, Recipient, SHORT_UNITS, Way, masked_phone};
pub use organisation::Organisation;
pub use output::{Outcome, Output, Transaction};
pub use presence::Presence;
pub use report::{Report, ReportKind, report_case};
pub use row::RowKind;
pub use shift::{LogbookEnd, ShiftAsked, ShiftStep};
pub use stations::{About, Impact, ManualReading, ReadingAsked, Sample};
pub use testing::DeviceTest;
pub use triage::{Tip, TriageStep};
pub use trust::shown;
pub use welfare::WelfareAsked;

use alloc::vec::Vec;

use shouwang_message::Id;

/// What tells one duty room from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The duty room's id, the last part of `/heard/{duty-room}`.
    pub name: Id,
    pub organisation: Organisation,
    pub escalation: Escalation,
    /// By when cases are accepted and handled, and in which loop; the first line that fits.
    pub handling: Vec<Handling>,
    pub night: Night,
    /// There is a siren on the desk, and [`Output::Sound`] reaches it.
    pub has_sounder: bool,
}

impl Settings {
    /// A duty room that only its own pages tell of an alarm.
    pub fn new(name: Id) -> Self {
        Self {
            name,
            organisation: Organisation::default(),
            escalation: Escalation::default(),
            handling: Vec::new(),
            night: Night::default(),
            has_sounder: false,
        }
    }
}

/// A gateway's full name: gateway ids need only be unique within a site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayName {
    pub site: Id,
    pub gateway: Id,
}

/// Every bound of the board, in one place. Reaching one is counted and told as a gap row.
pub mod bounds {
    /// Gateways of one duty room.
    pub const GATEWAYS: usize = 64;
    /// Rows that are not finished.
    pub const OPEN_ROWS: usize = 20_000;
    /// Finished rows kept for `state=all`; older ones stay on disk.
    pub const FINISHED_ROWS: usize = 500;
    /// Cases that are not closed; the oldest whose alarm is over stay on disk only.
    pub const OPEN_CASES: usize = 20_000;
    /// Closed cases kept for `state=all`; older ones stay on disk.
    pub const CLOSED_CASES: usize = 500;
    /// Alarms that people outside the room are told of; more are counted and told by the pages only.
    pub const LADDERS: usize = OPEN_ROWS + GAP_ROWS;
    /// Notices given to the hands whose result is awaited; above it the next ones wait, emergencies last.
    pub const NOTICES: usize = 4_096;
    /// People told by one step.
    pub const RECIPIENTS: usize = 16;
    /// Logs remembered per gateway; the oldest cursor goes.
    pub const LOGS_PER_GATEWAY: usize = 4;
    /// Events of one log that wait for an earlier one.
    pub const WAITING_EVENTS: usize = 1_024;
    /// Transactions handed out and not yet committed; above it events are left to be resent.
    pub const UNCOMMITTED: usize = 4_096;
    /// People's requests that no gateway has confirmed.
    pub const REQUESTS: usize = 1_000;
    /// Device states remembered per gateway.
    pub const DEVICES_PER_GATEWAY: usize = 1_024;
    /// Values remembered of one device, and of all together.
    pub const POINTS_PER_DEVICE: usize = 48;
    pub const POINTS: usize = 50_000;
    /// No-activity rules of one device.
    pub const RULES_PER_DEVICE: usize = 32;
    /// River stations of all gateways, and lines of one.
    pub const STATIONS: usize = 128;
    pub const LINES_PER_STATION: usize = 16;
    /// No stage and no line is so far above or below its datum, metres: higher than any mountain.
    pub const STAGE_M: f64 = 10_000.0;
    /// How a line is held and left, as far as a gateway's configuration may go: metres, and seconds.
    pub const DEADBAND_M: f64 = 5.0;
    pub const ON_DELAY_S: u32 = 3_600;
    pub const OFF_DELAY_S: u32 = 86_400;
    /// Rows of a station's ladder of impacts.
    pub const IMPACTS: usize = 50;
    /// What couriers saw and waits for a person, of all links; above it the sender is told to send it later.
    pub const TIPS: usize = 200;
    /// What was decided and is remembered, so that it is not taken once more.
    pub const DECIDED_TIPS: usize = 500;
    /// Homes near one station, and people called in one round of 叫应; more are counted and shown as left out.
    pub const HOMES: usize = 50;
    pub const CALLED: usize = 500;
    /// Rounds of 叫应 that ended and are remembered; older ones stay on disk.
    pub const ENDED_ROUNDS: usize = 50;
    /// Gap rows; further losses add to the newest row of the same kind.
    pub const GAP_ROWS: usize = 200;
    /// Bytes of one message.
    pub const PAYLOAD_BYTES: usize = 64 * 1_024;
    /// Bytes of one `/info`, which lists every device of the gateway.
    pub const INFO_BYTES: usize = 1_024 * 1_024;
}
