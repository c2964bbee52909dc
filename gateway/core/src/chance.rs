//! Seeded chance: the same seed gives the same run.

use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and good enough for jitter and ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An independent stream.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }
}
