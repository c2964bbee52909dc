//! What a monitoring program asks of the board: how many alarms are active, and how each gateway is. Read, never
//! decided by.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use shouwang_message::{DeviceState, Heartbeat, Id, Mode, Priority};

use crate::board::Board;
use crate::{GatewayName, Presence};

/// A moment of the board in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Live alarms whose source is not normal, by priority.
    pub active: BTreeMap<Priority, u64>,
    pub gateways: Vec<GatewayMeasures>,
}

/// How one gateway is.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayMeasures {
    pub name: GatewayName,
    pub presence: Presence,
    /// The newest, of a gateway that is there: an old one says nothing of now.
    pub heartbeat: Option<Heartbeat>,
    /// The devices it lists, and whether each answers; a device of a gateway that is not there does not.
    pub devices: Vec<(Id, bool)>,
}

impl Board {
    /// Counts what is there now.
    pub fn measures(&self) -> Measures {
        let mut active = BTreeMap::new();
        for alarm in self.rows.values().filter_map(|row| row.alarm_document()) {
            if alarm.active && alarm.mode == Mode::Live {
                *active.entry(alarm.priority).or_default() += 1;
            }
        }
        let gateways = self.gateways.iter().map(|(name, gateway)| {
            let presence = gateway.watch.presence;
            let is_there = presence == Presence::Present;
            let listed = gateway.devices.iter().filter(|(_, device)| device.listed);
            let devices = listed.map(|(id, device)| {
                let state = device.state.as_ref().map(|document| document.state);
                (id.clone(), is_there && matches!(state, Some(DeviceState::Online | DeviceState::Test)))
            });
            GatewayMeasures {
                name: name.clone(),
                presence,
                heartbeat: gateway.heartbeat.clone().filter(|_| is_there),
                devices: devices.collect(),
            }
        });
        Measures { active, gateways: gateways.collect() }
    }
}
