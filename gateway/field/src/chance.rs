//! Chance from a seed: the same seed and the same requests give the same faults.

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough to spoil frames with.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    /// `name` sets the sequences of two devices of one field apart.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        Self { state: name.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, fold) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    pub(crate) fn percent(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// Between `least` and `most` bytes of noise.
    pub(crate) fn noise(&mut self, least: u64, most: u64) -> Vec<u8> {
        let count = least + self.below(most.saturating_sub(least) + 1);
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}
