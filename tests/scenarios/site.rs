//! Where the stories play: one gateway, its line, and devices made from the shipped profiles.
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::configuration::{
    Configuration, DeviceSettings, Installed, LineKind, LineSettings, LocalAlarmSettings, OutputSettings,
    PhoneSettings, PollTimes, SmsSettings, UplinkSettings,
};
use shouwang_core::meter::{Measured, MeterSettings};
use shouwang_core::profile::Condition;
use shouwang_core::station;
use shouwang_core::welfare::{Daytime, WelfareSettings};
use shouwang_message::{Class, Id, Mode, Place, StationInfo, WelfareSign};

/// The line's name and the one every device hangs on.
pub(crate) const LINE: &str = "b3-rs485";

/// A configuration in the making.
pub(crate) struct Site {
    catalog: Catalog,
    configuration: Configuration,
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no id"))
}

impl Site {
    pub(crate) fn new() -> Self {
        let poll = PollTimes {
            alarm: Duration::from_millis(500),
            state: Duration::from_secs(5),
            slow: Duration::from_secs(30),
        };
        let line = LineSettings {
            name: id(LINE),
            kind: LineKind::Serial { baud: 9600, bits: 10 },
            timeout: Duration::from_millis(200),
            poll,
        };
        let configuration = Configuration {
            site: id("heping"),
            gateway: id("gw-0007"),
            name: "和平社区 7 号网关".into(),
            version: "1".into(),
            digest: "sha256:0".into(),
            mode: Mode::Live,
            lines: vec![line],
            devices: Vec::new(),
            stations: Vec::new(),
            outputs: Vec::new(),
            local_alarm: None,
            meters: Vec::new(),
            welfare: Vec::new(),
            sms: None,
            install_input: None,
            uplink: UplinkSettings { hearers: vec![id("duty-1")], signed_commands_only: false },
        };
        Self { catalog: Catalog::shipped(), configuration }
    }

    pub(crate) fn smoke(self, name: &str, unit_id: u8) -> Self {
        self.device(name, unit_id, "renke-rs-yg-n01")
    }

    /// A methane head that tells %LEL.
    pub(crate) fn gas(self, name: &str, unit_id: u8) -> Self {
        self.device(name, unit_id, "es-ch4-01").installed(|installed| installed.unit = Some("%LEL".into()))
    }

    pub(crate) fn call(self, name: &str, unit_id: u8) -> Self {
        self.device(name, unit_id, "shouwang-call-button")
    }

    /// A probe in mm under the station `qingshi-bridge`, polled every 5 s, with the example's four lines.
    pub(crate) fn river(self, name: &str, unit_id: u8) -> Self {
        let mut site = self.device(name, unit_id, "generic-qdy30a").installed(|installed| {
            installed.unit = Some("mm".into());
            installed.datum = Some("1985".into());
            installed.datum_m = Some(0.0);
        });
        let lines = [("design", 3.0), ("warning", 3.3), ("guarantee", 3.8), ("record", 4.2)];
        let device = site.last();
        let point = device.profile.point("level_m").unwrap_or_else(|| panic!("a level"));
        let station = StationInfo {
            device: Some(id(name)),
            point: Some("level_m".into()),
            ..StationInfo::new(id("qingshi-bridge"), "青石桥", "1985", lines)
        };
        device.conditions.extend(station::conditions(&station, point));
        site.configuration.stations.push(station);
        site
    }

    /// Somebody who lives at `flat-402` is watched over by this point of the device added last, by day.
    pub(crate) fn watched(mut self, sign: WelfareSign, point: &str, hours: u64) -> Self {
        let device = self.configuration.devices.len() - 1;
        let settings = self.last();
        let point = settings.profile.point(point).unwrap_or_else(|| panic!("no point {point}"));
        let (is_water, day) = (sign == WelfareSign::Water, Daytime { from: 360, to: 1_320, utc_offset: 480 });
        let rule = WelfareSettings {
            id: id("flat-402"),
            name: "3号楼2单元402".into(),
            place: Place { name: Some("3号楼2单元402".into()), ..Place::default() },
            device,
            point,
            sign,
            least: if is_water { 10 } else { 1 },
            window: Duration::from_secs(hours * 3600),
            per_pulse: is_water.then_some(0.001),
            day,
        };
        settings.conditions.retain(|condition| condition.point != point);
        settings.conditions.push(rule.condition());
        self.configuration.welfare.push(rule);
        self
    }

    /// A meter at this counter of the device added last.
    pub(crate) fn metered(mut self, name: &str, measured: Measured, point: &str, per_pulse: f64) -> Self {
        let device = self.configuration.devices.len() - 1;
        let point = self.last().profile.point(point).unwrap_or_else(|| panic!("no point {point}"));
        let meter = MeterSettings { id: id(name), name: name.into(), device, point, measured, per_pulse };
        self.configuration.meters.push(meter);
        self
    }

    /// Devices that tell of alarms are asked so often, s: for stories of days.
    pub(crate) fn alarm_poll(mut self, seconds: u64) -> Self {
        self.configuration.lines.iter_mut().for_each(|line| line.poll.alarm = Duration::from_secs(seconds));
        self
    }

    /// The last station, with something of its own.
    pub(crate) fn station(mut self, change: impl FnOnce(&mut StationInfo)) -> Self {
        if let Some(station) = self.configuration.stations.last_mut() {
            change(station);
        }
        self
    }

    /// Devices that are no alarms are asked so often, s.
    pub(crate) fn state_poll(mut self, seconds: u64) -> Self {
        self.configuration.lines.iter_mut().for_each(|line| line.poll.state = Duration::from_secs(seconds));
        self
    }

    /// A box with a siren, a lamp that shows lost contact, and a button for quiet; with the default times.
    pub(crate) fn siren(mut self, name: &str, unit_id: u8) -> Self {
        let file = shouwang_tests::program::root().join("tests/profiles/acme-siren-1.toml");
        self.catalog.add_file(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut site = self.device(name, unit_id, "acme-siren-1");
        let device = site.configuration.devices.len() - 1;
        let profile = site.last().profile.clone();
        let point = |name: &str| profile.point(name).unwrap_or_else(|| panic!("no point {name}"));
        site.last().conditions.retain(|condition| condition.point != point("quiet"));
        site.configuration.outputs = vec![
            OutputSettings { name: id("siren-gate"), device, point: point("siren") },
            OutputSettings { name: id("lamp-gate"), device, point: point("lamp") },
        ];
        site.configuration.local_alarm = Some(LocalAlarmSettings {
            unheard: Duration::from_secs(30),
            unacknowledged: Duration::from_secs(180),
            output: 0,
            no_contact: Some(1),
            silence: Some((device, point("quiet"))),
        });
        site
    }

    /// The button for quiet opens the installer's pages too.
    pub(crate) fn door(mut self) -> Self {
        self.configuration.install_input = self.configuration.local_alarm.and_then(|local| local.silence);
        self
    }

    /// A person who is texted what no duty room hears for so long; of these classes, or of all.
    pub(crate) fn phone(mut self, person: &str, after_s: u64, classes: &[Class]) -> Self {
        let after = Duration::from_secs(after_s);
        let phone = PhoneSettings { person: id(person), after, classes: classes.to_vec() };
        self.configuration
            .sms
            .get_or_insert(SmsSettings { rings: true, phones: Vec::new() })
            .phones
            .push(phone);
        self
    }

    pub(crate) fn device(mut self, name: &str, unit_id: u8, profile: &str) -> Self {
        let profile = self.catalog.get(profile).unwrap_or_else(|| panic!("no profile {profile}")).clone();
        self.configuration.devices.push(DeviceSettings {
            id: id(name),
            line: 0,
            unit_id,
            conditions: profile.conditions.clone(),
            profile,
            place: Place {
                building: Some("3".into()),
                room: Some(name.into()),
                name: Some(format!("3号楼{name}")),
                ..Place::default()
            },
            installed: Installed::default(),
        });
        self
    }

    /// The device added last stands in another building.
    pub(crate) fn building(mut self, building: &str) -> Self {
        self.last().place.building = Some(building.into());
        self
    }

    /// Changes what belongs to the device added last.
    pub(crate) fn installed(mut self, change: impl FnOnce(&mut Installed)) -> Self {
        change(&mut self.last().installed);
        self
    }

    /// Changes how the device added last is judged.
    pub(crate) fn judged(mut self, change: impl FnMut(&mut Condition)) -> Self {
        self.last().conditions.iter_mut().for_each(change);
        self
    }

    pub(crate) fn signed_commands_only(mut self) -> Self {
        self.configuration.uplink.signed_commands_only = true;
        self
    }

    /// The last station made.
    pub(crate) fn last_station(&self) -> &StationInfo {
        self.configuration.stations.last().unwrap_or_else(|| panic!("a station first"))
    }

    pub(crate) fn configuration(self) -> Configuration {
        self.configuration
    }

    fn last(&mut self) -> &mut DeviceSettings {
        self.configuration.devices.last_mut().unwrap_or_else(|| panic!("a device first"))
    }
}
