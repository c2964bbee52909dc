//! An installer's verbs before devices that are not ours (pymodbus): what is found is what is there, a search never
//! writes, a new unit id is what Debian's mbpoll reads; and a search holds up nobody's alarm.
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use shouwang_tests::gateway::binary;
use shouwang_tests::modbus_server::Table;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{
    Configuration, Gateway, Listener, ModbusServer, Mosquitto, SerialLine, clock, wait_until,
};

use crate::command_line::shouwang;
use crate::search::{found, lines, mbpoll, objects};
use crate::street::{RAISED, START_LIMIT};

/// Enough for processes on a busy machine.
const PATIENT: &str = "--timeout-ms=400";
/// The smoke alarm's register for its own unit id (0x07D0).
const UNIT_ID: u16 = 2000;
const PROFILE: &str = "renke-rs-yg-n01";

/// Smoke alarms with these unit ids, which can be set.
fn furnish(server: &mut ModbusServer, units: &[u8]) {
    for unit_id in units {
        server.set(*unit_id, Table::Holding, 3, &[0]);
        server.set(*unit_id, Table::Holding, UNIT_ID, &[u16::from(*unit_id)]);
    }
    server.renumber(UNIT_ID);
}

/// Nobody answers at the new unit id, and the gateway between says so by itself: that is silence, not a device.
#[test]
fn behind_a_gateway_on_tcp_a_device_gets_a_unit_id_that_nobody_has() {
    let mut server = ModbusServer::gateway();
    furnish(&mut server, &[7, 9]);
    let place = format!("tcp://{}", server.address());
    let set = |from: &str, to: &str| {
        shouwang(&["set-unit-id", &place, "--from", from, "--to", to, "--profile", PROFILE])
    };
    let outcome = set("7", "21");
    assert_eq!(outcome.ending, "exit 0", "{}{}", outcome.stdout, outcome.stderr);
    let (_, port) = server.address().rsplit_once(':').expect("a port");
    let read = mbpoll(&["-m", "tcp", "-p", port], 21, UNIT_ID, "127.0.0.1");
    assert!(read.contains("[2000]: \t21"), "{read}");

    let outcome = set("21", "9");
    assert_eq!(outcome.ending, "exit 4", "{}", outcome.stdout);
    assert!(outcome.stderr.contains("地址 9 已有设备"), "{}", outcome.stderr);
    let outcome = set("7", "22");
    assert_eq!(outcome.ending, "exit 3", "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("没有设备应答"), "{}", outcome.stderr);

    let health = shouwang(&["line", "health", &place, "--units", "7,21", "--seconds", "2", "--json"]).stdout;
    let told = objects(&health).pop().expect("its health");
    assert_eq!(
        (&told["units"][0]["good"], &told["findings"][0]["finding"]),
        (&json!(0), &json!("nobody")),
        "{told:#}"
    );
    assert_eq!(told["units"][1]["silent"], 0, "{told:#}");
}

#[test]
fn a_search_finds_what_is_there_and_only_ever_reads() {
    let line = SerialLine::new();
    let mut serial = ModbusServer::serial(line.devices_path());
    let mut tcp = ModbusServer::tcp();
    let mut gateway = ModbusServer::gateway();
    let places = [
        (&mut serial, line.gateway_path().display().to_string(), &["--baud", "9600"][..]),
        (&mut tcp, String::new(), &[]),
        (&mut gateway, String::new(), &[]),
    ];
    for (server, place, more) in places {
        let place = if place.is_empty() { format!("tcp://{}", server.address()) } else { place };
        furnish(server, &[2, 11]);
        // Whoever has coils and input registers is asked for those too.
        server.set(5, Table::Coil, 0, &[0, 1, 0, 1]);
        server.set(5, Table::Input, 0, &[341, 2]);
        let scan = shouwang(&[&["scan", &place, "--units", "1-16", PATIENT, "--json"], more].concat());
        assert_eq!(scan.ending, "exit 0", "{place}: {}", scan.stderr);
        assert_eq!(found(&scan.stdout).0, [2, 5, 11], "{place}");
        let asked = server.functions();
        let reads = BTreeSet::from([1, 2, 3, 4]);
        assert!(!asked.is_empty() && asked.is_subset(&reads), "{place} was asked by functions {asked:?}");
    }
}

/// So many on each line that its round takes the better part of a second.
const DEVICES: u8 = 20;
const TRIES: u8 = 5;
/// For the broker, the listener and everything else that this machine does meanwhile.
const BESIDE: Duration = Duration::from_millis(1_000);

/// A gateway that watches two paced lines all the time.
struct TwoLines {
    _field: Program,
    hands: ChildStdin,
    listener: Listener,
    place: String,
    socket: String,
    configuration: Configuration,
    gateway: Gateway,
    _broker: Mosquitto,
    _directory: tempfile::TempDir,
}

impl TwoLines {
    fn start() -> Self {
        let device = |line: &str, unit_id: u8| {
            format!(
                "[[device]]\nid = \"{line}-{unit_id}\"\nline = \"{line}\"\nunit_id = {unit_id}\nprofile = \"{PROFILE}\"\n"
            )
        };
        let devices: String = ["east", "west"]
            .iter()
            .flat_map(|line| (1..=DEVICES).map(|unit_id| device(line, unit_id)))
            .collect();
        let (mut field, [east, west], directory) = lines(["east", "west"], &devices);
        let broker = Mosquitto::start();
        let listener = Listener::start_hearing(&broker, "duty-1");
        let mut configuration = Configuration::new(&broker);
        for (name, path) in [("east", &east), ("west", &west)] {
            configuration =
                configuration.serial_line(name, std::path::Path::new(path), 9600, "poll = { alarm_ms = 0 }");
        }
        let socket = configuration.directory().join("control.sock").display().to_string();
        let configuration = configuration.table(&format!("[control]\nsocket = \"{socket}\"")).table(&devices);
        let gateway = Gateway::start(&configuration);
        for line in ["east", "west"] {
            for unit_id in 1..=DEVICES {
                listener.wait_for_device(START_LIMIT, &format!("{line}-{unit_id}"), "online");
            }
        }
        let hands = field.take_stdin();
        let (_field, _broker, _directory) = (field, broker, directory);
        Self { _field, hands, listener, place: east, socket, configuration, gateway, _broker, _directory }
    }

    /// What the gateway itself says that a line's alarms may take.
    fn bound(&self, line: &str) -> Duration {
        let info = self.listener.newest("info").expect("what the gateway says of itself");
        let mut lines = info["lines"].as_array().into_iter().flatten();
        let line = lines.find(|told| told["name"] == line).expect("the line");
        Duration::from_millis(line["alarm_round_ms"].as_u64().expect("its round"))
    }

    /// From smoke to the event, the middle one of five devices that were not used yet.
    fn latency(&mut self, line: &str, first: u8) -> Duration {
        let mut taken: Vec<Duration> = (first..first + TRIES)
            .map(|unit_id| {
                let device = format!("{line}-{unit_id}");
                let began = clock::now();
                writeln!(self.hands, "set {device} smoke true").expect("the field takes orders");
                self.listener.wait_for_event(START_LIMIT, RAISED, &device);
                began.elapsed()
            })
            .collect();
        taken.sort_unstable();
        taken.remove(usize::from(TRIES / 2))
    }
}

/// Each silent id costs the searched line ten times what a device of its own does; its own have their turn all the same.
#[test]
fn a_search_costs_the_searched_lines_alarms_twice_their_time_and_others_nothing() {
    let mut house = TwoLines::start();
    let bounds = ["east", "west"].map(|line| house.bound(line));
    let quiet = ["east", "west"].map(|line| house.latency(line, 1));
    let mut command = Command::new(binary());
    let command =
        command.args(["scan", &house.place, "--control", &house.socket, "--units", "100-247", PATIENT]);
    let mut scan = Program::start("scan", command, house.configuration.directory());
    wait_until(START_LIMIT, "the line should be lent", || scan.stdout().contains("借出"));
    let searched = ["east", "west"].map(|line| house.latency(line, 1 + TRIES));
    assert!(scan.is_running(), "the search goes on all the while");
    println!(
        "smoke to event: {quiet:?} of the bounds {bounds:?}; while the first line is searched {searched:?}"
    );
    assert!(searched[0] <= bounds[0] * 2 + BESIDE, "the searched line: {searched:?}, bounds {bounds:?}");
    assert!(searched[1] <= bounds[1] + BESIDE, "the other line: {searched:?}, bounds {bounds:?}");
    scan.signal(Signal::INT);
    assert_eq!(ending(scan.wait(START_LIMIT)), "exit 130");
    house.gateway.assert_no_errors();
}
