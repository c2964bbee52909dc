//! Pulse meters in the engine: a counter's readings go to its meter; what that counted is among the device's values.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Instant, PointValue, Quality, RainGauge, Value, from_bytes, to_bytes};

use super::Engine;
use crate::configuration::{Configuration, DeviceIndex};
use crate::decode::round_to;
use crate::meter::{Measured, Meter, MeterSettings, counter_bits};
use crate::reading::Reading;

/// A count is kept as often while it grows; what is lost by a restart in between is in the counter's difference.
const KEPT_EVERY: Duration = Duration::from_secs(300);

/// One meter, and whether the disk knows it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Metered {
    meter: Meter,
    kept_at: Option<Instant>,
    has_grown: bool,
}

pub(super) fn meters(configuration: &Configuration) -> Vec<Metered> {
    configuration.meters.iter().map(|_| Metered::default()).collect()
}

impl Engine {
    pub(super) fn restore_meter(&mut self, id: &str, value: &[u8]) {
        let place = self.configuration.meters.iter().position(|meter| meter.id.as_str() == id);
        if let (Some(metered), Ok(meter)) = (place.and_then(|it| self.meters.get_mut(it)), from_bytes(value))
        {
            metered.meter = Meter::restored(meter);
        }
    }

    /// A meter at the same counter goes on.
    pub(super) fn change_meters(&mut self, now: Instant, old: &Configuration) {
        let new = self.configuration.clone();
        let mut before = core::mem::take(&mut self.meters);
        let counter = |all: &Configuration, meter: &MeterSettings| {
            let device = all.devices.get(meter.device)?;
            Some((meter.id.clone(), device.id.clone(), device.profile.points.get(meter.point)?.name.clone()))
        };
        for settings in &new.meters {
            let known = old.meters.iter().position(|known| counter(old, known) == counter(&new, settings));
            self.meters
                .push(known.and_then(|it| before.get_mut(it)).map(core::mem::take).unwrap_or_default());
        }
        for gone in old.meters.iter().filter(|known| new.meters.iter().all(|meter| meter.id != known.id)) {
            self.stage.keep(now, key(gone), None);
        }
    }

    /// A point was read, or could not be.
    pub(super) fn meter_read(&mut self, now: Instant, device: DeviceIndex, point: usize) {
        let configuration = self.configuration.clone();
        let wall = self.wall.timestamp(now);
        for (settings, metered) in configuration.meters.iter().zip(&mut self.meters) {
            if (settings.device, settings.point) != (device, point) {
                continue;
            }
            let (Some(of), Some(entry)) = (configuration.devices.get(device), self.devices.get(device))
            else {
                continue;
            };
            let is_good = matches!(entry.decoder.reading(&of.profile, point), Reading::Good(_));
            let bits = counter_bits(&of.profile, point);
            let Some((count, bits)) = entry.decoder.raw(point).zip(bits).filter(|_| is_good) else {
                continue;
            };
            metered.has_grown |= metered.meter.take(now, wall, count, bits);
            let is_due =
                metered.kept_at.is_none_or(|kept| metered.has_grown && now.since(kept) >= KEPT_EVERY);
            if is_due {
                metered.kept_at = Some(now);
                metered.has_grown = false;
                self.stage.keep(now, key(settings), Some(to_bytes(&metered.meter)));
            }
        }
    }

    /// What the meters of this device say, by the names of their values.
    pub(super) fn measured(&self, now: Instant, device: DeviceIndex) -> Vec<(String, PointValue)> {
        let wall = self.wall.timestamp(now);
        let mut values = Vec::new();
        for (settings, Metered { meter, .. }) in self.configuration.meters.iter().zip(&self.meters) {
            let (Some(of), Some(entry)) = (self.configuration.devices.get(device), self.devices.get(device))
            else {
                continue;
            };
            if settings.device != device {
                continue;
            }
            let reading = entry.decoder.reading(&of.profile, settings.point);
            let of_pulses = |pulses: f64, decimals: u8, unit: &str| match reading.quality() {
                Quality::Bad => reading.to_point_value(None),
                quality => PointValue {
                    value: Some(Value::Number(round_to(pulses * settings.per_pulse, decimals))),
                    unit: Some(unit.into()),
                    quality,
                    why: reading.why().map(|why| why.word().into_owned()),
                },
            };
            let id = &settings.id;
            match settings.measured {
                Measured::Rain => {
                    let hour = of_pulses(f64::from(meter.of_the_hour(wall)), 1, "mm");
                    let day = of_pulses(f64::from(meter.of_the_day(wall)), 1, "mm");
                    values.extend([(RainGauge::of_the_hour(id), hour), (RainGauge::of_the_day(id), day)]);
                }
                Measured::Water => {
                    values.push((format!("{id}_total"), of_pulses(meter.total() as f64, 3, "m3")));
                }
            }
        }
        values
    }
}

fn key(meter: &MeterSettings) -> String {
    format!("meter/{}", meter.id)
}
