//! What must be true, judged by the devices' own truth and by what was durable; none of the shipped
//! decisions is used to judge them.
use std::collections::BTreeMap;
use std::fmt;

use shouwang_message::{AlarmChange, AlarmDocument, Event, EventData, from_bytes};

use super::devices::Truth;
use super::duty_room::DutyRoom;
use super::site;
use super::store::Store;
use super::wire::Wire;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub check: &'static str,
    pub what: String,
    /// Simulated seconds since the start.
    pub at_s: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} s: {}", self.check, self.at_s, self.what)
    }
}

/// A change may be told this long after the truth was so: a fair number of polls, retries and a slow disk.
const STALE_US: u64 = 10_000_000;

/// A transition that is about to be committed must have been true lately.
pub(super) fn transition_was_true(now: u64, body: &[u8], wires: &[Wire]) -> Option<Violation> {
    let event: Event = from_bytes(body).ok()?;
    let EventData::Alarm(change, document) = &event.data else { return None };
    let active = match change {
        AlarmChange::Raised | AlarmChange::Repeated => true,
        AlarmChange::Cleared => false,
        _ => return None,
    };
    let truth = truth_of(document, wires)?;
    (!truth.was(active, now, STALE_US)).then(|| Violation {
        check: if active { "raised-is-true" } else { "cleared-is-true" },
        what: format!("{} of {}: {}", document.condition, document.device, event.kind().as_str()),
        at_s: now / 1_000_000,
    })
}

/// Everything durable at the gateway is durable at the duty room: once, in order, the same bytes.
pub(super) fn heard_is_committed(now: u64, store: &Store, duty_room: &DutyRoom) -> Option<Violation> {
    let violation =
        |what: String| Some(Violation { check: "heard-equals-committed", what, at_s: now / 1_000_000 });
    let mut promised = store.promised.iter();
    for event in &duty_room.heard {
        let Some((sequence, body)) = promised.next() else {
            return violation(format!("event {} was heard and never committed", event.sequence));
        };
        if *sequence != event.sequence || *body != shouwang_message::to_bytes(event) {
            return violation(format!("committed event {sequence} was heard as {}", event.sequence));
        }
    }
    match promised.next() {
        Some((sequence, _)) => violation(format!("committed event {sequence} was not heard")),
        None => None,
    }
}

/// After healing, what is open at the duty room is what is true at the devices.
pub(super) fn open_is_true(now: u64, wires: &[Wire], duty_room: &DutyRoom) -> Option<Violation> {
    let mut told: BTreeMap<(String, String), bool> = BTreeMap::new();
    for event in &duty_room.heard {
        if let EventData::Alarm(_, document) = &event.data {
            told.insert((document.device.to_string(), document.condition.clone()), document.active);
        }
    }
    for (line, wire) in wires.iter().enumerate() {
        for (place, device) in wire.devices.iter().enumerate() {
            for (condition, truth) in [("smoke", &device.smoke), ("level", &device.level)] {
                let key = (format!("twin-{line}-{place}"), condition.to_string());
                let shown = told.get(&key).copied().unwrap_or(false);
                if shown != truth.active {
                    let what = format!("{condition} of {} is {}, told {shown}", key.0, truth.active);
                    return Some(Violation { check: "open-equals-truth", what, at_s: now / 1_000_000 });
                }
            }
        }
    }
    None
}

fn truth_of<'w>(document: &AlarmDocument, wires: &'w [Wire]) -> Option<&'w Truth> {
    wires.iter().enumerate().find_map(|(line, wire)| {
        let named = |place: usize| document.device == site::id(&format!("twin-{line}-{place}"));
        let device = wire.devices.iter().enumerate().find(|(place, _)| named(*place))?.1;
        Some(if document.condition == "smoke" { &device.smoke } else { &device.level })
    })
}
