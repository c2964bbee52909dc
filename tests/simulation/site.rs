//! What is installed in a world: detectors of a model whose two alarm registers lie too far apart for one
//! read, so that one device is asked for blocks of the same size, and a state block of another size and
//! function; and call units by their shipped profile.
use std::sync::Arc;
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::configuration::{
    Configuration, DeviceSettings, Installed, LineKind, LineSettings, PollTimes, UplinkSettings,
};
use shouwang_core::profile::{
    BlockRules, Condition, DeviceTiming, Grade, Kind as PointKind, Measures, Point, PollClass, Profile,
    Raises, Scale, Table, Test, WordOrder,
};
use shouwang_message::{Class, Id, Mode, Place, Priority, Text};

use super::scenario::{DeviceShape, Kind, Scenario};

/// Holding register of the smoke bit.
pub(super) const SMOKE: u16 = 0;
/// Holding register of the level.
pub(super) const LEVEL: u16 = 200;
/// Input registers of a 32-bit number that says which device it is.
pub(super) const WHO: u16 = 10;
/// The level alarms at this raw value.
pub(super) const LEVEL_LIMIT: u16 = 5_000;
/// The duty room that must hear everything.
pub(super) const DUTY_ROOM: &str = "duty-1";

/// What all worlds are made from.
#[derive(Debug)]
pub struct Site {
    smoke: Arc<Profile>,
    level: Arc<Profile>,
    call: Arc<Profile>,
}

pub(super) fn id(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| unreachable!("{text} is an id"))
}

pub(super) fn device_id(number: u16) -> Id {
    id(&format!("device-{number}"))
}

/// The number of the device of this id.
pub(super) fn number_of(device: &Id) -> Option<u16> {
    device.as_str().strip_prefix("device-")?.parse().ok()
}

impl Default for Site {
    fn default() -> Self {
        let catalog = Catalog::shipped();
        let call = catalog.get("shouwang-call-button").cloned();
        Self {
            smoke: Arc::new(detector(Class::Smoke)),
            level: Arc::new(detector(Class::WaterLevel)),
            call: call.unwrap_or_else(|| unreachable!("the call unit's profile is shipped")),
        }
    }
}

impl Site {
    pub(super) fn configuration(&self, scenario: &Scenario) -> Configuration {
        let poll = PollTimes {
            alarm: Duration::from_millis(500),
            state: Duration::from_secs(5),
            slow: Duration::from_secs(30),
        };
        let lines = (0..scenario.lines.len()).map(|line| LineSettings {
            name: id(&format!("line-{line}")),
            kind: LineKind::Serial { baud: 9600, bits: 10 },
            timeout: Duration::from_millis(200),
            poll,
        });
        Configuration {
            site: id("town"),
            gateway: id("gw-1"),
            name: "simulated".into(),
            version: "0".into(),
            digest: "sha256:0".into(),
            mode: Mode::Live,
            lines: lines.collect(),
            devices: scenario.devices.iter().map(|shape| self.device(shape)).collect(),
            stations: Vec::new(),
            uplink: UplinkSettings { hearers: vec![id(DUTY_ROOM)], signed_commands_only: false },
            outputs: Vec::new(),
            local_alarm: None,
            meters: Vec::new(),
            welfare: Vec::new(),
            sms: None,
            install_input: None,
        }
    }

    fn device(&self, shape: &DeviceShape) -> DeviceSettings {
        let profile = match shape.kind {
            Kind::Smoke => &self.smoke,
            Kind::Level => &self.level,
            Kind::CallUnit => &self.call,
        };
        DeviceSettings {
            id: device_id(shape.number),
            line: shape.line,
            unit_id: shape.unit_id,
            conditions: profile.conditions.clone(),
            profile: Arc::clone(profile),
            place: Place::default(),
            installed: Installed::default(),
        }
    }
}

fn detector(class: Class) -> Profile {
    let smoke = point(
        "smoke",
        Table::HoldingRegister,
        SMOKE,
        PointKind::Bool { bit: None, active_when: true },
        PollClass::Alarm,
    );
    let level = point("level", Table::HoldingRegister, LEVEL, PointKind::U16, PollClass::Alarm);
    let who = point("who", Table::InputRegister, WHO, PointKind::U32(WordOrder::Abcd), PollClass::State);
    Profile {
        name: format!("simulated-{class}"),
        class,
        vendor: "simulated".into(),
        model: "twin".into(),
        variant: None,
        title: Text::new("模拟设备", "Simulated device"),
        verified: Grade::Bench,
        source: "made for the simulation".into(),
        serial: None,
        high_unit_ids: false,
        timing: DeviceTiming::default(),
        blocks: BlockRules::default(),
        points: vec![smoke, level, who],
        status_bits: Vec::new(),
        conditions: vec![
            condition("smoke", 0, Test::Active, true),
            condition("level", 1, Test::High { limit: f64::from(LEVEL_LIMIT) }, false),
        ],
        identity: Vec::new(),
        call: None,
        warm_up: None,
        end_of_life: None,
        provisioning: Vec::new(),
        reset: None,
        forbidden: Vec::new(),
        lacks: Vec::new(),
    }
}

fn point(name: &str, table: Table, address: u16, kind: PointKind, poll: PollClass) -> Point {
    Point {
        name: name.into(),
        title: Text::new(name, name),
        table,
        address,
        vendor_address: None,
        kind,
        scale: Scale {
            numerator: 1,
            denominator: 1,
            offset: 0.0,
            decimals_from: None,
            unit_from_device: false,
        },
        decimals: 0,
        unit: None,
        range: None,
        error_values: Vec::new(),
        poll,
        meanings: Vec::new(),
        frozen: false,
        measures: Measures::Itself,
        writable: false,
    }
}

fn condition(name: &str, point: usize, test: Test, latched: bool) -> Condition {
    Condition {
        name: name.into(),
        text: Text::new(name, name),
        point,
        test,
        raises: Raises::Alarm,
        priority: Priority::Emergency,
        latched,
        deadband: 0.0,
        on_delay: Duration::ZERO,
        off_delay: Duration::ZERO,
        median: 1,
        in_a_row: 1,
        confirm: false,
        suppressed_by: None,
        override_reason: None,
    }
}
