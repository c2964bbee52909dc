//! Hostile devices on a serial line, one for each trick: their neighbour's alarm arrives, and none of them
//! raises one itself.
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, SerialLine, clock, wait_until};

use crate::hostile::{Trick, WRONG_PDUS, crc, registers};
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, assert_in_sequence};

const HONEST: u8 = 1;
/// The unit id of the first trick; the others follow.
const FIRST_HOSTILE: u8 = 10;
/// A late answer to one question must not become the answer to the next, so each is asked more than once.
const TIMES: usize = 2;

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
fn hostile_devices_on_a_serial_line_harm_nobody() {
    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let line = SerialLine::new();
    let devices = Devices::start(line.devices_path());
    let mut configuration = Configuration::new(&broker)
        .serial_line("line-1", line.gateway_path(), 9600, "timeout_ms = 200\n")
        .device("honest", "line-1", HONEST, "renke-rs-yg-n01", "");
    for unit_id in hostile_units() {
        configuration =
            configuration.device(&format!("hostile-{unit_id}"), "line-1", unit_id, "renke-rs-yg-n01", "");
    }
    let mut gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "honest", "online");

    wait_until(START_LIMIT * 2, "every trick should have been played twice", || devices.all_played());
    devices.smoke.store(true, Ordering::Release);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "honest");

    assert!(gateway.is_running());
    let raised = listener.events_of(RAISED);
    assert!(raised.iter().all(|event| event.subject() == "honest"), "junk became an alarm: {raised:?}");
    assert_in_sequence(&listener);
    drop(devices);
    gateway.stop();
}

fn hostile_units() -> impl Iterator<Item = u8> {
    let tricks = TRICKS.len() + WRONG_PDUS.len();
    (FIRST_HOSTILE..).take(tricks)
}

/// All devices of the line in one thread, as all hear every byte.
struct Devices {
    smoke: Arc<AtomicBool>,
    /// How often each unit id was asked.
    asked: Arc<Mutex<BTreeMap<u8, usize>>>,
    stop: Arc<AtomicBool>,
}

impl Devices {
    fn start(path: &Path) -> Self {
        let wire = OpenOptions::new().read(true).write(true).open(path).expect("the devices' end");
        let devices = Self { smoke: Arc::default(), asked: Arc::default(), stop: Arc::default() };
        let (smoke, asked, stop) =
            (Arc::clone(&devices.smoke), Arc::clone(&devices.asked), Arc::clone(&devices.stop));
        std::thread::spawn(move || answer(wire, &smoke, &asked, &stop));
        devices
    }

    fn all_played(&self) -> bool {
        let asked = self.asked.lock().expect("the devices' thread does not panic");
        hostile_units().all(|unit_id| asked.get(&unit_id).is_some_and(|times| *times >= TIMES))
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        // The thread sees it at the next byte, or ends with the line.
        self.stop.store(true, Ordering::Release);
    }
}

fn answer(mut wire: File, smoke: &AtomicBool, asked: &Mutex<BTreeMap<u8, usize>>, stop: &AtomicBool) {
    let mut heard: Vec<u8> = Vec::new();
    let mut bytes = [0; 256];
    while !stop.load(Ordering::Acquire) {
        let Ok(n) = wire.read(&mut bytes) else { return };
        heard.extend(bytes.get(..n).unwrap_or(&[]));
        while let Some(request) = take_request(&mut heard) {
            let (unit_id, pdu) = (request[0], &request[1..6]);
            *asked.lock().expect("the test only reads").entry(unit_id).or_default() += 1;
            let reply = match unit_id {
                HONEST => frame(HONEST, &registers(pdu, u16::from(smoke.load(Ordering::Acquire)))),
                _ => trick(unit_id, pdu),
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

fn trick(unit_id: u8, pdu: &[u8]) -> Vec<u8> {
    let number = usize::from(unit_id.saturating_sub(FIRST_HOSTILE));
    if let Some(trick) = TRICKS.get(number) {
        println!("{unit_id}: {}", trick.name);
        return (trick.answer)(unit_id, pdu);
    }
    let Some((name, wrong)) = WRONG_PDUS.get(number - TRICKS.len()) else { return Vec::new() };
    println!("{unit_id}: {name}");
    let (unit_id, pdu) = wrong(unit_id, pdu);
    frame(unit_id, &pdu)
}

fn frame(unit_id: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![unit_id];
    bytes.extend(pdu);
    let crc = crc(&bytes);
    bytes.extend(crc);
    bytes
}
