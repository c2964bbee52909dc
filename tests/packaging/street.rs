//! Smoke alarms on one Modbus TCP line, Debian's mosquitto, and a gateway that watches them.
use std::process::Command;
use std::time::Duration;

use shouwang_tests::modbus_server::Table;
use shouwang_tests::{Configuration, Gateway, Listener, ModbusServer, Mosquitto};

/// An emulated program on a busy machine is no stopwatch.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const RAISED: &str = "shouwang.alarm.raised.v1";
/// The smoke alarm's register (devices.md, section 1).
const SMOKE: u16 = 3;

/// The parts; dropped from the top.
pub(crate) struct Street {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) listener: Listener,
    pub(crate) devices: ModbusServer,
    pub(crate) configuration: Configuration,
    pub(crate) broker: Mosquitto,
}

impl Street {
    /// Devices `smoke-1`.. with the unit ids from 1, all quiet; nothing watches them yet, and the listener hears without
    /// saying so: what it was told still waits for a duty room.
    pub(crate) fn new(devices: u8) -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start(&broker);
        let mut server = ModbusServer::tcp();
        let mut configuration = Configuration::new(&broker).tcp_line("line-1", server.address(), "");
        for unit_id in 1..=devices {
            server.set(unit_id, Table::Holding, SMOKE, &[0]);
            configuration = configuration.device(&name(unit_id), "line-1", unit_id, "renke-rs-yg-n01", "");
        }
        Self { gateway: None, listener, devices: server, configuration, broker }
    }

    /// Starts this program as the gateway and waits until it has read the first device.
    pub(crate) fn watch_with(&mut self, program: Command) {
        self.gateway = Some(Gateway::start_by(program, &self.configuration));
        self.listener.wait_for_state(LIMIT, "ready");
        self.listener.wait_for_device(LIMIT, &name(1), "online");
    }

    pub(crate) fn smoke(&mut self, unit_id: u8) {
        self.devices.set(unit_id, Table::Holding, SMOKE, &[1]);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.gateway.as_mut().expect("a running gateway").kill();
    }

    /// SIGTERM, and no ERROR line in what it logged.
    pub(crate) fn stop(&mut self) {
        self.gateway.take().expect("a running gateway").stop();
    }
}

pub(crate) fn name(unit_id: u8) -> String {
    format!("smoke-{unit_id}")
}
