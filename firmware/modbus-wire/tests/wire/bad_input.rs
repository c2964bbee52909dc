//! The Modbus part of the bad-input corpus: whatever the wire brings, the answer is the right one or none.

use modbus_wire::{
    ExceptionCode, Failure, FrameError, Request, Response, Step, Table,
    rtu::{self, request_frame_len},
    tcp::Header,
};

use crate::line::{FIRST_BYTE_US, Line, hex, holding, rtu_frame, tcp_frame};

const ALARM: &str = "01 03 02 00 01 79 84";

/// One question for register 3 of device 1, and what came back instead of an answer.
fn asked_and_heard(bytes: &[u8]) -> Line {
    let mut line = Line::rtu();
    line.ask(1, holding(3, 1));
    line.hears(20_000, bytes);
    line
}

#[test]
fn an_answer_split_at_every_byte_is_the_same_answer() {
    let frame = hex(ALARM);
    for split in 1..frame.len() {
        let mut line = asked_and_heard(&frame[..split]);
        assert!(!line.is_done());
        line.hears(16_000, &frame[split..]);
        assert_eq!(line.registers(), Ok(vec![1]), "split at {split}");
    }
    let mut line = asked_and_heard(&[]);
    for byte in &frame {
        line.hears(1_042, &[*byte]);
    }
    assert_eq!(line.registers(), Ok(vec![1]));
}

#[test]
fn an_answer_cut_short_anywhere_is_truncated_soon() {
    let frame = hex(ALARM);
    for len in 1..frame.len() {
        let mut line = asked_and_heard(&frame[..len]);
        let waited = line.waits();
        assert_eq!(line.failure(), Failure::Truncated, "{len} bytes");
        if len > 1 {
            assert!(waited < 30_000, "given up a gap after the last byte, not at the time-out: {waited}");
        }
        assert_eq!(line.conversation.counts().truncated, 1);
    }
}

#[test]
fn a_wrong_crc_is_never_an_answer() {
    let frame = hex(ALARM);
    for bit in 0..frame.len() * 8 {
        let mut bad = frame.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut line = asked_and_heard(&bad);
        line.waits();
        assert!(line.conversation.answer().is_err(), "bit {bit}");
    }
    let mut swapped = frame;
    swapped.swap(5, 6);
    let mut line = asked_and_heard(&swapped);
    line.waits();
    assert_eq!(line.failure(), Failure::Crc);
    assert_eq!(line.conversation.counts().crc_errors, 1);
}

#[test]
fn noise_before_the_answer_is_skipped_and_counted() {
    for noise in ["00", "FF FF FF", "01", "01 03", "01 03 02", "01 03 02 00", "01 83", "02 03 02 00"] {
        let mut bytes = hex(noise);
        let strays = bytes.len() as u32;
        bytes.extend(hex(ALARM));
        let mut line = asked_and_heard(&bytes);
        assert_eq!(line.registers(), Ok(vec![1]), "{noise}");
        assert_eq!(line.conversation.counts().stray_bytes, strays);
    }
}

/// The glitch byte of a turning RS-485 driver and the beginning of our answer can make up a valid frame.
#[test]
fn a_frame_made_of_noise_and_our_answer_does_not_hide_the_answer() {
    let request = holding(3, 4);
    let made_up = (0..=u16::MAX)
        .map(|value| [value.to_be_bytes(), [0, 0], [0, 0], [0, 9]].concat())
        .map(|values| rtu_frame(1, &[&[3, 8], &values[..]].concat()))
        .map(|answer| [&[0], &answer[..]].concat())
        .find(|bytes| rtu::decode(&bytes[..8]).is_ok())
        .expect("one value in 65536 does it");
    let mut line = Line::rtu();
    line.ask(1, request);
    for byte in &made_up {
        line.hears(1_042, &[*byte]);
    }
    assert_eq!(line.registers().map(|registers| registers[3]), Ok(9));
    assert_eq!(line.conversation.counts().foreign_frames, 0);
}

#[test]
fn values_that_look_like_a_frame_are_still_values() {
    let inner = rtu_frame(0x58, &[2, 0xA0, 8, 0x9F, 0xA9]);
    let values = [&[0, 0], &inner[..], &[0; 30]].concat();
    let answer = rtu_frame(1, &[&[3, 40], &values[..]].concat());
    let mut line = Line::rtu();
    line.ask(1, holding(0, 20));
    for byte in &answer {
        assert!(!line.is_done());
        line.hears(1_042, &[*byte]);
    }
    assert_eq!(line.registers().map(|registers| registers.len()), Ok(20));
}

#[test]
fn ten_kilobytes_of_zeros_or_ones_end_in_time() {
    for byte in [0x00, 0xFF, 0x01] {
        let mut line = asked_and_heard(&vec![byte; 10_000]);
        let waited = line.waits();
        assert_eq!(line.failure(), Failure::Crc);
        assert!(waited <= u64::from(FIRST_BYTE_US));

        let mut line = asked_and_heard(&[]);
        let from = line.now;
        while !line.is_done() {
            line.hears(1_042, &[byte]);
        }
        assert_eq!(line.failure(), Failure::Crc);
        assert!(line.now - from < 300_000, "a line that never stops is given up: {}", line.now - from);
    }
}

#[test]
fn a_babbling_line_is_given_up_before_anything_is_sent() {
    let mut line = Line::rtu();
    line.begin(1, holding(3, 1));
    while let Step::Wait { .. } = line.conversation.step(line.now) {
        line.hears(1_042, &[0x55]);
    }
    assert_eq!(line.failure(), Failure::Crc);
    assert!((1_000_000..1_010_000).contains(&line.now));
    assert_eq!(line.conversation.outgoing(), []);
}

#[test]
fn joined_frames_are_told_apart() {
    let foreign = rtu_frame(2, &[3, 2, 0, 7]);
    let mut line = asked_and_heard(&[foreign, hex(ALARM), hex("01 03 02 00 00 B8 44")].concat());
    assert_eq!(line.registers(), Ok(vec![1]));
    let counts = line.conversation.counts();
    assert_eq!((counts.foreign_frames, counts.stray_bytes), (1, 7), "nobody waits for the second answer");
}

#[test]
fn an_answer_inside_a_foreign_frame_is_not_ours() {
    let inner = hex(ALARM);
    let foreign = rtu_frame(2, &[&[3, 8], &inner[..], &[0]].concat());
    let mut line = asked_and_heard(&foreign);
    assert_eq!(line.waits(), u64::from(FIRST_BYTE_US) - 20_000);
    assert_eq!(line.failure(), Failure::WrongUnitId(2));
}

#[test]
fn another_device_s_frame_is_waited_past() {
    let mut line = asked_and_heard(&rtu_frame(2, &[3, 2, 0, 7]));
    assert!(!line.is_done());
    line.hears(10_000, &hex(ALARM));
    assert_eq!(line.registers(), Ok(vec![1]));
    assert_eq!(line.conversation.reply_delay_us(), Some(30_000));

    let mut line = asked_and_heard(&rtu_frame(9, &[3, 2, 0, 7]));
    line.waits();
    assert_eq!(line.failure(), Failure::WrongUnitId(9));
}

#[test]
fn wrong_function_and_wrong_size_are_named() {
    let cases: [(&[u8], Failure); 8] = [
        (&[4, 2, 0, 1], Failure::WrongFunction(4)),
        (&[0x84, 2], Failure::WrongFunction(0x84)),
        (&[0x64, 1, 2, 3], Failure::WrongFunction(0x64)),
        (&[3, 4, 0, 1, 0, 2], Failure::WrongLength),
        (&[3, 0], Failure::WrongLength),
        (&[3, 1, 0], Failure::WrongLength),
        (&[3, 3, 0, 1, 2], Failure::WrongLength),
        (&[3, 255, 0, 1], Failure::WrongLength),
    ];
    for (pdu, failure) in cases {
        let mut line = asked_and_heard(&rtu_frame(1, pdu));
        assert!(!line.is_done(), "the right answer may still follow");
        line.waits();
        assert_eq!(line.failure(), failure, "{pdu:02X?}");
        let mut line = asked_and_heard(&rtu_frame(1, pdu));
        line.hears(10_000, &hex(ALARM));
        assert_eq!(line.registers(), Ok(vec![1]), "{pdu:02X?}");
    }
}

#[test]
fn a_write_confirmed_with_other_content_is_not_confirmed() {
    let write = Request::WriteRegister { address: 0, value: 5 };
    for pdu in [[6, 0, 0, 0, 6], [6, 0, 1, 0, 5]] {
        let mut line = Line::rtu();
        line.ask(1, write);
        line.hears(20_000, &rtu_frame(1, &pdu)).waits();
        assert_eq!(line.failure(), Failure::EchoMismatch);
    }
}

#[test]
fn exception_numbers_are_kept_even_if_nobody_named_them() {
    for code in [0, 255] {
        let mut line = asked_and_heard(&rtu_frame(1, &[0x83, code]));
        assert!(line.is_done());
        let answer = line.conversation.answer().unwrap();
        assert_eq!(answer.response, Response::Exception(ExceptionCode(code)));
        assert_eq!(answer.pdu, [0x83, code]);
    }
}

#[test]
fn frames_of_impossible_length_are_refused() {
    for len in [0, 1, 2, 3, 257, 10_000] {
        assert_eq!(rtu::decode(&vec![0; len]), Err(FrameError::Length), "{len} bytes");
    }
    let longest = rtu_frame(1, &[3; 253]);
    assert_eq!((longest.len(), rtu::decode(&longest).is_ok()), (256, true));
    assert!(rtu::encode(1, &[3; 254], &mut [0; 300]).is_err());
    assert!(rtu::encode(1, &[], &mut [0; 300]).is_err());
    assert_eq!(request_frame_len(&[1]), None);
    assert_eq!(request_frame_len(&[1, 16, 0, 0, 0, 1]), None);
    assert_eq!(request_frame_len(&[1, 16, 0, 0, 0, 1, 2]), Some(11));
    assert_eq!(request_frame_len(&[1, 16, 0, 0, 0, 1, 255]), None);
    assert_eq!(request_frame_len(&[1, 7, 0, 0]), None);
}

#[test]
fn broken_tcp_framing_ends_the_stream_at_once() {
    let broken =
        ["00 01 00 01", "00 01 00 00 00 00", "00 01 00 00 00 01", "00 01 00 00 00 FF", "00 01 00 00 FF FF"];
    for text in broken {
        assert!(Header::parse(&hex(text)).is_err(), "{text}");
        let mut line = Line::tcp();
        line.ask(1, holding(3, 1));
        line.hears(1_000, &hex(text));
        assert_eq!(line.failure(), Failure::Stream, "{text}");
        line.begin(1, holding(3, 1));
        assert_eq!(line.failure(), Failure::Stream, "until the caller has connected again");
        line.conversation.reset(line.now);
        line.ask(1, holding(3, 1));
        let transaction =
            u16::from_be_bytes([line.conversation.request_frame()[0], line.conversation.request_frame()[1]]);
        line.hears(1_000, &tcp_frame(transaction, 1, &[3, 2, 0, 1]));
        assert_eq!(line.registers(), Ok(vec![1]));
    }
}

#[test]
fn a_tcp_answer_split_at_every_byte_is_the_same_answer() {
    let frame = tcp_frame(1, 1, &[3, 2, 0, 1]);
    for split in 1..frame.len() {
        let mut line = Line::tcp();
        line.ask(1, holding(3, 1));
        line.hears(1_000, &frame[..split]);
        assert!(!line.is_done());
        line.hears(1_000, &frame[split..]);
        assert_eq!(line.registers(), Ok(vec![1]));
    }
}

#[test]
fn one_byte_a_second_is_too_slow() {
    let mut line = Line::tcp();
    line.ask(1, holding(3, 1));
    let frame = tcp_frame(1, 1, &[3, 2, 0, 1]);
    line.hears(100_000, &frame[..1]).waits();
    assert_eq!(line.failure(), Failure::Truncated);
}

#[test]
fn tcp_answers_of_the_wrong_kind_fail_at_once() {
    let cases: [(u8, &[u8], Failure); 4] = [
        (2, &[3, 2, 0, 1], Failure::WrongUnitId(2)),
        (1, &[4, 2, 0, 1], Failure::WrongFunction(4)),
        (1, &[3, 4, 0, 1, 0, 2], Failure::WrongLength),
        (1, &[3, 4, 0, 1], Failure::WrongLength),
    ];
    for (unit_id, pdu, failure) in cases {
        let mut line = Line::tcp();
        line.ask(1, holding(3, 1));
        line.hears(1_000, &tcp_frame(1, unit_id, pdu));
        assert_eq!(line.failure(), failure);
    }
}

#[test]
fn a_request_is_refused_before_it_is_asked() {
    let mut line = Line::rtu();
    let mut begin = |unit_id, request| {
        let ask = modbus_wire::Ask { unit_id, request, first_byte_us: FIRST_BYTE_US };
        line.conversation.begin(0, &ask)
    };
    assert!(begin(0, Request::WriteCoil { address: 0, on: true }).is_err(), "broadcast");
    assert!(begin(1, holding(0, 126)).is_err());
    assert!(begin(1, Request::Read { table: Table::Coil, address: 65_535, count: 2 }).is_err());
    assert_eq!(line.conversation.step(0), Step::Idle);
}
