//! What an installer at the box is shown: how the gateway is, its lines and devices, one device's readings, and the walk
//! test. And the installer's door: open for an hour after a press on the box, or at its first start.
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    Class, Clock, DeviceState, Id, Instant, Place, PointValue, StoreHealth, Text, Timestamp, Value,
};

use super::Engine;
use crate::configuration::DeviceIndex;
use crate::reading::Reading;
use crate::walk::Walk;

/// So long the door stays open.
pub const OPEN_FOR: Duration = Duration::from_secs(60 * 60);

/// When the door closes, and whether its input was pressed when last read.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Door {
    open_until: Option<Instant>,
    pressed: Option<bool>,
}

/// A moment of the gateway, for who stands before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    pub name: String,
    pub version: String,
    pub at: Timestamp,
    pub clock: Clock,
    pub store: StoreHealth,
    pub is_connected: bool,
    /// Events that no duty room has heard.
    pub unheard: u64,
    /// The installer's door is open for so many seconds more; 0: closed.
    pub open_s: u64,
    pub lines: Vec<LineSeen>,
    pub devices: Vec<DeviceSeen>,
    /// Of the device that was asked for.
    pub readings: Vec<PointSeen>,
    pub walk: Option<Walk>,
    /// Listed devices whose sensor is not back to normal.
    pub not_normal: Vec<Id>,
    /// Why the installer's last step of a walk was refused.
    pub refused: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSeen {
    pub name: Id,
    pub is_up: bool,
    /// Devices that do not answer.
    pub lost: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSeen {
    pub id: Id,
    pub line: Id,
    pub unit_id: u8,
    pub profile: String,
    pub class: Class,
    pub title: Text,
    pub place: Place,
    pub state: Option<DeviceState>,
    pub proven_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointSeen {
    pub name: String,
    pub title: Text,
    pub value: PointValue,
}

impl Engine {
    /// As it is now; with the readings of one device if wanted.
    pub fn sight(&self, now: Instant, device: Option<&Id>) -> Sight {
        let configuration = &self.configuration;
        let lines = configuration.lines.iter().zip(&self.lines).map(|(settings, state)| LineSeen {
            name: settings.name.clone(),
            is_up: state.up,
            lost: state.line.lost_count(),
        });
        let devices = (0..configuration.devices.len()).filter_map(|index| self.device_seen(index));
        Sight {
            name: configuration.name.clone(),
            version: configuration.version.clone(),
            at: self.wall.timestamp(now),
            clock: self.wall.clock(),
            store: self.stage.health(now),
            is_connected: self.session.is_up(),
            unheard: self.outbox.unheard(),
            open_s: self.door_open(now).map_or(0, |left| left.as_secs().max(1)),
            lines: lines.collect(),
            devices: devices.collect(),
            readings: device
                .and_then(|device| self.device_index(device))
                .map_or(Vec::new(), |index| self.points_seen(index)),
            walk: self.walk().cloned(),
            not_normal: self.not_normal(),
            refused: self.walk_refused().cloned(),
        }
    }

    fn device_seen(&self, index: DeviceIndex) -> Option<DeviceSeen> {
        let settings = self.configuration.devices.get(index)?;
        Some(DeviceSeen {
            id: settings.id.clone(),
            line: self.configuration.lines.get(settings.line)?.name.clone(),
            unit_id: settings.unit_id,
            profile: settings.profile.name.clone(),
            class: settings.profile.class,
            title: settings.profile.title.clone(),
            place: settings.place.clone(),
            state: self.device_state(index).map(|(state, _)| state),
            proven_at: self.devices.get(index)?.proven_at(),
        })
    }

    fn points_seen(&self, index: DeviceIndex) -> Vec<PointSeen> {
        let (Some(settings), Some(entry)) = (self.configuration.devices.get(index), self.devices.get(index))
        else {
            return Vec::new();
        };
        let points = settings.profile.points.iter().enumerate().map(|(number, point)| PointSeen {
            name: point.name.clone(),
            title: point.title.clone(),
            value: entry.decoder.reading(&settings.profile, number).to_point_value(point.unit.as_deref()),
        });
        points.collect()
    }

    /// How much longer the installer's door is open.
    pub fn door_open(&self, now: Instant) -> Option<Duration> {
        self.door.open_until.filter(|until| now < *until).map(|until| until.since(now))
    }

    /// At the first start of this log, and as long as nothing is watched: whoever sets the box up stands before it.
    pub(super) fn open_door_at_first_start(&mut self, now: Instant, replaced: bool) {
        if (self.boot == 1 && !replaced) || self.configuration.devices.is_empty() {
            self.door.open_until = Some(now + OPEN_FOR);
        }
    }

    /// What was read of the input that opens the door: held down, or seen pressed already at our start, it opens nothing.
    pub(super) fn door_read(&mut self, now: Instant, device: DeviceIndex, news: &[usize]) {
        let Some((_, point)) =
            self.configuration.install_input.filter(|(of, point)| *of == device && news.contains(point))
        else {
            return;
        };
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let Some(entry) = self.devices.get(device) else { return };
        if let Reading::Good(Value::Bool(pressed)) = entry.decoder.reading(&settings.profile, point)
            && self.door.pressed.replace(pressed) == Some(false)
            && pressed
        {
            self.door.open_until = Some(now + OPEN_FOR);
        }
    }

    /// Another input opens it from now on.
    pub(super) fn forget_door_input(&mut self) {
        self.door.pressed = None;
    }
}
