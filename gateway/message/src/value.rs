//! A point's value: a state, a quantity or a short text. There is no value for "no value".
use alloc::string::String;
use serde::{Deserialize, Serialize, Serializer};

/// Numbers are finite and already rounded to the point's decimals; whole numbers travel without `.0`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Bool(bool),
    Number(f64),
    Text(String),
}

impl Value {
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(state) => Some(*state),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(state) => serializer.serialize_bool(*state),
            Self::Number(number) => serialize_number(number, serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// Integers up to 2^53 are exact in an f64 and are written as integers.
pub(crate) fn serialize_number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "only compared, and used within +-2^53")]
    let whole = *number as i64;
    if (-EXACT..=EXACT).contains(number) && whole as f64 == *number {
        serializer.serialize_i64(whole)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// For optional numbers (`limit`): null when there is none.
pub(crate) fn serialize_optional_number<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serialize_number(number, serializer),
        None => serializer.serialize_none(),
    }
}
