//! Names of things: ids chosen by people, ULIDs made by us, and the sequence of a log.
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An id from a configuration: `[a-z0-9-]{1,32}`. Safe in a topic, a file name and a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(String);

/// Why a text is not an [`Id`], an [`AlarmId`] or a [`LogId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    #[error("an id has 1 to 32 characters of a-z, 0-9 and '-', not {0:?}")]
    Id(String),
    #[error("expected a ULID (26 characters of Crockford base32), not {0:?}")]
    Ulid(String),
}

impl Id {
    pub const MAX_LEN: usize = 32;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.to_string())) } else { Err(BadId::Id(excerpt(text))) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// From milliseconds since 1970 and 80 bits of chance (higher bits are ignored).
            pub fn from_parts(unix_ms: u64, chance: u128) -> Self {
                Self(ulid::Ulid::from_parts(unix_ms, chance))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                // Exactly as we write it: lower case, look-alikes and an overflowing first digit would
                // be second names for the same thing.
                match ulid::Ulid::from_string(text).map(Self) {
                    Ok(id) if id.0.array_to_str(&mut [0; ulid::ULID_LEN]) == text => Ok(id),
                    _ => Err(BadId::Ulid(excerpt(text))),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

ulid_id! {
    /// One occurrence of an alarm or fault, fixed from its raising to its finish.
    AlarmId
}
ulid_id! {
    /// One database of one gateway; a new database is a new log.
    LogId
}

/// The place of an event in its log: 1, 2, 3... without a gap.
pub type Sequence = u64;

/// A bounded piece of a bad text for an error message.
fn excerpt(text: &str) -> String {
    text.chars().take(48).collect()
}
