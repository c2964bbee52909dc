//! River stations: their readings go to their gauges; what those say becomes alarms, samples and haste.
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Clock, Instant, Leaf, Text, Value};

use super::Engine;
use crate::condition::Judgement;
use crate::configuration::DeviceIndex;
use crate::gauge::Gauged;
use crate::history::Sample;

/// What moved within this time speaks against what stood still for it.
const BESIDE: Duration = Duration::from_secs(6 * 3600);

impl Engine {
    /// A station's point was read, or could not be.
    pub(super) fn gauge_read(&mut self, now: Instant, device: DeviceIndex, point: usize) {
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(index) = self.gauge_at(device, point) else { return };
        let others_move = self.devices.iter().enumerate().any(|(other, entry)| {
            let beside = |(gauge, known): (usize, &crate::gauge::Gauge)| {
                (other, gauge) != (device, index) && known.has_moved_within(now, BESIDE)
            };
            entry.gauges.iter().enumerate().any(beside)
        });
        let Some(entry) = self.devices.get_mut(device) else { return };
        let reading = entry.decoder.reading(&settings.profile, point);
        let Some(gauge) = entry.gauges.get_mut(index) else { return };
        let others_move = others_move && gauge.still_for(now) >= BESIDE;
        let gauged = gauge.reading(now, &reading, others_move);
        self.gauged(now, device, point, gauged);
    }

    /// A gauge's delay may be over.
    pub(super) fn gauges_woke(&mut self, now: Instant, device: DeviceIndex) {
        let Some(entry) = self.devices.get_mut(device) else { return };
        let woken: Vec<(usize, Gauged)> =
            entry.gauges.iter_mut().map(|gauge| (gauge.point, gauge.woke(now))).collect();
        for (point, gauged) in woken {
            self.gauged(now, device, point, gauged);
        }
    }

    fn gauge_at(&self, device: DeviceIndex, point: usize) -> Option<usize> {
        self.devices.get(device)?.gauges.iter().position(|gauge| gauge.point == point)
    }

    fn gauged(&mut self, now: Instant, device: DeviceIndex, point: usize, gauged: Gauged) {
        let Gauged { crossed, sample, read_every } = gauged;
        for crossing in crossed {
            let value = Value::Number(crossing.stage_m);
            let judgement = if crossing.reached {
                Judgement::Raised { value, limit: Some(crossing.level_m), growth: 0 }
            } else {
                Judgement::Cleared { value }
            };
            self.judged(now, device, crossing.condition, judgement);
        }
        if let Some((value, quality)) = sample {
            self.keep_sample(now, device, point, value, quality);
        }
        let line = self.configuration.devices.get(device).map(|settings| settings.line);
        if let Some(interval) = read_every
            && let Some(state) = line.and_then(|line| self.lines.get_mut(line))
        {
            state.line.read_at_least(now, device, point, interval);
            state.deadline = now;
        }
    }

    fn keep_sample(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        point: usize,
        value: Option<f64>,
        quality: shouwang_message::Quality,
    ) {
        if self.wall.clock() == Clock::Unset {
            self.history.drop_untimed();
            return;
        }
        if self.stage.is_short() {
            self.history.drop_sample();
            return;
        }
        let configuration = self.configuration.clone();
        let Some(settings) = configuration.devices.get(device) else { return };
        let Some(known) = settings.profile.points.get(point) else { return };
        let at = self.wall.timestamp(now);
        let (device, point, unit) = (&settings.id, known.name.as_str(), known.unit.as_deref());
        for (key, value) in self.history.add(&Sample { device, point, unit, at, value, quality }) {
            self.stage.keep(now, key, value);
        }
    }

    /// The next document, if nothing that matters more is under way.
    pub(super) fn tell_history(&mut self, now: Instant) {
        let at = self.session_time(now);
        if self.session.may_tell_history(at, &self.outbox)
            && let Some((number, body)) = self.history.take_next()
        {
            self.session.tell_history(at, number, Leaf::History, body, &mut self.outputs);
        }
    }

    pub(super) fn history_told(&mut self, now: Instant, number: crate::history::Number) {
        if let Some((key, value)) = self.history.told(number) {
            self.stage.keep(now, key, value);
        }
    }

    /// When the next document may be told, if one waits.
    pub(super) fn next_history(&self) -> Instant {
        if self.history.waits() { self.session.history_from(&self.outbox) } else { Instant::NEVER }
    }

    /// Samples lost in an outage that was too long, or without a time, told once it is over.
    pub(super) fn supervise_history(&mut self, now: Instant) {
        if !self.session.is_up() || self.stage.is_short() {
            return;
        }
        let dropped = self.history.take_dropped();
        if dropped > 0 {
            let why = Text::new(
                "中断太久或磁盘已满,放不下",
                "there was no room: the outage was too long, or the disk full",
            );
            self.tell_gap_of(now, "history", dropped, why);
        }
        // While the clock is unset, that is a fault of its own; what it cost is known once it is set.
        if self.wall.clock() != Clock::Unset {
            let untimed = self.history.take_untimed();
            if untimed > 0 {
                let why = Text::new(
                    "时钟未校准,采样没有时间,未保存",
                    "the clock was not set, so these samples had no time and were not kept",
                );
                self.tell_gap_of(now, "history", untimed, why);
            }
        }
    }
}
