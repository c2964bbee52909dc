//! Texts as networks carry them (3GPP TS 23.040, 23.038): what we send is UCS-2, so that Chinese arrives on every
//! phone; what comes in may be UCS-2 or GSM 7 bit, and may be anything at all.
mod alphabet;
mod incoming;
mod outgoing;

pub use incoming::{BadPdu, Delivery, Incoming, Report, ReportState, incoming};
pub use outgoing::{PARTS_MOST, Part, TooLong, submit};

/// Characters of UCS-2 (UTF-16 units) in a text that travels alone, and in each part of a longer one.
pub const ALONE_MOST: usize = 70;
pub const PART_MOST: usize = 67;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None })
        .collect()
}

#[cfg(test)]
mod tests;
