//! What was lived through: which fault struck in which state, counted over all worlds.
use std::collections::BTreeMap;

use super::scenario::What;

/// How the system can be when a fault strikes. More than one may hold.
const STATES: [&str; 12] = [
    "calm",
    "alarm open",
    "unheard",
    "committing",
    "unsaid",
    "no uplink",
    "no duty room",
    "latched",
    "line ill",
    "disk ill",
    "gateway off",
    "asked",
];

/// Counts by fault and state.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Coverage {
    pub(super) fn strike(&mut self, fault: &'static str, states: &[&'static str]) {
        for state in states {
            *self.counts.entry((fault, state)).or_default() += 1;
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// One row a fault, one column a state.
    pub fn table(&self) -> String {
        let mut text = format!("{:<18}", "fault x state");
        for state in STATES {
            text += &format!("{state:>13}");
        }
        for fault in What::FAULTS {
            text += &format!("\n{fault:<18}");
            for state in STATES {
                text += &format!("{:>13}", self.count(fault, state));
            }
        }
        text
    }

    /// Pairs that can happen and did so less often than this.
    pub fn not_covering(&self, threshold: u64) -> Vec<String> {
        let pairs = What::FAULTS.into_iter().flat_map(|fault| STATES.map(|state| (fault, state)));
        pairs
            .filter(|(fault, state)| is_possible(fault, state) && self.count(fault, state) < threshold)
            .map(|(fault, state)| format!("{fault} x {state} ({})", self.count(fault, state)))
            .collect()
    }

    fn count(&self, fault: &'static str, state: &'static str) -> u64 {
        self.counts.get(&(fault, state)).copied().unwrap_or(0)
    }
}

/// What has hold of the gateway's process does not strike while it is off, and the like.
fn is_possible(fault: &str, state: &str) -> bool {
    let process = ["killed", "power-cut", "hangs"];
    let disk = ["disk-full", "disk-fails", "disk-stalls"];
    let duty_room = ["duty-room-killed", "duty-room-disk", "duty-room-away"];
    !(state == "gateway off" && process.contains(&fault)
        || state == "disk ill" && disk.contains(&fault)
        || state == "no duty room" && duty_room.contains(&fault))
}
