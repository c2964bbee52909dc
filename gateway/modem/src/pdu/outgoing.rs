//! SMS-SUBMIT in UCS-2, alone or in parts.
use super::{ALONE_MOST, PART_MOST, hex};
use crate::number::Number;

/// A longer text is no text for an emergency; 536 characters are.
pub const PARTS_MOST: usize = 8;

const SUBMIT_WITH_RELATIVE_VALIDITY: u8 = 0x11;
const REPORT_WANTED: u8 = 0x20;
const HAS_HEADER: u8 = 0x40;
const INTERNATIONAL: u8 = 0x91;
const AS_DIALLED: u8 = 0x81;
const UCS2: u8 = 0x08;
/// Relative validity 170: four days.
const FOUR_DAYS: u8 = 0xAA;

/// One message to a modem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// For `AT+CMGS`: octets without those of the service centre's address.
    pub length: usize,
    /// The PDU in hexadecimal digits, the modem's own service centre before it.
    pub hex: String,
}

/// The text is longer than [`PARTS_MOST`] parts carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of {characters} characters is longer than {PARTS_MOST} messages carry; shorten it")]
pub struct TooLong {
    pub characters: usize,
}

/// The messages that carry `text`: one of up to 70 characters, or parts of up to 67 that the phone joins by
/// `reference`. No character is cut in two.
///
/// # Errors
/// The text does not fit into [`PARTS_MOST`] parts.
pub fn submit(to: &Number, text: &str, reference: u8, wants_report: bool) -> Result<Vec<Part>, TooLong> {
    let length = text.chars().map(char::len_utf16).sum::<usize>();
    if length <= ALONE_MOST {
        return Ok(vec![message(to, &[], text, wants_report)]);
    }
    let parts = split(text);
    let count = u8::try_from(parts.len()).ok().filter(|count| usize::from(*count) <= PARTS_MOST);
    let count = count.ok_or(TooLong { characters: length })?;
    let parts = (1_u8..).zip(parts);
    Ok(parts.map(|(at, part)| message(to, &[5, 0, 3, reference, count, at], part, wants_report)).collect())
}

fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut units) = (0, 0);
    for (at, character) in text.char_indices() {
        if units + character.len_utf16() > PART_MOST {
            parts.extend(text.get(start..at));
            (start, units) = (at, 0);
        }
        units += character.len_utf16();
    }
    parts.extend(text.get(start..));
    parts
}

fn message(to: &Number, header: &[u8], text: &str, wants_report: bool) -> Part {
    let report = if wants_report { REPORT_WANTED } else { 0 };
    let has_header = if header.is_empty() { 0 } else { HAS_HEADER };
    let mut octets = vec![SUBMIT_WITH_RELATIVE_VALIDITY | report | has_header, 0];
    octets.push(octet(to.digits().len()));
    octets.push(if to.is_international() { INTERNATIONAL } else { AS_DIALLED });
    octets.extend(swapped(to.digits()));
    octets.extend([0, UCS2, FOUR_DAYS]);
    let data: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    octets.push(octet(header.len() + data.len()));
    octets.extend(header);
    octets.extend(data);
    Part { length: octets.len(), hex: format!("00{}", hex(&octets)) }
}

/// Lengths here are at most 140, by what was made above.
fn octet(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

/// Two digits an octet, the first one low; an odd last one is filled up with F.
fn swapped(digits: &str) -> Vec<u8> {
    let value = |digit: Option<&u8>| digit.map_or(0xF, |digit| digit.wrapping_sub(b'0') & 0xF);
    digits.as_bytes().chunks(2).map(|pair| value(pair.get(1)) << 4 | value(pair.first())).collect()
}
