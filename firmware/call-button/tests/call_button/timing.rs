//! Bytes at the pace of the line: where a frame ends, and when the answer begins.

use call_button::Micros;

use crate::world::{SECOND, World, bytes, hex, world};

const READ: &str = "0C 04 00 00 00 0D 30 D2";
const LOOP_US: Micros = 500;

/// Feeds the bytes with the line's spacing plus `pause_us` before each, turning the main loop every
/// 500 us; the answer and how long after the last byte it began.
fn paced(world: &mut World, frame: &[u8], pause_us: impl Fn(usize) -> Micros) -> Option<(Vec<u8>, Micros)> {
    let character_us = 10 * 1_000_000 / Micros::from(world.unit.settings().baud());
    let mut at = world.now + 10_000;
    let times: Vec<_> = (0..frame.len())
        .map(|index| {
            at += character_us + pause_us(index);
            at
        })
        .collect();
    let mut bytes = frame.iter().zip(times.iter()).peekable();
    let end = at;
    while world.now < end + 200_000 {
        world.now += LOOP_US;
        while let Some((byte, at)) = bytes.next_if(|(_, at)| **at <= world.now) {
            world.unit.received(*at, *byte);
        }
        world.unit.tick(world.now, world.inputs);
        let now = world.now;
        if let Some(answer) = world.unit.poll(now) {
            let answer = answer.to_vec();
            world.unit.sent();
            return Some((answer, now - end));
        }
    }
    None
}

#[test]
fn an_answer_begins_within_3_5_characters_and_1_ms() {
    for (code, character_us) in [(2, 1_042), (1, 2_084), (0, 4_167)] {
        let mut world = world();
        world.ask(&format!("06 07 D1 00 0{code}"));
        for frame in [READ, "0C 06 00 01 00 02 58 D6", "0C 02 00 00 00 06 F9 15"] {
            let (answer, began) = paced(&mut world, &bytes(frame), |_| 0).unwrap();
            assert_eq!(answer[0], 12);
            let silence = character_us * 7 / 2;
            assert!((silence - 500..=silence + 1000).contains(&began), "{began} us at baud code {code}");
        }
    }
}

#[test]
fn silence_ends_a_frame_and_a_pause_below_it_does_not() {
    let mut world = world();
    assert!(paced(&mut world, &bytes(READ), |index| if index == 4 { 2_500 } else { 0 }).is_some());
    assert!(paced(&mut world, &bytes(READ), |index| if index == 4 { 3_700 } else { 0 }).is_none());
    assert!(paced(&mut world, &bytes(READ), |_| 0).is_some(), "and the next is heard");
}

#[test]
fn noise_that_touches_a_frame_spoils_it_and_noise_before_silence_does_not() {
    let mut world = world();
    let noisy = bytes(&format!("FD FD FD {READ}"));
    assert!(paced(&mut world, &noisy, |_| 0).is_none());
    assert!(paced(&mut world, &noisy, |index| if index == 3 { 5_000 } else { 0 }).is_some());
}

#[test]
fn more_than_256_bytes_are_silence_and_the_next_frame_is_answered() {
    let mut world = world();
    // 256 bytes that make no frame, and a valid request straight behind them.
    let long: Vec<_> = std::iter::repeat_n(0, 256).chain(bytes(READ)).collect();
    assert!(paced(&mut world, &long, |_| 0).is_none());
    assert!(paced(&mut world, &bytes(READ), |_| 0).is_some());
    // A receiver error in the middle.
    for byte in bytes(READ) {
        world.now += 1_042;
        world.unit.received(world.now, byte);
        if byte == 0 {
            world.unit.spoilt(world.now);
        }
    }
    world.now += 5_000;
    assert!(world.unit.poll(world.now).is_none());
    assert!(paced(&mut world, &bytes(READ), |_| 0).is_some());
}

#[test]
fn the_longest_frame_is_read() {
    let mut world = world();
    let pdu: Vec<_> = [0x10, 0, 0, 0, 123, 246].into_iter().chain([0; 246]).chain([0]).collect();
    let frame = crate::world::framed(12, &pdu);
    assert_eq!(frame.len(), 256);
    let (answer, _) = paced(&mut world, &frame, |_| 0).unwrap();
    assert_eq!(hex(&answer[..3]), "0C 90 01");
}

#[test]
fn an_answer_that_would_come_too_late_is_not_given() {
    let mut world = world();
    for byte in bytes("0C 06 00 01 00 02 58 D6") {
        world.now += 1_042;
        world.unit.received(world.now, byte);
    }
    // The main loop stood still.
    world.now += 51_000;
    assert!(world.unit.poll(world.now).is_none());
    assert_eq!(world.holding(1), 0, "and nothing was written: the gateway will ask again");
}

#[test]
fn a_unit_that_is_sending_hears_nothing() {
    let mut world = world();
    let now = world.now;
    assert!(world.unit.request(now, &bytes(READ)).is_some());
    for byte in bytes(READ) {
        world.unit.received(now + SECOND, byte);
    }
    assert!(world.unit.poll(now + 2 * SECOND).is_none());
    assert!(world.unit.answer().is_some());
    world.unit.sent();
    assert!(world.unit.answer().is_none());
    assert!(world.unit.poll(now + 2 * SECOND).is_none());
}
