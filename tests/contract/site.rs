//! One gateway, one line and one call unit, by the shipped profile.
use std::sync::Arc;
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::configuration::{
    Configuration, DeviceSettings, Installed, LineKind, LineSettings, PollTimes, UplinkSettings,
};
use shouwang_message::{Id, Mode, Place};

pub(crate) const UNIT_ID: u8 = 12;
pub(crate) const DEVICE: &str = "call-402";

/// What every world is made from.
pub(crate) struct Site {
    configuration: Configuration,
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no id"))
}

impl Site {
    pub(crate) fn new() -> Self {
        let catalog = Catalog::shipped();
        let profile = catalog.get("shouwang-call-button").unwrap_or_else(|| panic!("no call button"));
        let device = DeviceSettings {
            id: id(DEVICE),
            line: 0,
            unit_id: UNIT_ID,
            conditions: profile.conditions.clone(),
            profile: Arc::clone(profile),
            place: Place::default(),
            installed: Installed::default(),
        };
        let line = LineSettings {
            name: id("b3-rs485"),
            kind: LineKind::Serial { baud: 9600, bits: 10 },
            timeout: Duration::from_millis(200),
            poll: PollTimes {
                alarm: Duration::from_millis(500),
                state: Duration::from_secs(5),
                slow: Duration::from_secs(30),
            },
        };
        let configuration = Configuration {
            site: id("heping"),
            gateway: id("gw-0007"),
            name: "gateway".into(),
            version: "1".into(),
            digest: "sha256:0".into(),
            mode: Mode::Live,
            lines: vec![line],
            devices: vec![device],
            stations: Vec::new(),
            outputs: Vec::new(),
            local_alarm: None,
            meters: Vec::new(),
            welfare: Vec::new(),
            sms: None,
            install_input: None,
            uplink: UplinkSettings { hearers: vec![id("duty-1")], signed_commands_only: false },
        };
        Self { configuration }
    }

    pub(crate) fn configuration(&self) -> Configuration {
        self.configuration.clone()
    }
}
