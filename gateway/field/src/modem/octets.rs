//! The network's view of texts: what a phone would make of an SMS-SUBMIT, and an SMS-DELIVER of what a person sent.
use shouwang_message::Timestamp;

/// What an SMS-SUBMIT says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Submitted {
    pub(super) to: String,
    pub(super) text: String,
    pub(super) part: Option<(u8, u8, u8)>,
    pub(super) wants_report: bool,
}

/// Reads one as strictly as a network does. `length` is what `AT+CMGS` announced.
pub(super) fn submitted(hex: &str, length: usize) -> Option<Submitted> {
    let bytes: Option<Vec<u8>> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2))
        .collect();
    let bytes = bytes?;
    let own_centre = usize::from(*bytes.first()?);
    let tpdu = bytes.get(1 + own_centre..)?;
    let [kind, _reference, digits, number_kind, rest @ ..] = tpdu else { return None };
    let (address, rest) = rest.split_at_checked(usize::from(*digits).div_ceil(2))?;
    let [0, 0x08, _validity, user_length, data @ ..] = rest else { return None };
    let is_submit = kind & 0x03 == 1 && kind & 0x18 == 0x10;
    if tpdu.len() != length || !is_submit || data.len() != usize::from(*user_length) || data.len() > 140 {
        return None;
    }
    let (part, data) = match (kind & 0x40 != 0, data) {
        (true, [5, 0, 3, reference, count, at, data @ ..]) => (Some((*reference, *count, *at)), data),
        (true, _) => return None,
        (false, data) => (None, data),
    };
    let units: Vec<u16> =
        data.chunks(2).map(|unit| u16::from_str_radix(&hex_of(unit), 16).unwrap_or(0)).collect();
    let text = String::from_utf16(&units).ok()?;
    let plus = if *number_kind == 0x91 { "+" } else { "" };
    let mut to: String =
        address.iter().flat_map(|octet| [octet & 0xF, octet >> 4]).map(|n| format!("{n:x}")).collect();
    to.truncate(usize::from(*digits));
    Some(Submitted { to: format!("{plus}{to}"), text, part, wants_report: kind & 0x20 != 0 })
}

/// An SMS-DELIVER of a second, as a network in China stamps it.
pub(super) fn delivery(from: &str, text: &str, sent_at: Timestamp) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    let (scheme, length, data) = if plain {
        ("00", text.len(), packed(text.as_bytes()))
    } else {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        ("08", units.len(), units)
    };
    format!("0004{}00{scheme}{}{length:02X}{}", address(from), stamp(sent_at), hex_of(&data))
}

/// An SMS-STATUS-REPORT: the phone has it.
pub(super) fn delivered(reference: u8, to: &str) -> String {
    format!("0006{reference:02X}{}621122709000236211227090102300", address(to))
}

/// `YYMMDDhhmmss` at +08:00, the digits of each pair swapped; eight hours are 32 quarters.
fn stamp(sent_at: Timestamp) -> String {
    let there = Timestamp::from_unix_ms(sent_at.unix_ms() + 8 * 3_600_000).to_string();
    let digits: Vec<char> = there.chars().filter(char::is_ascii_digit).skip(2).take(12).collect();
    digits.chunks(2).flat_map(|pair| pair.iter().rev()).collect::<String>() + "23"
}

fn address(number: &str) -> String {
    let kind = if number.starts_with('+') { "91" } else { "81" };
    let digits = number.trim_start_matches('+');
    let filled = if digits.len() % 2 == 1 { format!("{digits}F") } else { digits.to_owned() };
    let swapped: String =
        filled.as_bytes().chunks(2).flat_map(|pair| pair.iter().rev()).map(|d| char::from(*d)).collect();
    format!("{:02X}{kind}{swapped}", digits.len())
}

/// Letters and digits have the same codes in GSM 7 bit as in ASCII.
fn packed(codes: &[u8]) -> Vec<u8> {
    let mut bits = codes.iter().flat_map(|code| (0..7).map(move |bit| code >> bit & 1)).peekable();
    let mut octets = Vec::new();
    while bits.peek().is_some() {
        octets.push((0..8).fold(0, |octet, bit| octet | bits.next().unwrap_or(0) << bit));
    }
    octets
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn it_reads_what_a_phone_would_read() {
    let hex = "0011000D91683108108300F00008AA2C3010503C73ED5BA43011003353F7697C00325355514300340030003270DF611F62A58B66002C8BF7786E8BA4";
    let text = submitted(hex, 59).unwrap();
    assert_eq!(
        (text.to.as_str(), text.text.as_str()),
        ("+8613800138000", "【值班室】3号楼2单元402烟感报警,请确认")
    );
    assert!(!text.wants_report && text.part.is_none());
    for (hex, length) in [(hex, 58), (&hex[..hex.len() - 2], 58), ("0004", 1), ("", 0), ("zz", 0)] {
        assert_eq!(submitted(hex, length), None);
    }
}

#[test]
fn it_packs_as_in_the_handbooks() {
    assert_eq!(hex_of(&packed(b"hellohello")), "E8329BFD4697D9EC37");
    assert_eq!(
        delivery("+8613800138000", "1", "2026-11-21T23:09:00.000Z".parse().unwrap()),
        "00040D91683108108300F00000621122709000230131"
    );
}
