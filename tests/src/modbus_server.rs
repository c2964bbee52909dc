//! A Modbus server that is not ours (pymodbus) as the devices of a line.
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{Program, root};
use crate::{port, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

/// Which of the four Modbus tables a value lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Coil,
    Discrete,
    Input,
    Holding,
}

/// A running server. What was never set does not exist; each order holds when its call returns.
#[derive(Debug)]
pub struct ModbusServer {
    program: Program,
    orders: ChildStdin,
    given: usize,
    address: String,
    _directory: TempDir,
}

impl ModbusServer {
    /// Serves Modbus TCP on a loopback port of its own.
    pub fn tcp() -> Self {
        let port = port::free();
        Self::start("tcp", &port.to_string(), format!("127.0.0.1:{port}"))
    }

    /// The same as a gateway with the units behind it: of one that does not answer it says so itself, by exception 11.
    pub fn gateway() -> Self {
        let port = port::free();
        Self::start("gateway", &port.to_string(), format!("127.0.0.1:{port}"))
    }

    /// Serves Modbus RTU on a serial device.
    pub fn serial(path: &Path) -> Self {
        let path = path.display().to_string();
        Self::start("serial", &path, path.clone())
    }

    /// Where clients connect: `host:port`, or the serial device's path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sets values from `address` on; the unit answers from now on unless it is lost.
    pub fn set(&mut self, unit_id: u8, table: Table, address: u16, values: &[u16]) {
        let table = match table {
            Table::Coil => "coil",
            Table::Discrete => "discrete",
            Table::Input => "input",
            Table::Holding => "holding",
        };
        let values: Vec<String> = values.iter().map(u16::to_string).collect();
        self.order(&format!("set {unit_id} {table} {address} {}", values.join(" ")));
    }

    /// The unit stops answering.
    pub fn lose(&mut self, unit_id: u8) {
        self.order(&format!("lose {unit_id}"));
    }

    /// The unit answers again.
    pub fn bring_back(&mut self, unit_id: u8) {
        self.order(&format!("return {unit_id}"));
    }

    /// From now on a unit takes what is written to this holding register for its unit id.
    pub fn renumber(&mut self, address: u16) {
        self.order(&format!("renumber {address}"));
    }

    /// Each function code that was ever asked, of units that there are or not.
    pub fn functions(&mut self) -> BTreeSet<u8> {
        let said = self.ask("functions");
        let codes = said.strip_prefix("ok").expect("pymodbus tells its function codes");
        codes.split_whitespace().map(|code| code.parse().expect("a function code")).collect()
    }

    fn start(kind: &str, place: &str, address: String) -> Self {
        let directory = TempDir::with_prefix("shouwang-modbus-").expect("a directory for the server");
        let python = root().join("target/test-tools/python/bin/python");
        assert!(python.exists(), "pymodbus is not installed in {}: run `tests/run`", python.display());
        let script = root().join("tests/end_to_end/pymodbus_server.py");
        let mut command = Command::new(python);
        let command = command.arg(script).arg(kind).arg(place);
        let mut program = Program::start("pymodbus", command, directory.path());
        let orders = program.take_stdin();
        wait_until(LIMIT, "pymodbus should be ready", || {
            assert!(program.is_running(), "pymodbus ended instead of serving {place}");
            program.stdout().starts_with("ready")
        });
        Self { program, orders, given: 0, address, _directory: directory }
    }

    fn order(&mut self, order: &str) {
        assert_eq!(self.ask(order), "ok", "pymodbus and the order {order:?}");
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("pymodbus takes orders");
        self.given += 1;
        let given = self.given;
        crate::wait_for(LIMIT, "pymodbus should answer an order", || {
            self.program.stdout().lines().nth(given).map(str::to_owned)
        })
    }
}
