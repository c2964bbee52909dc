//! What a month's cases say about the watch, by grid and by device: how fast, how well, how often false. Drills and
//! tests are never among the live ones. Where there is nothing to measure there is no number.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use shouwang_message::{Class, Mode, Priority, Timestamp};

use crate::case::{Case, Conclusion};
use crate::handling::{later, usually_handled_within};

/// Devices named as the month's worst.
const OFFENDERS: usize = 10;

/// Figures of a set of cases, gathered one by one with [`Self::add`].
#[derive(Debug, Default)]
pub struct Figures {
    grids: BTreeMap<String, Gathered>,
    whole: Gathered,
    devices: BTreeMap<String, DeviceFigures>,
    /// How many of each priority, live.
    priorities: BTreeMap<Priority, u64>,
    /// Drills, tests and what was simulated: counted, and nothing else.
    not_live: u64,
}

#[derive(Debug, Default)]
struct Gathered {
    cases: u64,
    to_acknowledge_s: Vec<u64>,
    to_arrive_s: Vec<u64>,
    to_find_s: Vec<u64>,
    to_handle_s: Vec<u64>,
    in_time: u64,
    supervised: u64,
    well_told: u64,
    handled: u64,
    rated: u64,
    satisfied: u64,
    concluded: u64,
    false_alarms: u64,
    first: BTreeMap<&'static str, Timestamp>,
}

/// One device's month.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceFigures {
    pub device: String,
    /// Where it was when it first told of something.
    pub place: String,
    pub alarms: u64,
    pub concluded: u64,
    /// Cooking smoke is one too.
    pub false_alarms: u64,
    /// Of the concluded ones those that were false.
    pub false_rate: Option<f64>,
}

/// The shortest times that half, and 95 in 100, did not exceed; and the longest. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Times {
    pub count: usize,
    pub p50_s: Option<u64>,
    pub p95_s: Option<u64>,
    pub slowest_s: Option<u64>,
}

/// One grid's month.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grid {
    /// Empty where the place names none.
    pub grid: String,
    pub cases: u64,
    pub to_acknowledge: Times,
    pub to_arrive: Times,
    /// From when a person saw it until it was here; of what devices tell there is no such time.
    pub to_find: Times,
    /// From when it was raised until it was handled.
    pub to_handle: Times,
    /// 上报质量: of all cases those with a place and a conclusion, and of what a person reported also a picture.
    pub quality_rate: Option<f64>,
    /// 解决效率: of all cases those handled by the time that was set for them; of cases from before such times were
    /// kept, within 4 h (emergency), 24 h (urgent), 72 h (others).
    pub in_time_rate: Option<f64>,
    /// 督办: cases that were not accepted, or not handled, in their time.
    pub supervised: u64,
    /// Of all cases those that were handled.
    pub handled_rate: Option<f64>,
    /// Of the rated ones those with four stars or more.
    pub satisfied_rate: Option<f64>,
    pub false_alarms: u64,
    /// Of the concluded ones those that were false.
    pub false_rate: Option<f64>,
    /// The four firsts: `found accepted arrived handled`.
    pub firsts: BTreeMap<&'static str, Timestamp>,
}

impl Figures {
    /// A case as it was kept; false if it is none.
    pub fn add(&mut self, kept: &str) -> bool {
        let Ok(case) = serde_json::from_str::<Case>(kept) else { return false };
        let about = &case.about;
        if about.mode != Mode::Live || matches!(case.conclusion, Some(Conclusion::Test | Conclusion::Drill)) {
            self.not_live += 1;
            return true;
        }
        *self.priorities.entry(about.priority).or_default() += 1;
        let device = self.devices.entry(about.device.as_str().into()).or_insert_with(|| DeviceFigures {
            device: about.device.as_str().into(),
            place: about.place.name.clone().unwrap_or_default(),
            ..DeviceFigures::default()
        });
        let is_false = matches!(case.conclusion, Some(Conclusion::FalseAlarm | Conclusion::Cooking));
        device.alarms += 1;
        device.concluded += u64::from(case.conclusion.is_some());
        device.false_alarms += u64::from(is_false);
        self.grids.entry(about.place.grid.clone().unwrap_or_default()).or_default().add(&case, is_false);
        self.whole.add(&case, is_false);
        true
    }

    /// The grids in their order, each with its figures.
    pub fn grids(&self) -> Vec<Grid> {
        self.grids.iter().map(|(grid, gathered)| gathered.told(grid)).collect()
    }

    /// All grids as one, without a name.
    pub fn whole(&self) -> Grid {
        self.whole.told("")
    }

    /// The devices that told of something, those that were most often wrong first.
    pub fn devices(&self) -> Vec<DeviceFigures> {
        let mut worst: Vec<DeviceFigures> = self.devices.values().cloned().collect();
        worst.sort_by_key(|device| core::cmp::Reverse((device.false_alarms, device.alarms)));
        for device in &mut worst {
            device.false_rate = rate(device.false_alarms, device.concluded);
        }
        worst
    }

    /// Drills, tests and what was simulated: in no other figure.
    pub fn not_live(&self) -> u64 {
        self.not_live
    }

    /// Everything as JSON.
    pub fn item(&self) -> serde_json::Value {
        let all: u64 = self.priorities.values().sum();
        let share = |priority| rate(self.priorities.get(&priority).copied().unwrap_or_default(), all);
        let mut worst = self.devices();
        worst.truncate(OFFENDERS);
        serde_json::json!({
            "grids": self.grids(), "offenders": worst, "not_live": self.not_live, "cases": all,
            "priorities": [
                {"priority": Priority::Emergency, "share": share(Priority::Emergency), "target": 0.05},
                {"priority": Priority::Urgent, "share": share(Priority::Urgent), "target": 0.15},
                {"priority": Priority::Ordinary, "share": rate(
                    self.priorities.iter().filter(|(priority, _)| **priority >= Priority::Ordinary)
                        .map(|(_, count)| count).sum(), all), "target": 0.80},
            ],
        })
    }
}

impl Gathered {
    fn add(&mut self, case: &Case, is_false: bool) {
        let raised = case.about.raised_at;
        self.cases += 1;
        self.see("found", Some(raised));
        let accepted = case.accepted.as_ref().map(|stamp| stamp.at);
        let on_site = case.on_site.as_ref().map(|stamp| stamp.at);
        let handled = case.handled.as_ref().map(|stamp| stamp.at);
        self.to_acknowledge_s.extend(accepted.and_then(|at| seconds(raised, at)));
        self.to_arrive_s.extend(accepted.zip(on_site).and_then(|(from, to)| seconds(from, to)));
        self.to_handle_s.extend(handled.and_then(|at| seconds(raised, at)));
        let handle_by =
            case.handle_by.unwrap_or_else(|| later(raised, usually_handled_within(case.about.priority)));
        self.in_time += u64::from(handled.is_some_and(|at| at <= handle_by));
        self.supervised += u64::from(!case.supervised.is_empty());
        let is_report = case.about.class == Class::Report;
        let reported = case.steps.iter().find(|done| is_report && done.step == "report");
        self.to_find_s.extend(reported.and_then(|done| seconds(raised, done.at)));
        let place = &case.about.place;
        let has_place = [&place.name, &place.room, &place.building].into_iter().any(Option::is_some);
        let is_seen = !is_report || !case.photos.is_empty();
        self.well_told += u64::from(has_place && is_seen && case.conclusion.is_some());
        self.see("accepted", accepted);
        self.see("arrived", on_site);
        self.see("handled", handled);
        self.handled += u64::from(case.is_concluded());
        self.concluded += u64::from(case.conclusion.is_some());
        self.false_alarms += u64::from(is_false);
        self.rated += u64::from(case.stars.is_some());
        self.satisfied += u64::from(case.stars.is_some_and(|stars| stars >= 4));
    }

    fn see(&mut self, what: &'static str, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        let first = self.first.entry(what).or_insert(at);
        *first = at.min(*first);
    }

    fn told(&self, grid: &str) -> Grid {
        Grid {
            grid: grid.into(),
            cases: self.cases,
            to_acknowledge: times(&self.to_acknowledge_s),
            to_arrive: times(&self.to_arrive_s),
            to_find: times(&self.to_find_s),
            to_handle: times(&self.to_handle_s),
            quality_rate: rate(self.well_told, self.cases),
            in_time_rate: rate(self.in_time, self.cases),
            supervised: self.supervised,
            handled_rate: rate(self.handled, self.cases),
            satisfied_rate: rate(self.satisfied, self.rated),
            false_alarms: self.false_alarms,
            false_rate: rate(self.false_alarms, self.concluded),
            firsts: self.first.clone(),
        }
    }
}

/// None where clocks disagree: no answer comes before its question.
fn seconds(from: Timestamp, to: Timestamp) -> Option<u64> {
    u64::try_from(to.unix_ms() - from.unix_ms()).ok().map(|ms| ms.div_ceil(1_000))
}

fn times(took_s: &[u64]) -> Times {
    let mut sorted = took_s.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
    Times { count: sorted.len(), p50_s: at(50), p95_s: at(95), slowest_s: at(100) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a month are far below 2^52")]
fn rate(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}
