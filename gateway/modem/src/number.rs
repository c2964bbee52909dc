//! A phone's number as people write it and as networks send it.
use std::fmt;
use std::str::FromStr;

/// E.164 has 15 digits at most; a short code of an operator has 3 or more.
const DIGITS_LEAST: usize = 3;
const DIGITS_MOST: usize = 15;
/// A mobile number without its country code; by so many last digits two ways of writing one are the same phone.
const NATIONAL_DIGITS: usize = 11;

/// A phone's number: digits, international if it begins with `+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    digits: String,
    is_international: bool,
}

/// What is written there is no phone's number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a phone number of {DIGITS_LEAST} to {DIGITS_MOST} digits like +8613800138000 or 13800138000"
)]
pub struct BadNumber;

impl Number {
    pub fn digits(&self) -> &str {
        &self.digits
    }

    pub fn is_international(&self) -> bool {
        self.is_international
    }

    /// Whether both reach the same phone.
    pub fn is_same_phone(&self, other: &Self) -> bool {
        self.phone() == other.phone()
    }

    /// What all ways of writing one phone's number have in common, for networks add or leave out the country code as
    /// they like: the last 11 digits, or all of a shorter one.
    pub fn phone(&self) -> &str {
        let start = self.digits.len().saturating_sub(NATIONAL_DIGITS);
        self.digits.get(start..).unwrap_or_default()
    }
}

impl FromStr for Number {
    type Err = BadNumber;

    /// Spaces and hyphens are left out, as people write them for reading.
    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let written: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let (digits, is_international) = match written.strip_prefix('+') {
            Some(digits) => (digits, true),
            None => (written.as_str(), false),
        };
        let is_number = (DIGITS_LEAST..=DIGITS_MOST).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { Ok(Self { digits: digits.to_owned(), is_international }) } else { Err(BadNumber) }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_international { "+" } else { "" }, self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn one_phone_has_several_ways_of_writing() {
        let plain = number("13800138000");
        for same in ["+8613800138000", "8613800138000", "138 0013 8000", "+86-138-0013-8000"] {
            assert!(plain.is_same_phone(&number(same)), "{same}");
        }
        for other in ["13800138001", "+8613900138000", "10086"] {
            assert!(!plain.is_same_phone(&number(other)), "{other}");
        }
        assert!(
            number("10086").is_same_phone(&number("10086"))
                && !number("10086").is_same_phone(&number("110086"))
        );
        assert_eq!(number("+86 138 0013 8000").to_string(), "+8613800138000");
    }

    #[test]
    fn what_could_be_a_command_is_no_number() {
        for bad in ["", "+", "12", "1234567890123456", "138;ATD110", "+86 138 0013 800a", "１３８", "++86123"]
        {
            assert_eq!(bad.parse::<Number>(), Err(BadNumber), "{bad}");
        }
    }
}
