//! A street of smoke alarms: what most stories here are about.
use std::path::Path;
use std::time::Duration;

use shouwang_tests::modbus_server::Table;
use shouwang_tests::{Configuration, Gateway, Listener, ModbusServer, Mosquitto, SerialLine};

pub(crate) const RAISED: &str = "shouwang.alarm.raised.v1";

/// The smoke alarm's register (devices.md, section 1).
const SMOKE: u16 = 3;
/// Contract: an alarm is on the page within 10 s, p99 2 s; machines that run tests are busy.
pub(crate) const ALARM_LIMIT: Duration = Duration::from_secs(10);
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// Devices `smoke-1`.. with the unit ids 1.., on one line, watched by a gateway that a listener hears.
pub(crate) struct Street {
    pub(crate) broker: Mosquitto,
    pub(crate) listener: Listener,
    pub(crate) devices: ModbusServer,
    pub(crate) configuration: Configuration,
    pub(crate) gateway: Option<Gateway>,
    line: Option<SerialLine>,
}

impl Street {
    /// On Modbus TCP.
    pub(crate) fn tcp(devices: u8) -> Self {
        let server = ModbusServer::tcp();
        let address = server.address().to_owned();
        Self::with(devices, server, None, |configuration| configuration.tcp_line("line-1", &address, ""))
    }

    /// On a serial line between two ptys.
    pub(crate) fn serial(devices: u8) -> Self {
        let line = SerialLine::new();
        let server = ModbusServer::serial(line.devices_path());
        let path = line.gateway_path().to_owned();
        Self::with(devices, server, Some(line), |configuration| {
            configuration.serial_line("line-1", &path, 9600, "")
        })
    }

    fn with(
        devices: u8,
        mut server: ModbusServer,
        line: Option<SerialLine>,
        add_line: impl FnOnce(Configuration) -> Configuration,
    ) -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start_hearing(&broker, "duty-1");
        let mut configuration = add_line(Configuration::new(&broker));
        for unit_id in 1..=devices {
            server.set(unit_id, Table::Holding, SMOKE, &[0]);
            configuration = configuration.device(&name(unit_id), "line-1", unit_id, "renke-rs-yg-n01", "");
        }
        Self { broker, listener, devices: server, configuration, gateway: None, line }
    }

    /// Starts the gateway and waits until it has read every device.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.listener.wait_for_state(START_LIMIT, "ready");
        for unit_id in 1..=self.len() {
            self.listener.wait_for_device(START_LIMIT, &name(unit_id), "online");
        }
    }

    /// Starts the gateway, whether or not it can tell anybody.
    pub(crate) fn launch(&mut self) {
        if let Some(line) = &self.line {
            line.release();
        }
        self.gateway = Some(Gateway::start(&self.configuration));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.gateway.as_mut().expect("a running gateway").kill();
    }

    /// SIGTERM, and no ERROR line in what it logged.
    pub(crate) fn stop(&mut self) {
        self.gateway.take().expect("a running gateway").stop();
    }

    /// The serial line's adapter is pulled out.
    pub(crate) fn unplug(&mut self) {
        self.line = None;
    }

    /// The serial port that the gateway opens.
    pub(crate) fn port(&self) -> &Path {
        self.line.as_ref().expect("a serial line").gateway_path()
    }

    /// Smoke at this device, or none.
    pub(crate) fn smoke(&mut self, unit_id: u8, smoke: bool) {
        self.devices.set(unit_id, Table::Holding, SMOKE, &[u16::from(smoke)]);
    }

    fn len(&self) -> u8 {
        let devices = self.configuration.text().matches("[[device]]").count();
        u8::try_from(devices).expect("unit ids fit")
    }
}

pub(crate) fn name(unit_id: u8) -> String {
    format!("smoke-{unit_id}")
}

/// Events arrive in sequence, without a gap from the first.
pub(crate) fn assert_in_sequence(listener: &Listener) {
    let sequences: Vec<u64> =
        listener.events().iter().map(shouwang_tests::listener::Heard::sequence).collect();
    let expected: Vec<u64> = (1..).take(sequences.len()).collect();
    assert_eq!(sequences, expected, "events arrive in sequence and gap-free");
}
