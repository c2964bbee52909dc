//! Profiles made by hand, for tests of this crate that look at one property of a profile at a time.
use std::sync::Arc;

use shouwang_core::profile::{
    BlockRules, CallUnit, DeviceTiming, Grade, Kind, Measures, Point, PollClass, Profile, ProvisioningStep,
    Scale, Table, WordOrder,
};
use shouwang_message::{Class, Text};

pub(crate) fn profile(name: &str, class: Class, points: Vec<Point>) -> Profile {
    Profile {
        name: name.into(),
        vendor: "made".into(),
        model: name.into(),
        variant: None,
        title: Text::new(name, name),
        class,
        verified: Grade::Community,
        source: "made for a test".into(),
        serial: None,
        high_unit_ids: false,
        timing: DeviceTiming::default(),
        blocks: BlockRules::default(),
        points,
        status_bits: vec![],
        conditions: vec![],
        identity: vec![],
        call: None,
        warm_up: None,
        end_of_life: None,
        provisioning: vec![],
        reset: None,
        forbidden: vec![],
        lacks: vec![],
    }
}

pub(crate) fn point(name: &str, table: Table, address: u16, kind: Kind) -> Point {
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
        error_values: vec![],
        poll: PollClass::Alarm,
        meanings: vec![],
        frozen: false,
        measures: Measures::Itself,
        writable: false,
    }
}

pub(crate) const fn flag() -> Kind {
    Kind::Bool { bit: None, active_when: true }
}

/// HR 3: 0 normal, 1 alarm; HR 0x07D0 is its id.
pub(crate) fn smoke() -> Arc<Profile> {
    let mut made = profile("smoke", Class::Smoke, vec![point("smoke", Table::HoldingRegister, 3, flag())]);
    made.provisioning = vec![ProvisioningStep::WriteUnitId { address: 0x07D0, at_new_id: false }];
    Arc::new(made)
}

/// HR 0 id, saved by HR 0x0F = 0 at the new id; HR 2 unit code, HR 3 decimals, HR 4 level in the installed
/// unit.
pub(crate) fn level() -> Arc<Profile> {
    let decimals = point("decimals", Table::HoldingRegister, 3, Kind::U16);
    let mut level = point("level_m", Table::HoldingRegister, 4, Kind::I16);
    level.scale.decimals_from = Some(1);
    level.scale.unit_from_device = true;
    level.unit = Some("m".into());
    level.decimals = 3;
    level.measures = Measures::Depth;
    let code = point("unit_code", Table::HoldingRegister, 2, Kind::U16);
    let mut made = profile("level", Class::WaterLevel, vec![code, decimals, level]);
    made.provisioning = vec![
        ProvisioningStep::WriteUnitId { address: 0, at_new_id: false },
        ProvisioningStep::Write { address: 0x0F, value: 0, at_new_id: true },
    ];
    Arc::new(made)
}

/// The call unit's map, version 1.
pub(crate) fn call() -> Arc<Profile> {
    let input = |name: &str, address| point(name, Table::DiscreteInput, address, flag());
    let register = |name: &str, address, kind| point(name, Table::InputRegister, address, kind);
    let mut made = profile(
        "call",
        Class::Call,
        vec![
            register("press_count", 4, Kind::U16),
            input("latched", 1),
            register("cancel_count", 5, Kind::U16),
            register("serial", 2, Kind::U32(WordOrder::Abcd)),
            register("since_press_ms", 7, Kind::U32(WordOrder::Abcd)),
            input("low_battery", 2),
            input("tamper", 3),
            register("battery_mv", 9, Kind::U16),
        ],
    );
    made.call = Some(CallUnit {
        press_count: 0,
        latched: 1,
        cancel_count: Some(2),
        boot_count: None,
        serial: Some(3),
        since_press: Some(4),
        echo: 0,
        indicator: 1,
    });
    Arc::new(made)
}
