//! One station as it is now, for its page: what its number is worth, its colour, its neighbours.
use alloc::string::String;

use shouwang_message::{AlarmId, DeviceState, Id, Instant, Mode, Quality, RainGauge, StationInfo, Timestamp};
use shouwang_river::{Agreement, Colour, Line, Lines};

use super::standing::READ_FOR_S;
use super::{About, Sample, Standing, Station, about};
use crate::board::Board;
use crate::presence::Presence;
use crate::row::Row;
use crate::trust::shown;

/// Two samples of a sensor lie so far apart if its gateway says nothing else.
const INTERVAL_S: u32 = 300;

/// Everything a station's page needs but its readings.
#[derive(Clone, Debug)]
pub struct StationNow {
    pub info: StationInfo,
    pub lines: Lines,
    pub colour: Colour,
    pub standing: Standing,
    /// What the headline is about: the sensor's newest, or a person's where there is no sensor.
    pub newest: Option<Sample>,
    pub clock_unset: bool,
    /// Its gateway plays: everything is marked.
    pub simulated: bool,
    /// The highest alarm of this station that is active.
    pub alarm: Option<AlarmId>,
    pub about: About,
    /// Id and name.
    pub upstream: Option<(Id, String)>,
    pub downstream: Option<(Id, String)>,
    /// A year has passed since somebody checked the datum, or nobody ever did.
    pub is_unchecked: bool,
    /// Seconds between two samples, for gaps in the graph.
    pub interval_s: u32,
    /// Rain of the last hour and the last day, mm, by the gauge beside it; none unless it is the present.
    pub rain_mm: Option<(f64, f64)>,
}

impl Board {
    /// None if there never was such a station.
    pub fn station_now(&self, now: Instant, id: &Id) -> Option<StationNow> {
        let station = self.stations.get(id)?;
        let has_sensor = station.info.device.is_some();
        let interval_s = match (has_sensor, station.info.interval_s) {
            (false, _) => READ_FOR_S / 2,
            (true, told) => told.unwrap_or(INTERVAL_S),
        };
        let newest = match &station.newest {
            Some(newest) if has_sensor => Some(newest.sample),
            _ if has_sensor => None,
            _ => station.manual.back().map(|reading| reading.sample()),
        };
        let name_of = |other: &Option<Id>| {
            let other = self.stations.get(other.as_ref()?)?;
            Some((other.info.id.clone(), other.info.name.clone()))
        };
        let is_old = |newest: Sample| is_older(newest.at, self.wall, 2 * interval_s);
        let standing = self.standing(now, station).unwrap_or(match newest {
            None => Standing::NoData,
            Some(newest) if newest.quality == Quality::Bad || newest.stage_m.is_none() => Standing::Bad,
            Some(newest) => match station.judged.staff.agreement() {
                Agreement::AskAgain { read_m, sensor_m } => {
                    Standing::Uncertain { read_m, sensor_m, again: true }
                }
                Agreement::SensorDoubted { read_m, sensor_m } => {
                    Standing::Uncertain { read_m, sensor_m, again: false }
                }
                Agreement::Agreed if is_old(newest) => Standing::Stale,
                Agreement::Agreed if newest.quality == Quality::Uncertain => Standing::Doubtful,
                Agreement::Agreed => Standing::Live,
            },
        });
        Some(StationNow {
            lines: station.judged.lines.clone(),
            colour: self.colour_of(id),
            standing,
            newest,
            clock_unset: has_sensor && station.newest.as_ref().is_some_and(|newest| newest.clock_unset),
            simulated: self.is_simulated(station),
            alarm: self.station_alarm(station),
            upstream: name_of(&station.about.upstream),
            downstream: name_of(&station.about.downstream),
            is_unchecked: about::is_unchecked(&station.about, self.wall),
            about: station.about.clone(),
            info: station.info.clone(),
            interval_s,
            rain_mm: self.rain_beside(now, station),
        })
    }

    fn rain_beside(&self, now: Instant, station: &Station) -> Option<(f64, f64)> {
        let rain = station.info.rain.as_ref()?;
        let gateway = self.gateways.get(&station.whom())?;
        let device = gateway.devices.get(&rain.device)?;
        if self.stale(now, gateway, device).is_some() {
            return None;
        }
        let mm = |name: String| device.good_number(&name);
        Some((mm(RainGauge::of_the_hour(&rain.meter))?, mm(RainGauge::of_the_day(&rain.meter))?))
    }

    /// What keeps its number from being the present, before one looks at the number.
    pub(crate) fn standing(&self, now: Instant, station: &Station) -> Option<Standing> {
        if !station.listed {
            return Some(Standing::Closed);
        }
        let device_id = station.info.device.as_ref()?;
        let since = station.newest.as_ref().map(|newest| newest.sample.at);
        let Some(gateway) = self.gateways.get(&station.whom()) else {
            return Some(Standing::GatewayLost(since));
        };
        let device = gateway.devices.get(device_id);
        let state = device.and_then(|device| device.state.as_ref());
        match state.map(|state| state.state) {
            Some(DeviceState::OutOfService) => {
                let upstream = station.about.upstream.as_ref().and_then(|id| self.stations.get(id));
                let reason = state.and_then(|state| state.why.as_deref()).map(shown).unwrap_or_default();
                let upstream = upstream.map(|upstream| upstream.info.name.clone());
                let until = self.out_of_service_until(station, device_id);
                return Some(Standing::OutOfService { reason, until, upstream });
            }
            Some(DeviceState::Test) => return Some(Standing::Exercise(Mode::Test)),
            _ => {}
        }
        if self.is_drilled(device_id) {
            return Some(Standing::Exercise(Mode::Drill));
        }
        let is_gone = matches!(gateway.watch.presence, Presence::Lost | Presence::Stopped);
        // Without our own link we hear no gateway either.
        let newest = station.newest.as_ref();
        let is_cut = !self.link_up && newest.is_none_or(|newest| newest.told.is_none_or(|told| now > told));
        if is_gone || is_cut {
            return Some(Standing::GatewayLost(since));
        }
        match state.map(|state| state.state) {
            Some(DeviceState::Lost) => Some(Standing::DeviceLost(since)),
            Some(DeviceState::Fault) => Some(Standing::Bad),
            _ => None,
        }
    }

    fn out_of_service_until(&self, station: &Station, device: &Id) -> Option<Timestamp> {
        let whom = station.whom();
        let rows = self.rows.values().filter(|row| row.belongs_to(&whom) && row.device() == Some(device));
        rows.filter_map(|row| Some(row.alarm_document()?.out_of_service.as_ref()?.until)).max()
    }

    fn is_drilled(&self, device: &Id) -> bool {
        self.rows.values().any(|row| row.is_drill() && row.device() == Some(device))
    }

    /// Its gateway says so of everything it raises.
    pub(crate) fn is_simulated(&self, station: &Station) -> bool {
        let whom = station.whom();
        let mut told = self.rows.values().chain(&self.finished).filter(|row| row.belongs_to(&whom));
        told.any(|row| row.alarm_document().is_some_and(|document| document.mode == Mode::Simulated))
    }

    fn station_alarm(&self, station: &Station) -> Option<AlarmId> {
        let (own, whom, id) = (self.own_name(), station.whom(), &station.info.id);
        let is_its = |row: &&Row| {
            let device = row.device();
            let is_own = row.belongs_to(&own) && device == Some(id);
            let is_gateways =
                row.belongs_to(&whom) && device.is_some() && device == station.info.device.as_ref();
            !row.finished && (is_own || is_gateways)
        };
        let alarms = self.rows.values().filter(is_its).filter_map(Row::alarm_document);
        let active = alarms.filter(|document| document.active);
        let lines =
            active.filter_map(|document| Some((Line::of_condition(&document.condition)?, document.id)));
        lines.max().map(|(_, id)| id)
    }
}

fn is_older(at: Timestamp, wall: Timestamp, seconds: u32) -> bool {
    wall.unix_ms() - at.unix_ms() > i64::from(seconds) * 1_000
}
