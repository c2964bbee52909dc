//! Until when a certificate is good: the two times in it, found by its DER alone (RFC 5280, 4.1), and judged a month ahead.
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use shouwang_core::Timestamp;

const DAY_MS: i64 = 24 * 3_600_000;
/// A certificate that ends sooner wants somebody to act.
pub(crate) const AHEAD_DAYS: i64 = 30;

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    NotYet,
    /// Whole days left.
    Good(i64),
    EndsSoon(i64),
    Over,
}

impl Validity {
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, outer, _) = element(certificate)?;
        let (_, mut rest, _) = element(outer)?;
        let (tag, _, after) = element(rest)?;
        // The version is written only if it is not the first.
        if tag == 0xA0 {
            rest = after;
        }
        // Serial number, signature algorithm, issuer.
        for _ in 0..3 {
            rest = element(rest)?.2;
        }
        let (_, validity, _) = element(rest)?;
        let (tag, from, rest) = element(validity)?;
        let (until_tag, until, _) = element(rest)?;
        Some(Self { from: time(tag, from)?, until: time(until_tag, until)? })
    }

    /// Of every certificate in a PEM file.
    pub(crate) fn of_pem(text: &[u8]) -> Vec<Self> {
        CertificateDer::pem_slice_iter(text).flatten().filter_map(|found| Self::of(&found)).collect()
    }

    pub(crate) fn standing(&self, now: Timestamp) -> Standing {
        let days = (self.until.unix_ms() - now.unix_ms()).div_euclid(DAY_MS);
        if now < self.from {
            Standing::NotYet
        } else if now > self.until {
            Standing::Over
        } else if days < AHEAD_DAYS {
            Standing::EndsSoon(days)
        } else {
            Standing::Good(days)
        }
    }
}

/// The day alone.
pub(crate) fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// Tag, content, and what follows; lengths up to four bytes.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7F);
        if !(1..=4).contains(&count) {
            return None;
        }
        let length = rest.get(..count)?.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        (length, rest.get(count..)?)
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

/// UTCTime has two digits of the year (50 and more: the last century), GeneralizedTime four; both end with Z.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        0x18 => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2);
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut wanted = rcgen::CertificateParams::new(vec!["broker.example".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        wanted.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = rcgen::KeyPair::generate().unwrap();
        wanted.self_signed(&key).unwrap().pem().into_bytes()
    }

    #[test]
    fn both_ends_are_read_and_judged_a_month_ahead() {
        let found = Validity::of_pem(&signed((2026, 1, 2), (2026, 12, 31)));
        let [validity] = found.as_slice() else { panic!("one certificate: {found:?}") };
        assert_eq!((day(validity.from), day(validity.until)), ("2026-01-02".into(), "2026-12-31".into()));
        let at = |text: &str| validity.standing(text.parse().unwrap());
        assert_eq!(at("1970-01-01T00:00:00Z"), Standing::NotYet);
        assert_eq!(at("2026-11-30T00:00:00Z"), Standing::Good(31));
        assert_eq!(at("2026-12-02T00:00:00Z"), Standing::EndsSoon(29));
        assert_eq!(at("2027-01-01T00:00:00Z"), Standing::Over);
    }

    #[test]
    fn years_after_2049_and_before_1950_are_written_out() {
        let found = Validity::of_pem(&signed((1975, 1, 1), (4096, 1, 1)));
        assert_eq!(
            found.first().map(|found| (day(found.from), day(found.until))),
            Some(("1975-01-01".into(), "4096-01-01".into()))
        );
        assert_eq!(Validity::of_pem(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), []);
    }

    #[test]
    fn any_damage_is_no_certificate() {
        let pem = signed((2026, 1, 2), (2026, 12, 31));
        let der = CertificateDer::pem_slice_iter(&pem).next().unwrap().unwrap();
        for at in 0..der.len() {
            let _ = Validity::of(der.get(..at).unwrap());
            for value in [0, 0x7F, 0x80, 0x84, 0xFF] {
                let mut bytes = der.to_vec();
                bytes[at] = value;
                let _ = Validity::of(&bytes);
            }
        }
    }
}
