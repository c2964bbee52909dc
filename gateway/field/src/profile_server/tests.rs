//! What a device made from a profile does with what it is asked, in bytes.
use modbus_wire::rtu;
use proptest::prelude::*;
use shouwang_core::profile::{DeviceReset, Kind, Table as Place, WordOrder};
use shouwang_message::Class;

use super::*;
use crate::made;

fn server(profile: Arc<Profile>, unit_id: u8) -> ProfileServer {
    ProfileServer::new(profile, unit_id, Installed::default())
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn ask(server: &mut ProfileServer, unit_id: u8, pdu: &str) -> String {
    let mut frame = [0; 256];
    let len = rtu::encode(unit_id, &bytes(pdu), &mut frame).unwrap();
    let Some(answer) = server.answer(0, &frame[..len]) else { return String::new() };
    let (_, pdu) = rtu::decode(&answer).unwrap();
    pdu.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_smoke_detector_answers_the_golden_frames() {
    let mut smoke = server(made::smoke(), 1);
    let asked = bytes("01 03 00 03 00 01 74 0A");
    assert_eq!(smoke.answer(0, &asked).unwrap(), bytes("01 03 02 00 00 B8 44"));
    smoke.set(0, "smoke", &Value::Bool(true)).unwrap();
    assert_eq!(smoke.answer(0, &asked).unwrap(), bytes("01 03 02 00 01 79 84"));
}

#[test]
fn refusals_have_their_codes() {
    let mut smoke = server(made::smoke(), 1);
    for (asked, answered) in [
        ("04 00 03 00 01", "84 01"),
        ("05 00 03 FF 00", "85 01"),
        ("03 00 04 00 01", "83 02"),
        ("03 00 02 00 02", "83 02"),
        ("03 FF FF 00 02", "83 02"),
        ("03 00 03 00 00", "83 03"),
        ("03 00 03 00 7E", "83 03"),
        ("06 00 03 00 01", "86 02"),
        ("10 07 D0 00 02 04 00 05 00 06", "90 02"),
    ] {
        assert_eq!(ask(&mut smoke, 1, asked), answered, "{asked}");
    }
    assert_eq!(smoke.unit_id(), 1, "half a write is none");
    for silent in ["01 03 00 03 00 01 74 0B", "02 03 00 03 00 01 74 39", "FD FD FD 00 00 E9 88", "01"] {
        assert_eq!(smoke.answer(0, &bytes(silent)), None, "{silent}");
    }
}

#[test]
fn a_new_unit_id_really_acts_and_a_broadcast_never_changes_it() {
    let mut smoke = server(made::smoke(), 1);
    assert_eq!(ask(&mut smoke, 0, "06 07 D0 00 05"), "");
    assert_eq!(smoke.unit_id(), 1);
    assert_eq!(smoke.answer(0, &bytes("01 06 07 D0 00 05 49 44")).unwrap(), bytes("01 06 07 D0 00 05 49 44"));
    assert_eq!(ask(&mut smoke, 1, "03 00 03 00 01"), "");
    assert_eq!(ask(&mut smoke, 5, "03 07 D0 00 01"), "03 02 00 05");
    assert_eq!(ask(&mut smoke, 5, "06 07 D0 00 F8"), "86 03", "248 is reserved");
    smoke.act(0, Act::Restart).unwrap();
    assert_eq!(smoke.unit_id(), 5);
    assert!(smoke.act(0, Act::Cancel).unwrap_err().contains("no button"));
}

#[test]
fn a_model_that_must_be_told_to_save_forgets_otherwise() {
    let mut level = server(made::level(), 1);
    assert_eq!(level.answer(0, &bytes("01 06 00 00 00 05 49 C9")).unwrap(), bytes("01 06 00 00 00 05 49 C9"));
    level.act(0, Act::Restart).unwrap();
    assert_eq!(level.unit_id(), 1);
    ask(&mut level, 1, "06 00 00 00 05");
    assert_eq!(level.answer(0, &bytes("05 06 00 0F 00 00 B8 4D")).unwrap(), bytes("05 06 00 0F 00 00 B8 4D"));
    level.act(0, Act::Restart).unwrap();
    assert_eq!(level.unit_id(), 5);
    assert_eq!(ask(&mut level, 5, "06 00 0F 00 01"), "86 03");
}

#[test]
fn a_level_is_encoded_through_decimals_unit_and_installation() {
    let installed = |unit: &str| Installed { unit: Some(unit.into()), ..Installed::default() };
    let mut mm = ProfileServer::new(made::level(), 1, installed("mm"));
    mm.set(0, "level_m", &Value::Number(0.153)).unwrap();
    let asked = bytes("01 03 00 04 00 01 C5 CB");
    assert_eq!(mm.answer(0, &asked).unwrap(), bytes("01 03 02 00 99 78 2E"));
    let mut cm = ProfileServer::new(made::level(), 1, Installed { datum_m: Some(1.0), ..installed("cm") });
    cm.set(0, "level_m", &Value::Number(3.41)).unwrap();
    assert_eq!(
        ask(&mut cm, 1, "03 00 03 00 02"),
        "03 04 00 01 09 6A",
        "2410 tenths of a cm above the sensor"
    );
    cm.set(0, "decimals", &Value::Number(2.0)).unwrap();
    assert_eq!(
        ask(&mut cm, 1, "03 00 04 00 01"),
        "03 02 09 6A",
        "a drifted setting does not move the raw value"
    );
    assert!(cm.set(0, "level_m", &Value::Number(400.0)).unwrap_err().contains("does not fit"));
    assert!(cm.set(0, "level_m", &Value::Bool(true)).unwrap_err().contains("is a number"));
    assert!(cm.set(0, "leval_m", &Value::Number(1.0)).unwrap_err().contains("level_m"));
}

#[test]
fn holes_can_be_read_only_where_the_profile_allows_it() {
    let points = || {
        vec![
            made::point("a", Place::InputRegister, 0, Kind::U16),
            made::point("b", Place::InputRegister, 4, Kind::U16),
        ]
    };
    let mut open = server(Arc::new(made::profile("open", Class::Air, points())), 1);
    assert_eq!(ask(&mut open, 1, "04 00 00 00 05"), "04 0A 00 00 00 00 00 00 00 00 00 00");
    let mut strict = made::profile("strict", Class::Air, points());
    strict.blocks.no_joining_over_holes = true;
    strict.blocks.even_counts = true;
    let mut strict = server(Arc::new(strict), 1);
    assert_eq!(ask(&mut strict, 1, "04 00 00 00 05"), "84 03");
    assert_eq!(ask(&mut strict, 1, "04 00 00 00 02"), "84 02");
}

#[test]
fn bits_and_bytes_of_one_register_do_not_disturb_each_other() {
    let bit = |bit| Kind::Bool { bit: Some(bit), active_when: false };
    let made = made::profile(
        "parts",
        Class::Gas,
        vec![
            made::point("gas", Place::HoldingRegister, 1, Kind::HighByte),
            made::point("mounted", Place::HoldingRegister, 1, bit(0)),
            made::point("level", Place::HoldingRegister, 1, Kind::Bits { shift: 4, width: 3 }),
            made::point("percent", Place::HoldingRegister, 2, Kind::Bcd),
        ],
    );
    let mut parts = server(Arc::new(made), 1);
    parts.set(0, "gas", &Value::Number(6.0)).unwrap();
    parts.set(0, "level", &Value::Number(5.0)).unwrap();
    parts.set(0, "percent", &Value::Number(209.0)).unwrap();
    assert_eq!(ask(&mut parts, 1, "03 00 01 00 02"), "03 04 06 51 02 09");
    parts.set(0, "mounted", &Value::Bool(true)).unwrap();
    assert_eq!(ask(&mut parts, 1, "03 00 01 00 01"), "03 02 06 50");
    assert!(parts.set(0, "level", &Value::Number(8.0)).is_err());
}

#[test]
fn all_four_word_orders_are_what_the_letters_say() {
    let orders = [
        (WordOrder::Abcd, "03 04 11 22 33 44"),
        (WordOrder::Cdab, "03 04 33 44 11 22"),
        (WordOrder::Dcba, "03 04 44 33 22 11"),
        (WordOrder::Badc, "03 04 22 11 44 33"),
    ];
    for (order, answered) in orders {
        let points = vec![made::point("count", Place::HoldingRegister, 0, Kind::U32(order))];
        let mut one = server(Arc::new(made::profile("words", Class::Electrical, points)), 1);
        one.set(0, "count", &Value::Number(f64::from(0x1122_3344))).unwrap();
        assert_eq!(ask(&mut one, 1, "03 00 00 00 02"), answered);
    }
}

#[test]
fn a_device_reset_needs_its_magic_and_ends_a_latched_alarm() {
    let mut made = made::profile(
        "duct",
        Class::Smoke,
        vec![made::point("smoke", Place::DiscreteInput, 2, made::flag())],
    );
    made.reset = Some(DeviceReset { table: Place::HoldingRegister, address: 0, value: 234 });
    let mut duct = server(Arc::new(made), 1);
    duct.set(0, "smoke", &Value::Bool(true)).unwrap();
    assert_eq!(ask(&mut duct, 1, "06 00 00 00 01"), "86 03");
    assert_eq!(ask(&mut duct, 1, "06 00 00 00 EA"), "06 00 00 00 EA");
    assert_eq!(duct.answer(0, &bytes("01 06 00 00 00 EA 08 45")).unwrap(), bytes("01 06 00 00 00 EA 08 45"));
}

#[test]
fn a_busy_flash_hears_nothing_until_it_has_settled() {
    let mut made = (*made::smoke()).clone();
    made.timing.settle_after_write = std::time::Duration::from_millis(200);
    let mut smoke = server(Arc::new(made), 1);
    ask(&mut smoke, 1, "06 07 D0 00 01");
    let asked = bytes("01 03 00 03 00 01 74 0A");
    assert_eq!(smoke.answer(199_999, &asked), None);
    assert!(smoke.answer(200_000, &asked).is_some());
}

proptest! {
    #[test]
    fn no_bytes_ever_panic_a_server_or_get_an_answer_that_is_no_frame(
        body in proptest::collection::vec(any::<u8>(), 0..260),
        whole in any::<bool>(),
    ) {
        let mut frame = body;
        if whole {
            let crc = rtu::crc(&frame);
            frame.extend(crc.to_le_bytes());
        }
        let call: Box<dyn Server> = Box::new(crate::call_unit::CallUnit::new(made::call(), 1, 1, 9600));
        let devices: [Box<dyn Server>; 3] =
            [Box::new(server(made::smoke(), 1)), Box::new(server(made::level(), 1)), call];
        for mut device in devices {
            if let Some(answer) = device.answer(0, &frame) {
                prop_assert!(whole && rtu::decode(&answer).is_ok());
            }
        }
    }
}
