//! What a person's reading means: the colour it sets, the lines it holds, and whom to believe when the sensor says
//! otherwise. The rules are the river's own, the same as at the gateway.
use core::time::Duration;

use shouwang_message::{Id, Quality, Timestamp};
use shouwang_river::{Agreement, Colour, Flag, Flags, Lines, Moment, Recent, Staff, Stage, Trust, Watch};

use super::{ManualReading, Sample};
use crate::board::Board;

/// A reading that comes later than this raises and clears nothing: it is kept and shown.
const JUDGED_FOR_MS: i64 = 12 * 3_600_000;
/// The sensor's word at the time of a reading is its nearest good one within this.
const BESIDE_MS: i64 = 10 * 60_000;

/// One station's judgement: rebuilt after a start from what was kept.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) lines: Lines,
    watch: Watch,
    pub(crate) staff: Staff,
    /// What the sensor said in the last three hours.
    sensor: Recent,
    /// The newest reading of a person that was judged.
    newest: Option<Timestamp>,
}

impl Default for Judged {
    fn default() -> Self {
        Self::new(Lines::default())
    }
}

impl Judged {
    pub(crate) fn new(lines: Lines) -> Self {
        let watch = Watch::new(lines.clone());
        Self { lines, watch, staff: Staff::default(), sensor: Recent::default(), newest: None }
    }

    /// What its sensor said about then.
    fn sensor_beside(&self, at: Timestamp) -> Option<f64> {
        let at_ms = at.unix_ms();
        let end = Moment::from_ms(at_ms + BESIDE_MS);
        let near = self.sensor.good_within(end, Duration::from_millis(2 * BESIDE_MS.unsigned_abs()));
        near.min_by_key(|(moment, _)| (moment.ms() - at_ms).abs()).map(|(_, stage_m)| stage_m)
    }
}

/// What speaks against a sample, as far as its quality tells.
pub(crate) fn flags_of(quality: Quality) -> Flags {
    match quality {
        Quality::Good => Flags::NONE,
        Quality::Uncertain => Flags::NONE.with(Flag::Sigma),
        Quality::Bad => Flags::NONE.with(Flag::Limit),
    }
}

impl Board {
    /// A station's sensor said something: it may take a person's word down, never without good readings.
    pub(crate) fn sensor_told(&mut self, id: &Id, sample: Sample) {
        let Some(stage_m) = sample.stage_m else { return };
        let held = !self.own_lines(id).is_empty();
        let Some(station) = self.stations.get_mut(id) else { return };
        let judged = &mut station.judged;
        judged.sensor.take(sample.at.into(), stage_m, flags_of(sample.quality));
        if !held || sample.quality != Quality::Good {
            return;
        }
        let stage_m = judged.staff.judged_m(stage_m);
        let crossings = judged.watch.take(Stage::new(sample.at.into(), stage_m, Trust::Good));
        let left: alloc::vec::Vec<_> = crossings
            .into_iter()
            .filter(|crossing| matches!(crossing, shouwang_river::Crossing::Left { .. }))
            .collect();
        self.lines_crossed(id, &left, sample.at);
    }

    /// The sensor's stage about the time of a reading that was just taken.
    pub(crate) fn sensor_beside(&self, id: &Id, at: Timestamp) -> Option<f64> {
        self.stations.get(id)?.judged.sensor_beside(at)
    }

    /// A person's reading counts now.
    pub(crate) fn judge(&mut self, id: &Id, reading: &ManualReading) {
        let is_late = self.wall.unix_ms() - reading.at.unix_ms() > JUDGED_FOR_MS;
        let Some(station) = self.stations.get_mut(id) else { return };
        let judged = &mut station.judged;
        if is_late || judged.newest.is_some_and(|newest| reading.at <= newest) {
            return;
        }
        judged.newest = Some(reading.at);
        let agreement = judged.staff.read(reading.at.into(), reading.stage_m, reading.sensor_m);
        let at = reading.at.into();
        let crossings = match (reading.sensor_m, agreement) {
            (Some(_), Agreement::Agreed) => {
                // The sensor's own word counts, and its gateway tells of it.
                judged.watch = Watch::new(judged.lines.clone());
                return self.clear_lines(id, reading.at);
            }
            (Some(sensor_m), _) => {
                judged.watch.take(Stage::new(at, judged.staff.judged_m(sensor_m), Trust::Read))
            }
            (None, _) => judged.watch.take(Stage::new(at, reading.stage_m, Trust::Read)),
        };
        self.lines_crossed(id, &crossings, reading.at);
    }

    /// Its lines are others than before, or this process has just begun: what was held is held.
    pub(crate) fn lines_are_known(&mut self, id: &Id) {
        let held = self.own_lines(id);
        let Some(station) = self.stations.get_mut(id) else { return };
        let lines = Lines::of(&station.info);
        let judged = &mut station.judged;
        judged.watch = Watch::new(lines.clone());
        judged.lines = lines;
        let gone: alloc::vec::Vec<_> = held.into_iter().filter(|line| !judged.watch.restore(*line)).collect();
        if judged.newest.is_none() {
            for reading in &station.manual {
                judged.staff.read(reading.at.into(), reading.stage_m, reading.sensor_m);
                judged.newest = Some(reading.at);
            }
        }
        if !gone.is_empty() {
            let (id, at) = (id.clone(), self.wall);
            let left: alloc::vec::Vec<_> = gone
                .into_iter()
                .map(|line| shouwang_river::Crossing::Left { line, level_m: 0.0, stage_m: 0.0 })
                .collect();
            self.lines_crossed(&id, &left, at);
        }
    }

    /// The worst that its gateway's alarms, its newest good stage and what people read there say.
    pub(crate) fn colour_of(&self, id: &Id) -> Colour {
        let Some(station) = self.stations.get(id) else { return Colour::None };
        let judged = &station.judged;
        let told = self.gateway_lines(id).into_iter().map(|line| judged.lines.colour(line)).max();
        let newest = station.newest.as_ref().map(|newest| newest.sample);
        let good = newest.filter(|sample| sample.quality == Quality::Good);
        let now = good.and_then(|sample| sample.stage_m).map(|stage_m| judged.lines.colour_at(stage_m));
        told.into_iter().chain(now).chain([judged.watch.colour()]).max().unwrap_or_default()
    }
}
