//! A hostile Modbus TCP server: another line's alarm arrives, and it raises none itself.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shouwang_tests::modbus_server::Table;
use shouwang_tests::{Configuration, Gateway, Listener, ModbusServer, Mosquitto, clock, port, wait_until};

use crate::hostile::{WRONG_PDUS, registers};
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, assert_in_sequence};

/// What only TCP can do to a frame: bytes from the request's header and PDU; none: the connection is reset.
type Wrap = fn(header: [u8; 7], pdu: &[u8]) -> Option<Vec<u8>>;

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
    let hostile = Hostile::start();
    let mut honest = ModbusServer::tcp();
    honest.set(1, Table::Holding, 3, &[0]);
    let configuration = Configuration::new(&broker)
        .tcp_line("hostile", &hostile.address, "timeout_ms = 200\n")
        .tcp_line("honest", honest.address(), "")
        .device("hostile", "hostile", 1, "renke-rs-yg-n01", "")
        .device("honest", "honest", 1, "renke-rs-yg-n01", "");
    let mut gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "honest", "online");

    let tricks = WRAPS.len() + WRONG_PDUS.len();
    let limit = Duration::from_secs(180);
    wait_until(limit, "every trick should have been played", || hostile.played() >= tricks);
    honest.set(1, Table::Holding, 3, &[1]);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "honest");

    assert!(gateway.is_running());
    let raised = listener.events_of(RAISED);
    assert!(raised.iter().all(|event| event.subject() == "honest"), "junk became an alarm: {raised:?}");
    assert_in_sequence(&listener);
    gateway.stop();
}

struct Hostile {
    address: String,
    played: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Hostile {
    fn start() -> Self {
        let address = format!("127.0.0.1:{}", port::free());
        let server = TcpListener::bind(&address).expect("a free port");
        let hostile = Self { address, played: Arc::default(), stop: Arc::default() };
        let (played, stop) = (Arc::clone(&hostile.played), Arc::clone(&hostile.stop));
        std::thread::spawn(move || {
            for connection in server.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(connection) = connection {
                    serve(connection, &played);
                }
            }
        });
        hostile
    }

    fn played(&self) -> usize {
        self.played.load(Ordering::Acquire)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread, if it waits for a connection.
        let _ = TcpStream::connect(&self.address);
    }
}

/// Answers each request of a connection with the next trick, until either side closes it.
fn serve(mut connection: TcpStream, played: &AtomicUsize) {
    let mut header = [0; 7];
    while connection.read_exact(&mut header).is_ok() {
        let length = usize::from(u16::from_be_bytes([header[4], header[5]])).saturating_sub(1);
        let mut pdu = vec![0; length.min(260)];
        if connection.read_exact(&mut pdu).is_err() {
            return;
        }
        let Some(answer) = trick(played.load(Ordering::Acquire), header, &pdu) else {
            played.fetch_add(1, Ordering::AcqRel);
            return;
        };
        // Some of each answer comes late and in pieces.
        let (first, rest) = answer.split_at(answer.len().min(2));
        if connection.write_all(first).is_err() {
            return;
        }
        clock::pause(Duration::from_millis(5));
        if connection.write_all(rest).is_err() {
            return;
        }
        played.fetch_add(1, Ordering::AcqRel);
    }
}

fn trick(number: usize, header: [u8; 7], pdu: &[u8]) -> Option<Vec<u8>> {
    let number = number % (WRAPS.len() + WRONG_PDUS.len());
    if let Some((name, wrap)) = WRAPS.get(number) {
        println!("hostile: {name}");
        return wrap(header, &registers(pdu, 1));
    }
    let (name, wrong) = WRONG_PDUS[number - WRAPS.len()];
    println!("hostile: {name}");
    let (unit_id, pdu) = wrong(header[6], pdu);
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
