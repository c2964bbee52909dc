//! One installed device as the engine knows it: its readings, its judges, its state and overlays.
use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    Clock, DeviceState, DeviceStateDocument, Id, Instant, OutOfService, PointValue, Quality, StationInfo,
    Timestamp, Value, ValuesDocument, WelfareDocument, to_bytes,
};

use crate::alarm::SHELVE_BY_TWO;
use crate::call::{CallUnit, Counts};
use crate::condition::Judge;
use crate::configuration::DeviceSettings;
use crate::decoder::Decoder;
use crate::gauge::Gauge;
use crate::profile::{Test, WarmUp};
use crate::reading::{NoData, Reading};

/// Numbers are told at most this often, states at once.
const VALUES_APART: Duration = Duration::from_secs(5);
/// Unchanged values are told again after this long, so that their age stays believable.
const VALUES_AGAIN: Duration = Duration::from_secs(60);
/// A device is in test for this long at most (the design's drill and test rule).
pub(super) const TEST_MOST: Duration = Duration::from_secs(2 * 60 * 60);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Device {
    id: Id,
    pub(super) decoder: Decoder,
    pub(super) judges: Vec<Judge>,
    /// Of the stations that it measures for.
    pub(super) gauges: Vec<Gauge>,
    pub(super) call: Option<CallLine>,
    points: Vec<PointNames>,
    heard_at: Instant,
    has_answered: bool,
    silence: NoData,
    loss: Loss,
    warm_until: Option<Instant>,
    warm_up: Option<Duration>,
    state: Option<DeviceStateDocument>,
    out_of_service: Option<(OutOfService, Instant)>,
    /// Until when it is in test: as the person said it, and by steady time.
    test_until: Option<(Timestamp, Instant)>,
    /// Since when it refuses which block that a condition is judged by.
    refused: BTreeMap<usize, (Instant, NoData)>,
    /// It let itself be read since the start.
    has_accepted: bool,
    told: Vec<Reading>,
    /// What its meters said when that was told.
    told_measured: Vec<(String, PointValue)>,
    told_at: Option<Instant>,
    counts: BTreeMap<String, u32>,
    frozen: BTreeMap<String, u32>,
    /// When a deadline of its judges is entered in the engine's list.
    pub(super) judged_at: Option<Instant>,
    /// When a real trigger of this unit was last followed to the duty room.
    proven_at: Option<Timestamp>,
    /// From the sensor to the duty room's disk, when it was proven.
    proven_ms: Option<u64>,
    /// What the maker printed on this unit.
    serial_no: Option<String>,
    /// Another unit was here before, with this number; not told yet.
    replaced: Option<String>,
}

/// The call unit's counters, and what its lamp was last told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CallLine {
    pub(super) unit: CallUnit,
    /// The press count that is on disk and may be echoed.
    pub(super) committed: Option<u16>,
    /// The echo that is under way: not ended yet, well or badly.
    pub(super) echoing: Option<u16>,
    /// What the lamp shows, or will when the write that is under way is done.
    pub(super) lamp: Option<u16>,
    /// So many changes that the lamp should show are not on disk yet.
    pub(super) unsaved: u32,
    /// The unit was taken up without any memory of it, and has not been pressed since.
    pub(super) is_doubted: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct PointNames {
    name: String,
    unit: Option<String>,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptDevice {
    #[serde(default)]
    call: Option<Counts>,
    #[serde(default)]
    lamp_is_doubted: bool,
    #[serde(default)]
    counts: BTreeMap<String, u32>,
    #[serde(default)]
    frozen: BTreeMap<String, u32>,
    #[serde(default)]
    out_of_service: Option<OutOfService>,
    #[serde(default)]
    test_until: Option<Timestamp>,
    #[serde(default)]
    state: Option<DeviceStateDocument>,
    #[serde(default)]
    proven_at: Option<Timestamp>,
    #[serde(default)]
    proven_ms: Option<u64>,
    #[serde(default)]
    serial_no: Option<String>,
}

impl KeptDevice {
    /// What is of the place, and not of the unit that hung there.
    fn without_the_unit(self) -> Self {
        let Self { out_of_service, test_until, state, serial_no, .. } = self;
        Self { out_of_service, test_until, state, serial_no, ..Self::default() }
    }
}

/// Whether the device is silent, and whether its line explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Loss {
    No,
    Alone,
    WithLine,
}

impl Device {
    pub(super) fn new(settings: &DeviceSettings, stations: &[StationInfo], now: Instant) -> Self {
        let profile = &settings.profile;
        let call = profile.call.as_ref().map(|_| CallLine::new(CallUnit::default(), None));
        let points = profile
            .points
            .iter()
            .map(|point| PointNames { name: point.name.clone(), unit: point.unit.clone() });
        let warm_up = match profile.warm_up {
            Some(WarmUp::AfterReturn(length)) => Some(length),
            _ => None,
        };
        Self {
            id: settings.id.clone(),
            decoder: Decoder::new(settings, &BTreeMap::new()),
            judges: settings.conditions.iter().map(Judge::new).collect(),
            gauges: gauges(stations, settings),
            call,
            points: points.collect(),
            heard_at: now,
            has_answered: false,
            silence: NoData::NotYet,
            loss: Loss::No,
            warm_until: None,
            warm_up,
            state: None,
            out_of_service: None,
            test_until: None,
            refused: BTreeMap::new(),
            has_accepted: false,
            told: Vec::new(),
            told_measured: Vec::new(),
            told_at: None,
            counts: BTreeMap::new(),
            frozen: BTreeMap::new(),
            judged_at: None,
            proven_at: None,
            proven_ms: None,
            serial_no: settings.installed.serial_no.clone(),
            replaced: None,
        }
    }

    pub(super) fn restore(&mut self, now: Instant, wall: Timestamp, clock: Clock, kept: KeptDevice) {
        let kept = match self.replaces(kept.serial_no.as_deref()) {
            true => kept.without_the_unit(),
            false => kept,
        };
        if let (Some(call), Some(counts)) = (&mut self.call, kept.call) {
            *call = CallLine::new(CallUnit::restore(counts), counts.recorded());
            call.is_doubted = kept.lamp_is_doubted;
        }
        self.counts = kept.counts;
        self.frozen = kept.frozen;
        self.state = kept.state;
        self.proven_at = kept.proven_at;
        self.proven_ms = kept.proven_ms;
        // Steady time is not kept over a restart; what is left is known only by a clock that is set.
        let left = |until: Timestamp, most: Duration| {
            let left_ms = if clock == Clock::Unset { 0 } else { until.unix_ms() - wall.unix_ms() };
            now + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)).min(most)
        };
        self.out_of_service = kept.out_of_service.map(|overlay| {
            let until = left(overlay.until, SHELVE_BY_TWO);
            (overlay, until)
        });
        self.test_until = kept.test_until.map(|until| (until, left(until, TEST_MOST)));
    }

    /// Whether the unit of this number was another one. What it counted, what its registers held and what was proven
    /// of it say nothing of this one; what people said of the place stays.
    fn replaces(&mut self, before: Option<&str>) -> bool {
        let (Some(before), Some(own)) = (before, &self.serial_no) else { return false };
        if before == own {
            return false;
        }
        self.replaced = Some(before.to_owned());
        true
    }

    /// The numbers of the unit that was here and of the one that is, once after it was replaced.
    pub(super) fn take_replaced(&mut self) -> Option<(String, String)> {
        self.replaced.take().zip(self.serial_no.clone())
    }

    /// Rebuilds what depends on the settings and on what was kept.
    pub(super) fn finish_restoring(&mut self, settings: &DeviceSettings) {
        self.decoder = Decoder::new(settings, &self.frozen);
        for (judge, condition) in self.judges.iter_mut().zip(&settings.conditions) {
            if let (Test::Difference { .. }, Some(count)) =
                (&condition.test, self.counts.get(&condition.name))
            {
                judge.restore_count(*count);
            }
        }
    }

    /// The same device asked in another way: what a restart would know of it, and its overlays to the second. What
    /// was proven was proven of the unit that was there.
    pub(super) fn renewed(&self, settings: &DeviceSettings, stations: &[StationInfo], now: Instant) -> Self {
        let mut new = Self::new(settings, stations, now);
        if !new.replaces(self.serial_no.as_deref()) {
            if let (Some(call), Some(old)) = (&mut new.call, &self.call) {
                let counts = old.unit.counts();
                *call = CallLine::new(CallUnit::restore(counts), counts.recorded());
                call.is_doubted = old.is_doubted;
            }
            new.counts = self.counts.clone();
            new.frozen = self.frozen.clone();
        }
        new.state = self.state.clone();
        new.out_of_service = self.out_of_service.clone();
        new.test_until = self.test_until;
        new.finish_restoring(settings);
        new
    }

    /// The same device asked in the same way, but judged or calibrated otherwise: conditions that have not
    /// changed go on with what they have seen, and the readings stay unless they are made otherwise.
    pub(super) fn tuned(
        self,
        before: &DeviceSettings,
        settings: &DeviceSettings,
        stations: &[StationInfo],
    ) -> Self {
        let mut judges: Vec<Judge> = settings.conditions.iter().map(Judge::new).collect();
        for (judge, condition) in judges.iter_mut().zip(&settings.conditions) {
            let same = before.conditions.iter().position(|known| known == condition);
            if let Some(known) = same.and_then(|place| self.judges.get(place)) {
                *judge = known.clone();
            } else if let (Test::Difference { .. }, Some(count)) =
                (&condition.test, self.counts.get(&condition.name))
            {
                judge.restore_count(*count);
            }
        }
        let decoder = if before.installed == settings.installed {
            self.decoder
        } else {
            let mut decoder = Decoder::new(settings, &self.frozen);
            decoder.set_warming(self.warm_until.is_some());
            decoder
        };
        let serial_no = settings.installed.serial_no.clone();
        Self { judges, decoder, serial_no, gauges: gauges(stations, settings), ..self }
    }

    /// Its reads begin anew: what its stations asked of them, and which of them it refused, goes with the old ones.
    pub(super) fn forget_reads(&mut self, settings: &DeviceSettings, stations: &[StationInfo]) {
        self.refused.clear();
        self.gauges = gauges(stations, settings);
    }

    pub(super) fn kept(&self) -> KeptDevice {
        KeptDevice {
            call: self.call.as_ref().map(|call| call.unit.counts()),
            lamp_is_doubted: self.call.as_ref().is_some_and(|call| call.is_doubted),
            counts: self.counts.clone(),
            frozen: self.frozen.clone(),
            out_of_service: self.out_of_service.as_ref().map(|(overlay, _)| overlay.clone()),
            test_until: self.test_until.map(|(until, _)| until),
            state: self.state.clone(),
            proven_at: self.proven_at,
            proven_ms: self.proven_ms,
            serial_no: self.serial_no.clone(),
        }
    }

    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    pub(super) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    pub(super) fn silence(&self) -> NoData {
        self.silence
    }

    pub(super) fn loss(&self) -> Loss {
        self.loss
    }

    /// Being found silent starts nothing anew; coming back after being lost starts the warm-up.
    pub(super) fn set_loss(&mut self, now: Instant, loss: Loss) {
        if self.loss == Loss::Alone
            && loss == Loss::No
            && let Some(length) = self.warm_up
        {
            self.warm_until = Some(now + length);
            self.decoder.set_warming(true);
        }
        self.loss = loss;
    }

    pub(super) fn end_warm_up(&mut self, now: Instant) {
        if self.warm_until.is_some_and(|until| until <= now) {
            self.warm_until = None;
            self.decoder.set_warming(false);
        }
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.heard_at = now;
        self.has_answered = true;
    }

    /// A block that a condition is judged by was read, or refused with an exception.
    pub(super) fn set_refused(&mut self, now: Instant, block: usize, why: Option<NoData>) {
        match why {
            Some(why) => {
                self.refused.entry(block).or_insert((now, why)).1 = why;
            }
            None => {
                self.refused.remove(&block);
                self.has_accepted = true;
            }
        }
    }

    /// It is lost: whether it still refuses is not known.
    pub(super) fn forget_refusals(&mut self) {
        self.refused.clear();
    }

    /// Since when it has refused, and how.
    pub(super) fn refusal(&self) -> Option<(Instant, NoData)> {
        self.refused.values().copied().min_by_key(|(since, _)| *since)
    }

    /// It refuses nothing, and not for want of having been asked.
    pub(super) fn accepts(&self) -> bool {
        self.refused.is_empty() && self.has_accepted
    }

    pub(super) fn silent(&mut self, why: NoData) {
        self.silence = why;
    }

    pub(super) fn out_of_service(&self) -> Option<&OutOfService> {
        self.out_of_service.as_ref().map(|(overlay, _)| overlay)
    }

    pub(super) fn set_out_of_service(&mut self, overlay: Option<(OutOfService, Instant)>) {
        self.out_of_service = overlay;
    }

    pub(super) fn is_in_test(&self) -> bool {
        self.test_until.is_some()
    }

    pub(super) fn proven_at(&self) -> Option<Timestamp> {
        self.proven_at
    }

    pub(super) fn set_proven(&mut self, at: Timestamp, took_ms: Option<u64>) {
        self.proven_at = Some(at);
        self.proven_ms = took_ms;
    }

    pub(super) fn set_test(&mut self, until: Option<(Timestamp, Instant)>) {
        self.test_until = until;
    }

    /// Overlays whose time is over: (out of service, test).
    pub(super) fn overlays_over(&self, now: Instant) -> (bool, bool) {
        let out = self.out_of_service.as_ref().is_some_and(|(_, until)| *until <= now);
        (out, self.test_until.is_some_and(|(_, until)| until <= now))
    }

    /// The document to tell if the state is another than before.
    pub(super) fn set_state(
        &mut self,
        state: DeviceState,
        why: Option<String>,
        at: Timestamp,
        welfare: Vec<WelfareDocument>,
    ) -> Option<DeviceStateDocument> {
        if self.state.as_ref().is_some_and(|known| known.state == state && known.why == why) {
            return None;
        }
        let document = DeviceStateDocument { welfare, ..DeviceStateDocument::new(state, at, why) };
        self.state = Some(document.clone());
        Some(document)
    }

    /// How the rules stand that watch this device; the document to tell, if its state is known.
    pub(super) fn set_welfare(&mut self, welfare: Vec<WelfareDocument>) -> Option<&DeviceStateDocument> {
        let document = self.state.as_mut()?;
        document.welfare = welfare;
        Some(document)
    }

    pub(super) fn state_document(&self) -> Option<&DeviceStateDocument> {
        self.state.as_ref()
    }

    pub(super) fn resume_condition(&mut self, index: usize, active: bool) {
        if let Some(judge) = self.judges.get_mut(index) {
            judge.restore_active(active);
        }
        if active {
            self.gauges.iter_mut().for_each(|gauge| gauge.restore(index));
        }
    }

    /// Remembers a counter that a condition has judged.
    pub(super) fn set_count(&mut self, condition: &str, count: u32) -> bool {
        self.counts.insert(condition.into(), count) != Some(count)
    }

    /// Remembers what was frozen; true if anything was.
    pub(super) fn keep_frozen(&mut self) -> bool {
        let new = self.decoder.take_newly_frozen();
        let any = !new.is_empty();
        self.frozen.extend(new);
        any
    }

    /// The values document if it is worth telling now.
    pub(super) fn values_to_tell(
        &mut self,
        now: Instant,
        at: Timestamp,
        settings: &DeviceSettings,
        measured: Vec<(String, PointValue)>,
    ) -> Option<Vec<u8>> {
        let readings: Vec<Reading> =
            (0..self.points.len()).map(|point| self.told_reading(settings, point)).collect();
        let since = self.told_at.map_or(Duration::MAX, |told| now.since(told));
        let worth = if readings == self.told && measured == self.told_measured {
            since >= VALUES_AGAIN
        } else {
            since >= VALUES_APART || states(&readings).ne(states(&self.told))
        };
        if !worth {
            return None;
        }
        let values = self.points.iter().zip(&readings);
        let values = values
            .map(|(point, reading)| (point.name.clone(), reading.to_point_value(point.unit.as_deref())));
        let document = ValuesDocument { at, values: values.chain(measured.iter().cloned()).collect() };
        self.told = readings;
        self.told_measured = measured;
        self.told_at = Some(now);
        Some(to_bytes(&document))
    }

    /// A level with what its station's filter has against it: shown, and not to be trusted.
    fn told_reading(&self, settings: &DeviceSettings, point: usize) -> Reading {
        let flag = self.gauges.iter().find(|gauge| gauge.point == point).and_then(Gauge::flag);
        match (self.decoder.reading(&settings.profile, point), flag) {
            (Reading::Good(value), Some(flag)) => Reading::Uncertain(value, NoData::Flagged(flag)),
            (reading, _) => reading,
        }
    }

    /// What its station's readings of this point have against the sensor itself.
    pub(super) fn sensor_trouble(&self, now: Instant, point: usize) -> Option<NoData> {
        let gauge = self.gauges.iter().find(|gauge| gauge.point == point)?;
        if gauge.is_stuck() {
            return Some(NoData::Stuck);
        }
        gauge.is_outside(now).then_some(NoData::OutOfRange)
    }

    /// Asked for: the next reading is told whatever it says.
    pub(super) fn forget_told(&mut self) {
        self.told_at = None;
        self.told.clear();
    }

    pub(super) fn next_judge_deadline(&self) -> Option<Instant> {
        let gauges = self.gauges.iter().filter_map(Gauge::next_deadline);
        self.judges.iter().filter_map(Judge::next_deadline).chain(gauges).min()
    }
}

/// Of the stations that this device measures for.
fn gauges(stations: &[StationInfo], settings: &DeviceSettings) -> Vec<Gauge> {
    stations.iter().filter_map(|station| Gauge::new(station, settings)).collect()
}

impl CallLine {
    fn new(unit: CallUnit, committed: Option<u16>) -> Self {
        Self { unit, committed, echoing: None, lamp: None, unsaved: 0, is_doubted: false }
    }
}

/// What of the readings must not wait: qualities, states and texts, but not the drift of a number.
fn states(readings: &[Reading]) -> impl Iterator<Item = (Quality, Option<NoData>, Option<&Value>)> {
    readings.iter().map(|reading| {
        let value = reading.value().filter(|value| !matches!(value, Value::Number(_)));
        (reading.quality(), reading.why(), value)
    })
}
