//! River stations: which there are, by their gateways' word; which readings are theirs, for the hands to keep; and what
//! people read off the staff, kept and judged here.
mod about;
mod gaps;
mod judging;
pub(crate) mod manual;
mod now;
mod own_alarm;
mod standing;
mod warning;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{
    Clock, HistoryDocument, Id, Instant, LineRule, PointValue, Quality, StationInfo, Text, Timestamp,
    ValuesDocument,
};

use crate::board::Board;
use crate::trust::{Refusal, shown};
use crate::{GatewayName, Output, bounds, kept};

pub use about::{About, Impact};
pub use gaps::gaps;
pub(crate) use judging::Judged;
pub use manual::{ManualReading, ReadingAsked};
pub use now::StationNow;
pub(crate) use own_alarm::OwnLog;
pub use standing::{Sentence, Standing, Telling, age, hour_of, recent_of, trend_words, whole_cm};
pub use warning::{Forwarded, WARNING_CHARACTERS};

/// A reading this much later than our clock was stamped by a clock that is wrong: the time of its arrival counts.
pub(crate) const FUTURE_MS: i64 = 5 * 60_000;

/// A stage at a moment, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub at: Timestamp,
    /// Metres in the station's datum.
    pub stage_m: Option<f64>,
    pub quality: Quality,
}

/// The newest that a station's sensor told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Newest {
    pub(crate) sample: Sample,
    /// The reason, where there is no stage.
    pub(crate) why: Option<String>,
    /// The clock that stamped it was never set: its time is that of the arrival.
    pub(crate) clock_unset: bool,
    /// When it arrived, on steady time; not for what the broker had kept.
    pub(crate) told: Option<Instant>,
}

/// One station.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Station {
    site: Id,
    gateway: Id,
    pub(crate) info: StationInfo,
    /// Its gateway's newest `/info` has it: 本站已撤销 otherwise.
    pub(crate) listed: bool,
    /// What people read last, oldest first by their own times.
    pub(crate) manual: VecDeque<ManualReading>,
    /// What the village says of it.
    #[serde(default)]
    pub(crate) about: About,
    #[serde(skip)]
    pub(crate) newest: Option<Newest>,
    #[serde(skip)]
    pub(crate) judged: Judged,
}

impl Station {
    fn new(site: Id, gateway: Id, info: StationInfo) -> Self {
        let (manual, about, newest, judged) = Default::default();
        Self { site, gateway, info, listed: true, manual, about, newest, judged }
    }

    pub(crate) fn whom(&self) -> GatewayName {
        GatewayName { site: self.site.clone(), gateway: self.gateway.clone() }
    }

    fn is_read_by(&self, whom: &GatewayName, device: &Id, point: &str) -> bool {
        self.site == whom.site
            && self.gateway == whom.gateway
            && self.info.device.as_ref() == Some(device)
            && self.info.point.as_deref() == Some(point)
    }
}

impl Board {
    /// A gateway says which stations it has.
    pub(crate) fn stations_arrived(&mut self, whom: &GatewayName, told: Vec<StationInfo>) {
        let mut named: Vec<Id> = Vec::new();
        for info in told {
            let id = info.id.clone();
            let known = self.stations.get(&id);
            let is_of_another = known.is_some_and(|known| known.whom() != *whom);
            if known.is_some_and(|known| is_of_another && known.listed) {
                let text =
                    Text::new("两个网关有同一个站点编号", "Two gateways have a station of the same id");
                self.gap(whom, "station_twice", 1, text);
                continue;
            }
            if known.is_none() && self.stations.len() >= bounds::STATIONS {
                let text = Text::new("站点数量超过上限", "More stations than this duty room can hold");
                self.gap(whom, "too_many_stations", 1, text);
                continue;
            }
            named.push(id.clone());
            let info = safe(info);
            if known.is_some_and(|known| known.listed && known.info == info) {
                continue;
            }
            let known = self.stations.remove(&id);
            let (site, gateway) = (whom.site.clone(), whom.gateway.clone());
            let station = match known {
                Some(known) => Station { site, gateway, info, listed: true, ..known },
                None => Station::new(site, gateway, info),
            };
            self.stations.insert(id.clone(), station);
            if is_of_another && let Some(station) = self.stations.get_mut(&id) {
                station.newest = None;
            }
            self.lines_are_known(&id);
            self.keep_station(&id);
        }
        let gone = |station: &Station| station.listed && station.whom() == *whom;
        let gone = self.stations.iter().filter(|(id, station)| gone(station) && !named.contains(id));
        let gone: Vec<Id> = gone.map(|(id, _)| id.clone()).collect();
        for id in gone {
            if let Some(station) = self.stations.get_mut(&id) {
                station.listed = false;
                station.newest = None;
            }
            self.keep_station(&id);
        }
    }

    /// Of a device's values those that are a station's stage.
    pub(crate) fn stages_arrived(
        &mut self,
        now: Instant,
        whom: &GatewayName,
        device: &Id,
        document: &ValuesDocument,
        retained: bool,
    ) {
        let clock = self.gateways.get(whom).and_then(|gateway| gateway.heartbeat.as_ref());
        let is_unset = clock.is_some_and(|heartbeat| heartbeat.clock == Clock::Unset);
        let clock_unset = is_unset || document.at.unix_ms() > self.wall.unix_ms() + FUTURE_MS;
        let at = if clock_unset { self.wall } else { document.at };
        for (point, value) in &document.values {
            let Some((id, station)) =
                self.stations.iter_mut().find(|(_, station)| station.is_read_by(whom, device, point))
            else {
                continue;
            };
            let id = id.clone();
            let sample = Sample { at, stage_m: stage_of(value), quality: value.quality };
            let is_older = station.newest.as_ref().is_some_and(|newest| newest.sample.at > at);
            // Told again is the same telling.
            let again = station.newest.as_ref().filter(|newest| newest.sample.at == at);
            let told = again.map_or((!retained).then_some(now), |again| again.told);
            if !is_older {
                let why = value.why.as_deref().map(shown);
                station.newest = Some(Newest { sample, why, clock_unset, told });
            }
            // Kept by the broker and stamped by nobody: of no known time.
            if !(retained && clock_unset) {
                self.out.push(Output::Record { station: id.clone(), samples: [sample].into() });
            }
            self.sensor_told(&id, sample);
        }
    }

    /// Back-filled readings: theirs are their own times, whatever their order.
    pub(crate) fn history_arrived(
        &mut self,
        whom: &GatewayName,
        document: &HistoryDocument,
    ) -> Result<(), Refusal> {
        let latest = self.wall.unix_ms() + FUTURE_MS;
        let mut those = self.stations.iter();
        let id = those.find(|(_, one)| one.is_read_by(whom, &document.device, &document.point));
        let Some((id, _)) = id else { return Ok(()) };
        if document.readings.iter().any(|(at, _, _)| at.unix_ms() > latest) {
            return Err(Refusal::Contradiction);
        }
        let readings = document.readings.iter();
        let samples: Vec<Sample> = readings
            .map(|(at, stage_m, quality)| {
                let stage_m = stage_m.filter(|stage_m| is_stage(*stage_m));
                Sample { at: *at, stage_m, quality: *quality }
            })
            .collect();
        let id = id.clone();
        for sample in &samples {
            self.sensor_told(&id, *sample);
        }
        self.out.push(Output::Record { station: id, samples });
        Ok(())
    }

    /// Law 5: what the disk had no place for is a row, counted, until a person has seen it.
    pub(crate) fn readings_lost(&mut self, count: u64) {
        let own = self.own_name();
        let text = Text::new("水位读数未能保存", "Readings of river stations found no place on the disk");
        self.gap(&own, "readings_lost", count, text);
    }

    pub(crate) fn keep_station(&mut self, id: &Id) {
        let text = self.stations.get(id).and_then(|station| serde_json::to_string(station).ok());
        self.keep.push((kept::station(id), text));
    }

    pub(crate) fn remember_station(&mut self, value: &str) -> Option<()> {
        let station: Station = serde_json::from_str(value).ok()?;
        let station = Station { info: safe(station.info), ..station };
        self.stations.insert(station.info.id.clone(), station);
        Some(())
    }

    /// The alarms of before are here again, and so are their stations.
    pub(crate) fn stations_restored(&mut self) {
        let ids: Vec<Id> = self.stations.keys().cloned().collect();
        for id in ids {
            self.lines_are_known(&id);
        }
    }

    /// Every station that a gateway lists, in order of id: id, name, newest reading, colour.
    pub fn stations(&self) -> Vec<Value> {
        let listed = self.stations.values().filter(|station| station.listed);
        listed.map(|station| self.station_item(station)).collect()
    }

    /// The same of one, also of one that was closed.
    pub fn station(&self, id: &Id) -> Option<Value> {
        self.stations.get(id).map(|station| self.station_item(station))
    }

    fn station_item(&self, station: &Station) -> Value {
        let sensor = station.newest.as_ref().map(|newest| (newest.sample, "sensor"));
        let manual = station.manual.back().map(|manual| (manual.sample(), "manual"));
        let newest = [sensor, manual].into_iter().flatten().max_by_key(|(sample, _)| sample.at);
        let newest = newest.map(|(sample, source)| {
            json!({ "at": sample.at, "stage_m": sample.stage_m, "quality": sample.quality, "source": source })
        });
        json!({ "id": station.info.id, "name": station.info.name, "listed": station.listed,
            "datum": station.info.datum, "lines": station.info.lines, "has_sensor": station.info.device.is_some(),
            "colour": self.colour_of(&station.info.id).word(), "newest": newest })
    }
}

fn stage_of(value: &PointValue) -> Option<f64> {
    let stage = value.value.as_ref().and_then(shouwang_message::Value::as_number);
    stage.filter(|stage_m| is_stage(*stage_m))
}

/// Metres that a river can have: anything else is no stage and no line.
fn is_stage(metres: f64) -> bool {
    metres.abs() < bounds::STAGE_M
}

/// Texts from outside become short, and safe to show; lines and bounds that no river has go.
fn safe(info: StationInfo) -> StationInfo {
    let lines: BTreeMap<String, f64> = info
        .lines
        .into_iter()
        .filter(|(_, metres)| is_stage(*metres))
        .take(bounds::LINES_PER_STATION)
        .map(|(name, metres)| (shown(&name), metres))
        .collect();
    let rules = info.rules.into_iter().filter(|(_, rule)| is_rule(rule)).take(bounds::LINES_PER_STATION);
    let rules = rules.map(|(name, rule)| (shown(&name), rule)).collect();
    let range_m = info.range_m.filter(|(low, high)| is_stage(*low) && is_stage(*high));
    StationInfo { name: shown(&info.name), datum: shown(&info.datum), lines, rules, range_m, ..info }
}

/// As far as a gateway's own configuration may go; another is held and left as usual.
fn is_rule(rule: &LineRule) -> bool {
    (0.0..=bounds::DEADBAND_M).contains(&rule.deadband_m)
        && rule.on_delay_s <= bounds::ON_DELAY_S
        && rule.off_delay_s <= bounds::OFF_DELAY_S
}
