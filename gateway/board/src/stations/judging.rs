//! What a person's reading means: the colour it sets, the lines it holds, and whom to believe when the sensor says
//! otherwise. The rules are the river's own, the same as at the gateway.
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Id, Quality, Timestamp};
use shouwang_river::{
    Agreement, Colour, Crossing, Flag, Flags, Line, Lines, Moment, Recent, Staff, Stage, Trust, Watch,
};

use super::own_alarm::is_told;
use super::{FUTURE_MS, ManualReading, Sample};
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
    /// When the newest reading of a person that was judged was read.
    newest: Option<Timestamp>,
    /// The newest moment that anything was judged as of.
    judged_as_of: Option<Moment>,
}

/// How a person's reading counts.
struct Counted {
    as_of: Moment,
    /// It agrees with what the sensor said about then.
    agrees: bool,
    /// Nothing was read later than it.
    is_newest: bool,
}

impl Default for Judged {
    fn default() -> Self {
        Self::new(Lines::default())
    }
}

impl Judged {
    pub(crate) fn new(lines: Lines) -> Self {
        let watch = Watch::new(lines.clone());
        Self {
            lines,
            watch,
            staff: Staff::default(),
            sensor: Recent::default(),
            newest: None,
            judged_as_of: None,
        }
    }

    /// A person's reading, in the order of arrival; none if it is too old to count. Clocks of phones differ: of the same
    /// few minutes each counts after those that arrived before it, whatever the times they tell.
    fn count(&mut self, reading: &ManualReading) -> Option<Counted> {
        let at = reading.read_at();
        let is_late = reading.received_at.unix_ms() - at.unix_ms() > JUDGED_FOR_MS;
        if is_late || self.newest.is_some_and(|newest| newest.unix_ms() - at.unix_ms() > FUTURE_MS) {
            return None;
        }
        let is_newest = self.newest.is_none_or(|newest| at >= newest);
        self.newest = self.newest.max(Some(at));
        let after = self.judged_as_of.map(|judged| judged + Duration::from_millis(1));
        let as_of = after.map_or(at.into(), |after| after.max(at.into()));
        self.judged_as_of = Some(as_of);
        let mut staff = self.staff;
        let agreement = staff.read(as_of, reading.stage_m, reading.sensor_m);
        let agrees = reading.sensor_m.is_some() && agreement == Agreement::Agreed;
        // That they agreed earlier settles nothing that was read since.
        if is_newest || !agrees {
            self.staff = staff;
        }
        Some(Counted { as_of, agrees, is_newest })
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
        // A gateway whose clock is ahead must not put what people read next into the past.
        let at = sample.at.min(self.wall);
        let held = !self.own_lines(id).is_empty();
        let Some(station) = self.stations.get_mut(id) else { return };
        let judged = &mut station.judged;
        judged.sensor.take(at.into(), stage_m, flags_of(sample.quality));
        if !held || sample.quality != Quality::Good {
            return;
        }
        judged.judged_as_of = judged.judged_as_of.max(Some(at.into()));
        let stage_m = judged.staff.judged_m(stage_m);
        let crossings = judged.watch.take(Stage::new(at.into(), stage_m, Trust::Good));
        let left: Vec<_> =
            crossings.into_iter().filter(|crossing| matches!(crossing, Crossing::Left { .. })).collect();
        self.lines_crossed(id, &left, at);
    }

    /// The sensor's stage about the time of a reading that was just taken.
    pub(crate) fn sensor_beside(&self, id: &Id, at: Timestamp) -> Option<f64> {
        self.stations.get(id)?.judged.sensor_beside(at)
    }

    /// A person's reading counts now.
    pub(crate) fn judge(&mut self, id: &Id, reading: &ManualReading) {
        let Some(station) = self.stations.get(id) else { return };
        // Who is not heard tells of nothing: people are all there is, as where there is no sensor.
        let is_heard = self.standing(self.now, station).is_none();
        let Some(judged) = self.stations.get_mut(id).map(|station| &mut station.judged) else { return };
        let Some(counted) = judged.count(reading) else { return };
        let stage_m = match reading.sensor_m.filter(|_| is_heard) {
            Some(_) if counted.agrees && !counted.is_newest => return,
            Some(sensor_m) if counted.agrees => return self.settle(id, reading, sensor_m),
            Some(sensor_m) => judged.staff.judged_m(sensor_m),
            None => reading.stage_m,
        };
        let crossings = judged.watch.take(Stage::new(counted.as_of, stage_m, Trust::Read));
        self.lines_crossed(id, &crossings, reading.read_at());
    }

    /// A person and the sensor agree: from here on its gateway tells. A line of ours goes if both are below it, or if the
    /// gateway tells it already; the others are held until the stage leaves them.
    fn settle(&mut self, id: &Id, reading: &ManualReading, sensor_m: f64) {
        let (held, told) = (self.own_lines(id), self.gateway_lines(id));
        let Some(judged) = self.stations.get_mut(id).map(|station| &mut station.judged) else { return };
        let stage_m = reading.stage_m.max(sensor_m);
        let is_over = |line: &Line| judged.lines.level_m(*line).is_some_and(|level_m| stage_m >= level_m);
        let (kept, gone): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|line| is_over(line) && !is_told(&told, *line));
        judged.watch = Watch::new(judged.lines.clone());
        for line in kept {
            judged.watch.restore(line);
        }
        self.lines_gone(id, gone, stage_m, reading.read_at());
    }

    /// These lines of ours are not held any more, whatever the time since.
    fn lines_gone(&mut self, id: &Id, gone: Vec<Line>, stage_m: f64, at: Timestamp) {
        let Some(judged) = self.stations.get(id).map(|station| &station.judged) else { return };
        let left = |line: Line| {
            let level_m = judged.lines.level_m(line).unwrap_or_default();
            Crossing::Left { line, level_m, stage_m }
        };
        let left: Vec<_> = gone.into_iter().rev().map(left).collect();
        self.lines_crossed(id, &left, at);
    }

    /// Its lines are others than before, or this process has just begun: what was held is held.
    pub(crate) fn lines_are_known(&mut self, id: &Id) {
        let held = self.own_lines(id);
        let Some(station) = self.stations.get_mut(id) else { return };
        let lines = Lines::of(&station.info);
        let judged = &mut station.judged;
        judged.watch = Watch::new(lines.clone());
        judged.lines = lines;
        let gone: Vec<_> = held.into_iter().filter(|line| !judged.watch.restore(*line)).collect();
        if judged.newest.is_none() {
            let mut readings: Vec<_> = station.manual.iter().collect();
            readings.sort_by_key(|reading| reading.received_at);
            for reading in readings {
                judged.count(reading);
            }
        }
        self.lines_gone(id, gone, 0.0, self.wall);
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
