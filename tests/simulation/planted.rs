//! The simulation's teeth: bugs planted in the shipped code, each of which a seed must catch.
#![cfg(planted)]
use call_button::planted::{self as unit_bugs, Bug as UnitBug};
use modbus_wire::planted::{self as wire_bugs, Bug as WireBug};
use shouwang_board::planted::{self as board_bugs, Bug as BoardBug};
use shouwang_core::planted::{self as core_bugs, Bug as CoreBug};

/// One planted bug by name, where it is and what it breaks.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    pub name: &'static str,
    pub breaks: &'static str,
    bug: Bug,
}

#[derive(Clone, Copy, Debug)]
enum Bug {
    Core(CoreBug),
    Board(BoardBug),
    Unit(UnitBug),
    Wire(WireBug),
}

const fn core(name: &'static str, breaks: &'static str, bug: CoreBug) -> Planted {
    Planted { name, breaks, bug: Bug::Core(bug) }
}

const fn board(name: &'static str, breaks: &'static str, bug: BoardBug) -> Planted {
    Planted { name, breaks, bug: Bug::Board(bug) }
}

const fn unit(name: &'static str, breaks: &'static str, bug: UnitBug) -> Planted {
    Planted { name, breaks, bug: Bug::Unit(bug) }
}

const fn wire(name: &'static str, breaks: &'static str, bug: WireBug) -> Planted {
    Planted { name, breaks, bug: Bug::Wire(bug) }
}

pub const BUGS: &[Planted] = &[
    wire("no-drain-after-timeout", "a late answer is taken for the next one", WireBug::NoDrainAfterTimeout),
    wire("match-by-unit-id-only", "an answer to another request counts", WireBug::MatchByUnitIdOnly),
    wire("ignores-crc", "noise becomes values", WireBug::IgnoresCrc),
    unit("lamp-before-flash", "a press dies with the unit's power", UnitBug::LampBeforeFlash),
    unit("takes-any-echo", "a press between read and echo is lost", UnitBug::TakesAnyEcho),
    core("missing-reading-clears", "silence ends an alarm", CoreBug::MissingReadingClears),
    core("forgets-active-at-start", "a restart ends open alarms", CoreBug::ForgetsActiveAtStart),
    core("acknowledge-deletes", "an acknowledged fire is over", CoreBug::AcknowledgeDeletes),
    core("answers-newer-cry", "a second cry is taken for seen", CoreBug::AnswersNewerCry),
    core("obeys-retained", "an old command acts again", CoreBug::ObeysRetained),
    core("shelves-for-ever", "what was put aside stays so", CoreBug::ShelvesForEver),
    core("reuses-sequence", "two events have one number", CoreBug::ReusesSequence),
    core("speaks-before-commit", "a power cut takes back what was said", CoreBug::SpeaksBeforeCommit),
    core("forgets-failed-commit", "a failed write loses events", CoreBug::ForgetsFailedCommit),
    core("alarm-waits-for-disk", "a hanging disk holds an alarm back", CoreBug::AlarmWaitsForDisk),
    core("closes-on-receipt", "events the duty room never had are closed", CoreBug::ClosesOnReceipt),
    core("hears-any-log", "a leftover receipt closes events", CoreBug::HearsAnyLog),
    core("sequence-wraps", "receipts above 65,535 are lost", CoreBug::SequenceWraps),
    core("trusts-broker-memory", "a broker without a memory shows nothing", CoreBug::TrustsBrokerMemory),
    core("never-stuck", "a mute connection is kept for ever", CoreBug::NeverStuck),
    core("telemetry-first", "values hold alarms back", CoreBug::TelemetryFirst),
    core("leaves-finished", "a finished alarm stays at the broker", CoreBug::LeavesFinished),
    core("wall-clock-timeout", "a clock step stops the uplink", CoreBug::WallClockTimeout),
    core("echo-before-commit", "a press dies with the gateway's power", CoreBug::EchoBeforeCommit),
    core("lamp-before-heard", "the lamp says heard, and nobody has", CoreBug::LampBeforeHeard),
    core("count-wraps", "the press after number 65,535 is lost", CoreBug::CountWraps),
    core("adopts-at-once", "a press before the first read is lost", CoreBug::AdoptsAtOnce),
    core("loss-untold", "a dead detector is nobody's concern", CoreBug::LossUntold),
    core("asks-the-dead", "the dead slow the living", CoreBug::AsksTheDead),
    board("hears-before-commit", "the duty room's crash loses events", BoardBug::HearsBeforeCommit),
    board("tells-apart-by-time", "events with an old time are dropped", BoardBug::TellsApartByTime),
    board("jumps-at-once", "lost events are never asked for", BoardBug::JumpsAtOnce),
    board("shows-the-older", "a page goes back in time", BoardBug::ShowsTheOlder),
    board("believes-old-will", "a present gateway is shown lost", BoardBug::BelievesOldWill),
    board("loses-requests", "a request dies with the duty room's process", BoardBug::LosesRequests),
    board("forgets-to-wake", "a restart lets whoever was to be woken sleep on", BoardBug::ForgetsToWake),
];

impl Planted {
    /// Switches this bug on in this process, and any other off.
    pub fn plant(&self) {
        plant(Some(self.bug));
    }
}

fn plant(bug: Option<Bug>) {
    core_bugs::plant(None);
    board_bugs::plant(None);
    unit_bugs::plant(None);
    wire_bugs::plant(None);
    match bug {
        Some(Bug::Core(bug)) => core_bugs::plant(Some(bug)),
        Some(Bug::Board(bug)) => board_bugs::plant(Some(bug)),
        Some(Bug::Unit(bug)) => unit_bugs::plant(Some(bug)),
        Some(Bug::Wire(bug)) => wire_bugs::plant(Some(bug)),
        None => {}
    }
}
