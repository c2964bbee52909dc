//! Plain devices for the tests to bend.
use std::sync::Arc;

use shouwang_core::configuration::{DeviceSettings, Installed};
use shouwang_core::profile::{
    BlockRules, DeviceTiming, Grade, Kind, Measures, Point, PollClass, Profile, Scale, Table,
};
use shouwang_message::{Class, Text};

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
        poll: PollClass::State,
        meanings: vec![],
        frozen: false,
        measures: Measures::Itself,
        writable: false,
    }
}

pub(crate) fn profile(class: Class, points: Vec<Point>) -> Profile {
    Profile {
        name: "test".into(),
        vendor: "Test".into(),
        model: "1".into(),
        variant: None,
        title: Text::new("测试", "test"),
        class,
        verified: Grade::Community,
        source: "test".into(),
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

pub(crate) fn device(profile: Profile) -> DeviceSettings {
    DeviceSettings {
        id: "test".parse().expect("an id"),
        line: 0,
        unit_id: 1,
        conditions: profile.conditions.clone(),
        profile: Arc::new(profile),
        place: Default::default(),
        installed: Installed::default(),
    }
}
