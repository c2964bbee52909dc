//! A hostile Modbus TCP server, with a unit for each trick: nobody else's alarm suffers, and none of them
//! raises one itself.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shouwang_tests::modbus_server::Table;
use shouwang_tests::{Configuration, Gateway, Listener, ModbusServer, Mosquitto, clock, port, wait_until};

use crate::hostile::{WRONG_PDUS, registers};
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, assert_in_sequence};

/// A unit on the same server that answers as it should.
const HONEST: u8 = 1;
/// The unit id of the first trick; the others follow.
const FIRST_HOSTILE: u8 = 10;
/// A late answer to one question must not become the answer to the next, so each is asked more than once.
const TIMES: usize = 2;

/// What only TCP can do to a frame: bytes from the request's header and PDU; none: the connection is reset.
type Wrap = fn(header: [u8; 7], pdu: &[u8]) -> Option<Vec<u8>>;

/// The place of "a closed connection" in the list that follows.
const CLOSES: usize = 11;

const WRAPS: &[(&str, Wrap)] = &[
    ("an older transaction", |header, pdu| {
        let older = u16::from_be_bytes([header[0], header[1]]).wrapping_sub(1).to_be_bytes();
        Some(frame([older[0], older[1], 0, 0, 0, 0, header[6]], pdu))
    }),
    ("a transaction to come", |header, pdu| {
        let next = u16::from_be_bytes([header[0], header[1]]).wrapping_add(1).to_be_bytes();
        Some(frame([next[0], next[1], 0, 0, 0, 0, header[6]], pdu))
    }),
    ("another protocol", |header, pdu| Some(frame([header[0], header[1], 0, 7, 0, 0, header[6]], pdu))),
    ("length 0", |header, pdu| Some(with_length(header, pdu, 0))),
    ("length 1", |header, pdu| Some(with_length(header, pdu, 1))),
    ("length 65535", |header, pdu| Some(with_length(header, pdu, 65_535))),
    ("a length one too long", |header, pdu| Some(with_length(header, pdu, length(pdu) + 1))),
    ("a length one too short", |header, pdu| Some(with_length(header, pdu, length(pdu) - 1))),
    ("10 kB of zeros", |_, _| Some(vec![0; 10_000])),
    ("10 kB of ones", |_, _| Some(vec![0xFF; 10_000])),
    ("half a header", |header, _| Some(header[..3].to_vec())),
    ("a closed connection", |_, _| None),
];

#[test]
fn a_hostile_tcp_server_harms_nobody() {
    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    // A trick can ruin its connection, so each has a server of its own.
    let hostile: Vec<(u8, Hostile)> = hostile_units().map(|unit_id| (unit_id, Hostile::start())).collect();
    let mut honest = ModbusServer::tcp();
    honest.set(1, Table::Holding, 3, &[0]);
    let mut configuration = Configuration::new(&broker).tcp_line("honest", honest.address(), "").device(
        "honest",
        "honest",
        1,
        "renke-rs-yg-n01",
        "",
    );
    for (unit_id, server) in &hostile {
        let name = format!("hostile-{unit_id}");
        configuration = configuration.tcp_line(&name, &server.address, "timeout_ms = 200\n").device(
            &name,
            &name,
            *unit_id,
            "renke-rs-yg-n01",
            "",
        );
    }
    let mut gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "honest", "online");

    wait_until(START_LIMIT * 2, "every trick should have been played twice", || {
        hostile.iter().all(|(unit_id, server)| server.asked(*unit_id) >= TIMES)
    });
    honest.set(1, Table::Holding, 3, &[1]);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "honest");

    assert!(gateway.is_running());
    let raised = listener.events_of(RAISED);
    assert!(raised.iter().all(|event| event.subject() == "honest"), "junk became an alarm: {raised:?}");
    assert_in_sequence(&listener);
    gateway.stop();
}

#[test]
fn a_device_that_ruins_the_connection_does_not_starve_its_neighbours() {
    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let server = Hostile::start();
    let closes = hostile_units().nth(CLOSES).expect("there is such a trick");
    let configuration = Configuration::new(&broker)
        .tcp_line("line-1", &server.address, "timeout_ms = 200\n")
        .device("closes", "line-1", closes, "renke-rs-yg-n01", "")
        .device("honest", "line-1", HONEST, "renke-rs-yg-n01", "");
    let mut gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "honest", "online");
    server.smoke.store(true, Ordering::Release);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "honest");
    assert!(gateway.is_running());
    gateway.stop();
}

#[test]
fn a_line_whose_interface_is_gone_is_down_and_the_others_go_on() {
    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let mut servers = [ModbusServer::tcp(), ModbusServer::tcp()];
    let mut configuration = Configuration::new(&broker);
    for ((name, interface), server) in [("bound", "lo"), ("gone", "no-such-0")].into_iter().zip(&mut servers)
    {
        server.set(1, Table::Holding, 3, &[0]);
        let address = server.address();
        let table = format!(
            "[[line]]\nname = \"{name}\"\ntcp = {{ address = \"{address}\", interface = \"{interface}\" }}\n"
        );
        configuration = configuration.table(&table).device(name, name, 1, "renke-rs-yg-n01", "");
    }
    let gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "bound", "online");
    let fault = listener.wait_for_event(START_LIMIT, "shouwang.fault.raised.v1", "gone");
    assert_eq!(fault.json["data"]["code"], "line_down", "{}", fault.json);
    wait_until(START_LIMIT, "the log should say why", || {
        gateway.stderr().contains("binding to the interface no-such-0")
    });
    servers[0].set(1, Table::Holding, 3, &[1]);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "bound");
    gateway.stop();
}

fn hostile_units() -> impl Iterator<Item = u8> {
    (FIRST_HOSTILE..).take(WRAPS.len() + WRONG_PDUS.len())
}

struct Hostile {
    address: String,
    /// How often each unit id was asked.
    asked: Arc<Mutex<BTreeMap<u8, usize>>>,
    /// What the honest unit says.
    smoke: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Hostile {
    fn start() -> Self {
        let address = format!("127.0.0.1:{}", port::free());
        let server = TcpListener::bind(&address).expect("a free port");
        let hostile = Self { address, asked: Arc::default(), smoke: Arc::default(), stop: Arc::default() };
        let (asked, smoke, stop) =
            (Arc::clone(&hostile.asked), Arc::clone(&hostile.smoke), Arc::clone(&hostile.stop));
        std::thread::spawn(move || {
            for connection in server.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let (asked, smoke) = (Arc::clone(&asked), Arc::clone(&smoke));
                if let Ok(connection) = connection {
                    std::thread::spawn(move || serve(connection, &asked, &smoke));
                }
            }
        });
        hostile
    }

    fn asked(&self, unit_id: u8) -> usize {
        let asked = self.asked.lock().expect("the server's threads do not panic");
        asked.get(&unit_id).copied().unwrap_or(0)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread, if it waits for a connection.
        let _ = TcpStream::connect(&self.address);
    }
}

/// Answers each request of a connection with the unit's trick, until either side closes it.
fn serve(mut connection: TcpStream, asked: &Mutex<BTreeMap<u8, usize>>, smoke: &AtomicBool) {
    let mut header = [0; 7];
    while connection.read_exact(&mut header).is_ok() {
        let length = usize::from(u16::from_be_bytes([header[4], header[5]])).saturating_sub(1);
        let mut pdu = vec![0; length.min(260)];
        if connection.read_exact(&mut pdu).is_err() {
            return;
        }
        *asked.lock().expect("the test only reads").entry(header[6]).or_default() += 1;
        let answer = match header[6] {
            HONEST => {
                let value = u16::from(smoke.load(Ordering::Acquire));
                let header = [header[0], header[1], 0, 0, 0, 0, HONEST];
                Some(frame(header, &registers(&pdu, value)))
            }
            _ => trick(header, &pdu),
        };
        let Some(answer) = answer else { return };
        // Some of each answer comes late and in pieces.
        let (first, rest) = answer.split_at(answer.len().min(2));
        if connection.write_all(first).is_err() {
            return;
        }
        clock::pause(Duration::from_millis(5));
        if connection.write_all(rest).is_err() {
            return;
        }
    }
}

fn trick(header: [u8; 7], pdu: &[u8]) -> Option<Vec<u8>> {
    let unit_id = header[6];
    let number = usize::from(unit_id.saturating_sub(FIRST_HOSTILE));
    if let Some((name, wrap)) = WRAPS.get(number) {
        println!("{unit_id}: {name}");
        return wrap(header, &registers(pdu, 1));
    }
    let (name, wrong) = WRONG_PDUS.get(number - WRAPS.len())?;
    println!("{unit_id}: {name}");
    let (unit_id, pdu) = wrong(unit_id, pdu);
    Some(frame([header[0], header[1], 0, 0, 0, 0, unit_id], &pdu))
}

fn frame(header: [u8; 7], pdu: &[u8]) -> Vec<u8> {
    with_length(header, pdu, length(pdu))
}

fn length(pdu: &[u8]) -> u16 {
    u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX)
}

fn with_length(mut header: [u8; 7], pdu: &[u8], length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    (header[4], header[5]) = (high, low);
    let mut bytes = header.to_vec();
    bytes.extend(pdu);
    bytes
}
