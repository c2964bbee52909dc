//! One river station's sensor: from readings to lines crossed, flags, and samples worth keeping.
//!
//! The meaning is `shouwang_river`'s; here it meets a device's point, and says when a sample is due: every
//! five minutes, every minute above the warning line, every half minute while the river rises fast; and at
//! once when a line is crossed or the stage has moved by five centimetres (add-report).
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Instant, Quality, StationInfo, Value};
use shouwang_river::{
    Colour, Crossing, Flag, Flags, Limits, Line, Lines, Rates, Recent, Stage, Trust, Watch, Waves,
};

use crate::configuration::DeviceSettings;
use crate::decode::round_to;
use crate::profile::Point;
use crate::reading::Reading;

/// Between two samples: as a rule, above the warning line, and while it rises fast (rules.md, section 4).
const USUAL: Duration = Duration::from_secs(300);
const ABOVE_WARNING: Duration = Duration::from_secs(60);
const RISING_FAST: Duration = Duration::from_secs(30);
/// More than this in ten minutes is fast, m.
const FAST_M: f64 = 0.10;
/// A step since the last sample that is worth one of its own, m.
const STEP_M: f64 = 0.05;
/// Readings closer together make no better rate.
const RATED_EVERY: Duration = Duration::from_secs(30);
/// A sample is the median of a burst, so a sensor is read at least so often within its interval.
const READS_A_SAMPLE: u32 = 6;
/// A spike is outside its range for a moment; for this long it is the sensor, its zero or the range.
const OUTSIDE_FOR: Duration = Duration::from_secs(300);
/// A station has moved if its stage differs by this much, m; for what counts as stuck beside it.
const MOVED_M: f64 = 0.05;

/// A station's sensor as the engine knows it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Gauge {
    /// Index into the device's profile's points.
    pub(crate) point: usize,
    decimals: u8,
    /// Indexes into the device's conditions.
    conditions: Vec<(Line, usize)>,
    waves: Waves,
    watch: Watch,
    recent: Recent,
    rated_at: Option<Instant>,
    usual: Duration,
    interval: Duration,
    due: Option<Instant>,
    sampled_m: Option<f64>,
    flags: Flags,
    /// Since when every reading has been outside what the station can have.
    outside_since: Option<Instant>,
    /// Where it was when it last had moved, and when that was.
    moved: Option<(f64, Instant)>,
}

/// A judged line: its condition's index and what happened to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crossed {
    pub(crate) condition: usize,
    pub(crate) stage_m: f64,
    pub(crate) level_m: f64,
    pub(crate) reached: bool,
}

/// What one reading brought.
#[derive(Debug, Default)]
pub(crate) struct Gauged {
    /// The highest line first.
    pub(crate) crossed: Vec<Crossed>,
    /// Worth keeping.
    pub(crate) sample: Option<(Option<f64>, Quality)>,
    /// The sensor is to be read at least this often from now on.
    pub(crate) read_every: Option<Duration>,
}

fn limits(station: &StationInfo) -> Limits {
    let usual = Limits::default();
    let flat_after = station.flat_after_s.map(|seconds| Duration::from_secs(seconds.into()));
    Limits {
        range_m: station.range_m.unwrap_or(usual.range_m),
        flat_after: flat_after.unwrap_or(usual.flat_after),
        ..usual
    }
}

impl Gauge {
    /// None unless the station's device is this one.
    pub(crate) fn new(station: &StationInfo, settings: &DeviceSettings) -> Option<Self> {
        if station.device.as_ref() != Some(&settings.id) {
            return None;
        }
        let point = settings.profile.point(station.point.as_deref()?)?;
        let lines = Lines::of(station);
        let condition = |line: Line| settings.condition(&line.condition());
        let conditions = lines.iter().filter_map(|(line, _)| Some((line, condition(line)?))).collect();
        let usual = station.interval_s.map_or(USUAL, |seconds| Duration::from_secs(seconds.into()));
        Some(Self {
            point,
            decimals: settings.profile.points.get(point).map_or(3, |point: &Point| point.decimals),
            conditions,
            waves: Waves::new(limits(station)),
            watch: Watch::new(lines),
            recent: Recent::default(),
            rated_at: None,
            usual,
            interval: usual,
            due: None,
            sampled_m: None,
            flags: Flags::NONE,
            outside_since: None,
            moved: None,
        })
    }

    /// Whether this condition of the device is judged here.
    pub(crate) fn judges(&self, condition: usize) -> bool {
        self.conditions.iter().any(|(_, index)| *index == condition)
    }

    /// After a restart: this condition's alarm was active.
    pub(crate) fn restore(&mut self, condition: usize) {
        if let Some((line, _)) = self.conditions.iter().find(|(_, index)| *index == condition) {
            self.watch.restore(*line);
        }
    }

    /// What speaks against the newest reading.
    pub(crate) fn flag(&self) -> Option<Flag> {
        self.flags.iter().next()
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.flags.has(Flag::Flat)
    }

    /// No reading has been what the station can have for so long that it is no spike.
    pub(crate) fn is_outside(&self, now: Instant) -> bool {
        self.outside_since.is_some_and(|since| now.since(since) >= OUTSIDE_FOR)
    }

    /// The stage has moved within this time.
    pub(crate) fn has_moved_within(&self, now: Instant, window: Duration) -> bool {
        self.moved.is_some_and(|(_, at)| now.since(at) <= window)
    }

    /// How long its readings have stood still.
    pub(crate) fn still_for(&self, now: Instant) -> Duration {
        self.waves.still_for(now.into())
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let at = self.watch.next_deadline()?;
        Some(Instant::from_micros(u64::try_from(at.ms()).unwrap_or(0).saturating_mul(1000)))
    }

    /// A delay before raising may be over.
    pub(crate) fn woke(&mut self, now: Instant) -> Gauged {
        let crossings = self.watch.woke(now.into());
        let sample = crossings.last().and_then(|_| self.recent.newest());
        let sample = sample.map(|(_, stage_m, flags)| (Some(stage_m), Trust::from(flags).quality()));
        self.gauged(now, &crossings, sample)
    }

    /// What this reading of the point changes. `others_move`: another station of this gateway has moved while
    /// this one stood still.
    pub(crate) fn reading(&mut self, now: Instant, reading: &Reading, others_move: bool) -> Gauged {
        let (number, is_doubted) = match reading {
            Reading::Good(Value::Number(number)) => (*number, false),
            Reading::Uncertain(Value::Number(number), _) => (*number, true),
            _ => {
                self.watch.missing();
                self.flags = Flags::NONE;
                let sample = self.is_due(now).then_some((None, Quality::Bad));
                return self.gauged(now, &[], sample);
            }
        };
        let filtered = self.waves.take(now.into(), number, others_move);
        let changed = core::mem::replace(&mut self.flags, filtered.flags) != filtered.flags;
        self.outside_since =
            if filtered.flags.has(Flag::Limit) { self.outside_since.or(Some(now)) } else { None };
        let Some(stage_m) = filtered.stage_m else { return Gauged::default() };
        let stage_m = round_to(stage_m, self.decimals);
        let trust = match Trust::from(filtered.flags) {
            Trust::Good if is_doubted => Trust::Doubted,
            trust => trust,
        };
        let stage = Stage { at: now.into(), stage_m, trust, sigma_m: filtered.sigma_m };
        let crossings = self.watch.take(stage);
        if trust != Trust::Rejected {
            self.note(now, stage_m, filtered.flags, trust);
        }
        let stepped = trust != Trust::Rejected
            && self.sampled_m.is_none_or(|sampled_m| !(-STEP_M..STEP_M).contains(&(stage_m - sampled_m)));
        let worth = self.is_due(now) || !crossings.is_empty() || changed || stepped;
        self.gauged(now, &crossings, worth.then_some((Some(stage_m), trust.quality())))
    }

    fn note(&mut self, now: Instant, stage_m: f64, flags: Flags, trust: Trust) {
        if self.moved.is_none_or(|(moved_m, _)| !(-MOVED_M..MOVED_M).contains(&(stage_m - moved_m))) {
            // Where it is found at the start is no movement.
            let at = if self.moved.is_some() { now } else { Instant::default() };
            self.moved = Some((stage_m, at));
        }
        if self.rated_at.is_none_or(|rated_at| now.since(rated_at) >= RATED_EVERY) {
            self.rated_at = Some(now);
            let flags = if trust == Trust::Good { flags } else { flags.with(Flag::Sigma) };
            self.recent.take(now.into(), stage_m, flags);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    fn gauged(
        &mut self,
        now: Instant,
        crossings: &[Crossing],
        sample: Option<(Option<f64>, Quality)>,
    ) -> Gauged {
        let read_every = self.hurry(now);
        if let Some((stage_m, quality)) = sample {
            if quality != Quality::Bad {
                self.sampled_m = stage_m;
            }
            // Twelve an hour, whatever the rhythm of the readings; anew after a silence.
            let in_step = self.due.map(|due| due + self.interval).filter(|next| *next > now);
            self.due = Some(in_step.unwrap_or(now + self.interval).min(now + self.interval));
        }
        let crossed = crossings.iter().filter_map(|crossing| self.crossed(*crossing)).collect();
        Gauged { crossed, sample, read_every }
    }

    fn crossed(&self, crossing: Crossing) -> Option<Crossed> {
        let (line, level_m, stage_m, reached) = match crossing {
            Crossing::Reached { line, level_m, stage_m } => (line, level_m, stage_m, true),
            Crossing::Left { line, level_m, stage_m } => (line, level_m, stage_m, false),
        };
        let (_, condition) = self.conditions.iter().find(|(judged, _)| *judged == line)?;
        Some(Crossed { condition: *condition, stage_m, level_m, reached })
    }

    /// Samples follow the risk; how often the sensor must be read for it, if that has changed.
    fn hurry(&mut self, now: Instant) -> Option<Duration> {
        let rise_m = Rates::of(&self.recent, now.into()).ten_minutes.rise_m().unwrap_or(0.0);
        let wanted = if rise_m > FAST_M {
            RISING_FAST
        } else if self.watch.colour() >= Colour::Yellow {
            ABOVE_WARNING
        } else {
            USUAL
        };
        let interval = wanted.min(self.usual);
        if interval == self.interval {
            return None;
        }
        self.interval = interval;
        self.due = self.due.map(|due| due.min(now + interval));
        Some(interval / READS_A_SAMPLE)
    }
}
