//! What survives a restart: keys and values that the hands keep on disk without reading them.
use alloc::format;
use alloc::string::String;
use shouwang_message::{AlarmId, Id, LogId};

use crate::{GatewayName, bounds};

/// What [`crate::Board::restore`] needs: of the keys below each prefix the last so many in their order, which is
/// by age where there may be more.
pub const KEPT_PREFIXES: [(&str, usize); 18] = [
    ("cursor/", 100_000),
    ("row/", 100_000),
    ("asked/", 100_000),
    ("count/", 100_000),
    ("finished/", bounds::FINISHED_ROWS),
    ("list/", 100_000),
    ("cooking/", 100_000),
    ("taken-back/", 100_000),
    ("case/", bounds::OPEN_CASES),
    ("closed/", bounds::CLOSED_CASES),
    ("shift/", 3),
    ("outage/", 100),
    ("ladder/", bounds::LADDERS),
    ("station/", bounds::STATIONS),
    ("calling/", bounds::STATIONS),
    ("called/", bounds::ENDED_ROUNDS),
    ("tip/", bounds::TIPS),
    ("tipped/", bounds::DECIDED_TIPS),
];

/// A flood that goes on, and what did not sound in the night.
pub(crate) const FLOOD: &str = "list/flood";
/// The newest drill.
pub(crate) const DRILL: &str = "list/drill";
pub(crate) const NIGHT: &str = "list/night";
/// When each modem heard its own text last.
pub(crate) const SELF_TEST: &str = "list/self-test";

/// How many events this duty room has heard in all.
pub(crate) const HEARD_COUNT: &str = "count/heard";
/// The log of this room's own alarms, and its newest event.
pub(crate) const OWN_LOG: &str = "count/own-log";

/// Who is on duty, and what is due by time.
pub(crate) const SHIFT_NOW: &str = "shift/now";
/// What they noted for the next shift.
pub(crate) const SHIFT_NOTES: &str = "shift/notes";
/// What the shift had to do.
pub(crate) const SHIFT_FIGURES: &str = "shift/figures";

pub(crate) fn cursor(whom: &GatewayName, log: LogId) -> String {
    format!("cursor/{}/{}/{log}", whom.site, whom.gateway)
}

pub(crate) fn row(id: AlarmId) -> String {
    format!("row/{id}")
}

pub(crate) fn finished(id: AlarmId) -> String {
    format!("finished/{id}")
}

/// A case that is not closed.
pub(crate) fn case(id: AlarmId) -> String {
    format!("case/{id}")
}

/// How far an alarm is up the ladder.
pub(crate) fn ladder(id: AlarmId) -> String {
    format!("ladder/{id}")
}

pub(crate) fn closed(id: AlarmId) -> String {
    closed_case_key(id)
}

/// Where a closed case stays on disk, as JSON, when the board no longer remembers it.
pub fn closed_case_key(id: AlarmId) -> String {
    format!("closed/{id}")
}

/// What was lost and is back, while somebody has yet to look at what it did not watch.
pub(crate) fn outage(id: AlarmId) -> String {
    format!("outage/{id}")
}

/// Where a signed hand-over sheet stays on disk for good, as the text of which the logbook has the SHA-256.
pub fn sheet_key(id: AlarmId) -> String {
    format!("sheet/{id}")
}

/// When a detector saw cooking smoke.
pub(crate) fn cooking(whom: &GatewayName, device: &Id) -> String {
    format!("cooking/{}/{}/{device}", whom.site, whom.gateway)
}

/// A river station, with what people read there last.
pub(crate) fn station(id: &Id) -> String {
    format!("station/{id}")
}

/// What somebody with a report-only link saw, while it waits.
pub(crate) fn tip(id: AlarmId) -> String {
    format!("tip/{id}")
}

/// What became of one.
pub(crate) fn decided(id: AlarmId) -> String {
    format!("tipped/{id}")
}

/// A round of 叫应 that runs.
pub(crate) fn round(id: AlarmId) -> String {
    format!("calling/{id}")
}

/// Where a round of 叫应 that ended stays on disk, as JSON, when the board no longer remembers it.
pub fn ended_round_key(id: AlarmId) -> String {
    format!("called/{id}")
}

/// Where a person's reading stays on disk, as JSON with `station` and `at`; old ones are the hands' to forget.
pub fn reading_key(id: &str) -> String {
    format!("reading/{id}")
}

/// That an acknowledgement was taken back.
pub(crate) fn taken_back(id: AlarmId) -> String {
    format!("taken-back/{id}")
}

pub(crate) fn asked(txn: &str) -> String {
    format!("asked/{txn}")
}

pub(crate) fn parse_cursor(rest: &str) -> Option<(GatewayName, LogId)> {
    let mut parts = rest.split('/');
    let site: Id = parts.next()?.parse().ok()?;
    let gateway: Id = parts.next()?.parse().ok()?;
    let log = parts.next()?.parse().ok()?;
    Some((GatewayName { site, gateway }, log))
}
