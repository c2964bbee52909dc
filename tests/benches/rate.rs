//! The most polls a second over 32 TCP lines, with conditions judged, the store and MQTT on, beside a libmodbus
//! loop at the same server; and how long a start takes.
//!
//! Gateway, server, broker and listener share the machine: the rate is what is left for the gateway, so a floor.
use std::time::Duration;

use shouwang_tests::{Gateway, Listener, Mosquitto, clock, wait_until};

use crate::many::Many;
use crate::server::Server;
use crate::table::Table;
use crate::ten::REGISTERS;
use crate::{peer, process};

const MANY: Many = Many { lines: 32, devices: 8, alarm_ms: 0 };
const MEASURE_S: u64 = 15;
const STARTS: u32 = 5;
/// An alarm is raised or cleared this often meanwhile.
const FLIP_EVERY: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn measure(table: &mut Table) {
    let mut server = Server::start(MANY.lines);
    let [port, lines, devices, registers] =
        [server.first_port(), MANY.lines, u16::from(MANY.devices), REGISTERS]
            .map(|number| number.to_string());
    let peer = peer::run(&["tcp", &port, &lines, &devices, &registers, "0"], MEASURE_S);
    assert_eq!(peer["failed"], 0, "the server answers everybody");
    let number = |name: &str| peer[name].as_f64().unwrap_or(f64::NAN);
    let peer_ms = number("cpu_s") * 1e6 / number("answered");
    let what = |of: &str| format!("TCP, 32 lines of 8, continuously: {of}");
    table.plain("rate_libmodbus", &what("libmodbus loop"), number("answered") / number("seconds"), "polls/s");
    table.plain("rate_libmodbus_cpu_ms", &what("libmodbus loop, CPU per 1,000 polls"), peer_ms, "ms");

    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let configuration = MANY.configuration(&broker, &server);
    let gateway = Gateway::start(&configuration);
    MANY.wait_until_online(&listener, LIMIT);
    let (began, before) = (clock::now(), server.done());
    let before_s = process::cpu_s(gateway.id());
    let mut flips = 0_u16;
    while began.elapsed() < Duration::from_secs(MEASURE_S) {
        let (line, unit_id) = MANY.nth(flips / 2 % MANY.total());
        server.set(line, unit_id, 0, 1 - flips % 2);
        flips += 1;
        clock::pause(FLIP_EVERY);
    }
    let after = server.done();
    let seconds = began.elapsed().as_secs_f64();
    let polls = after.answered - before.answered;
    let used_s = process::cpu_s(gateway.id()) - before_s;
    let raised = listener.events_of("shouwang.alarm.raised.v1").len();
    assert!(
        raised * 3 > usize::from(flips),
        "conditions are judged meanwhile: {raised} alarms of {flips} flips"
    );
    gateway.stop();
    table.at_least("rate", &what("shouwang"), polls / seconds, "polls/s", 15_000.0);
    let cpu_ms = used_s * 1e6 / polls;
    table.plain("rate_cpu_ms", &what("shouwang, CPU per 1,000 polls"), cpu_ms, "ms");
    table.plain("rate_cpu_ratio", &what("CPU per poll, shouwang / libmodbus loop"), cpu_ms / peer_ms, "x");
    table.plain("rate_cores", &what("cores that shouwang used"), used_s / seconds, "cores");
    let server_share = (after.cpu_s - before.cpu_s) / seconds;
    table.plain("rate_server_cores", &what("cores that the server used meanwhile"), server_share, "cores");
}

/// From the start of the program to the first poll, and until each of 256 devices was polled: the mean.
pub(crate) fn measure_start(table: &mut Table) {
    let (mut first_ms, mut all_ms) = (0.0, 0.0);
    for _ in 0..STARTS {
        let mut server = Server::start(MANY.lines);
        let broker = Mosquitto::start();
        let configuration = Many { alarm_ms: 1000, ..MANY }.configuration(&broker, &server);
        let began = clock::now();
        let gateway = Gateway::start(&configuration);
        let mut answered = |at_least: f64| {
            wait_until(LIMIT, "devices should be polled", || server.done().answered >= at_least);
            began.elapsed().as_secs_f64() * 1000.0 / f64::from(STARTS)
        };
        first_ms += answered(1.0);
        all_ms += answered(f64::from(MANY.total()));
        gateway.stop();
    }
    let what = |until: &str| format!("start with 256 devices on 32 TCP lines: until {until}");
    table.plain("start_first_poll_ms", &what("the first poll"), first_ms, "ms");
    table.bounded("start_all_polled_ms", &what("all are polled"), all_ms, "ms", 30_000.0);
}
