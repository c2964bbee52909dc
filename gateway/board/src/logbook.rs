//! The logbook's lines as the board decides them; the hands number them, chain them and keep them for good.
use alloc::string::String;

use shouwang_message::Timestamp;

use crate::GatewayName;

/// One fact about what a person did, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    /// Account id.
    pub by: String,
    /// From where: a network address, or `gateway SITE/GATEWAY` for what was done there.
    pub from: String,
    /// What, as a stable word: `login`, `alarm.acknowledge`, `case.dispatch`...
    pub what: String,
    /// The alarm (and so the case) it is about.
    pub about: Option<String>,
    pub old: Option<String>,
    pub new: Option<String>,
    /// The person's own words.
    pub note: Option<String>,
}

/// Where something came from that a gateway told.
pub(crate) fn at_gateway(whom: &GatewayName) -> String {
    alloc::format!("gateway {}/{}", whom.site, whom.gateway)
}
