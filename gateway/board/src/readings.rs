//! The newest readings of each device, as its gateway told them, and whether they may still be shown as the
//! present: what is old, was kept by the broker, or comes from somebody who is gone is never fresh.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Map, Value, json};
use shouwang_message::{DeviceState, Id, Instant, PointValue, Quality, Timestamp, ValuesDocument};

use crate::board::{Board, Device, Gateway};
use crate::presence::Presence;
use crate::trust::shown;
use crate::{GatewayName, bounds};

/// A gateway tells a device's values again after 60 s at the latest; two tellings missed, and a little for the way.
const FRESH_FOR: Duration = Duration::from_secs(130);

/// What one device's gateway said last of its values.
#[derive(Debug)]
pub(crate) struct Readings {
    at: Timestamp,
    points: Box<[(Box<str>, PointValue)]>,
    /// When it was said, on steady time; never for what the broker had kept from before we listened.
    told: Option<Instant>,
}

/// Why readings are not the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// Our own connection to the broker is down.
    LinkDown,
    GatewayLost,
    DeviceLost,
    /// Kept by the broker from before we listened.
    Kept,
    /// Two tellings were missed.
    Old,
}

impl Stale {
    fn as_str(self) -> &'static str {
        match self {
            Self::LinkDown => "link_down",
            Self::GatewayLost => "gateway_lost",
            Self::DeviceLost => "device_lost",
            Self::Kept => "kept",
            Self::Old => "old",
        }
    }
}

impl Board {
    pub(crate) fn values_arrived(
        &mut self,
        now: Instant,
        whom: &GatewayName,
        device: &Id,
        document: ValuesDocument,
        retained: bool,
    ) {
        let held = self.points_held;
        let Some(gateway) = self.gateway(whom) else { return };
        if gateway.devices.len() >= bounds::DEVICES_PER_GATEWAY && !gateway.devices.contains_key(device) {
            return;
        }
        let known = gateway.devices.entry(device.clone()).or_default();
        let before = known.readings.take();
        // Told again with the same time is the same telling: it makes nothing newer than it was.
        let again = before.as_ref().filter(|before| before.at == document.at).map(|before| before.told);
        let held = held - before.map_or(0, |before| before.points.len());
        let room = bounds::POINTS.saturating_sub(held).min(bounds::POINTS_PER_DEVICE);
        let points: Box<[_]> = document
            .values
            .into_iter()
            .take(room)
            .map(|(name, value)| (shown(&name).into_boxed_str(), bounded(value)))
            .collect();
        self.points_held = held + points.len();
        let told = again.unwrap_or((!retained).then_some(now));
        if let Some(known) = self.gateways.get_mut(whom).and_then(|gateway| gateway.devices.get_mut(device)) {
            known.readings = Some(Readings { at: document.at, points, told });
        }
    }

    /// Why this device's readings must not be shown as the present; none if they may. No reading at all is old.
    pub(crate) fn stale(&self, now: Instant, gateway: &Gateway, device: &Device) -> Option<Stale> {
        if !self.link_up {
            return Some(Stale::LinkDown);
        }
        if matches!(gateway.watch.presence, Presence::Lost | Presence::Stopped) {
            return Some(Stale::GatewayLost);
        }
        if device.state.as_ref().is_some_and(|state| state.state == DeviceState::Lost) {
            return Some(Stale::DeviceLost);
        }
        match device.readings.as_ref().map(|readings| readings.told) {
            Some(Some(told)) if now.since(told) <= FRESH_FOR => None,
            Some(None) => Some(Stale::Kept),
            Some(Some(_)) | None => Some(Stale::Old),
        }
    }
}

impl Device {
    /// All its readings can be trusted.
    pub(crate) fn is_good(&self) -> bool {
        let points = self.readings.as_ref().map(|readings| &readings.points);
        points.is_some_and(|points| points.iter().all(|(_, value)| value.quality == Quality::Good))
    }

    /// A value that is a good number.
    pub(crate) fn good_number(&self, wanted: &str) -> Option<f64> {
        let points = self.readings.as_ref().map(|readings| &readings.points)?;
        let (_, value) = points.iter().find(|(name, _)| **name == *wanted)?;
        value
            .value
            .as_ref()
            .and_then(shouwang_message::Value::as_number)
            .filter(|_| value.quality == Quality::Good)
    }

    /// `values`, and how old they are: `values_at`, `age_s`, `fresh`, `stale`.
    pub(crate) fn readings_item(
        &self,
        now: Instant,
        wall: Timestamp,
        stale: Option<Stale>,
    ) -> Vec<(&'static str, Value)> {
        let readings = self.readings.as_ref();
        let values: Map<String, Value> = readings
            .into_iter()
            .flat_map(|readings| &readings.points)
            .map(|(name, value)| (String::from(&**name), json!(value)))
            .collect();
        let age_s = readings.and_then(|readings| match readings.told {
            Some(told) => Some(now.since(told).as_secs()),
            // Only its own clock says how old it is.
            None => u64::try_from((wall.unix_ms() - readings.at.unix_ms()) / 1_000).ok(),
        });
        alloc::vec![
            ("values", Value::Object(values)),
            ("values_at", json!(readings.map(|readings| readings.at))),
            ("age_s", json!(age_s)),
            ("fresh", json!(stale.is_none())),
            ("stale", json!(stale.map(Stale::as_str))),
        ]
    }
}

/// Texts from outside become short, and safe to show.
fn bounded(value: PointValue) -> PointValue {
    let text = |text: Option<String>| text.as_deref().map(shown);
    let inner = match value.value {
        Some(shouwang_message::Value::Text(inner)) => Some(shouwang_message::Value::Text(shown(&inner))),
        other => other,
    };
    PointValue { value: inner, unit: text(value.unit), why: text(value.why), quality: value.quality }
}
