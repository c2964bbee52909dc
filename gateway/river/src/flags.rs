//! What speaks against a sample. A flagged one is kept and shown, and never clears anything.
use serde::{Deserialize, Serialize};

/// The quality-control flags of rules.md, section 4, after NOAA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flag {
    /// Outside the range that the station can have.
    Limit,
    /// Faster than 40 cm a minute.
    Rate,
    /// Unchanged for longer than a river is.
    Flat,
    /// More than three standard deviations from its neighbours.
    Outlier,
    /// Its burst scatters so much that a centimetre means nothing: rough water, or a loose sensor.
    Sigma,
}

impl Flag {
    pub const ALL: [Self; 5] = [Self::Limit, Self::Rate, Self::Flat, Self::Outlier, Self::Sigma];

    /// As documents call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Rate => "rate",
            Self::Flat => "flat",
            Self::Outlier => "outlier",
            Self::Sigma => "sigma",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.word() == word)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Limit => 1,
            Self::Rate => 2,
            Self::Flat => 4,
            Self::Outlier => 8,
            Self::Sigma => 16,
        }
    }
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flags(u8);

impl Flags {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | flag.bit())
    }

    pub const fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }
}
