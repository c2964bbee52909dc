//! A small world against the one promise that matters: no value on a wrong device or address. Devices answer
//! when they like, up to the end of the late window; every value says where it comes from.

use std::collections::BTreeMap;

use modbus_wire::{
    Ask, Conversation, ExceptionCode, Failure, Framing, Micros, Request, Response, Step, Table, Timing,
};
use proptest::{collection::vec, prelude::*};

use crate::line::rtu_frame;

const FIRST_BYTE_US: u32 = 50_000;
/// There is nothing at this address: an exception must come from here.
const HOLE: u16 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Question {
    unit_id: u8,
    table: Table,
    address: u16,
    count: u16,
    /// How long the device takes to answer this one.
    delay_us: Micros,
    pause_us: Micros,
    garbled: bool,
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let late = u64::from(FIRST_BYTE_US + Timing::serial(9600, 10).late_window_us) - 20_000;
    let tables = prop::sample::select(vec![Table::HoldingRegister, Table::InputRegister]);
    let delays = prop_oneof![3 => 4_000..40_000_u64, 2 => 40_000..120_000_u64, 1 => 50_000..late];
    let pauses = prop_oneof![3 => 0..50_000_u64, 1 => 400_000..900_000_u64];
    let question = (1..3_u8, tables, 0..4_u16, 1..3_u16, delays, pauses, prop::bool::weighted(0.05));
    vec(
        question.prop_map(|(unit_id, table, address, count, delay_us, pause_us, garbled)| Question {
            unit_id,
            table,
            address,
            count,
            delay_us,
            pause_us,
            garbled,
        }),
        1..40,
    )
}

fn value_at(unit_id: u8, table: Table, address: u16) -> u16 {
    u16::from(unit_id) << 12 | u16::from(table.read_function()) << 8 | address
}

fn has_hole(address: u16, count: u16) -> bool {
    (address..address + count).contains(&HOLE)
}

fn answer_of(question: &Question) -> Vec<u8> {
    let function = question.table.read_function();
    if has_hole(question.address, question.count) {
        return rtu_frame(question.unit_id, &ExceptionCode::ILLEGAL_DATA_ADDRESS.pdu(function));
    }
    let values = (0..question.count)
        .flat_map(|n| value_at(question.unit_id, question.table, question.address + n).to_be_bytes());
    let mut pdu = vec![function, question.count as u8 * 2];
    pdu.extend(values);
    let mut frame = rtu_frame(question.unit_id, &pdu);
    if question.garbled {
        frame[3] ^= 0x10;
    }
    frame
}

/// Asks everything in turn; says how many good answers came.
pub(crate) fn ask_all(questions: &[Question]) -> Result<usize, String> {
    let mut conversation = Conversation::new(Framing::Rtu, Timing::serial(9600, 10));
    let mut coming: BTreeMap<Micros, Vec<u8>> = BTreeMap::new();
    let (mut now, mut good) = (0, 0);
    for question in questions {
        let Question { unit_id, table, address, count, .. } = *question;
        let pause_ends = now + question.pause_us;
        while now < pause_ends {
            hear(&mut conversation, &mut coming, &mut now, pause_ends);
        }
        let request = Request::Read { table, address, count };
        conversation
            .begin(now, &Ask { unit_id, request, first_byte_us: FIRST_BYTE_US })
            .map_err(|e| e.to_string())?;
        loop {
            match conversation.step(now) {
                Step::Send => {
                    now += 8_336;
                    conversation.sent(now);
                    for (nth, piece) in answer_of(question).chunks(4).enumerate() {
                        let at = now + question.delay_us + nth as Micros * 4_168;
                        coming.entry(at).or_default().extend(piece);
                    }
                }
                Step::Wait { until } => hear(&mut conversation, &mut coming, &mut now, until),
                Step::Done => break,
                Step::Idle => return Err("idle after begin".into()),
            }
        }
        match conversation.answer().map(|answer| answer.response) {
            Ok(Response::Registers(registers)) => {
                let expected = (address..address + count).map(|address| value_at(unit_id, table, address));
                if !registers.iter().eq(expected) {
                    return Err(format!("{question:?} was told {registers:04X?}"));
                }
                good += 1;
            }
            Ok(Response::Exception(_)) if has_hole(address, count) => good += 1,
            Ok(other) => return Err(format!("{question:?} was told {other:?}")),
            Err(Failure::WrongUnitId(other)) => return Err(format!("device {other} only answered late")),
            Err(_) => {}
        }
    }
    Ok(good)
}

/// Time passes until something comes in, at most until then.
fn hear(
    conversation: &mut Conversation,
    coming: &mut BTreeMap<Micros, Vec<u8>>,
    now: &mut Micros,
    until: Micros,
) {
    match coming.first_entry() {
        Some(next) if *next.key() <= until => {
            *now = (*now).max(*next.key());
            conversation.received(*now, &next.remove());
        }
        _ => *now = until,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_value_comes_from_a_wrong_device_or_address(questions in questions()) {
        let told = ask_all(&questions);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }
}

#[test]
fn devices_that_answer_in_time_are_all_heard() {
    let question = Question {
        unit_id: 1,
        table: Table::HoldingRegister,
        address: 0,
        count: 2,
        delay_us: 30_000,
        pause_us: 0,
        garbled: false,
    };
    assert_eq!(ask_all(&vec![question; 100]), Ok(100));
}
