//! Bytes that were recomputed or recorded elsewhere: what they must mean, and that we write the same.

use modbus_wire::{
    Bits, ExceptionCode, Registers, Request, RequestError, Response, Table, Table::*, rtu, server, tcp,
};

use crate::line::{Line, hex};

fn read(table: Table, address: u16, count: u16) -> Request<'static> {
    Request::Read { table, address, count }
}

/// Every request of the device notes, `>`.
const REQUESTS: &[(&str, u8, Request<'static>)] = &[
    ("01 03 00 03 00 01 74 0A", 1, Request::Read { table: HoldingRegister, address: 3, count: 1 }),
    ("01 03 00 02 00 01 25 CA", 1, Request::Read { table: HoldingRegister, address: 2, count: 1 }),
    ("01 03 00 04 00 01 C5 CB", 1, Request::Read { table: HoldingRegister, address: 4, count: 1 }),
    ("01 06 00 00 00 05 49 C9", 1, Request::WriteRegister { address: 0, value: 5 }),
    ("05 06 00 0F 00 00 B8 4D", 5, Request::WriteRegister { address: 15, value: 0 }),
    ("01 03 00 00 00 02 C4 0B", 1, Request::Read { table: HoldingRegister, address: 0, count: 2 }),
    ("01 06 07 D0 00 05 49 44", 1, Request::WriteRegister { address: 0x07D0, value: 5 }),
    ("FF 02 00 00 00 08 6C 12", 255, Request::Read { table: DiscreteInput, address: 0, count: 8 }),
    ("FF 03 07 D0 00 01 91 59", 255, Request::Read { table: HoldingRegister, address: 0x07D0, count: 1 }),
    ("1A 03 00 00 00 01 87 E1", 0x1A, Request::Read { table: HoldingRegister, address: 0, count: 1 }),
    ("F6 04 07 D2 00 02 C5 C1", 246, Request::Read { table: InputRegister, address: 2002, count: 2 }),
    ("01 04 00 01 00 02 20 0B", 1, Request::Read { table: InputRegister, address: 1, count: 2 }),
    ("01 06 00 00 00 EA 08 45", 1, Request::WriteRegister { address: 0, value: 234 }),
    ("0C 02 00 00 00 06 F9 15", 12, Request::Read { table: DiscreteInput, address: 0, count: 6 }),
    ("0C 04 00 00 00 0D 30 D2", 12, Request::Read { table: InputRegister, address: 0, count: 13 }),
    ("0C 06 00 00 00 07 C9 15", 12, Request::WriteRegister { address: 0, value: 7 }),
    ("0C 06 00 01 00 02 58 D6", 12, Request::WriteRegister { address: 1, value: 2 }),
];

#[test]
fn every_golden_request_means_what_it_says_and_is_written_the_same() {
    for (text, unit_id, request) in REQUESTS {
        let frame = hex(text);
        assert_eq!(server::decode(&frame), Ok((*unit_id, Ok(*request))), "{text}");
        assert_eq!(rtu::request_frame_len(&frame), Some(frame.len()));
        let mut pdu = [0; 253];
        let len = request.encode(&mut pdu).unwrap();
        let mut out = [0; 256];
        let len = rtu::encode(*unit_id, &pdu[..len], &mut out).unwrap();
        assert_eq!(out[..len], frame, "{text}");
    }
}

/// Every answer of the device notes, `<`, through a whole conversation and out of the server's hand again.
#[test]
fn every_golden_answer_means_what_it_says_and_is_written_the_same() {
    let registers = |bytes: &'static [u8]| Response::Registers(Registers::from_bytes(bytes).unwrap());
    let bits = |bytes: &'static [u8], count| Response::Bits(Bits::new(bytes, count).unwrap());
    let refused = |code| Response::Exception(ExceptionCode(code));
    let echo = Request::WriteRegister { address: 0, value: 7 };
    let answers = [
        ("01 03 02 00 01 79 84", 1, read(HoldingRegister, 3, 1), registers(&[0, 1])),
        ("01 03 02 00 00 B8 44", 1, read(HoldingRegister, 3, 1), registers(&[0, 0])),
        ("01 03 02 00 99 78 2E", 1, read(HoldingRegister, 4, 1), registers(&[0, 153])),
        ("01 03 04 02 92 FF 9B 5A 3D", 1, read(HoldingRegister, 0, 2), registers(&[0x02, 0x92, 0xFF, 0x9B])),
        ("FF 02 01 01 51 A0", 255, read(DiscreteInput, 0, 8), bits(&[1], 8)),
        ("FF 02 01 00 90 60", 255, read(DiscreteInput, 0, 8), bits(&[0], 8)),
        ("1A 03 02 00 01 1D 86", 0x1A, read(HoldingRegister, 0, 1), registers(&[0, 1])),
        ("01 83 02 C0 F1", 1, read(HoldingRegister, 0, 1), refused(2)),
        ("0C 02 01 02 22 E5", 12, read(DiscreteInput, 0, 6), bits(&[2], 6)),
        ("0C 06 00 00 00 07 C9 15", 12, echo, Response::WroteRegister { address: 0, value: 7 }),
        ("0C 86 03 93 A2", 12, echo, refused(3)),
    ];
    for (text, unit_id, request, response) in answers {
        let frame = hex(text);
        let mut line = Line::rtu();
        line.ask(unit_id, request);
        line.hears(30_000, &frame);
        assert!(line.is_done(), "{text}");
        let answer = line.conversation.answer().unwrap();
        assert_eq!((answer.response, answer.frame), (response, &frame[..]));
        assert_eq!(line.conversation.reply_delay_us(), Some(30_000));
        let mut out = [0; 256];
        let len = server::answer(unit_id, &request, &response, &mut out).unwrap();
        assert_eq!(out[..len], frame, "{text}");
    }
    let mut out = [0; 5];
    assert_eq!(server::exception(1, 3, ExceptionCode::ILLEGAL_DATA_ADDRESS, &mut out), Ok(5));
    assert_eq!(out[..], hex("01 83 02 C0 F1"));
}

#[test]
fn the_renke_maker_frame_has_a_valid_crc_and_answers_nothing() {
    for text in ["FD FD FD 00 00 E9 88", "FD FD FD 03 01 28 B8", "FD FD FD 00 08 E8 4E"] {
        let frame = hex(text);
        assert!(rtu::decode(&frame).is_ok());
        let mut line = Line::rtu();
        line.ask(0xFD, read(HoldingRegister, 3, 1));
        line.hears(10_000, &frame).waits();
        assert!(line.conversation.answer().is_err());
    }
}

/// The examples of the application protocol specification, sections 6.1-6.12.
#[test]
fn the_specification_s_own_examples() {
    let requests = [
        ("01 00 13 00 13", read(Coil, 0x13, 19)),
        ("02 00 C4 00 16", read(DiscreteInput, 0xC4, 22)),
        ("03 00 6B 00 03", read(HoldingRegister, 0x6B, 3)),
        ("04 00 08 00 01", read(InputRegister, 8, 1)),
        ("05 00 AC FF 00", Request::WriteCoil { address: 0xAC, on: true }),
        ("06 00 01 00 03", Request::WriteRegister { address: 1, value: 3 }),
        (
            "0F 00 13 00 0A 02 CD 01",
            Request::WriteCoils { address: 0x13, bits: Bits::new(&[0xCD, 1], 10).unwrap() },
        ),
        (
            "10 00 01 00 02 04 00 0A 01 02",
            Request::WriteRegisters { address: 1, registers: Registers::from_bytes(&[0, 10, 1, 2]).unwrap() },
        ),
    ];
    for (text, request) in requests {
        assert_eq!(Request::decode(&hex(text)), Ok(request), "{text}");
    }
    let bytes = hex("01 03 CD 6B 05");
    let Ok(Response::Bits(coils)) = Response::decode(&read(Coil, 0x13, 19), &bytes) else {
        panic!("coils 20-38 of the specification")
    };
    let on: Vec<usize> = (0..19).filter(|index| coils.get(*index) == Some(true)).collect();
    assert_eq!(on, [0, 2, 3, 6, 7, 8, 9, 11, 13, 14, 16, 18]);
    assert_eq!(coils.get(19), None);
    assert_eq!(
        Response::decode(&read(HoldingRegister, 0x6B, 3), &hex("03 06 02 2B 00 00 00 64")),
        Ok(Response::Registers(Registers::from_bytes(&hex("02 2B 00 00 00 64")).unwrap()))
    );
}

#[test]
fn a_server_refuses_with_the_right_exception() {
    let cases = [
        ("07", 7, 1),
        ("2B 0E 01 00", 0x2B, 1),
        ("83 02", 0x83, 1),
        ("03", 3, 3),
        ("03 00 00 00 00", 3, 3),
        ("03 00 00 00 7E", 3, 3),
        ("01 00 00 07 D1", 1, 3),
        ("03 00 00 00 01 00", 3, 3),
        ("03 FF FF 00 02", 3, 2),
        ("05 00 00 FF FF", 5, 3),
        ("0F 00 00 00 09 01 FF", 15, 3),
        ("10 00 00 00 01 04 00 00 00 00", 16, 3),
        ("10 FF FF 00 02 04 00 00 00 00", 16, 2),
        ("", 0, 1),
    ];
    for (text, function, exception) in cases {
        let error = RequestError { function, exception: ExceptionCode(exception) };
        assert_eq!(Request::decode(&hex(text)), Err(error), "{text}");
    }
}

#[test]
fn limits_are_exactly_where_the_specification_puts_them() {
    let mut out = [0; 260];
    for (table, most) in [(Coil, 2000), (DiscreteInput, 2000), (HoldingRegister, 125), (InputRegister, 125)] {
        assert!(read(table, 0, most).encode(&mut out).is_ok());
        assert!(read(table, 0, most + 1).encode(&mut out).is_err());
        assert!(read(table, 0, 0).encode(&mut out).is_err());
        assert!(read(table, 65535, 1).encode(&mut out).is_ok());
        assert!(read(table, 65535, 2).encode(&mut out).is_err());
        assert_eq!(Table::from_read_function(table.read_function()), Some(table));
    }
    let bytes = [0xFF; 248];
    let registers = |n: usize| Registers::from_bytes(&bytes[..2 * n]).unwrap();
    assert_eq!(Request::WriteRegisters { address: 0, registers: registers(123) }.encode(&mut out), Ok(252));
    assert!(Request::WriteRegisters { address: 0, registers: registers(124) }.encode(&mut out).is_err());
    let bits = |n: u16| Bits::new(&bytes[..usize::from(n).div_ceil(8)], n).unwrap();
    assert_eq!(Request::WriteCoils { address: 0, bits: bits(1968) }.encode(&mut out), Ok(252));
    assert!(Request::WriteCoils { address: 0, bits: bits(1969) }.encode(&mut out).is_err());
    assert!(read(HoldingRegister, 0, 1).encode(&mut [0; 4]).is_err());
}

#[test]
fn a_tcp_frame_carries_its_header() {
    let frame = hex("00 07 00 00 00 06 0C 03 00 03 00 01");
    let header = tcp::Header { transaction: 7, unit_id: 12, pdu_len: 5 };
    assert_eq!(tcp::decode(&frame), Ok(Some((header, &frame[7..]))));
    for missing in 1..=frame.len() {
        assert_eq!(tcp::decode(&frame[..frame.len() - missing]), Ok(None));
    }
}

#[test]
fn exceptions_have_names_and_unknown_ones_keep_their_number() {
    assert_eq!(ExceptionCode(2).to_string(), "exception 2 (illegal data address)");
    assert_eq!(ExceptionCode(255).to_string(), "exception 255");
    let named: Vec<u8> = (0..=255).filter(|code| ExceptionCode(*code).name().is_some()).collect();
    assert_eq!(named, [1, 2, 3, 4, 5, 6, 8, 10, 11]);
}
