//! What must hold for every request, every response and every sequence of bytes.

use modbus_wire::{
    Ask, Bits, Conversation, EncodeError, ExceptionCode, Framing, Micros, Registers, Request, Response, Step,
    Table, Timing, rtu, server, tcp,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::line::{rtu_frame, tcp_frame};

/// A request and an answer to it, with the bytes that both borrow.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    function: u8,
    address: u16,
    count: u16,
    value: u16,
    bytes: Vec<u8>,
    exception: Option<u8>,
}

impl Exchange {
    fn bits(&self) -> Bits<'_> {
        Bits::new(&self.bytes[..usize::from(self.count).div_ceil(8)], self.count).expect("enough bytes")
    }

    fn registers(&self) -> Registers<'_> {
        Registers::from_bytes(&self.bytes[..usize::from(self.count) * 2]).expect("an even number")
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let (address, count) = (self.address, self.count);
        match (self.function, Table::from_read_function(self.function)) {
            (_, Some(table)) => Request::Read { table, address, count },
            (5, _) => Request::WriteCoil { address, on: self.value & 1 == 1 },
            (6, _) => Request::WriteRegister { address, value: self.value },
            (15, _) => Request::WriteCoils { address, bits: self.bits() },
            _ => Request::WriteRegisters { address, registers: self.registers() },
        }
    }

    pub(crate) fn response(&self) -> Response<'_> {
        match (self.exception, self.request()) {
            (Some(code), _) => Response::Exception(ExceptionCode(code)),
            (None, Request::Read { table, .. }) if table.is_bits() => Response::Bits(self.bits()),
            (None, Request::Read { .. }) => Response::Registers(self.registers()),
            (None, write) => Response::confirming(&write).expect("a write"),
        }
    }

    pub(crate) fn without_exception(self) -> Self {
        Self { exception: None, ..self }
    }

    /// The same below this address.
    pub(crate) fn moved_below(self, limit: u16) -> Self {
        Self { address: self.address % limit, ..self }
    }

    pub(crate) fn response_pdu(&self) -> Vec<u8> {
        let mut pdu = [0; 253];
        let len = self.response().encode(&self.request(), &mut pdu).expect("its own response");
        pdu[..len].to_vec()
    }
}

pub(crate) fn exchanges() -> impl Strategy<Value = Exchange> {
    let functions = prop::sample::select(vec![1_u8, 2, 3, 4, 5, 6, 15, 16]);
    functions
        .prop_flat_map(|function| {
            let most = match function {
                1 | 2 => 2000_u16,
                3 | 4 => 125,
                15 => 1968,
                16 => 123,
                _ => 1,
            };
            (Just(function), any::<u16>(), 1..=most, any::<u16>(), vec(any::<u8>(), 250), any::<Option<u8>>())
        })
        .prop_map(|(function, address, count, value, bytes, exception)| {
            let address = address.min(u16::MAX - (count - 1));
            Exchange { function, address, count, value, bytes, exception }
        })
}

/// The CRC bit by bit, as the specification draws it: a second opinion.
fn crc_by_the_book(bytes: &[u8]) -> u16 {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc
}

/// What happens to a conversation.
#[derive(Clone, Debug)]
enum Event {
    Ask(u8, Exchange),
    Bytes(Vec<u8>),
    /// The right answer to the present request, or a part of it.
    Answer(Index),
    /// Our own request comes back.
    Echo,
    Time(Micros),
    Step,
    Reset,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let bytes = prop_oneof![vec(any::<u8>(), 0..40), vec(prop::sample::select(vec![1, 3, 2, 0]), 0..40)];
    vec(
        prop_oneof![
            2 => (1..4_u8, exchanges()).prop_map(|(unit_id, exchange)| Event::Ask(unit_id, exchange)),
            2 => bytes.prop_map(Event::Bytes),
            4 => any::<Index>().prop_map(Event::Answer),
            1 => Just(Event::Echo),
            3 => (0..300_000_u64).prop_map(Event::Time),
            9 => Just(Event::Step),
            1 => Just(Event::Reset),
        ],
        0..60,
    )
}

/// An answer must be a frame that really came in, of the unit asked, and the answer to the request.
fn check_answer(conversation: &Conversation, framing: Framing, heard: &[u8], asked: &(u8, Exchange)) {
    let Ok(answer) = conversation.answer() else { return };
    let frame = answer.frame;
    assert!(heard.windows(frame.len()).any(|window| window == frame), "it came in");
    let (unit_id, pdu) = match framing {
        Framing::Rtu => {
            let (body, crc) = frame.split_at(frame.len() - 2);
            assert_eq!(crc_by_the_book(body).to_le_bytes(), crc);
            (body[0], &body[1..])
        }
        Framing::Tcp => {
            assert_eq!(frame[..2], conversation.request_frame()[..2], "the same transaction");
            (frame[6], &frame[7..])
        }
    };
    assert_eq!((unit_id, pdu), (asked.0, answer.pdu));
    assert_eq!(Response::decode(&asked.1.request(), pdu), Ok(answer.response));
}

fn play(framing: Framing, timing: Timing, events: Vec<Event>) {
    let mut conversation = Conversation::new(framing, timing);
    let (mut now, mut heard, mut asked) = (0, Vec::new(), None);
    for event in events {
        match event {
            Event::Ask(unit_id, exchange) => {
                let ask = Ask { unit_id, request: exchange.request(), first_byte_us: 100_000 };
                assert_eq!(conversation.begin(now, &ask), Ok(()));
                asked = Some((unit_id, exchange));
            }
            Event::Bytes(bytes) => {
                conversation.received(now, &bytes);
                heard.extend(bytes);
            }
            Event::Answer(part) => {
                let Some((unit_id, exchange)) = &asked else { continue };
                let pdu = exchange.response_pdu();
                let frame = match framing {
                    Framing::Rtu => rtu_frame(*unit_id, &pdu),
                    Framing::Tcp => {
                        let request = conversation.request_frame();
                        tcp_frame(u16::from_be_bytes([request[0], request[1]]), *unit_id, &pdu)
                    }
                };
                let bytes = &frame[..=part.index(frame.len())];
                conversation.received(now, bytes);
                heard.extend_from_slice(bytes);
            }
            Event::Echo => {
                let request = conversation.request_frame().to_vec();
                conversation.received(now, &request);
                heard.extend(request);
            }
            Event::Time(passed) => now += passed,
            Event::Step => match conversation.step(now) {
                Step::Wait { until } => assert!(until > now),
                Step::Send => conversation.sent(now),
                Step::Done => check_answer(&conversation, framing, &heard, asked.as_ref().expect("asked")),
                Step::Idle => {}
            },
            Event::Reset => conversation.reset(now),
        }
    }
    ends(&mut conversation, now);
}

/// Left alone, every conversation is idle or done within its time-outs.
fn ends(conversation: &mut Conversation, mut now: Micros) {
    let from = now;
    for _ in 0..8 {
        match conversation.step(now) {
            Step::Wait { until } => now = until,
            Step::Send => conversation.sent(now),
            Step::Done | Step::Idle => {
                assert!(now - from < 5_000_000, "it took {} us", now - from);
                return;
            }
        }
    }
    panic!("it does not end: {conversation:?}");
}

proptest! {
    #[test]
    fn requests_come_back_as_they_were(exchange in exchanges(), unit_id: u8) {
        let request = exchange.request();
        let mut pdu = [0; 253];
        let len = request.encode(&mut pdu).unwrap();
        prop_assert_eq!(Request::decode(&pdu[..len]), Ok(request));
        let frame = rtu_frame(unit_id, &pdu[..len]);
        prop_assert_eq!(server::decode(&frame), Ok((unit_id, Ok(request))));
        prop_assert_eq!(rtu::request_frame_len(&frame), Some(frame.len()));
        prop_assert_eq!(request.encode(&mut pdu[..len - 1]), Err(EncodeError::NoRoom));
    }

    #[test]
    fn responses_come_back_as_they_were(exchange in exchanges(), unit_id: u8, transaction: u16) {
        let request = exchange.request();
        let pdu = exchange.response_pdu();
        prop_assert_eq!(Response::decode(&request, &pdu), Ok(exchange.response()));
        if exchange.exception.is_none() {
            prop_assert_eq!(pdu.len(), request.response_pdu_len());
        }
        let frame = rtu_frame(unit_id, &pdu);
        prop_assert_eq!(rtu::decode(&frame), Ok((unit_id, &pdu[..])));
        let mut answer = [0; 256];
        let len = server::answer(unit_id, &request, &exchange.response(), &mut answer).unwrap();
        prop_assert_eq!(&answer[..len], frame);
        let frame = tcp_frame(transaction, unit_id, &pdu);
        let header = tcp::Header { transaction, unit_id, pdu_len: pdu.len() };
        prop_assert_eq!(tcp::decode(&frame), Ok(Some((header, &pdu[..]))));
    }

    #[test]
    fn another_exchange_s_response_is_refused_or_fits(one in exchanges(), other in exchanges()) {
        let mut out = [0; 253];
        match one.response().encode(&other.request(), &mut out) {
            Ok(len) => prop_assert_eq!(Response::decode(&other.request(), &out[..len]), Ok(one.response())),
            Err(error) => prop_assert_eq!(error, EncodeError::NotAnAnswer),
        }
        if let Ok(response) = Response::decode(&other.request(), &one.response_pdu()) {
            prop_assert_eq!(one.request().function(), other.request().function());
            prop_assert!(response.encode(&other.request(), &mut out).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..600), exchange in exchanges()) {
        if let Ok(request) = Request::decode(&bytes) {
            let mut pdu = [0; 253];
            let len = request.encode(&mut pdu).unwrap();
            prop_assert_eq!(Request::decode(&pdu[..len]), Ok(request));
        }
        if let Ok((_, pdu)) = rtu::decode(&bytes) {
            prop_assert_eq!(crc_by_the_book(&bytes), 0, "a frame with its CRC leaves nothing, {:?}", pdu);
        }
        if let Ok(Some((header, pdu))) = tcp::decode(&bytes) {
            prop_assert_eq!(header.pdu_len, pdu.len());
            prop_assert!((1..=253).contains(&pdu.len()));
        }
        let _ = Response::decode(&exchange.request(), &bytes);
        let _ = rtu::request_frame_len(&bytes);
        prop_assert_eq!(rtu::crc(&bytes), crc_by_the_book(&bytes));
    }

    #[test]
    fn an_rtu_conversation_ends_and_never_makes_up_an_answer(events in events()) {
        play(Framing::Rtu, Timing::serial(9600, 10), events);
    }

    #[test]
    fn a_tcp_conversation_ends_and_never_makes_up_an_answer(events in events()) {
        play(Framing::Tcp, Timing::stream(), events);
    }

    /// Whatever comes before and however it is cut, an answer that comes in time is found.
    #[test]
    fn an_answer_is_found_behind_noise_in_any_pieces(
        exchange in exchanges(),
        unit_id in 1..=247_u8,
        noise in vec(any::<u8>(), 0..20),
        pieces in vec(1..50_usize, 1..300),
    ) {
        let mut line = crate::line::Line::rtu();
        line.ask(unit_id, exchange.request());
        let mut bytes = noise;
        bytes.extend(rtu_frame(unit_id, &exchange.response_pdu()));
        let mut rest = &bytes[..];
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at(*piece.min(&rest.len()));
            line.hears(100, now);
            rest = later;
            if rest.is_empty() {
                break;
            }
            prop_assert!(!line.is_done());
        }
        prop_assert!(line.is_done());
        prop_assert_eq!(line.conversation.answer().map(|answer| answer.response), Ok(exchange.response()));
    }

    /// A line that never stops talking is given up, whatever it says.
    #[test]
    fn babble_ends(byte_us in 100..20_000_u64, babble in vec(any::<u8>(), 1..200)) {
        let mut line = crate::line::Line::rtu();
        line.begin(1, crate::line::holding(0, 125));
        let mut babble = babble.iter().cycle();
        while line.now < 3_000_000 {
            match line.conversation.step(line.now) {
                Step::Send => line.conversation.sent(line.now),
                Step::Wait { .. } => { line.hears(byte_us, &[*babble.next().unwrap()]); }
                Step::Done => return Ok(()),
                Step::Idle => unreachable!("something was asked"),
            }
        }
        prop_assert!(false, "it never ended");
    }
}
