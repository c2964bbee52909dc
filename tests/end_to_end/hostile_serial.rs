//! A hostile device on a serial line: its neighbour's alarm arrives, and it raises none itself.
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, SerialLine, clock, wait_until};

use crate::hostile::{Trick, WRONG_PDUS, crc, registers};
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, assert_in_sequence};

const HOSTILE: u8 = 1;
const HONEST: u8 = 2;

/// What only a serial line can do to a frame; the wrong PDUs come with a correct CRC besides.
const TRICKS: &[Trick] = &[
    Trick {
        name: "a CRC that is off",
        answer: |unit_id, pdu| {
            let mut bytes = frame(unit_id, &registers(pdu, 1));
            let last = bytes.len() - 1;
            bytes[last] ^= 0x01;
            bytes
        },
    },
    Trick {
        name: "a swapped CRC",
        answer: |unit_id, pdu| {
            let mut bytes = frame(unit_id, &registers(pdu, 1));
            let last = bytes.len() - 1;
            bytes.swap(last, last - 1);
            bytes
        },
    },
    Trick { name: "one byte", answer: |unit_id, _| vec![unit_id] },
    Trick {
        name: "half a frame",
        answer: |unit_id, pdu| {
            let bytes = frame(unit_id, &registers(pdu, 1));
            bytes[..bytes.len() / 2].to_vec()
        },
    },
    Trick { name: "257 bytes", answer: |unit_id, _| frame(unit_id, &[0x01; 254]) },
    Trick { name: "10 kB of zeros", answer: |_, _| vec![0x00; 10_000] },
    Trick { name: "10 kB of ones", answer: |_, _| vec![0xFF; 10_000] },
    Trick { name: "the maker's own frame", answer: |_, _| vec![0xFD, 0xFD, 0xFD, 0x03, 0x01, 0x28, 0xB8] },
    Trick { name: "silence", answer: |_, _| Vec::new() },
];

#[test]
fn a_hostile_device_on_a_serial_line_harms_nobody() {
    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let line = SerialLine::new();
    let devices = Devices::start(line.devices_path());
    let configuration = Configuration::new(&broker)
        .serial_line("line-1", line.gateway_path(), 9600, "timeout_ms = 200\n")
        .device("hostile", "line-1", HOSTILE, "renke-rs-yg-n01", "")
        .device("honest", "line-1", HONEST, "renke-rs-yg-n01", "");
    let mut gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "honest", "online");

    let tricks = TRICKS.len() + WRONG_PDUS.len();
    let limit = Duration::from_secs(120);
    wait_until(limit, "every trick should have been played", || devices.played() >= tricks);
    devices.smoke.store(true, Ordering::Release);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "honest");

    assert!(gateway.is_running());
    let raised = listener.events_of(RAISED);
    assert!(raised.iter().all(|event| event.subject() == "honest"), "junk became an alarm: {raised:?}");
    assert_in_sequence(&listener);
    drop(devices);
    gateway.stop();
}

/// Both devices of the line in one thread, as both hear every byte.
struct Devices {
    smoke: Arc<AtomicBool>,
    played: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Devices {
    fn start(path: &Path) -> Self {
        let wire = OpenOptions::new().read(true).write(true).open(path).expect("the devices' end");
        let devices = Self { smoke: Arc::default(), played: Arc::default(), stop: Arc::default() };
        let (smoke, played, stop) =
            (Arc::clone(&devices.smoke), Arc::clone(&devices.played), Arc::clone(&devices.stop));
        std::thread::spawn(move || answer(wire, &smoke, &played, &stop));
        devices
    }

    fn played(&self) -> usize {
        self.played.load(Ordering::Acquire)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        // The thread sees it at the next byte, or ends with the line.
        self.stop.store(true, Ordering::Release);
    }
}

fn answer(mut wire: File, smoke: &AtomicBool, played: &AtomicUsize, stop: &AtomicBool) {
    let mut heard: Vec<u8> = Vec::new();
    let mut bytes = [0; 256];
    while !stop.load(Ordering::Acquire) {
        let Ok(n) = wire.read(&mut bytes) else { return };
        heard.extend(bytes.get(..n).unwrap_or(&[]));
        while let Some(request) = take_request(&mut heard) {
            let pdu = &request[1..6];
            let reply = match request[0] {
                HONEST => frame(HONEST, &registers(pdu, u16::from(smoke.load(Ordering::Acquire)))),
                HOSTILE => trick(played.fetch_add(1, Ordering::AcqRel), pdu),
                _ => Vec::new(),
            };
            // A real device needs its 3.5 characters of silence too.
            clock::pause(Duration::from_millis(4));
            if wire.write_all(&reply).is_err() {
                return;
            }
        }
    }
}

/// Requests are reads of 8 bytes; anything else before one is noise.
fn take_request(heard: &mut Vec<u8>) -> Option<Vec<u8>> {
    let at = heard.windows(8).position(|bytes| crc(&bytes[..6]) == bytes[6..])?;
    let request = heard.get(at..at + 8)?.to_vec();
    heard.drain(..at + 8);
    Some(request)
}

fn trick(number: usize, pdu: &[u8]) -> Vec<u8> {
    let number = number % (TRICKS.len() + WRONG_PDUS.len());
    if let Some(trick) = TRICKS.get(number) {
        println!("hostile: {}", trick.name);
        return (trick.answer)(HOSTILE, pdu);
    }
    let (name, wrong) = WRONG_PDUS[number - TRICKS.len()];
    println!("hostile: {name}");
    let (unit_id, pdu) = wrong(HOSTILE, pdu);
    // An honest neighbour's id would be a forgery that nobody can tell apart.
    if unit_id == HONEST { frame(unit_id + 1, &pdu) } else { frame(unit_id, &pdu) }
}

fn frame(unit_id: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![unit_id];
    bytes.extend(pdu);
    let crc = crc(&bytes);
    bytes.extend(crc);
    bytes
}
