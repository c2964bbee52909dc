//! A client's conversation with a line that says anything at any time.
use modbus_wire::{Ask, Conversation, Framing, Request, Response, Step, Table, Timing, rtu, tcp};

/// No ask lasts longer: quiet, request, time-out, the longest answer and a babbling line's second.
const LONGEST_ASK_US: u64 = 5_000_000;

pub(crate) fn rtu(data: &[u8]) {
    converse(Framing::Rtu, Timing::serial(9600, 10), data);
}

pub(crate) fn tcp(data: &[u8]) {
    converse(Framing::Tcp, Timing::stream(), data);
}

/// The input is a list of asks and of what is heard: each begins with a byte that says how many bytes follow
/// (low 5 bits) and how much time passes before them (high 3 bits); none of them is a new ask.
fn converse(framing: Framing, timing: Timing, data: &[u8]) {
    let mut line = Conversation::new(framing, timing);
    let mut now = 0_u64;
    let mut rest = data;
    let mut asked = None;
    let mut began = 0;
    while let Some((head, tail)) = rest.split_first() {
        let take = usize::from(head & 31).min(tail.len());
        let (bytes, tail) = tail.split_at(take);
        rest = tail;
        now += [0, 100, 1_000, 3_700, 20_000, 100_000, 250_000, 1_000_000][usize::from(head >> 5)];
        if take == 0 {
            let (ask, tail) = next_ask(rest);
            rest = tail;
            if line.begin(now, &ask).is_ok() {
                asked = Some(ask);
                began = now;
            }
        } else {
            line.received(now, bytes);
        }
        now = settle(&mut line, now, timing);
        if asked.is_some_and(|ask| judge(&line, framing, &ask)) || line.step(now) == Step::Done {
            asked = None;
        }
        assert!(asked.is_none() || now - began <= LONGEST_ASK_US + 32_000_000, "an ask never ends");
    }
    // Silence ends every ask.
    let silent = now + LONGEST_ASK_US;
    let mut steps = 0;
    while let Step::Wait { until } = line.step(now) {
        assert!(until <= silent, "a silent line is waited for until {until}, {silent} is late enough");
        now = now.max(until);
        now = settle(&mut line, now, timing);
        steps += 1;
        assert!(steps < 100, "waiting without end");
    }
}

/// Sends what is to be sent.
fn settle(line: &mut Conversation, now: u64, timing: Timing) -> u64 {
    if line.step(now) != Step::Send {
        return now;
    }
    let characters = line.outgoing().len() as u64;
    assert!(characters > 0, "nothing to send");
    let sent = now + characters * u64::from(timing.silence_us) * 2 / 7;
    line.sent(sent);
    sent
}

/// An answer is exactly what was asked for, from whom it was asked; whether there is a result yet.
fn judge(line: &Conversation, framing: Framing, ask: &Ask<'_>) -> bool {
    let Ok(answer) = line.answer() else { return false };
    let (unit_id, pdu) = match framing {
        Framing::Rtu => rtu::decode(answer.frame).expect("an answer's frame is whole"),
        Framing::Tcp => {
            let (header, pdu) = tcp::decode(answer.frame).expect("a frame").expect("a whole one");
            (header.unit_id, pdu)
        }
    };
    assert_eq!(unit_id, ask.unit_id, "another device's answer");
    assert_eq!(pdu, answer.pdu);
    match (answer.response, ask.request) {
        (Response::Registers(registers), Request::Read { count, .. }) => {
            assert_eq!(registers.len(), usize::from(count));
        }
        (Response::Bits(bits), Request::Read { count, .. }) => assert_eq!(bits.len(), usize::from(count)),
        _ => {}
    }
    true
}

fn next_ask(data: &[u8]) -> (Ask<'static>, &[u8]) {
    let (head, rest) = data.split_at(data.len().min(4));
    let byte = |at: usize| head.get(at).copied().unwrap_or(0);
    let table = [Table::Coil, Table::DiscreteInput, Table::HoldingRegister, Table::InputRegister]
        [usize::from(byte(0) & 3)];
    let address = u16::from(byte(2));
    let request = match byte(0) >> 2 & 3 {
        0 | 1 => Request::Read { table, address, count: u16::from(byte(3)) % 126 },
        2 => Request::WriteRegister { address, value: u16::from(byte(3)) },
        _ => Request::WriteCoil { address, on: byte(3) & 1 == 1 },
    };
    (Ask { unit_id: byte(1), request, first_byte_us: 200_000 }, rest)
}
