//! What a monitoring program asks of the engine: how lines, devices, alarms and the outbox are. Read, never decided by.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Clock, DeviceState, Id, Instant, Mode, OutboxHealth, Priority, StoreHealth};

use super::Engine;

/// A moment of the gateway in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Live alarms whose source is not normal, by priority.
    pub active: BTreeMap<Priority, u64>,
    /// Every device, and whether it answers.
    pub devices: Vec<(Id, bool)>,
    pub lines: Vec<LineMeasures>,
    pub outbox: OutboxHealth,
    /// Losses told since this run began.
    pub gaps: u64,
    pub clock: Clock,
    pub store: StoreHealth,
    pub is_connected: bool,
}

/// How one line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineMeasures {
    pub name: Id,
    /// The last round in which every alarm block of the living was read; none before the first.
    pub round: Option<Duration>,
    /// Devices that do not answer.
    pub lost: usize,
}

impl Engine {
    /// Counts what is there now.
    pub fn measures(&self, now: Instant) -> Measures {
        let mut active = BTreeMap::new();
        for alarm in self.alarms().filter(|alarm| alarm.active && alarm.mode == Mode::Live) {
            *active.entry(alarm.priority).or_default() += 1;
        }
        let devices = self.configuration.devices.iter().enumerate().map(|(index, settings)| {
            let state = self.device_state(index).map(|(state, _)| state);
            (settings.id.clone(), matches!(state, Some(DeviceState::Online | DeviceState::Test)))
        });
        let lines = self.lines.iter().zip(&self.configuration.lines).map(|(state, settings)| LineMeasures {
            name: settings.name.clone(),
            round: state.line.round(),
            lost: state.line.lost_count(),
        });
        Measures {
            active,
            devices: devices.collect(),
            lines: lines.collect(),
            outbox: self.outbox.health(now),
            gaps: self.gaps,
            clock: self.wall.clock(),
            store: self.stage.health(now),
            is_connected: self.session.is_up(),
        }
    }
}
