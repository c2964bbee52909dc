//! What stands in an X.509 certificate (RFC 5280, 4.1): until when it is good, and whether it vouches for itself.
use shouwang_message::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) ends: Timestamp,
    /// Its issuer is itself.
    pub(super) is_self_signed: bool,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// None for what is no certificate.
pub(super) fn read(der: &[u8]) -> Option<Says> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (signed, _) = take(certificate, SEQUENCE)?;
    let rest = take(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_serial, rest) = take(rest, INTEGER)?;
    let (_algorithm, rest) = take(rest, SEQUENCE)?;
    let (issuer, rest) = take(rest, SEQUENCE)?;
    let (validity, rest) = take(rest, SEQUENCE)?;
    let (subject, _) = take(rest, SEQUENCE)?;
    let (_, ends) = time(validity)?;
    let (ends, _) = time(ends)?;
    Some(Says { ends: ends?, is_self_signed: issuer == subject })
}

/// The content of the element in front, if it has this tag, and what follows it.
fn take(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x0f))?;
            (length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*tag == wanted).then_some(())?;
    rest.split_at_checked(length)
}

/// A moment and what follows it; none inside if it is written in a way that certificates do not.
fn time(bytes: &[u8]) -> Option<(Option<Timestamp>, &[u8])> {
    let (text, rest, century) = match take(bytes, UTC_TIME) {
        Some((text, rest)) => (text, rest, true),
        None => take(bytes, GENERALIZED_TIME).map(|(text, rest)| (text, rest, false))?,
    };
    Some((moment(text, century), rest))
}

/// `YYMMDDHHMMSSZ`, from 50 on of the last century, or `YYYYMMDDHHMMSSZ`.
fn moment(text: &[u8], century: bool) -> Option<Timestamp> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = match century {
        true if digits.get(..2)? >= "50" => format!("19{digits}"),
        true => format!("20{digits}"),
        false => digits.to_owned(),
    };
    let part = |from: usize, to: usize| whole.get(from..to);
    if whole.len() != 14 {
        return None;
    }
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}.000Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, century, wanted) in [
            ("261122101112Z", true, Some("2026-11-22T10:11:12.000Z")),
            ("990101000000Z", true, Some("1999-01-01T00:00:00.000Z")),
            ("20501231235959Z", false, Some("2050-12-31T23:59:59.000Z")),
            ("20501331235959Z", false, None),
            ("2611221011Z", true, None),
            ("261122101112", true, None),
            ("+61122101112Z", true, None),
        ] {
            let found = moment(text.as_bytes(), century);
            assert_eq!(found.map(|at| at.to_string()).as_deref(), wanted, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_is_read_or_refused(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = read(&bytes);
        }

        /// One byte of a good one changed: still no panic.
        #[test]
        fn a_damaged_one_too(at in 0_usize..400, byte in 0_u8..) {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let mut der = made.cert.der().to_vec();
            assert!(read(&der).unwrap().is_self_signed);
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _ = read(&der);
        }
    }
}
