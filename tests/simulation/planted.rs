//! The simulation's teeth: bugs planted in the shipped code, each of which a seed must catch.
#![cfg(planted)]
use shouwang_core::planted as core_bugs;

use super::{Violation, run};

/// One planted bug by name, and how it is switched on or all are switched off.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    pub name: &'static str,
    bug: Bug,
}

#[derive(Clone, Copy, Debug)]
enum Bug {
    Core(core_bugs::Bug),
    Wire(modbus_wire::planted::Bug),
}

pub const BUGS: &[Planted] = &[
    Planted {
        name: "no-drain-after-timeout",
        bug: Bug::Wire(modbus_wire::planted::Bug::NoDrainAfterTimeout),
    },
    Planted { name: "match-by-unit-id-only", bug: Bug::Wire(modbus_wire::planted::Bug::MatchByUnitIdOnly) },
    Planted { name: "closes-on-receipt", bug: Bug::Core(core_bugs::Bug::ClosesOnReceipt) },
    Planted { name: "wall-clock-timeout", bug: Bug::Core(core_bugs::Bug::WallClockTimeout) },
    Planted { name: "missing-reading-clears", bug: Bug::Core(core_bugs::Bug::MissingReadingClears) },
];

/// The first of these seeds that catches the bug.
pub fn catch(planted: &Planted, seeds: impl Iterator<Item = u64>) -> Option<(u64, Violation)> {
    match planted.bug {
        Bug::Core(bug) => core_bugs::plant(Some(bug)),
        Bug::Wire(bug) => modbus_wire::planted::plant(Some(bug)),
    }
    let mut seeds = seeds;
    let caught = seeds.find_map(|seed| Some((seed, run(seed).violation?)));
    core_bugs::plant(None);
    modbus_wire::planted::plant(None);
    caught
}
