//! SMS-DELIVER and SMS-STATUS-REPORT: from a network, so anything may be wrong with them.
use jiff::civil;
use jiff::tz::Offset;
use shouwang_message::Timestamp;

use super::{alphabet, unhex};
use crate::number::Number;

/// The longest a modem can hand over: a service centre's address and a TPDU.
const OCTETS_MOST: usize = 12 + 176;
const ALPHANUMERIC: u8 = 0x50;

/// What a modem handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    Delivery(Delivery),
    Report(Report),
}

/// A text that somebody sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// As the network names the sender; none if that is no number but a word.
    pub from: Option<Number>,
    pub text: String,
    /// When the service centre had it: a text may wait for days.
    pub sent_at: Option<Timestamp>,
}

/// What became of a text of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// As the modem called the text when it took it.
    pub reference: u8,
    pub to: Option<Number>,
    pub state: ReportState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportState {
    /// The phone has it.
    Delivered,
    /// The service centre still tries.
    Trying,
    /// It has given up, with this status (TS 23.040, 9.2.3.15).
    GivenUp(u8),
}

/// Why a PDU cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPdu {
    #[error("not pairs of hexadecimal digits, or more than a modem hands over")]
    Hex,
    #[error("it ends too early")]
    Short,
    #[error("neither a text nor a report")]
    Kind,
    #[error("data or compressed text, which is nothing to read")]
    Alphabet,
}

/// Reads what follows a `+CMT:` or `+CDS:` line.
///
/// # Errors
/// It is no PDU that carries a text or a report.
pub fn incoming(hex: &str) -> Result<Incoming, BadPdu> {
    let octets = unhex(hex.trim()).filter(|octets| octets.len() <= OCTETS_MOST).ok_or(BadPdu::Hex)?;
    let mut rest = Octets(&octets);
    let centre = rest.one()?;
    rest.take(usize::from(centre))?;
    let first = rest.one()?;
    match first & 3 {
        0 => delivery(&mut rest, first & 0x40 != 0).map(Incoming::Delivery),
        2 => report(&mut rest).map(Incoming::Report),
        _ => Err(BadPdu::Kind),
    }
}

fn delivery(rest: &mut Octets<'_>, has_header: bool) -> Result<Delivery, BadPdu> {
    let from = address(rest)?;
    let _protocol = rest.one()?;
    let alphabet = alphabet(rest.one()?)?;
    let sent_at = timestamp(rest.take(7)?);
    let length = usize::from(rest.one()?);
    let header = if has_header { 1 + usize::from(rest.peek()?) } else { 0 };
    let text = match alphabet {
        Alphabet::SevenBit => {
            let fill = (header * 8).div_ceil(7);
            alphabet::unpacked(rest.0, fill * 7, length.saturating_sub(fill))
        }
        Alphabet::Ucs2 => {
            let data = rest.take(length.min(rest.0.len()))?.get(header..).ok_or(BadPdu::Short)?;
            let units = data.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    };
    Ok(Delivery { from, text, sent_at })
}

fn report(rest: &mut Octets<'_>) -> Result<Report, BadPdu> {
    let reference = rest.one()?;
    let to = address(rest)?;
    rest.take(14)?;
    let state = match rest.one()? {
        0x00..=0x1F => ReportState::Delivered,
        0x20..=0x3F => ReportState::Trying,
        status => ReportState::GivenUp(status),
    };
    Ok(Report { reference, to, state })
}

enum Alphabet {
    SevenBit,
    Ucs2,
}

/// By the data coding scheme (TS 23.038, section 4).
fn alphabet(scheme: u8) -> Result<Alphabet, BadPdu> {
    match scheme >> 4 {
        0x0..=0x7 if scheme & 0x20 != 0 => Err(BadPdu::Alphabet),
        0x0..=0x7 => match scheme >> 2 & 3 {
            2 => Ok(Alphabet::Ucs2),
            1 => Err(BadPdu::Alphabet),
            _ => Ok(Alphabet::SevenBit),
        },
        0xE => Ok(Alphabet::Ucs2),
        0xF if scheme & 4 != 0 => Err(BadPdu::Alphabet),
        _ => Ok(Alphabet::SevenBit),
    }
}

/// A sender or receiver: a number, or a word that is none.
fn address(rest: &mut Octets<'_>) -> Result<Option<Number>, BadPdu> {
    let digits = usize::from(rest.one()?);
    let kind = rest.one()?;
    let octets = rest.take(digits.div_ceil(2))?;
    if kind & 0x70 == ALPHANUMERIC {
        return Ok(None);
    }
    let halves = octets.iter().flat_map(|octet| [octet & 0xF, octet >> 4]).take(digits);
    let written: String = halves.map(|half| if half < 10 { char::from(b'0' + half) } else { '?' }).collect();
    let plus = if kind & 0x70 == 0x10 { "+" } else { "" };
    Ok(format!("{plus}{written}").parse().ok())
}

/// Year, month, day, hour, minute, second and quarters of an hour from UTC, two swapped digits each.
fn timestamp(octets: &[u8]) -> Option<Timestamp> {
    let [year, month, day, hour, minute, second, zone] = octets else { return None };
    let number = |octet: u8| i8::try_from((octet & 0xF) * 10 + (octet >> 4)).ok();
    let quarters = i32::from(number(zone & !0x08)?) * if zone & 0x08 == 0 { 1 } else { -1 };
    let year = 2000 + i16::from(number(*year)?);
    let written = civil::DateTime::new(
        year,
        number(*month)?,
        number(*day)?,
        number(*hour)?,
        number(*minute)?,
        number(*second)?,
        0,
    );
    let offset = Offset::from_seconds(quarters * 15 * 60).ok()?;
    let at = offset.to_timestamp(written.ok()?).ok()?;
    Some(Timestamp::from_unix_ms(at.as_millisecond()))
}

struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn peek(&self) -> Result<u8, BadPdu> {
        self.0.first().copied().ok_or(BadPdu::Short)
    }

    fn one(&mut self) -> Result<u8, BadPdu> {
        let (first, rest) = self.0.split_first().ok_or(BadPdu::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], BadPdu> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BadPdu::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}
