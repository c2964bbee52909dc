//! Stories of one line: silence, late answers, echoes. Times in microseconds, 9600 8N1.

use modbus_wire::{Bits, Failure, Registers, Request, Response, Step, Table, Timing};

use crate::line::{FIRST_BYTE_US, Line, hex, holding, rtu_frame, tcp_frame};

const SILENCE_US: u64 = 3_646;

fn value(unit_id: u8, value: u8) -> Vec<u8> {
    rtu_frame(unit_id, &[3, 2, 0, value])
}

#[test]
fn timing_follows_the_specification() {
    assert_eq!(Timing::serial(9600, 10).silence_us, 3_646);
    assert_eq!(Timing::serial(9600, 11).silence_us, 4_011);
    assert_eq!(Timing::serial(19_200, 11).silence_us, 2_006);
    assert_eq!(Timing::serial(38_400, 11).silence_us, 1_750);
    assert_eq!(Timing::serial(115_200, 10).silence_us, 1_750);
    assert_eq!(Timing::stream().silence_us, 0);
    assert!(Timing::serial(0, u32::MAX).silence_us > 0, "nonsense is bounded, not a panic");
}

#[test]
fn it_speaks_only_into_silence() {
    let mut line = Line::rtu();
    assert_eq!(line.ask(1, holding(3, 1)), SILENCE_US, "a line nobody has listened to");
    line.hears(20_000, &value(1, 1));
    assert!(line.is_done(), "the answer is not held back for silence");
    assert_eq!(line.ask(1, holding(4, 1)), SILENCE_US, "after the last byte in");
    line.hears(20_000, &value(1, 1));
    line.now += 50_000;
    assert_eq!(line.ask(1, holding(5, 1)), 0, "silence that has passed is not waited for again");
}

#[test]
fn what_comes_before_the_request_is_drained() {
    let mut line = Line::rtu();
    line.begin(1, holding(3, 1));
    line.hears(2_000, &[0xAA]).hears(2_000, &[0xAA, 0xBB]);
    assert_eq!(line.conversation.step(line.now), Step::Wait { until: 4_000 + SILENCE_US });
    line.now += SILENCE_US;
    line.send();
    assert_eq!(line.conversation.counts().stray_bytes, 3);
    line.hears(20_000, &value(1, 1));
    assert_eq!(line.registers(), Ok(vec![1]));
}

#[test]
fn silence_is_a_timeout_exactly_when_it_was_allowed_to_begin() {
    let mut line = Line::rtu();
    line.ask(1, holding(3, 1));
    assert_eq!(line.waits(), u64::from(FIRST_BYTE_US));
    assert_eq!(line.failure(), Failure::Timeout);
    assert_eq!(line.conversation.reply_delay_us(), None);
}

#[test]
fn a_long_answer_may_end_after_the_first_byte_s_time() {
    let mut line = Line::rtu();
    line.ask(1, holding(0, 125));
    let frame = rtu_frame(1, &[&[3, 250], &[7; 250][..]].concat());
    line.now += u64::from(FIRST_BYTE_US) - 10_000;
    for piece in frame.chunks(16) {
        line.hears(16 * 1_042, piece);
        assert_eq!(line.is_done(), piece.len() < 16, "255 bytes take 266 ms");
    }
    assert_eq!(line.registers().map(|registers| registers.len()), Ok(125));
}

/// tokio-modbus 0.17 returns the value of register 100 here, and stays one answer behind.
#[test]
fn a_late_answer_is_not_taken_for_the_next_block_of_the_same_size() {
    let mut line = Line::rtu();
    line.ask(1, holding(100, 1));
    line.waits();
    assert_eq!(line.failure(), Failure::Timeout);
    let gave_up_at = line.now;

    line.begin(1, holding(200, 1));
    line.hears(50_000, &value(1, 100));
    while let Step::Wait { until } = line.conversation.step(line.now) {
        line.now = until;
    }
    let window = u64::from(Timing::serial(9600, 10).late_window_us);
    assert_eq!(line.now, gave_up_at + window, "held until no late answer can come");
    line.send();
    line.hears(20_000, &value(1, 200));
    assert_eq!(line.registers(), Ok(vec![200]));
    assert_eq!(line.conversation.counts().late_answers, 1);
}

#[test]
fn only_what_could_be_mistaken_is_held() {
    let cases: [(u8, Request<'_>, bool); 6] = [
        (1, holding(100, 1), false),
        (1, holding(200, 1), true),
        (1, holding(200, 2), false),
        (2, holding(200, 1), false),
        (1, Request::Read { table: Table::InputRegister, address: 100, count: 1 }, false),
        (1, Request::WriteRegister { address: 100, value: 1 }, false),
    ];
    for (unit_id, request, held) in cases {
        let mut line = Line::rtu();
        line.ask(1, holding(100, 1));
        line.waits();
        assert_eq!(line.ask(unit_id, request) > 100_000, held, "{unit_id} {request:?}");
    }
}

#[test]
fn another_device_between_does_not_make_it_forgotten() {
    let mut line = Line::rtu();
    line.ask(1, holding(100, 1));
    line.waits();
    line.ask(2, holding(100, 1));
    line.hears(20_000, &value(2, 2));
    assert!(line.ask(1, holding(200, 1)) > 100_000);
}

#[test]
fn a_retry_that_is_answered_still_owes_one_answer() {
    let mut line = Line::rtu();
    line.ask(1, holding(100, 1));
    line.waits();
    line.now += u64::from(Timing::serial(9600, 10).late_window_us) - 50_000;
    assert!(line.ask(1, holding(100, 1)) < 10_000, "the same again needs no hold");
    line.hears(1_000, &value(1, 100));
    assert_eq!(line.registers(), Ok(vec![100]), "whichever of the two this was");
    line.now += 100_000;
    line.begin(1, holding(200, 1));
    line.hears(10_000, &value(1, 100));
    line.now += 10_000;
    assert!(matches!(line.conversation.step(line.now), Step::Wait { .. }), "this was the other");
}

#[test]
fn an_echo_that_contains_its_own_confirmation_confirms_nothing() {
    let confirmation = rtu_frame(1, &[16, 0, 0, 0, 4]);
    let registers = Registers::from_bytes(&confirmation).unwrap();
    let mut line = Line::rtu();
    line.ask(1, holding(3, 1));
    let echo = line.conversation.request_frame().to_vec();
    line.hears(500, &echo).hears(20_000, &value(1, 1));
    assert_eq!(line.registers(), Ok(vec![1]));

    line.ask(1, Request::WriteRegisters { address: 0, registers });
    for byte in line.conversation.request_frame().to_vec() {
        line.hears(1_042, &[byte]);
        assert!(!line.is_done(), "the device has not answered yet");
    }
    line.hears(20_000, &confirmation);
    assert!(line.is_done());
    let response = line.conversation.answer().map(|answer| answer.response);
    assert_eq!(response, Ok(Response::WroteRegisters { address: 0, count: 4 }));
}

#[test]
fn a_write_of_several_registers_is_held_even_for_the_same_address() {
    let registers = |bytes| Registers::from_bytes(bytes).unwrap();
    let mut line = Line::rtu();
    line.ask(1, Request::WriteRegisters { address: 0, registers: registers(&[0, 1]) });
    line.waits();
    let other = Request::WriteRegisters { address: 0, registers: registers(&[0, 2]) };
    assert!(line.ask(1, other) > 100_000, "its confirmation would look the same");
}

#[test]
fn a_late_exception_is_not_pinned_on_another_block() {
    let mut line = Line::rtu();
    line.ask(1, holding(100, 1));
    line.waits();
    line.ask(1, holding(200, 2));
    line.hears(10_000, &rtu_frame(1, &[0x83, 2]));
    assert!(!line.is_done());
    line.hears(10_000, &rtu_frame(1, &[3, 4, 0, 1, 0, 2]));
    assert_eq!(line.registers(), Ok(vec![1, 2]));
    assert_eq!(line.conversation.counts().late_answers, 1);
}

#[test]
fn a_late_answer_of_another_device_is_not_called_a_wrong_unit_id() {
    let mut line = Line::rtu();
    line.ask(2, holding(100, 1));
    line.waits();
    line.ask(1, holding(100, 1));
    line.hears(10_000, &value(2, 1)).waits();
    assert_eq!(line.failure(), Failure::Timeout);
    assert_eq!(line.conversation.counts().late_answers, 1);
}

#[test]
fn more_late_answers_than_can_be_remembered_hold_everything() {
    let mut line = Line::rtu();
    for unit_id in 1..=9 {
        let ask = modbus_wire::Ask { unit_id, request: holding(0, 1), first_byte_us: 1_000 };
        line.conversation.begin(line.now, &ask).unwrap();
        while let Step::Wait { until } = line.conversation.step(line.now) {
            line.now = until;
        }
        line.send();
        line.waits();
    }
    assert!(line.ask(77, holding(0, 1)) > 100_000);
    line.hears(10_000, &value(77, 1));
    assert!(line.ask(77, holding(0, 1)) < 10_000);
}

#[test]
fn our_own_echo_is_recognised_and_then_expected() {
    let mut line = Line::rtu();
    line.ask(1, holding(3, 1));
    let request = line.conversation.request_frame().to_vec();
    line.hears(500, &request);
    assert!(!line.is_done());
    line.hears(20_000, &value(1, 1));
    assert_eq!(line.registers(), Ok(vec![1]));
    assert_eq!(line.conversation.reply_delay_us(), Some(20_500));

    let write = Request::WriteRegister { address: 0, value: 5 };
    line.ask(1, write);
    let request = line.conversation.request_frame().to_vec();
    line.hears(500, &request);
    assert!(!line.is_done(), "this is only our echo");
    line.hears(20_000, &request);
    assert!(line.is_done());
    let response = line.conversation.answer().map(|answer| answer.response);
    assert_eq!(response, Ok(Response::WroteRegister { address: 0, value: 5 }));

    line.ask(1, write);
    let request = line.conversation.request_frame().to_vec();
    line.hears(500, &request).waits();
    assert_eq!(line.failure(), Failure::Timeout, "a dead device's write is not confirmed by our echo");
    assert_eq!(line.conversation.counts().own_echoes, 3);

    line.conversation.reset(line.now);
    line.ask(1, write);
    let request = line.conversation.request_frame().to_vec();
    line.hears(500, &request).waits();
    assert_eq!(line.failure(), Failure::Timeout, "nor after the line was opened again");
}

#[test]
fn a_line_without_echo_confirms_a_write_with_one_frame() {
    let mut line = Line::rtu();
    line.ask(1, holding(3, 1));
    line.hears(20_000, &value(1, 1));
    line.ask(1, Request::WriteCoil { address: 7, on: true });
    let request = line.conversation.request_frame().to_vec();
    line.hears(20_000, &request);
    assert!(line.is_done());
    let response = line.conversation.answer().map(|answer| answer.response);
    assert_eq!(response, Ok(Response::WroteCoil { address: 7, on: true }));
}

/// Function 1, address 0x03nn, 17-24 coils: an answer can have the very bytes of its request.
#[test]
fn a_read_that_looks_like_its_answer_is_answered() {
    let request = Request::Read { table: Table::Coil, address: 0x0355, count: 24 };
    let mut line = Line::rtu();
    line.ask(1, request);
    let frame = line.conversation.request_frame().to_vec();
    assert_eq!(frame, hex("01 01 03 55 00 18 2C 54"));
    line.hears(20_000, &frame);
    assert!(line.is_done());
    let response = line.conversation.answer().map(|answer| answer.response);
    assert_eq!(response, Ok(Response::Bits(Bits::new(&[0x55, 0, 0x18], 24).unwrap())));
}

#[test]
fn an_ask_that_was_abandoned_is_still_owed() {
    let mut line = Line::rtu();
    line.ask(1, holding(100, 1));
    line.now += 10_000;
    assert!(line.ask(1, holding(200, 1)) > 100_000);
}

#[test]
fn a_line_opened_again_waits_out_what_others_may_have_asked() {
    let mut line = Line::rtu();
    line.ask(1, holding(100, 1));
    line.conversation.reset(line.now);
    assert_eq!(line.conversation.step(line.now), Step::Idle);
    let late_window_us = u64::from(Timing::serial(9600, 10).late_window_us);
    assert_eq!(line.ask(1, holding(200, 1)), late_window_us);
}

#[test]
fn tcp_transactions_tell_late_answers_from_ours() {
    let mut line = Line::tcp();
    assert_eq!(line.ask(1, holding(100, 1)), 0);
    line.waits();
    assert_eq!(line.failure(), Failure::Timeout);
    assert_eq!(line.ask(1, holding(200, 1)), 0, "nothing needs to be held");
    line.hears(1_000, &tcp_frame(1, 1, &[3, 2, 0, 100]));
    assert!(!line.is_done());
    line.hears(1_000, &tcp_frame(2, 1, &[3, 2, 0, 200]));
    assert_eq!(line.registers(), Ok(vec![200]));
    line.hears(1_000, &tcp_frame(2, 1, &[3, 2, 0, 201]));
    assert_eq!(line.registers(), Ok(vec![200]), "an answer stays what it was");
    assert_eq!(line.conversation.counts().late_answers, 2);
}

#[test]
fn tcp_transactions_wrap() {
    let mut line = Line::tcp();
    for round in 0..65_540_u32 {
        line.ask(1, holding(0, 1));
        let transaction = (round + 1) as u16;
        line.hears(100, &tcp_frame(transaction, 1, &[3, 2, 0, 1]));
        assert!(line.is_done());
        assert!(line.conversation.answer().is_ok());
    }
}

#[test]
fn rtu_frames_over_a_stream_keep_the_rule_of_late_answers() {
    let mut line = Line::rtu();
    line.conversation = modbus_wire::Conversation::new(modbus_wire::Framing::Rtu, Timing::stream());
    assert_eq!(line.ask(1, holding(100, 1)), 0);
    line.waits();
    assert!(line.ask(1, holding(200, 1)) >= 1_000_000);
    line.hears(1_000, &value(1, 5)[..4]).hears(400_000, &value(1, 5)[4..]);
    assert_eq!(line.registers(), Ok(vec![5]), "a network may deliver in pieces");
}
