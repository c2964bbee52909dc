//! What the gateway says about itself and its devices, as documents.
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{
    AlarmDocument, DeviceInfo, EventData, GatewayState, Heartbeat, InfoDocument, Instant, Leaf, LineHealth,
    LineInfo, StateDocument, Timestamp, from_bytes, to_bytes,
};

use super::Engine;
use crate::configuration::{DeviceIndex, LineKind};
use crate::decode::round_to;
use crate::plan;

/// Every heartbeat tells the newest sequence, so a duty room notices a loss that no later event shows.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

pub(super) fn state(state: GatewayState, boot: u32, connection: u32, at: Timestamp) -> Vec<u8> {
    to_bytes(&StateDocument { state, boot, connection, at })
}

/// The same alarm document, marked as told before it was on disk.
pub(super) fn unlogged(body: &[u8]) -> Vec<u8> {
    match from_bytes::<AlarmDocument>(body) {
        Ok(mut document) => {
            document.unlogged = true;
            to_bytes(&document)
        }
        Err(_) => body.to_vec(),
    }
}

impl Engine {
    pub(super) fn info(&self) -> Vec<u8> {
        let configuration = &self.configuration;
        let lines = configuration.lines.iter().enumerate().map(|(index, settings)| {
            let on_line = configuration.devices.iter().enumerate().filter(|(_, device)| device.line == index);
            let planned =
                on_line.filter_map(|(device, own)| Some((own, self.lines.get(index)?.line.plan(device)?)));
            let round = plan::alarm_round(settings, planned);
            LineInfo {
                name: settings.name.clone(),
                kind: match settings.kind {
                    LineKind::Serial { .. } => "serial".to_string(),
                    LineKind::Tcp { .. } => "tcp".to_string(),
                },
                alarm_round_ms: u32::try_from(round.as_millis()).unwrap_or(u32::MAX),
            }
        });
        let devices = configuration.devices.iter().zip(&self.devices).filter_map(|(device, entry)| {
            Some(DeviceInfo {
                id: device.id.clone(),
                line: configuration.lines.get(device.line)?.name.clone(),
                unit_id: device.unit_id,
                profile: device.profile.name.clone(),
                class: device.profile.class,
                title: device.profile.title.clone(),
                place: device.place.clone(),
                proven_at: entry.proven_at(),
            })
        });
        to_bytes(&InfoDocument {
            name: configuration.name.clone(),
            version: configuration.version.clone(),
            log: self.log,
            boot: self.boot,
            configuration: configuration.digest.clone(),
            lines: lines.collect(),
            devices: devices.collect(),
            stations: configuration.stations.clone(),
            walk: self.walks.info(),
        })
    }

    pub(super) fn tell_heartbeat(&mut self, now: Instant) {
        let lines =
            self.lines.iter_mut().zip(&self.configuration.lines).map(|(state, settings)| LineHealth {
                name: settings.name.clone(),
                good: round_to(state.line.take_good_share(), 3),
                round_ms: state
                    .line
                    .round()
                    .map_or(0, |round| u32::try_from(round.as_millis()).unwrap_or(u32::MAX)),
                lost: u32::try_from(state.line.lost_count()).unwrap_or(u32::MAX),
            });
        let heartbeat = Heartbeat {
            at: self.wall.timestamp(now),
            clock: self.wall.clock(),
            boot: self.boot,
            sequence: self.outbox.committed(),
            heard: self.outbox.heard().clone(),
            outbox: self.outbox.health(now),
            lines: lines.collect(),
            store: self.stage.health(now),
        };
        self.session.mention(Leaf::Heartbeat, to_bytes(&heartbeat), &mut self.outputs);
    }

    /// Tells a device's values if they have changed enough, or not been told for long.
    pub(super) fn tell_values(&mut self, now: Instant, device: DeviceIndex) {
        let at = self.wall.timestamp(now);
        let measured = self.measured(now, device);
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let Some(entry) = self.devices.get_mut(device) else { return };
        if let Some(body) = entry.values_to_tell(now, at, settings, measured) {
            self.session.retain(Leaf::DeviceValues(settings.id.clone()), body);
        }
    }

    /// Settles the device's state; a change is an event, and told once it is committed.
    pub(super) fn settle_device_state(&mut self, now: Instant, device: DeviceIndex) {
        let Some((state, why)) = self.device_state(device) else { return };
        let at = self.wall.timestamp(now);
        let welfare = self.welfare_of(now, device);
        let Some(entry) = self.devices.get_mut(device) else { return };
        let Some(document) = entry.set_state(state, why, at, welfare) else { return };
        let id = entry.id().clone();
        self.stage.document(now, Leaf::DeviceState(id.clone()), to_bytes(&document));
        self.tell(now, id.to_string(), EventData::DeviceState(document));
        self.keep_device(now, device);
    }

    /// After a restart, what was last said about the device is said again.
    pub(super) fn tell_device_if_known(&mut self, now: Instant, device: DeviceIndex) {
        self.settle_device_state(now, device);
        if let Some(entry) = self.devices.get(device)
            && let Some(document) = entry.state_document()
        {
            self.session.retain(Leaf::DeviceState(entry.id().clone()), to_bytes(document));
        }
    }
}
