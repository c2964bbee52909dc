//! What survives a restart: keys and values that the hands keep on disk without reading them.
use alloc::format;
use alloc::string::String;
use shouwang_message::{AlarmId, Id, LogId};

use crate::GatewayName;

/// What [`crate::Board::restore`] needs: everything below these prefixes, and of the last one the newest
/// [`crate::bounds::FINISHED_ROWS`] (its keys sort by age).
pub const KEPT_PREFIXES: [&str; 5] = ["cursor/", "row/", "asked/", "count/", "finished/"];

/// How many events this duty room has heard in all.
pub(crate) const HEARD_COUNT: &str = "count/heard";

pub(crate) fn cursor(whom: &GatewayName, log: LogId) -> String {
    format!("cursor/{}/{}/{log}", whom.site, whom.gateway)
}

pub(crate) fn row(id: AlarmId) -> String {
    format!("row/{id}")
}

pub(crate) fn finished(id: AlarmId) -> String {
    format!("finished/{id}")
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
