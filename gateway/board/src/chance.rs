//! Seeded chance for txns, nonces and row ids: the same seed gives the same run.
use alloc::format;
use alloc::string::String;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to be unique; secrecy is not asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 32 hexadecimal digits.
    pub(crate) fn token(&mut self) -> String {
        format!("{:016x}{:016x}", self.draw(), self.draw())
    }
}
