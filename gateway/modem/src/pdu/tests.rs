//! Vectors: the design's own, one that is in every handbook, and properties of everything else.
use proptest::prelude::*;

use super::*;
use crate::number::Number;

const DUTY_ROOM: &str = "0011000D91683108108300F00008AA2C3010503C73ED5BA43011003353F7697C00325355514300340030003270DF611F62A58B66002C8BF7786E8BA4";

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn text_of(hex: &str) -> Delivery {
    match incoming(hex) {
        Ok(Incoming::Delivery(delivery)) => delivery,
        other => panic!("{hex}: {other:?}"),
    }
}

#[test]
fn an_alarm_is_these_octets() {
    let parts =
        submit(&number("+8613800138000"), "【值班室】3号楼2单元402烟感报警,请确认", 0, false).unwrap();
    assert_eq!(parts, [Part { length: 59, hex: DUTY_ROOM.into() }]);
    let national = submit(&number("10086"), "1", 0, true).unwrap();
    assert_eq!(national, [Part { length: 13, hex: "00310005810180F60008AA020031".into() }]);
}

#[test]
fn a_longer_text_travels_in_parts_that_cut_no_character() {
    let seventy = "烟".repeat(70);
    assert_eq!(submit(&number("10086"), &seventy, 7, false).unwrap().len(), 1);
    // The fire is a pair of units, and would lie across the border between two parts.
    let text = format!("{}🔥{}", "烟".repeat(66), "感".repeat(20));
    let parts = submit(&number("10086"), &text, 7, false).unwrap();
    assert_eq!(parts.len(), 2);
    assert!(parts[0].hex.starts_with("0051") && parts[0].hex.ends_with("70DF"), "{}", parts[0].hex);
    assert!(parts[1].hex.contains("D83DDD25611F"), "{}", parts[1].hex);
    assert_eq!([&parts[0].hex[16..34], &parts[1].hex[16..34]], ["0008AA8A0500030702", "0008AA320500030702"]);
    let most = "烟".repeat(PARTS_MOST * PART_MOST);
    assert_eq!(submit(&number("10086"), &most, 7, false).unwrap().len(), PARTS_MOST);
    assert_eq!(submit(&number("10086"), &(most + "烟"), 7, false), Err(TooLong { characters: 537 }));
}

#[test]
fn answers_are_read_in_both_alphabets() {
    let seven_bit = text_of("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37");
    assert_eq!(seven_bit.from, Some(number("27838890001")));
    assert_eq!(seven_bit.text, "hellohello");
    assert_eq!(seven_bit.sent_at.unwrap().to_string(), "2099-03-29T13:16:59.000Z");
    let one = text_of("00040D91683108108300F0000062112270900023 0131".replace(' ', "").as_str());
    assert_eq!((one.from, one.text.as_str()), (Some(number("+8613800138000")), "1"));
    assert_eq!(one.sent_at.unwrap().to_string(), "2026-11-21T23:09:00.000Z");
    let chinese =
        text_of("00040D91683108108300F0000862112270900023066536 52300031".replace(' ', "").as_str());
    assert_eq!(chinese.text, "收到1");
    // A header of 6 octets is 7 septets with the bit that fills it up.
    let joined =
        text_of("00440D91683108108300F000006211227090002308050003070202 62".replace(' ', "").as_str());
    assert_eq!(joined.text, "1");
    let word = text_of("000404D0B71A000062112270900023 0131".replace(' ', "").as_str());
    assert_eq!(word.from, None);
}

#[test]
fn reports_say_what_became_of_a_text() {
    let report = |status: &str| {
        let hex = format!("0006280D91683108108300F06211227090002362112270901023{status}");
        match incoming(&hex) {
            Ok(Incoming::Report(report)) => report,
            other => panic!("{hex}: {other:?}"),
        }
    };
    assert_eq!((report("00").reference, report("00").to), (0x28, Some(number("+8613800138000"))));
    let states = ["00", "02", "30", "41"].map(|status| report(status).state);
    let (delivered, trying) = (ReportState::Delivered, ReportState::Trying);
    assert_eq!(states, [delivered, delivered, trying, ReportState::GivenUp(0x41)]);
}

#[test]
fn what_is_no_text_is_refused_in_words() {
    assert_eq!(incoming("zz"), Err(BadPdu::Hex));
    assert_eq!(incoming("0"), Err(BadPdu::Hex));
    assert_eq!(incoming(&"00".repeat(200)), Err(BadPdu::Hex));
    assert_eq!(incoming(""), Err(BadPdu::Short));
    assert_eq!(incoming("0004"), Err(BadPdu::Short));
    assert_eq!(incoming("0001"), Err(BadPdu::Kind));
    assert_eq!(incoming("00040D91683108108300F00004621122709000230131"), Err(BadPdu::Alphabet));
}

proptest! {
    #[test]
    fn anything_at_all_is_read_or_refused(hex in "[0-9A-Fa-f]{0,400}", any in ".{0,60}") {
        let _ = incoming(&hex);
        let _ = incoming(&any);
    }

    #[test]
    fn a_delivery_with_any_body_never_panics(first in 0_u8..=255, dcs in 0_u8..=255, body in proptest::collection::vec(any::<u8>(), 0..160)) {
        let hex = format!("00{first:02X}0D91683108108300F000{dcs:02X}62112270900023{}", hex(&body));
        let _ = incoming(&hex);
    }

    #[test]
    fn parts_carry_the_whole_text_and_none_is_too_long(text in "[ -~烟感报警🔥]{0,500}") {
        if let Ok(parts) = submit(&number("+8613800138000"), &text, 9, true) {
            let header = if parts.len() > 1 { 12 } else { 0 };
            let mut units = Vec::new();
            for part in &parts {
                prop_assert_eq!(part.hex.len(), 2 * part.length + 2);
                // Service centre, type, reference, address, protocol, scheme, validity, length.
                let data = unhex(&part.hex[2 + 2 * 14 + header - header..]).unwrap();
                prop_assert_eq!(usize::from(data[0]), data.len() - 1);
                prop_assert!(data.len() <= 141);
                units.extend(data[1 + header / 2..].as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit)));
            }
            prop_assert_eq!(String::from_utf16(&units).unwrap(), text);
        }
    }
}
