//! The code on a device's label: six characters that a person can read out, and a seventh that finds the mistake.
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Crockford's base 32: no I, L, O and U. The check may also be one of five further signs, which are never drawn.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// A prime above 32: every wrong character and every swap of two neighbours changes the remainder.
const MODULUS: u32 = 37;
const CHARACTERS: usize = 6;

/// Thirty bits, written as six characters of Crockford's base 32 and a check character: `7K3F9Q5`. No secret is in
/// it; it only names a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceCode(u32);

/// Why a text is not a [`DeviceCode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    #[error("a label's code has 7 characters, as 7K3F9Q5")]
    Length,
    #[error("{0:?} is in no label's code")]
    Character(char),
    #[error("the code does not add up: one character is wrong, or two are swapped")]
    Check,
}

impl DeviceCode {
    /// The code of these bits (only the lower 30 count); none if its check would be no letter or digit, which is so
    /// for one in seven: draw again.
    pub const fn drawn(bits: u32) -> Option<Self> {
        let code = Self(bits & ((1 << 30) - 1));
        if code.check() < 32 { Some(code) } else { None }
    }

    const fn check(self) -> u32 {
        self.0 % MODULUS
    }
}

/// The value of a character as people write and misread it: `o` is 0, `i` and `l` are 1, small letters are large.
fn value(character: char) -> Result<u32, BadCode> {
    let upper = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let found = (0_u32..).zip(ALPHABET).find(|(_, known)| char::from(**known) == upper);
    found.map(|(value, _)| value).ok_or(BadCode::Character(character))
}

impl FromStr for DeviceCode {
    type Err = BadCode;
    /// Spaces and hyphens, which people put between groups, do not count.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        let mut written = text.trim().chars().filter(|character| !matches!(character, ' ' | '-'));
        let (mut bits, mut check) = (0, None);
        for place in 0..=CHARACTERS {
            let value = value(written.next().ok_or(BadCode::Length)?)?;
            if place < CHARACTERS {
                bits = bits * 32 + value;
            } else {
                check = Some(value);
            }
        }
        if written.next().is_some() {
            return Err(BadCode::Length);
        }
        let code = Self(bits);
        if check == Some(code.check()) { Ok(code) } else { Err(BadCode::Check) }
    }
}

impl fmt::Display for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |value: u32| {
            let sign = usize::try_from(value).ok().and_then(|value| ALPHABET.get(value));
            sign.map_or('?', |sign| char::from(*sign))
        };
        let mut text = String::with_capacity(CHARACTERS + 1);
        for place in (0..CHARACTERS).rev() {
            text.push(sign(self.0 >> (5 * place) & 31));
        }
        text.push(sign(self.check()));
        f.pad(&text)
    }
}

impl Serialize for DeviceCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_known_codes_have_their_checks() {
        for known in ["7K3F9Q5", "9T2KD5K"] {
            assert_eq!(known.parse::<DeviceCode>().unwrap().to_string(), known);
        }
    }

    #[test]
    fn what_people_write_is_read_leniently() {
        let code: DeviceCode = "7K3F9Q5".parse().unwrap();
        assert_eq!("7k3-f9q 5".parse(), Ok(code));
        let ones: DeviceCode = DeviceCode::drawn(1 << 25 | 37).unwrap();
        let written = ones.to_string();
        assert_eq!(written.replace('1', "l").replace('0', "o").parse(), Ok(ones), "{written}");
        assert_eq!(written.replace('1', "I").replace('0', "O").parse(), Ok(ones), "{written}");
    }

    #[test]
    fn what_is_no_code_is_refused_with_its_reason() {
        for (text, why) in [
            ("", BadCode::Length),
            ("7K3F9Q", BadCode::Length),
            ("7K3F9Q55", BadCode::Length),
            ("7K3F9U5", BadCode::Character('U')),
            ("7K3F9码5", BadCode::Character('码')),
            ("7K3F9Q6", BadCode::Check),
        ] {
            assert_eq!(text.parse::<DeviceCode>(), Err(why), "{text:?}");
        }
    }

    proptest! {
        /// Any one wrong character and any swap of two neighbours is found, the check's own too.
        #[test]
        fn one_mistake_is_always_found(bits in 0_u32..1 << 30, place in 0_usize..7, other in 0_usize..32) {
            let Some(code) = DeviceCode::drawn(bits) else { return Ok(()) };
            let written = code.to_string();
            prop_assert_eq!(written.parse(), Ok(code));
            let mut wrong: Vec<u8> = written.bytes().collect();
            wrong[place] = ALPHABET[other];
            let wrong = core::str::from_utf8(&wrong).unwrap();
            prop_assert_eq!(wrong.parse::<DeviceCode>() == Ok(code), wrong == written);
            prop_assert!(wrong == written || wrong.parse::<DeviceCode>() == Err(BadCode::Check));
            if place < 6 {
                let mut swapped: Vec<u8> = written.bytes().collect();
                swapped.swap(place, place + 1);
                let swapped = core::str::from_utf8(&swapped).unwrap();
                prop_assert!(swapped == written || swapped.parse::<DeviceCode>() == Err(BadCode::Check));
            }
        }

        #[test]
        fn whatever_comes_is_a_code_or_refused(text in "\\PC{0,12}") {
            if let Ok(code) = text.parse::<DeviceCode>() {
                prop_assert_eq!(code.to_string().parse(), Ok(code));
            }
        }
    }

    #[test]
    fn six_in_seven_can_be_drawn() {
        let drawn = (0..37_000).filter(|bits| DeviceCode::drawn(*bits).is_some()).count();
        assert_eq!(drawn, 32_000);
    }
}
