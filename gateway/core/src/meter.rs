//! Pulse meters behind digital inputs: a tipping bucket whose tips are millimetres of rain, a water meter whose pulses
//! are cubic metres. A counter's difference counts, so that its wrap, its restart and ours cost nothing.
use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Id, Instant, Timestamp};

use crate::configuration::DeviceIndex;
use crate::counter::Counter;
use crate::profile::{Kind, Profile};

/// Rain is remembered by five minutes, for a day.
const SLOT_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// One installed meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeterSettings {
    pub id: Id,
    pub name: String,
    pub device: DeviceIndex,
    /// Index into the device's profile's points: a counter of 16 or 32 bits.
    pub point: usize,
    pub measured: Measured,
    /// Rain: mm; water: m3.
    pub per_pulse: f64,
}

/// What a pulse is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measured {
    Rain,
    Water,
}

/// Of a plain counter: how many bits it has.
pub fn counter_bits(profile: &Profile, point: usize) -> Option<u8> {
    let point = profile.points.get(point)?;
    match point.kind {
        Kind::U16 => Some(16),
        Kind::U32(_) => Some(32),
        _ => None,
    }
}

/// What a meter counted; survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Meter {
    counter: Counter,
    /// Pulses since it was first read.
    total: u64,
    /// Pulses of five minutes each, by their number since 1970; at most a day of them, the oldest first.
    slots: VecDeque<(i64, u32)>,
    /// In this run.
    #[serde(default)]
    read: Option<Instant>,
}

impl Meter {
    /// Takes a good reading; true if anything was counted.
    pub(crate) fn take(&mut self, now: Instant, wall: Timestamp, count: u32, bits: u8) -> bool {
        let since = self.read.map_or(Duration::MAX, |read| now.since(read));
        let pulses = self.counter.take(count, bits, since);
        self.read = Some(now);
        self.total = self.total.saturating_add(pulses.into());
        let slot = wall.unix_ms().div_euclid(SLOT_MS);
        self.slots.retain(|(at, _)| (slot - DAY_MS / SLOT_MS..=slot).contains(at));
        if pulses > 0 {
            match self.slots.back_mut().filter(|(at, _)| *at == slot) {
                Some((_, counted)) => *counted = counted.saturating_add(pulses),
                None => self.slots.push_back((slot, pulses)),
            }
        }
        pulses > 0
    }

    /// After a restart: steady time began anew.
    pub(crate) fn restored(self) -> Self {
        Self { read: None, ..self }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn of_the_hour(&self, wall: Timestamp) -> u32 {
        self.within(wall, HOUR_MS)
    }

    pub(crate) fn of_the_day(&self, wall: Timestamp) -> u32 {
        self.within(wall, DAY_MS)
    }

    fn within(&self, wall: Timestamp, span_ms: i64) -> u32 {
        let slot = wall.unix_ms().div_euclid(SLOT_MS);
        let within = self.slots.iter().filter(|(at, _)| (slot - span_ms / SLOT_MS < *at) && *at <= slot);
        within.fold(0, |sum, (_, pulses)| sum.saturating_add(*pulses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(meter: &mut Meter, minute: u64, count: u32) {
        let wall = Timestamp::from_unix_ms(1_795_330_800_000 + minute.cast_signed() * 60_000);
        meter.take(Instant::from_micros(minute * 60_000_000), wall, count, 16);
    }

    fn sums(meter: &Meter, minute: u64) -> (u32, u32, u64) {
        let wall = Timestamp::from_unix_ms(1_795_330_800_000 + minute.cast_signed() * 60_000);
        (meter.of_the_hour(wall), meter.of_the_day(wall), meter.total())
    }

    #[test]
    fn rain_of_an_hour_and_a_day_over_a_wrap() {
        let mut meter = Meter::default();
        read(&mut meter, 0, 65_500);
        for minute in 1..=60 {
            read(&mut meter, minute, (65_500 + 2 * minute as u32) & 0xFFFF);
        }
        let (hour, day, total) = sums(&meter, 60);
        assert_eq!((day, total), (120, 120));
        assert!((110..=120).contains(&hour), "by slots of five minutes: {hour}");
        assert_eq!(sums(&meter, 60 + 65), (0, 120, 120), "an hour later it is of the day only");
        read(&mut meter, 26 * 60, 65_620 & 0xFFFF);
        assert_eq!(sums(&meter, 26 * 60), (0, 0, 120));
    }

    #[test]
    fn a_restart_of_either_side_loses_nothing_that_anybody_counted() {
        let mut meter = Meter::default();
        read(&mut meter, 0, 900);
        read(&mut meter, 1, 910);
        let kept = shouwang_message::to_bytes(&meter);
        let mut meter = shouwang_message::from_bytes::<Meter>(&kept).unwrap().restored();
        read(&mut meter, 30, 950);
        assert_eq!(meter.total(), 50, "what came while we were away");
        read(&mut meter, 31, 4);
        assert_eq!(meter.total(), 54, "the module started anew");
        assert!(meter.slots.len() <= 3);
    }
}
