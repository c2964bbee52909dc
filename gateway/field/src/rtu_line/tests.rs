//! A line on a virtual clock: what a gateway that watches it would see, and when.
use shouwang_core::configuration::Installed;

use super::*;
use crate::clock::millis;
use crate::made;
use crate::profile_server::ProfileServer;
use crate::street::Resident;

const ASKED: &[u8] = &[1, 3, 0, 3, 0, 1, 0x74, 0x0A];
const ANSWER: &[u8] = &[1, 3, 2, 0, 0, 0xB8, 0x44];
/// 10 bits at 10,000 baud.
const CHARACTER: Nanos = millis(1);
const END_OF_REQUEST: Nanos = 8 * CHARACTER;
const THINKING: Nanos = millis(20);

struct World {
    line: RtuLine,
    street: Arc<Mutex<Street>>,
    now: Nanos,
}

/// Smoke detectors with these unit ids on one line.
fn world(unit_ids: &[u8]) -> World {
    let mut street = Street::new("b3", Some(10_000), 7);
    for unit_id in unit_ids {
        let server = ProfileServer::new(made::smoke(), *unit_id, Installed::default());
        street.residents.push(Resident::new(Box::new(server), (THINKING, 0), &format!("smoke-{unit_id}"), 7));
    }
    let street = Arc::new(Mutex::new(street));
    World { line: RtuLine::new(Arc::clone(&street), 10_000, 10), street, now: 0 }
}

impl World {
    fn fault(&mut self, resident: usize, fault: &str) {
        self.street.lock().unwrap().residents[resident].faults.switch(fault.parse().unwrap(), true);
    }

    fn line_fault(&mut self, fault: &str) {
        self.street.lock().unwrap().faults.switch(fault.parse().unwrap(), true);
    }

    /// Runs until `end`; all bytes, and when the first and the last of them came.
    fn until(&mut self, end: Nanos) -> (Vec<u8>, Nanos, Nanos) {
        let (mut seen, mut first, mut last) = (Vec::new(), 0, 0);
        while let Some(at) = self.line.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let count = seen.len();
            self.line.due(self.now, &mut seen);
            if seen.len() > count {
                first = if count == 0 { self.now } else { first };
                last = self.now;
            }
        }
        self.now = end;
        (seen, first, last)
    }

    fn ask(&mut self, bytes: &[u8]) -> (Vec<u8>, Nanos, Nanos) {
        self.line.heard(self.now, bytes);
        self.until(self.now + millis(2000))
    }
}

#[test]
fn an_exchange_takes_exactly_the_time_of_its_characters_and_the_device() {
    let (seen, first, last) = world(&[1]).ask(ASKED);
    assert_eq!(seen, ANSWER);
    assert_eq!(first, END_OF_REQUEST + THINKING + CHARACTER);
    assert_eq!(last, END_OF_REQUEST + THINKING + 7 * CHARACTER);
}

#[test]
fn nobody_answers_before_the_silence_is_over() {
    let mut world = world(&[1]);
    world.street.lock().unwrap().residents[0].usual_delay = 0;
    let (_, first, _) = world.ask(ASKED);
    assert_eq!(first, END_OF_REQUEST + 7 * CHARACTER / 2 + CHARACTER);
}

#[test]
fn a_request_in_two_writes_is_one_frame_but_not_after_a_silence() {
    let mut world = world(&[1]);
    world.line.heard(0, &ASKED[..3]);
    world.line.heard(millis(1), &ASKED[3..]);
    let (seen, first, _) = world.until(millis(100));
    assert_eq!(seen, ANSWER);
    assert_eq!(first, END_OF_REQUEST + THINKING + CHARACTER, "the second write waited for the first");
    world.line.heard(world.now, &ASKED[..3]);
    world.until(millis(200));
    world.line.heard(world.now, &ASKED[3..]);
    assert_eq!(world.until(millis(300)).0, [0; 0]);
}

#[test]
fn who_speaks_while_the_line_is_busy_spoils_the_answer_and_is_not_heard() {
    let mut world = world(&[1, 2]);
    world.line.heard(0, ASKED);
    let (seen, ..) = world.until(END_OF_REQUEST + THINKING + 3 * CHARACTER);
    assert_eq!(seen, ANSWER[..3]);
    world.line.heard(world.now, &[2, 3, 0, 3, 0, 1, 0x74, 0x39]);
    let (rest, ..) = world.until(millis(2000));
    assert_eq!(rest.len(), 4, "device 2 never heard its request");
    assert_ne!(rest, ANSWER[3..]);
    assert_eq!(world.ask(ASKED).0, ANSWER, "the line recovers by itself");
}

#[test]
fn two_devices_with_one_unit_id_answer_over_each_other() {
    let mut world = world(&[1, 1]);
    world.street.lock().unwrap().residents[1]
        .server
        .set_raw(modbus_wire::Table::HoldingRegister, 3, 1)
        .unwrap();
    let (seen, ..) = world.ask(ASKED);
    assert_eq!(seen, [1, 3, 2, 0, 0, 0x38, 0x04]);
}

#[test]
fn the_dead_are_silent_and_the_flapping_sometimes() {
    let mut world = world(&[1, 2]);
    world.fault(0, "dead");
    assert_eq!(world.ask(ASKED).0, [0; 0]);
    assert_eq!(world.ask(&[2, 3, 0, 3, 0, 1, 0x74, 0x39]).0.len(), 7);
    world.fault(1, "flapping 2000");
    let alive: Vec<bool> = (0..4).map(|_| !world.ask(&[2, 3, 0, 3, 0, 1, 0x74, 0x39]).0.is_empty()).collect();
    assert_eq!(alive, [true, false, true, false]);
    world.line_fault("dead");
    assert_eq!(world.ask(&[2, 3, 0, 3, 0, 1, 0x74, 0x39]).0, [0; 0]);
}

#[test]
fn the_slow_and_the_late_answer_rightly_but_later() {
    let mut slow = world(&[1]);
    slow.fault(0, "slow 300");
    let (seen, first, _) = slow.ask(ASKED);
    assert_eq!((seen.as_slice(), first), (ANSWER, END_OF_REQUEST + THINKING + millis(300) + CHARACTER));
    let mut late = world(&[1]);
    late.fault(0, "late");
    let (seen, first, _) = late.ask(ASKED);
    assert_eq!((seen.as_slice(), first), (ANSWER, END_OF_REQUEST + millis(300) + CHARACTER));
}

#[test]
fn spoilt_answers_look_as_they_are_called() {
    let seen = |fault: &str| {
        let mut world = world(&[1]);
        world.fault(0, fault);
        world.ask(ASKED).0
    };
    assert_eq!(seen("exception 4"), [1, 0x83, 4, 0x40, 0xF3]);
    assert_eq!(seen("wrong_unit_id")[..2], [2, 3]);
    assert_eq!(seen("joined"), [ANSWER, ANSWER].concat());
    assert_eq!(seen("echo"), [ASKED, ANSWER].concat());
    assert_ne!(seen("noisy 100"), ANSWER);
    assert!(ANSWER.starts_with(&seen("truncated")) && seen("truncated").len() < ANSWER.len());
}

#[test]
fn a_refusing_device_carries_nothing_out() {
    let mut world = world(&[1]);
    world.fault(0, "exception 6");
    assert_eq!(world.ask(&[3, 3, 0, 3, 0, 1, 0x75, 0xE8]).0, [0; 0], "it refuses only for itself");
    let (seen, ..) = world.ask(&[1, 6, 7, 0xD0, 0, 5, 0x49, 0x44]);
    assert_eq!(seen[..3], [1, 0x86, 6]);
    assert_eq!(world.street.lock().unwrap().residents[0].server.unit_id(), 1);
}

#[test]
fn a_half_duplex_adapter_echoes_while_it_sends() {
    let mut world = world(&[1]);
    world.line_fault("echo");
    let (seen, first, last) = world.ask(ASKED);
    assert_eq!(seen, [ASKED, ANSWER].concat());
    assert_eq!((first, last), (CHARACTER, END_OF_REQUEST + THINKING + 7 * CHARACTER));
}

#[test]
fn babble_comes_unasked_at_about_its_interval_and_the_same_each_time() {
    let noise = |seconds: u32| {
        let mut world = world(&[1]);
        world.fault(0, "babble 100");
        world.line.due(0, &mut Vec::new());
        world.until(millis(seconds * 1000)).0
    };
    let heard = noise(10);
    assert!((400..1600).contains(&heard.len()), "{} bytes in 10 s", heard.len());
    assert_eq!(heard, noise(10));
}

#[test]
fn a_unit_that_was_told_another_baud_rate_is_deaf_here() {
    let mut street = Street::new("b3", Some(9600), 7);
    let unit = crate::call_unit::CallUnit::new(made::call(), 12, 1, 9600);
    street.residents.push(Resident::new(Box::new(unit), (THINKING, 0), "call", 7));
    let mut frame = [0; 256];
    let mut ask = |pdu: &[u8]| {
        let len = modbus_wire::rtu::encode(12, pdu, &mut frame).unwrap();
        street.hear(0, &frame[..len]).len()
    };
    assert_eq!(ask(&[4, 0, 0, 0, 1]), 1);
    assert_eq!(ask(&[6, 7, 0xD1, 0, 0]), 1);
    assert_eq!(ask(&[4, 0, 0, 0, 1]), 0);
}

/// The smoke detector's question for this unit id, with its CRC.
fn asked(unit_id: u8) -> Vec<u8> {
    let mut frame = vec![unit_id, 3, 0, 3, 0, 1];
    let crc = modbus_wire::rtu::crc(&frame);
    frame.extend(crc.to_le_bytes());
    frame
}

#[test]
fn where_speed_matters_only_who_has_the_clients_is_understood() {
    let mut world = world(&[1, 2]);
    world.street.lock().unwrap().residents[1].baud = Some(5_000);
    world.line.client_speaks(10_000);
    assert_eq!(world.ask(&asked(1)).0, ANSWER);
    assert!(world.ask(&asked(2)).0.is_empty());
    world.line.client_speaks(5_000);
    assert!(world.ask(&asked(1)).0.is_empty());
    let began = world.now;
    let (seen, first, _) = world.ask(&asked(2));
    assert_eq!(seen.len(), ANSWER.len());
    assert_eq!(
        first - began,
        2 * (END_OF_REQUEST + CHARACTER) + THINKING,
        "each character takes twice as long"
    );
}

#[test]
fn ten_kilobytes_of_anything_do_no_harm() {
    let mut world = world(&[1]);
    for byte in [0x00, 0xFF, 0x55] {
        world.line.heard(world.now, &[byte; 10_240]);
        world.now = world.line.request_end;
        assert_eq!(world.until(world.now + millis(1000)).0, [0; 0]);
        assert!(world.line.request.capacity() <= 1024);
    }
    assert_eq!(world.ask(ASKED).0, ANSWER);
}

#[test]
fn babble_in_the_middle_of_a_request_makes_it_unheard() {
    let mut world = world(&[1]);
    world.line_fault("babble 10");
    let heard = (0..50).filter(|_| world.ask(ASKED).0.windows(7).any(|seen| seen == ANSWER)).count();
    assert_eq!(heard, 0, "8 characters take 8 ms, an answer 27: somebody always babbles in between");
}
