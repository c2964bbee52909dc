//! What is installed in every world: a model whose two alarm registers lie too far apart for one read, so
//! that one device is asked for blocks of the same size, and a state block of another size and function.
use std::sync::Arc;
use std::time::Duration;

use shouwang_core::configuration::{
    Configuration, DeviceSettings, Installed, LineKind, LineSettings, PollTimes, UplinkSettings,
};
use shouwang_core::profile::{
    BlockRules, Condition, DeviceTiming, Grade, Kind, Measures, Point, PollClass, Profile, Raises, Scale,
    Table, Test, WordOrder,
};
use shouwang_message::{Class, Id, Mode, Place, Priority, Text};

/// Holding register of the smoke bit.
pub(super) const SMOKE: u16 = 0;
/// Holding register of the level.
pub(super) const LEVEL: u16 = 200;
/// Input registers of a 32-bit number that says which device it is.
pub(super) const WHO: u16 = 10;
/// The level alarms at this raw value.
pub(super) const LEVEL_LIMIT: u16 = 1_000;

/// Names the devices of each line; the world has as many lines as entries.
pub(super) fn configuration(devices_per_line: &[usize]) -> Configuration {
    let profile = Arc::new(profile());
    let mut devices = Vec::new();
    for (line, count) in devices_per_line.iter().enumerate() {
        devices.extend((0..*count).map(|place| DeviceSettings {
            id: id(&format!("twin-{line}-{place}")),
            line,
            unit_id: u8::try_from(place + 1).unwrap_or(1),
            conditions: profile.conditions.clone(),
            profile: Arc::clone(&profile),
            place: Place::default(),
            installed: Installed::default(),
        }));
    }
    let poll = PollTimes {
        alarm: Duration::from_millis(500),
        state: Duration::from_secs(5),
        slow: Duration::from_secs(30),
    };
    let lines = (0..devices_per_line.len()).map(|line| LineSettings {
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
        devices,
        stations: Vec::new(),
        uplink: UplinkSettings { hearers: vec![id("duty-1")], signed_commands_only: false },
    }
}

pub(super) fn id(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| unreachable!("{text} is an id"))
}

fn profile() -> Profile {
    let smoke = point(
        "smoke",
        Table::HoldingRegister,
        SMOKE,
        Kind::Bool { bit: None, active_when: true },
        PollClass::Alarm,
    );
    let level = point("level", Table::HoldingRegister, LEVEL, Kind::U16, PollClass::Alarm);
    let who = point("who", Table::InputRegister, WHO, Kind::U32(WordOrder::Abcd), PollClass::State);
    Profile {
        name: "simulated-twin".into(),
        vendor: "simulated".into(),
        model: "twin".into(),
        variant: None,
        title: Text::new("模拟设备", "Simulated device"),
        class: Class::Smoke,
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

fn point(name: &str, table: Table, address: u16, kind: Kind, poll: PollClass) -> Point {
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
